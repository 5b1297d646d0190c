"""impute"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from qpipe.core.component import Context, Types
from qpipe.core.params import Columns, param
from qpipe.core.types import DataType
from qpipe.modules.transformation._reshaping import Reshaping, name

_NUMERIC = ("mean", "median", "linear")
_LINES = ("integer", "float", "decimal", "date", "datetime", "any")


class Impute(Reshaping):
    """Nulls become what the other rows of their group say: the value before or after, the mean, the median, the most common.

    `previous` and `next` go by the order of `order`, or by that of the source; `linear` draws a line between the values before
    and after, by the one column of `order`, and fills nothing at the ends. Figures leave out nulls; a group of nothing but
    nulls stays as it is. Of values that are equally common the least is taken. The types stay: a mean of whole numbers is
    rounded. To know later what was filled, derive `x is null` before.

    Examples:
        ```yaml
        module:
          impute: {columns: [price], method: previous, by: [item], order: [day]}
        rows: [{item: a, day: 2, price: null}, {item: a, day: 1, price: 5}, {item: b, day: 1, price: null}]
        gives: [{item: a, day: 2, price: 5}, {item: a, day: 1, price: 5}, {item: b, day: 1, price: null}]
        ```
        ```yaml
        module:
          impute: {column: t, method: linear, order: hour}
        rows: [{hour: 0, t: 10.0}, {hour: 1, t: null}, {hour: 4, t: 18.0}, {hour: 5, t: null}]
        gives: [{hour: 0, t: 10.0}, {hour: 1, t: 12.0}, {hour: 4, t: 18.0}, {hour: 5, t: null}]
        ```
        ```yaml
        module:
          impute: {columns: [colour], method: most_common}
        rows: [{colour: red}, {colour: null}, {colour: blue}, {colour: red}]
        gives: [{colour: red}, {colour: red}, {colour: blue}, {colour: red}]
        ```
    """

    same_rows = True
    like = ("fill down", "forward fill", "ffill", "bfill", "backfill", "interpolate", "SimpleImputer", "fillna(mean)", "impute")

    columns: Columns = param(help="the columns to fill", alias="column")
    method: Literal["previous", "next", "linear", "mean", "median", "most_common", "min", "max"] = param(
        help="what a null becomes"
    )
    by: Columns | None = param(None, help="the columns that make a group; unset: all rows are one")
    order: Columns | None = param(None, help="the columns that put its rows in order")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.method == "linear" and len(self.order or ()) != 1:
            yield "order", "method: linear needs the one column along which the line is drawn"
        if self.order and self.method not in ("previous", "next", "linear"):
            yield "order", f"method: {self.method} needs no order"
        if both := sorted({*self.columns} & {*(self.by or ()), *(self.order or ())}):
            yield "columns", f"{both[0]} cannot be filled by groups or an order of itself"
        for column in self.columns if types else ():
            kind = types[column].kind if types and column in types else "any"
            if self.method in _NUMERIC and kind not in ("integer", "float", "decimal", "any"):
                yield "method", f"{column} is {kind}, which has no {self.method}"
        for column in self.order or () if types and self.method == "linear" else ():
            if (
                types
                and column in types
                and types[column].kind not in ("integer", "float", "decimal", "date", "datetime", "any")
            ):
                yield "order", f"no line can be drawn along {column}, which is {types[column].describe()}"

    def query(self, context: Context) -> str:
        cells = [
            f"coalesce(data.{name(c)}, {self._other(c, context.types)}) as {name(c)}"
            if c in self.columns
            else f"data.{name(c)}"
            for c in context.types
        ]
        joins = [self._commonest(n, c) for n, c in enumerate(self.columns)] if self.method == "most_common" else []
        return f"select data._row, {', '.join(cells)} from data {' '.join(joins)}"

    def _other(self, column: str, types: Types) -> str:
        """What stands in for a null."""
        cell, kind = name(column), types[column].kind
        part = f"partition by {', '.join(map(name, self.by))} " if self.by else ""
        keys = ", ".join([*(f"{name(c)} nulls first" for c in self.order or ()), "_row"])
        before = f"over ({part}order by {keys} rows between unbounded preceding and current row)"
        after = f"over ({part}order by {keys} rows between current row and unbounded following)"
        if self.method == "previous":
            return f"last_value({cell} ignore nulls) {before}"
        if self.method == "next":
            return f"first_value({cell} ignore nulls) {after}"
        if self.method == "most_common":
            return f"_common{self.columns.index(column)}.value"
        if self.method == "linear":
            along = _number(self.order[0] if self.order else "", types)
            known = f"(case when {cell} is not null then {along} end)"
            low, high = f"last_value({cell} ignore nulls) {before}", f"first_value({cell} ignore nulls) {after}"
            start, stop = f"last_value({known} ignore nulls) {before}", f"first_value({known} ignore nulls) {after}"
            figure = (
                f"({low})::double + (({high})::double - ({low})::double) * ({along} - {start}) / nullif({stop} - {start}, 0)"
            )
        else:
            function = {"mean": "avg", "median": "median"}.get(self.method, self.method)
            figure = f"{function}({cell}) over ({part})"
        return f"round_even({figure}, 0)" if kind == "integer" and self.method in _NUMERIC else figure

    def _commonest(self, number: int, column: str) -> str:
        """The most common value of each group, the least of those that are as common."""
        groups, cell = [name(c) for c in self.by or ()], name(column)
        by = "".join(f"{group}, " for group in groups)
        part = f"partition by {', '.join(groups)} " if groups else ""
        counted = f"select {by}{cell} as value, count(*) as n from data where {cell} is not null group by all"
        first = f"select * from ({counted}) qualify row_number() over ({part}order by n desc, value) = 1"
        alias = f"_common{number}"
        met = " and ".join(f"data.{group} is not distinct from {alias}.{group}" for group in groups) or "true"
        return f"left join ({first}) {alias} on {met}"


def _number(column: str, types: Types) -> str:
    given = types.get(column, DataType.parse("int"))
    return f"epoch_us({name(column)})::double" if given.kind in ("date", "datetime") else f"{name(column)}::double"
