"""window"""

from __future__ import annotations

from collections.abc import Iterator

from qpipe.core.component import Context, Types
from qpipe.core.params import Columns, param
from qpipe.core.types import DataType
from qpipe.modules.transformation._reshaping import IN_PLACE, Reshaping, name

ROW_ONLY = ("row_number", "rank", "dense_rank", "count")
FUNCTIONS = (
    *ROW_ONLY, "previous", "next", "difference", "running_sum", "running_mean", "running_max", "running_min",
    "group_sum", "group_mean", "group_min", "group_max", "group_count",
)  # fmt: skip


class Window(Reshaping):
    """Each row learns something of its group: its place, the row before, a running sum, the group's mean.

    Written `new column: function(column)`: row_number(), rank(), dense_rank(), previous(x), next(x), difference(x),
    running_sum(x), running_mean(x), running_min(x), running_max(x), group_sum(x), group_mean(x), group_min(x), group_max(x),
    group_count(). Rows stand in the order of `order`, equals in that of the source; without `order`, as they come. Nulls sort
    first, and are left out of sums and means. Without `by` all rows are one group. Every row stays where it was.

    Examples:
        ```yaml
        module:
          window: {by: shop, order: day, make: {place: row_number(), total: running_sum(sales), before: previous(sales)}}
        rows: [{shop: a, day: 2, sales: 5}, {shop: b, day: 1, sales: 1}, {shop: a, day: 1, sales: 2}]
        gives:
          - {shop: a, day: 2, sales: 5, place: 2, total: 7, before: 2}
          - {shop: b, day: 1, sales: 1, place: 1, total: 1, before: null}
          - {shop: a, day: 1, sales: 2, place: 1, total: 2, before: null}
        ```
    """

    same_rows = True
    like = (
        "window function", "over (partition by)", "lag", "lead", "cumsum", "rank", "row_number", "rolling", "running total",
    )  # fmt: skip

    make: dict[str, str] = param(help="new column: function(column)", minProperties=1)
    by: Columns | None = param(None, help="the columns that make a group")
    order: Columns | None = param(None, help="the columns that put its rows in order")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for new, written in self.make.items():
            function, column = _parsed(written)
            needs = function not in (*ROW_ONLY, "group_count")
            if function not in FUNCTIONS or needs != bool(column):
                yield "make", f"{new}: '{written}' is none of {', '.join(FUNCTIONS)} with its column in brackets"
            elif types is not None and column and column not in types:
                yield "make", f"{new}: there is no column '{column}'"
            if types is not None and new in types:
                yield "make", f"there is a column '{new}' already"

    def reads(self) -> Iterator[tuple[str, str]]:
        return (("make", column) for _, column in map(_parsed, self.make.values()) if column)

    def output_types(self, types: Types) -> Types:
        return {**types, **{new: _type(*_parsed(written), types) for new, written in self.make.items()}}

    def query(self, context: Context) -> str:
        part = f"partition by {', '.join(name(c) for c in self.by)} " if self.by else ""
        columns = ", ".join(name(column) for column in context.types)
        keys = ", ".join([*(f"{name(c)} nulls first" for c in self.order or ()), "__place"])
        # rank counts equals as equals: the row's number must not part them
        ranks = ", ".join(f"{name(c)} nulls first" for c in self.order or ()) or "_row"
        made = []
        for new, written in self.make.items():
            function, column = _parsed(written)
            cell = name(column) if column else ""
            over = f"over ({part}order by {ranks if function in ('rank', 'dense_rank') else keys})"
            made.append(f"{_call(function, cell, over, f'over ({part})')} as {name(new)}")
        return f"select _row, {columns}, {', '.join(made)} from {IN_PLACE}"


def _parsed(written: str) -> tuple[str, str]:
    function, _, rest = written.strip().partition("(")
    return function.strip().lower(), rest.strip().removesuffix(")").strip()


def _call(function: str, cell: str, over: str, whole: str) -> str:
    plain = {"previous": f"lag({cell}) {over}", "next": f"lead({cell}) {over}", "difference": f"{cell} - lag({cell}) {over}",
             "running_mean": f"avg({cell}) {over}", "group_mean": f"avg({cell}) {whole}", "group_count": f"count(*) {whole}",
             "count": f"count(*) {over}"}  # fmt: skip
    if function in plain:
        return plain[function]
    kind, _, of = function.partition("_")
    if kind == "running":
        return f"{of}({cell}) {over}"
    return f"{of}({cell}) {whole}" if kind == "group" else f"{function}() {over}"


def _type(function: str, column: str, types: Types) -> DataType:
    if not column:
        return DataType.parse("int")
    given = types.get(column, DataType.parse("string"))
    if function.endswith("_mean"):
        return DataType.parse("float")
    if function.endswith("_sum") and given.kind == "decimal":
        return DataType.parse(f"decimal(38,{given.args[1]})")
    if function == "difference" and given.kind in ("date", "datetime"):
        return DataType.parse("int") if given.kind == "date" else DataType.parse("duration")
    return DataType.parse("int") if function.endswith("_sum") and given.kind == "integer" else given
