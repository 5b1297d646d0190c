"""complete_together"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context, Rule
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class CompleteTogether(Check):
    """Of several columns in a row all have a value, or at least one, or all or none.

    `all_or_none` is for what belongs together, such as an amount and its currency; `any` for what may stand in for each other,
    such as an email address and a phone number. An empty text and NaN are values, unless `blank: true`. Zero rows: not
    evaluated.

    Examples:
        ```yaml
        module:
          complete_together: {columns: [amount, currency]}
        rows:
          - {amount: 5, currency: EUR}
          - {amount: null, currency: null}
          - {amount: 5, currency: null}
        failed: [2]
        ```
        ```yaml
        module:
          complete_together: {columns: [email, phone], require: any, blank: true}
        rows: [{email: a@example.com, phone: null}, {email: " ", phone: null}]
        failed: [1]
        ```
    """

    dimension = "completeness"
    like = (
        "col_missing_consistent", "rows_complete", "areComplete", "areAnyComplete", "are_complete", "at_least_one_not_null",
        "mutually_inclusive", "expect_compound_columns_to_be_complete", "is_not_null_any", "blank-row", "EmptyRowsCount",
    )  # fmt: skip

    columns: Columns = param(help="the columns that are looked at together")
    require: Literal["all_or_none", "any", "all"] = param("all_or_none", help="how many of them have a value")
    blank: bool = param(False, help="texts that are empty or only blanks are no values, too")

    def rules(self, context: Context) -> tuple[Rule, ...]:
        filled = [self._filled(column, context) for column in self.columns]
        every, some = pl.all_horizontal(filled), pl.any_horizontal(filled)
        bad = {"all_or_none": some & ~every, "any": ~some, "all": ~every}[self.require]
        words = {"all_or_none": "a value in all of them or in none", "any": "a value in one of them", "all": "a value in each"}
        return (Rule(bad, self.columns, f"{words[self.require]}: {', '.join(self.columns)}"),)

    def _filled(self, column: str, context: Context) -> pl.Expr:
        filled = pl.col(column).is_not_null()
        if self.blank and context.types[column].kind == "string":
            return filled & (pl.col(column).str.strip_chars() != "").fill_null(False)
        return filled
