"""Which rows: a bitmap over ``_row``. One bit a row, whatever was found: 50 million rows are 6 MB."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy

_SPARSE = 32  # one row in so many, from which bits are set one by one


class RowSet:
    """A set of row ordinals. Grows as needed; ``mask`` gives a batch its slice as a boolean series."""

    def __init__(self, bits: numpy.ndarray | None = None) -> None:
        self._bits = np.zeros(0, dtype=np.uint8) if bits is None else bits

    @classmethod
    def of(cls, rows: Iterable[int] | Any) -> RowSet:
        made = cls()
        made.add(rows)
        return made

    def add(self, rows: Any) -> None:
        """Add ordinals: an array, a series or any iterable of integers."""
        if isinstance(rows, pl.Series):
            rows = rows.to_numpy()
        ordinals = np.asarray(rows if hasattr(rows, "dtype") else list(rows), dtype=np.int64)
        if ordinals.size == 0:
            return
        last, first = int(ordinals.max()), int(ordinals.min()) & ~7
        self._reach(last)
        if last - first >= _SPARSE * ordinals.size:
            np.bitwise_or.at(self._bits, ordinals >> 3, (1 << (ordinals & 7)).astype(np.uint8))
            return
        mask = np.zeros(last - first + 1, dtype=bool)  # many at once: several times as fast
        mask[ordinals - first] = True
        self._bits[first >> 3 : (last >> 3) + 1] |= np.packbits(mask, bitorder="little")

    @classmethod
    def first(cls, count: int) -> RowSet:
        """The rows 0 … count-1."""
        return cls(np.packbits(np.ones(count, dtype=bool), bitorder="little"))

    def mask(self, first: int, count: int) -> pl.Series:
        """True for the rows first … first+count-1 that are in the set."""
        byte, end = first >> 3, (first + count + 7) >> 3
        part = self._bits[byte:end]
        if part.size < end - byte:
            part = np.concatenate([part, np.zeros(end - byte - part.size, dtype=np.uint8)])
        start = first & 7
        return pl.Series(np.unpackbits(part, bitorder="little")[start : start + count].astype(bool))

    def touches(self, first: int, count: int) -> bool:
        """Whether any of these rows is in the set: most batches have none, and a mask costs more."""
        return bool(self._bits[first >> 3 : (first + count + 7) >> 3].any())

    def holds(self, ordinals: numpy.ndarray) -> numpy.ndarray:
        """For each of these ordinals whether it is in the set."""
        ordinals = ordinals.astype(np.int64)
        inside = ordinals < self.end
        bits = self._bits[np.where(inside, ordinals, 0) >> 3] if self.end else np.zeros(ordinals.size, dtype=np.uint8)
        return inside & (bits >> (ordinals & 7) & 1).astype(bool)

    @property
    def end(self) -> int:
        """A multiple of 8 that all ordinals are below."""
        return self._bits.size * 8

    def between(self, first: int, end: int) -> RowSet:
        """The rows from ``first`` up to ``end``, counted from ``first``; both are multiples of 8."""
        return RowSet(self._bits[first >> 3 : end >> 3])

    def but(self, others: RowSet) -> RowSet:
        """The rows that are not among the others."""
        bits = self._bits.copy()
        shared = min(bits.size, others._bits.size)
        bits[:shared] &= ~others._bits[:shared]
        return RowSet(bits)

    def ordinals(self) -> numpy.ndarray:
        """The rows themselves, in order: eight bytes each, so for few of them."""
        return np.flatnonzero(np.unpackbits(self._bits, bitorder="little"))

    def __len__(self) -> int:
        return int(np.unpackbits(self._bits).sum()) if self._bits.size else 0

    def save(self, path: Path) -> None:
        np.save(path, self._bits, allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> RowSet:
        return cls(np.load(path, allow_pickle=False))

    def _reach(self, row: int) -> None:
        need = (row >> 3) + 1
        if need > self._bits.size:
            grown = np.zeros(max(need, self._bits.size * 2), dtype=np.uint8)
            grown[: self._bits.size] = self._bits
            self._bits = grown
