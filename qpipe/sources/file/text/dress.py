"""Rows in another dress: every cell after a blank, in other quotes, or parted by blanks. They are read as meant, and told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from qpipe.core.lazy import pl
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.grammar import CLOSING, QUOTES, Cells, Grammar, cut
from qpipe.sources.file.text.looks import NEVER, Looks, best, is_quoted
from qpipe.sources.file.text.records import kind_of

MOST_PARTS = 200

Worn = tuple[Cells, str, str]  # the cells, a code and a message


def undressed(cells: Cells, record: str, dialect: Dialect) -> Worn | None:
    """The cells of a row that has its number of them, each in a dress that the table does not have."""
    if dialect.dressed or len(cells) < 2:
        return None
    if "delimiter" not in dialect.fixed and _spaced(cells, dialect):
        spaced = Grammar(dialect.delimiter + " ", dialect.quote, dialect.escape, True)
        read = cut(record, 0, spaced, newline=dialect.newline)
        bare = read[0] if read and len(read[0]) == len(cells) else [cell and cell.strip(" ") for cell in cells]
        return [cell or None for cell in bare], "space-after-delimiter", "a blank stands after every delimiter"
    if "quote" not in dialect.fixed and (quote := _other_quote(cells, dialect.quote)):
        bare = [_without(cell, quote) for cell in cells]
        return bare, "other-quote", f"its cells are quoted by {quote}"
    return None


def _spaced(cells: Sequence[str | None], dialect: Dialect) -> bool:
    rest = cells[1:]
    if not all(cell and cell[0] == " " and cell[1:2] != " " for cell in rest):
        return False
    kinds = [(kind_of(cell[1:]), kind) for cell, kind in zip(rest, dialect.kinds[1:], strict=False) if cell and kind]
    return (len(rest) > 1 and any(cell != " " for cell in rest)) or bool(kinds and all(is_ == kind for is_, kind in kinds))


def _other_quote(cells: Sequence[str | None], quote: str) -> str | None:
    """The quote that encloses every cell that is not empty, at least two."""
    filled = [cell for cell in cells if cell]
    sign = filled[0][0] if len(filled) > 1 else ""
    if sign not in QUOTES or sign == quote or not sign:
        return None
    close = CLOSING.get(sign, sign)
    return sign if all(len(c) > 1 and c[0] == sign and c[-1] == close for c in filled) else None


def _without(cell: str | None, quote: str) -> str | None:
    close = CLOSING.get(quote, quote)
    return cell and (cell[1:-1].replace(close * 2, close) if close == quote else cell[1:-1])


def may_be_dressed(frame: pl.DataFrame, block: bytes, dialect: Dialect) -> bool:
    """Whether a row of a block may be in another dress: a quick look at its bytes, then at its first and last column."""
    if dialect.dressed or frame.width < 2 or not frame.height:
        return False
    first, last = frame.to_series(0), frame.to_series(dialect.width - 1 if dialect.width <= frame.width else -1)
    spaced = last.dtype == pl.String and "delimiter" not in dialect.fixed and last.str.starts_with(" ").any()
    if spaced or first.dtype != pl.String or "quote" in dialect.fixed:
        return bool(spaced)
    signs = [sign for sign in QUOTES if sign != dialect.quote and sign.encode()[:1] in block]
    return any(first.str.starts_with(sign).any() for sign in signs)


# ---- blanks in place of the delimiter


def parted_by_blanks(line: str, dialect: Dialect) -> Cells | None:
    """The one way in which the parts of a line between blanks make cells that look like their columns."""
    looks = dialect.looks
    if sum(look.regular for look in looks) < 2:
        return None
    grammar = Grammar(" ", dialect.quote, dialect.escape)
    read = cut(line, 0, grammar, newline=dialect.newline)
    if not read or read[1] != len(line) or not len(looks) <= len(read[0]) <= MOST_PARTS:
        return None
    parts = [(part, is_quoted(part, line, grammar)) for part in read[0]]
    return best(_ways(parts, looks, dialect.delimiter))


def _ways(parts: Sequence[tuple[str | None, bool]], looks: Looks, delimiter: str) -> list[tuple[int, Cells]]:
    """The two best ways to make cells of the parts, each of one part or of several that are not quoted."""

    @cache
    def ways(part: int, column: int) -> list[tuple[int, Cells]]:
        if column == len(looks):
            return [(0, [])] if part == len(parts) else []
        found: list[tuple[int, Cells]] = []
        for end in range(part + 1, len(parts) - (len(looks) - column) + 2):
            taken, quoted = parts[part:end], parts[part][1]
            if len(taken) > 1 and (any(mark for _, mark in taken) or not all(text for text, _ in taken)):
                break
            cell = " ".join(text or "" for text, _ in taken) or None
            misfit = looks[column].misfit(cell, None if quoted and cell and " " in cell else quoted)  # where it must be
            if misfit < NEVER and (quoted or not cell or delimiter not in cell):
                found += [(misfit + rest, [cell, *cells]) for rest, cells in ways(end, column + 1)]
        return sorted(found, key=lambda way: way[0])[:2]

    return ways(0, 0)
