"""database"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.component import Context, Input, Source, Types
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Duration, SecretText, param
from qpipe.core.secrets import RAW, reveal, written_raw
from qpipe.core.sql import DIALECTS, EXTRAS, POOLED, Column, database, names_in, of_length, placed, scheme_of, shown
from qpipe.sources.database.query import Query, beyond, mark, ordered, text_of, value_of
from qpipe.sources.database.query import selected as names_of
from qpipe.sources.database.ranges import side_by_side

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

_DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql"}


class Database(Source):
    """A table or a query of PostgreSQL, MySQL, MariaDB, SQLite or DuckDB, streamed in bounded memory, with exact types.

    Rows come in the order of `key`, by which a stopped run goes on; unset, it is the table's primary key, or else all
    columns, which costs the server a sort. With `incremental` a run reads what lies after the greatest value of a column
    that an earlier run has published; rows in which that column is null are not read. Types that a contract does not know
    (json, arrays, uuid, enum, interval) arrive as text, arrays and nested values as JSON. The session is read-only.
    """

    like = ("postgresql", "postgres", "mysql", "mariadb", "sqlite", "duckdb", "sql", "jdbc")

    url: SecretText = param(help="postgresql://user:password@host/name, mysql://…, mariadb://…, sqlite:///file, duckdb:///file")
    table: str | None = param(None, help="a table or view")
    query: str | None = param(None, help="a query; :name stands for a parameter")
    parameters: dict[str, Any] = param(None, help="values of the query's :names; they are bound, never pasted")
    key: Columns | None = param(None, help="columns that tell every row, in whose order rows are read")
    incremental: dict[str, Any] | None = param(
        None, help="{column, start}: read only what lies after the last run's greatest value"
    )
    pool_size: int = param(
        1,
        help="connections that read side by side, each some ranges of the key: PostgreSQL, MySQL, MariaDB",
        minimum=1,
        maximum=32,
    )
    timeout: Duration = param(10.0, help="how long to wait for a connection")
    statement_timeout: Duration | None = param(None, help="how long the server may work on a statement")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if (self.table is None) == (self.query is None):
            yield "table", "say either table or query"
        yield from url_problems(self.url, "read")
        if self.pool_size > 1 and DIALECTS.get(scheme_of(self.url)) not in POOLED:
            yield "pool_size", f"{scheme_of(self.url)} is read by one connection: only {' and '.join(POOLED)} by several"
        given, wanted = set(self.parameters or ()), set(names_in(self.query or ""))
        if missing := sorted(wanted - given):
            yield "parameters", f"the query names :{missing[0]}, which has no value"
        if unused := sorted(given - wanted):
            yield "parameters", f"the query has no :{unused[0]}"
        if self.incremental is not None and (not self.incremental.get("column") or set(self.incremental) - {"column", "start"}):
            yield "incremental", "say {column: updated_at}, perhaps with a start"

    def columns(self, context: Context) -> dict[str, DataType]:
        return {column.name: column.type for column in self._described(context)}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        described = self._described(context)
        wanted = [c for c in described if columns is None or c.name in columns]
        order = self._order(context, described)
        selected = [*wanted, *(c for c in order if c not in wanted)]
        key, name = self._last(selected, order), self.table or "query"
        row, skip = (position or {}).get("row", 0), 0
        if position and not position.get("key"):
            skip = int(row)
        last: list[str] | None = (position or {}).get("key")
        for frame in self._frames(context, selected, order, position, rows):
            if skip:  # without a key: the rows before come again, and are left out
                skip, frame = max(0, skip - frame.height), frame.slice(min(skip, frame.height))
            if frame.height:
                row += frame.height
                chunk = _chunk(frame, selected, wanted, row, key, name, last)
                last = chunk.position.get("key")
                yield chunk

    def identity(self, context: Context) -> Json:
        return {"place": shown(self.url), "table": self.table, "query": self.query}

    def size(self, context: Context) -> tuple[int | None, int | None]:
        whole = self.table is not None and context.cursor is None
        return (self._database(context).count(self.table) if whole and self.table else None), None

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(self.table or "query", shown(self.url))]

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        if self.incremental is None:
            return None
        last = (position or {}).get("key")
        return {"after": last[0]} if last else context.cursor

    def pending(self, context: Context) -> bool:
        order = self._order(context, self._described(context))
        query = self._query(context, order, order, None)
        return next(self._database(context).batches(query.text, query.parameters, 1), None) is not None

    def _database(self, context: Context) -> Any:
        return database(self.url, context.directory, self.timeout, self.statement_timeout)

    def _given(self) -> dict[str, Any]:
        return {name: reveal(value) for name, value in (self.parameters or {}).items()}

    def _base(self, context: Context) -> str:
        if self.query is not None:
            return self.query.strip().rstrip(";")
        return f"select * from {placed(self.table or '', self._database(context).quoted)}"

    def _described(self, context: Context) -> list[Column]:
        found: list[Column] = self._database(context).describe(self._base(context), self._given())
        return found

    def _order(self, context: Context, described: Sequence[Column]) -> list[Column]:
        """The columns that tell rows apart; with ``incremental`` that column comes first."""
        by_name = {c.name: c for c in described}
        first = [str(self.incremental["column"])] if self.incremental else []
        keys = list(self.key or ()) or (self._database(context).key_of(self.table) if self.table else [])
        for name in (*first, *keys):
            if name not in by_name:
                raise DataRefused(f"{self.table or 'the query'} has no column {name}", hint=f"it has {', '.join(by_name)}")
        return [by_name[name] for name in dict.fromkeys([*first, *(keys or by_name)])]

    def _last(self, selected: Sequence[Column], order: Sequence[Column]) -> list[int]:
        """Where the columns of the key stand; none where rows are told by their number only."""
        return (
            [selected.index(column) for column in order] if self.key or self.incremental or len(order) < len(selected) else []
        )

    def _frames(
        self, context: Context, selected: Sequence[Column], order: Sequence[Column], position: Json | None, rows: int
    ) -> Iterator[pl.DataFrame]:
        db, query = self._database(context), self._query(context, selected, order, position)
        if self.pool_size == 1:
            return db.batches(query.text, query.parameters, rows)
        if not self._last(selected, order):
            raise DataRefused(f"{self.table or 'the query'} has no key by which several connections could read it",
                              hint="name the columns that tell every row as key, or leave pool_size out")  # fmt: skip
        return of_length(side_by_side(db, query, order[0], rows, self.pool_size), rows)

    def _query(self, context: Context, selected: Sequence[Column], order: Sequence[Column], position: Json | None) -> Query:
        db, by = self._database(context), [ordered(c, self._database(context)) for c in order]
        query = Query(names_of(selected, db), self._base(context), ", ".join(by), (), self._given())
        if self.incremental:
            column = order[0]
            query = query.also([f"{by[0]} is not null"], {})
            after, sign = (context.cursor or {}).get("after"), ">"
            if after is None:
                after, sign = self.incremental.get("start"), ">="
            if after is not None:
                query = query.also([f"{by[0]} {sign} {mark('_after', column)}"], {"_after": value_of(after, column)})
        if last := (position or {}).get("key"):
            condition, parameters = beyond(order, db, last)
            query = query.also([condition], parameters)
        return query


def url_problems(url: str, doing: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a URL before anything is opened: an unknown dialect, a driver that is not installed."""
    plain = reveal(url)
    if "://" not in plain:
        yield "url", "this is no URL of a database, such as postgresql://user:password@host/name"
        return
    if written_raw(plain):
        yield "url", RAW
    dialect = DIALECTS.get(scheme_of(url))
    if dialect is None:
        yield "url", f"no database is known by {scheme_of(url)}://; there are {', '.join(DIALECTS)}"
    elif dialect in _DRIVERS and importlib.util.find_spec(_DRIVERS[dialect]) is None:
        yield "url", f"to {doing} {scheme_of(url)}, qpipe[{EXTRAS[dialect]}] is needed: pip install 'qpipe[{EXTRAS[dialect]}]'"


