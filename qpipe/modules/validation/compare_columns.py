"""compare_columns"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Expression, Scalar, param
from qpipe.modules.validation._values import shown, typed

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

Op = Literal["=", "<>", "<", "<=", ">", ">=", "==", "!="]


class CompareColumns(Check):
    """One column compares with another, or with an expression, in the same row.

    `within` lets them differ by as much and still count as equal: a number, or a duration such as 1d between dates. Null on
    either side passes and counts as not evaluated. NaN equals itself and is above every number, but is within no distance; an
    empty text comes before every other. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          compare_columns: {left: shipped, op: ">=", right: ordered}
        schema: {ordered: date, shipped: date}
        rows:
          - {ordered: "2026-01-02", shipped: "2026-01-05"}
          - {ordered: "2026-01-02", shipped: "2026-01-01"}
          - {ordered: "2026-01-02"}
        failed: [1]
        ```
        ```yaml
        module:
          compare_columns: {left: total, op: "=", right: net + tax, within: 0.01}
        schema: {total: "decimal(9,2)", net: "decimal(9,2)", tax: "decimal(9,2)"}
        rows: [{total: 1.20, net: 1.00, tax: 0.19}, {total: 1.20, net: 1.00, tax: 0.18}]
        failed: [1]
        ```
    """

    dimension = "consistency"
    like = (
        "expect_column_pair_values_a_to_be_greater_than_b", "expect_column_pair_values_to_be_equal", "column_a_gt_column_b",
        "isLessThan", "isLessThanOrEqualTo", "isGreaterThan", "isGreaterThanOrEqualTo", "col_vals_gt", "pair_values",
        "is_older_than_col2_for_n_days", "expect_multicolumn_sum_to_equal", "columns_sum_to", "lte", "gte",
        "expect_multicolumn_values_to_be_equal", "expect_column_pair_values_to_be_in_set",
    )  # fmt: skip

    left: Column = param(help="the column that is judged")
    op: Op = param("=", help="how they compare")
    right: Expression = param(help="the other column, or an expression over the row")
    within: Scalar | None = param(None, help="as far apart as they may be and still count as equal")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        type_ = types.get(self.left) if types else None
        if type_ is None or self.within is None:
            return
        if not type_.is_number and type_.kind not in _TEMPORAL:
            yield "within", f"{self.left} is {type_.kind}: there is no distance between its values"
            return
        try:
            if self._distance(type_) < type(self._distance(type_))(0):
                yield "within", "a distance is not negative"
        except ValueError as error:
            yield "within", str(error)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        from qpipe.core.expression import Expression as Parsed

        parsed, left = Parsed.parse(self.right), pl.col(self.left)
        right = parsed.compile(context.types)
        good = _COMPARE[self._op](left, right) if self.within is None else self._near(left, right, context)
        both = left.is_not_null() & right.is_not_null()
        others = tuple(c for c in parsed.columns if c != self.left)
        return (Rule(~good, (self.left, *others), self._words(), both),)

    def _near(self, left: pl.Expr, right: pl.Expr, context: Context) -> pl.Expr:
        type_ = context.types[self.left]
        wide = left.cast(pl.Int128) if type_.kind == "integer" else left  # unsigned numbers cannot go below zero
        apart, distance = wide - right, pl.lit(self._distance(type_))
        near = {
            "=": lambda: (apart <= distance) & (apart >= -distance),
            "<>": lambda: (apart > distance) | (apart < -distance),
            "<": lambda: apart < distance,
            "<=": lambda: apart <= distance,
            ">": lambda: apart > -distance,
            ">=": lambda: apart >= -distance,
        }
        return near[self._op]()

    def _distance(self, type_: DataType) -> Any:
        from qpipe.core.types import DataType

        return typed(self.within, DataType("duration") if type_.kind in _TEMPORAL else type_)

    @property
    def _op(self) -> str:
        return {"==": "=", "!=": "<>"}.get(self.op, self.op)

    def _words(self) -> str:
        return f"{self._op} {self.right}" + (f" within {shown(self.within)}" if self.within is not None else "")


_TEMPORAL = ("date", "datetime", "time", "duration")
_COMPARE = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
