"""The names of the columns: which records give them, and what is made up where they do not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.grammar import Cells, cut
from qpipe.sources.file.text.options import DelimitedOptions
from qpipe.sources.file.text.records import Kinds, Record, kind_of
from qpipe.sources.file.text.repairs import OTHER_DELIMITERS, WEAK, with_a_literal_quote
from qpipe.sources.file.text.traits import groups_names, is_alike, is_enclosed, is_unlike, traits_of

MOST_HEADER_ROWS = 5


def other_header(
    table: Sequence[Record], at: int, width: int, kinds: Kinds, dialect: Dialect
) -> tuple[Record | None, Fault | None]:
    """A line that another delimiter, or a quote taken as text, makes a header of the table's width."""
    if at + 1 >= len(table):
        return None, None
    line, first = table[at], table[at + 1]
    if line.end != first.start or (any(kinds) and names_columns(first, kinds, table[at + 2 :])):
        return None, None
    others = [sign for sign in OTHER_DELIMITERS if any(kinds) or sign not in WEAK]  # blanks stand in titles, too
    for cells, code, message in _other_cells(line, width, dialect, others):
        named = replace(line, cells=cells)
        if all(cells) and len(set(cells)) == width and names_columns(named, kinds, table[at + 1 :]):
            return named, warning(line.line, code, message)
    return None, None


def _other_cells(
    line: Record, width: int, dialect: Dialect, others: Sequence[str]
) -> Iterator[tuple[list[str | None], str, str]]:
    """Other ways to cut a line into so many cells."""
    if "delimiter" not in dialect.fixed:
        for other in others:
            found = cut(line.raw, 0, replace(dialect.grammar, delimiter=other))
            whole = found and found[1] == len(line.raw) and not any(cell and dialect.delimiter in cell for cell in found[0])
            if other != dialect.delimiter and found and whole and len(found[0]) == width:
                yield found[0], "other-delimiter", "the header is separated by another sign than the rows"
    if dialect.quote and dialect.quote in line.raw:
        loose = cut(line.raw, 0, dialect.grammar, loose=True)
        if loose and loose[1] == len(line.raw) and len(loose[0]) == width:
            yield loose[0], "unescaped-quote", "in the header a quote is not escaped"
        for reading in with_a_literal_quote(line.raw, line.raw, replace(dialect, width=width)):
            if reading.end == len(line.raw):
                yield reading.cells, reading.code, f"in the header {reading.message}"


def under_another_delimiter(before: Sequence[Record], width: int, dialect: Dialect) -> list[Record]:
    """The last lines before a table where another delimiter cuts them as wide: a header and rows, and no preamble."""
    if width < 3 or "delimiter" in dialect.fixed:
        return []
    best: list[Record] = []
    for other in (sign for sign in OTHER_DELIMITERS if sign not in (*WEAK, dialect.delimiter)):
        found: list[Record] = []
        for line in reversed(before):
            read = cut(line.raw, 0, replace(dialect.grammar, delimiter=other))
            if not read or read[1] != len(line.raw) or len(read[0]) != width:
                break
            found.insert(0, replace(line, cells=read[0]))
        best = max(best, found, key=len)
    return best if len(best) > 2 else []


def names_columns(record: Record, kinds: Kinds, rows: Sequence[Record]) -> bool:
    """Whether a record names columns and is no row: no number or date stands where the rows have them."""
    typed = [number for number, kind in enumerate(kinds) if kind and number < record.width]
    cells = [record.cells[number] for number in typed]
    if sum(cell is not None for cell in cells) * 2 >= len(cells) > 0:
        named = [cell for cell in record.cells if cell]
        days = len(set(named)) == len(record.cells)  # over numbers they are names: a column for each day
        numbers = sum(
            (kind := kind_of(cell)) is not None and not (days and kind == "date" and kinds[number] == "number")
            for number, cell in zip(typed, cells, strict=True)
        )
        if numbers == 0 or (5 * numbers <= len(cells) and len(set(named)) == len(record.cells)):
            return True
        years = [cell for cell in cells if _is_year(cell)]
        return len(years) > 1 and len(set(named)) == len(named) and all(not kind_of(c) or c in years for c in named)
    traits = traits_of(_others(record, rows), record.width)
    return is_unlike(record, traits) or not (_recurs(record, rows) or is_alike(record, traits))


