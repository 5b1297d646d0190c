"""add_categories"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Transform, Types
from qpipe.core.expression import Expression
from qpipe.core.lazy import pl
from qpipe.core.params import Column, NewColumn, param
from qpipe.core.types import DataType
from qpipe.modules._exact import exact, misfit

if TYPE_CHECKING:
    import polars as pl


class AddCategories(Transform):
    """A new column says which class a row is in: by bins of a number or date, or by rules.

    With `bins`, a value below the first bound is in the first class, one from the last bound on in the last: there is one
    label more than bounds. With `rules`, the first condition that holds gives its label; a condition that is null does not
    hold. Rows that are in no class, nulls among them, get `otherwise`.

    Examples:
        ```yaml
        module:
          add_categories: {into: size, column: amount, bins: [10, 100], labels: [small, medium, large]}
        rows: [{amount: 9}, {amount: 10}, {amount: 100}, {amount: null}]
        gives: [{amount: 9, size: small}, {amount: 10, size: medium}, {amount: 100, size: large}, {amount: null, size: null}]
        ```
        ```yaml
        module:
          add_categories: {into: tier, rules: {gold: "amount > 100 and loyal", silver: "amount > 100"}, otherwise: none}
        rows: [{amount: 200, loyal: true}, {amount: 200, loyal: null}, {amount: 5, loyal: true}]
        gives:
          - {amount: 200, loyal: true, tier: gold}
          - {amount: 200, loyal: null, tier: silver}
          - {amount: 5, loyal: true, tier: none}
        ```
    """

    like = (
        "case when", "cut", "bin", "bucketize", "pd.cut", "ntile", "segment", "facet", "width_bucket", "categorize",
    )  # fmt: skip

    into: NewColumn = param(help="the new column")
    column: Column | None = param(None, help="for bins: the column of numbers or dates")
    bins: tuple[Any, ...] = param((), help="the bounds between the classes, upwards")
    labels: tuple[str, ...] = param((), help="for bins: the classes, one more than bounds")
    rules_: dict[str, str] = param({}, help="label → condition, the first that holds counts")
    otherwise: str | None = param(None, help="rows that are in no class")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if bool(self.bins) == bool(self.rules_):
            yield "bins", "give bins with labels, or rules, one of them"
        if self.bins and self.column is None:
            yield "column", "bins of which column?"
        if self.bins and len(self.labels) != len(self.bins) + 1:
            yield "labels", f"{len(self.bins)} bounds make {len(self.bins) + 1} classes, labels names {len(self.labels)}"
        for bound in self.bins if types and self.column in types else ():
            if types and self.column and (wrong := misfit(bound, types[self.column])):
                yield "bins", wrong
        for label, condition in self.rules_.items() if types is not None else ():
            try:
                Expression.parse(condition).check(types, expect="bool")
            except Exception as error:
                yield "rules", f"{label}: {error}"

    def output_types(self, types: Types) -> Types:
        return {**types, self.into: DataType.parse("string")}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        rest = pl.lit(self.otherwise, dtype=pl.String)
        return frame.with_columns((self._binned(context, rest) if self.bins else self._ruled(context, rest)).alias(self.into))

    def _ruled(self, context: Context, rest: pl.Expr) -> pl.Expr:
        made = rest
        for label, condition in reversed(self.rules_.items()):
            made = pl.when(Expression.parse(condition).compile(context.types)).then(pl.lit(label)).otherwise(made)
        return made

    def _binned(self, context: Context, rest: pl.Expr) -> pl.Expr:
        assert self.column is not None
        cell, type_ = pl.col(self.column), context.types[self.column]
        made = pl.lit(self.labels[-1])
        for bound, label in reversed(list(zip(self.bins, self.labels, strict=False))):
            made = pl.when(cell < exact(bound, type_)).then(pl.lit(label)).otherwise(made)
        known = cell.is_not_null() & ~cell.is_nan() if type_.kind == "float" else cell.is_not_null()
        return pl.when(known).then(made).otherwise(rest)
