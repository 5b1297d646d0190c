"""SQLite, by Python's own driver. A column's type is the declared one; a value of another kind comes as text that says so."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.errors import CannotCreate, DataRefused, QpipeError, Unavailable
from qpipe.core.lazy import pl
from qpipe.core.sql import NO_KEY, Column, bound, parts_of, placed
from qpipe.core.sql.days import refuse_days
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.component import Types

LEDGER = "_qpipe_commit"
_ROWS = 5_000  # inserted at once
_MOST = (1 << 63) - 1
_EXACT = 1 << 53  # integers up to here are floats, too
_ANY_SCALE = ("DECIMAL", "NUMERIC")
_EXACT_TEXT = (  # SQLite itself writes 15 digits
    "case typeof({0}) when 'blob' then lower(hex({0})) when 'real' then "
    "iif(cast(cast({0} as text) as real) = {0}, cast({0} as text), printf('%!.17g', {0})) else cast({0} as text) end"
)


def connect(url: str, directory: Any, timeout: float, statement_timeout: float | None) -> SQLite:
    """sqlite:///relative.db, sqlite:////absolute.db"""
    path = url.partition(":///")[2]
    return SQLite(Path(directory) / path, timeout)


class SQLite:
    def __init__(self, path: Path, timeout: float) -> None:
        self._path, self._timeout = path, timeout

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def describe(self, query: str, parameters: Mapping[str, Any]) -> list[Column]:
        """By the affinity of the declared type; an expression has none, and is read as text, as numbers without a scale are."""
        with self._connected() as db:
            names = [c[0] for c in db.execute(f"select * from ({query}) limit 0", dict(parameters)).description]
            declared = self._declared(db, query)
        return [self._column(name, declared.get(name, "").upper()) for name in names]

    def _column(self, name: str, declared: str) -> Column:
        type, column = DataType.parse(_type(declared)), self.quoted(name)
        number = type.kind == "decimal" or declared in _ANY_SCALE
        read = _EXACT_TEXT.format(column) if declared in ("", *_ANY_SCALE) else ""
        return Column(name, type, column, "cast({} as numeric)" if number else "", read)

    def _declared(self, db: sqlite3.Connection, query: str) -> dict[str, str]:
        try:
            db.execute(f"create temp view _qpipe_view as select * from ({bound(query, 'null')})")  # a view has no parameters
            return {row[1]: row[2] for row in db.execute("pragma table_info(_qpipe_view)")}
        finally:
            db.execute("drop view if exists temp._qpipe_view")

    def key_of(self, table: str) -> list[str]:
        with self._connected() as db:
            found = _info(db, table, self.quoted)
        return [row[1] for row in sorted(found, key=lambda r: r[5]) if row[5]]

    def count(self, table: str) -> int | None:
        return None

    def batches(self, query: str, parameters: Mapping[str, Any], rows: int) -> Iterator[pl.DataFrame]:
        with self._connected() as db:
            cursor = db.execute(query, dict(parameters))
            while found := cursor.fetchmany(rows):
                columns = zip(*found, strict=True)
                yield pl.DataFrame({str(n): _series(list(values)) for n, values in enumerate(columns)})

    @contextmanager
    def _connected(self, *, writing: bool = False) -> Iterator[sqlite3.Connection]:
        mode = "rwc" if writing else "ro"
        try:
            db = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,  # a reader that is broken off is closed by another thread than the one that read
            )
        except sqlite3.Error as error:
            raise self._told(error) from error
        try:
            if writing:
                db.execute("begin immediate")
            yield db
            if writing:
                db.execute("commit")
        except sqlite3.Error as error:
            raise self._told(error) from error
        finally:
            db.close()  # rolls back what was not committed

    def _told(self, error: sqlite3.Error) -> QpipeError:
        words = f"{self._path.name}: {error}"
        if isinstance(error, sqlite3.IntegrityError):
            return DataRefused(words, hint="see `key` and `mode` of the output")
        if "ON CONFLICT clause does not match" in str(error):
            return DataRefused(words, hint=NO_KEY)
        if "because it is a view" in str(error):
            return DataRefused(words, hint="name a table")
        if "full" in str(error) or "readonly" in str(error):
            return CannotCreate(words, hint="make room or mend the permission")
        hint = "another process holds it: wait" if "locked" in str(error) else "check the path, the query and its names"
        return Unavailable(words, hint=hint)

    @contextmanager
    def session(self) -> Iterator[_Session]:
        with self._connected(writing=True) as db:
            yield _Session(self, db)


