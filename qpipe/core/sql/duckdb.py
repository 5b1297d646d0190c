"""DuckDB files, by DuckDB itself: Arrow both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.errors import CannotCreate, DataRefused, QpipeError, Unavailable
from qpipe.core.lazy import duckdb, pl
from qpipe.core.sql import NO_KEY, Column, bound, names_in, of_length, parts_of, placed
from qpipe.core.sql.days import with_days_told
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from qpipe.core.component import Types

LEDGER = "_qpipe_commit"
_PLAIN = {
    "BOOLEAN": "bool", "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int", "UTINYINT": "uint8",
    "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64", "FLOAT": "float32", "DOUBLE": "float",
    "VARCHAR": "string", "DATE": "date", "TIMESTAMP": "datetime", "TIMESTAMP_S": "datetime(ms)", "TIMESTAMP_MS": "datetime(ms)",
    "TIMESTAMP_NS": "datetime(ns)", "BLOB": "binary",
}  # fmt: skip
_SAME = "table_name = ? and schema_name = coalesce(?, current_schema())"
_INFINITIES = {4: (-(1 << 31) + 1, (1 << 31) - 1), 8: (-(1 << 63) + 1, (1 << 63) - 1)}
_REFUSED = {"conflict target": NO_KEY, "generated column": "DuckDB makes this column itself: select the others",
            "is not an table": "name a table", "Can only delete from base table": "name a table"}  # fmt: skip
_WORDS = {"duration": "interval", "float": "double", "bool": "boolean", "date": "date", "time": "time", "binary": "blob"}


def connect(url: str, directory: Any, timeout: float, statement_timeout: float | None) -> DuckDB:
    """duckdb:///relative.duckdb, duckdb:////absolute.duckdb"""
    return DuckDB(Path(directory) / url.partition(":///")[2])