def _others(record: Record, rows: Sequence[Record]) -> list[Record]:
    """The rows that are as wide, and no repetition of the record; one after a byte order mark is one, too."""
    again = (record.cells, [f"\ufeff{record.cells[0]}", *record.cells[1:]])
    return [row for row in rows[:500] if row.width == record.width and row.cells not in again]


def _recurs(record: Record, rows: Sequence[Record]) -> bool:
    """Whether one of the cells stands in its column again, as a name hardly does."""
    others = [row.cells for row in _others(record, rows)]
    return any(cell and any(other[number] == cell for other in others) for number, cell in enumerate(record.cells)) or (
        bool(others) and record.filled < record.width / 2
    )


def header_rows(table: Sequence[Record], width: int, kinds: Kinds, options: DelimitedOptions) -> int:
    if options.header is not None:
        return min(int(options.header), len(table))
    if not table:
        return 0
    if len(table) == 1:
        return 0 if any(kind_of(cell) for cell in table[0].cells) else 1
    if _spans(table[0], width) and len(table) > 3 and all(table[1].cells) and names_columns(table[1], kinds, table[2:]):
        return 2
    if len(table) > 3 and groups_names(table[0], table[1], table[2:]) and names_columns(table[1], kinds, table[2:]):
        return 2
    if merged := _merged_rows(table, width):
        return merged
    if not names_columns(table[0], kinds, table[1:]):
        return 0
    count = 1
    while count < min(MOST_HEADER_ROWS, len(table) - 1) and (
        table[count].cells == table[0].cells
        or _names_more(table[count], width, kinds)
        or _names_texts(table[count], width, kinds, table[count + 1 :])
    ):
        count += 1
    return count


def _merged_rows(table: Sequence[Record], width: int) -> int:
    """How many rows a header of merged cells has: upper rows whose names span columns, and names below, over numbers; or 0.

    Each column gets a name of its own that way, and at least two of them, named by text, hold numbers or dates alone.
    """
    for count in (2, 3):
        header, rows = table[:count], table[count : count + 50]
        if len(rows) < 2 or any(record.width != width for record in (*header, *rows)):
            return 0
        below = [cell for record in header[1:] for cell in record.cells if not _is_year(cell) or record is header[-1]]
        if not _has_gaps(header[0]) or any(None not in record.cells for record in header[:-1]) or any(map(kind_of, below)):
            continue
        names = [cell or next((r.cells[at] for r in header if r.cells[at]), None) for at, cell in enumerate(header[-1].cells)]
        joined = _joined(header)
        numeric = [at for at in range(width) if header[-1].cells[at] and _numbers_only([row.cells[at] for row in rows])]
        if all(names) and len(set(joined)) == width and len(numeric) > 1:
            return count
    return 0


def _has_gaps(record: Record) -> bool:
    """Whether names stand over more than one column: empty cells after them, and no number but years."""
    said = [cell for cell in record.cells if cell]
    span = any(record.cells[at] is None and record.cells[at - 1] is not None for at in range(1, record.width))
    return span and all(kind_of(cell) is None or _is_year(cell) for cell in said) and any(record.cells[1:])


def _is_year(cell: str | None) -> bool:
    return bool(cell and re.fullmatch(r"(?:19|20)\d\d", cell.strip()))


def _numbers_only(cells: Sequence[str | None]) -> bool:
    said = [cell for cell in cells if cell]
    return len(said) * 5 >= len(cells) * 3 and all(map(kind_of, said))


def _spans(record: Record, width: int) -> bool:
    """Whether a record names groups of columns: texts with empty cells after them, and no number."""
    said = [cell for cell in record.cells if cell]
    gaps = sum(record.cells[at] is None and record.cells[at - 1] is not None for at in range(1, record.width))
    return (
        record.width == width and bool(record.cells[0]) and 1 < len(said) < width and gaps > 1 and not any(map(kind_of, said))
    )


def _names_more(record: Record, width: int, kinds: Kinds) -> bool:
    """Whether a record is a further header row: text in every numeric and date column that says something, at least two."""
    cells = [record.cells[number] for number, kind in enumerate(kinds) if kind and number < record.width]
    said = [cell for cell in cells if cell]
    return record.width == width and len(said) >= max(2, len(cells) * 0.6) and not any(kind_of(cell) for cell in said)


