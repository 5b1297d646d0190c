"""How well a grammar fits a sample of text: whether its records are as wide as each other, and its cells look like values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile

from qpipe.sources.file.text.grammar import CLOSING, Grammar
from qpipe.sources.file.text.records import Record, kind_of, read_records

RECORDS = 300  # of a sample that are looked at
CLEANED = 100  # and of those that are wide as most

# What separates cells, and how far it is to be believed against another that fits as well.
DELIMITERS = {",": 1.0, ";": 1.0, "\t": 1.0, "|": 1.0, "\x1f": 1.0, "\x01": 1.0, "§": 0.98, "¦": 0.98, "^": 0.96, "~": 0.96,
               "\uff0c": 0.98, "\u061b": 0.98,
               "#": 0.7, "&": 0.7, "*": 0.7, "!": 0.7, "@": 0.7, "$": 0.7, "%": 0.7, ":": 0.6, " ": 0.75, "=": 0.5,
               "/": 0.5, "+": 0.5, "\\": 0.6}  # fmt: skip
_WEAK = frozenset(" :=/+@$%#&*!\\")  # signs that text itself is full of

_PARTS = ({","}, {";"}, {"|"})


@dataclass(frozen=True)
class Fit:
    """How well a grammar fits a sample; ``score`` from 0 to 1."""

    grammar: Grammar
    score: float
    width: int
    share: float  # of the records that have this width
    first: int  # width of the first record
    records: int = 1
    formed: bool = True  # but for single records, every quote is where it belongs


def fit(text: str, newline: str, grammar: Grammar) -> Fit:
    """How well the grammar cuts the sample's first records; 0 where it makes one column of them."""
    records = [r for r in read_records(text, grammar, newline, most=RECORDS, whole=False) if not r.blank]
    if not records:
        return Fit(grammar, 0.0, 1, 1.0, 1)
    widths = Counter(record.width for record in records)
    width = max(widths, key=lambda w: (widths[w] * (w - 1), widths[w]))
    if width < 2:
        return Fit(grammar, 0.0, 1, 1.0, 1)
    rows = [record for record in records if record.width == width]
    share = len(rows) / len(records)
    if len(rows) > 1 and any({row.cells[number] for row in rows} in _PARTS for number in range(width)):
        return Fit(grammar, 0.0, width, share, records[0].width, len(records))  # what parts cells is none
    near = sum(min(r.width, width) / max(r.width, width) for r in records) / len(records)
    broken = sum(not record.well_formed for record in records)
    formed = 1 - broken / len(records)
    used = sum(any(row.cells[number] for row in rows) for number in range(width)) or 1
    clean = _cleanness(rows[:CLEANED], grammar)
    belief = DELIMITERS.get(grammar.delimiter.strip() or grammar.delimiter) or _belief_in(grammar.delimiter)
    score = (0.7 * share + 0.3 * near) * (0.2 + 0.8 * formed) * (0.1 + 0.9 * clean) * (used - 1) / used * belief
    return Fit(grammar, score, width, share, records[0].width, len(records), broken <= max(2, 0.05 * len(records)))


def is_better(one: Fit, other: Fit) -> bool:
    """The higher score; but what fits every line goes before what would skip some."""
    if _whole(one) != _whole(other) and min(one.share, other.share) < 1:
        return _whole(one)
    return one.score > other.score + 1e-9


def _whole(fit: Fit) -> bool:
    """Whether every line, the first one too, has as many cells, cut at a sign that is made for it: nothing need be skipped."""
    usual = fit.grammar.delimiter in (",", ";", "\t", "|") and fit.formed
    return usual and fit.share == 1 and fit.first == fit.width > 1 and fit.records > 2


def is_table(fit: Fit, text: str, newline: str) -> bool:
    """Whether a fit is more than chance: weak signs must separate every line."""
    if fit.score < 0.06 or fit.width < 2:
        return False
    if _is_weak(fit.grammar.delimiter):
        rows = [r for r in read_records(text, fit.grammar, newline, most=RECORDS, whole=False) if not r.blank]
        if fit.share < 0.9 or fit.first == 1:
            return False
        typed = any(all(kind_of(r.cells[i]) for r in rows[1:] if r.width == fit.width) for i in range(fit.width))
        quoted = bool(fit.grammar.quote) and all(r.raw.count(fit.grammar.quote) >= 2 * fit.width for r in rows)
        return typed or (fit.share > 0.97 and (fit.width >= 3 or quoted))
    doubtful = fit.width == 2 and fit.first == 1 and fit.share < 0.99 and fit.grammar.delimiter.strip() == ","
    return not doubtful or _follows_a_title(read_records(text, fit.grammar, newline, most=RECORDS, whole=False))


def _is_weak(delimiter: str) -> bool:
    return delimiter in _WEAK or (len(delimiter) == 1 and delimiter > "\x7f" and delimiter not in DELIMITERS)


def _follows_a_title(records: Sequence[Record]) -> bool:
    """Whether all records have two cells but for a few lines before the first such one."""
    filled = [record for record in records if not record.blank]
    rows = list(dropwhile(lambda record: record.width == 1, filled))
    whole = all(row.width == 2 and all(cell and cell[0] != " " for cell in row.cells) for row in rows)
    return whole and len(rows) > max(3, 2 * (len(filled) - len(rows)))


# ---- one grammar's cells


def _belief_in(several: str) -> float:
    return max(0.7, min(0.97, *(DELIMITERS.get(sign, 0.97) for sign in several)))


def _cleanness(rows: list[Record], grammar: Grammar) -> float:
    """The share of cells that look like one value: a number, a date, a word, a text, and no half of something."""
    total = good = 0.0
    for row in rows:
        quoted = bool(grammar.quote) and grammar.quote in row.raw
        for cell in row.cells:
            total += 1
            good += _clean(cell, row.raw, grammar, quoted)
    return good / total if total else 0.0


_HALF = re.compile(r"^[\s,;:|/)\]}=&*+]|[\s,;|/(\[{=&*+]$")
_TWO_NUMBERS = re.compile(r"\d +\d")
_CONTROL = re.compile(r"[\x01-\x08\n\r\x0b-\x1f\x85\u2028\u2029]")
_INNER = re.compile(r"[;\t|\x00-\x1f]|,(?=\S)(?!\d{3})|\\")


def _clean(cell: str | None, raw: str, grammar: Grammar, quoted: bool) -> float:
    if not cell:
        return 0.8
    if kind_of(cell):
        return 1.0
    if quoted and grammar.quote + cell + CLOSING.get(grammar.quote, grammar.quote) in raw:
        return 1.0
    if cell[0] in "\"'“«`" and not grammar.escape and len(cell) > 1 and cell[-1] == CLOSING.get(cell[0], cell[0]):
        return 0.1
    if quoted and not _HALF.search(cell) and grammar.delimiter in cell:
        return 1.0
    bad = (0.5 if _HALF.search(cell) else 0.0) + (0.3 if _INNER.search(cell) else 0.0)
    bad += 0.3 if _TWO_NUMBERS.search(cell) else 0.0
    bad += 0.8 if _CONTROL.search(cell) else 0.0
    bad += 0.3 if cell.count('"') % 2 or (grammar.quote and grammar.quote in cell and not quoted) else 0.0
    return max(0.0, 1.0 - bad)
