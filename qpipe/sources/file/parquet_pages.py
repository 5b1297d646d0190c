"""Is a Parquet file whole? Its page headers are walked before it is read: quick, and it finds what readers pass over.

Readers trust the file: a page with too few values, a broken checksum or levels that begin in the middle of a list go
unnoticed in one reader or another. Walked here: headers (parquet-format, `PageHeader`), sizes, counts of values; checksums
where there are any; nested columns are decoded once, because only their levels tell.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from qpipe.core.errors import DataRefused
from qpipe.sources.file.parquet_footer import ColumnPages, Footer, Leaf, read_footer, read_header
from qpipe.sources.file.parquet_parts import belongs

DATA, INDEX, DICTIONARY, DATA_V2 = range(4)
PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY = 0, 2, 8
_WIDTHS = {"INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_OFFSET = re.compile(rb"[+-]\d\d:?\d\d")
_whole: set[tuple[str, int, int, tuple[str, ...] | None, range | None]] = set()  # files of this process that were walked


class _Page(NamedTuple):
    kind: int
    start: int  # of its content
    packed: int  # bytes
    unpacked: int
    crc: int | None
    values: int
    encoding: int
    levels: int = 0  # bytes of levels before the values, in a page of version 2
    is_packed: bool = True


def verify(path: Path, name: str, columns: Sequence[str] | None = None, groups: range | None = None) -> None:
    """Raises DataRefused where the file contradicts itself, with the column and the place.

    Only these columns are looked at, and only these row groups.
    """
    status = path.stat()
    mark = (str(path), status.st_size, status.st_mtime_ns, None if columns is None else tuple(columns), groups)
    if mark in _whole:
        return
    footer = _consistent(path, name)
    if columns is not None:
        footer = _narrowed(footer, columns)
    with open(path, "rb") as data:
        for number in groups or range(len(footer.groups)):
            group = footer.groups[number]
            for leaf, chunk in zip(footer.leaves, group.columns, strict=True):
                _walk(data, leaf, chunk, group.rows, f"column {leaf.path}, row group {number + 1}", name)
    _decode_nested(path, footer, name, groups)
    _zones(path, footer, name)
    _whole.add(mark)


def _consistent(path: Path, name: str) -> Footer:
    """The footer, which must agree with itself."""
    with open(path, "rb") as file:
        if file.read(4) == b"PARE":
            raise _encrypted(name)
    try:
        footer = read_footer(path)
    except (ValueError, IndexError) as error:
        raise _damaged(name, str(error) if isinstance(error, ValueError) else "its footer is cut off") from error
    if footer.spare:  # a signature follows a plain footer whose columns are encrypted
        raise _encrypted(name)
    if footer.group_rows != footer.rows and footer.rows:
        raise _damaged(name, f"the footer counts {footer.rows} rows, the row groups {footer.group_rows}")
    return footer


def _narrowed(footer: Footer, columns: Sequence[str]) -> Footer:
    """As if the file had these columns only."""
    kept = [n for n, leaf in enumerate(footer.leaves) if belongs(leaf.path, columns)]
    groups = tuple(replace(group, columns=tuple(group.columns[n] for n in kept)) for group in footer.groups)
    return replace(footer, leaves=tuple(footer.leaves[n] for n in kept), groups=groups)


def _zones(path: Path, footer: Footer, name: str) -> None:
    if not _OFFSET.search(footer.arrow):
        return
    import pyarrow
    import pyarrow.parquet

    try:
        fields = list(pyarrow.parquet.read_schema(path))
    except (pyarrow.ArrowException, OSError):
        return  # the reader will say so
    for field in fields:
        zone = getattr(field.type, "tz", None)
        if zone and _OFFSET.fullmatch(zone.encode()) and zone[1:].replace(":", "") != "0000":
            raise DataRefused(f"column {field.name}: times at the offset {zone} are not supported", file=name,
                              hint="store them in UTC or in a named time zone")  # fmt: skip


def _walk(data: BinaryIO, leaf: Leaf, chunk: ColumnPages, rows: int, where: str, name: str) -> None:
    """All pages of one column in one row group."""
    try:
        values = _count(data, chunk, leaf, where, name)
    except (IndexError, KeyError, ValueError, OverflowError) as error:
        raise _damaged(name, f"{where}: a page header cannot be read") from error
    if values != chunk.values:
        raise _damaged(name, f"{where}: {values} values on its pages, {chunk.values} in the footer")
    if leaf.repetition == 0 and values != rows:
        raise _damaged(name, f"{where}: {values} values for {rows} rows")


def _count(data: BinaryIO, chunk: ColumnPages, leaf: Leaf, where: str, name: str) -> int:
    values, words, size = 0, 0, os.fstat(data.fileno()).st_size
    for page in _pages(data, chunk):
        if page.kind == DICTIONARY:
            words = page.values
        if page.start + page.packed > size or page.packed < 0 or page.values < 0:
            raise _damaged(name, f"{where}: a page reaches beyond the file")
        if page.crc is not None and zlib.crc32(os.pread(data.fileno(), page.packed, page.start)) != page.crc & 0xFFFFFFFF:
            raise _damaged(name, f"{where}: the checksum of a page at byte {page.start} is wrong")
        if page.kind in (DATA, DATA_V2):
            values += page.values
            _fits(page, leaf, where, name)
            if words == 1 and page.kind == DATA_V2 and page.encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY):
                _indices(data, page, chunk, where, name)
    return values


def _fits(page: _Page, leaf: Leaf, where: str, name: str) -> None:
    """Without levels, plain values of a fixed width fill their page exactly."""
    if page.encoding != PLAIN or leaf.definition or leaf.repetition:
        return
    width = leaf.length if leaf.physical == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS.get(leaf.physical)
    if width and page.values * width > page.unpacked:
        raise _damaged(name, f"{where}: {page.values} values of {width} bytes on a page of {page.unpacked}")


def _indices(data: BinaryIO, page: _Page, chunk: ColumnPages, where: str, name: str) -> None:
    """Indices of no width in a bit-packed run have no bytes: nothing says what they are, or that any was written.

    A writer of 2024 left that of constant columns (Arrow issue 43605). A run-length run of no width says how many it stands
    for, and one group of eight is what good writers leave of a short run.
    """
    import pyarrow

    packed = os.pread(data.fileno(), page.packed - page.levels, page.start + page.levels)
    content = packed
    if page.is_packed and chunk.codec != "UNCOMPRESSED":
        try:
            content = pyarrow.decompress(packed, page.unpacked - page.levels, codec=chunk.codec.lower()).to_pybytes()
        except (pyarrow.ArrowException, OSError, ValueError):
            return  # the reader will say so
    if len(content) > 1 and content[0] == 0 and content[1] & 1 and content[1] > 3:
        raise _damaged(name, f"{where}: dictionary indices of no width in a bit-packed run")


def _decode_nested(path: Path, footer: Footer, name: str, groups: range | None) -> None:
    """Lists and maps: whether levels and values agree is only seen by decoding them."""
    nested = sorted({leaf.path.split(".")[0] for leaf in footer.leaves if leaf.repetition})
    if not nested:
        return
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=nested, row_groups=None if groups is None else list(groups)):
                batch.validate(full=True)
    except pyarrow.ArrowNotImplementedError:
        return
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(name, f"columns {', '.join(nested)}: {str(error).splitlines()[0]}") from error


def _encrypted(name: str) -> DataRefused:
    return DataRefused("the Parquet file is encrypted, and that is not supported", file=name, hint="decrypt it first")


def _damaged(name: str, what: str) -> DataRefused:
    return DataRefused(f"the Parquet file is damaged: {what}", file=name, hint="write it anew, or take the original")


# ── page headers ──


def _pages(data: BinaryIO, chunk: ColumnPages) -> Iterator[_Page]:
    at, end = chunk.start, chunk.start + chunk.bytes
    values = 0
    while at < end and values < chunk.values:
        header, length = read_header(data, at)
        page = _page(header, at + length)
        if page.kind in (DATA, DATA_V2):
            values += page.values
        yield page
        at = page.start + page.packed


def _page(header: dict[int, Any], start: int) -> _Page:
    kind, unpacked, packed, crc = header[1], header[2], header[3], header.get(4)
    if kind == DATA_V2:
        told = header[8]
        return _Page(kind, start, packed, unpacked, crc, told[1], told[4], told[5] + told[6], told.get(7, True))
    told = header.get({DATA: 5, DICTIONARY: 7}.get(kind, 0), {})
    return _Page(kind, start, packed, unpacked, crc, told.get(1, 0), told.get(2, 0))
