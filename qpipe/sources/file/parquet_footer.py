"""What a Parquet file says of itself: the footer, read without a data library, since reading it decides what to import.

Thrift's compact protocol and `FileMetaData` as parquet-format defines them; page headers are read by the same functions.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

PHYSICAL = ("BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")
REQUIRED, OPTIONAL, REPEATED = range(3)


@dataclass(frozen=True)
class Leaf:
    """A column that has pages: a field without children."""

    path: str
    physical: str
    length: int  # bytes, of a fixed length
    definition: int  # how many of its parents and itself may be missing
    repetition: int  # how many of them are repeated


@dataclass(frozen=True)
class ColumnPages:
    """Where the pages of one column in one row group stand."""

    values: int
    start: int
    bytes: int
    codec: str


@dataclass(frozen=True)
class RowGroup:
    rows: int
    columns: tuple[ColumnPages, ...]


@dataclass(frozen=True)
class Footer:
    rows: int
    leaves: tuple[Leaf, ...]
    groups: tuple[RowGroup, ...]
    arrow: bytes  # the Arrow schema that some writers leave, serialized
    spare: int  # bytes behind it that belong to the footer: a signature

    @property
    def group_rows(self) -> int:
        return sum(group.rows for group in self.groups)


def read_footer(path: Path) -> Footer:
    """Raises ValueError or IndexError where there is no footer, or none that can be read."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        length, mark = int.from_bytes(file.read(4), "little"), file.read(4)
        if mark != b"PAR1" or length + 12 > size:
            raise ValueError("it does not end as a Parquet file does")
        file.seek(size - 8 - length)
        data = file.read(length)
    try:
        told, end = read_struct(data, 0)
        leaves = tuple(_leaves(told[2]))
        groups = tuple(_group(group, len(leaves)) for group in told.get(4, ()))
        keys = {pair[1]: pair.get(2) for pair in told.get(5, ())}
        arrow = base64.b64decode(keys.get(b"ARROW:schema") or b"")
        return Footer(told[3], leaves, groups, arrow, len(data) - end)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("its footer cannot be read") from error


def _leaves(elements: list[dict[int, Any]]) -> Iterator[Leaf]:
    """The schema is a tree written flat, each element followed by its children."""
    at = 1

    def walk(children: int, path: tuple[str, ...], definition: int, repetition: int) -> Iterator[Leaf]:
        nonlocal at
        for _ in range(children):
            element, at = elements[at], at + 1
            kind = element.get(3, REQUIRED)
            here = (*path, element[4].decode("utf-8", "replace"))
            levels = definition + (kind != REQUIRED), repetition + (kind == REPEATED)
            if 1 in element:
                yield Leaf(".".join(here), _named(PHYSICAL, element[1], "physical type"), element.get(2, 0), *levels)
            else:
                yield from walk(element.get(5, 0), here, *levels)

    yield from walk(elements[0].get(5, 0), (), 0, 0)


def _group(told: dict[int, Any], columns: int) -> RowGroup:
    chunks = told[1]
    if len(chunks) != columns:
        raise ValueError(f"a row group has {len(chunks)} columns, the schema {columns}")
    return RowGroup(told[3], tuple(_pages_of(chunk[3]) for chunk in chunks))


def _pages_of(told: dict[int, Any]) -> ColumnPages:
    first, words = told[9], told.get(11)
    return ColumnPages(told[5], words if words and words < first else first, told[7], _named(CODECS, told[4], "compression"))


def _named(names: tuple[str, ...], number: int, what: str) -> str:
    if not 0 <= number < len(names):
        raise ValueError(f"its footer names {what} {number}, which does not exist")
    return names[number]


# ── Thrift's compact protocol ──


def read_header(data: BinaryIO, at: int) -> tuple[dict[int, Any], int]:
    """The struct at a place of a file, and its length. Statistics may make it long."""
    size = 256
    while True:
        try:
            return read_struct(os.pread(data.fileno(), size, at), 0)
        except IndexError:
            if size > 1 << 24:
                raise
            size *= 16


def read_struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """Field number → value, and the place behind."""
    fields: dict[int, Any] = {}
    number = 0
    while (head := data[at]) != 0:
        at += 1
        step, kind = head >> 4, head & 15
        if step:
            number += step
        else:
            number, at = _signed(data, at)
        if kind in (4, 5, 6) and data[at] < 128:  # most are small numbers
            value = data[at]
            fields[number], at = (value >> 1) ^ -(value & 1), at + 1
        else:
            fields[number], at = _value(data, at, kind)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (1, 2):
        return kind == 1, at
    if kind == 3:
        return data[at], at + 1
    if kind in (4, 5, 6):
        return _signed(data, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        size, at = _varint(data, at)
        if at + size > len(data):
            raise IndexError
        return data[at : at + size], at + size
    if kind in (9, 10):
        size, each, at = data[at] >> 4, data[at] & 15, at + 1
        if size == 15:
            size, at = _varint(data, at)
        values = []
        for _ in range(size):
            value, at = (data[at] == 1, at + 1) if each in (1, 2) else _value(data, at, each)
            values.append(value)
        return values, at
    if kind == 12:
        return read_struct(data, at)
    raise ValueError(f"unknown kind {kind}")


def _signed(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number without end")
