"""From a character of a value back to the line and column where it is written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from qpipe.spec.nodes import Node


@dataclass(frozen=True)
class Span:
    """From where to where something is written. Lines and columns count from 1; a column counts characters."""

    line: int
    column: int
    end_line: int
    end_column: int  # of the character after the last


class Lines:
    """Offsets of a text as lines and columns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0]
        position = text.find("\n")
        while position >= 0:
            self._starts.append(position + 1)
            position = text.find("\n", position + 1)

    def place(self, offset: int) -> tuple[int, int]:
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        return Span(*self.place(start), *self.place(max(start, end)))

    def line(self, number: int) -> str:
        if not 1 <= number <= len(self._starts):
            return ""
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end]


def offset_in_text(node: Node, text: str, offset: int) -> int:
    """Where the ``offset``-th character of a scalar's value is written in the text.

    Folding and indentation change only white space, so the other characters are counted off on both sides.
    """
    if not node.style and text.startswith(node.value, node.start):
        return node.start + min(offset, len(node.value))
    wanted = sum(not c.isspace() for c in node.value[:offset])
    behind = offset > 0 and (offset >= len(node.value) or node.value[offset].isspace())
    position = node.start
    for count, (_, start, end) in enumerate(_written(node, text)):
        if behind and count == wanted - 1:
            return end
        if not behind and count == wanted:
            return start
        position = end
    return position


def _written(node: Node, text: str) -> Iterator[tuple[str, int, int]]:
    """The characters of a scalar as written that are not white space: (character, start, end)."""
    position, end = _body(node, text)
    while position < end:
        sign, length = text[position], 1
        if node.style == "'" and text.startswith("''", position):
            length = 2
        elif node.style == '"' and sign == "\\":
            sign, length = _escape(text, position)
        if not sign.isspace():
            yield sign, position, position + length
        position += length


_WHITE_ESCAPES = "tnrN_LPev0ab \t\n"


def _escape(text: str, position: int) -> tuple[str, int]:
    kind = text[position + 1 : position + 2]
    digits = {"x": 2, "u": 4, "U": 8}.get(kind)
    if digits:
        try:
            return chr(int(text[position + 2 : position + 2 + digits], 16)), 2 + digits
        except (ValueError, OverflowError):
            return kind, 2 + digits
    return (" " if kind in _WHITE_ESCAPES and kind not in "e0ab" else kind or " "), 2


def _body(node: Node, text: str) -> tuple[int, int]:
    """Where a scalar's characters begin and end, without quotes, block headers, anchors and tags."""
    start = node.start
    if node.style in ("|", ">"):
        line = text.find("\n", start)
        return (line + 1 if line >= 0 else node.end), node.end
    while text[start : start + 1] in ("&", "!") and start < node.end:  # anchors and tags stand before the value
        space = min((i for i in (text.find(" ", start), text.find("\n", start)) if i >= 0), default=node.end)
        start = space
        while start < node.end and text[start].isspace():
            start += 1
    if node.style:
        return start + 1, node.end - 1
    return start, node.end
