"""pivot"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from qpipe.core.component import Context, Types
from qpipe.core.params import Column, Columns, param
from qpipe.core.types import DataType
from qpipe.modules.transformation._reshaping import Reshaping, name, text


class Pivot(Reshaping):
    """Rows become columns: one row for each group, one column for each of the named values.

    `values` says which values of `names_from` get a column, and what that is called; other values are left out. Where a
    group has several rows for a cell, `function` says what becomes of them; where it has none, the cell is null (0 for
    count). Null is a group of its own. The rows are new ones, in the order in which their groups first come.

    Examples:
        ```yaml
        module:
          pivot: {by: shop, names_from: quarter, values_from: sales, values: [q1, q2], function: sum}
        rows:
          - {shop: a, quarter: q1, sales: 5}
          - {shop: a, quarter: q2, sales: 7}
          - {shop: a, quarter: q1, sales: 1}
          - {shop: b, quarter: q2, sales: 1}
        gives: [{shop: a, q1: 6, q2: 7}, {shop: b, q1: null, q2: 1}]
        ```
    """

    like = ("pivot", "pivot_table", "spread", "long to wide", "pivot_wider", "columnize", "crosstab")

    by: Columns = param(help="the columns that make a row")
    names_from: Column = param(help="the column whose values become columns")
    values_from: Column = param(help="the column that fills them")
    values: tuple[str, ...] | dict[str, str] = param(help="the values that become columns: [q1, q2], or {q1: first quarter}")
    function: Literal["first", "last", "min", "max", "sum", "mean", "count"] = param("first", help="of several rows for a cell")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kind = types[self.values_from].kind if types and self.values_from in types else "any"
        if self.function in ("sum", "mean") and kind not in ("integer", "float", "decimal", "any"):
            yield "function", f"{self.values_from} is {kind}: there is no {self.function} of it"

    def output_types(self, types: Types) -> Types:
        given = types.get(self.values_from, DataType.parse("string"))
        made = {"count": DataType.parse("int"), "mean": DataType.parse("float")}.get(self.function, given)
        return {**{c: types[c] for c in self.by if c in types}, **{column: made for column in self._columns.values()}}

    def query(self, context: Context) -> str:
        cell = name(self.values_from)
        ends = {end: f"{end}({cell} order by _row, {cell})" for end in ("first", "last")}
        made = {**ends, "mean": f"avg({cell})"}
        call = made.get(self.function, f"{self.function}({cell})")
        cells = [
            f"{call} filter ({name(self.names_from)}::varchar = {text(value)}) as {name(column)}"
            for value, column in self._columns.items()
        ]
        by = ", ".join(name(column) for column in self.by)
        return f"select {by}, {', '.join(cells)} from data group by {by} order by min(_row), {by}"

    @property
    def _columns(self) -> dict[str, str]:
        """Value → new column."""
        return dict(self.values) if isinstance(self.values, dict) else {value: value for value in self.values}
