"""Which keys are not among known ones: a set built once and asked batch by batch, at a few nanoseconds a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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


class _Numbers:
    """One byte a number from low to high, and one on either side for all others."""

    def __init__(self, keys: pl.Series, low: int, high: int) -> None:
        self._low, self._table = low, np.ones(high - low + 3, dtype=bool)
        self._table[keys.cast(pl.Int64).to_numpy() - (low - 1)] = False

    def absent(self, keys: pl.Series) -> pl.Series:
        numbers = (keys.fill_null(self._low) if keys.null_count() else keys).to_numpy()
        # a difference beyond 64 bits wraps around, but never into the table: the table is shorter
        return pl.Series(np.take(self._table, numbers - np.int64(self._low - 1), mode="clip"))
