"""JSON: an array of rows, rows one after the other, or a document with rows at ``records``. Read value by value.

Memory is bounded by the largest value. A document is JSON as a whole or it is refused, with line and column: what follows
a mistake cannot be told from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.sources.file.json_values import TRAILING, NotJson, keys_of, rows_of, string_end, value_end
from qpipe.sources.file.lines import open_text

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked
    from qpipe.sources.file.text.encoding import Utf8Stream

columnar = False
STEP = 4 << 20  # bytes
MOST = 64 << 20  # bytes of values in one chunk
HEAD = 16 << 20  # bytes whose keys become columns
_known: dict[tuple[object, ...], tuple[list[str], bool]] = {}


def columns(asked: Asked) -> dict[str, pl.DataType]:
    return {name: pl.String() for name in _columns(asked)}


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    names = _columns(asked)
    severity = "info" if asked.options.on_new_column == "accept" else "warning"
    document = _Document(asked, position)
    try:
        for values, lines in document.some(rows):
            frame, faults = rows_of(pl.Series("value", values, pl.String), names, lines.__getitem__, severity)
            frame = frame if columns is None else frame.select(columns)
            yield Chunk(frame, document.position(), None, pl.Series("line", lines, pl.Int64), (*document.told(), *faults))
    finally:
        document.stream.close()


def size(asked: Asked) -> int | None:
    return None


def _columns(asked: Asked) -> list[str]:
    file, options = asked.input, asked.options
    mark = (file.name, file.size, file.modified, options.encoding, options.records)
    if mark not in _known:
        _known[mark] = _keys(asked)
    return asked.names(*_known[mark])


def _keys(asked: Asked) -> tuple[list[str], bool]:
    document = _Document(asked, None)
    found: dict[str, None] = {}
    try:
        for values, _ in document.some(10_000):
            found |= dict.fromkeys(keys_of(values))
            if document.offset >= HEAD:
                return list(found), False
    finally:
        document.stream.close()
    return list(found), True


@dataclass
class _Document:
    """Walks through a text from value to value. ``inside``: whether the list of rows has begun."""

    asked: Asked
    start: Json | None
    text: str = ""
    at: int = 0  # in the text
    offset: int = 0  # bytes before ``at``
    line: int = 1
    column: int = 1
    inside: bool = False
    listed: bool = False  # rows stand in an array
    rows: int = 0  # that were read
    ended: bool = False  # the stream has no more
    done: bool = False
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream: Utf8Stream = open_text(self.asked)
        self.path = [part for part in (self.asked.options.records or "").removeprefix("$.").split(".") if part]
        self.rest = b""
        self.faults += () if self.start else self.stream.encoding.told(mark=False)
        if self.start:
            self.offset, self.line, self.column = (self.start[k] for k in ("offset", "line", "column"))
            self.inside, self.listed, self.rows = (self.start[k] for k in ("inside", "listed", "rows"))
            self.done = self.start["done"]
            self.stream.skip(self.offset)

    def position(self) -> Json:
        names = ("offset", "line", "column", "inside", "listed", "rows", "done")
        return {name: getattr(self, name) for name in names}

    def told(self) -> tuple[Fault, ...]:
        told, self.faults = tuple(self.faults), []
        return told

    def some(self, most: int) -> Iterator[tuple[list[str], list[int]]]:
        """Values and their lines, at most so many at a time; at least one list, perhaps empty, for a file."""
        values: list[str] = []
        lines: list[int] = []
        size, fresh = 0, self.start is None
        while not self.done:
            if (value := self._next()) is not None:
                values.append(value[0])
                lines.append(value[1])
                size += len(value[0])
            if len(values) >= most or size > MOST or self.done:
                if values or (self.done and (fresh or self.faults)):
                    yield values, lines
                values, lines, size, fresh = [], [], 0, False

    def _next(self) -> tuple[str, int] | None:
        """The next row's text and line; None once there is none."""
        if not self.inside:
            self._enter()
            self.inside = True
            if self.listed and self._sign() == "]":
                self._advance(1)
                return self._close()
            return self._row()
        sign = self._sign()
        if self.listed:
            if sign == "]":
                self._advance(1)
                return self._close()
            self._expect(",", "expecting ',' or ']'")
            if self._sign() == "]":
                raise self._refused(TRAILING)
            return self._row()
        if self.path or sign == "":
            return self._close()
        if sign != "{":
            raise self._refused("text after the end")
        return self._row()  # rows one after the other

    def _enter(self) -> None:
        """To where the rows begin."""
        if self._sign() == "":
            raise self._refused("the file is empty")
        for key in self.path:
            self._expect("{", f"no object: {'.'.join(self.path)} leads nowhere")
            while True:
                if self._sign() == "}":
                    raise self._refused(f"there is no key {key!r}", hint="look at records")
                if self._key() == key:
                    break
                self._take()
                if self._sign() == ",":
                    self._advance(1)
        self.listed = self._sign() == "["
        if self.listed:
            self._advance(1)
        elif self.path and self._sign() != "{":
            raise self._refused(f"{self.asked.options.records} is no list", hint="look at records")

    def _close(self) -> tuple[str, int] | None:
        """After the rows: what is still open is closed, and then nothing comes."""
        for _ in self.path:
            while (sign := self._sign()) != "}":
                if sign != ",":
                    raise self._refused("expecting ',' or '}'")
                self._advance(1)
                self._key()
                self._take()
            self._advance(1)
        if self._sign() != "":
            raise self._refused("text after the end")
        if self.stream.torn:
            raise self._refused(f"the file is cut off: {self.stream.torn}")
        if self.rows == 1 and not self.listed and not self.path:
            said = "the file is one object, read as one row: to read a list in it, say where: records"
            self.faults.append(Fault(None, 1, "one-object", said, severity="info"))
        self.done = True
        return None

    def _row(self) -> tuple[str, int]:
        self._sign()
        line = self.line
        self.rows += 1
        return self._take(), line

    def _key(self) -> str:
        if self._sign() == ",":
            self._advance(1)
        if self._sign() != '"':
            raise self._refused("expecting a key in double quotes")
        import json

        text = self._take(string=True)
        self._expect(":", "expecting ':'")
        return str(json.loads(text))

    def _expect(self, sign: str, message: str) -> None:
        if self._sign() != sign:
            raise self._refused(message)
        self._advance(1)

    def _sign(self) -> str:
        """The next sign that is no space; empty at the end."""
        while True:
            end = self.at
            while end < len(self.text) and self.text[end] in " \t\n\r":
                end += 1
            self._advance(end - self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def _take(self, *, string: bool = False) -> str:
        """The next value as it stands."""
        if self._sign() == "":
            raise self._refused("the file ends before the document does")
        while True:
            try:
                end = (string_end if string else value_end)(self.text, self.at)
                if end < len(self.text) or self.ended or self.text[end - 1] in '"}]':
                    break  # else a number may go on
            except NotJson as error:
                if not self._may_go_on(error):
                    self._advance(max(0, error.at - self.at))
                    raise self._refused(error.message) from error
            if not self._more() and not self.ended:
                continue
        value = self.text[self.at : end]
        self._advance(end - self.at)
        return value

    def _may_go_on(self, error: NotJson) -> bool:
        """Whether the mistake may only be that the text is not all there yet."""
        return not self.ended and (error.at > len(self.text) - 16 or error.message.startswith("unterminated"))

    def _more(self) -> bool:
        """Read on; what was taken is forgotten. False at the end."""
        if self.ended:
            return False
        data = self.rest + self.stream.read(max(STEP, len(self.text) - self.at))
        self.ended = len(data) - len(self.rest) < STEP
        try:
            text = data.decode()
            self.rest = b""
        except UnicodeDecodeError as error:
            if self.ended or error.start < len(data) - 4:
                self.text, self.at = self.text[self.at :] + data[: error.start].decode(), 0
                self._advance(len(self.text))
                raise self._refused("a byte that is no UTF-8", hint="say the encoding") from error
            text, self.rest = data[: error.start].decode(), data[error.start :]
        self.text, self.at = self.text[self.at :] + text, 0
        return bool(text) or not self.ended

    def _advance(self, signs: int) -> None:
        if not signs:
            return
        passed = self.text[self.at : self.at + signs]
        self.offset += len(passed) if passed.isascii() else len(passed.encode())
        if breaks := passed.count("\n"):
            self.line += breaks
            self.column = len(passed) - passed.rfind("\n")
        else:
            self.column += signs
        self.at += signs

    def _refused(self, message: str, hint: str = "") -> DataRefused:
        hint = hint or "mend the file; where single rows may be broken, NDJSON is the better format"
        return DataRefused(f"not JSON: {message}", file=self.asked.name, line=self.line, column=self.column, hint=hint)
