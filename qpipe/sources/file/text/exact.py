"""The exact way: record by record, strict first, and where that fails the one reading that fits the table.

Each record is judged from its own text and a bounded stretch after it, so the result does not depend on where blocks
are cut. A Python loop over rows is right here: only stretches that are not well-formed come this way.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field

from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.below import MOST, Verdict, head_below
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.dress import undressed
from qpipe.sources.file.text.grammar import Cells, Grammar, cut
from qpipe.sources.file.text.looks import has_stray_quotes, misfit
from qpipe.sources.file.text.records import read_records
from qpipe.sources.file.text.repairs import Reading, readings
from qpipe.sources.file.text.shifted import without_surplus
from qpipe.sources.file.text.structure import table_end

AHEAD = 1 << 16  # characters after a record that may be looked at to judge it
LONGEST_QUOTED = 8 << 20  # characters a quoted cell may run on before its quote counts as never closed
SWALLOWED = 100  # lines that a repaired cell may span


class NeedMore(Exception):
    """The text given ends before the record can be judged."""


@dataclass
class Parsed:
    """Records read: their cells, lines and faults; where the next one starts."""

    rows: list[Cells] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    end: int = 0  # characters taken
    line: int = 1  # the line there
    ended: bool = False


def read_exact(text: str, limit: int, whole: bool, dialect: Dialect, line: int) -> Parsed:
    """The records that start before ``limit``; ``whole`` when the text goes to the file's end. May raise NeedMore."""
    return _Exact(text, limit, whole, dialect, line).read()


