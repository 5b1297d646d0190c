"""The rows read so far, one by one, the lines they start at, and what is to be told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.grammar import Cells

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Remark:
    """What is to be told of a row."""

    code: str
    message: str
    severity: Severity = "error"


_NUL = Remark("nul-character", "the row holds NUL characters")
_NOT_UTF8 = Remark("invalid-utf8", "the row holds bytes that are not UTF-8, read as Windows-1252")
_BEYOND = Remark("extra-cells", "there is text beyond the last column")


@dataclass
class Parsed:
    """Records read: their cells, lines and faults; where the next one starts."""

    rows: list[Cells] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    end: int = 0  # characters taken
    line: int = 1  # the line there
    ended: bool = False

    def plain(self, cells: Cells) -> None:
        """Take a row of one line of which nothing is to be told."""
        self.rows.append(cells)
        self.lines.append(self.line)
        self.line += 1

    def take(self, cells: Cells, raw: str, dialect: Dialect, remarks: Sequence[Remark] = ()) -> None:
        """Take a row that is written so, its newline included."""
        told = [*remarks]
        if "\x00" in raw:
            told.append(_NUL)
        if _has_stray_bytes(raw):
            cells = [cell if cell is None else _as_western(cell) for cell in cells]
            told.append(_NOT_UTF8)
        if any(cell is not None for cell in cells[len(dialect.columns) :]):
            told.append(_BEYOND)
        written = _as_western(raw) if told else raw
        self.faults += [Fault(len(self.rows), self.line, t.code, t.message, raw=written, severity=t.severity) for t in told]
        self.rows.append(cells)
        self.lines.append(self.line)
        self.line += newlines(raw, dialect.newline)

    def skip(self, code: str, what: str, raw: str) -> None:
        """Leave out a line."""
        self.faults.append(Fault(None, self.line, code, f"{what}: skipped", raw=raw, severity="warning"))
        self.line += 1

    def skip_blank(self, count: int) -> None:
        """Leave out so many blank lines."""
        last = self.line + count - 1
        what = f"blank lines {self.line} to {last} were" if count > 1 else "a blank line was"
        self.faults.append(Fault(None, self.line, "blank-line", f"{what} skipped", severity="warning"))
        self.line += count

    def end_here(self, code: str, message: str, raw: str) -> None:
        """The table ends; ``raw`` is what follows it, or its beginning."""
        self.faults.append(Fault(None, self.line, code, message, raw=raw, severity="warning"))
        self.ended = True


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


def newlines(raw: str, newline: str) -> int:
    """The lines that a text ends."""
    count = raw.count(newline)
    return count + raw.count("\n") - raw.count("\r\n") if newline == "\r" else count
