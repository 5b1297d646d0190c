"""A Parquet file of a store, of which only some columns are fetched.

The file here has its whole length and holes where nothing was fetched; its footer says where the pages of a column stand, so
that a reader of these columns never looks into a hole. What was fetched is written down: a resumed run goes on with it.
"""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from qpipe.sources.file.input import Input
from qpipe.sources.file.parquet_footer import Footer, RowGroup, read_footer

_TAIL = 1 << 16  # bytes at the end that hold the footer of most files
_GAP = 1 << 18  # holes that are smaller are fetched, too: a request costs more
_AT_ONCE = 1 << 26  # bytes held while they are fetched
_LONGEST = 1 << 23  # bytes of one request
_PORTION = 1 << 25  # bytes that are fetched before they are read, while the next ones are on their way


def fetched(given: Input, target: Path, columns: Sequence[str] | None, groups: range | None = None) -> Path:
    """The file with at least these columns of these row groups; None: all of them, no columns: the footer."""
    with _alone(target):
        if not target.exists():
            _begin(given, target)
        footer = read_footer(target)
        _complete(given, target, footer, columns, range(len(footer.groups)) if groups is None else groups)
    return target


def portions(footer: Footer, columns: Sequence[str] | None, row: int) -> list[range]:
    """Row groups from that of a row on, so many together as are worth fetching before the next ones."""
    found, size, first, rows = [], 0, None, 0
    for number, group in enumerate(footer.groups):
        rows += group.rows
        if first is None and rows <= row:
            continue
        first = number if first is None else first
        size += sum(end - start for start, end in _places(footer, group, columns).values())
        if size >= _PORTION:
            found.append(range(first, number + 1))
            size, first, row = 0, None, rows
    return found if first is None else [*found, range(first, len(footer.groups))]


@functools.cache
def _alone(target: Path) -> threading.Lock:
    return threading.Lock()


def _places(footer: Footer, group: RowGroup, columns: Sequence[str] | None) -> dict[str, tuple[int, int]]:
    """Where the columns of a row group stand."""
    pairs = zip(footer.leaves, group.columns, strict=True)
    return {leaf.path: (pages.start, pages.start + pages.bytes) for leaf, pages in pairs
            if columns is None or belongs(leaf.path, columns)}  # fmt: skip


def _complete(given: Input, target: Path, footer: Footer, columns: Sequence[str] | None, groups: range) -> None:
    """Fetch what is not there yet, and write down that it is."""
    assert given.fetch
    told = target.with_name(target.name + ".json")
    there = set(json.loads(told.read_text())) if told.exists() else set()
    wanted = {f"{number}:{leaf}": place for number in groups
              for leaf, place in _places(footer, footer.groups[number], columns).items()}  # fmt: skip
    missing = {name: place for name, place in wanted.items() if name not in there}
    if not missing:
        return
    with target.open("r+b") as file:
        for some in _together(_merged(sorted(missing.values()))):
            for (start, _), data in zip(some, given.fetch(some), strict=True):
                file.seek(start)
                file.write(data)
        file.flush()
        os.fsync(file.fileno())
    made = told.with_name(told.name + ".tmp")
    made.write_text(json.dumps(sorted(there | missing.keys())))
    made.replace(told)


def belongs(leaf: str, columns: Sequence[str]) -> bool:
    """Whether a leaf is one of these columns, or inside of one."""
    return any(_belongs(leaf, column) for column in columns)


def _belongs(leaf: str, column: str) -> bool:
    return leaf == column or leaf.startswith(column + ".")


def _begin(given: Input, target: Path) -> None:
    """A file of the whole length with its beginning and its footer."""
    assert given.fetch and given.size
    size = given.size
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
