"""Figures that grow with the rows and stay small: distinct values, moments, a sample. All of them merge chunk by chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy

LEAST = 4096  # hashes kept of a column: the relative error of an estimate is about 1 / sqrt(LEAST), 1.6 %
_SPACE = float(1 << 64)


class Distinct:
    """How many distinct values: the k least hashes (Bar-Yossef et al. 2002, "Counting distinct elements in a data stream").

    Exact while there are fewer than k. Sketches of two columns made with the same hash tell how much of one is in the other.
    """

    def __init__(self, least: int = LEAST) -> None:
        self._k = least
        self.hashes: numpy.ndarray = np.empty(0, dtype=np.uint64)  # sorted

    def add(self, hashes: numpy.ndarray) -> None:
        if len(self.hashes) >= self._k:
            hashes = hashes[hashes < self.hashes[-1]]
        elif len(hashes) > 16 * self._k:  # the least ones first: most columns with so many rows have enough of them
            low = distinct(hashes[hashes < np.uint64(_SPACE * 4 * self._k / len(hashes))])
            hashes = low if len(low) >= self._k else hashes
        if len(hashes):
            self.hashes = distinct(np.concatenate([self.hashes, hashes]))[: self._k]

    @property
    def is_exact(self) -> bool:
        return len(self.hashes) < self._k

    @property
    def count(self) -> int:
        if self.is_exact:
            return len(self.hashes)
        return round((self._k - 1) * _SPACE / float(self.hashes[-1]))

    def share_in(self, other: Distinct) -> tuple[float, int]:
        """(share of these values that the other column has, too; on how many values that rests)."""
        mine = self.hashes
        if not other.is_exact:
            mine = mine[mine <= other.hashes[-1]]
        if not len(mine):
            return 0.0, 0
        return float(np.isin(mine, other.hashes, assume_unique=True).mean()), len(mine)


def distinct(hashes: numpy.ndarray) -> numpy.ndarray:
    """Sorted and without repeats: several times as fast as numpy.unique, which hashes integers."""
    ordered = np.sort(hashes)
    keep = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=keep[1:])
    return ordered[keep]


class Unrepeated:
    """Every hash of a column, as long as hardly any comes twice: whether it is a key is then known exactly."""

    def __init__(self, most: int = 32_000_000, share: float = 0.9) -> None:
        self._most, self._share = most, share
        self._parts: list[numpy.ndarray] | None = []
        self._rows = self._looked = 0

    def add(self, hashes: numpy.ndarray) -> None:
        if self._parts is None:
            return
        self._rows += len(hashes)
        looks = self._rows >= 2 * self._looked  # each time there are twice as many: sorting every chunk would cost more
        if looks:
            self._looked = self._rows
        if self._rows > self._most or (looks and len(distinct(hashes)) < self._share * len(hashes)):
            self._parts = None
        else:
            self._parts.append(hashes)

    def repeated(self) -> int | None:
        """Rows beyond the first of each value; None where that was not followed."""
        if self._parts is None:
            return None
        if not self._parts:
            return 0
        every = np.sort(np.concatenate(self._parts))
        return int((every[1:] == every[:-1]).sum())

    @property
    def is_followed(self) -> bool:
        return self._parts is not None


@dataclass
class Moments:
    """Count, mean and spread of numbers, merged as Chan, Golub and LeVeque (1979) do."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared distances from the mean

    def add(self, count: int, mean: float | None, variance: float | None) -> None:
        """A chunk's count, mean and population variance."""
        if not count or mean is None or not math.isfinite(mean):
            return
        total, apart = self.count + count, mean - self.mean
        self.squares += (variance or 0.0) * count + apart * apart * self.count * count / total
        self.mean += apart * count / total
        self.count = total

    @property
    def deviation(self) -> float | None:
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else None


@dataclass
class RowSample:
    """Up to ``most`` rows, each as likely as any other, the same ones whenever the same rows come in the same order."""

    most: int
    rows: int = 0
    _parts: list[pl.DataFrame] = field(default_factory=list)
    _held: int = 0
    _limit: int = (1 << 64) - 1

    def add(self, frame: pl.DataFrame) -> None:
        numbers = pl.int_range(self.rows, self.rows + frame.height, eager=True)
        self.rows += frame.height
        numbered = frame.with_columns(numbers.hash(29).alias("_drawn"), numbers.alias("_row"))
        kept = numbered if self._limit == (1 << 64) - 1 else numbered.filter(pl.col("_drawn") <= self._limit)
        self._parts.append(kept)
        self._held += kept.height
        if self._held > 1.5 * self.most:
            self._cut()

    def frame(self) -> pl.DataFrame:
        """The sampled rows in their order, with the column ``_row``."""
        if self._held > self.most:
            self._cut()
        if not self._parts:
            return pl.DataFrame()
        return pl.concat(self._parts, how="vertical_relaxed").sort("_row").drop("_drawn")

    @property
    def is_whole(self) -> bool:
        return self._held == self.rows

    def _cut(self) -> None:
        every = pl.concat(self._parts, how="vertical_relaxed").bottom_k(self.most, by="_drawn")
        self._parts, self._held = [every], every.height
        self._limit = int(every["_drawn"].max() or 0)  # type: ignore[arg-type]


class Counts:
    """How often each value occurs, exactly, as long as there are at most ``most`` of them."""

    def __init__(self, most: int = 5_000) -> None:
        self._most = most
        self._table: pl.DataFrame | None = None
        self.is_followed = True

    def add(self, values: pl.Series) -> None:
        if not self.is_followed:
            return
        found = values.alias("value").drop_nulls().value_counts(name="count")
        every = found if self._table is None else pl.concat([self._table, found]).group_by("value").agg(pl.col("count").sum())
        self.is_followed = every.height <= self._most
        self._table = every if self.is_followed else None

    def top(self, most: int) -> list[tuple[Any, int]]:
        if self._table is None:
            return []
        return list(self._table.sort(["count", "value"], descending=[True, False]).head(most).iter_rows())
