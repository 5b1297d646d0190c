"""one_of"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Path, Scalar, param
from qpipe.modules.validation._values import listed, series, unreadable

if TYPE_CHECKING:
    import polars as pl


class OneOf(Check):
    """Every value is one of a list.

    The values are read as the column's type has them: 1 matches a column of whole numbers, "1" one of texts, "2026-01-31" one
    of dates. A file has one value a line. Null passes. NaN, blank and empty text are values like any other: they pass when
    they are listed. Zero rows, or a column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          one_of: {column: status, values: [new, paid]}
        rows: [{status: new}, {status: Paid}, {status: null}, {status: ""}]
        failed: [1, 3]
        ```
        ```yaml
        module:
          one_of: {column: status, values: [new, paid], ignore_case: true}
        rows: [{status: NEW}, {status: Paid}]
        failed: []
        ```
        ```yaml
        module:
          one_of: {column: code, values: [0, 999], negate: true}
        rows: [{code: 0}, {code: 1}]
        failed: [0]
        ```
    """

    dimension = "validity"
    accepts = ("integer", "float", "decimal", "date", "datetime", "time", "duration", "string", "bool")
    like = (
        "expect_column_values_to_be_in_set", "expect_column_values_to_not_be_in_set", "accepted_values",
        "not_accepted_values", "isContainedIn", "isin", "notin", "col_vals_in_set", "col_vals_not_in_set",
        "is_in_list", "is_not_in_list", "valid_values", "invalid_values", "is_contained_in", "not_contained_in",
        "allowed_values", "enum", "forbidden-value", "is_in", "Enum",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    values: tuple[Scalar, ...] | None = param(None, help="the values allowed", minItems=1)
    file: Path | None = param(None, help="a text file with one value a line, instead of values")
    negate: bool = param(False, help="none of the values is allowed")
    ignore_case: bool = param(False, help="upper and lower case are the same")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if (self.values is None) == (self.file is None):
            yield "values", "give values or a file, one of them"
        elif self.values is not None and not self.values:
            yield "values", "the list is empty: no value could pass" if not self.negate else "the list is empty"
        yield from unreadable({"values": self.values or ()}, self.columns, types)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        values = self.values if self.values is not None else _lines(context.directory / (self.file or ""))
        words = f"{'none' if self.negate else 'one'} of {listed(values)}"
        return tuple(Rule(self._bad(c, values, context), (c,), words, self.applies(c)) for c in self.columns)

    def _bad(self, column: str, values: tuple[Any, ...], context: Context) -> pl.Expr:
        cell, members = pl.col(column), series(values, context.types[column])
        if self.ignore_case and context.types[column].kind == "string":
            cell, members = cell.str.to_lowercase(), members.str.to_lowercase()
        found = cell.is_in(members.unique(maintain_order=True).implode())
        return found if self.negate else ~found


def _lines(path: FilePath) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise QpipeError(f"the list of values cannot be read: {error}", file=str(path)) from error
    values = tuple(line for line in text.splitlines() if line.strip())
    if not values:
        raise QpipeError("the list of values is empty", hint="write one value a line", file=str(path))
    return values
