"""PostgreSQL: ADBC to read, COPY to load. What Arrow does not hold exactly arrives as the text the server writes."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from qpipe.core.errors import CannotCreate, DataRefused, MissingExtra, NotPermitted, QpipeError, Unavailable
from qpipe.core.lazy import pl
from qpipe.core.sql import NO_GRANT, NO_KEY, Column, Reader, bound, masked, parts_of, placed, shown
from qpipe.core.sql.arrow import frames
from qpipe.core.sql.days import refuse_days
from qpipe.core.sql.patience import retried
from qpipe.core.sql.postgresql_copy import END, HEAD, Field, fields, packed
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl
    import psycopg

    from qpipe.core.component import Types

Buffer = bytes | memoryview
LEDGER = "_qpipe_commit"
_SLICE = 10_000  # rows sent at a time
_LOCKS = 0x71706970  # the first key of the advisory locks on tables: "qpip"
_LOCK_TIMEOUT = 2_000  # milliseconds that a transaction which stays open waits for another
_ALIVE = ("idle=30", "interval=10", "count=3")  # seconds: a client that is cut off keeps its locks for a minute at most
_HINT = 4 << 20  # bytes of one of Arrow's batches
_PLAIN = {
    "bool": "bool", "int2": "int16", "int4": "int32", "int8": "int", "float4": "float32", "float8": "float", "text": "string",
    "varchar": "string", "bpchar": "string", "name": "string", "date": "date", "timestamp": "datetime",
}  # fmt: skip
_REFUSED = {"22": "a value does not fit its column: mend the table, the query or the contract", "428C9": "the "
            "server makes this column itself: select the others", "42P10": NO_KEY, "42809": "name a table, not a view",
            "P0001": "a trigger refuses a row: keep it out"}  # fmt: skip
_WORDS = {"integer": "bigint", "float": "double precision", "bool": "boolean", "date": "date", "time": "time", "string": "text",
          "binary": "bytea", "duration": "interval"}  # fmt: skip


def connect(url: str, directory: Any, timeout: float, statement_timeout: float | None) -> PostgreSQL:
    return PostgreSQL(url, timeout, statement_timeout)


class PostgreSQL:
    def __init__(self, url: str, timeout: float, statement_timeout: float | None) -> None:
        self._url, self._timeout, self._statement_timeout = url, timeout, statement_timeout

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def describe(self, query: str, parameters: Mapping[str, Any]) -> list[Column]:
        with self._connected() as db:
            cursor = db.execute(bound(f"select * from ({query}) as _q limit 0", "pyformat"), parameters)
            return [self._column(c.name, c.type_code, c.precision, c.scale, db) for c in cursor.description or ()]

    def _column(self, name: str, oid: int, precision: int | None, scale: int | None, db: psycopg.Connection[Any]) -> Column:
        info, quoted = db.adapters.types.get(oid), self.quoted(name)
        word = info.name if info else ""
        if info is not None and oid == info.array_oid:
            return Column(name, DataType.parse("string"), f"to_json({quoted})::text", "cast({} as text)")
        if word == "time":  # 24:00:00 is one there
            return Column(name, DataType.parse("time"), quoted, "cast({} as time)", f"{quoted}::text")
        if word in _PLAIN:
            return Column(name, DataType.parse(_PLAIN[word]), quoted, f"cast({{}} as {word})")
        if word == "numeric":
            exact = precision is not None and precision <= 38 and 0 <= (scale or 0) <= precision
            kind = DataType.parse(f"decimal({precision},{scale or 0})" if exact else "string")
            return Column(name, kind, quoted, "cast({} as numeric)", f"{quoted}::text")
        if word == "timestamptz":
            zoned = f"({quoted} at time zone 'UTC')"
            return Column(name, DataType.parse("datetime(us, UTC)"), quoted, "cast({} as timestamptz)", zoned)
        if word == "bytea":
            return Column(name, DataType.parse("binary"), quoted, "decode({}, 'hex')", f"encode({quoted}, 'hex')")
        if word == "uuid":
            return Column(name, DataType.parse("string"), quoted, "cast({} as uuid)", f"{quoted}::text")
        return Column(name, DataType.parse("string"), f"{quoted}::text", "cast({} as text)")

    def key_of(self, table: str) -> list[str]:
        query = (
            "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey) "
            "where i.indrelid = to_regclass(%s) and i.indisprimary order by array_position(i.indkey, a.attnum)"
        )
        with self._connected() as db:
            return [row[0] for row in db.execute(query, [placed(table, self.quoted)])]

    def count(self, table: str) -> int | None:
        with self._connected() as db:
            found = db.execute(
                "select reltuples::bigint from pg_class where oid = to_regclass(%s)", [placed(table, self.quoted)]
            ).fetchone()
        return int(found[0]) if found and found[0] > 0 else None

    def batches(self, query: str, parameters: Mapping[str, Any], rows: int) -> Iterator[pl.DataFrame]:
        with self.reader() as read:
            yield from read(query, parameters, rows)

    @contextmanager
    def snapshot(self) -> Iterator[str]:
        import psycopg

        with self._connected() as db:
            db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            found = db.execute("select pg_export_snapshot()").fetchone()
            yield str(found[0]) if found else ""

    @contextmanager
    def reader(self, snapshot: str = "") -> Iterator[Reader]:
        try:
            import adbc_driver_postgresql.dbapi as adbc
            from adbc_driver_manager import Error
        except ImportError as error:
            raise MissingExtra("reach PostgreSQL", extra="postgres") from error
        import psycopg

        given = psycopg.conninfo.make_conninfo(self._url, options=self._options(), connect_timeout=self._seconds())
        try:
            with adbc.connect(given, autocommit=True) as db:
                if snapshot:
                    with db.cursor() as cursor:
                        cursor.execute("begin isolation level repeatable read, read only")
                        cursor.execute(f"set transaction snapshot '{snapshot}'")
                yield partial(self._rows, db)
        except (Error, OSError) as error:
            raise self._told(error) from error

    def _rows(self, db: Any, query: str, parameters: Mapping[str, Any], rows: int) -> Iterator[pl.DataFrame]:
        text = self._written(query, parameters)
        with db.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_HINT)})
            cursor.execute(text)
            yield from frames(cursor.fetch_record_batch(), rows)

    def _written(self, query: str, parameters: Mapping[str, Any]) -> str:
        """The query with its values written into it, by the driver's own rules: a COPY takes no parameters."""
        from psycopg.sql import Literal

        if not parameters:
            return bound(query, "null")
        return bound(query, "pyformat") % {name: Literal(value).as_string() for name, value in parameters.items()}

    @contextmanager
    def _connected(self, *, writing: bool = False) -> Iterator[psycopg.Connection[Any]]:
        try:
            import psycopg
        except ImportError as error:
            raise MissingExtra("reach PostgreSQL", extra="postgres") from error
        try:
            given: dict[str, Any] = {"connect_timeout": self._seconds(), "options": self._options(writing)}
            db = retried(
                lambda: psycopg.connect(self._url, **given),
                lambda e: isinstance(e, psycopg.OperationalError) and _passing(e),
            )
        except psycopg.Error as error:
            raise self._told(error, "connect") from error
        try:
            with db:
                yield db
        except psycopg.Error as error:
            raise self._told(error) from error

    def _seconds(self) -> int:
        return max(2, int(self._timeout))

    def _options(self, writing: bool = False) -> str:
        """How a session is set."""
        options = ["-c timezone=UTC", "-c datestyle=ISO", "-c idle_in_transaction_session_timeout=0"]
        options += [f"-c tcp_keepalives_{name}" for name in _ALIVE] if writing else ["-c default_transaction_read_only=on"]
        if self._statement_timeout:
            options.append(f"-c statement_timeout={int(self._statement_timeout * 1000)}")
        return " ".join(options)

    def _told(self, error: Any, doing: str = "") -> QpipeError:
        words, state = masked(self._url, str(error)), getattr(error, "sqlstate", None) or ""
        place = shown(self._url)
        if state.startswith("23"):
            detail = masked(self._url, error.diag.message_detail or "")
            return DataRefused(f"{place}: {words} {detail}".strip(), hint="see `key` and `mode` of the output")
        if state in ("53100", "53200"):
            return CannotCreate(f"{place}: {words}", hint="make room on the server")
        key = "428C9" if state == "42P10" and "generated column" in words else state
        for begins, hint in _REFUSED.items():
            if key.startswith(begins):
                return DataRefused(f"{place}: {words}", hint=hint)
        if state == "42501":
            return NotPermitted(f"{place}: {words}", hint=NO_GRANT)
        hints = {
            "28": "check user and password",
            "3D": "check the database's name",
            "42": "check the query and the names in it",
            "57": "raise statement_timeout, or wait until the server has time",
        }
        state = state or ("28" if "authentication failed" in words else "3D" if 'database "' in words else "")
        away = doing or not state or "snapshot" in words  # one connection's snapshot ends with another connection
        hint = hints.get(state[:2], "is the server running and reachable?" if away else "see what the server's log says of it")
        return Unavailable(f"{place}: {words}", hint=hint)

    @contextmanager
    def session(self) -> Iterator[_Session]:
        with self._connected(writing=True) as db:
            yield _Session(self, db)


