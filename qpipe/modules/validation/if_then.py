"""if_then"""

from __future__ import annotations

from typing import Literal

from qpipe.core.component import Check, Context, Rule
from qpipe.core.params import Condition, param


class IfThen(Check):
    """Where one condition is true, another is true as well.

    Rows for which `if` is false or null are not evaluated; if that is every row, the check is not evaluated. Where `then` is
    null the row passes, as with an SQL CHECK constraint; `nulls: fail` makes it fail. NaN is above every number and equals
    itself; an empty text is a value. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          if_then: {if: "country = 'US'", then: zip is not null}
        rows: [{country: US, zip: "02134"}, {country: US, zip: null}, {country: DE, zip: null}, {country: null, zip: null}]
        failed: [1]
        ```
        ```yaml
        module:
          if_then: {if: cancelled, then: delay > 0, nulls: fail}
        schema: {delay: int}
        rows: [{cancelled: true, delay: null}, {cancelled: false, delay: null}]
        failed: [0]
        ```
    """

    dimension = "consistency"
    like = (
        "row_condition", "expect_column_values_conditional", "conditional", "when_then", "relationships_where",
        "implies", "filter",
    )  # fmt: skip

    if_: Condition = param(help="the rows that are spoken of")
    then: Condition = param(help="what must be true of them")
    nulls: Literal["pass", "fail"] = param("pass", help="what a `then` that is null means")

    def rules(self, context: Context) -> tuple[Rule, ...]:
        from qpipe.core.expression import Expression

        premise, claim = Expression.parse(self.if_), Expression.parse(self.then)
        applies, good = premise.compile(context.types).fill_null(False), claim.compile(context.types)
        judged = applies & good.is_not_null() if self.nulls == "pass" else applies
        columns = dict.fromkeys([*claim.columns, *premise.columns])
        return (Rule(judged & ~good.fill_null(False), tuple(columns), f"{self.then}, as {self.if_}", judged),)