class _Exact:
    def __init__(self, text: str, limit: int, whole: bool, dialect: Dialect, line: int) -> None:
        self.text, self.limit, self.whole, self.dialect = text, limit, whole, dialect
        self.width = dialect.width
        self.special = _special(dialect)
        self.plain = dialect.plain[0] if dialect.plain else None
        self.heads = {*dialect.header, dialect.below}
        self.out = Parsed(line=line)

    def read(self) -> Parsed:
        out, text, limit, width, delimiter = self.out, self.text, self.limit, self.width, self.dialect.delimiter
        position = 0
        while position < limit and position < len(text) and not out.ended:
            record, after = self._line(position)
            if not self.special(record) and delimiter in record and record not in self.heads:
                cells: Cells = [cell or None for cell in record.split(delimiter)]
                if len(cells) == width and not self._are_texts(cells) and not undressed(cells, record, self.dialect):
                    out.rows.append(cells)
                    out.lines.append(out.line)
                    out.line += 1
                    position = after
                    continue
            position = self._unusual(record, position, after)
        out.end = position
        return out

    def _line(self, position: int) -> tuple[str, int]:
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

    def _unusual(self, record: str, position: int, after: int) -> int:
        """Read what is no plain record; the position after it."""
        dialect = self.dialect
        if not record or (self.width > 1 and record.isspace() and dialect.delimiter not in record):
            return self._blank_lines(position)
        if dialect.comment and record.startswith(dialect.comment):
            return self._skip("comment-line", "a comment", record, after)
        if record in dialect.header:
            if self._begins_again(after):
                return self._ends("other-table", "the same table begins again here: it is not read", position)
            return self._skip("repeated-header", "the header stands here again", record, after)
        if record and record == dialect.below:
            return self._ends("other-table", _OTHER_TABLE.format(self.width), position)
        cells, end = self._strict(record, position, after)
        names = self._names_below(cells, end) if cells and len(cells) == self.width and self._are_texts(cells) else None
        if names == "table":
            return self._ends("other-table", _OTHER_TABLE.format(self.width), position)
        if cells is not None and len(cells) == self.width and not self._is_doubtful(cells, record, end == after):
            other = dialect.newline == "\n" and self.text[end - 1 : end] == "\r"
            worn = undressed(cells, record, dialect) if end == after else None
            told: tuple[Fault, ...] = (Fault(None, 0, *worn[1:], severity="warning"),) if worn else ()
            told += (_NAMES,) if names else ()
            return self._take(worn[0] if worn else cells, position, end, (*told, _OTHER_NEWLINE) if other else told)
        return self._misfit(record, position, after, cells, end)

    def _is_doubtful(self, cells: Cells, record: str, one_line: bool) -> bool:
        """Whether quotes stand where none should and a cell is not like its column: the row has its width by chance."""
        grammar, looks = self.dialect.grammar, self.dialect.looks
        return one_line and bool(looks) and has_stray_quotes(cells, record, grammar) and misfit(cells, looks) > 0

    # ---- lines that are no rows

    def _blank_lines(self, position: int) -> int:
        first = self.out.line
        while position < len(self.text):
            record, after = self._line(position)
            if record.strip() or (self.dialect.delimiter in record and self.width > 1) or (record and self.width == 1):
                break
            position = after
            self.out.line += 1
        last = self.out.line - 1
        what = "a blank line was" if first == last else f"blank lines {first} to {last} were"
        self.out.faults.append(Fault(None, first, "blank-line", f"{what} skipped", severity="warning"))
        if position < len(self.text):
            self._end_here(position, blank=True)
        elif not self.whole:
            raise NeedMore
        return position

    def _skip(self, code: str, what: str, record: str, after: int) -> int:
        self.out.faults.append(Fault(None, self.out.line, code, f"{what}: skipped", raw=record, severity="warning"))
        self.out.line += 1
        return after

    def _end_here(self, position: int, *, blank: bool) -> bool:
        """Whether the table ends at this position, by footnotes or another table, which is then told."""
        if not self.dialect.tables:
            return False
        if not self.whole and len(self.text) < position + AHEAD:
            raise NeedMore
        ahead = self.text[position : position + AHEAD]
        verdict = table_end(ahead, self.whole and len(self.text) <= position + AHEAD, self.dialect, blank=blank)
        if verdict is None:
            return False
        code, message = verdict
        self._ends(code, message, position, AHEAD if code == "footnote" else 500)
        return True

    def _begins_again(self, position: int) -> bool:
        """Whether the table's first rows stand at a position once more."""
        opening, dialect = self.dialect.opening, self.dialect
        if not (opening and dialect.tables):
            return False
        if not self.whole and len(self.text) < position + AHEAD:
            raise NeedMore
        ahead = self.text[position : position + AHEAD]
        found = read_records(ahead, dialect.grammar, dialect.newline, most=len(opening))
        return tuple(tuple(cell or None for cell in record.cells) for record in found) == opening

    def _are_texts(self, cells: Cells) -> bool:
        """Whether letters stand where the table has numbers or dates."""
        plain = self.dialect.plain
        return self.plain is not None and (cells[self.plain] or "") >= ":" and all((cells[n] or "") >= ":" for n in plain)

    def _names_below(self, cells: Cells, after: int) -> Verdict | None:
        """Whether a row names the columns of another table, which is judged from the rows after it."""
        if not self.whole and len(self.text) < after + AHEAD:
            raise NeedMore
        ahead, dialect = self.text[after : after + AHEAD], self.dialect
        whole = self.whole and len(self.text) <= after + AHEAD
        return head_below(cells, read_records(ahead, dialect.grammar, dialect.newline, most=MOST, whole=whole), dialect)

    def _ends(self, code: str, message: str, position: int, most: int = 500) -> int:
        """The table ends at this position, which is told with so many characters of what follows."""
        raw = self.text[position : position + most]
        self.out.faults.append(Fault(None, self.out.line, code, message, raw=raw, severity="warning"))
        self.out.ended = True
        return position

    # ---- rows

    def _strict(self, record: str, position: int, after: int) -> tuple[Cells | None, int]:
        """The cells of a well-formed record, which may span lines; the position after it."""
        dialect = self.dialect
        quote, escape = dialect.quote, dialect.escape
        if not (quote and quote in record) and not (escape and escape in record):
            return [cell or None for cell in record.split(dialect.delimiter)] if self.width > 1 else [record], after
        if self._suits_csv(record):
            try:
                row = next(csv.reader([record], delimiter=dialect.delimiter, quotechar=quote, strict=True))
                return [cell or None for cell in row], after
            except csv.Error:
                pass
        found = cut(self._window(position), position, self._grammar(), newline=dialect.newline)
        if found is None:
            if quote and self._open_at_end(position):
                raise NeedMore
            return None, after
        cells, end = found
        if end >= len(self.text) and not self.whole:
            raise NeedMore
        return cells, self._after_newline(end)

    def _grammar(self) -> Grammar:
        if self.width > 1:
            return self.dialect.grammar
        return Grammar("\x1f\x1f", self.dialect.quote, self.dialect.escape)  # one column: nothing separates

    def _suits_csv(self, record: str) -> bool:
        d = self.dialect
        simple = len(d.delimiter) == 1 and len(d.quote) == 1 and not d.escape and not d.space and self.width > 1
        return simple and d.quote.isascii() and d.quote * 2 not in record and "\r" not in record and len(record) < 100_000

    def _window(self, position: int) -> str:
        return self.text if len(self.text) <= position + LONGEST_QUOTED else self.text[: position + LONGEST_QUOTED]

    def _open_at_end(self, position: int) -> bool:
        """Whether more text could close the quote: the window was cut short and the file goes on."""
        if self.whole or len(self.text) >= position + LONGEST_QUOTED:
            return False
        return cut(self.text + self.dialect.quote, position, self._grammar(), newline=self.dialect.newline) is not None

    def _after_newline(self, end: int) -> int:
        text, newline = self.text, self.dialect.newline
        if newline in "\r\n":
            if text.startswith("\r\n", end):
                return end + 2
            return end + 1 if text[end : end + 1] in ("\r", "\n") else end
        return end + len(newline) if text.startswith(newline, end) else end

    def _take(self, cells: Cells, position: int, end: int, faults: tuple[Fault, ...] = ()) -> int:
        out = self.out
        raw = self.text[position:end]
        if "\x00" in raw:
            faults += (Fault(None, 0, "nul-character", "the row holds NUL characters"),)
        if _has_stray_bytes(raw):
            cells = [cell if cell is None else _as_western(cell) for cell in cells]
            faults += (Fault(None, 0, "invalid-utf8", "the row holds bytes that are not UTF-8, read as Windows-1252"),)
        if len(cells) > len(self.dialect.columns) and any(cell is not None for cell in cells[len(self.dialect.columns) :]):
            faults += (Fault(None, 0, "extra-cells", "there is text beyond the last column"),)
        for fault in faults:
            out.faults.append(
                Fault(len(out.rows), out.line, fault.code, fault.message, fault.column, _as_western(raw), fault.severity)
            )
        out.rows.append(cells)
        out.lines.append(out.line)
        out.line += _count_lines(raw, self.dialect.newline, end == len(self.text))
        return end

    # ---- rows that do not fit

    def _misfit(self, record: str, position: int, after: int, cells: Cells | None, end: int) -> int:
        """A row that is ill-formed or has another width: repair it where that is certain, else deliver what it has."""
        several = self._lone_newlines(record)
        if several:
            return self._split_line(several, position, after)
        reading = self._repair(record, position, cells if end == after else None, cells is None)
        if reading:
            end = after if reading.end == len(record) else self._after_newline(position + reading.end)
            told = Fault(None, 0, reading.code, reading.message, severity=reading.severity)
            return self._take(reading.cells, position, end, (told,))
        if self._is_no_data(record) and self._end_here(position, blank=False):
            return position
        return self._deliver(record, position, after, cells, end)

    def _is_no_data(self, record: str) -> bool:
        """Whether a line could begin what is no more of the table: it holds no number."""
        return not any(cell[:1].isdigit() for cell in record.split(self.dialect.delimiter))

    def _repair(self, record: str, position: int, cells: Cells | None, ill_formed: bool) -> Reading | None:
        """The first reading that fits: of the line alone, else over several lines, none of which is itself a row."""
        looks, found = self.dialect.looks, list[tuple[int, Reading]]()
        for reading in readings(record, record, self.dialect, ill_formed, cells):
            if reading.end == len(record):
                found.append((misfit(reading.cells, looks) if looks else 0, reading))
                if found[-1][0] == 0:
                    break
        if found:
            unlike, reading = min(found, key=lambda one: one[0])
            doubtful = cells is not None and len(cells) == self.width  # then only what fits better is taken
            return None if doubtful and unlike >= misfit(cells or [], looks) else reading
        if cells is not None and len(cells) == self.width:
            return None
        if self.width == 1 or not any(sign in record for sign in {self.dialect.quote, "'"} - {""}):
            return None
        if not self.whole and len(self.text) < position + AHEAD:
            raise NeedMore
        ahead = self.text[position : position + AHEAD]
        for reading in readings(ahead, record, self.dialect, ill_formed, None):
            if reading.end > len(record) and self._one_record(position, reading.end):
                return reading
        return None

    def _one_record(self, position: int, length: int) -> bool:
        """Whether a stretch over several lines may be one record: none of its further lines is a row by itself."""
        if length >= AHEAD:
            return False
        lines = self.text[position : position + length].split(self.dialect.newline)
        return len(lines) <= SWALLOWED and not any(self._is_row(line) for line in lines[1:])

    def _is_row(self, line: str) -> bool:
        found = cut(line, 0, self.dialect.grammar, newline=self.dialect.newline)
        return found is not None and len(found[0]) == self.width

    def _lone_newlines(self, record: str) -> list[str] | None:
        """The records in a line, where some end with the other newline sign and each fits."""
        other = {"\n": "\r", "\r": "\n"}.get(self.dialect.newline, "\n")
        if other not in record:
            return None
        parts = record.split(other)
        return parts if all(not part or self._is_row(part) for part in parts) else None

    def _split_line(self, parts: list[str], position: int, after: int) -> int:
        other = {"\n": "\r", "\r": "\n"}.get(self.dialect.newline, "\n")
        for number, part in enumerate(parts):
            end = after if number == len(parts) - 1 else position + len(part) + len(other)
            found = cut(part, 0, self.dialect.grammar, newline=self.dialect.newline)
            if part and found:
                self._take(found[0], position, end, (_OTHER_NEWLINE,) if number < len(parts) - 1 else ())
            else:
                self._skip("blank-line", "a blank line", "", end)
            position = end
        return after

    def _deliver(self, record: str, position: int, after: int, cells: Cells | None, end: int) -> int:
        """No reading fits: what can be read goes into the columns from the left, and the row is told."""
        fault: Fault | None = None
        if cells is None or (end > after and not self._one_record(position, end - position)):
            found = cut(record, 0, self.dialect.grammar, loose=True)
            cells, end = (found[0], after) if found and found[1] == len(record) else (None, after)
        if cells is None:
            cells = _literal(record, self.dialect.grammar)
            place = record.find(self.dialect.quote) + 1
            fault = Fault(None, 0, "unclosed-quote", f"the quote at character {place} is not closed")
        faults: tuple[Fault, ...] = (fault,) if fault else ()
        if (fewer := without_surplus(cells, self.dialect)) is not None:
            faults += (
                Fault(None, 0, "surplus-delimiter", "there is a delimiter too many: read without it", severity="warning"),
            )
            cells = fewer
        if len(cells) < self.width:
            empty = self.width - len(cells)
            last = "the last is empty" if empty == 1 else f"the last {empty} are empty"
            message = f"the row has {len(cells)} of {self.width} cells: {last}"
            faults += (Fault(None, 0, "missing-cells", message),)
            cells = cells + [None] * (self.width - len(cells))
        elif len(cells) > self.width:
            extra = cells[self.width :]
            message = f"the row has {len(cells)} cells in place of {self.width}"
            if all(cell is None for cell in extra):
                faults += (Fault(None, 0, "trailing-delimiter", f"{message}; the last are empty", severity="warning"),)
            else:
                left = ", ".join(repr(cell or "") for cell in extra[:20])
                faults += (Fault(None, 0, "extra-cells", f"{message}; left over: {left}"),)
            cells = cells[: self.width]
        return self._take(cells, position, end, faults)