class DuckDB:
    def __init__(self, path: Path) -> None:
        self._path = path

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def describe(self, query: str, parameters: Mapping[str, Any]) -> list[Column]:
        with self._connected() as db:
            found = db.execute(f"describe select * from ({bound(query, 'dollar')}) _q", _given(query, parameters)).fetchall()
        return [self._column(name, str(kind)) for name, kind, *_ in found]

    def _column(self, name: str, kind: str) -> Column:
        quoted, cast = self.quoted(name), f"cast({{}} as {kind})"
        if kind in _PLAIN:
            return Column(name, DataType.parse(_PLAIN[kind]), quoted, "unhex({})" if kind == "BLOB" else cast)
        if kind == "TIME":  # 24:00:00 is one there
            return Column(name, DataType.parse("time"), quoted, cast, f"{quoted}::varchar")
        if kind.startswith("DECIMAL"):
            return Column(name, DataType.parse(kind.lower()), quoted, cast)
        if kind == "TIMESTAMP WITH TIME ZONE":
            return Column(name, DataType.parse("datetime(us, UTC)"), quoted, cast, f"({quoted} at time zone 'UTC')")
        if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
            return Column(name, DataType.parse("string"), f"to_json({quoted})::varchar", "cast({} as varchar)")
        return Column(name, DataType.parse("string"), quoted, cast, f"{quoted}::varchar")

    def key_of(self, table: str) -> list[str]:
        query = f"select constraint_column_names from duckdb_constraints() where constraint_type = 'PRIMARY KEY' and {_SAME}"
        with self._connected() as db:
            found = db.execute(query, _named(table)).fetchone()
        return list(found[0]) if found else []

    def count(self, table: str) -> int | None:
        with self._connected() as db:
            found = db.execute(f"select estimated_size from duckdb_tables() where {_SAME}", _named(table)).fetchone()
        return int(found[0]) if found else None

    def batches(self, query: str, parameters: Mapping[str, Any], rows: int) -> Iterator[pl.DataFrame]:
        with self._connected() as db:
            reader = db.sql(bound(query, "dollar"), params=_given(query, parameters) or None).to_arrow_reader(rows)
            frames = (with_days_told(pl.DataFrame(piece), _INFINITIES) for piece in reader)
            numbered = (f.rename(dict(zip(f.columns, map(str, range(f.width)), strict=True))) for f in frames)
            yield from of_length(numbered, rows)

    @contextmanager
    def _connected(self, *, writing: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        if not writing and not self._path.exists():
            raise Unavailable(f"there is no database {self._path.name}", hint=f"is {self._path} the right path?")
        try:
            db = duckdb.connect(str(self._path), read_only=not writing)
            db.execute("set timezone = 'UTC'")
        except duckdb.Error as error:
            raise self._told(error) from error
        try:
            if writing:
                db.execute("begin")
            yield db
            if writing:
                db.execute("commit")
        except duckdb.Error as error:
            raise self._told(error) from error
        finally:
            db.close()  # rolls back what was not committed

    def _told(self, error: Exception) -> QpipeError:
        words = f"{self._path.name}: {str(error).strip().splitlines()[0]}"
        if isinstance(error, duckdb.ConstraintException):
            return DataRefused(words, hint="see `key` and `mode` of the output")
        if isinstance(error, duckdb.ConversionException):
            return DataRefused(words, hint="a value does not fit its column: mend the table, the query or the contract")
        for said, hint in _REFUSED.items():
            if said in words:
                return DataRefused(words, hint=hint)
        if isinstance(error, duckdb.OutOfMemoryException) or "No space left" in words:
            return CannotCreate(words, hint="make room")
        hint = "another process holds it: wait" if "lock" in words else "check the path, the query and its names"
        return Unavailable(words, hint=hint)

    @contextmanager
    def session(self) -> Iterator[_Session]:
        with self._connected(writing=True) as db:
            yield _Session(self, db)


class _Session:
    def __init__(self, owner: DuckDB, db: duckdb.DuckDBPyConnection) -> None:
        self._db, self._quoted = db, owner.quoted

    def claim(self, token: str) -> bool:
        self._db.execute(
            f"create table if not exists {LEDGER} (token varchar primary key, committed timestamp default current_timestamp)"
        )
        if self._db.execute(f"select 1 from {LEDGER} where token = ?", [token]).fetchone():
            return False
        self._db.execute(f"insert into {LEDGER} (token) values (?)", [token])
        return True

    def columns(self, table: str) -> list[str] | None:
        query = f"select column_name from duckdb_columns() where {_SAME} order by column_index"
        return [row[0] for row in self._db.execute(query, _named(table)).fetchall()] or None

    def create(self, table: str, types: Types, key: Sequence[str]) -> None:
        columns = [f"{self._quoted(name)} {_word(type)}" for name, type in types.items()]
        columns += [f"primary key ({', '.join(map(self._quoted, key))})"] if key else []
        self._db.execute(f"create table {placed(table, self._quoted)} ({', '.join(columns)})")

    def clear(self, table: str) -> None:
        self._db.execute(f"delete from {placed(table, self._quoted)}")

    def load(self, table: str, frame: pl.DataFrame, key: Sequence[str]) -> None:
        if key:
            frame = frame.unique(subset=list(key), keep="last", maintain_order=True)
        names = ", ".join(map(self._quoted, frame.columns))
        others = [n for n in frame.columns if n not in key]
        change = ", ".join(f"{self._quoted(n)} = excluded.{self._quoted(n)}" for n in others)
        upsert = (
            f" on conflict ({', '.join(map(self._quoted, key))}) do {f'update set {change}' if change else 'nothing'}"
            if key
            else ""
        )
        wide = [pl.col(n).cast(pl.String) for n, kind in frame.schema.items() if kind in (pl.Int128, pl.UInt128)]
        self._db.register("_qpipe_rows", frame.with_columns(wide).to_arrow())
        self._db.execute(f"insert into {placed(table, self._quoted)} ({names}) select {names} from _qpipe_rows{upsert}")
        self._db.unregister("_qpipe_rows")


def _named(table: str) -> list[str | None]:
    """A table's name and that of its schema, for ``_SAME``."""
    *schema, name = parts_of(table)
    return [name, schema[-1] if schema else None]


def _given(query: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """DuckDB refuses values that a query does not name."""
    named = names_in(query)
    return {name: value for name, value in parameters.items() if name in named}


def _word(type: DataType) -> str:
    if type.name == "decimal":
        return f"decimal({type.args[0]},{type.args[1]})"
    if type.kind == "integer":
        words = {"int8": "tinyint", "int16": "smallint", "int32": "integer", "uint8": "utinyint", "uint16": "usmallint",
                 "uint32": "uinteger", "uint64": "ubigint", "int128": "hugeint", "uint128": "uhugeint"}  # fmt: skip
        return words.get(type.name, "bigint")
    if type.kind == "datetime":
        return "timestamptz" if type.zone else "timestamp_ns" if type.args and type.args[0] == "ns" else "timestamp"
    return {"float32": "float"}.get(type.name) or _WORDS.get(type.kind, "varchar")
