"""XML element by element: names and texts as they are written, nothing that a document declares is expanded.

An element's value: its text, null where it is empty or `xsi:nil`; with attributes or children a mapping of ``@attribute`` and
child names, ``#text`` for words among them, a list where a child stands more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

DEEPEST = 200  # elements within each other

Value = str | None | dict[str, Any]


class NotXml(ValueError):
    """What is wrong, and where: line and column from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"{message}, in line {line}, column {column}")
        self.message, self.line, self.column = message, line, column


@dataclass(frozen=True)
class Element:
    """An element that was asked for."""

    name: str
    value: Value
    line: int
    offset: int  # bytes of the text before it


@dataclass(slots=True)
class _Open:
    """An element whose end has not come."""

    name: str
    made: dict[str, Any]
    words: list[str] = field(default_factory=list)

    def value(self) -> Value:
        text = "".join(self.words)
        if not self.made:
            return text or None
        if self.made.get("@xsi:nil") in ("true", "1"):
            return None
        return {**self.made, "#text": text} if text.strip() else self.made

    def add(self, name: str, value: Value) -> None:
        known = self.made.get(name)
        if name not in self.made:
            self.made[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            self.made[name] = [known, value]


class Elements:
    """Gives the elements at a path of names, as bytes in UTF-8 come; no names: the root.

    ``again``: the line and offset of an element at the path, with which the bytes begin that will be fed.
    """

    def __init__(self, path: Sequence[str], again: tuple[int, int] | None = None) -> None:
        self.path = list(path)
        self.beside: dict[str, int] = {}  # what stands outside of the elements asked for, and its first line
        self.reached = again is not None  # whether there was a place where such elements could stand
        self._at: list[str] = []
        self._open: list[_Open] = []
        self._place = (1, 0)  # line and offset of the element at hand
        self._found: list[Element] = []
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler, parser.SkippedEntityHandler = self._declared, self._unknown
        parents = "".join(f"<{name}>" for name in path[:-1]).encode() if again else b""
        line, offset = again or (1, 0)
        self._line, self._offset, self._shift = line - 1, offset - len(parents), len(parents)
        self.feed(parents)

    def feed(self, data: bytes, last: bool = False) -> list[Element]:
        """The elements that end in these bytes. NotXml."""
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise self._not_xml(expat.ErrorString(error.code), error.lineno, error.offset) from error
        found, self._found = self._found, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open:
            self._at.append(name)
            self._place = self._parser.CurrentLineNumber + self._line, self._parser.CurrentByteIndex + self._offset
            if not (self._at == self.path if self.path else len(self._at) == 1):
                self._pass(attributes)
                return
        elif len(self._at) + len(self._open) > DEEPEST:
            raise self._refused("elements are nested too deeply")
        self._open.append(_Open(name, {f"@{key}": value for key, value in attributes.items()} if attributes else {}))

    def _pass(self, attributes: dict[str, str]) -> None:
        """An element that is not asked for: on the way to some, or beside them."""
        depth, place, line = len(self._at), ".".join(self._at), self._place[0]
        if self._at == self.path[:depth]:
            self.reached = self.reached or depth == len(self.path) - 1
            for name in attributes:
                if not name.startswith("xmlns"):
                    self.beside.setdefault(f"{place}.@{name}", line)
        elif self._at[:-1] == self.path[: depth - 1]:
            self.beside.setdefault(place, line)

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].words.append(text)
        elif self._at == self.path[: len(self._at)] and text.strip():
            self.beside.setdefault(".".join([*self._at, "#text"]), self._parser.CurrentLineNumber + self._line)

    def _end(self, name: str) -> None:
        if not self._open:
            self._at.pop()
            return
        ended = self._open.pop()
        if self._open:
            self._open[-1].add(name, ended.value())
        else:
            self._at.pop()
            self._found.append(Element(ended.name, ended.value(), *self._place))

    def _declared(self, name: str, *_: object) -> None:
        raise self._refused(f"it declares the entity {name}: entities are not expanded")

    def _unknown(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            raise self._refused(f"the entity {name} is not defined in it")

    def _refused(self, message: str) -> NotXml:
        return self._not_xml(message, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber)

    def _not_xml(self, message: str, line: int, column: int) -> NotXml:
        return NotXml(message, line + self._line, column + 1 - (self._shift if line == 1 else 0))


def document(text: str) -> dict[str, Value]:
    """A whole document: the root's name and value. NotXml."""
    (root,) = Elements(()).feed(text.encode(), True)
    return {root.name: root.value}