def _names_texts(record: Record, width: int, kinds: Kinds, rows: Sequence[Record]) -> bool:
    """The same over texts alone: units in brackets, or other texts than all that follow."""
    if any(kinds) or record.width != width or record.filled < width or len(rows) < 2 or any(map(kind_of, record.cells)):
        return False
    return not _recurs(record, rows) and (is_enclosed(record, rows) or is_unlike(record, traits_of(rows, width)))


def columns_of(
    header: Sequence[Record], rows: Sequence[Record], width: int, options: DelimitedOptions
) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """The names of the columns, each once and none empty; what had to be made up is told."""
    line = header[0].line if header else (rows[0].line if rows else 1)
    told: list[Fault] = []
    if options.columns is not None:
        return tuple(options.columns), ()
    if not header:
        if options.header is None:
            told.append(warning(line, "missing-header", "no header: the columns are column_1, column_2, …"))
        return tuple(f"column_{number + 1}" for number in range(width)), tuple(told)
    raw = _joined(header)
    used = _used(rows, width, len(raw)) if (raw and raw[-1] is None) or len(raw) < width else len(raw)
    names = [raw[number] if number < len(raw) else None for number in range(used)]
    if len(header) > 1:
        told.append(warning(line, "joined-header", f"the header has {len(header)} rows: joined"))
    if used < max(width, len(raw)):
        told.append(warning(line, "trailing-delimiter", "every row ends with a delimiter: the empty last column is left out"))
    elif rows and len(raw) != width:
        told.append(warning(line, "header-width", f"the header has {len(raw)} cells and the rows have {width}"))
    return _distinct(names, line, told), tuple(told)


def warning(line: int, code: str, message: str) -> Fault:
    return Fault(None, line, code, message, severity="warning")


def _used(rows: Sequence[Record], width: int, named: int) -> int:
    """How many columns there are, without a last one that holds nothing."""
    used = max(width, named)
    full = [row for row in rows if row.width == width]
    empty = bool(full) and all(used > width or row.cells[used - 1] is None for row in full)
    return used - 1 if empty and used > 1 else used


def _joined(header: Sequence[Record]) -> list[str | None]:
    """Several header rows as one: an upper name that spans columns is carried on to the right."""
    if len(header) == 1:
        return list(header[0].cells)
    width = max(record.width for record in header)
    parts: list[list[str]] = [[] for _ in range(width)]
    for depth, record in enumerate(header):
        carried = None
        spans = depth < len(header) - 1 and any(cell is None for cell in record.cells)
        for number in range(width):
            cell = record.cells[number] if number < record.width else None
            carried = cell or (carried if spans else None)
            if carried:
                parts[number].append(carried)
    return [" ".join(part) or None for part in parts]


def _distinct(names: Sequence[str | None], line: int, told: list[Fault]) -> tuple[str, ...]:
    seen: set[str] = {name for name in names if name}
    used: set[str] = set()
    result = []
    for number, name in enumerate(names):
        unique = name or f"column_{number + 1}"
        if name is None and unique in seen:
            unique = f"{unique}_"
        step = 2
        while unique in used:
            unique = f"{name or 'column'}_{step}"
            step += 1
            if unique in seen:
                unique = unique if unique not in used else f"{unique}_"
        if name is None:
            told.append(warning(line, "empty-header", f"column {number + 1} has no name: it is called {unique!r}"))
        elif unique != name:
            told.append(warning(line, "duplicate-header", f"the name {name!r} stands twice: the later is {unique!r}"))
        used.add(unique)
        result.append(unique)
    return tuple(result)


def without_surplus_name(header: list[Record], width: int) -> tuple[list[Record], list[Fault]]:
    """The header without its one empty cell, where it has a cell more than the rows."""
    if len(header) != 1 or header[0].width != width + 1 or header[0].cells[-1] is None or header[0].filled != width:
        return header, []
    names: Cells = [cell for cell in header[0].cells if cell]
    message = "the header has a delimiter too many: read without it"
    return [replace(header[0], cells=names)], [warning(header[0].line, "surplus-delimiter", message)]
