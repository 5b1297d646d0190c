"""expression"""

from __future__ import annotations

from typing import Literal

from qpipe.core.component import Check, Context, Rule
from qpipe.core.params import Condition, param


class ExpressionCheck(Check):
    """A condition over the row is true.

    For what no other check says: any SQL condition over the columns of one row. Where the condition is null, because a cell in
    it is null, the row passes as with an SQL CHECK constraint and counts as not evaluated; `nulls: fail` makes it fail. NaN is
    above every number and equals itself; an empty text is a value. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          expression: "amount * (1 - discount) >= 0"
        rows: [{amount: 5.0, discount: 0.5}, {amount: 5.0, discount: 1.5}, {amount: null, discount: 0.1}]
        failed: [1]
        ```
        ```yaml
        module:
          expression: {condition: "status = 'paid' or due is not null", nulls: fail}
        rows: [{status: paid, due: null}, {status: open, due: null}, {status: null, due: null}]
        failed: [1, 2]
        ```
    """

    name = "expression"
    dimension = "validity"
    like = (
        "expression_is_true", "sql_expression", "satisfies", "failed_rows", "unexpected_rows", "UnexpectedRowsExpectation",
        "col_vals_expr", "row_condition", "row-constraint", "forall", "CustomSql", "rule", "wide_check", "is_custom", "check",
        "col_vals_eq", "col_vals_ne", "expect_column_pair_values_to_be_in_set", "max_by", "min_by", "has_max_by",
        "has_min_by", "is_every_n_days",
    )  # fmt: skip

    condition: Condition = param(help="true for good rows", short=True)
    nulls: Literal["pass", "fail"] = param("pass", help="what a condition that is null means")

    def rules(self, context: Context) -> tuple[Rule, ...]:
        from qpipe.core.expression import Expression

        parsed = Expression.parse(self.condition)
        good = parsed.compile(context.types)
        bad = ~good if self.nulls == "pass" else ~good.fill_null(False)
        applies = bad.is_not_null() if self.nulls == "pass" else None  # of what is bad: then Polars reckons it once
        return (Rule(bad, tuple(parsed.columns), self.condition, applies),)
