"""Staged rows on their way into a lakehouse table: as Arrow, in types that such tables have."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Part, Types
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

_WIDER = {"UInt8": "Int16", "UInt16": "Int32", "UInt32": "Int64", "Int128": "Int64", "Null": "String", "Categorical": "String",
          "Enum": "String", "Time": "String", "Duration": "String", "Object": "String"}  # fmt: skip


def mode_problems(mode: str, types: Types | None, **named: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """What is wrong with the parameters that name columns."""
    if mode == "upsert" and not named.get("key"):
        yield "key", "upsert needs a key"
    for name, columns in named.items():
        for column in columns or () if types else ():
            if types and column not in types:
                yield name, f"there is no column {column}"


def staged(frame: pl.DataFrame, seq: int, directory: Path) -> Part:
    """A batch, durably, where no reader looks."""
    from qpipe.outputs.file.places import write_durably

    buffer = io.BytesIO()
    frame.select(typed(name, dtype) for name, dtype in frame.schema.items()).write_ipc(buffer, compression="zstd")
    file, data = directory / f"part-{seq:06d}.arrow", buffer.getbuffer()
    write_durably(file, data)
    return Part(seq, str(file), frame.height, len(data), hashlib.sha256(data).hexdigest()[:32])


class StagedRows:
    """Staged rows as a stream of Arrow batches: one part in memory at a time."""

    def __init__(self, parts: Sequence[Part], types: Types) -> None:
        self._parts = sorted(parts, key=lambda part: part.seq)
        empty = pl.DataFrame(schema={name: type.polars() for name, type in types.items()})
        self._empty = empty.select(typed(name, dtype) for name, dtype in empty.schema.items())
        self.schema = _arrow(self._empty).schema
        self._misfit = ""

    def agree(self, known: Any, place: str, new_columns: str) -> None:
        """The rows take the table's types where that loses nothing; a column it does not have is refused or added."""
        if (new := [name for name in self.schema.names if name not in known.names]) and new_columns == "refuse":
            hint = f"it has {', '.join(known.names)}: say new_columns: add, or select other columns"
            raise DataRefused(f"the table has no column {new[0]}", file=place, hint=hint)
        for n, field in enumerate(self.schema):
            there = known.field(field.name).type if field.name in known.names else field.type
            if not alike(field.type, there):
                told = f"the table's column {field.name} is {there}, the rows' is {field.type}"
                raise DataRefused(told, file=place, hint="cast it before, or write to another table")
            self.schema = self.schema.set(n, field.with_type(there))

    @contextmanager
    def fitting(self, place: str) -> Iterator[None]:
        """A value that is none of the table's type, in our words: writers wrap what a stream of theirs raises."""
        try:
            yield
        except QpipeError:
            if self._misfit:
                raise DataRefused(f"a value does not fit the table's column: {self._misfit}", file=place,
                                  hint="cast or check it before, or widen the table's column") from None  # fmt: skip
            raise

    def reader(self) -> Any:
        import pyarrow

        batches = (batch for part in self._parts for batch in self._typed(pl.read_ipc(part.path)).to_batches(100_000))
        return pyarrow.RecordBatchReader.from_batches(self.schema, batches)

    def tables(self) -> Iterator[Any]:
        """A table for each part; one without rows where there is none."""
        yield from (self._typed(pl.read_ipc(part.path)) for part in self._parts)
        if not self._parts:
            yield self._typed(self._empty)

    def latest(self, key: Sequence[str]) -> Any:
        """One row for each key, the last."""
        frames = [pl.scan_ipc(part.path) for part in self._parts] or [self._empty.lazy()]
        return self._typed(pl.concat(frames).unique(list(key), keep="last", maintain_order=True).collect(engine="in-memory"))

    def _typed(self, frame: pl.DataFrame) -> Any:
        import pyarrow

        try:
            return _arrow(frame).cast(self.schema)
        except pyarrow.ArrowInvalid as error:
            self._misfit = str(error).splitlines()[0]
            raise


def _arrow(frame: pl.DataFrame) -> Any:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def alike(ours: Any, theirs: Any) -> bool:
    """Types that may hold the same values: numbers, texts, times; each value is tried when it is written."""
    from pyarrow import types

    kinds = (
        lambda t: types.is_integer(t) or types.is_floating(t) or types.is_decimal(t),
        lambda t: types.is_string(t) or types.is_large_string(t) or types.is_string_view(t),
        lambda t: types.is_binary(t) or types.is_large_binary(t),
        lambda t: types.is_timestamp(t) and t.tz is None,
        lambda t: types.is_timestamp(t) and t.tz is not None,
        types.is_nested,
    )
    return ours == theirs or any(kind(ours) and kind(theirs) for kind in kinds)


def typed(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column in a type that lakehouse tables have."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        zoned = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return zoned.dt.cast_time_unit("us").alias(name)
    kind = dtype.base_type().__name__
    if kind == "UInt64":
        return column.cast(pl.Decimal(20, 0))
    if kind == "Duration":
        return column.dt.to_string("iso").alias(name)
    return column.cast(getattr(pl, _WIDER[kind])) if kind in _WIDER else column
