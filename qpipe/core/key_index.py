"""Key → row of a table, built once and asked batch after batch.

A join would build its hash table again for every batch: with a million keys and batches of 50,000 rows that costs ten times
what the search itself does. Here keys stand in buckets by their hash (whole numbers in a narrow range: by their value), and a
batch is looked up with a few vector operations. Few keys have a place of their own each, by the first bits of their hash.
Equal hashes are not taken for equal keys: found rows are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy
    import polars as pl

_NARROW = 8  # a direct table may be this many times as long as there are keys
_FEW, _MOST_BITS = 1000, 20  # keys that may have places of their own, in a table of at most 2^20 places


class KeyIndex:
    """Finds the row that has a key. Rows with a null in their key are never found, and null keys find nothing."""

    def __init__(self, table: pl.DataFrame, columns: Sequence[str]) -> None:
        self._keys = table.select(columns)
        self._rows = _complete_rows(self._keys)
        self._direct = _Direct.build(self._keys, self._rows)
        hashes = None if self._direct else _hashes(self._keys)[self._rows]
        self._apart = None if hashes is None else _Apart.build(hashes, self._rows)
        self._buckets = None if hashes is None or self._apart else _Buckets(hashes, self._rows)

    def repeated(self, most: int = 5) -> pl.DataFrame:
        """Keys that occur more than once, with ``len``; at most so many of them, those that come first."""
        keys = self._keys.drop_nulls()
        counts = keys.lazy().group_by(pl.all(), maintain_order=True).len().filter(pl.col("len") > 1).head(most)
        return counts.collect(engine="in-memory") if self._has_repeated() else keys.head(0).with_columns(len=pl.lit(0))

    def find(self, keys: pl.DataFrame) -> numpy.ndarray:
        """For each key the first row of the table that has it, or -1. Columns pair with the table's by position."""
        keys = keys.select([_as(column, dtype) for column, dtype in zip(keys, self._keys.dtypes, strict=True)])
        if self._direct:
            return self._direct.find(keys.to_series())
        places = self._apart or self._buckets
        assert places is not None
        found = places.find(_hashes(keys))
        self._confirm(keys, found)
        if any(column.null_count() for column in keys):
            found[~_complete(keys)] = -1
        return found

    def _confirm(self, keys: pl.DataFrame, found: numpy.ndarray) -> None:
        """Take back rows whose key only has the same hash, or its first bits; behind an equal hash may be another key's row."""
        hits = np.flatnonzero(found >= 0)
        theirs = self._keys[found[hits]]
        mine = keys if len(hits) == keys.height else keys[hits]
        differ = np.zeros(len(hits), dtype=bool)
        for one, other in zip(mine, theirs, strict=True):
            differ |= one.ne_missing(other).to_numpy()
        if not differ.any():
            return
        rows = hits[differ]
        found[rows] = -1 if self._apart else self._joined(keys[rows])

    def _joined(self, keys: pl.DataFrame) -> numpy.ndarray:
        """The same by an ordinary join."""
        known = self._keys.with_row_index("__row").unique(self._keys.columns, keep="first", maintain_order=True)
        named = keys.rename(dict(zip(keys.columns, self._keys.columns, strict=True)))
        joined = named.join(known, on=self._keys.columns, how="left", maintain_order="left")
        return joined["__row"].cast(pl.Int64).fill_null(-1).to_numpy()

    def _has_repeated(self) -> bool:
        if self._direct:
            return self._direct.repeated
        return self._buckets is not None and self._buckets.repeated


