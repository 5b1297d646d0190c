"""is_null"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class IsNull(Check):
    """No cell has a value: what is not to be filled is empty.

    Null passes. An empty text and NaN are values and fail, unless `blank: true` lets texts of nothing but blanks pass. With
    `where` it says when: a reason for refusal only where an order was refused. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          is_null: {column: shipped, where: "status = 'cancelled'"}
        rows:
          - {status: cancelled, shipped: null}
          - {status: cancelled, shipped: "2026-01-31"}
          - {status: done, shipped: "2026-01-31"}
        failed: [1]
        ```
    """

    dimension = "completeness"
    like = ("expect_column_values_to_be_null", "values_to_be_null", "col_vals_null", "is_empty", "is_null", "null")

    columns: Columns = param(help="the columns that are empty", short=True, alias="column")
    blank: bool = param(False, help="texts that are empty or only blanks are no values, too")

    def bad(self, column: str, context: Context) -> pl.Expr:
        filled = pl.col(column).is_not_null()
        if self.blank and context.types[column].kind == "string":
            return filled & (pl.col(column).str.strip_chars() != "")
        return filled

    def applies(self, column: str) -> None:
        return None  # every row

    def expected(self, column: str) -> str:
        return "no value"
