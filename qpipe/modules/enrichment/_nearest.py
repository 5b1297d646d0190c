"""Which row of a reference belongs to a value that is not in it: the nearest before or after, a period, a similar text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from qpipe.analysis.matching import Matcher
from qpipe.core.key_index import KeyIndex
from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy
    import polars as pl

_FAR = 1 << 62


class Ordered:
    """Rows of a table by key and place on a line. ``find`` takes the key's columns and, last, the place."""

    def __init__(
        self, table: pl.DataFrame, keys: Sequence[str], places: pl.Series, ends: pl.Series | None = None, *,
        direction: str = "earlier", within: float | None = None, closed: str = "both",
    ) -> None:  # fmt: skip
        self._direction, self._closed = direction, closed
        self._groups = KeyIndex(table.select(keys).unique(maintain_order=True), keys) if keys else None
        at, open_ = on_line(places)
        if ends is not None:
            at, open_ = np.where(open_, -_FAR, at), np.zeros(len(at), dtype=bool)  # no start: since ever
        group = self._group(table.select(keys), table.height)
        kept = np.flatnonzero(~open_ & (group >= 0))
        self._values, rank = np.unique(at[kept], return_inverse=True)
        codes = self._code(group[kept], rank + 1)
        order = np.argsort(codes, kind="stable")
        self._rows, self._codes, self._group_of = kept[order], codes[order], group[kept][order]
        self._at = at[self._rows]
        self._ends: numpy.ndarray | None = None
        if ends is not None:
            until, endless = on_line(ends)
            self._ends = np.where(endless, _FAR, until)[self._rows]
        self._within = None if within is None else within * (1_000_000 if places.dtype.is_temporal() else 1)

    def repeated(self) -> numpy.ndarray:
        """Rows of the table that stand where another row of their key stands: the same place, or overlapping periods."""
        same = self._group_of[1:] == self._group_of[:-1]
        if self._ends is None:
            return self._rows[1:][same & (self._at[1:] == self._at[:-1])]
        touch = self._at[1:] <= self._ends[:-1] if self._closed == "both" else self._at[1:] < self._ends[:-1]
        return self._rows[1:][same & touch]

    def find(self, keys: pl.DataFrame) -> numpy.ndarray:
        """The row of the table for each row of keys, or -1."""
        at, absent = on_line(keys.to_series(keys.width - 1))
        group = self._group(keys[:, :-1], keys.height)
        if not len(self._rows):
            return np.full(keys.height, -1, dtype=np.int64)
        earlier, later = self._earlier(group, at), self._later(group, at)
        found = {"earlier": earlier, "later": later}.get(self._direction)
        if found is None:
            far_before = np.where(earlier >= 0, at - self._at[earlier], np.inf)
            far_after = np.where(later >= 0, self._at[later] - at, np.inf)
            found = np.where(far_before <= far_after, earlier, later)
        good = (found >= 0) & ~absent & (group >= 0)
        if self._within is not None:
            good &= np.abs(at - self._at[found]) <= self._within
        if self._ends is not None:
            good &= at <= self._ends[found] if self._closed in ("both", "right") else at < self._ends[found]
            good &= (at > self._at[found]) | (self._closed in ("both", "left"))
        return np.where(good, self._rows[found], -1)

    def _earlier(self, group: numpy.ndarray, at: numpy.ndarray) -> numpy.ndarray:
        """Where the last one at or before each stands, or -1. A period open on the left begins after its start."""
        side: Literal["left", "right"] = "left" if self._ends is not None and self._closed in ("right", "none") else "right"
        found = np.searchsorted(self._codes, self._code(group, np.searchsorted(self._values, at, side)), "right") - 1
        return np.where((found >= 0) & (self._group_of[found] == group), found, -1)

    def _later(self, group: numpy.ndarray, at: numpy.ndarray) -> numpy.ndarray:
        found = np.searchsorted(self._codes, self._code(group, np.searchsorted(self._values, at, "left") + 1), "left")
        inside = np.minimum(found, len(self._codes) - 1)
        return np.where((found < len(self._codes)) & (self._group_of[inside] == group), inside, -1)

    def _group(self, keys: pl.DataFrame, height: int) -> numpy.ndarray:
        return self._groups.find(keys) if self._groups else np.zeros(height, dtype=np.int64)

    def _code(self, group: numpy.ndarray, rank: numpy.ndarray) -> numpy.ndarray:
        """Group and rank as one number, in the order of both."""
        return group.astype(np.int64) * (len(self._values) + 2) + rank


