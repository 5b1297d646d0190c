"""MySQL and MariaDB, by PyMySQL: a cursor that streams, whose texts are read by the column, and rows sent by thousands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from qpipe.core.errors import CannotCreate, DataRefused, MissingExtra, NotPermitted, QpipeError, Unavailable
from qpipe.core.lazy import pl
from qpipe.core.sql import NO_GRANT, NO_KEY, Column, Reader, bound, masked, parts_of, placed, shown
from qpipe.core.sql.days import refuse_days
from qpipe.core.sql.patience import retried
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl
    import pymysql

    from qpipe.core.component import Types

LEDGER = "_qpipe_commit"
_ROWS = 5_000  # sent at once
_TEXTS = (249, 250, 251, 252, 253, 254)  # the protocol's numbers of text and varchar types
_PASSING = ((2002,), (2003,), (2006,), (2013,), (1040,), (1053,))  # the server is starting, stopping or full
_UNFIT = (1292, 1366, 1264, 1265, 1406)
_REFUSED = {1364: "give the column a default, or select it, too", 4025: "a check of the table refuses a row: keep it out",
            3819: "a check of the table refuses a row: keep it out", 1644: "a trigger of the table refuses a row: keep it out",
            1906: "the server makes this column itself: select the others", 3105: "the server makes this column itself: select "
            "the others", 1471: "name a table, or a view that takes rows", 1288: "name a table, or a view that takes "
            "rows"}  # fmt: skip
_FORBIDDEN = (1044, 1142, 1143, 1227)
_WORDS = {"float": "double", "bool": "boolean", "date": "date", "binary": "longblob"}


def connect(url: str, directory: Any, timeout: float, statement_timeout: float | None) -> MySQL:
    return MySQL(url, timeout, statement_timeout)


class MySQL:
    def __init__(self, url: str, timeout: float, statement_timeout: float | None) -> None:
        self._url, self._timeout, self._statement_timeout = url, timeout, statement_timeout

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def describe(self, query: str, parameters: Mapping[str, Any]) -> list[Column]:
        with self._connected() as db:
            return self._columns(db, query, parameters)

    def _columns(self, db: pymysql.Connection[Any], query: str, parameters: Mapping[str, Any]) -> list[Column]:
        with db.cursor() as cursor:
            cursor.execute(bound(f"select * from ({query}) _q limit 0", "pyformat"), dict(parameters))
            fields = cursor._result.fields  # PyMySQL tells precision and signs here only
            return [self._column(field) for field in fields]

    def _column(self, field: Any) -> Column:
        from pymysql.constants import FIELD_TYPE, FLAG

        quoted, code, unsigned = self.quoted(field.name), field.type_code, bool(field.flags & FLAG.UNSIGNED)
        if code in (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.INT24, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR):
            return Column(field.name, DataType.parse("uint64" if unsigned and code == FIELD_TYPE.LONGLONG else "int"), quoted)
        if code in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
            digits = field.length - (0 if unsigned else 1) - (1 if field.scale else 0)
            word = f"decimal({digits},{field.scale})" if digits <= 38 else "string"
            return Column(field.name, DataType.parse(word), quoted)
        if code == FIELD_TYPE.DOUBLE:
            return Column(field.name, DataType.parse("float"), quoted)
        if code == FIELD_TYPE.FLOAT:  # the server writes six digits of one
            return Column(field.name, DataType.parse("float32"), f"({quoted} + 0e0)")
        if code == FIELD_TYPE.GEOMETRY:
            return Column(field.name, DataType.parse("string"), f"st_astext({quoted})")
        if code == FIELD_TYPE.DATE:
            return Column(field.name, DataType.parse("date"), quoted)
        if code == FIELD_TYPE.TIMESTAMP:
            return Column(field.name, DataType.parse("datetime(us, UTC)"), quoted)
        if code == FIELD_TYPE.DATETIME:
            return Column(field.name, DataType.parse("datetime"), quoted)
        if code in (FIELD_TYPE.BLOB, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.BIT) and field.charsetnr == 63:
            return Column(field.name, DataType.parse("binary"), quoted)
        if code == FIELD_TYPE.TIME:  # from -838 to 838 hours
            return Column(field.name, DataType.parse("string"), quoted, "cast({} as time(6))", f"cast({quoted} as char)")
        if code in _TEXTS and not field.flags & (FLAG.ENUM | FLAG.SET):
            return Column(field.name, DataType.parse("string"), quoted)
        return Column(field.name, DataType.parse("string"), f"cast({quoted} as char)")

    def key_of(self, table: str) -> list[str]:
        with self._connected() as db, db.cursor() as cursor:
            cursor.execute(f"show keys from {placed(table, self.quoted)} where Key_name = 'PRIMARY'")
            return [row[4] for row in sorted(cursor.fetchall(), key=lambda r: int(r[3]))]

    def count(self, table: str) -> int | None:
        with self._connected() as db, db.cursor() as cursor:
            *schema, name = parts_of(table)
            cursor.execute("select table_rows from information_schema.tables where table_schema = coalesce(%s, database()) "
                           "and table_name = %s", [schema[-1] if schema else None, name])  # fmt: skip
            found = cursor.fetchone()
        return int(found[0]) if found and found[0] else None

    def batches(self, query: str, parameters: Mapping[str, Any], rows: int) -> Iterator[pl.DataFrame]:
        with self.reader() as read:
            yield from read(query, parameters, rows)

    @contextmanager
    def snapshot(self) -> Iterator[str]:
        """The server cannot share one: each reader begins its own, all in the same moment."""
        yield "start transaction with consistent snapshot, read only"

    @contextmanager
    def reader(self, snapshot: str = "") -> Iterator[Reader]:
        with self._connected() as db:
            if snapshot:
                with db.cursor() as cursor:
                    cursor.execute("set session transaction isolation level repeatable read")
                    cursor.execute(snapshot)
            yield partial(self._rows, db)

    def _rows(
        self, db: pymysql.Connection[Any], query: str, parameters: Mapping[str, Any], rows: int
    ) -> Iterator[pl.DataFrame]:
        from pymysql.cursors import SSCursor

        with _abandoned(db, db.cursor(SSCursor)) as cursor:
            cursor.execute(bound(query, "pyformat"), dict(parameters))
            while found := cursor.fetchmany(rows):
                yield pl.DataFrame([_series(n, values) for n, values in enumerate(zip(*found, strict=True))])

    @contextmanager
    def _connected(self) -> Iterator[pymysql.Connection[Any]]:
        try:
            import pymysql
        except ImportError as error:
            raise MissingExtra("reach MySQL or MariaDB", extra="mysql") from error
        parts = urlsplit(self._url)
        settings = ["time_zone = '+00:00'", "sql_mode = 'STRICT_TRANS_TABLES,ANSI_QUOTES,NO_ZERO_DATE'"]
        try:
            db = retried(lambda: pymysql.connect(
                host=parts.hostname or "localhost", port=parts.port or 3306, user=unquote(parts.username or ""),
                password=unquote(parts.password or ""), database=parts.path.lstrip("/") or None, charset="utf8mb4",
                connect_timeout=max(1, int(self._timeout)), read_timeout=self._statement_timeout, autocommit=False,
                conv={k: v for k, v in pymysql.converters.conversions.items() if not isinstance(k, int)},  # values stay texts
                unix_socket=dict(parse_qsl(parts.query)).get("unix_socket"), init_command=f"set session {', '.join(settings)}",
            ), lambda e: isinstance(e, pymysql.OperationalError) and e.args[:1] in _PASSING)  # fmt: skip
        except pymysql.Error as error:
            raise self._told(error, connecting=True) from error
        try:
            yield db
        except pymysql.Error as error:
            raise self._told(error) from error
        finally:
            db.close()  # rolls back what was not committed

    def _told(self, error: pymysql.Error, *, connecting: bool = False) -> QpipeError:
        import pymysql

        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        words = f"{shown(self._url)}: {masked(self._url, str(error.args[-1] if error.args else error))}"
        if isinstance(error, pymysql.IntegrityError):
            return DataRefused(words, hint="see `key` and `mode` of the output")
        if isinstance(error, pymysql.DataError) or code in _UNFIT:
            return DataRefused(words, hint="a value does not fit its column: mend the table or the contract")
        if code in _REFUSED:
            return DataRefused(words, hint=_REFUSED[code])
        if code in _FORBIDDEN:
            return NotPermitted(words, hint=NO_GRANT)
        if code in (1021, 1114):
            return CannotCreate(words, hint="make room on the server")
        hints = {1045: "check user and password", 1049: "check the database's name",
                 1054: "check the query and its columns", 1146: "check the table's name", 1064: "check the query"}  # fmt: skip
        away = connecting or (code,) in _PASSING or not code
        hint = "is the server running and reachable?" if away else "see what the server's log says of it"
        return Unavailable(words, hint=hints.get(code, hint))

    @contextmanager
    def session(self) -> Iterator[_Session]:
        with self._connected() as db:
            yield _Session(self, db)
            db.commit()


class _Session:
    """Making a table ends a transaction of MySQL, so tables are made before the rows of a publication begin."""

    def __init__(self, owner: MySQL, db: pymysql.Connection[Any]) -> None:
        self._db, self._quoted = db, owner.quoted

    def claim(self, token: str) -> bool:
        columns = "token varchar(64) primary key, at timestamp default current_timestamp"
        self._run(f"create table if not exists {LEDGER} ({columns}) engine=InnoDB")
        self._token: str | None = token
        return not self._run(f"select 1 from {LEDGER} where token = %s for update", [token])

    def columns(self, table: str) -> list[str] | None:
        *schema, name = parts_of(table)
        found = self._run("select column_name from information_schema.columns where table_schema = coalesce(%s, database()) "
                          "and table_name = %s order by ordinal_position", [schema[-1] if schema else None, name])  # fmt: skip
        return [row[0] for row in found] or None

    def create(self, table: str, types: Types, key: Sequence[str]) -> None:
        columns = [f"{self._quoted(name)} {_word(type, name in key)}" for name, type in types.items()]
        columns += [f"primary key ({', '.join(map(self._quoted, key))})"] if key else []
        self._run(
            f"create table if not exists {placed(table, self._quoted)} ({', '.join(columns)}) engine=InnoDB charset=utf8mb4"
        )

    def clear(self, table: str) -> None:
        self._sign()
        self._run(f"delete from {placed(table, self._quoted)}")

    def load(self, table: str, frame: pl.DataFrame, key: Sequence[str]) -> None:
        if key and sorted(key) not in self._keys(table):
            raise DataRefused(f"the table {table} has no unique key of {', '.join(key)}", hint=NO_KEY)
        self._sign()
        names = ", ".join(map(self._quoted, frame.columns))
        others = [n for n in frame.columns if n not in key]
        change = ", ".join(f"{self._quoted(n)} = values({self._quoted(n)})" for n in others or key)
        upsert = f" on duplicate key update {change}" if key else ""
        line = f"insert into {placed(table, self._quoted)} ({names}) values "
        most = int(self._run("select @@max_allowed_packet")[0][0]) - len(line) - len(upsert) - 1024
        with self._db.cursor() as cursor:
            for part in frame.iter_slices(_ROWS):
                for values in _packets(_literals(part), most):
                    cursor.execute(f"{line}{values}{upsert}")

    def _keys(self, table: str) -> list[list[str]]:
        """The columns of each of its unique keys, in the order of their names."""
        found = self._run(f"show keys from {placed(table, self._quoted)} where Non_unique = 0")
        return [sorted(row[4] for row in found if row[2] == name) for name in {row[2] for row in found}]

    def _sign(self) -> None:
        """The token, in the transaction that brings the rows."""
        if self._token:
            self._run(f"insert into {LEDGER} (token) values (%s)", [self._token])
            self._token = None

    def _run(self, query: str, values: Sequence[Any] = ()) -> Any:
        with self._db.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall()


@contextmanager
def _abandoned(db: Any, cursor: Any) -> Iterator[Any]:
    """A streaming cursor whose connection is dropped where reading ends early: closing it would fetch all other rows first."""
    try:
        yield cursor
        cursor.close()
    except BaseException:
        if cursor._result is not None:
            cursor._result.unbuffered_active = False
        cursor.connection = None
        db._force_close()
        raise


def _literals(frame: pl.DataFrame) -> pl.Series:
    """Every row as SQL writes it: ``(1,'O''Hara',null)``. The session escapes with backslashes: see its sql_mode."""
    refuse_days(frame)
    for name, kind in frame.schema.items():
        if kind.is_float() and not frame[name].is_finite().all():
            raise DataRefused(f"{name} has NaN or infinity, which MySQL does not know", hint="make it null, or keep it out")
    cells = [_literal(pl.col(name), kind).fill_null("null") for name, kind in frame.schema.items()]
    commas = [part for cell in cells for part in (pl.lit(","), cell)][1:]
    return frame.select(pl.concat_str(pl.lit("("), *commas, pl.lit(")"))).to_series()


def _literal(cell: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if kind == pl.Boolean:
        return pl.when(cell).then(pl.lit("1")).when(~cell).then(pl.lit("0"))
    if kind.is_numeric():
        return cell.cast(pl.Float64 if kind == pl.Float32 else kind).cast(pl.String)
    if kind == pl.Binary:
        return pl.concat_str(pl.lit("x'"), cell.bin.encode("hex"), pl.lit("'"))
    if isinstance(kind, pl.Datetime):
        cell = cell.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else cell
        cell = cell.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    elif kind == pl.Duration:
        cell = cell.dt.to_string("iso")
    elif kind == pl.Time:
        cell = cell.dt.strftime("%H:%M:%S%.6f")
    elif kind == pl.Date:
        cell = cell.dt.strftime("%Y-%m-%d")
    text = cell.cast(pl.String).str.replace_all("\\", "\\\\", literal=True).str.replace_all("'", "''", literal=True)
    return pl.concat_str(pl.lit("'"), text, pl.lit("'"))


def _packets(rows: pl.Series, most: int) -> Iterator[str]:
    """Rows with commas between, as many as fit in so many bytes."""
    if len(rows) > 1 and int(rows.str.len_bytes().sum() or 0) + len(rows) > most:
        middle = len(rows) // 2
        yield from _packets(rows[:middle], most)
        yield from _packets(rows[middle:], most)
    elif len(rows):
        yield ",".join(rows)


def _series(number: int, values: Sequence[Any]) -> pl.Series:
    """Texts as the server writes them, or bytes."""
    first = next((value for value in values if value is not None), "")
    return pl.Series(str(number), values, dtype=pl.Binary if isinstance(first, bytes) else pl.String)


def _word(type: DataType, key: bool) -> str:
    if type.name == "decimal" and type.args[1] <= 30:
        return f"decimal({type.args[0]},{type.args[1]})"
    if type.kind == "integer":
        wide = {"uint64": "bigint unsigned", "int128": "decimal(39)", "uint128": "decimal(39)"}
        return wide.get(type.name, "bigint")
    if type.kind == "datetime":
        return "datetime(6)"
    if type.kind == "time":
        return "time(6)"
    return _WORDS.get(type.kind) or ("varchar(255)" if key else "longtext")
