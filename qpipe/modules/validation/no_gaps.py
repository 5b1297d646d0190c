"""no_gaps"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.look_through import rows_after
from qpipe.core.params import Column, Columns, param

if TYPE_CHECKING:
    import polars as pl

Grain = Literal["second", "minute", "hour", "day", "week", "month", "quarter", "year"]


class NoGaps(Relational):
    """Whole numbers or dates go on without a gap, over the whole data set or within each group.

    Rows may stand in any order, and a value may occur more than once. A row fails when its value is more than one step above
    the next lower one: it is the first after the gap. A step is 1 for numbers, and the `grain` for dates and times, which are
    cut down to it first. Nulls are left out and pass. Zero rows, or a single value: not evaluated or passed.

    Examples:
        ```yaml
        module:
          no_gaps: invoice
        rows: [{invoice: 3}, {invoice: 1}, {invoice: 2}, {invoice: 6}, {invoice: 7}, {invoice: null}]
        failed: [3]
        ```
        ```yaml
        module:
          no_gaps: {column: day, by: shop, grain: day}
        schema: {shop: string, day: date}
        rows:
          - {shop: a, day: "2026-01-30"}
          - {shop: b, day: "2026-01-30"}
          - {shop: a, day: "2026-01-31"}
          - {shop: b, day: "2026-02-02"}
        failed: [3]
        ```
    """

    dimension = "completeness"
    holds_of_parts = False
    earlier_rows = "before"
    like = (
        "has_no_gaps", "sequential_values", "expect_row_values_to_have_data_for_every_n_datepart", "gaps", "no missing dates",
        "date_spine", "sequential-value", "continuity", "expect_column_values_to_be_consecutive",
        "has_no_gaps_per_time_window", "is_daily", "is_every_n_days",
    )  # fmt: skip

    column: Column = param(help="the column of numbers, dates or times", short=True)
    by: Columns | None = param(None, help="each group on its own")
    grain: Grain | None = param(None, help="the step of dates and times")
    step: int = param(1, help="how many grains, or which number, make a step", minimum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kind = types[self.column].kind if types and self.column in types else "any"
        if kind not in ("integer", "date", "datetime", "any"):
            yield "column", f"{self.column} is {kind}; gaps are in whole numbers, dates and times"
        if kind in ("date", "datetime") and self.grain is None:
            yield "grain", "say which step dates make: day, month, …"
        if kind == "integer" and self.grain is not None:
            yield "grain", "numbers have no grain"
        if kind == "date" and self.grain in ("second", "minute", "hour"):
            yield "grain", f"{self.column} is a date, which has no {self.grain}"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        cell = pl.col(self.column)
        if context.types[self.column].kind == "datetime" and context.types[self.column].zone:
            cell = cell.dt.replace_time_zone(None)  # days and months are those of the zone
        return {"v": cell, **{f"k{n}": pl.col(column) for n, column in enumerate(self.by or ())}}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        keys = [f"k{n}" for n in range(len(self.by or ()))]
        at = "v" if self.grain is None else f"date_trunc('{self.grain}', v::timestamp)"
        step = f"::hugeint + {self.step}" if self.grain is None else f" + interval '{self.step} {self.grain}s'"
        query = f"""
            with seen as (select {ROW}, {"".join(f"{key}, " for key in keys)} {at} as place from data where v is not null),
            stepped as (select {ROW}, place, lag(place) over ({{}}) as before from seen)
            select {ROW}, place > before{step}, place < before from stepped where place > before{step} or place < before
        """
        order = f"{'partition by ' + ', '.join(keys) if keys else ''} order by place, {collected.row()}"
        if keys or self.grain is not None:
            gaps, back = collected.apart(query.format("" if not keys else order), 2)
        else:
            gaps, back = rows_after(collected.parts(), ["v"], self._gap_and_back(context.types[self.column].polars()))
        if len(back):  # the rows do not come in order
            gaps, _ = collected.apart(query.format(order), 2)
        step_words = f"{self.step} {self.grain}s" if self.step > 1 and self.grain else self.grain or str(self.step)
        group = f" of its {', '.join(self.by)}" if self.by else ""
        words = f"at most a step of {step_words} above the one before{group}"
        return (RowVerdict(gaps, (self.column,), words),)

    def _gap_and_back(self, dtype: pl.DataType) -> tuple[pl.Expr, pl.Expr]:
        """Of a whole number and the one above it: whether it is more than a step above, and whether it is below."""
        this = pl.col("v") if dtype in (pl.UInt64, pl.Int128, pl.UInt128) else pl.col("v").cast(pl.Int64)
        above = this.shift()
        apart = this - above  # of what 64 bits cannot hold it is negative
        return (this >= above) & ((apart > self.step) | (apart < 0)), this < above
