"""The exact way: record by record, strict first, and where that fails the one reading that fits the table.

Each record is judged from its own text and a bounded stretch after it, so the result does not depend on where blocks
are cut. A Python loop over rows is right here: only stretches that are not well-formed come this way.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qpipe.sources.file.text.below import MOST, Verdict, head_below
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.dress import undressed
from qpipe.sources.file.text.grammar import Cells
from qpipe.sources.file.text.looks import has_stray_quotes, misfit
from qpipe.sources.file.text.misfits import OTHER_NEWLINE, Misfit, delivered, repaired
from qpipe.sources.file.text.parsed import Parsed, Remark, newlines
from qpipe.sources.file.text.records import read_records
from qpipe.sources.file.text.stretch import NeedMore, Stretch
from qpipe.sources.file.text.structure import table_end

MOST_RAW = 500  # characters of another table that are told
_NAMES = Remark(
    "names-in-a-row", "texts stand here where numbers should: if another table begins here, cut the file", "warning"
)


def read_exact(text: str, limit: int, whole: bool, dialect: Dialect, line: int) -> Parsed:
    """The records that start before ``limit``; ``whole`` when the text goes to the file's end. May raise NeedMore."""
    return _Exact(Stretch(text, whole, dialect), line).read(limit)


class _Exact:
    def __init__(self, stretch: Stretch, line: int) -> None:
        self.stretch, self.text, self.dialect = stretch, stretch.text, stretch.dialect
        self.width = self.dialect.width
        self.plain = self.dialect.plain[0] if self.dialect.plain else None
        self.heads = {*self.dialect.header, self.dialect.below}
        self.out = Parsed(line=line)

    def read(self, limit: int) -> Parsed:
        out, dialect, width, delimiter = self.out, self.dialect, self.width, self.dialect.delimiter
        special, stop, position = _special(dialect), min(limit, len(self.text)), 0
        while position < stop and not out.ended:
            line, after = self.stretch.line(position)
            if delimiter in line and not special(line) and line not in self.heads:
                cells: Cells = [cell or None for cell in line.split(delimiter)]
                if len(cells) == width and not self._are_texts(cells) and not undressed(cells, line, dialect):
                    out.plain(cells)
                    position = after
                    continue
            position = self._unusual(line, position, after)
        out.end = position
        return out

    def _unusual(self, line: str, position: int, after: int) -> int:
        """Read what is no plain record; the position after it."""
        dialect = self.dialect
        if self._is_blank(line):
            return self._blank_lines(position)
        if dialect.comment and line.startswith(dialect.comment):
            return self._skip("comment-line", "a comment", line, after)
        if line in dialect.header:
            if self._begins_again(after):
                return self._ends("the same table begins again here: it is not read", position)
            return self._skip("repeated-header", "the header stands here again", line, after)
        if line == dialect.below:
            return self._ends_by_a_table(position)
        cells, end = self.stretch.record(line, position, after)
        if cells is None or len(cells) != self.width:
            return self._misfit(Misfit(line, position, after, cells, end))
        names = self._names_below(cells, end) if self._are_texts(cells) else None
        if names == "table":
            return self._ends_by_a_table(position)
        if end == after and self._is_doubtful(cells, line):
            return self._misfit(Misfit(line, position, after, cells, end))
        return self._take(cells, line, position, after, end, names)

    def _take(self, cells: Cells, line: str, position: int, after: int, end: int, names: Verdict | None) -> int:
        """A row of the table's width."""
        told: list[Remark] = []
        if end == after and (worn := undressed(cells, line, self.dialect)):
            cells, code, message = worn
            told.append(Remark(code, message, "warning"))
        if names:
            told.append(_NAMES)
        if self.dialect.newline == "\n" and self.text[end - 1 : end] == "\r":
            told.append(OTHER_NEWLINE)
        self.out.take(cells, self.text[position:end], self.dialect, told)
        return end

    def _misfit(self, found: Misfit) -> int:
        rows = repaired(found, self.stretch)
        if not rows:
            if _has_no_number(found.line, self.dialect) and self._end_here(found.position, blank=False):
                return found.position
            rows = [delivered(found, self.stretch)]
        position = found.position
        for row in rows:
            raw = self.text[position : row.end]
            if row.cells is None:
                self.out.skip_blank(newlines(raw, self.dialect.newline))
            else:
                self.out.take(row.cells, raw, self.dialect, row.remarks)
            position = row.end
        return position

    def _are_texts(self, cells: Cells) -> bool:
        """Whether letters stand where the table has numbers or dates."""
        plain = self.dialect.plain
        return self.plain is not None and (cells[self.plain] or "") >= ":" and all((cells[n] or "") >= ":" for n in plain)

    def _is_doubtful(self, cells: Cells, line: str) -> bool:
        """Whether quotes stand where none should and a cell is not like its column: the row has its width by chance."""
        grammar, looks = self.dialect.grammar, self.dialect.looks
        return bool(looks) and has_stray_quotes(cells, line, grammar) and misfit(cells, looks) > 0

    # ---- lines that are no rows

    def _is_blank(self, line: str) -> bool:
        return not line or (self.width > 1 and line.isspace() and self.dialect.delimiter not in line)

    def _blank_lines(self, position: int) -> int:
        count = 0
        while position < len(self.text):
            line, after = self.stretch.line(position)
            if not self._is_blank(line):
                break
            position = after
            count += 1
        self.out.skip_blank(count)
        if position < len(self.text):
            self._end_here(position, blank=True)
        elif not self.stretch.whole:
            raise NeedMore
        return position

    def _skip(self, code: str, what: str, line: str, after: int) -> int:
        self.out.skip(code, what, line)
        return after

    # ---- where the table ends

    def _end_here(self, position: int, *, blank: bool) -> bool:
        """Whether the table ends at this position, by footnotes or another table, which is then told."""
        if not self.dialect.tables:
            return False
        ahead, whole = self.stretch.ahead(position)
        verdict = table_end(ahead, whole, self.dialect, blank=blank)
        if verdict:
            self.out.end_here(*verdict, ahead if verdict[0] == "footnote" else ahead[:MOST_RAW])
        return verdict is not None

    def _ends(self, message: str, position: int) -> int:
        self.out.end_here("other-table", message, self.text[position : position + MOST_RAW])
        return position

    def _ends_by_a_table(self, position: int) -> int:
        return self._ends(f"another table with {self.width} columns starts here: it is not read", position)

    def _begins_again(self, position: int) -> bool:
        """Whether the table's first rows stand at a position once more."""
        opening, dialect = self.dialect.opening, self.dialect
        if not (opening and dialect.tables):
            return False
        found = read_records(self.stretch.ahead(position)[0], dialect.grammar, dialect.newline, most=len(opening))
        return tuple(tuple(cell or None for cell in record.cells) for record in found) == opening

    def _names_below(self, cells: Cells, after: int) -> Verdict | None:
        """Whether a row names the columns of another table, which is judged from the rows after it."""
        ahead, whole = self.stretch.ahead(after)
        below = read_records(ahead, self.dialect.grammar, self.dialect.newline, most=MOST, whole=whole)
        return head_below(cells, below, self.dialect)


def _has_no_number(line: str, dialect: Dialect) -> bool:
    """Whether a line could begin what is no more of the table."""
    return not any(cell[:1].isdigit() for cell in line.split(dialect.delimiter))


def _special(dialect: Dialect) -> Callable[[str], re.Match[str] | None]:
    """A quick test whether a line holds a sign that must be looked at."""
    signs = {dialect.quote, dialect.escape, "\r", "\n", "\x00"} - {"", dialect.newline}
    start = f"^{re.escape(dialect.comment)}|" if dialect.comment else ""
    return re.compile(start + "|".join(re.escape(sign) for sign in signs) + "|[\udc80-\udcff]").search
