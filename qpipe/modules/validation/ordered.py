"""ordered"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class Ordered(Relational):
    """Values come in order, over the whole data set or within each group.

    A row is bad when its value comes before that of the row above it (in the same group, in the order of the source): in
    `1, 5, 2, 3` only 2 is. Several columns order as in a dictionary. Rows with a null in one of the columns are left out and
    pass; null is a group of its own in `by`. NaN is above every number; an empty text comes before every other. Zero rows: not
    evaluated.

    Examples:
        ```yaml
        module:
          ordered: at
        rows: [{at: 1}, {at: 5}, {at: 2}, {at: null}, {at: 2}]
        failed: [2]
        ```
        ```yaml
        module:
          ordered: {column: n, by: group, strict: true}
        rows: [{group: a, n: 1}, {group: b, n: 1}, {group: a, n: 1}, {group: b, n: 2}]
        failed: [2]
        ```
    """

    dimension = "consistency"
    like = (
        "expect_column_values_to_be_increasing", "expect_column_values_to_be_decreasing", "col_vals_increasing",
        "col_vals_decreasing", "is_monotonic", "is_sorted", "sequential-value", "monotonic", "isMonotonic",
    )  # fmt: skip

    columns: Columns = param(help="the columns to look at, the chief one first", short=True, alias="column")
    by: Columns | None = param(None, help="each group is ordered on its own")
    direction: Literal["asc", "desc"] = param("asc", help="upwards or downwards")
    strict: bool = param(False, help="equal values in a row are bad, too")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if both := set(self.columns) & set(self.by or ()):
            yield "by", f"{min(both)} is the same in all rows of its group: there is nothing to order"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        values = {f"v{n}": pl.col(column) for n, column in enumerate(self.columns)}
        return values | {f"g{n}": pl.col(column) for n, column in enumerate(self.by or ())}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        values = [f"v{n}" for n in range(len(self.columns))]
        groups = ", ".join(f"g{n}" for n in range(len(self.by or ())))
        order = f"over ({f'partition by {groups} ' if groups else ''}order by {ROW})"
        this, above = _row(values), _row([f"p{v}" for v in values])
        breaks = {"asc": "<", "desc": ">"}[self.direction] + ("=" if self.strict else "")
        query = f"""
            with seen as (
                select {ROW}, {", ".join(values)}, {", ".join(f"lag({v}) {order} as p{v}" for v in values)}
                from data where {" and ".join(f"{v} is not null" for v in values)}
            )
            select {ROW} from seen where p{values[0]} is not null and {this} {breaks} {above}
        """
        return (RowVerdict(collected.rows(query), self.columns, self._words()),)

    def _words(self) -> str:
        side = {"asc": "above" if self.strict else "not below", "desc": "below" if self.strict else "not above"}[self.direction]
        return f"{side} the row before" + (f" of its {', '.join(self.by)}" if self.by else "")


def _row(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"row({', '.join(names)})"
