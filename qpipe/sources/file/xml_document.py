"""XML: the elements at ``records`` are rows, read one by one; unset, those that repeat.

A row's columns are its children and ``@attributes``; what is nested is JSON text. Memory is bounded by the largest row. A
document is XML as a whole or it is refused, with line and column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.core.xml_elements import Element, Elements, NotXml
from qpipe.sources.file.json_values import keys_of, rows_of
from qpipe.sources.file.lines import open_text

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked

columnar = False
STEP = 1 << 20  # bytes
HEAD = 4 << 20  # bytes whose elements tell which are rows, and their columns
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_DECLARED = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def columns(asked: Asked) -> dict[str, pl.DataType]:
    look = _look(asked)
    return {name: pl.String() for name in asked.names(look.names, look.whole)}


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    look = _look(asked)
    names = asked.names(look.names, look.whole)
    severity = "info" if asked.options.on_new_column == "accept" else "warning"
    told = set((position or {}).get("told", ()))
    for elements, beside in _some(asked, look.path, position, rows):
        lines = [element.line for element in elements]
        frame, faults = rows_of(pl.Series("value", map(_json, elements), pl.String), names, lines.__getitem__, severity)
        left = {place: line for place, line in beside.items() if place not in told}
        told |= beside.keys()
        faults = (*_left_out(left, look.path), *faults)
        last = elements[-1] if elements else None
        after = {"line": last.line, "offset": last.offset, "told": sorted(told)} if last else position or {}
        made = frame if columns is None else frame.select(columns)
        yield Chunk(made, after, None, pl.Series("line", lines, pl.Int64), faults)


def size(asked: Asked) -> int | None:
    return None


def _some(
    asked: Asked, path: Sequence[str], position: Json | None, most: int
) -> Iterator[tuple[list[Element], dict[str, int]]]:
    """Rows, at most so many at a time, and what was seen beside them so far; at least one list, perhaps empty, for a file.

    A position is that of the last row: it is read once more, and left out.
    """
    again = (position["line"], position["offset"]) if position else None
    elements, found, skip, fresh = Elements(path, again), list[Element](), 1 if again else 0, again is None
    for data, ended in _pieces(asked, again[1] if again else 0):
        try:
            found += elements.feed(data, ended)
        except NotXml as error:
            raise _refused(asked, error) from error
        if len(path) == 1 and found and found[0].value is None:  # an empty document
            found = []
        found, skip = found[skip:], max(0, skip - len(found))
        while len(found) >= most or (ended and (found or fresh)):
            yield found[:most], elements.beside
            found, fresh = found[most:], False
    if not elements.reached and len(path) > 1:
        raise DataRefused(f"there is no element {'.'.join(path[:-1])}", file=asked.name, hint="look at records")


def _pieces(asked: Asked, offset: int) -> Iterator[tuple[bytes, bool]]:
    """The document as UTF-8, from a byte on, and whether that was all."""
    stream = open_text(replace(asked, options=replace(asked.options, encoding=_encoding(asked))))
    try:
        stream.skip(offset)
        ended = False
        while not ended:
            data = stream.read(STEP)
            ended = len(data) < STEP
            if ended and stream.torn:
                raise DataRefused(f"the file is cut off: {stream.torn}", file=asked.name, hint="take the original")
            yield data, ended
    finally:
        stream.close()


def _encoding(asked: Asked) -> str | None:
    """As it is given, or as the document declares it; None: as it looks."""
    stream = asked.bytes()
    try:
        declared = _DECLARED.match(stream.read(200).removeprefix(b"\xef\xbb\xbf").lstrip())
    finally:
        stream.close()
    return asked.options.encoding or (declared[1].decode() if declared else None)


def _json(element: Element) -> str:
    return _ENCODER.encode(element.value)


def _left_out(places: Mapping[str, int], rows: Sequence[str]) -> Iterator[Fault]:
    """What is no part of a row is told once."""
    if places:
        said = f"{', '.join(places)}: beside the rows, which are the elements {'.'.join(rows)}; left out"
        yield Fault(None, min(places.values()), "left-out", said, severity="info")


def _refused(asked: Asked, error: NotXml) -> DataRefused:
    hint = "mend the file" if "entit" not in error.message else "write the signs themselves"
    return DataRefused(f"not XML: {error.message}", file=asked.name, line=error.line, column=error.column, hint=hint)


# ── which elements are rows ──


@dataclass(frozen=True)
class _Look:
    """What the head of a file tells."""

    path: tuple[str, ...]
    names: tuple[str, ...]
    whole: bool  # the head is all there is


_known: dict[tuple[object, ...], _Look] = {}


def _look(asked: Asked) -> _Look:
    file, options = asked.input, asked.options
    mark = (file.name, file.size, file.modified, options.encoding, options.records)
    if mark not in _known:
        path = tuple(re.split(r"[./]", options.records.removeprefix("$").strip("./"))) if options.records else _repeating(asked)
        found: dict[str, None] = {}
        seen = 0
        for elements, _ in _some(asked, path, None, 10_000):
            found |= dict.fromkeys(keys_of(map(_json, elements)))
            seen = elements[-1].offset if elements else 0
            if seen >= HEAD:
                break
        _known[mark] = _Look(path, tuple(found), seen < HEAD)
    return _known[mark]


@dataclass
class _Shape:
    """Elements of one name at one place."""

    children: dict[str, _Shape] = field(default_factory=dict)
    repeats: bool = False  # more than one in the same parent
    has_parts: bool = False  # attributes or children


def _repeating(asked: Asked) -> tuple[str, ...]:
    """The path of the elements that repeat, from the root down; of the root itself where none do."""
    ((root, here),) = _shape(asked).children.items()
    path = [root]
    while True:
        found = [name for name, child in here.children.items() if child.repeats and child.has_parts]
        if len(found) > 1:
            places = [".".join([*path, name]) for name in found]
            raise DataRefused(f"the elements {' and '.join(places)} repeat: which are the rows?", file=asked.name,
                              hint=f"say records: {places[0]}")  # fmt: skip
        if not found and len(here.children) == 1:
            ((name, child),) = here.children.items()
            found = [name] if child.has_parts or child.repeats else []
        if not found:
            return tuple(path)
        path.append(found[0])
        here = here.children[found[0]]
        if here.repeats:
            return tuple(path)


def _shape(asked: Asked) -> _Shape:
    from xml.parsers import expat

    parser = expat.ParserCreate("utf-8")
    top = _Shape()
    stack: list[tuple[_Shape, set[str]]] = [(top, set())]

    def start(name: str, attributes: dict[str, str]) -> None:
        parent, names = stack[-1]
        child = parent.children.setdefault(name, _Shape())
        parent.has_parts = True
        child.repeats = child.repeats or name in names
        child.has_parts = child.has_parts or bool(attributes)
        names.add(name)
        stack.append((child, set()))

    def end(name: str) -> None:
        stack.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    seen = 0
    for data, ended in _pieces(asked, 0):
        try:
            parser.Parse(data, ended)
        except expat.ExpatError as error:
            raise _refused(asked, NotXml(expat.ErrorString(error.code), error.lineno, error.offset + 1)) from error
        seen += len(data)
        if seen >= HEAD:
            break
    return top
