"""Rows with a delimiter too few or too many, read as meant where only one reading has each cell look like its column."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.grammar import Cells, cut
from qpipe.sources.file.text.looks import MOST_UNLIKE, NEVER, best, has_stray_quotes, is_quoted, misfit

LONGEST = 4096  # characters of a row that is tried
MOST = 64  # and of its cells that are split anywhere


def without_surplus(cells: Cells, dialect: Dialect) -> Cells | None:
    """The row without its one empty cell too many; None where that is the last one, or could be several."""
    looks = dialect.looks
    if len(cells) != len(looks) + 1 or not (cells[-1] or any(look.regular for look in looks)):
        return None
    kept = [cells[:at] + cells[at + 1 :] for at, cell in enumerate(cells) if not cell]
    found = best((misfit(rest, looks), rest) for rest in [*kept, cells[:-1]])  # as well as what is right but for its last cell
    return None if found == cells[:-1] else found


def with_lost(record: str, cells: Cells, dialect: Dialect) -> Cells | None:
    """The row with the delimiter that it lacks; None where several places would do."""
    looks = dialect.looks
    if not looks or len(record) > LONGEST or misfit(cells, looks[: len(cells)]) == 0:
        return None  # what is there is right: the row ends too early, if anything
    found = [*_beside_quotes(record, dialect)]
    if any(look.regular for look in looks):
        found += _anywhere(record, cells, dialect)
    whole = best(found)
    return None if whole == [*cells, None] else whole


def _beside_quotes(record: str, dialect: Dialect) -> Iterator[tuple[int, Cells]]:
    """Before a quote that opens, after one that closes."""
    quote, grammar = dialect.quote, dialect.grammar
    for at in range(1, len(record)) if quote else ():
        if quote in (record[at], record[at - 1]):
            bent = record[:at] + dialect.delimiter + record[at:]
            read = cut(bent, 0, grammar, newline=dialect.newline)
            if read and read[1] == len(bent) and not has_stray_quotes(read[0], bent, grammar):
                yield _misfit(read[0], bent, dialect), read[0]


def _misfit(cells: Cells, record: str, dialect: Dialect) -> int:
    """The same as ``misfit``, looking also at what is quoted and what is not."""
    looks, grammar = dialect.looks, dialect.grammar
    if len(cells) != len(looks):
        return NEVER
    return sum(look.misfit(c, is_quoted(c, record, grammar)) for c, look in zip(cells, looks, strict=True))


def _anywhere(record: str, cells: Cells, dialect: Dialect) -> Iterator[tuple[int, Cells]]:
    """Inside a cell without quotes; between two texts there are mostly several places, so that none is the one."""
    looks = dialect.looks
    if len(cells) + 1 != len(looks):
        return
    before = [0, *accumulate(look.misfit(cell) for cell, look in zip(cells, looks, strict=False))]
    behind = accumulate(look.misfit(cell) for cell, look in zip(cells[::-1], looks[::-1], strict=False))
    after = [*reversed([0, *behind])]
    for at, cell in enumerate(cells[:MOST]):
        left, right, text, others = looks[at], looks[at + 1], cell or "", before[at] + after[at + 1]
        if others > MOST_UNLIKE or (dialect.quote and dialect.quote in text) or is_quoted(cell, record, dialect.grammar):
            continue
        for place in range(len(text) + 1):
            one, two = text[:place] or None, text[place:] or None
            yield others + left.misfit(one) + right.misfit(two), [*cells[:at], one, two, *cells[at + 1 :]]
