"""Columns that several files write with several types, in one that all share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpipe.core.convert import exactly
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


def common_type(a: pl.DataType, b: pl.DataType) -> pl.DataType:
    """A type that holds the values of both; text where there is no other."""
    if a == b:
        return a
    try:
        empty = [pl.DataFrame(schema={"x": dtype}) for dtype in (a, b)]
        return pl.concat(empty, how="vertical_relaxed").schema["x"]
    except pl.exceptions.PolarsError:
        return pl.String()


def shared(column: pl.Series, dtype: pl.DataType, file: str) -> pl.Series:
    """A file's column in the type that all share. DataRefused where that would round one of its values."""
    if column.dtype == dtype:
        return column
    wanted = DataType.of(dtype)
    made = column.to_frame().select(exactly(pl.col(column.name), DataType.of(column.dtype), wanted)).to_series()
    lost = column.filter(made.is_null() & column.is_not_null())
    if lost.len():
        raise DataRefused(f"{column.name} is {lost[0]}, which no {wanted} can be, as it is in other files", file=file,
                          hint="write it with one type in all files, or read them as sources of their own")  # fmt: skip
    return made
