"""Columns gathered for DuckDB, in memory while they are few, else in Parquet files."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qpipe.core.batch import ROW, Json
from qpipe.core.lazy import duckdb, pl
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import numpy


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


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _arrow(frame: pl.DataFrame) -> Any:
    """As DuckDB reads it without a copy of its texts."""
    return frame.to_arrow(compat_level=pl.CompatLevel.newest())


def _quoted(path: Path) -> str:
    return str(path.resolve()).replace("'", "''")
