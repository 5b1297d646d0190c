"""Rows that do not fit the table: read as meant where that is certain, else what they have, and told."""

from __future__ import annotations

from dataclasses import dataclass

from qpipe.sources.file.text.grammar import Cells, cut
from qpipe.sources.file.text.looks import misfit
from qpipe.sources.file.text.parsed import Remark
from qpipe.sources.file.text.repairs import Reading, readings
from qpipe.sources.file.text.shifted import without_surplus
from qpipe.sources.file.text.stretch import AHEAD, Stretch

SWALLOWED = 100  # lines that a repaired cell may span
MOST_TOLD = 20  # cells left over that are told one by one
OTHER_NEWLINE = Remark("other-newline", "the row ends with another newline", "warning")


@dataclass(frozen=True)
class Misfit:
    """A line that does not fit: where it starts, what it holds when it is read strictly (None: ill-formed), where that ends."""

    line: str
    position: int
    after: int  # where the next line starts
    cells: Cells | None
    end: int


@dataclass(frozen=True)
class Fitted:
    """A row that was made of it, and where it ends; ``cells`` are None for a blank line."""

    cells: Cells | None
    end: int
    remarks: tuple[Remark, ...] = ()


def repaired(found: Misfit, stretch: Stretch) -> list[Fitted]:
    """The rows that were certainly meant; none where that cannot be said."""
    if parts := _lone_newlines(found.line, stretch):
        return _parted(parts, found, stretch)
    reading = _reading(found, stretch)
    if reading is None:
        return []
    end = found.after if reading.end == len(found.line) else stretch.after_newline(found.position + reading.end)
    return [Fitted(reading.cells, end, (Remark(reading.code, reading.message, reading.severity),))]


def delivered(found: Misfit, stretch: Stretch) -> Fitted:
    """What can be read of it, in the columns from the left."""
    dialect, cells, end = stretch.dialect, found.cells, found.end
    told: list[Remark] = []
    if cells is None or (end > found.after and not _is_one_record(found.position, end - found.position, stretch)):
        loose = cut(found.line, 0, dialect.grammar, loose=True)
        cells, end = loose[0] if loose and loose[1] == len(found.line) else None, found.after
    if cells is None:
        cells = [cell or None for cell in found.line.split(dialect.delimiter)]
        told.append(Remark("unclosed-quote", f"the quote at character {found.line.find(dialect.quote) + 1} is not closed"))
    if (fewer := without_surplus(cells, dialect)) is not None:
        told.append(Remark("surplus-delimiter", "there is a delimiter too many: read without it", "warning"))
        cells = fewer
    if wrong := _wrong_width(cells, dialect.width):
        told.append(wrong)
    return Fitted([*cells, *[None] * (dialect.width - len(cells))][: dialect.width], end, tuple(told))


def _wrong_width(cells: Cells, width: int) -> Remark | None:
    """What is to be told of cells that are too many or too few."""
    if (missing := width - len(cells)) > 0:
        last = "the last is empty" if missing == 1 else f"the last {missing} are empty"
        return Remark("missing-cells", f"the row has {len(cells)} of {width} cells: {last}")
    if missing == 0:
        return None
    message, extra = f"the row has {len(cells)} cells in place of {width}", cells[width:]
    if all(cell is None for cell in extra):
        return Remark("trailing-delimiter", f"{message}; the last are empty", "warning")
    return Remark("extra-cells", f"{message}; left over: {', '.join(repr(cell or '') for cell in extra[:MOST_TOLD])}")


# ---- one reading that fits


def _reading(found: Misfit, stretch: Stretch) -> Reading | None:
    """The reading of the line alone that is most like the table, else the first one over several lines."""
    dialect, looks = stretch.dialect, stretch.dialect.looks
    strict = found.cells if found.end == found.after else None
    has_width = strict is not None and len(strict) == dialect.width
    ranked: list[tuple[int, Reading]] = []
    for reading in readings(found.line, found.line, dialect, found.cells is None, strict):
        if reading.end == len(found.line):
            ranked.append((misfit(reading.cells, looks) if looks else 0, reading))
            if ranked[-1][0] == 0:
                break
    if ranked:
        unlike, reading = min(ranked, key=lambda one: one[0])
        return None if has_width and unlike >= misfit(strict or [], looks) else reading  # only what fits better is taken
    return None if has_width else _over_lines(found, stretch)


def _over_lines(found: Misfit, stretch: Stretch) -> Reading | None:
    """A reading over several lines, none of which is itself a row."""
    dialect = stretch.dialect
    if dialect.width == 1 or not any(sign in found.line for sign in {dialect.quote, "'"} - {""}):
        return None
    ahead, _ = stretch.ahead(found.position)
    for reading in readings(ahead, found.line, dialect, found.cells is None, None):
        if reading.end > len(found.line) and _is_one_record(found.position, reading.end, stretch):
            return reading
    return None


def _is_one_record(position: int, length: int, stretch: Stretch) -> bool:
    """Whether several lines may be one record: none of the further ones is a row by itself."""
    if length >= AHEAD:
        return False
    lines = stretch.text[position : position + length].split(stretch.dialect.newline)
    return len(lines) <= SWALLOWED and not any(_is_row(line, stretch) for line in lines[1:])


def _is_row(line: str, stretch: Stretch) -> bool:
    found = cut(line, 0, stretch.dialect.grammar, newline=stretch.dialect.newline)
    return found is not None and len(found[0]) == stretch.dialect.width


# ---- rows that end with the other newline


def _lone_newlines(line: str, stretch: Stretch) -> list[str]:
    """The records in a line, where some end with the other newline sign and each fits; none where that is not so."""
    parts = line.split(_other_newline(stretch))
    return parts if len(parts) > 1 and all(not part or _is_row(part, stretch) for part in parts) else []


def _other_newline(stretch: Stretch) -> str:
    return "\r" if stretch.dialect.newline == "\n" else "\n"


def _parted(parts: list[str], found: Misfit, stretch: Stretch) -> list[Fitted]:
    rows, position = list[Fitted](), found.position
    for part in parts[:-1]:
        position += len(part) + len(_other_newline(stretch))
        rows.append(_part(part, position, stretch, OTHER_NEWLINE))
    return [*rows, _part(parts[-1], found.after, stretch)]


def _part(part: str, end: int, stretch: Stretch, *remarks: Remark) -> Fitted:
    read = cut(part, 0, stretch.dialect.grammar, newline=stretch.dialect.newline) if part else None
    return Fitted(read[0], end, remarks) if read else Fitted(None, end)
