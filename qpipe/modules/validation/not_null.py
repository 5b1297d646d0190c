"""not_null"""

from __future__ import annotations

from qpipe.core.component import Check, Context
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param


class NotNull(Check):
    """Every cell has a value.

    Null fails. An empty text is a value unless `blank: true`; NaN is a value of its own and passes.

    Examples:
        ```yaml
        module:
          not_null: {columns: [email], blank: true}
        rows:
          - {email: a@example.com}
          - {email: ""}
          - {email: null}
        failed: [1, 2]
        ```
    """

    dimension = "completeness"
    like = (
        "expect_column_values_to_not_be_null", "missing_count", "isComplete", "is_not_null", "col_vals_not_null",
        "is_complete",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", short=True, alias="column")
    blank: bool = param(False, help="texts that are empty or only blanks count as missing, too")

    def bad(self, column: str, context: Context) -> pl.Expr:
        missing = pl.col(column).is_null()
        if self.blank and context.types[column].kind == "string":
            return missing | (pl.col(column).str.strip_chars() == "")
        return missing

    def applies(self, column: str) -> None:
        return None  # every row

    def expected(self, column: str) -> str:
        return "a value"