_OTHER_TABLE = "another table with {} columns starts here: it is not read"
_NAMES = Fault(
    None,
    0,
    "names-in-a-row",
    "texts stand here where numbers should: if another table begins here, cut the file",
    severity="warning",
)
_OTHER_NEWLINE = Fault(None, 0, "other-newline", "the row ends with another newline", severity="warning")


def _literal(record: str, grammar: Grammar) -> Cells:
    return [cell or None for cell in record.split(grammar.delimiter)]


def _special(dialect: Dialect):  # type: ignore[no-untyped-def]
    """A quick test whether a line holds a sign that must be looked at."""
    import re

    signs = {dialect.quote, dialect.escape, "\r", "\n", "\x00"} - {"", dialect.newline}
    start = f"^{re.escape(dialect.comment)}|" if dialect.comment else ""
    return re.compile(start + "|".join(re.escape(sign) for sign in signs) + "|[\udc80-\udcff]").search


def _count_lines(raw: str, newline: str, last: bool) -> int:
    if newline in "\r\n":
        count = raw.count("\n") + raw.count("\r") - raw.count("\r\n") if newline == "\r" else raw.count("\n")
        return count
    return raw.count(newline)


def _has_stray_bytes(text: str) -> bool:
    return not text.isascii() and any("\udc80" <= char <= "\udcff" for char in text)


def _as_western(text: str) -> str:
    """Bytes that are not UTF-8, read as Windows-1252."""
    if not _has_stray_bytes(text):
        return text
    return "".join(_western(char) if "\udc80" <= char <= "\udcff" else char for char in text)


def _western(char: str) -> str:
    octet = bytes([ord(char) - 0xDC00])
    try:
        return octet.decode("cp1252")
    except UnicodeDecodeError:
        return octet.decode("latin-1")