class _Direct:
    """Whole numbers in a narrow range: a row for each number."""

    def __init__(self, low: int, rows: numpy.ndarray, repeated: bool) -> None:
        self._low, self._rows, self.repeated = low, rows, repeated

    @classmethod
    def build(cls, keys: pl.DataFrame, rows: numpy.ndarray) -> _Direct | None:
        only = keys.to_series() if keys.width == 1 else None
        if only is None or not only.dtype.is_integer() or not len(rows):
            return None
        low, high = int(only.min()), int(only.max())  # type: ignore[arg-type]
        if high - low >= max(len(rows) * _NARROW, 1 << 16) or not -(1 << 62) < low <= high < 1 << 62:
            return None
        places = only.cast(pl.Int64).fill_null(low).to_numpy()[rows] - low
        table = np.full(high - low + 1, -1, dtype=np.int32 if len(only) < 1 << 31 else np.int64)
        table[places[::-1]] = rows[::-1]  # the first row of a key wins
        return cls(low, table, int(np.count_nonzero(table != -1)) < len(rows))

    def find(self, keys: pl.Series) -> numpy.ndarray:
        inside = keys.is_between(self._low, self._low + len(self._rows) - 1).fill_null(False)
        if inside.all():
            return self._rows[keys.cast(pl.Int64).to_numpy() - self._low].astype(np.int64)
        found = np.full(len(keys), -1, dtype=np.int64)
        places = np.flatnonzero(inside.to_numpy())
        found[places] = self._rows[keys.filter(inside).cast(pl.Int64).to_numpy() - self._low]
        return found


class _Apart:
    """Few keys, of which no two begin with the same bits of their hash: one place each."""

    def __init__(self, hashes: numpy.ndarray, rows: numpy.ndarray, bits: int) -> None:
        self._shift = np.uint64(64 - bits)
        self._rows = np.full(1 << bits, -1, dtype=np.int64)
        self._rows[hashes >> self._shift] = rows

    @classmethod
    def build(cls, hashes: numpy.ndarray, rows: numpy.ndarray) -> _Apart | None:
        """None where there are too many keys, or two that no beginning tells apart."""
        for bits in range(max(len(hashes).bit_length(), 1), _MOST_BITS + 1) if len(hashes) <= _FEW else ():
            if len(np.unique(hashes >> np.uint64(64 - bits))) == len(hashes):
                return cls(hashes, rows, bits)
        return None

    def find(self, hashes: numpy.ndarray) -> numpy.ndarray:
        """The row of the key whose hash begins alike, or -1."""
        return self._rows.take((hashes >> self._shift).view(np.int64))


class _Buckets:
    """Hashes sorted, and for every beginning of a hash the place where those that begin so start."""

    def __init__(self, hashes: numpy.ndarray, rows: numpy.ndarray) -> None:
        bits = min(max(len(hashes).bit_length() + 1, 4), 26)
        self._shift = np.uint64(64 - bits)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._rows = hashes[order], rows[order]
        begun = (self._hashes >> self._shift).astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(begun, minlength=1 << bits))]).astype(np.int64)
        self.repeated = bool((self._hashes[1:] == self._hashes[:-1]).any())

    def find(self, hashes: numpy.ndarray) -> numpy.ndarray:
        """The row of the first equal hash, or -1: one step a round for all that are still looking."""
        begun = (hashes >> self._shift).astype(np.int64)
        at, end = self._starts[begun], self._starts[begun + 1]
        found = np.full(len(hashes), -1, dtype=np.int64)
        looking = np.flatnonzero(at < end)
        while looking.size:
            here = at[looking]
            same = self._hashes[here] == hashes[looking]
            found[looking[same]] = self._rows[here[same]]
            looking = looking[~same]
            at[looking] += 1
            looking = looking[at[looking] < end[looking]]
        return found


def _as(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The column in the type of the table's; what that type cannot hold exactly is null, and so finds nothing."""
    if column.dtype == dtype:
        return column
    cast = column.cast(dtype, strict=False)
    if not (dtype.is_numeric() or dtype.is_temporal()):
        return cast
    return cast.set((cast.cast(column.dtype, strict=False) != column).fill_null(False), None)


def _complete(keys: pl.DataFrame) -> numpy.ndarray:
    return keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()


def _complete_rows(keys: pl.DataFrame) -> numpy.ndarray:
    """Rows whose key has no null."""
    return np.flatnonzero(_complete(keys))


def _hashes(keys: pl.DataFrame) -> numpy.ndarray:
    whole = keys.to_series() if keys.width == 1 else keys.to_struct("key")
    return whole.hash(17).to_numpy()
