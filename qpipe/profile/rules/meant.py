"""Doubts about rules: what breaks one, but goes with what another column says, was hardly a slip."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qpipe.analysis.association import FEW, companions, parts
from qpipe.core.lazy import np, pl
from qpipe.profile.rules.seen import Seen, Suggestion

if TYPE_CHECKING:
    import polars as pl

    from qpipe.analysis.association import Groups, Marks

DOUBTED = 0.75  # at most, how sure such a rule is


def doubted(found: Sequence[Suggestion], seen: Sequence[Seen], rows: pl.DataFrame) -> list[Suggestion]:
    """The rules of single columns, those less sure whose exceptions keep together in other columns or in the file's order.

    One such column is not enough, and rows that break its own rules are left out there: two cells may have changed places.
    """
    columns = {c.name: c for c in seen}
    marks = [(s, _marked(s, columns[s.columns[0]], rows)) for s in found]
    if not any(bad is not None for _, bad in marks):
        return list(found)
    none = np.zeros(rows.height, dtype=bool)
    left_out = {name: _no_number(c, rows) for name, c in columns.items()}
    for s, bad in marks:
        if bad is not None:
            left_out[s.columns[0]] = left_out[s.columns[0]] | bad.to_numpy()
    groups = {name: g for name, c in columns.items() if (g := _groups(c, rows)) is not None}
    groups["the order of the rows"] = parts(pl.Series(np.arange(rows.height)))
    made = []
    for s, bad in marks:
        others = ((n, g, left_out.get(n, none)) for n, g in groups.items() if n != s.columns[0])
        beside = companions(bad, others) if bad is not None and s.confidence > DOUBTED else []
        if len(beside) > 1:
            s = dataclasses.replace(s, confidence=DOUBTED, reason=f"{s.reason}; they go with {' and '.join(beside[:3])}")
        made.append(s)
    return made


def _groups(c: Seen, rows: pl.DataFrame) -> Groups | None:
    """By the column's value; None for texts of which there are many, whose order says nothing."""
    if c.numbers is not None:
        return parts(c.numbers.head(rows.height))
    return parts(rows[c.name].cast(pl.String)) if c.counts.height <= FEW else None


def _no_number(c: Seen, rows: pl.DataFrame) -> Marks:
    """Cells that are there, and no number, in a column of numbers."""
    if c.numbers is None:
        return np.zeros(rows.height, dtype=bool)
    texts = rows[c.name].cast(pl.String)
    return (c.numbers.head(rows.height).is_null() & ~texts.is_in(list(c.nothing)).fill_null(True)).to_numpy()


def _marked(s: Suggestion, c: Seen, rows: pl.DataFrame) -> pl.Series | None:
    """The rows that break limits or a list of allowed values; None for other rules."""
    if s.about or s.module not in ("between", "one_of") or not s.broken:
        return None
    if c.numbers is not None:
        numbers = c.numbers.head(rows.height)
        if s.module == "between":
            return ~numbers.is_between(s.params["min"], s.params["max"]).fill_null(True)
        return ~numbers.is_in([float(value) for value in s.params["values"]]).fill_null(True)
    if s.module == "between":
        return None
    texts = rows[c.name].cast(pl.String)
    known = texts.is_in([*s.params["values"], *c.nothing]) | (texts.str.strip_chars() == "")
    return ~known.fill_null(True)
