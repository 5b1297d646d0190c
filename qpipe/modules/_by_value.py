"""What is made of each different value, once, however many rows hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl


def by_value(texts: pl.Series, make: Callable[[str], str | int | None], dtype: pl.DataType) -> pl.Series:
    """What a function makes of each text, called once for each different one."""
    different = texts.drop_nulls().unique()
    made = pl.Series([make(text) for text in different], dtype=dtype)
    return texts.replace_strict(different, made, default=None, return_dtype=dtype)


def parts_by_value(cell: pl.Expr, make: Callable[[str], tuple[Any, ...]], parts: Mapping[str, pl.DataType]) -> pl.Expr:
    """The same with several parts of each text, as a structure; null has none of them. ``part`` takes one out of it."""
    read = partial(_parts, make=make, parts=parts)
    return cell.map_batches(read, return_dtype=pl.Struct(parts), is_elementwise=True)


def part(read: pl.Expr, name: str, dtype: pl.DataType) -> pl.Expr:
    """One part of what is read, which is the same expression each time (``prepared``), so that Polars reads once.

    The part is made anew each time: were it one that occurs twice, as the reading in it does, Polars would read once more for
    it; and of ``struct.field`` it does not know that what it is taken from is the same. Nor does it if what is read is not a
    column as it is.
    """
    return read.map_batches(partial(_field, name=name), return_dtype=dtype, is_elementwise=True)


def _parts(texts: pl.Series, make: Callable[[str], tuple[Any, ...]], parts: Mapping[str, pl.DataType]) -> pl.Series:
    different = texts.drop_nulls().unique()
    made = pl.DataFrame([make(text) for text in different], schema=dict(parts), orient="row")
    known = made.with_columns(different.alias(_TEXT))
    return texts.to_frame(_TEXT).join(known, on=_TEXT, how="left", maintain_order="left").drop(_TEXT).to_struct(texts.name)


_TEXT = "\x00text"


def _field(read: pl.Series, name: str) -> pl.Series:
    return read.struct.field(name)
