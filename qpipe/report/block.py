"""A piece of a print: made once, shown as a table in colour or as plain columns."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Block:
    """A titled table, or lines of text when it has no columns."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    right: frozenset[int] = frozenset()  # columns of numbers
    tones: tuple[str, ...] = field(default=())  # of each row: good bad warn dim strong or ""
    after: str = ""
    whole: frozenset[int] = frozenset()  # columns that are never cut: ids, which people copy
