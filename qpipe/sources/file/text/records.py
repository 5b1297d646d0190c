"""The records of a sample of text, read before anyone knows how wide the table is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from qpipe.sources.file.text.grammar import Cells, Grammar, cut

NUMBER = re.compile(
    r"\s*[-+(]?\s?(?:[$€£¥]|[A-Z]{3}\s)?\s?(?:\d{1,3}(?:[,.' \u00a0]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d*)?|[.,]\d+)"
    r"(?:[eE][-+]?\d+)?\s?(?:[%€$£]|[kKmM])?\)?\s*"
)
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[T ]\d{1,2}:\d{2}.*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?: \d{1,2}:\d{2}.*)?"
    r"|\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?[AaPp][Mm])?"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ,]{1,2}\d{2,4}|[A-Z][a-z]{2,8} \d{1,2}, \d{4}"
)
Kinds = tuple[str | None, ...]  # of the columns: number, date or None
LONGEST_SPAN = 50  # lines that one record of a sample may have
LONGEST = 1 << 14  # and characters


@dataclass(frozen=True)
class Record:
    cells: Cells
    start: int
    end: int  # where the next one starts
    line: int
    well_formed: bool = True
    raw: str = ""

    @property
    def width(self) -> int:
        return len(self.cells)

    @property
    def blank(self) -> bool:
        return not self.cells

    @property
    def filled(self) -> int:
        return sum(cell is not None and not cell.isspace() for cell in self.cells)


def read_records(
    text: str, grammar: Grammar, newline: str, *, most: int = 100_000, line: int = 1, whole: bool = True
) -> list[Record]:
    """The records of a text; a blank line is a record without cells. A last one that was cut off is left out."""
    found: list[Record] = []
    position = 0
    while position < len(text) and len(found) < most:
        record, ended = _read(text, position, grammar, newline, line)
        if not ended and not whole and found:
            break
        found.append(record)
        line += text.count(newline, position, record.end)
        position = record.end
    return found


def _read(text: str, start: int, grammar: Grammar, newline: str, line: int) -> tuple[Record, bool]:
    end = text.find(newline, start)
    ended = end >= 0
    stop, after = (end, end + len(newline)) if ended else (len(text), len(text))
    if newline == "\r" and text.startswith("\n", after):
        after += 1
    raw = text[start:stop].rstrip("\r") if newline == "\n" else text[start:stop]
    if not raw or (raw.isspace() and grammar.delimiter not in raw):
        return Record([], start, after, line), ended
    quote, escape = grammar.quote, grammar.escape
    if not (quote and quote in raw) and not (escape and escape in raw):
        return Record([cell or None for cell in raw.split(grammar.delimiter)], start, after, line, raw=raw), ended
    ahead = text[start : start + LONGEST]
    strict = cut(ahead, 0, grammar, newline=newline)
    if (
        strict
        and (strict[1] < len(ahead) or start + LONGEST >= len(text))
        and ahead.count(newline, 0, strict[1]) <= LONGEST_SPAN
    ):
        stop = start + strict[1]
        tail = next((n for n in ("\r\n", newline, "\n") if text.startswith(n, stop)), "") if newline in "\r\n" else newline
        return Record(strict[0], start, min(stop + len(tail), len(text)), line, raw=text[start:stop]), stop < len(text)
    loose = cut(raw, 0, grammar, loose=True) if quote else None
    cells = loose[0] if loose and loose[1] == len(raw) else [cell or None for cell in raw.split(grammar.delimiter)]
    return Record(cells, start, after, line, False, raw), ended


def kind_of(cell: str | None) -> str | None:
    """``number`` or ``date``, or None for text and for nothing."""
    if not cell:
        return None
    if NUMBER.fullmatch(cell):
        return "number"
    return "date" if DATE.fullmatch(cell.strip()) else None
