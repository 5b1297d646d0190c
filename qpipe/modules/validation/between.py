"""between"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Check, Context, Types
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Scalar, param
from qpipe.modules.validation._values import literal, range_words, typed, unreadable

if TYPE_CHECKING:
    import polars as pl


class Between(Check):
    """Every value lies in a range.

    The bounds are in the range unless `exclusive` says otherwise; they are read as the column's type has them, so a date is
    written "2024-01-31" and an amount of money "0.10". Texts are compared by code point. Null passes; NaN lies in no range
    and fails; an empty text comes before every other text. Zero rows, or a column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          between: {column: amount, min: 0, max: 10, exclusive: max}
        rows: [{amount: 0}, {amount: 10}, {amount: -3}, {amount: null}]
        failed: [1, 2]
        ```
        ```yaml
        module:
          between: {column: born, min: "1900-01-01"}
        schema: {born: date}
        rows: [{born: "1899-12-31"}, {born: "1900-01-01"}]
        failed: [0]
        ```
    """

    dimension = "validity"
    accepts = ("integer", "float", "decimal", "date", "datetime", "time", "duration", "string")
    like = (
        "expect_column_values_to_be_between", "accepted_range", "in_range", "isNonNegative", "isPositive", "valid_min",
        "valid_max", "col_vals_between", "col_vals_gt", "col_vals_ge", "col_vals_lt", "col_vals_le", "is_in_range",
        "is_not_less_than", "is_not_greater_than", "is_between", "greater_than", "less_than", "minimum", "maximum",
        "col_vals_eq", "col_vals_ne", "col_vals_outside", "is_equal_to", "is_not_equal_to", "is_greater_than", "is_less_than",
        "is_not_in_range", "expect_column_values_to_not_be_between", "sign", "ColumnValues", "valid_range",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column", short=True)
    min: Scalar | None = param(None, help="the least value allowed")
    max: Scalar | None = param(None, help="the greatest value allowed")
    exclusive: bool | Literal["min", "max"] = param(False, help="the bounds (true), or one of them, are not allowed")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if self.min is None and self.max is None:
            yield "min", "a range needs min, max or both"
        yield from unreadable({"min": self.min, "max": self.max}, self.columns, types)
        yield from self._numbers_for_text(types)
        if self.min is not None and self.max is not None:
            yield from self._empty_range(types)

    def bad(self, column: str, context: Context) -> pl.Expr:
        cell, type_ = pl.col(column), context.types[column]
        for _, message in self._numbers_for_text(context.types):
            raise QpipeError(f"between: {message}")
        tests = []
        if self.min is not None:
            low = literal(self.min, type_)
            tests.append(cell <= low if self.exclusive in (True, "min") else cell < low)
        if self.max is not None:
            high = literal(self.max, type_)
            tests.append(cell >= high if self.exclusive in (True, "max") else cell > high)
        elif type_.kind == "float":
            tests.append(cell.is_nan())  # Polars sorts NaN above every number: an upper bound catches it already
        return tests[0] if len(tests) == 1 else tests[0] | tests[1]

    def expected(self, column: str) -> str:
        low_open, high_open = self.exclusive in (True, "min"), self.exclusive in (True, "max")
        return range_words(self.min, self.max, open_low=low_open, open_high=high_open)

    def _numbers_for_text(self, types: Types | None) -> Iterator[tuple[str, str]]:
        """ "9" comes after "10": who writes a number means numbers."""
        for name, bound in (("min", self.min), ("max", self.max)):
            texts = [c for c in self.columns if types and c in types and types[c].kind == "string"]
            if texts and isinstance(bound, int):
                yield name, f"{texts[0]} is text, {bound} a number: give the column a type, or quote the bound"

    def _empty_range(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kinds = {c: types[c] for c in self.columns if c in types} if types else {}
        pairs: list[tuple[Any, Any]] = [(self.min, self.max)]
        try:
            pairs = [(typed(self.min, t), typed(self.max, t)) for t in kinds.values()] or pairs
            empty = any(low > high or (self.exclusive and low == high) for low, high in pairs)
        except (TypeError, ValueError):
            return  # unreadable bounds have been told, and bounds of unknown type cannot be compared
        if empty:
            yield "min", f"no value lies {self.expected('')}: min is not below max"
