"""Another table of the same width right below the first: a row of names among the rows, and other rows after it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from operator import eq
from typing import Literal

from qpipe.core.lazy import pl
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.grammar import Cells, Grammar
from qpipe.sources.file.text.looks import NEVER, Looks, looks_of
from qpipe.sources.file.text.records import Kinds, Record, kind_of
from qpipe.sources.file.text.traits import Trait, is_unlike, traits_of

MOST = 10  # rows below that are looked at
SAMPLE = 500  # rows of a file's beginning
LEAST_ABOVE = 6  # rows of texts alone that could not be a header of several rows
LONGEST = 60  # characters of a name
NOTHING = ["n/a", "na", "nan", "null", "none", "nil", "unknown", "missing", "error", "inf", "true", "false"]  # no names
_DIGIT = re.compile(r"\d")
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
    first = _First(rows, width)
    for at in range(3, len(rows) - 2):
        row, after = rows[at], rows[at + 1]
        if row.width != width or after.width != width or not (sign := first.sign_of_another(row, after)):
            continue
        below = _beside(table[at + 1 : at + 1 + MOST], width)
        if not _are_names(row.cells, below) or first.recurs(row):
            continue
        above = [row for row in rows[1:at] if row.width == width]
        if _is_told(sign, row, rows[at - 1], above, below, first.names, grammar):
            return at
    return None


Sign = Literal["numbers", "texts", "traits", "names"]  # what follows, or that the names are known


class _First:
    """The first table of a file as its first rows show it, and how often each text stands in its columns."""

    def __init__(self, rows: Sequence[Record], width: int) -> None:
        full = [row for row in rows[1:] if row.width == width]
        opening = full[:LEAST_ABOVE]
        self.names, self._rows = [str(cell) for cell in rows[0].cells], full
        self._typed = [n for n, kind in enumerate(_kinds(opening, width)) if kind in ("number", "date")]
        traits = traits_of(opening, width)
        self._traits = traits if sum(trait != Trait() for trait in traits) > 1 else ()
        self._often: dict[int, Counter[str | None]] = {}

    def sign_of_another(self, row: Record, after: Record) -> Sign | None:
        """Why a row may be another table's header; a quick look which says of most rows that none is."""
        known = sum(map(eq, row.cells, self.names))
        if 2 * known >= row.width > known:
            return "names"
        if kind_of(row.cells[0]) or any(kind_of(row.cells[n]) for n in self._typed[:1]) or self.recurs(row):
            return None
        if _DIGIT.search(after.raw) and any(map(kind_of, after.cells)):
            return "numbers"
        if len(self._typed) > 1:
            return None if any(kind_of(after.cells[n]) for n in self._typed) else "texts"
        return "traits" if self._traits and is_unlike(row, self._traits) and is_unlike(after, self._traits) else None

    def recurs(self, row: Record) -> bool:
        """Whether a cell stands in its column again, as a name does not, but for the first table's own."""
        return any(self._count(n)[cell] > 1 for n, cell in enumerate(row.cells))

    def _count(self, number: int) -> Counter[str | None]:
        if number not in self._often:
            self._often[number] = Counter(row.cells[number] for row in self._rows)
        return self._often[number]


def _is_told(
    sign: Sign,
    row: Record,
    before: Record,
    above: Sequence[Record],
    below: Sequence[Record],
    names: Sequence[str],
    grammar: Grammar,
) -> bool:
    """Whether what stands above and below a row says that it is a header."""
    width = row.width
    if sign == "names":
        return sum(map(eq, row.cells, names)) > 1 or before.end != row.start
    if sign == "traits":
        traits = traits_of(above, width)
        return len(above) >= LEAST_ABOVE and all(is_unlike(one, traits) for one in (row, *below))
    kinds = _kinds(above, width)
    typed = tuple(kind if kind != _TEXT else None for kind in kinds)
    if any(typed):
        return _verdict(row.cells, below, typed, looks_of(above, width, grammar), names) == "table"
    return len(above) >= LEAST_ABOVE and _becomes_numbers(row.cells, kinds, _kinds(below, width), names)


def plain_columns(rows: Sequence[Record], kinds: Kinds) -> tuple[int, ...]:
    """The columns of numbers and dates whose cells begin before ":" in the order of signs, as digits do and letters not.

    A row of letters in all of them, which is there once, may be names, and does not count.
    """
    if not (typed := [number for number, kind in enumerate(kinds) if kind]):
        return ()
    full = [row.cells for row in rows if row.width == len(kinds)][:SAMPLE]
    full = [cells for cells in full if not all(_begins_late(cells[n]) for n in typed) or full.count(cells) > 1]
    cells = {number: [c for row in full if (c := row[number])] for number in typed}
    return tuple(number for number, found in cells.items() if found and not any(map(_begins_late, found)))


def _begins_late(cell: str | None) -> bool:
    return cell is not None and cell >= ":" and cell.lower() not in NOTHING


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
    changed = sum(bool(kind and later and kind != later) for kind, later in zip(kinds, after, strict=True))
    if not any(kind in ("number", "date") for kind in after):
        return "table" if changed > 1 and changed == sum(map(bool, kinds)) and len(below) > 2 else None
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
