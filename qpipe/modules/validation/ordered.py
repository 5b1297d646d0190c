"""ordered"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import np, pl
from qpipe.core.look_through import rows_after
from qpipe.core.params import Columns, param
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import polars as pl


class Ordered(Relational):
    """Values come in order, over the whole data set or within each group.

    A row is bad when its value comes before that of the row above it (in the same group, in the order of the source): in
    `1, 5, 2, 3` only 2 is. With `fewest: true` bad are the fewest rows without which the others are in order, so that a
    value is found that is too high where it stands: 5; of two rows that could stay, the one that rises more evenly with the
    rows around it does. Several columns order as in a dictionary. Rows with a null in one of
    the columns are left out and pass; null is a group of its own in `by`. NaN is above every number; an empty text comes
    before every other. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          ordered: at
        rows: [{at: 1}, {at: 5}, {at: 2}, {at: null}, {at: 2}]
        failed: [2]
        ```
        ```yaml
        module:
          ordered: {column: id, strict: true, fewest: true}
        rows: [{id: 1}, {id: 2}, {id: 9}, {id: 3}, {id: 4}, {id: 2}, {id: 5}]
        failed: [2, 5]
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
    fewest: bool = param(False, help="bad are the fewest rows without which the others are in order")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if both := set(self.columns) & set(self.by or ()):
            yield "by", f"{min(both)} is the same in all rows of its group: there is nothing to order"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        cells = {f"v{n}": column for n, column in enumerate(self.columns)}
        texts = {name for name, column in cells.items() if context.types[column].kind == "string"}  # an Enum has its own order
        values = {name: pl.col(c).cast(pl.String) if name in texts else pl.col(c) for name, c in cells.items()}
        return values | {f"g{n}": pl.col(column) for n, column in enumerate(self.by or ())}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        values = [f"v{n}" for n in range(len(self.columns))]
        groups = [f"g{n}" for n in range(len(self.by or ()))]
        if self.fewest:
            rows = self._fewest(collected, values, ", ".join(groups))
        elif any(context.types[column].kind in ("list", "struct") for column in (*self.columns, *(self.by or ()))):
            rows = collected.rows(self._query(values, groups))
        else:
            parts = collected.groups(groups, values) if groups else collected.parts()
            rows, *_ = rows_after(parts, values, [self._breaks(values)], groups)
        return (RowVerdict(rows, self.columns, self._words()),)

    def _breaks(self, values: list[str]) -> pl.Expr:
        """Whether a row breaks the order, as an expression over it and the one above it."""
        *earlier, last = [(pl.col(v), pl.col(v).shift()) for v in values]
        if self.direction == "desc":
            *earlier, last = [(above, this) for this, above in (*earlier, last)]
        broken = last[0] <= last[1] if self.strict else last[0] < last[1]
        for this, above in reversed(earlier):
            broken = (this < above) | ((this == above) & broken)
        return broken

    def _query(self, values: list[str], groups: list[str]) -> str:
        """The same in SQL, for lists and structures."""
        partition = f"partition by {', '.join(groups)}" if groups else ""
        order = f"over ({partition} order by {ROW})"
        this, above = _row(values), _row([f"p{v}" for v in values])
        breaks = {"asc": "<", "desc": ">"}[self.direction] + ("=" if self.strict else "")
        return f"""
            with seen as (
                select {ROW}, {", ".join(values)}, {", ".join(f"lag({v}) {order} as p{v}" for v in values)}
                from data where {" and ".join(f"{v} is not null" for v in values)}
            )
            select {ROW} from seen where p{values[0]} is not null and {this} {breaks} {above}
        """

    def _fewest(self, collected: Any, values: list[str], groups: str) -> RowSet:
        """Each value's rank among all, group by group in the order of the source, tells which rows are in the way."""
        from qpipe.analysis.order import out_of_order

        found = RowSet()
        if not collected.has_rows:
            return found
        connection = collected.connect()
        try:
            ranked = connection.sql(f"""
                select {ROW}, {f"dense_rank() over (order by {groups})" if groups else "1"} as g,
                    dense_rank() over (order by {", ".join(values)}) as rank, {values[0]} as first
                from data where {" and ".join(f"{v} is not null" for v in values)} order by g, {ROW}
            """).pl()
        finally:
            connection.close()
        ranks = ranked["rank"].to_numpy().astype("int64") * (1 if self.direction == "asc" else -1)
        numbers = (
            ranked["first"].cast(pl.Float64).to_numpy() if len(values) == 1 and ranked["first"].dtype.is_numeric() else ranks
        )
        ends = [*(np.flatnonzero(np.diff(ranked["g"].to_numpy())) + 1).tolist(), len(ranks)]
        groups_of = zip([0, *ends[:-1]], ends, strict=True)
        bad = [out_of_order(ranks[a:b], strict=self.strict, numbers=numbers[a:b]) for a, b in groups_of]
        found.add(np.sort(ranked[ROW].to_numpy()[np.concatenate(bad)]))
        return found

    def _words(self) -> str:
        side = {"asc": "above" if self.strict else "not below", "desc": "below" if self.strict else "not above"}[self.direction]
        return f"{side} the row before" + (f" of its {', '.join(self.by)}" if self.by else "")


def _row(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"row({', '.join(names)})"