class _Session:
    def __init__(self, owner: SQLite, db: sqlite3.Connection) -> None:
        self._owner, self._db, self._quoted = owner, db, owner.quoted

    def claim(self, token: str) -> bool:
        self._db.execute(f"create table if not exists {LEDGER} (token text primary key, at text default current_timestamp)")
        return self._db.execute(f"insert or ignore into {LEDGER} (token) values (?)", [token]).rowcount == 1

    def columns(self, table: str) -> list[str] | None:
        return [row[1] for row in _info(self._db, table, self._quoted)] or None

    def create(self, table: str, types: Types, key: Sequence[str]) -> None:
        columns = [f"{self._quoted(name)} {_word(type)}" for name, type in types.items()]
        columns += [f"primary key ({', '.join(map(self._quoted, key))})"] if key else []
        self._db.execute(f"create table {placed(table, self._quoted)} ({', '.join(columns)})")

    def clear(self, table: str) -> None:
        self._db.execute(f"delete from {placed(table, self._quoted)}")

    def load(self, table: str, frame: pl.DataFrame, key: Sequence[str]) -> None:
        names = ", ".join(map(self._quoted, frame.columns))
        others = [n for n in frame.columns if n not in key]
        change = ", ".join(f"{self._quoted(n)} = excluded.{self._quoted(n)}" for n in others)
        upsert = (
            f" on conflict ({', '.join(map(self._quoted, key))}) do {f'update set {change}' if change else 'nothing'}"
            if key
            else ""
        )
        line = f"insert into {placed(table, self._quoted)} ({names}) values ({', '.join('?' * frame.width)}){upsert}"
        _refuse(frame)
        for part in frame.with_columns(_plain(frame.schema)).iter_slices(_ROWS):
            self._db.executemany(line, part.iter_rows())


def _info(db: sqlite3.Connection, table: str, quoted: Callable[[str], str]) -> list[Any]:
    """A table's columns, as the pragma tells them."""
    *schema, name = map(quoted, parts_of(table))
    return db.execute(f"pragma {'.'.join([*schema, 'table_info'])}({name})").fetchall()


def _plain(schema: Any) -> list[pl.Expr]:
    """Decimals, dates, times and numbers beyond 64 bits as the texts that SQLite keeps them as."""
    made = []
    for name, kind in schema.items():
        cell = pl.col(name)
        if kind == pl.Duration:
            made.append(cell.dt.to_string("iso"))
        elif kind == pl.Time:
            made.append(cell.dt.to_string("%H:%M:%S%.6f"))
        elif kind in (pl.Int128, pl.UInt128) or not (
            kind in (pl.String, pl.Binary, pl.Boolean, pl.Null) or kind.is_integer() or kind.is_float()
        ):
            made.append(cell.cast(pl.String))
    return made


def _refuse(frame: pl.DataFrame) -> None:
    """Values that SQLite would keep as others."""
    refuse_days(frame)
    for name, kind in frame.schema.items():
        if kind.is_float() and frame[name].is_nan().any():
            raise DataRefused(f"{name} has NaN, which SQLite keeps as null", hint="make it null, or keep it out")
        if kind == pl.UInt64 and (frame[name] > _MOST).any():
            raise DataRefused(f"{name} has numbers beyond {_MOST}, where SQLite's end", hint="make it text, or decimal(20,0)")


def _series(values: list[Any]) -> pl.Series:
    """Values of one kind as they are; of several kinds as texts."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float} and all(abs(v) <= _EXACT for v in values if isinstance(v, int)):
        return pl.Series(values=[None if v is None else float(v) for v in values], dtype=pl.Float64)
    if len(kinds) <= 1:
        return pl.Series(values=values, strict=True) if kinds else pl.Series(values=values, dtype=pl.Null)
    return pl.Series(
        values=[None if v is None else v.hex() if isinstance(v, bytes) else str(v) for v in values], dtype=pl.String
    )


def _type(declared: str) -> str:
    """The affinity rules of SQLite's documentation, section 3.1; dates and decimals are kept as texts."""
    word = declared.upper()
    if found := re.fullmatch(r"(?:DECIMAL|NUMERIC)\s*\((\d+)\s*(?:,\s*(\d+)\s*)?\)", word):
        return f"decimal({found[1]},{found[2] or 0})"
    if "BOOL" in word:
        return "bool"
    if "INT" in word:
        return "int"
    if "BLOB" in word:
        return "binary"
    if any(part in word for part in ("REAL", "FLOA", "DOUB")):
        return "float"
    return "string"


def _word(type: DataType) -> str:
    if type.name in ("int128", "uint128"):
        return "text"
    kinds = {"integer": "integer", "float": "real", "bool": "boolean", "binary": "blob"}
    return kinds.get(type.kind, "text")
