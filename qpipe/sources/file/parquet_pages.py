"""Is a Parquet file whole? Its page headers are walked before it is read: quick, and it finds what readers pass over.

Readers trust the file: a page with too few values, a broken checksum or levels that begin in the middle of a list go
unnoticed in one reader or another. Walked here: headers, sizes, counts of values; checksums where there are any; nested columns
are decoded once, because only their levels tell. Headers are Thrift's compact protocol (parquet-format, `PageHeader`).
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from qpipe.core.errors import DataRefused

DATA, INDEX, DICTIONARY, DATA_V2 = range(4)
PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY = 0, 2, 8
_WIDTHS = {"INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_OFFSET = re.compile(r"[+-]\d\d:?\d\d")
_whole: set[tuple[str, int, int]] = set()  # files of this process that were walked


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


def verify(path: Path, name: str) -> None:
    """Raises DataRefused where the file contradicts itself, with the column and the place."""
    status = path.stat()
    mark = (str(path), status.st_size, status.st_mtime_ns)
    if mark in _whole:
        return
    metadata = _metadata(path, name)
    with open(path, "rb") as data:
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                _walk(data, metadata, group, column, name)
    _decode_nested(path, metadata, name)
    _zones(metadata, name)
    _whole.add(mark)


def _metadata(path: Path, name: str) -> Any:
    """The footer, which must agree with itself."""
    import pyarrow
    import pyarrow.parquet

    with open(path, "rb") as file:
        head = file.read(4)
        file.seek(max(0, path.stat().st_size - 8))
        size = int.from_bytes(file.read(4), "little")
    if head == b"PARE":
        raise _encrypted(name)
    try:
        metadata = pyarrow.parquet.read_metadata(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(name, str(error).splitlines()[0].removesuffix(" (corrupt file?)")) from error
    if size != metadata.serialized_size:  # a signature follows a plain footer whose columns are encrypted
        raise _encrypted(name)
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    if sum(sizes) != metadata.num_rows and metadata.num_rows:
        raise _damaged(name, f"the footer counts {metadata.num_rows} rows, the row groups {sum(sizes)}")
    return metadata


def _zones(metadata: Any, name: str) -> None:
    import pyarrow

    try:
        fields = list(metadata.schema.to_arrow_schema())
    except (pyarrow.ArrowException, OSError):
        return  # the reader will say so
    for field in fields:
        zone = getattr(field.type, "tz", None)
        if zone and _OFFSET.fullmatch(zone) and zone[1:].replace(":", "") != "0000":
            raise DataRefused(f"column {field.name}: times at the offset {zone} are not supported", file=name,
                              hint="store them in UTC or in a named time zone")  # fmt: skip


def _walk(data: BinaryIO, metadata: Any, group: int, column: int, name: str) -> None:
    """All pages of one column in one row group."""
    chunk, schema = metadata.row_group(group).column(column), metadata.schema.column(column)
    where = f"column {chunk.path_in_schema}, row group {group + 1}"
    try:
        values = _count(data, chunk, schema, where, name)
    except (IndexError, KeyError, ValueError, OverflowError) as error:
        raise _damaged(name, f"{where}: a page header cannot be read") from error
    if values != chunk.num_values:
        raise _damaged(name, f"{where}: {values} values on its pages, {chunk.num_values} in the footer")
    rows = metadata.row_group(group).num_rows
    if schema.max_repetition_level == 0 and values != rows:
        raise _damaged(name, f"{where}: {values} values for {rows} rows")


def _count(data: BinaryIO, chunk: Any, schema: Any, where: str, name: str) -> int:
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
            _fits(page, schema, where, name)
            if words == 1 and page.kind == DATA_V2 and page.encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY):
                _indices(data, page, chunk, where, name)
    return values


def _fits(page: _Page, schema: Any, where: str, name: str) -> None:
    """Without levels, plain values of a fixed width fill their page exactly."""
    if page.encoding != PLAIN or schema.max_definition_level or schema.max_repetition_level:
        return
    width = schema.length if schema.physical_type == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS.get(schema.physical_type)
    if width and page.values * width > page.unpacked:
        raise _damaged(name, f"{where}: {page.values} values of {width} bytes on a page of {page.unpacked}")


def _indices(data: BinaryIO, page: _Page, chunk: Any, where: str, name: str) -> None:
    """Indices of no width in a bit-packed run have no bytes: nothing says what they are, or that any was written.

    A writer of 2024 left that of constant columns (Arrow issue 43605). A run-length run of no width says how many it stands
    for, and one group of eight is what good writers leave of a short run.
    """
    import pyarrow

    packed = os.pread(data.fileno(), page.packed - page.levels, page.start + page.levels)
    content = packed
    if page.is_packed and chunk.compression != "UNCOMPRESSED":
        try:
            content = pyarrow.decompress(packed, page.unpacked - page.levels, codec=chunk.compression.lower()).to_pybytes()
        except (pyarrow.ArrowException, OSError, ValueError):
            return  # the reader will say so
    if len(content) > 1 and content[0] == 0 and content[1] & 1 and content[1] > 3:
        raise _damaged(name, f"{where}: dictionary indices of no width in a bit-packed run")


def _decode_nested(path: Path, metadata: Any, name: str) -> None:
    """Lists and maps: whether levels and values agree is only seen by decoding them."""
    import pyarrow
    import pyarrow.parquet

    leaves = [metadata.schema.column(n) for n in range(metadata.num_columns)]
    nested = sorted({leaf.path.split(".")[0] for leaf in leaves if leaf.max_repetition_level})
    if not nested:
        return
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=nested):
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


def _pages(data: BinaryIO, chunk: Any) -> Iterator[_Page]:
    at = chunk.data_page_offset
    if chunk.dictionary_page_offset and chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    values = 0
    while at < end and values < chunk.num_values:
        header, length = _header(data, at)
        page = _page(header, at + length)
        if page.kind in (DATA, DATA_V2):
            values += page.values
        yield page
        at = page.start + page.packed


def _header(data: BinaryIO, at: int) -> tuple[dict[int, Any], int]:
    """A page header and its length. Statistics may make it long."""
    size = 256
    while True:
        try:
            return _struct(os.pread(data.fileno(), size, at), 0)
        except IndexError:
            if size > 1 << 24:
                raise
            size *= 16


def _page(header: dict[int, Any], start: int) -> _Page:
    kind, unpacked, packed, crc = header[1], header[2], header[3], header.get(4)
    if kind == DATA_V2:
        told = header[8]
        return _Page(kind, start, packed, unpacked, crc, told[1], told[4], told[5] + told[6], told.get(7, True))
    told = header.get({DATA: 5, DICTIONARY: 7}.get(kind, 0), {})
    return _Page(kind, start, packed, unpacked, crc, told.get(1, 0), told.get(2, 0))


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """A Thrift compact struct: field number → value."""
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
        return None, at + size
    if kind in (9, 10):
        size, each, at = data[at] >> 4, data[at] & 15, at + 1
        if size == 15:
            size, at = _varint(data, at)
        for _ in range(size):
            _, at = _value(data, at, each)
        return None, at
    if kind == 12:
        return _struct(data, at)
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
