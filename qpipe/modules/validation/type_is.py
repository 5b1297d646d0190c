"""type_is"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, TypeWord, param

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType


class TypeIs(Check):
    """Every text can be read as a value of a type.

    For columns that are kept as text: a source's `schema` has this check built in for the columns it types, and `cast` for
    those it casts. What counts as a value is the same there: 1.0 and 1,000 are no whole numbers, blanks around a value do not
    matter. `format: any` takes a date, or a date with a time, in any of the forms that `parse_date` reads unasked, two digits
    for the year and month before day as well. Null passes; an empty or blank text is no number, date or truth value and fails;
    "NaN" is a float. Zero rows, or a column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          type_is: {column: amount, type: int}
        rows: [{amount: "12"}, {amount: "12.5"}, {amount: twelve}, {amount: ""}, {amount: null}]
        failed: [1, 2, 3]
        ```
        ```yaml
        module:
          type_is: {column: day, type: date, format: "%d.%m.%Y"}
        rows: [{day: 31.01.2026}, {day: 31.02.2026}]
        failed: [1]
        ```
    """

    dimension = "validity"
    accepts = ("string",)
    like = (
        "expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list", "hasDataType", "ColumnDataType",
        "is_valid_date", "is_valid_timestamp", "expect_column_values_to_be_dateutil_parseable", "type-error", "text-parsable",
        "valid_format", "dtype", "text-parsable-to-date", "text-parsable-to-integer", "is_numeric",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    type: TypeWord = param(help="the type: int, float, decimal(12,2), bool, date, datetime, time …")
    format: str | None = param(None, help="how dates and times are written: %Y-%m-%d; any: in some form")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        try:
            wanted = self._wanted()
        except ValueError as error:
            yield "type", str(error)
            return
        if wanted.kind in ("any", "string") and wanted.name != "json":
            yield "type", f"every text is {wanted}"
        if self.format == _ANY and wanted.kind not in ("date", "datetime"):
            yield "format", f"any form is for dates, with or without a time, not for {wanted}"
        elif self.format and wanted.kind not in ("date", "datetime", "time"):
            yield "format", f"a format is for dates and times, not for {wanted}"

    def bad(self, column: str, context: Context) -> pl.Expr:
        from qpipe.core.parse import parse_text

        cell = pl.col(column)
        if self.format == _ANY:
            return cell.is_not_null() & _in_any_form(cell, self._wanted()).is_null()
        return cell.is_not_null() & parse_text(cell, self._wanted()).is_null()

    def expected(self, column: str) -> str:
        return f"a {self.type} in some form" if self.format == _ANY else f"a value of type {self._wanted().describe()}"

    def _wanted(self) -> DataType:
        from qpipe.core.types import DataType

        return DataType.parse(self.type, None if self.format == _ANY else self.format)


_ANY = "any"  # as a format


def _in_any_form(cell: pl.Expr, wanted: DataType) -> pl.Expr:
    import functools

    from qpipe.modules.transformation._date_formats import default_formats
    from qpipe.modules.transformation._dates import How, read_dates

    formats = tuple(dict.fromkeys((*default_formats(wanted, "mdy", True), *default_formats(wanted, "dmy", True))))
    how = How(formats, wanted, 68, (), exclusive=True)
    return cell.map_batches(functools.partial(read_dates, how=how), return_dtype=wanted.polars(), is_elementwise=True)
