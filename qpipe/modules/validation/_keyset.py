"""Which keys are not among known ones: a set built once and asked batch by batch, at a few nanoseconds a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qpipe.core.component import Context
from qpipe.core.errors import QpipeError
from qpipe.core.key_index import KeyIndex
from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import polars as pl

DENSE = 1 << 24  # whole numbers: a table up to this span, or up to 32 times the keys but never above 8 times this


def absent(columns: Sequence[str], keys: pl.DataFrame) -> pl.Expr:
    """True for rows whose key is not among ``keys``: columns of the same types, in the same order. A null is never absent."""
    keys = keys.drop_nulls()
    only = keys.to_series(0) if keys.width == 1 else None
    if only is not None and only.dtype.is_integer() and only.dtype not in (pl.UInt64, pl.Int128, pl.UInt128) and keys.height:
        low, high = int(only.min()), int(only.max())  # type: ignore[arg-type]
        if high - low < min(max(DENSE, 32 * keys.height), 8 * DENSE):
            table = _Numbers(only, low, high)
            return pl.col(columns[0]).cast(pl.Int64).map_batches(table.absent, return_dtype=pl.Boolean, is_elementwise=True)
    index = KeyIndex(keys, keys.columns)

    def find(rows: pl.Series) -> pl.Series:
        return pl.Series(index.find(rows.to_frame() if only is not None else rows.struct.unnest()) < 0)

    key = pl.col(columns[0]) if only is not None else pl.struct(columns)
    full = pl.all_horizontal(pl.col(column).is_not_null() for column in columns)
    return full & key.map_batches(find, return_dtype=pl.Boolean, is_elementwise=True)


def written(references: str | Sequence[str]) -> tuple[str, ...]:
    """``customers.id``, or several of them, as a tuple."""
    return (references,) if isinstance(references, str) else tuple(references)


def their_columns(references: str | Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The columns referred to; a table's name alone stands for columns of the same names."""
    if isinstance(references, str) and "." not in references:
        return tuple(columns)
    return tuple(reference.partition(".")[2] for reference in written(references))


def reference_keys(columns: Sequence[str], source: str, theirs: Sequence[str], context: Context) -> pl.DataFrame:
    """A table's keys as the columns' own types have them; keys that those types cannot hold never match."""
    table = context.tables.get(source)
    if table is None:
        raise QpipeError(f"there is no reference table '{source}'", hint="give the source `role: reference`")
    chosen = {}
    for column, name in zip(columns, theirs, strict=True):
        if name not in table.columns:
            raise QpipeError(f"{source} has no column '{name}'", hint=f"it has {', '.join(table.columns)}")
        chosen[column] = _as(table[name], context.types[column].polars(), f"{source}.{name}", column)
    return pl.DataFrame(chosen)


def _as(theirs: pl.Series, wanted: pl.DataType, name: str, column: str) -> pl.Series:
    if theirs.dtype == wanted:
        return theirs
    texts = (pl.String, pl.Categorical, pl.Enum)
    if (theirs.dtype.base_type() in texts) != (wanted.base_type() in texts):
        raise QpipeError(f"{name} is {theirs.dtype}, but {column} is {wanted}", hint="cast one of them")
    try:
        cast = theirs.cast(wanted, strict=False)
        same = cast.cast(theirs.dtype, strict=False).eq_missing(theirs)
    except pl.exceptions.PolarsError as error:
        raise QpipeError(f"{name} is {theirs.dtype}, but {column} is {wanted}", hint="cast one of them") from error
    return cast.set(~same, None)  # 1.005 is not 1.00, 300 does not fit 8 bits


class _Numbers:
    """One byte a number from low to high, and one on either side for all others."""

    def __init__(self, keys: pl.Series, low: int, high: int) -> None:
        self._low, self._table = low, np.ones(high - low + 3, dtype=bool)
        self._table[keys.cast(pl.Int64).to_numpy() - (low - 1)] = False

    def absent(self, keys: pl.Series) -> pl.Series:
        numbers = (keys.fill_null(self._low) if keys.null_count() else keys).to_numpy()
        # a difference beyond 64 bits wraps around, but never into the table: the table is shorter
        return pl.Series(np.take(self._table, numbers - np.int64(self._low - 1), mode="clip"))