class _Session:
    def __init__(self, owner: PostgreSQL, db: psycopg.Connection[Any]) -> None:
        self._owner, self._db, self._quoted = owner, db, owner.quoted

    def claim(self, token: str) -> bool:
        if self.columns(LEDGER) is None:  # making what is there would need more permission
            self._db.execute(f"create table if not exists {LEDGER} (token text primary key, at timestamptz default now())")
        return self._db.execute(f"insert into {LEDGER} (token) values (%s) on conflict do nothing", [token]).rowcount == 1

    def columns(self, table: str) -> list[str] | None:
        found = self._db.execute("select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 "
                                 "and not attisdropped order by attnum", [self._place(table)]).fetchall()  # fmt: skip
        return [row[0] for row in found] or None

    def create(self, table: str, types: Types, key: Sequence[str]) -> None:
        columns = [f"{self._quoted(name)} {_word(type)}" for name, type in types.items()]
        columns += [f"primary key ({', '.join(map(self._quoted, key))})"] if key else []
        self._db.execute(f"create table {self._place(table)} ({', '.join(columns)})")

    def clear(self, table: str) -> None:
        """One after the other: a second one that began before the first has ended would not see its rows."""
        self._db.execute("select pg_advisory_xact_lock(%s, to_regclass(%s)::oid::int4)", [_LOCKS, self._place(table)])
        self._db.execute(f"delete from {self._place(table)}")

    def begin(self, table: str, types: Types, replace: bool) -> str | None:
        """Others are not kept waiting, so neither does it wait for them."""
        self._db.execute(f"set local lock_timeout = {_LOCK_TIMEOUT}")
        if self.columns(table) is None:
            *schema, _ = parts_of(table)
            filled = ".".join(map(self._quoted, [*schema, f"_qpipe_{self._db.info.backend_pid}"]))
            self.create(filled, types, ())
            return filled
        lock = "select pg_try_advisory_xact_lock(%s, to_regclass(%s)::oid::int4)"
        (free,) = self._db.execute(lock, [_LOCKS, self._place(table)]).fetchone() or (False,)
        if free and replace:
            self.clear(table)
        return table if free else None

    def _place(self, table: str) -> str:
        """As SQL names it. What is written large and is there only in small letters is meant, as the server would take it."""
        place, small = placed(table, self._quoted), placed(table.lower(), self._quoted)
        if '"' in table or place == small:
            return place
        found = self._db.execute("select to_regclass(%s) is null and to_regclass(%s) is not null", [place, small]).fetchone()
        return small if found and found[0] else place

    def end(self, table: str, filled: str, key: Sequence[str]) -> None:
        if filled == table:
            return
        self._db.execute(f"alter table {self._place(filled)} rename to {self._quoted(parts_of(table)[-1])}")
        if key:
            self._db.execute(f"alter table {self._place(table)} add primary key ({', '.join(map(self._quoted, key))})")

    def load(self, table: str, frame: pl.DataFrame, key: Sequence[str]) -> None:
        names, place = ", ".join(map(self._quoted, frame.columns)), self._place(table)
        target = "_qpipe_rows" if key else place
        if key:
            frame = frame.unique(subset=list(key), keep="last", maintain_order=True)
            self._db.execute("drop table if exists _qpipe_rows")
            self._db.execute(f"create temporary table _qpipe_rows on commit drop as select {names} from {place} limit 0")
        self._copy(f"copy {target} ({names}) from stdin", frame, fields(frame, self._kinds(place)))
        if key:
            others = [name for name in frame.columns if name not in key]
            change = ", ".join(f"{self._quoted(n)} = excluded.{self._quoted(n)}" for n in others)
            keys, action = ", ".join(map(self._quoted, key)), f"update set {change}" if change else "nothing"
            self._db.execute(f"insert into {place} ({names}) select {names} from _qpipe_rows on conflict ({keys}) do {action}")

    def _kinds(self, place: str) -> dict[str, str]:
        """The type of every column, as the server's catalogue calls it; `enum` for any of those, nothing for other own ones."""
        named = "case when typtype = 'e' then 'enum' when typnamespace = 'pg_catalog'::regnamespace then typname else '' end"
        columns = "pg_attribute join pg_type t on t.oid = atttypid where attrelid = to_regclass(%s) and attnum > 0"
        found = self._db.execute(f"select attname, {named} from {columns} and not attisdropped", [place]).fetchall()
        return dict(found)

    def _copy(self, statement: str, frame: pl.DataFrame, fields: Mapping[str, Field] | None) -> None:
        """In the server's own form; or as texts that it makes values of, where a column has no such form here."""
        form, head, end = ("binary", HEAD, END) if fields else ("csv, null '\\N'", b"", b"")
        make = partial(packed, fields=fields) if fields else _csv
        with self._db.cursor().copy(f"{statement} (format {form})") as copy:
            copy.write(head)
            for data in _ahead(make, frame.iter_slices(_SLICE)):
                copy.write(data)
            copy.write(end)


