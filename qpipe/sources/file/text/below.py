"""Another table of the same width right below the first: a row of names among the rows, and other rows after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Literal

from qpipe.core.lazy import pl
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.grammar import Cells, Grammar
from qpipe.sources.file.text.looks import NEVER, Looks, looks_of
from qpipe.sources.file.text.records import Kinds, Record, kind_of

MOST = 10  # rows below that are looked at
SAMPLE = 500  # rows of a file's beginning
LEAST_ABOVE = 6  # rows of texts alone that could not be a header of several rows
LONGEST = 60  # characters of a name
NOTHING = ["n/a", "na", "nan", "null", "none", "nil", "unknown", "missing", "error", "inf", "true", "false"]  # no names
_TEXT = "text"  # beside the kinds of ``kind_of``: a column without any number or date

Verdict = Literal["table", "names"]  # another table; or names which may be its header, but no one could tell


def head_below(cells: Cells, below: Sequence[Record], dialect: Dialect) -> Verdict | None:
    """What a row that has texts in place of numbers is, told from the rows after it."""
    rows = _beside(below, len(cells))
    if not any(dialect.kinds) or not _are_names(cells, rows):
        return None
    return _verdict(cells, rows, dialect.kinds, dialect.looks, dialect.columns)


def first_head_below(table: Sequence[Record], width: int, grammar: Grammar) -> int | None:
    """The place of the header of another table in a file's beginning, whose first record is the first header."""
    rows = table[:SAMPLE]
    full = [row.cells for row in rows if row.width == width]
    often = [Counter(cells[number] for cells in full) for number in range(width)]
    names = [str(cell) for cell in rows[0].cells]
    for at in range(3, len(rows) - 2):
        cells = rows[at].cells
        if len(cells) != width or not any(map(str.isdigit, rows[at + 1].raw)):
            continue
        if (
            any(often[number][cell] > 1 for number, cell in enumerate(cells))
            or kind_of(cells[0])
            or not _is_typed(rows[at + 1])
        ):
            continue
        below = _beside(table[at + 1 : at + 1 + MOST], width)
        if not _are_names(cells, below) or not any(kind in ("number", "date") for kind in _kinds(below, width)):
            continue
        above = [row for row in rows[1:at] if row.width == width]
        kinds = _kinds(above, width)
        typed = tuple(kind if kind != _TEXT else None for kind in kinds)
        if any(typed):
            if _verdict(cells, below, typed, looks_of(above, width, grammar), names) == "table":
                return at
        elif len(above) >= LEAST_ABOVE and _becomes_numbers(cells, kinds, _kinds(below, width), names):
            return at
    return None


def plain_columns(rows: Sequence[Record], kinds: Kinds) -> tuple[int, ...]:
    """The columns of numbers and dates whose cells begin before ":" in the order of signs, as digits do and letters not."""
    full = [row.cells for row in rows if row.width == len(kinds)][:SAMPLE]
    cells = {number: [c for row in full if (c := row[number])] for number, kind in enumerate(kinds) if kind}
    return tuple(number for number, found in cells.items() if found and all(c < ":" or c.lower() in NOTHING for c in found))


def may_hold_names(frame: pl.DataFrame, dialect: Dialect) -> bool:
    """Whether a row of a block may be the header of another table; a quick look at one column says mostly that none is."""
    columns = [frame.to_series(number) for number in dialect.plain]
    if not columns or any(column.dtype != pl.String for column in columns) or not (found := columns[0] >= ":").any():
        return False
    said = [column >= ":" for column in columns[1:]] + [column.is_not_null() for column in frame]
    for mask in said:
        found &= mask
    places = found.fill_null(False).arg_true()
    nothing = columns[0].gather(places).str.to_lowercase().is_in(NOTHING)
    return any(_is_head(frame, place, dialect) for place in places.filter(~nothing).to_list())


def _is_head(frame: pl.DataFrame, place: int, dialect: Dialect) -> bool:
    """The same as ``head_below``, but true where the block ends too soon after the row."""
    cells, *rows = ([None if cell is None else str(cell) for cell in row] for row in frame.slice(place, MOST + 1).rows())
    below = [Record(row, 0, 0, 0) for row in rows]
    return len(below) < MOST or head_below(cells, below, dialect) is not None


def _is_typed(row: Record) -> bool:
    return any(map(kind_of, row.cells))


def _beside(below: Sequence[Record], width: int) -> list[Record]:
    return list(takewhile(lambda record: record.width == width, below))[:MOST]


def _are_names(cells: Cells, below: Sequence[Record]) -> bool:
    """Whether cells could name the columns of at least two rows: texts, each another, none there again."""
    names = [cell.strip().casefold() for cell in cells if cell]
    if len(names) < len(cells) or len(set(names)) < len(names) or len(names) < 2 or len(below) < 2:
        return False
    if any(len(name) > LONGEST or name in NOTHING or not any(map(str.isalpha, name)) or kind_of(name) for name in names):
        return False
    return not any(row.cells[number] == cell for row in below for number, cell in enumerate(cells))


def _verdict(cells: Cells, below: Sequence[Record], kinds: Kinds, looks: Looks, names: Sequence[str]) -> Verdict | None:
    after = _kinds(below, len(cells))
    if not any(kind in ("number", "date") for kind in after):
        return None
    changed = any(kind and later and kind != later for kind, later in zip(kinds, after, strict=True))
    if changed or _shares(cells, names) or _look_otherwise(below, looks):
        return "table"
    return "names" if sum(kind is not None for kind in kinds) > 1 else None


def _becomes_numbers(cells: Cells, kinds: Sequence[str | None], after: Sequence[str | None], names: Sequence[str]) -> bool:
    """Whether two columns of texts are numbers from here on; or one, under a name that the first table has, too."""
    changed = sum(kind == _TEXT and later in ("number", "date") for kind, later in zip(kinds, after, strict=True))
    return changed > 1 or (changed == 1 and _shares(cells, names))


def _shares(cells: Cells, names: Sequence[str]) -> bool:
    """Whether half of the names are the first table's."""
    known = {name.strip().casefold() for name in names}
    return 2 * sum(cell is not None and cell.strip().casefold() in known for cell in cells) >= len(cells)


def _look_otherwise(below: Sequence[Record], looks: Looks) -> bool:
    """Whether no cell of some column could stand in the first table."""
    for number, look in enumerate(looks):
        cells = [cell for row in below if (cell := row.cells[number])]
        if look.regular and len(cells) > 1 and all(look.misfit(cell) == NEVER for cell in cells):
            return True
    return False


def _kinds(rows: Sequence[Record], width: int) -> tuple[str | None, ...]:
    """The one kind that all cells of a column are, which is text too; None where they are few or of several."""
    found: list[str | None] = []
    for number in range(width):
        seen = Counter(kind_of(cell) or _TEXT for row in rows if (cell := row.cells[number]))
        found.append(next(iter(seen)) if len(seen) == 1 and seen.total() > 1 else None)
    return tuple(found)
