"""Other readings of a record that does not fit its table. One is taken only if it gives just the table's columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.dress import parted_by_blanks
from qpipe.sources.file.text.grammar import QUOTES, Cells, Grammar, cut
from qpipe.sources.file.text.records import kind_of
from qpipe.sources.file.text.shifted import with_lost

OTHER_DELIMITERS = (";", "\t", "||", "|", ",", "::", ":", "^", "~", " ")
WEAK = (":", " ")  # signs that text itself is full of
STAND_IN = "\ue000"  # for a quote that is taken as text
MOST_QUOTES = 40

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Reading:
    cells: Cells
    end: int  # characters read, before the newline
    code: str
    message: str
    severity: Severity = "warning"


def readings(text: str, line: str, dialect: Dialect, ill_formed: bool, cells: Cells | None) -> Iterator[Reading]:
    """Readings of the record that ``text`` starts with, the likeliest first; ``line`` is its first line.

    ``cells``: what it holds when it is read strictly, where it ends with that line.
    """
    for grammar, loose, code, message in _attempts(line, dialect, ill_formed):
        found = cut(text, 0, grammar, newline=dialect.newline, loose=loose)
        if found and len(found[0]) == dialect.width and (code != "other-delimiter" or _suits(found[0], grammar, dialect)):
            yield Reading(*found, code, message)
    if ill_formed and dialect.quote and dialect.quote in line:
        yield from with_a_literal_quote(text, line, dialect)
    if text == line and "delimiter" not in dialect.fixed:
        yield from _with_other_cuts(line, dialect, cells)
    if text == line and cells and len(cells) == 1 and dialect.width > 1 and line[:1] == line[-1:] == dialect.quote != "":
        found = cut(cells[0] or "", 0, dialect.grammar, newline=dialect.newline)
        if found and len(found[0]) == dialect.width and found[1] == len(cells[0] or ""):
            yield Reading(found[0], len(line), "quoted-row", "the row as a whole is quoted")


def _with_other_cuts(line: str, dialect: Dialect, cells: Cells | None) -> Iterator[Reading]:
    """Blanks in place of delimiters, which also stand in its texts; a delimiter that is lost."""
    if parted := parted_by_blanks(line, dialect):
        yield Reading(parted, len(line), "other-delimiter", "its cells are separated by blanks")
    if cells and (whole := with_lost(line, cells, dialect)):
        yield Reading(whole, len(line), "lost-delimiter", "a delimiter is missing: read as if it stood there")


def _attempts(line: str, dialect: Dialect, ill_formed: bool) -> Iterator[tuple[Grammar, bool, str, str]]:
    base, delimiter, quote = dialect.grammar, dialect.delimiter, dialect.quote
    if "delimiter" not in dialect.fixed and delimiter.strip() == delimiter and line.count(delimiter + " ") >= dialect.width - 1:
        spaced = Grammar(delimiter + " ", quote, dialect.escape, True)
        yield spaced, False, "space-after-delimiter", "a blank stands after every delimiter"
    if "\\" + delimiter in line and not dialect.escape and "escape" not in dialect.fixed:
        yield Grammar(delimiter, quote, "\\"), False, "other-escape", "its delimiters are escaped by a backslash"
    if quote and quote in line:
        if "\\" + quote in line and not dialect.escape and "escape" not in dialect.fixed:
            yield Grammar(delimiter, quote, "\\", True), False, "other-escape", "its quotes are escaped by a backslash"
        if dialect.escape and quote * 2 in line and "escape" not in dialect.fixed:
            yield Grammar(delimiter, quote, "", True), False, "other-escape", "its quotes are escaped by doubling"
        yield Grammar(delimiter, quote, dialect.escape, True), False, "space-before-quote", "blanks stand around a quote"
        if ill_formed:
            yield base, True, "unescaped-quote", "a quote inside a quoted cell is not escaped"
    if "quote" not in dialect.fixed:
        for other in QUOTES:
            if other != quote and (delimiter + other in line or line.startswith(other)):
                yield Grammar(delimiter, other, "", True), False, "other-quote", f"its cells are quoted by {other}"
    if "delimiter" not in dialect.fixed and dialect.width > 1:
        for other in OTHER_DELIMITERS:
            if other in line and other != delimiter:
                message = f"its cells are separated by {_named(other)}"
                if other in ",;|" and other + " " in line and delimiter != other + " ":
                    grammar = Grammar(other + " ", quote, dialect.escape, True)
                    yield grammar, False, "other-delimiter", f"{message} and blanks"
                yield Grammar(other, quote, dialect.escape, True), False, "other-delimiter", message


def _suits(cells: Cells, grammar: Grammar, dialect: Dialect) -> bool:
    """Whether numbers and dates are where the table has them."""
    typed = [(cell, kind) for cell, kind in zip(cells, dialect.kinds, strict=False) if cell and kind]
    if grammar.delimiter in WEAK and not typed:
        return False
    return sum(kind_of(cell) == kind for cell, kind in typed) >= len(typed) * (0.7 if grammar.delimiter in WEAK else 0.5)


def with_a_literal_quote(text: str, line: str, dialect: Dialect) -> Iterator[Reading]:
    """One quote at a cell's beginning is text that nothing closes; or all of the line's are."""
    start = re.compile(rf"(?:^|(?<={re.escape(dialect.delimiter)})){re.escape(dialect.quote)}")
    for number, found in enumerate(start.finditer(line)):
        if number == MOST_QUOTES:
            break
        at = found.start()
        message = f"the quote at character {at + 1} is not closed"
        bent = text[:at] + STAND_IN + text[at + 1 :]
        read = cut(bent, 0, dialect.grammar, newline=dialect.newline)
        if read and len(read[0]) == dialect.width:
            cells = [cell and cell.replace(STAND_IN, dialect.quote) for cell in read[0]]
            yield Reading(cells, read[1], "unclosed-quote", message, "error")
    cells = [cell or None for cell in line.split(dialect.delimiter)]
    if len(cells) == dialect.width and text == line:
        message = f"the quote at character {line.index(dialect.quote) + 1} is not closed"
        yield Reading(cells, len(line), "unclosed-quote", message, "error")


def _named(sign: str) -> str:
    return {"\t": "tabs", " ": "blanks", ";": "semicolons", ",": "commas", "|": "bars", ":": "colons"}.get(sign, repr(sign))