def _chunk(
    frame: pl.DataFrame, selected: Sequence[Column], wanted: Sequence[Column], row: int, key: Sequence[int], name: str,
    before: Sequence[str] | None,
) -> Chunk:  # fmt: skip
    faults: list[Fault] = []
    columns = []
    for n, column in enumerate(selected):
        given = frame.to_series(n)
        typed = _typed(given, column.type)
        lost = (given.is_not_null() & typed.is_null()).arg_true() if typed.null_count() > given.null_count() else ()
        faults += [Fault(int(at), row - frame.height + int(at) + 1, "not-representable", f"{column.name} is {given[at]!r}, "
                         f"expected {column.type.describe()}", column.name, str(given[at])) for at in lost]  # fmt: skip
        columns.append(typed.alias(column.name))
    made = pl.DataFrame(columns)
    position: Json = {"row": row}
    if key:
        last = [made.to_series(n)[-1] for n in key]
        if any(value is None for value in last):
            raise DataRefused(
                f"{name}: a column of the key is null", hint="name other columns as key: they must tell every row"
            )
        if before == [text_of(made.to_series(n)[0]) for n in key]:
            raise DataRefused(f"{name}: the key does not tell every row: {', '.join(before)} is there twice",
                              hint="name more columns as key")  # fmt: skip
        position["key"] = [text_of(value) for value in last]
    return Chunk(made.select([c.name for c in wanted]), position, faults=tuple(faults), file=name)


def _typed(values: pl.Series, type: DataType) -> pl.Series:
    """As its type says, null where it would be another value. Texts are what a server writes of such values."""
    from qpipe.core.parse import parse_text
    from qpipe.core.types import DataType

    wanted = type.polars()
    if values.dtype == wanted:
        return values
    if values.dtype == pl.String and type.kind == "binary":
        return values.str.decode("hex", strict=False)
    if values.dtype == pl.String and type.kind == "datetime" and type.zone:
        naive = pl.select(parse_text(pl.lit(values), DataType.parse("datetime"))).to_series()
        return naive.dt.replace_time_zone("UTC")
    if values.dtype == pl.String:
        return pl.select(parse_text(pl.lit(values), type)).to_series()
    if type.kind == "datetime" and type.zone and values.dtype == pl.Datetime and not values.dtype.time_zone:  # type: ignore[attr-defined]
        return values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if values.dtype == pl.Binary and wanted == pl.String:  # as SQLite may have it
        return values.bin.encode("hex")
    typed = values.cast(wanted, strict=False)
    back = typed.cast(values.dtype, strict=False)
    return typed if back.equals(values) else pl.select(pl.when(pl.lit(back.eq_missing(values))).then(pl.lit(typed))).to_series()
