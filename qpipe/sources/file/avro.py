"""Avro's object container files: typed columns, read block by block, a position is a row offset.

fastavro decodes record by record: there is no decoder of whole blocks that keeps decimals and times exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Chunk, Json
from qpipe.core.errors import DataRefused, MissingExtra
from qpipe.core.lazy import pl
from qpipe.sources._avro_types import columns_of, said, series

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources.file.reading import Asked

columnar = False


def columns(asked: Asked) -> dict[str, pl.DataType]:
    with _Opened(asked) as file:
        return {name: type.polars() for name, type in file.types.items()}


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    offset = (position or {}).get("row", 0)
    with _Opened(asked) as file:
        types = file.types if columns is None else {name: file.types[name] for name in columns}
        records: list[dict[str, Any]] = []
        for some in file.blocks(offset):
            records += some
            while len(records) >= rows:
                offset += rows
                yield Chunk(_frame(records[:rows], types), {"row": offset})
                records = records[rows:]
        if records:
            yield Chunk(_frame(records, types), {"row": offset + len(records)})


def size(asked: Asked) -> int | None:
    return None


def _frame(records: Sequence[dict[str, Any]], types: dict[str, DataType]) -> pl.DataFrame:
    return pl.DataFrame([series(name, type, records) for name, type in types.items()])


class _Opened:
    """The blocks of a file, and its columns."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def __enter__(self) -> _Opened:
        try:
            import fastavro
        except ImportError as error:
            raise MissingExtra("read Avro", extra="avro") from error
        self._file = self._asked.local().open("rb")
        try:
            self._blocks = fastavro.block_reader(self._file)
            schema: Any = self._blocks.writer_schema
        except Exception as error:  # what its parts raise: EOFError, KeyError, ValueError, …
            self._file.close()
            raise self._refused(error) from error
        if not isinstance(schema, dict) or schema.get("type") not in ("record", "error"):
            self._file.close()
            raise DataRefused(
                "its schema is none of a record", file=self._asked.name, hint="columns are the fields of a record"
            )
        self.types = columns_of(schema)
        return self

    def blocks(self, skip: int) -> Iterator[list[dict[str, Any]]]:
        """The records of each block, without the first so many."""
        blocks = iter(self._blocks)
        while True:
            try:
                block = next(blocks, None)
                if block is None:
                    return
                some: list[Any] = list(block)[skip:] if block.num_records > skip else []
            except Exception as error:
                raise self._refused(error) from error
            skip = max(0, skip - block.num_records)
            yield some

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _refused(self, error: Exception) -> DataRefused:
        told = said(error)
        if "codec" in told:
            return DataRefused(f"the Avro file is packed in a way that is not supported: {told}", file=self._asked.name,
                               hint="write it with deflate, zstandard or none")  # fmt: skip
        return DataRefused(
            f"the Avro file is damaged: {told}", file=self._asked.name, hint="write it anew, or take the original"
        )
