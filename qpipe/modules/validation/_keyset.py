"""A set of keys built once and asked for millions, batch by batch, in a few nanoseconds each.

Whole numbers that lie close together are a table of one byte a number. Any other key is two hashes (96 bits, so that a
strange key is taken for a known one with a probability below 1e-9 in ten billion), sorted by the first; its leading bits say
where to look, so that one or two steps find it or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy
    import polars as pl

DENSE = 1 << 24  # numbers: up to this span, or 32 times the keys but never above 8 times this


def absent(columns: Sequence[str], keys: pl.DataFrame) -> pl.Expr:
    """True for rows whose key is not among ``keys``: columns of the same types, in the same order. A null is never absent."""
    keys = keys.drop_nulls().unique()
    only = keys.to_series(0) if keys.width == 1 else None
    if only is not None and only.dtype.is_integer() and only.dtype not in (pl.UInt64, pl.Int128, pl.UInt128) and keys.height:
        low, high = int(only.min()), int(only.max())  # type: ignore[arg-type]
        if high - low < min(max(DENSE, 32 * keys.height), 8 * DENSE):
            table = _Numbers(only, low, high)
            return pl.col(columns[0]).cast(pl.Int64).map_batches(table.absent, return_dtype=pl.Boolean, is_elementwise=True)
    key = pl.col(columns[0]) if only is not None else pl.struct(columns)
    hashes = pl.struct(key.hash(_SEEDS[0]).alias("first"), key.hash(_SEEDS[1]).alias("second"))
    slots = _Hashes(only if only is not None else keys.to_struct("key"))
    full = pl.all_horizontal(pl.col(column).is_not_null() for column in columns)
    return full & hashes.map_batches(slots.absent, return_dtype=pl.Boolean, is_elementwise=True)


_SEEDS = (17, 1009)


class _Numbers:
    """One byte a number from low to high, and one on either side for all others."""

    def __init__(self, keys: pl.Series, low: int, high: int) -> None:
        self._low, self._table = low, np.ones(high - low + 3, dtype=bool)
        self._table[keys.cast(pl.Int64).to_numpy() - (low - 1)] = False

    def absent(self, keys: pl.Series) -> pl.Series:
        numbers = (keys.fill_null(self._low) if keys.null_count() else keys).to_numpy()
        # a difference beyond 64 bits wraps around, but never into the table: the table is shorter
        return pl.Series(np.take(self._table, numbers - np.int64(self._low - 1), mode="clip"))


class _Hashes:
    """Sorted hashes, and for every value of their leading bits the place where those begin."""

    def __init__(self, keys: pl.Series) -> None:
        first, second = keys.hash(_SEEDS[0]).to_numpy(), _short(keys.hash(_SEEDS[1]))
        order = np.argsort(first, kind="stable")
        bits = max(len(first) - 1, 1).bit_length() + 1
        self._shift = np.uint64(64 - bits)
        self._first = np.append(first[order], np.uint64(0))  # one more, so that a place after the last can be looked at
        self._second = np.append(second[order], np.uint32(0))
        self._starts = np.zeros((1 << bits) + 1, dtype=np.int64)
        np.cumsum(np.bincount((first >> self._shift).astype(np.int64), minlength=1 << bits), out=self._starts[1:])

    def absent(self, hashes: pl.Series) -> pl.Series:
        first, second = hashes.struct.field("first").to_numpy(), _short(hashes.struct.field("second"))
        lead = (first >> self._shift).view(np.int64)
        place, end = self._starts[lead], self._starts[lead + 1]
        found = self._at(place, first, second) & (place < end)
        left = np.flatnonzero(~found & (place + 1 < end))
        while left.size:
            place[left] += 1
            found[left] = self._at(place[left], first[left], second[left])
            left = left[~found[left] & (place[left] + 1 < end[left])]
        return pl.Series(~found)

    def _at(self, place: numpy.ndarray, first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
        return (self._first[place] == first) & (self._second[place] == second)


def _short(hashes: pl.Series) -> numpy.ndarray:
    return (hashes.to_numpy() >> np.uint64(32)).astype(np.uint32)
