"""Workbooks: one sheet, typed where a column's cells are, text where they are mixed. A row's line is its row in the sheet.

A sheet has at most a million rows: it is read as a whole. Of merged cells, the first has the value.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked

columnar = False
EXACT = 2**53  # a sheet's numbers are doubles: whole ones are exact up to here
LOOK = 25  # rows among which the header is looked for
_ERRORS = {
    "NA": "#N/A",
    "Div0": "#DIV/0!",
    "Ref": "#REF!",
    "Value": "#VALUE!",
    "Name": "#NAME?",
    "Num": "#NUM!",
    "Null": "#NULL!",
}
_ROUNDED = r"^-?\d+(?:\.\d{1,9})?$"
_MIDNIGHT = r"^(\d{4}-\d\d-\d\d) 00:00:00$"


def columns(asked: Asked) -> dict[str, pl.DataType]:
    return dict(_sheet(asked).frame.schema)


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    sheet, start = _sheet(asked), (position or {}).get("row", 0)
    height = sheet.frame.height
    for at in range(start, height, rows) if height > start else ([0] if not position else []):
        frame = sheet.frame.slice(at, rows)
        lines = sheet.lines.slice(at, rows)
        of_rows = (replace(f, row=f.row - at) for f in sheet.faults if f.row is not None and at <= f.row < at + rows)
        told = (*(f for f in sheet.faults if f.row is None and at == 0), *of_rows)
        yield Chunk(frame if columns is None else frame.select(columns), {"row": at + frame.height}, None, lines, told)


def size(asked: Asked) -> int | None:
    return None


@dataclass(frozen=True)
class _Sheet:
    frame: pl.DataFrame
    lines: pl.Series
    faults: tuple[Fault, ...]


_last: dict[tuple[object, ...], _Sheet] = {}  # the sheet read last: columns() and read() want the same


def _sheet(asked: Asked) -> _Sheet:
    options, file = asked.options, asked.input
    mark = (file.name, file.size, file.modified, options.sheet, options.header, options.skip_rows, options.nulls)
    if mark not in _last:
        _last.clear()
        _last[mark] = _load(asked)
    return _last[mark]


def _load(asked: Asked) -> _Sheet:
    import fastexcel

    logging.getLogger("fastexcel").setLevel(logging.ERROR)  # it tells of every empty column
    try:
        book = fastexcel.read_excel(str(asked.local()))
        name, others = _named(asked, book.sheet_names)
        cells, _ = _table(book, name, {"header_row": None, "dtypes": "string"})
        place = _header(cells, asked)
        typed, errors = _table(book, name, {"header_row": None, "skip_rows": place.first, "schema_sample_rows": None})
        typed = _exact(typed, book, name, place)
    except fastexcel.FastExcelError as error:
        raise DataRefused(f"the workbook cannot be read: {str(error).splitlines()[0]}", file=asked.name,
                          hint="is it protected by a password, or damaged? save it anew") from error  # fmt: skip
    return _made(cells, typed, errors, place, others, asked)


def _table(book: Any, name: str, options: dict[str, Any]) -> tuple[pl.DataFrame, list[Any]]:
    sheet = book.load_sheet(name, **{"skip_rows": 0, **options})
    if not sheet.width:
        return pl.DataFrame(), []
    batch, errors = sheet.to_arrow_with_errors()
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame, errors.errors if errors else []


def _exact(typed: pl.DataFrame, book: Any, name: str, place: _Header) -> pl.DataFrame:
    """With all figures of numbers in columns of mixed cells, which become texts of nine decimals at most: 1e-12 is no 0."""
    mixed = [n for n, column in enumerate(typed) if column.dtype == pl.String and column.str.contains(_ROUNDED).any()]
    if not mixed:
        return typed
    options = {
        "header_row": None,
        "skip_rows": place.first,
        "schema_sample_rows": None,
        "dtypes": dict.fromkeys(mixed, "float"),
    }
    numbers, _ = _table(book, name, options)
    for n in mixed:
        texts, values = typed.to_series(n), numbers.to_series(n)
        if not values.dtype.is_float():
            continue
        rounded = texts.str.contains(_ROUNDED) & (texts.cast(pl.Float64, strict=False) != values)
        if rounded.any():
            exact = pl.Series([repr(value) for value in values.filter(rounded)])
            typed = typed.with_columns(texts.clone().scatter(rounded.arg_true(), exact))
    return typed


def _named(asked: Asked, names: Sequence[str]) -> tuple[str, list[str]]:
    wanted = asked.options.sheet
    if wanted is None and names:
        return names[0], list(names[1:])
    if isinstance(wanted, int) and 1 <= wanted <= len(names):
        return names[wanted - 1], []
    if wanted in names:
        return str(wanted), []
    raise DataRefused(f"there is no sheet {wanted!r}", file=asked.name, hint=f"sheets: {', '.join(names) or 'none'}")


@dataclass(frozen=True)
class _Header:
    """Rows of the sheet, from 0: where the header begins, and the first row of data."""

    at: int
    first: int
    names: tuple[str | None, ...]


def _header(cells: pl.DataFrame, asked: Asked) -> _Header:
    """As the user says; else the first row that is all text and about as full as the fullest."""
    filled = (
        cells.select(pl.sum_horizontal(pl.all().is_not_null())).to_series() if cells.width else pl.Series([], dtype=pl.UInt32)
    )
    if not filled.sum():
        raise DataRefused("the sheet is empty", file=asked.name, hint="say which sheet")
    given, skip = asked.options.header, asked.options.skip_rows
    start = skip if skip is not None else int((filled > 0).arg_max() or 0)
    if given is False:
        return _Header(start, start, (None,) * cells.width)
    if skip is None:
        most = filled.head(LOOK).max()
        start = next((n for n, count in enumerate(filled.head(LOOK)) if count >= 0.8 * most), start)  # type: ignore[operator]
    count = given if isinstance(given, int) and not isinstance(given, bool) else 1
    rows = cells.slice(start, count).rows()
    if given is None and rows and not _is_names(rows[0]):
        return _Header(start, start, (None,) * cells.width)
    names = tuple(" ".join(part for part in column if part) or None for column in zip(*rows, strict=True))
    return _Header(start, start + count, names)


def _is_names(row: Sequence[str | None]) -> bool:
    return all(cell is None or not _is_number(cell) for cell in row)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _made(
    cells: pl.DataFrame, typed: pl.DataFrame, errors: Sequence[Any], place: _Header, others: Sequence[str], asked: Asked
) -> _Sheet:
    body = cells.slice(place.first)
    faults = [_info(1, "other-sheets", f"not read: the sheets {', '.join(others)}")] if others else []
    for n, row in enumerate(cells.head(place.at).rows()):
        if any(row):
            text = " | ".join(cell for cell in row if cell)
            faults.append(Fault(None, n + 1, "skipped-preamble", "above the header", None, text, "warning"))
    used = [n for n, name in enumerate(cells.columns) if place.names[n] is not None or body[name].null_count() < body.height]
    names, told = _unique([place.names[n] for n in used], place.at + 1)
    faults += told
    kept = (
        body.select(pl.any_horizontal(pl.all().is_not_null())).to_series() if body.height else pl.Series([], dtype=pl.Boolean)
    )
    lines = (pl.int_range(body.height, eager=True) + place.first + 1).filter(kept)
    end = int(lines[-1]) if lines.len() else 0
    blank = (pl.int_range(body.height, eager=True) + place.first + 1).filter(~kept)
    faults += [_info(int(line), "blank-row", "an empty row was left out") for line in blank.filter(blank < end)]
    values = _values(typed, body).filter(kept) if body.height else _values(typed, body)
    frame = values.select(pl.nth(*used)).rename(dict(zip([values.columns[n] for n in used], names, strict=True)))
    if asked.options.nulls:
        texts = pl.col(pl.String)
        frame = frame.with_columns(pl.when(~texts.is_in(list(asked.options.nulls))).then(texts))
    faults += _cell_errors(errors, used, names, place.first, lines)
    return _Sheet(frame, lines.cast(pl.Int64), tuple(faults))


def _values(typed: pl.DataFrame, body: pl.DataFrame) -> pl.DataFrame:
    """Typed columns. A sheet has one kind of number and one of date: whole ones are integers, those without a time dates."""
    made = []
    for name in typed.columns:
        column = typed[name]
        if column.dtype == pl.Null:
            column = column.cast(pl.String)
        elif column.dtype == pl.Datetime and column.dt.date().cast(column.dtype).equals(column):
            column = column.cast(pl.Date)
        elif column.dtype.is_float() and ((column == column.round()) & (column.abs() <= EXACT)).all():
            column = column.cast(pl.Int64)
        elif column.dtype == pl.String:
            column = column.str.replace(_MIDNIGHT, "$1")
        made.append(column)
    return pl.DataFrame(made) if made else body


def _unique(names: Sequence[str | None], line: int) -> tuple[list[str], list[Fault]]:
    """Every column with a name of its own, and what is to be told."""
    made: list[str] = []
    told = []
    given = {name for name in names if name}
    for n, name in enumerate(names):
        unique, step = name or f"column_{n + 1}", 2
        while unique in made or (unique != name and unique in given):
            unique, step = f"{name or 'column'}_{step}", step + 1
        if name is not None and unique != name:
            told.append(_warning(line, "duplicate-header", f"the name {name!r} stands twice: the later is {unique!r}"))
        made.append(unique)
    return made, told


def _cell_errors(errors: Sequence[Any], used: Sequence[int], names: Sequence[str], first: int, lines: pl.Series) -> list[Fault]:
    """Cells that hold an error (#DIV/0!) instead of a value."""
    rows = {line: row for row, line in enumerate(lines.to_list())}
    told = []
    for error in errors:
        row, column = error.offset_position
        line = row + first + 1
        if line in rows and column in used:
            name = names[used.index(column)]
            shown = next((sign for word, sign in _ERRORS.items() if f"({word})" in error.detail), "an error")
            told.append(Fault(rows[line], line, "error-cell", f"{name} holds {shown} instead of a value", name, shown))
    return told


def _info(line: int, code: str, message: str) -> Fault:
    return Fault(None, line, code, message, severity="info")


def _warning(line: int, code: str, message: str) -> Fault:
    return Fault(None, line, code, message, severity="warning")
