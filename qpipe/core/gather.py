"""Where a relational step's rows are gathered, batch by batch, out of core.

``Table`` keeps columns for DuckDB, in memory while they are few; ``Keys`` keeps hashed keys, to find those that occur twice
at the speed of a sort.
Both can come back to a state that was brought to the disk: what was gathered before a crash is not gathered again.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from qpipe.core.batch import ROW, Json
from qpipe.core.lazy import duckdb, np, pl
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import numpy

SORTERS = 2  # partitions that are looked through side by side


class Collector(Protocol):
    """Takes the gathered columns of each batch, in order."""

    shares: ClassVar[bool]  # whether it has something in common with others, so that one at a time may be brought to the disk

    def pack(self, frame: pl.DataFrame) -> Any:
        """What it keeps of these rows, which have ``_row`` and the gathered columns. Several may be packed side by side."""

    def add(self, packed: Any) -> None:
        """Keep what was packed, in the order of the batches."""

    def take(self, folder: Path, state: Json, rows: RowSet, shift: int) -> None:
        """Add those rows of another one's folder and checkpoint, each with its number raised by ``shift``."""

    def state(self) -> Json:
        """What ``restore`` needs to come back to here, once ``sync`` has been through."""

    def sync(self) -> None:
        """Bring to the disk what was added before the last ``state``. Meanwhile, more may be added in another thread."""

    def restore(self, state: Json) -> None:
        """Forget everything that was added after that state."""

    def close(self) -> None:
        """Remove what is on disk."""


class _Database:
    """One DuckDB for the tables of a pass: starting one takes as long as most queries. Gone when the last of them is.

    It also counts the bytes that its tables hold in memory, so that many steps hold no more than one may.
    """

    _open: ClassVar[weakref.WeakValueDictionary[tuple[Path, int], _Database]] = weakref.WeakValueDictionary()

    def __init__(self, place: Path, memory_limit: int) -> None:
        self.room = memory_limit // 2
        self._spill = place / ".spill"
        limit = f"{max(memory_limit, 128 << 20) >> 20}MiB"
        self._config: dict[str, Any] = {"memory_limit": limit, "temp_directory": str(self._spill)}
        self._name = f":memory:{place.resolve()}"
        self._anchor: Any = None

    @classmethod
    def of(cls, place: Path, memory_limit: int) -> _Database:
        """The one of this folder."""
        found = cls._open.get((place, memory_limit))
        if found is None:
            found = cls._open[place, memory_limit] = cls(place, memory_limit)
        return found

    def connect(self, *, apart: bool) -> Any:
        """A connection; ``apart`` to a database of its own, since settings that lock one lock it for all."""
        self._spill.mkdir(exist_ok=True)
        if apart:
            return duckdb.connect(config=self._config)
        if self._anchor is None:
            self._anchor = duckdb.connect(self._name, config=self._config)
        return duckdb.connect(self._name, config=self._config)


