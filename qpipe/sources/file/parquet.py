"""Parquet: typed columns, read in batches, a position is a row offset.

Polars reads; what it cannot read is read by Arrow's own reader, from the row at which Polars gave up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.aside import Crew, waited
from qpipe.core.batch import Chunk, Json
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.sources.file.parquet_footer import read_footer
from qpipe.sources.file.parquet_pages import verify
from qpipe.sources.file.parquet_parts import fetched, portions

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked

columnar = True


def columns(asked: Asked) -> dict[str, pl.DataType]:
    path = _local(asked, ())
    verify(path, asked.name, () if asked.in_pieces else None)
    schema = _schema(path)
    return dict(schema if schema is not None else next(_by_arrow(_local(asked, None), 0, 1, None, asked.name)).schema)


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    offset = (position or {}).get("row", 0)
    for path, stop in _ready(asked, columns, offset):
        if _schema(path) is None:
            break
        try:
            for frame in _by_polars(path, offset, stop, rows, columns):
                offset += frame.height
                yield Chunk(frame, {"row": offset})
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            break
    else:
        return
    path = _local(asked, columns)
    verify(path, asked.name, columns if asked.in_pieces else None)
    for frame in _by_arrow(path, offset, rows, columns, asked.name):
        offset += frame.height
        if frame.height:
            yield Chunk(frame, {"row": offset})


def _ready(asked: Asked, columns: Sequence[str] | None, offset: int) -> Iterator[tuple[Path, int | None]]:
    """The file, which may be read until a row; None: to its end. Of a store's, the next row groups are fetched meanwhile."""
    footer = read_footer(_local(asked, ())) if asked.in_pieces else None
    parts = portions(footer, columns, offset) if footer else []
    if footer is None or not parts or len(parts[0]) == len(footer.groups):
        path = _local(asked, columns)
        verify(path, asked.name, columns if asked.in_pieces else None)
        yield path, None
        return
    with Crew(1, "qpipe-fetch") as crew:
        coming = crew.begin(partial(_local, asked, columns, parts[0]))
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            path = waited(coming, asked.context.check_stop)
            verify(path, asked.name, columns, part)
            if following is not None:
                coming = crew.begin(partial(_local, asked, columns, following))
            yield path, sum(group.rows for group in footer.groups[: part.stop])


def size(asked: Asked) -> int | None:
    return read_footer(_local(asked, ())).group_rows


def _local(asked: Asked, columns: Sequence[str] | None, groups: range | None = None) -> Path:
    """A file on this machine with these columns of these row groups at least: of a store's, nothing else is fetched."""
    return fetched(asked.input, asked.scratch("parts.parquet"), columns, groups) if asked.in_pieces else asked.local()


def _schema(path: Path) -> pl.Schema | None:
    """The columns as Polars sees them; None where it does not know the file's make, or would miss rows."""
    footer = read_footer(path)
    if footer.rows != footer.group_rows:  # some writers leave the first at 0
        return None
    try:
        return _scan(path).collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _by_polars(path: Path, offset: int, stop: int | None, rows: int, columns: Sequence[str] | None) -> Iterator[pl.DataFrame]:
    frames = _scan(path)
    if offset or stop is not None:
        frames = frames.slice(offset, None if stop is None else stop - offset)
    if columns is not None:
        frames = frames.select(columns)
    yield from frames.collect_batches(chunk_size=rows, maintain_order=True)


def _by_arrow(path: Path, offset: int, rows: int, columns: Sequence[str] | None, name: str) -> Iterator[pl.DataFrame]:
    """At least one frame, perhaps without rows."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            wanted = list(columns) if columns is not None else None
            yield _framed(pyarrow.Table.from_batches([], file.schema_arrow)).select(columns or pl.all())
            for batch in file.iter_batches(batch_size=rows, columns=wanted):
                skipped = min(offset, batch.num_rows)
                offset -= skipped
                if skipped < batch.num_rows:
                    yield _framed(pyarrow.Table.from_batches([batch[skipped:]]))
    except (pyarrow.ArrowException, OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _refused(error, name) from error


def _framed(table: Any) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _refused(error: BaseException, name: str) -> DataRefused:
    told = str(error).splitlines()[0]
    if "ot implemented" in told or "ot yet supported" in told or "unsupported" in told.lower():
        return DataRefused(
            f"the Parquet file uses a feature that is not supported: {told}", file=name, hint="write it more plainly"
        )
    return DataRefused(f"the Parquet file is damaged: {told}", file=name, hint="write it anew, or take the original")
