"""What the cells of a column look like in the beginning of a file: whether a cell of another row could stand there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qpipe.sources.file.text.grammar import CLOSING, Cells, Grammar
from qpipe.sources.file.text.records import Record

NEVER = 1_000
LEAST = 4  # cells below which nothing is said of a column
MOST = 500  # rows looked at
MOST_UNLIKE = 2  # misfits of a row that is read as meant
_LETTERS, _BLANKS = re.compile(r"[^\W\d_]"), re.compile(r"\s")
_ASCII = "".join("9" if c.isdigit() else "A" if c.isalpha() else " " if c.isspace() else c for c in map(chr, range(128)))
_REPEATED = re.compile(r"(?<=A)A+|(?<=9)9+|(?<= ) +")


@dataclass(frozen=True)
class Look:
    """The shapes of a column's cells, where there are few; else only how they begin and end."""

    shapes: frozenset[str] = frozenset()  # sign by sign; empty: too many to say
    runs: frozenset[str] = frozenset()  # the same, with one sign for many of a kind
    first: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()
    empty: bool = False  # whether some cells are
    quoted: bool | None = None  # whether all are, or none is

    def misfit(self, cell: str | None, quoted: bool | None = None) -> int:
        """How unlike the column a cell is: 0 if it could stand there, NEVER if it could not.

        In between: its numbers or words are only longer or shorter, or a text begins or ends as none there does.
        ``quoted``: whether it is, where that is known.
        """
        if not cell:
            return 0 if self.empty else NEVER
        if quoted is not None and self.quoted is not None and quoted != self.quoted:
            return NEVER
        if self.runs:
            known = runs(cell) in self.runs
            return NEVER if not known else int(bool(self.shapes) and shape(cell) not in self.shapes)
        return (_sign(cell[0]) not in self.first) + (_sign(cell[-1]) not in self.last) if self.first else NEVER

    @property
    def regular(self) -> bool:
        return bool(self.runs)


Looks = tuple[Look, ...]


def shape(cell: str) -> str:
    """``MG-87`` is ``AA-99``."""
    plain = cell if cell.isascii() else _BLANKS.sub(" ", _LETTERS.sub("A", cell))
    return plain.translate(_ASCII)


def runs(cell: str) -> str:
    """``MG-87`` is ``A-9``."""
    return _REPEATED.sub("", shape(cell))


def _is_words(run: str) -> bool:
    """Whether a cell of these runs is words: any part of them could be a cell, too."""
    return set(run) <= set("A'-.") or (run.count("A") > 1 and " " in run)


def _sign(char: str) -> str:
    return "9" if char.isdigit() else "a" if char.islower() else "A" if char.isalpha() else char


def looks_of(records: Sequence[Record], width: int, grammar: Grammar) -> Looks:
    """The look of every column; none where the rows are too few to tell."""
    rows = [r for r in records if r.width == width and r.well_formed and not has_stray_quotes(r.cells, r.raw, grammar)][:MOST]
    return tuple(_look(number, rows, grammar) for number in range(width)) if len(rows) >= LEAST else ()


def _look(number: int, rows: Sequence[Record], grammar: Grammar) -> Look:
    cells = [cell for row in rows if (cell := row.cells[number])]
    marks = {is_quoted(row.cells[number], row.raw, grammar) for row in rows if row.cells[number]}
    few = max(1, len(cells) // 4)
    loosely = frozenset(map(runs, cells))
    told = len(loosely) <= few and 2 * sum(map(_is_words, loosely)) < len(loosely)
    exactly = frozenset(map(shape, cells)) if told else frozenset()
    return Look(
        exactly if len(exactly) <= few else frozenset(),
        loosely if told else frozenset(),
        frozenset(map(_sign, {cell[0] for cell in cells})),
        frozenset(map(_sign, {cell[-1] for cell in cells})),
        len(cells) < len(rows),
        marks.pop() if len(marks) == 1 else None,
    )


def is_quoted(cell: str | None, raw: str, grammar: Grammar) -> bool:
    """Whether a cell of a record stands in quotes there."""
    if not cell or not grammar.quote or grammar.quote not in raw:
        return False
    close = CLOSING.get(grammar.quote, grammar.quote)
    return grammar.quote + cell.replace(close, (grammar.escape or close) + close) + close in raw


def has_stray_quotes(cells: Cells, raw: str, grammar: Grammar) -> bool:
    """Whether a quote stands in a cell that is not in quotes."""
    quote = grammar.quote
    return bool(quote) and quote in raw and any(c and quote in c and not is_quoted(c, raw, grammar) for c in cells)


def misfit(cells: Cells, looks: Looks) -> int:
    """How unlike their columns the cells of a row are; NEVER when one could not stand there."""
    if len(cells) != len(looks):
        return NEVER
    return min(NEVER, sum(look.misfit(cell) for cell, look in zip(cells, looks, strict=True)))


def best(found: Iterable[tuple[int, Cells]]) -> Cells | None:
    """The row that fits better than every other; None where there is none, or are several."""
    rows = {tuple(cells): (misfits, cells) for misfits, cells in found if misfits <= min(MOST_UNLIKE, len(cells) - 2)}
    ranked = sorted(rows.values(), key=lambda row: row[0])
    return ranked[0][1] if ranked and (len(ranked) == 1 or ranked[0][0] < ranked[1][0]) else None