class Similar:
    """Texts of a table by key and likeness. ``find`` takes the key's columns and, last, the text."""

    def __init__(self, table: pl.DataFrame, keys: Sequence[str], column: str, threshold: float) -> None:
        self._exact = KeyIndex(table, [*keys, column])
        self._groups = KeyIndex(table.select(keys).unique(maintain_order=True), keys) if keys else None
        self._threshold = threshold
        group = self._group(table.select(keys), table.height)
        self._texts = table[column].cast(pl.String)
        given = self._texts.is_not_null().to_numpy() & (group >= 0)
        order = np.argsort(np.where(given, group, -1), kind="stable")[int((~given).sum()) :]
        cuts = np.flatnonzero(np.diff(group[order])) + 1
        self._rows = {int(group[part[0]]): part for part in np.split(order, cuts) if len(part)}
        self._matchers: dict[int, Matcher] = {}
        self._known: dict[tuple[int, str], tuple[int, float]] = {}

    def repeated(self, most: int = 5) -> pl.DataFrame:
        return self._exact.repeated(most)

    def find(self, keys: pl.DataFrame) -> numpy.ndarray:
        return self.scored(keys)[0]

    def scored(self, keys: pl.DataFrame) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The row of the table for each row of keys, or -1, and how alike it is, 0 to 100.

        The loop is over different values that are not there as they are; each is searched once in a run.
        """
        found = self._exact.find(keys)
        score = np.where(found >= 0, 100.0, 0.0)
        group = self._group(keys[:, :-1], keys.height)
        texts = keys.to_series(keys.width - 1)
        lost = np.flatnonzero((found < 0) & texts.is_not_null().to_numpy() & (group >= 0))
        for at, which, text in zip(lost.tolist(), group[lost].tolist(), texts.gather(lost).to_list(), strict=True):
            if (which, text) not in self._known:
                self._known[which, text] = self._best(which, text)
            found[at], score[at] = self._known[which, text]
        return found, score

    def nearest(self, text: str, least: float = 50.0) -> list[str]:
        """Texts of the table, whatever their key, that are spelled like it."""
        near = [
            (score, self._texts[int(rows[at])])
            for which, rows in self._rows.items()
            for at, score in self._matcher(which).nearest(text, least)
        ]
        ordered = sorted(near, key=lambda each: -each[0])
        return list(dict.fromkeys(text for _, text in ordered))[:3]

    def _best(self, which: int, text: str) -> tuple[int, float]:
        """The one row that is more alike than any other."""
        near = self._matcher(which).nearest(text, self._threshold, 2)
        if not near or (len(near) > 1 and near[0][1] == near[1][1]):
            return -1, 0.0
        return int(self._rows[which][near[0][0]]), near[0][1]

    def _matcher(self, which: int) -> Matcher:
        if which not in self._matchers:
            self._matchers[which] = Matcher(self._texts.gather(self._rows[which]).to_list())
        return self._matchers[which]

    def _group(self, keys: pl.DataFrame, height: int) -> numpy.ndarray:
        return self._groups.find(keys) if self._groups else np.zeros(height, dtype=np.int64)


def on_line(values: pl.Series) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Numbers in the order of the values (of times: microseconds), and where there is none."""
    if values.dtype.is_temporal():
        values = values.cast(pl.Datetime("us", getattr(values.dtype, "time_zone", None))).cast(pl.Int64)
    elif not values.dtype.is_integer():
        values = values.cast(pl.Float64).fill_nan(None)
    else:
        values = values.cast(pl.Int64)
    return values.fill_null(0).to_numpy(), values.is_null().to_numpy()
