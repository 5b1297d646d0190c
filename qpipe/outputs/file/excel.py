"""Workbooks, row by row: xlsxwriter keeps one row in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qpipe.core.errors import CannotCreate
from qpipe.core.lazy import pl
from qpipe.outputs.file.texts import flat

if TYPE_CHECKING:
    import polars as pl

    from qpipe.outputs.file.encode import Form

ROWS = 1_048_576  # of a sheet, header included
COLUMNS = 16_384
SIGNS = 32_767  # of a cell
EXACT = 2**53  # a sheet keeps numbers as doubles: longer whole numbers would be rounded
LEAST = sys.float_info.min  # a sheet takes what is nearer to zero for zero
_CREATED = datetime(2000, 1, 1)  # equal rows give equal bytes


def write_excel(target: Any, frames: Iterator[pl.DataFrame], schema: pl.Schema, form: Form) -> None:
    """One sheet. What a sheet cannot keep as it is (long whole numbers, decimals, zones) is written as text."""
    import xlsxwriter

    if len(schema) > COLUMNS:
        raise CannotCreate(f"a sheet has at most {COLUMNS:,} columns, these are {len(schema):,}", hint="write csv or parquet")
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(target, options) as book:
        book.set_properties({"created": _CREATED})
        sheet = book.add_worksheet("rows", worksheet_class=_exact_sheet())
        for column, name in enumerate(schema if form.header else ()):
            sheet.write_string(0, column, name)
        at = 1 if form.header else 0
        writers = _writers(book, sheet)
        for frame in frames:
            at = _write_rows(writers, frame, at)


def _exact_sheet() -> type:
    """A sheet that keeps every figure of a number: 17 where xlsxwriter writes 16, which some numbers need to be themselves."""
    from xlsxwriter.worksheet import Worksheet

    class ExactSheet(Worksheet):
        def _xml_number_element(self, number: Any, attributes: Any = ()) -> None:
            written = "".join(f' {key}="{value}"' for key, value in attributes)  # a cell's place and style: nothing to escape
            self.fh.write(f"<c{written}><v>{number!r}</v></c>")

    return ExactSheet


def _write_rows(writers: dict[str, Callable[[int, int, Any], Any]], frame: pl.DataFrame, at: int) -> int:
    if at + frame.height > ROWS:
        raise CannotCreate(f"a sheet has at most {ROWS:,} rows", hint="write csv or parquet, or a directory of workbooks")
    cells = frame.with_columns(flat(frame.schema)).with_columns(_storable(frame.schema))
    kinds = [writers[_kind(dtype)] for dtype in cells.schema.values()]
    for row in cells.iter_rows():  # a sheet is written cell by cell: there is no other way
        for column, value in enumerate(row):
            if value is not None:
                kinds[column](at, column, value)
        at += 1
    return at


def _storable(schema: pl.Schema) -> list[pl.Expr]:
    exact = [name for name, dtype in schema.items() if dtype.is_decimal() or dtype in (pl.Int128, pl.UInt128)]
    return [pl.col(name).cast(pl.String) for name in exact]


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "bool"
    if dtype == pl.Date:
        return "date"
    return "number" if dtype.is_numeric() else "text"


def _writers(book: Any, sheet: Any) -> dict[str, Callable[[int, int, Any], Any]]:
    day = book.add_format({"num_format": "yyyy-mm-dd"})

    def number(row: int, column: int, value: Any) -> None:
        if value != value or abs(value) > EXACT or 0 < abs(value) < LEAST:
            sheet.write_string(row, column, str(value))
        else:
            sheet.write_number(row, column, value)

    def text(row: int, column: int, value: str) -> None:
        if len(value) > SIGNS:
            raise CannotCreate(f"a cell keeps at most {SIGNS:,} characters, row {row + 1} has {len(value):,}",
                               hint="write csv or parquet")  # fmt: skip
        sheet.write_string(row, column, value)

    return {
        "bool": sheet.write_boolean,
        "date": lambda row, column, value: sheet.write_datetime(row, column, value, day),
        "number": number,
        "text": text,
    }
