"""NDJSON: a value on each line. A broken line is a row without cells and a fault; the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.lazy import pl
from qpipe.sources.file.json_values import VALUE, keys_of, rows_of
from qpipe.sources.file.lines import Block, blocks

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked

columnar = False
HEAD = 16 << 20  # bytes whose keys become columns; a key that first comes later is told of its row


def columns(asked: Asked) -> dict[str, pl.DataType]:
    return {name: pl.String() for name in _columns(asked)}


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    names = _columns(asked)
    severity = "info" if asked.options.on_new_column == "accept" else "warning"
    for block in blocks(asked, position, rows):
        kept = block.texts.str.strip_chars(" \t\r") != ""
        numbers = pl.int_range(block.texts.len(), eager=True).filter(kept) + block.line
        frame, faults = rows_of(block.texts.filter(kept), names, lambda row, at=numbers: int(at[row]), severity)  # type: ignore[misc]
        frame = frame if columns is None else frame.select(columns)
        lines = None if kept.all() else numbers
        if frame.height or block.is_last or block.told:
            yield Chunk(frame, block.position, block.line, lines, (*block.told, *faults, *_torn(block)))


def size(asked: Asked) -> int | None:
    return None


def _columns(asked: Asked) -> list[str]:
    """The keys of the file's head; past it, those of the contract, too."""
    file, encoding = asked.input, asked.options.encoding
    mark = (file.name, file.size, file.modified, encoding)
    if mark not in _known:
        _known[mark] = _keys(asked)
    return asked.names(*_known[mark])


_known: dict[tuple[object, ...], tuple[list[str], bool]] = {}  # of this process: a file's keys are looked for once


def _keys(asked: Asked) -> tuple[list[str], bool]:
    found: dict[str, None] = {}
    seen = 0
    for block in blocks(asked, None, 50_000):
        found |= dict.fromkeys(keys_of([text for text in block.texts.to_list() if text.strip(" \t\r")]))
        seen += block.size
        if seen >= HEAD:
            return _of_objects(found), False
    return _of_objects(found), True


def _of_objects(found: dict[str, None]) -> list[str]:
    """A single line that is no object is a fault of that line, and makes no column."""
    return [key for key in found if key != VALUE] or list(found)


def _torn(block: Block) -> tuple[Fault, ...]:
    if not block.torn:
        return ()
    return (Fault(None, block.line + block.texts.len(), "truncated", f"the file is cut off: {block.torn}", severity="error"),)
