"""sql"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import duckdb, pl
from qpipe.core.params import Duration, NewTypes, param
from qpipe.core.rowset import RowSet
from qpipe.core.types import DataType
from qpipe.modules._result import as_declared, keep
from qpipe.modules.custom._query import Query, read_query

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Table

_ROWS = 50_000  # of a result part
_MEND = "mend columns:, or cast in the query"


class Sql(Relational):
    """The whole data set through one SQL query, or rows that a query finds fault with.

    The query is DuckDB's SQL over the table `data` and over reference sources by their ids; it runs out of core, in bounded
    memory, with no access to files, network or settings. `columns` names the columns that come out, with their types.

    `data` has a column `_row`: a row that keeps it is the same row still, with its findings and its origin; rows without it
    are new ones, as after a group by. A query without `_row` takes rows that failed a check before it, too, and no route sees
    those any more: leave them out in the query, or let the query keep `_row`.

    Without an order by, rows come out in the order of `_row`, or of their values. Sums of floats may differ in the last digits
    from run to run: cast to decimal where that matters.

    `failing:` is a query, too: the rows whose `_row` it selects become findings, as those of a check do, and nothing changes.
    Null means in both what it means in SQL.

    Examples:
        ```yaml
        module:
          sql:
            query: "select country, sum(amount) as total from data group by country"
            columns: {country: string, total: "decimal(12,2)"}
        schema: {country: string, amount: "decimal(9,2)"}
        rows: [{country: FR, amount: 2}, {country: DE, amount: 1.50}, {country: FR, amount: 0.25}]
        gives: [{country: DE, total: 1.50}, {country: FR, total: 2.25}]
        ```
        ```yaml
        module:
          sql:
            query: "select _row, id, coalesce(x, last_value(x ignore nulls) over (order by _row)) as x from data"
            columns: {id: int, x: int}
        schema: {id: int, x: int}
        rows: [{id: 1, x: 7}, {id: 2, x: null}, {id: 3, x: 9}]
        gives: [{id: 1, x: 7}, {id: 2, x: 7}, {id: 3, x: 9}]
        ```
        ```yaml
        module:
          sql:
            failing: "select d._row from data d join limits l using (country) where d.amount > l.most"
            message: "more than the country allows"
        tables: {limits: [{country: DE, most: 10}]}
        rows: [{country: DE, amount: 9}, {country: DE, amount: 11}, {country: FR, amount: 99}]
        failed: [1]
        ```
    """

    like = (
        "custom_sql", "query", "failed_rows", "singular test", "sql_query", "customSql", "UnexpectedRows", "sql transform",
        "user-defined", "max_by", "user_defined_query",
    )  # fmt: skip

    query: str | None = param(None, help="a select over data; its result takes the place of the data", short=True)
    failing: str | None = param(None, help="a select of the _row of bad rows, instead")
    columns: NewTypes | None = param(None, help="the columns that come out of the query, with their types")
    timeout: Duration = param(3600.0, help="how long the query may take")

    holds_of_parts = False
    earlier_rows = "before"

    @property
    def effect(self) -> str:  # type: ignore[override]
        return "findings" if self.query is None else "replace"

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if (self.query is None) == (self.failing is None):
            yield "query", "give query or failing, one of them"
            return
        if self.query is not None and not self.columns:
            yield "columns", "name the columns that come out, with their types: columns: {country: string, total: float}"
        if self.query is None and self.columns:
            yield "columns", "a failing query changes no columns"
        for name, word in (self.columns or {}).items():
            try:
                DataType.parse(word)
            except ValueError as error:
                yield "columns", f"'{name}': {error}"
            if name == ROW:
                yield "columns", f"{ROW} needs no type: it is there when the query selects it"
        if problem := self._parsed.problem:
            yield "query" if self.query is not None else "failing", problem

    def references(self) -> tuple[str, ...]:
        return tuple(name for name in self._parsed.tables if name.lower() != "data")

    def output_types(self, types: Types) -> Types:
        return types if self.query is None else {name: DataType.parse(word) for name, word in (self.columns or {}).items()}

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {column: pl.col(column) for column in context.types}

    def judge(self, collected: Table, context: Context) -> tuple[RowVerdict, ...]:
        rows = RowSet()
        with self._result(collected, context) as (result, last):
            if ROW not in result.columns:
                raise QpipeError(
                    f"the failing query gives {', '.join(result.columns)}, but not {ROW}", hint=f"select the {ROW} of bad rows"
                )
            for batch in self._batches(result.project(f'"{ROW}"')):
                rows.add(_known_rows(batch[ROW].drop_nulls(), last))
        return (RowVerdict(rows, (), "a row that the query does not select"),)

    def replace(self, collected: Table, context: Context) -> Path:
        folder, part = collected.directory / "result", collected.directory / "result.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        wanted = dict(self.output_types(context.types))
        with self._result(collected, context) as (result, last):
            self._check(dict(zip(result.columns, map(str, result.types), strict=True)), wanted)
            for number, frame in enumerate(self._batches(self._in_order(result))):
                if ROW in frame.columns:
                    _known_rows(frame[ROW], last)
                keep(as_declared(frame, wanted, "the query's column", _MEND), part / f"part-{number:06d}.parquet")
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        return folder

    @property
    def _parsed(self) -> Query:
        return read_query(self.query or self.failing or "")

    @contextlib.contextmanager
    def _result(self, collected: Table, context: Context) -> Iterator[tuple[Any, int]]:
        """The query as a relation of a locked connection, stopped after ``timeout``; and the last row of the data."""
        if problem := self._parsed.problem:
            raise QpipeError(problem)
        tables = {name: context.tables[name] for name in self.references() if name in context.tables}
        connection = collected.connect(tables, locked=True)
        ends = time.monotonic() + self.timeout
        stop = threading.Timer(self.timeout, connection.interrupt)
        stop.daemon = True
        stop.start()
        try:
            if not collected.has_rows:
                connection.register("data", _empty(context.types))
            last = connection.sql(f"select max({ROW}) from data").fetchall()[0][0]
            yield connection.sql(self.query or self.failing or ""), -1 if last is None else last
        except duckdb.Error as error:
            if time.monotonic() >= ends:
                raise QpipeError(
                    f"the query took longer than {self.timeout:g} s", hint="give it more with timeout: 2h"
                ) from error
            raise QpipeError(f"the query fails: {_first_lines(error)}", hint=_hint(error)) from error
        finally:
            stop.cancel()
            connection.close()

    def _batches(self, result: Any) -> Iterator[pl.DataFrame]:
        """The result as frames, at least one."""
        reader = result.to_arrow_reader(_ROWS)
        empty = True
        for batch in reader:
            empty = False
            yield pl.DataFrame(pl.from_arrow(batch))
        if empty:
            yield pl.DataFrame(pl.from_arrow(reader.schema.empty_table()))

    def _in_order(self, result: Any) -> Any:
        """The same rows in the same order, however many threads there are."""
        if self._parsed.ordered:
            return result
        if ROW in result.columns:
            result = result.project(f'"{ROW}", * exclude ("{ROW}")')
        return result.order("all")

    def _check(self, given: Mapping[str, str], wanted: Mapping[str, DataType]) -> None:
        """The columns that come, with DuckDB's types, against those declared."""
        names = [name for name in given if name != ROW]
        if lacking := [name for name in wanted if name not in given]:
            raise QpipeError(f"the query gives no column '{lacking[0]}'; it gives {', '.join(names)}", hint="mend columns:")
        if more := [name for name in names if name not in wanted]:
            raise QpipeError(
                f"the query gives a column '{more[0]}', which columns: does not name", hint="add it, with its type"
            )
        if spans := [name for name in names if given[name] == "INTERVAL"]:
            raise QpipeError(
                f"the query's column '{spans[0]}' is an interval, which has no fixed length", hint="cast it to varchar"
            )


def _known_rows(rows: pl.Series, last: int) -> pl.Series:
    if not rows.dtype.is_integer() or rows.null_count() or not rows.is_between(0, last).all():
        raise QpipeError(
            f"the query gives a {ROW} that no row of data has", hint=f"select {ROW} as it is in data, or leave it out"
        )
    return rows


def _empty(types: Types) -> pl.DataFrame:
    return pl.DataFrame(schema={ROW: pl.Int64(), **{name: type_.polars() for name, type_ in types.items()}})


def _first_lines(error: Exception) -> str:
    """What DuckDB says, without its advice on settings."""
    return " ".join(line.strip() for line in str(error).splitlines()[:2] if line.strip())


def _hint(error: Exception) -> str:
    if isinstance(error, duckdb.OutOfMemoryException):
        return "give it more: settings: {memory_limit: 4G}"
    if isinstance(error, duckdb.CatalogException):
        return "a query sees the table data, and reference sources by their ids"
    return ""
