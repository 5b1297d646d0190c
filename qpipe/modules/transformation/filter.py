"""filter"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform
from qpipe.core.expression import Expression
from qpipe.core.params import Condition, param

if TYPE_CHECKING:
    import polars as pl


class Filter(Transform):
    """Rows for which the condition is true stay; the others are dropped, and counted as dropped by this step.

    A condition that is null for a row is not true, as in SQL: the row is dropped. Write `coalesce(x > 0, true)` or
    `x > 0 or x is null` to keep such rows. A row stays where the condition looks at a cell that is malformed under the source's
    schema: it takes its way with that finding. To keep bad rows with the reason why, use a check and a route instead.

    Examples:
        ```yaml
        module:
          filter: "amount > 0"
        rows: [{amount: 5}, {amount: -1}, {amount: null}]
        gives: [{amount: 5}]
        dropped: [1, 2]
        ```
    """

    like = ("where", "row filter", "facet", "drop_rows", "keep_rows", "query")

    where: Condition = param(help="a condition; rows for which it is true stay", short=True)

    def keeps(self, context: Context) -> pl.Expr:
        return Expression.parse(self.where).compile(context.types)
