"""Lines that are quoted as a whole, as some programs export them: ``"1,""Bob, jr."",3"`` is the line ``1,"Bob, jr.",3``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable

_WRAPPED = re.compile(rb'^"((?:[^"\r\n]|"")*)"(?=\r?$)', re.MULTILINE)
_LINE = re.compile(r'"(?:[^"]|"")*"')
_LEAST, _MOST = 3, 500  # lines: enough to tell, and looked at


def are_wrapped(text: str, delimiters: Iterable[str], *, whole: bool) -> bool:
    """Whether each line of a beginning, but perhaps the header, is one quoted cell that holds the same number of cells."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    lines = lines if whole else lines[:-1]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) < _LEAST or not all(map(_LINE.fullmatch, lines[1:_MOST])):
        return False
    bare = [unwrapped(line.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape") for line in lines[:_MOST]]
    return any(_same_width(bare, delimiter) for delimiter in delimiters)


def unwrapped(lines: bytes) -> bytes:
    """Whole lines without the quotes around them."""
    return _WRAPPED.sub(lambda found: found[1].replace(b'""', b'"'), lines)


def _same_width(lines: list[str], delimiter: str) -> bool:
    widths = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
    return len(widths) == 1 and widths.pop() > 1
