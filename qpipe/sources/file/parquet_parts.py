"""A Parquet file of a store, of which only some columns are fetched.

The file here has its whole length and holes where nothing was fetched; its footer says where the pages of a column stand, so
that a reader of these columns never looks into a hole. What was fetched is written down: a resumed run goes on with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from qpipe.sources.file.inputs import Input
from qpipe.sources.file.parquet_footer import read_footer

_TAIL = 1 << 16  # bytes at the end that hold the footer of most files
_GAP = 1 << 18  # holes that are smaller are fetched, too: a request costs more
_AT_ONCE = 1 << 26  # bytes held while they are fetched
_LONGEST = 1 << 23  # bytes of one request


def fetched(given: Input, target: Path, columns: Sequence[str] | None) -> Path:
    """The file with at least these columns; None: all of them, no columns: the footer."""
    assert given.fetch and given.size
    if not target.exists():
        _begin(given, target, given.size)
    told = target.with_name(target.name + ".json")
    there = set(json.loads(told.read_text())) if told.exists() else set()
    footer = read_footer(target)
    wanted = {leaf.path for leaf in footer.leaves if columns is None or any(_belongs(leaf.path, c) for c in columns)} - there
    places = [chunk for group in footer.groups for leaf, chunk in zip(footer.leaves, group.columns, strict=True)
              if leaf.path in wanted]  # fmt: skip
    with target.open("r+b") as file:
        for some in _together(_merged(sorted((place.start, place.start + place.bytes) for place in places))):
            for (start, _), data in zip(some, given.fetch(some), strict=True):
                file.seek(start)
                file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if wanted:
        told.write_text(json.dumps(sorted(there | wanted)))
    return target


def belongs(leaf: str, columns: Sequence[str]) -> bool:
    """Whether a leaf is one of these columns, or inside of one."""
    return any(_belongs(leaf, column) for column in columns)


def _belongs(leaf: str, column: str) -> bool:
    return leaf == column or leaf.startswith(column + ".")


def _begin(given: Input, target: Path, size: int) -> None:
    """A file of the whole length with its beginning and its footer."""
    assert given.fetch
    first = given.head(4)
    (tail,) = given.fetch([(max(0, size - _TAIL), size)])
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if len(tail) < length < size and tail.endswith(b"PAR1"):
        (tail,) = given.fetch([(size - length, size)])
    partial = target.with_name(target.name + ".tmp")
    with partial.open("wb") as file:
        file.truncate(size)
        file.write(first)
        file.seek(size - len(tail))
        file.write(tail)
    partial.replace(target)


def _merged(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Neighbours in one piece, none too long."""
    start = end = -1
    for begin, stop in places:
        if start >= 0 and begin - end <= _GAP:
            end = max(end, stop)
            continue
        yield from _cut(start, end)
        start, end = begin, stop
    yield from _cut(start, end)


def _cut(start: int, end: int) -> Iterator[tuple[int, int]]:
    return ((at, min(at + _LONGEST, end)) for at in range(start, end, _LONGEST))


def _together(pieces: Iterator[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    some: list[tuple[int, int]] = []
    for piece in pieces:
        some.append(piece)
        if sum(end - start for start, end in some) >= _AT_ONCE:
            yield some
            some = []
    if some:
        yield some
