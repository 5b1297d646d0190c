"""A stretch of a file's text: where its lines end, and the cells of a well-formed record in it."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.grammar import CLOSING, Cells, Grammar, cut

AHEAD = 1 << 16  # characters after a record that may be looked at to judge it
LONGEST_QUOTED = 8 << 20  # characters a quoted cell may run on before its quote counts as never closed
LONGEST_PLAIN = 100_000  # characters of a record that the csv module may cut, which has a limit


class NeedMore(Exception):
    """The text given ends before the record can be judged."""


@dataclass(frozen=True)
class Stretch:
    """``whole``: whether the text goes to the file's end. Where it does not, all methods may raise NeedMore."""

    text: str
    whole: bool
    dialect: Dialect

    def line(self, position: int) -> tuple[str, int]:
        """The physical line at a position, without its newline, and where the next one starts."""
        text, newline = self.text, self.dialect.newline
        end = text.find(newline, position)
        if end < 0:
            if not self.whole:
                raise NeedMore
            return text[position:], len(text)
        after = end + len(newline)
        if newline == "\n" and end > position and text[end - 1] == "\r":
            end -= 1
        elif newline == "\r" and text.startswith("\n", after):
            after += 1
        return text[position:end], after

    def ahead(self, position: int) -> tuple[str, bool]:
        """What may be looked at from a position on, and whether that is all of the file's rest."""
        if not self.whole and len(self.text) < position + AHEAD:
            raise NeedMore
        return self.text[position : position + AHEAD], self.whole and len(self.text) <= position + AHEAD

    def record(self, line: str, position: int, after: int) -> tuple[Cells | None, int]:
        """The cells of the record that begins with a line, which may span several, and its end; None: it is ill-formed."""
        dialect = self.dialect
        quote, escape = dialect.quote, dialect.escape
        if not (quote and quote in line) and not (escape and escape in line):
            return [cell or None for cell in line.split(dialect.delimiter)] if dialect.width > 1 else [line], after
        if (plain := self._cut_by_csv(line)) is not None:
            return plain, after
        found = cut(self.text[: position + LONGEST_QUOTED], position, self._grammar, newline=dialect.newline)
        if found is None:
            if quote and self._could_close(position):
                raise NeedMore
            return None, after
        cells, end = found
        if end >= len(self.text) and not self.whole:
            raise NeedMore
        return cells, self.after_newline(end)

    def after_newline(self, end: int) -> int:
        """Where the next record starts, after one that ends here."""
        text, newline = self.text, self.dialect.newline
        if newline in "\r\n":
            if text.startswith("\r\n", end):
                return end + 2
            return end + 1 if text[end : end + 1] in ("\r", "\n") else end
        return end + len(newline) if text.startswith(newline, end) else end

    @property
    def _grammar(self) -> Grammar:
        if self.dialect.width > 1:
            return self.dialect.grammar
        return Grammar("\x1f\x1f", self.dialect.quote, self.dialect.escape)  # one column: nothing separates

    def _cut_by_csv(self, line: str) -> Cells | None:
        """The cells of a record in one line, where the csv module reads it in the same sense, and faster."""
        d = self.dialect
        simple = len(d.delimiter) == 1 and len(d.quote) == 1 and not d.escape and not d.space and d.width > 1
        if not (simple and d.quote.isascii() and d.quote * 2 not in line and "\r" not in line and len(line) < LONGEST_PLAIN):
            return None
        try:
            return [cell or None for cell in next(csv.reader([line], delimiter=d.delimiter, quotechar=d.quote, strict=True))]
        except csv.Error:
            return None

    def _could_close(self, position: int) -> bool:
        """Whether more text could close the quote that is open: the file goes on, and the cell is not too long yet."""
        if self.whole or len(self.text) >= position + LONGEST_QUOTED:
            return False
        quote = self.dialect.quote
        closed = self.text + CLOSING.get(quote, quote)
        return cut(closed, position, self._grammar, newline=self.dialect.newline) is not None