def _ahead(make: Callable[[pl.DataFrame], Buffer], slices: Iterator[pl.DataFrame]) -> Iterator[Buffer]:
    """What is sent of every slice, the next one in the making while the server takes this one."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Buffer]] = deque()
        for part in slices:
            waiting.append(pool.submit(make, part))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _csv(frame: pl.DataFrame) -> bytes:
    """Texts quoted, nothing as an unquoted \\N, nested values as JSON."""
    refuse_days(frame)
    made = [cell.alias(name) for name, kind in frame.schema.items() if (cell := _cell(pl.col(name), kind)) is not None]
    buffer = io.BytesIO()
    frame.with_columns(made).write_csv(buffer, include_header=False, null_value="\\N", quote_style="non_numeric")
    return buffer.getvalue()


def _cell(cell: pl.Expr, kind: pl.DataType) -> pl.Expr | None:
    """Bytes as hexadecimal, durations as an interval, and of times no more digits than the server keeps: it would round."""
    if kind == pl.Binary:
        return pl.concat_str(pl.lit("\\x"), cell.bin.encode("hex"))
    if kind == pl.Duration:
        return pl.concat_str(cell.dt.total_microseconds(), pl.lit(" microseconds"))
    if kind == pl.Time:
        return (cell.to_physical() // 1000 * 1000).cast(pl.Time)
    if isinstance(kind, pl.Datetime) and kind.time_unit == "ns":
        return cell.cast(pl.Datetime("us", kind.time_zone))
    return None


def _word(type: DataType) -> str:
    if type.name == "decimal":
        return f"numeric({type.args[0]},{type.args[1]})"
    if type.name in ("uint64", "int128", "uint128"):
        return "numeric(20)" if type.name == "uint64" else "numeric(39)"
    if type.kind == "datetime":
        return "timestamptz" if type.zone else "timestamp"
    if type.kind in ("list", "struct"):
        return "jsonb"
    return {"float32": "real", "int16": "smallint", "int32": "integer"}.get(type.name) or _WORDS.get(type.kind, "text")


def _passing(error: Exception) -> bool:
    words = str(error)
    return any(
        said in words
        for said in (
            "starting up",
            "shutting down",
            "not yet accepting",
            "Connection refused",
            "closed the connection",
            "reset by",
        )
    )