class Table:
    """The gathered columns, seen by DuckDB as the view ``data``: in memory while they are few, else as Parquet parts.

    ``data`` has its rows in the order in which they were gathered.
    """

    shares: ClassVar[bool] = True  # its database

    def __init__(self, directory: Path, memory_limit: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._memory, self._parts = directory, memory_limit, 0
        self._database = _Database.of(directory.parent, memory_limit)
        self._held: list[pl.DataFrame] | None = []  # all rows, while they are few
        self._bytes = self._written = self._synced = 0

    @property
    def directory(self) -> Path:
        """Its own folder: the only one that a locked connection may touch."""
        return self._directory

    @property
    def has_rows(self) -> bool:
        """Whether there is a view ``data`` to connect to."""
        return self._parts > 0

    def pack(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame

    def add(self, packed: pl.DataFrame) -> None:
        self._parts += 1
        if self._held is None:
            self._write([packed])
            return
        size = int(packed.estimated_size())
        self._held.append(packed)
        self._bytes += size
        self._database.room -= size
        if self._database.room < 0:
            self._write(self._held[self._written :])
            self._let_go()

    def take(self, folder: Path, state: Json, rows: RowSet, shift: int) -> None:
        for path in sorted(folder.glob("part-*.parquet"))[: state["parts"]]:
            frame = pl.read_parquet(path)
            self.add(frame.filter(pl.Series(rows.holds(frame[ROW].to_numpy()))).with_columns(pl.col(ROW) + shift))

    def state(self) -> Json:
        if self._held is not None:
            self._write(self._held[self._written :])
        return {"parts": self._parts}

    def sync(self) -> None:
        written = self._written
        for path in self._paths()[self._synced : written]:
            _sync(path)
        self._synced = written

    def restore(self, state: Json) -> None:
        self._parts = self._written = self._synced = state["parts"]
        if self._parts:
            self._let_go()
        for path in self._paths()[self._parts :]:
            path.unlink()

    def close(self) -> None:
        self._let_go()
        for path in self._paths():
            path.unlink()

    def connect(self, tables: Mapping[str, pl.DataFrame] | None = None, *, locked: bool = False) -> Any:
        """A DuckDB connection that sees ``data`` and the given tables, bounded in memory. What it creates must be temporary.

        ``locked`` is for SQL that a user wrote: no file outside this folder, no network, no extension, no settings.
        """
        connection = self._database.connect(apart=locked)
        connection.execute("set timezone='UTC'")  # the same result on every machine
        if locked:
            connection.execute(f"set allowed_directories=['{_quoted(self._directory)}']")
            connection.execute("set enable_external_access=false")
        if self._held:
            connection.register("data", _arrow(pl.concat(self._held, rechunk=False)))
        elif self._parts:
            parts = f"{_quoted(self._directory)}/part-*.parquet"
            connection.execute(f"create temp view data as select * from read_parquet('{parts}')")
        for name, frame in (tables or {}).items():
            connection.register(name, _arrow(frame))
        if locked:
            connection.execute("set lock_configuration=true")
        return connection

    def parts(self) -> Iterator[pl.DataFrame]:
        """What was gathered of each batch, in order."""
        if self._held is not None:
            yield from self._held
            return
        for path in self._paths()[: self._parts]:
            yield pl.read_parquet(path)

    def groups(self, by: Sequence[str], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """``_row`` and some columns, group after group, each in the order in which its rows were gathered."""
        wanted = [ROW, *by, *columns]
        if self._held:
            yield pl.concat([part.select(wanted) for part in self._held]).sort(by, maintain_order=True)
        elif self._parts:
            connection = self.connect()
            try:
                query = f"select {', '.join(wanted)} from data order by {', '.join([*by, ROW])}"
                for batch in connection.sql(query).to_arrow_reader(100_000):
                    yield pl.DataFrame(batch)
            finally:
                connection.close()

    def row(self) -> str:
        """``_row`` in SQL, as narrow as the rows that are there allow: what is sorted by it is sorted sooner."""
        if self._held is not None:
            most = max((int(part[ROW].max() or 0) for part in self._held), default=0)  # type: ignore[arg-type]
        else:
            most = next(self.arrays(f"select max({ROW}) from data"), [[0]])[0][0]
        return f"{ROW}::uinteger" if most < 1 << 32 else ROW

    def rows(self, query: str, tables: Mapping[str, pl.DataFrame] | None = None, values: Sequence[Any] = ()) -> RowSet:
        """The row ordinals that a query selects in its first column, in any order. ``values`` stand for its question marks."""
        found = RowSet()
        for rows, *_ in self.arrays(query, tables, values):
            found.add(rows)
        return found

    def apart(self, query: str, claims: int, tables: Mapping[str, pl.DataFrame] | None = None) -> list[RowSet]:
        """The same for several claims in one go: a column of booleans for each says whether the row breaks it."""
        found = [RowSet() for _ in range(claims)]
        for rows, *broken in self.arrays(query, tables):
            for each, flags in zip(found, broken, strict=True):
                each.add(rows[flags])
        return found

    def arrays(
        self, query: str, tables: Mapping[str, pl.DataFrame] | None = None, values: Sequence[Any] = ()
    ) -> Iterator[list[numpy.ndarray]]:
        """The columns of a query's result, batch by batch."""
        if not self._parts:
            return
        connection = self.connect(tables)
        try:
            for batch in connection.sql(query, params=list(values) or None).to_arrow_reader(100_000):
                yield [column.to_numpy(zero_copy_only=False) for column in batch.columns]
        finally:
            connection.close()

    def _write(self, frames: Sequence[pl.DataFrame]) -> None:
        for frame in frames:
            frame.write_parquet(self._directory / f"part-{self._written:06d}.parquet", compression="lz4", statistics=False)
            self._written += 1

    def _let_go(self) -> None:
        self._database.room += self._bytes
        self._held, self._bytes = None, 0

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("part-*.parquet"))


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


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _arrow(frame: pl.DataFrame) -> Any:
    """As DuckDB reads it without a copy of its texts."""
    return frame.to_arrow(compat_level=pl.CompatLevel.newest())


def _quoted(path: Path) -> str:
    return str(path.resolve()).replace("'", "''")
