"""Parquet: typed columns, read in batches, a position is a row offset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Chunk, Json
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from qpipe.sources.file.reading import Asked

columnar = True


def columns(asked: Asked) -> dict[str, pl.DataType]:
    path = asked.local()
    with _refusing(asked.name):
        return dict(_scan(path).collect_schema())


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    path, offset = asked.local(), (position or {}).get("row", 0)
    with _refusing(asked.name):
        frames = _scan(path)
        if offset:
            frames = frames.slice(offset)
        if columns is not None:
            frames = frames.select(columns)
        for frame in frames.collect_batches(chunk_size=rows, maintain_order=True):
            yield Chunk(frame, {"row": offset + frame.height})
            offset += frame.height


def size(asked: Asked) -> int | None:
    import pyarrow.parquet

    return int(pyarrow.parquet.read_metadata(asked.local()).num_rows)


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


class _refusing:
    """A reader's own errors, Rust panics among them, in our words."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (pl.exceptions.PolarsError, pl.exceptions.PanicException)):
            told = str(error).split("\n")[0].removeprefix("parquet: ").removeprefix("File out of specification: ")
            raise DataRefused(f"the Parquet file is damaged: {told}", file=self._name, hint="write it anew") from error
