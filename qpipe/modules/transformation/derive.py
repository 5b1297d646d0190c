"""derive"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.expression import Expression
from qpipe.core.params import Expressions, param
from qpipe.modules._prepared import prepared

if TYPE_CHECKING:
    import polars as pl


class Derive(Transform):
    """Columns are computed from others of the same row.

    A name that is there already gets the new value in its place; a new one is added at the end. An entry may use what the
    entries before it made. Null follows SQL's rules: most expressions over a null are null; `coalesce(x, 0)` says otherwise.

    Examples:
        ```yaml
        module:
          derive: {total: "amount * count", large: "total > 100"}
        rows: [{amount: 60, count: 2}, {amount: 5, count: null}]
        gives:
          - {amount: 60, count: 2, total: 120, large: true}
          - {amount: 5, count: null, total: null, large: null}
        ```
        ```yaml
        module:
          derive: {code: "upper(code)"}
        rows: [{code: ab, n: 1}]
        gives: [{code: AB, n: 1}]
        ```
    """

    like = ("add column", "mutate", "with_columns", "field_add", "calculated column", "compute", "assign", "expression column")

    columns: Expressions = param(help="new column: expression over the columns of the row", short=True)

    def output_types(self, types: Types) -> Types:
        known = dict(types)
        for name, text in self.columns.items():
            known[name] = Expression.parse(text).check(known)
        return known

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        for expressions in prepared(self, context, self._stages):
            frame = frame.with_columns(expressions)
        return frame

    def _stages(self, context: Context) -> list[list[pl.Expr]]:
        """The expressions in groups; those of one group do not use one another."""
        known = dict(context.types)
        stages: list[list[pl.Expr]] = [[]]
        made: set[str] = set()
        for name, text in self.columns.items():
            expression = Expression.parse(text)
            if made & {name, *expression.columns}:
                stages.append([])
                made = set()
            stages[-1].append(expression.compile(known).alias(name))
            known[name] = expression.check(known)
            made.add(name)
        return stages
