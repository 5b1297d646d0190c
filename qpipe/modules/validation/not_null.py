"""not_null"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qpipe.core.component import Check, Context
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Scalar, param
from qpipe.modules.validation._values import literal, typed

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType


class NotNull(Check):
    """Every cell has a value.

    Null fails. An empty text is a value unless `blank: true`; NaN is a value of its own and passes. `placeholders` are values
    that stand for a missing one: texts are compared without blanks around them and whatever their case, and a placeholder that
    a column of numbers or dates cannot hold does not concern it. Zero rows: not evaluated.

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
        ```yaml
        module:
          not_null: {columns: [city, age], placeholders: [n/a, "-", 999]}
        rows: [{city: Bonn, age: 42}, {city: " N/A ", age: 42}, {city: Bonn, age: 999}]
        failed: [1, 2]
        ```
    """

    dimension = "completeness"
    like = (
        "expect_column_values_to_not_be_null", "missing_count", "isComplete", "is_not_null", "col_vals_not_null",
        "is_complete", "is_not_null_and_not_empty", "is_not_empty", "not_empty_string", "col_missing_coded", "missing_values",
        "null-placeholder-text", "no_nulls", "MissingValueCount", "col_missing_only_coded", "required", "nullable",
        "blank-row", "EmptyRowsCount", "missing_format",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", short=True, alias="column")
    blank: bool = param(False, help="texts that are empty or only blanks count as missing, too")

    placeholders: tuple[Scalar, ...] = param((), help="values that stand for a missing one, such as n/a or 999")

    def bad(self, column: str, context: Context) -> pl.Expr:
        cell, type_ = pl.col(column), context.types[column]
        missing = cell.is_null()
        if self.blank and type_.kind == "string":
            missing = missing | (cell.str.strip_chars() == "")
        return missing | self._stands_for_null(cell, type_) if self.placeholders else missing

    def _stands_for_null(self, cell: pl.Expr, type_: DataType) -> pl.Expr:
        if type_.kind == "string":
            words = [str(placeholder).strip().lower() for placeholder in self.placeholders]
            return cell.str.strip_chars().str.to_lowercase().is_in(words)
        possible = [cell == literal(value, type_) for value in self.placeholders if _readable(value, type_)]
        if type_.kind == "float" and "nan" in (str(placeholder).lower() for placeholder in self.placeholders):
            possible.append(cell.is_nan())
        return pl.any_horizontal(possible) if possible else pl.lit(False)

    def applies(self, column: str) -> None:
        return None  # every row

    def expected(self, column: str) -> str:
        return "a value"


def _readable(value: Any, type_: DataType) -> bool:
    try:
        typed(value, type_)
    except ValueError:
        return False
    return True
