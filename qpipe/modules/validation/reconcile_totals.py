"""reconcile_totals"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.errors import QpipeError
from qpipe.core.figures import by_group, measured, merged
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Columns, SourceRef, param
from qpipe.core.types import DataType
from qpipe.modules.validation._statistics import STATISTICS

if TYPE_CHECKING:
    import polars as pl

SHOWN = 5


class ReconcileTotals(Gate):
    """The number of rows, or a statistic of a column, is that of another source, as a whole or group by group.

    `function` is `rows`, or a statistic of `column`; nulls count in no statistic. With `each` rows and sums are compared in
    every group that either side has, the columns having the same names on both sides; null is a group, and a group that one
    side lacks counts 0 there. `factor` is what one of theirs is here (cents and euros: 100), `within` how far the figures
    may be apart: a number, or a share of theirs (`0.5%`). Zero rows are judged like any other number of rows; a statistic
    of a side without values is not evaluated. `reconcile` compares row by row, `control_totals` with what a sender wrote
    down.

    Examples:
        ```yaml
        module:
          reconcile_totals: {with: ledger, function: sum, column: amount, within: 0.5%}
        tables: {ledger: [{amount: 100.0}, {amount: 50.0}]}
        rows: [{amount: 100.0}, {amount: 49.0}]
        outcome: fail
        ```
        ```yaml
        module:
          reconcile_totals: {with: shops, function: sum, column: cents, their: euros, factor: 100, each: shop}
        tables: {shops: [{shop: Bonn, euros: 5.5}, {shop: Ulm, euros: 2.0}]}
        rows: [{shop: Bonn, cents: 300}, {shop: Bonn, cents: 250}, {shop: Ulm, cents: 200}]
        outcome: pass
        ```
        ```yaml
        module:
          reconcile_totals: {with: before, compare: at_least}
        tables: {before: [{id: 1}, {id: 2}]}
        rows: [{id: 1}]
        outcome: fail
        ```
    """

    dimension = "accuracy"
    like = (
        "row_count_to_equal_other_table", "expect_table_row_count_to_equal_other_table", "tbl_reconcile",
        "aggregate reconciliation", "aggr_matches_dataset", "AggregateMatch", "RowCountMatch", "equal_rowcount",
        "fewer_rows_than", "row_count same as", "query_results_match_comparison", "comparisons", "source to target totals",
        "cross source row count",
    )  # fmt: skip

    with_: SourceRef = param(help="the reference source to compare with")
    function: Literal["rows", "sum", "mean", "min", "max", "count", "count_distinct", "null_count"] = param(
        "rows", help="the figure: rows, or a statistic of the column"
    )
    column: Column | None = param(None, help="the column, but for rows")
    their: str | None = param(None, help="its name in the other source, where that is another")
    each: Columns | None = param(None, help="compare rows or sums in every group of these columns")
    factor: float = param(1.0, help="the figure must be so many times theirs", exclusiveMinimum=0)
    within: float | str = param(0.0, help="how far the figures may be apart: a number, or a share such as 0.5%")
    compare: Literal["equal", "at_most", "at_least"] = param("equal", help="equal to theirs, not more, or not less")

    def references(self) -> tuple[str, ...]:
        return (self.with_,)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if (self.function == "rows") == (self.column is not None):
            yield "column", "rows are counted without a column" if self.column else f"{self.function} is of a column: name it"
        if self.each and self.function not in ("rows", "sum", "count"):
            yield "each", "group by group rows, sum and count are compared"
        if self.by:
            yield "by", "each: compares group by group with the other source"
        kind = types[self.column].kind if types and self.column and self.column in types else "any"
        if self.function in ("sum", "mean", "min", "max") and kind not in ("integer", "float", "decimal", "any"):
            yield "function", f"{self.column} is {kind}: only numbers have a {self.function} to compare"
        try:
            self._allowed(1.0)
        except ValueError:
            yield "within", f"'{self.within}' is neither a number from 0 nor a share such as 0.5%"

    def measures(self, context: Context) -> dict[str, Measure]:
        return self._measures(self.column, context.types[self.column] if self.column else None)

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        ours = self._totals(values, context.types[self.column] if self.column else None)
        theirs = {group: total * self.factor for group, total in self._theirs(context).items()}
        if not (self.each or (ours and theirs)) or not {**ours, **theirs}:
            return Verdict("not evaluated", {}, self._words())
        apart = [g for g in {**ours, **theirs} if not self._agrees(ours.get(g, 0.0), theirs.get(g, 0.0))]
        groups = {"groups": len({**ours, **theirs}), "apart": len(apart)}
        observed = groups if self.each else {"here": ours[""], self.with_: theirs[""]}
        if not apart:
            return Verdict("pass", observed, self._words())
        told = [
            f"{_named(g)}{_shown(ours.get(g, 0.0))} here, {_shown(theirs.get(g, 0.0))} there" for g in sorted(apart)[:SHOWN]
        ]
        more = f"; and {len(apart) - SHOWN:,} groups more" if len(apart) > SHOWN else ""
        return Verdict("fail", observed, self._words(), f"{self._figure()}: {'; '.join(told)}{more}, expected {self._words()}")

    def _measures(self, column: str | None, kind: DataType | None) -> dict[str, Measure]:
        """The figures to take, of this source and in the same way of the other."""
        if self.each:
            return {"totals": Measure(self._by_group(column), "counts")}
        return {} if column is None or kind is None else STATISTICS[self.function].measures(pl.col(column), kind)

    def _by_group(self, column: str | None) -> pl.Expr:
        """Each group once, with its rows or its sum."""
        parts = [pl.col(c).cast(pl.String).fill_null("null") for c in self.each or ()]
        group = pl.concat_str(parts, separator=", ")
        cell = pl.col(column or "")
        worth = {"rows": pl.len(), "count": cell.count(), "sum": cell.fill_null(0).sum()}[self.function]
        return pl.struct(group.alias("value"), worth.over(group).alias("count")).unique().implode()

    def _theirs(self, context: Context) -> dict[str, float]:
        table, column = context.tables[self.with_], self.their or self.column
        for name in (*((column,) if column else ()), *(self.each or ())):
            if name not in table.columns:
                raise QpipeError(f"{self.with_} has no column '{name}'", hint=f"it has {', '.join(table.columns)}")
        kind = DataType.of(table.schema[column]) if column else None
        measures = {"rows": Measure(pl.len())} | self._measures(column, kind)
        (found,) = by_group(merged([measured(table.lazy(), measures)], measures), measures).values()
        return self._totals(found, kind)

    def _totals(self, values: Mapping[str, Any], kind: DataType | None) -> dict[str, float]:
        """Group → figure; the whole is the group "". Empty where there is nothing to compare."""
        if self.each:
            return {str(group): float(total or 0) for group, total in (values["totals"] or {}).items()}
        if kind is None:
            return {"": float(values["rows"] or 0)}
        found = STATISTICS[self.function].value(values, kind) if values["rows"] else None
        return {} if found is None else {"": float(found)}

    def _agrees(self, here: float, there: float) -> bool:
        slack = self._allowed(there) + 1e-9 * abs(there)  # sums of floats are that near
        far = here - there
        return (far <= slack or self.compare == "at_least") and (far >= -slack or self.compare == "at_most")

    def _allowed(self, there: float) -> float:
        text = str(self.within).strip()
        limit = float(text[:-1]) / 100 * abs(there) if text.endswith("%") else float(text)
        if not limit >= 0:
            raise ValueError(text)
        return limit

    def _figure(self) -> str:
        figure = "rows" if self.column is None else f"{self.function} of {self.column}"
        return f"{figure} by {', '.join(self.each)}" if self.each else figure

    def _words(self) -> str:
        side = {"equal": "what", "at_most": "at most what", "at_least": "at least what"}[self.compare]
        times = f" times {self.factor:g}" if self.factor != 1 else ""
        return f"{side} {self.with_} has{times}" + (f", within {self.within}" if self.within else "")


def _named(group: str) -> str:
    return f"({group}) " if group else ""


def _shown(value: float) -> str:
    return f"{value:,.12g}"
