"""Keys gathered as hashes, to find those that occur twice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qpipe.core.batch import ROW, Json
from qpipe.core.lazy import np, pl
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import numpy
    import polars as pl

SORTERS = 2  # partitions that are looked through side by side


class Keys:
    """Keys that occur more than once, exactly, in bounded memory: hash partitions on disk, each sorted on its own.

    A key of one integer column is kept as it is. Any other key is kept as two independent hashes (96 bits), so that two
    different keys are taken for one with a probability below 1e-9 at ten billion rows. Rows whose key has a null are left
    out, unless nulls count as equal. Source of the method: partitioned external sort, as in hash-partitioned grouping.
    """

    shares: ClassVar[bool] = False
    PARTITIONS = 16
    RECORD: ClassVar = [("key", "<u8"), ("check", "<u4"), ("row", "<u4")]
    ROWS_PER_EPOCH = 1 << 32  # rows are kept as 32 bits; beyond that a second set of partitions begins

    def __init__(self, directory: Path, *, nulls_equal: bool = False) -> None:
        self._directory, self._nulls_equal = directory, nulls_equal
        directory.mkdir(parents=True, exist_ok=True)
        self._files: list[Any] = []

    def pack(self, frame: pl.DataFrame) -> list[memoryview]:
        """The records of each partition."""
        keys, rows = frame.drop(ROW), frame[ROW]
        if not self._nulls_equal and any(column.null_count() for column in keys.iter_columns()):
            full = keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
            keys, rows = keys.filter(full), rows.filter(full)
        return self._parted(self._records(keys, rows)) if keys.height else []

    def add(self, packed: list[memoryview]) -> None:
        for file, records in zip(self._open(), packed, strict=bool(packed)):
            file.write(records)

    def take(self, folder: Path, state: Json, rows: RowSet, shift: int) -> None:
        for mine, theirs, size in zip(self._open(), _paths(folder), state["sizes"], strict=True):
            records = np.fromfile(theirs, dtype=self.RECORD, count=size // np.dtype(self.RECORD).itemsize)
            records = records[rows.holds(records["row"])]
            records["row"] += np.uint32(shift)
            mine.write(records.tobytes())

    def state(self) -> Json:
        for file in self._open():
            file.flush()
        return {"sizes": [file.tell() for file in self._open()]}

    def sync(self) -> None:
        for file in self._files:
            os.fsync(file.fileno())

    def restore(self, state: Json) -> None:
        for file, size in zip(self._open(), state["sizes"], strict=True):
            file.truncate(size)
            file.seek(size)

    def close(self) -> None:
        for file in self._files:
            file.close()
        for path in self._directory.glob("keys-*.bin"):
            path.unlink()

    def duplicates(self, keep: str = "none") -> RowSet:
        """Rows whose key occurs more than once: all of them, or all but the first or the last."""
        found = RowSet()
        with ThreadPoolExecutor(SORTERS, thread_name_prefix="sort") as pool:
            for rows in pool.map(partial(_repeated, keep=keep), self._partitions()):
                found.add(rows)
        return found

    def _records(self, keys: pl.DataFrame, rows: pl.Series) -> numpy.ndarray:
        made = np.empty(keys.height, dtype=self.RECORD)
        made["row"] = rows.to_numpy()
        only = keys.to_series(0) if keys.width == 1 else None
        if only is not None and only.dtype.is_integer() and only.dtype not in (pl.Int128, pl.UInt128):
            # the same form in every batch, with nulls or without: else a key would not meet itself
            whole = only.fill_null(0) if only.null_count() else only
            made["key"] = whole.to_numpy() if whole.dtype == pl.UInt64 else whole.cast(pl.Int64).to_numpy().view(np.uint64)
            made["check"] = only.is_null().to_numpy() if only.null_count() else 0
            return made
        made["key"] = _hashed(keys, 17)
        made["check"] = _hashed(keys, 1009) >> np.uint64(32)
        return made

    def _parted(self, records: numpy.ndarray) -> list[memoryview]:
        # a multiplicative hash spreads consecutive integers over the partitions (Knuth, TAOCP 3, 6.4)
        part = ((records["key"] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(60)).astype(np.uint8)
        order = np.argsort(part, kind="stable")
        ordered, cuts = records.take(order), np.searchsorted(part[order], np.arange(self.PARTITIONS + 1))
        return [ordered[start:end].data for start, end in pairwise(cuts)]

    def _open(self) -> list[Any]:
        if not self._files:
            paths = _paths(self._directory)
            for path in paths:
                path.touch()
            self._files = [path.open("r+b", buffering=1 << 18) for path in paths]
            for file in self._files:
                file.seek(0, os.SEEK_END)
        return self._files

    def _partitions(self) -> list[str]:
        for file in self._open():
            file.flush()
        return [file.name for file in self._files]


def _paths(directory: Path) -> list[Path]:
    return [directory / f"keys-{n:02d}.bin" for n in range(Keys.PARTITIONS)]


def _hashed(keys: pl.DataFrame, seed: int) -> numpy.ndarray:
    """One hash of 64 bits for each row: those of its columns as the digits of a number (a polynomial hash)."""
    found, *others = (column.hash(seed).to_numpy() for column in keys.iter_columns())
    for other in others:
        found = found * np.uint64(0x9E3779B97F4A7C15) + other
    return found


def _repeated(partition: str, keep: str) -> numpy.ndarray:
    """The rows of one partition whose key occurs more than once."""
    records = np.fromfile(partition, dtype=Keys.RECORD)
    if len(records) > 1:
        records = records[_may_repeat(records["key"])]
    if len(records) < 2:
        return records["row"][:0]
    records = records[np.lexsort((records["row"], records["check"], records["key"]))]
    same = (records["key"][1:] == records["key"][:-1]) & (records["check"][1:] == records["check"][:-1])
    bad = np.zeros(len(records), dtype=bool)
    if keep != "first":
        bad[:-1] |= same
    if keep != "last":
        bad[1:] |= same
    return records["row"][bad]


def _may_repeat(keys: numpy.ndarray) -> numpy.ndarray:
    """True for keys that may occur more than once: a few others are among them. Cheaper than sorting all keys.

    Keys are put into groups by their hash, so small that the table of each stays in a processor's cache.
    """
    hashes = keys * np.uint64(0xD6E8FEB86659FD93)
    bits = min(8, (keys.size >> 15).bit_length())
    if not bits:
        return _shared_slots(hashes)
    group = (hashes >> np.uint64(64 - bits)).astype(np.uint8)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=1 << bits))
    hashes, repeats = hashes[order] << np.uint64(bits), np.empty(keys.size, dtype=bool)
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        repeats[order[start:end]] = _shared_slots(hashes[start:end])
    return repeats


def _shared_slots(hashes: numpy.ndarray) -> numpy.ndarray:
    """True for those that share a slot of a table eight times as large: the last one written to a slot owns it, and one that
    finds another owner shares."""
    bits = max(8, int(hashes.size * 8).bit_length())
    slots = (hashes >> np.uint64(64 - bits)).astype(np.int64)
    numbers = np.arange(hashes.size, dtype=np.int32)
    owner = np.empty(1 << bits, dtype=np.int32)
    owner[slots] = numbers
    shared = np.zeros(1 << bits, dtype=bool)
    shared[slots[owner.take(slots) != numbers]] = True
    return shared.take(slots)
