"""What all texts of a column have in common: by it a row is told from a row of names where no column holds numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qpipe.sources.file.text.records import Record

LEAST = 3  # cells below which nothing is said of a column
MOST = 200  # rows looked at
SHORT = 6  # characters up to which texts of one shape are codes
PROSE = 4  # words from which texts are sentences
_RUN = re.compile(r"[A-Z]+|[^\W\d_A-Z]+|[0-9]+")
_ENCLOSED = re.compile(r"\[.+\]|\(.+\)|<.+>|\{.+\}")


@dataclass(frozen=True)
class Trait:
    """Signs that every text of a column holds ("9" for a digit), the shape that all have, whether all are sentences."""

    signs: frozenset[str] = frozenset()
    shape: str = ""
    prose: bool = False

    def judge(self, cell: str) -> int:
        """2 when a text is surely of its column's kind, 1 when it could be, -1 when it is not, 0 when nothing is known."""
        if self.signs:
            return 2 if self.signs <= _signs(cell) else -1
        if self.prose:
            words = len(cell.split())
            return 2 if words >= PROSE else -1 if words < PROSE - 1 else 0
        if self.shape:
            return 1 if _shape(cell) == self.shape else -1
        return 0


def traits_of(rows: Sequence[Record], width: int) -> tuple[Trait, ...]:
    """The trait of every column; an empty one where its texts have nothing in common."""
    full = [row.cells for row in rows if row.width == width][:MOST]
    return tuple(_trait([cell for cells in full if (cell := cells[number])]) for number in range(width))


def is_alike(record: Record, traits: Sequence[Trait]) -> bool:
    """Whether a record is a row like the others: in no column another kind of text, in some surely the same."""
    votes = _votes(record, traits)
    return -1 not in votes and sum(votes) >= 2


def is_unlike(record: Record, traits: Sequence[Trait]) -> bool:
    """Whether a record is no row: in two columns or more, and in all that tell, another kind of text."""
    unlike = 0
    for cell, trait in zip(record.cells, traits, strict=False):
        vote = trait.judge(cell) if cell else 0
        if vote > 0:
            return False
        unlike += vote < 0
    return unlike > 1


def is_enclosed(record: Record, rows: Sequence[Record]) -> bool:
    """Whether all of a record's texts stand in brackets, as units do, and none in the rows."""
    said = [cell for cell in record.cells if cell]
    below = (cell for row in rows[:MOST] for cell in row.cells if cell)
    return len(said) > 1 and all(map(_ENCLOSED.fullmatch, said)) and not any(map(_ENCLOSED.fullmatch, below))


def groups_names(record: Record, names: Record, rows: Sequence[Record]) -> bool:
    """Whether each name of a record stands over several columns side by side, which no row does, above names of their own."""
    runs = _runs(record)
    distinct = len(set(names.cells)) == names.filled == names.width == record.width == record.filled
    if not distinct or len(runs) < 2 or min(map(len, runs)) < 2 or len({record.cells[run[0]] for run in runs}) < len(runs):
        return False
    pairs = [(run[at], run[at + 1]) for run in runs for at in range(len(run) - 1)]
    return not any(row.width == record.width and any(row.cells[a] == row.cells[b] for a, b in pairs) for row in rows[:MOST])


def _runs(record: Record) -> list[list[int]]:
    """The columns, those with the same text side by side together."""
    runs: list[list[int]] = []
    for at, cell in enumerate(record.cells):
        if runs and record.cells[runs[-1][-1]] == cell:
            runs[-1].append(at)
        else:
            runs.append([at])
    return runs


def _votes(record: Record, traits: Sequence[Trait]) -> list[int]:
    return [trait.judge(cell) for cell, trait in zip(record.cells, traits, strict=False) if cell]


def _trait(cells: Sequence[str]) -> Trait:
    if len(cells) < LEAST:
        return Trait()
    if signs := _common(cells):
        return Trait(signs=signs)
    if all(len(cell.split()) >= PROSE for cell in cells):
        return Trait(prose=True)
    if max(map(len, cells)) > SHORT:
        return Trait()
    shapes = {_shape(cell) for cell in cells}
    return Trait(shape=shapes.pop()) if len(shapes) == 1 and len(set(cells)) > 1 else Trait()


def _common(cells: Sequence[str]) -> frozenset[str]:
    """The signs of all cells; mostly the first ones tell that there are none."""
    signs = _signs(cells[0])
    for cell in cells[1:]:
        if not signs:
            break
        signs &= _signs(cell)
    return signs


def _signs(text: str) -> frozenset[str]:
    """Its signs that are no letters, and that a name hardly has; "9" for all digits."""
    return frozenset("9" if char.isdigit() else char for char in text if not (char.isalpha() or char in " _-'.()[]"))


def _shape(text: str) -> str:
    """``Ab-12`` is ``Aa-99``."""
    return _RUN.sub(lambda run: ("9" if run[0][0].isdigit() else "a" if run[0][0].islower() else "A") * len(run[0]), text)
