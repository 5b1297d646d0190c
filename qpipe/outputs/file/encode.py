"""Frames as the bytes of a file: whole files for a directory of parts, pieces for a file that is put together later."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from qpipe.core.errors import CannotCreate
from qpipe.core.lazy import pl
from qpipe.outputs.file.places import Content
from qpipe.outputs.file.texts import cells, ndjson

if TYPE_CHECKING:
    import polars as pl

ZSTD_LEVEL = 1  # beside level 3: a quarter less CPU for 2 % more bytes (measured on orders of ten kinds of columns)
ROW_GROUP = 262_144  # rows
TEXTS = ("csv", "tsv", "ndjson", "json")


@dataclass(frozen=True)
class Form:
    """How the user wants the file."""

    format: str
    delimiter: str = ","
    header: bool = True
    encoding: str = "utf-8"
    null: str = ""
    compression: str | None = None  # of a text file: gzip, zstd, bz2, xz; of Parquet and Arrow: theirs
    json: tuple[str, ...] = ()  # columns whose texts are JSON


def piece(frame: pl.DataFrame, form: Form) -> Content:
    """Rows as they are staged for one single file: text after what stands before it, else uncompressed Arrow."""
    if form.format in TEXTS:
        head = start(frame.schema, form)
        return len(head).to_bytes(4, "little") + head + _text(frame, form)
    return partial(frame.write_ipc, compression="uncompressed")


def whole(frame: pl.DataFrame, form: Form) -> Content:
    """Rows as a complete file of its format."""
    if form.format in TEXTS:
        text = start(frame.schema, form) + _text(frame, form) + end(form)
        return pack(text, form.compression) if form.compression else text
    if form.format == "parquet":
        return partial(frame.write_parquet, **parquet_options(form))
    if form.format == "arrow":
        return partial(frame.write_ipc, **arrow_options(form))
    from qpipe.outputs.file.excel import write_excel

    buffer = io.BytesIO()
    write_excel(buffer, iter([frame]), frame.schema, form)
    return buffer.getbuffer()


def readable(frame: pl.DataFrame, form: Form) -> pl.DataFrame:
    """Without what no other program reads: in Parquet and Arrow, 128-bit integers are decimals of 38 digits."""
    wide = [name for name, dtype in frame.schema.items() if dtype in (pl.Int128, pl.UInt128)]
    if not wide or form.format not in ("parquet", "arrow"):
        return frame
    made = frame.with_columns(pl.col(wide).cast(pl.Decimal(38, 0), strict=False))
    for name in wide:
        if made[name].null_count() > frame[name].null_count():
            raise CannotCreate(f"{name} has numbers of more than 38 digits, which {form.format} has no type for",
                               hint=f"cast {name} to string first")  # fmt: skip
    return made


def head_of(stream: BinaryIO) -> bytes:
    """What stands before the rows of a staged text piece; the stream is then at its rows."""
    return stream.read(int.from_bytes(stream.read(4), "little"))


def start(schema: Any, form: Form) -> bytes:
    """What stands before the rows of a text file."""
    mark = _MARKS.get(form.encoding.lower(), b"")
    if form.format in ("csv", "tsv") and form.header:
        names = pl.DataFrame(schema={name: pl.String for name in schema})
        return mark + _encode(_csv(names, form, header=True), form.encoding)
    return mark + _encode(b"[\n" if form.format == "json" else b"", form.encoding)


def end(form: Form) -> bytes:
    return _encode(b"\n]\n", form.encoding) if form.format == "json" else b""


def between(form: Form) -> bytes:
    """What stands between two pieces."""
    return _encode(b",\n", form.encoding) if form.format == "json" else b""


def parquet_options(form: Form) -> dict[str, Any]:
    level = ZSTD_LEVEL if form.compression in (None, "zstd") else None
    return {"compression": form.compression or "zstd", "compression_level": level, "row_group_size": ROW_GROUP}


def arrow_options(form: Form) -> dict[str, Any]:
    return {"compression": form.compression or "zstd"}


def pack(data: bytes, compression: str) -> bytes:
    buffer = io.BytesIO()
    with packing(buffer, compression) as stream:
        stream.write(data)
    return buffer.getvalue()


def packing(stream: Any, compression: str | None) -> Any:
    """A stream that compresses on its way to another; equal bytes in give equal bytes out (no time in a gzip header)."""
    import bz2
    import gzip
    import lzma

    if compression == "gzip":
        return gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=6, mtime=0)
    if compression == "bz2":
        return bz2.BZ2File(stream, "wb")
    if compression == "xz":
        return lzma.LZMAFile(stream, "wb")
    if compression == "zstd":
        import pyarrow

        return pyarrow.CompressedOutputStream(_Unclosed(stream), "zstd")
    return _Unclosed(stream)


class _Unclosed(io.RawIOBase):
    """Passes bytes on, and leaves the stream open at the end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(data)
        return len(data)


def _text(frame: pl.DataFrame, form: Form) -> bytes:
    if form.format in ("csv", "tsv"):
        return _coded(_csv(frame, form, header=False), frame, form)
    rows = ndjson(frame, form.json)
    if form.format == "json":  # no raw newline stands inside a JSON text, so each one ends a row
        rows = rows.rstrip(b"\n").replace(b"\n", b",\n")
    return _coded(rows, frame, form)


def _csv(frame: pl.DataFrame, form: Form, *, header: bool) -> bytes:
    buffer = io.BytesIO()
    style: Any = "necessary" if form.null == "" else "non_numeric"  # a value that looks like the null text is quoted
    frame.with_columns(cells(frame.schema, form.null)).write_csv(
        buffer, include_header=header, separator=form.delimiter, null_value=form.null, quote_style=style
    )
    return buffer.getvalue()


_MARKS = {"utf-8-sig": b"\xef\xbb\xbf", "utf-16": b"\xff\xfe", "utf-32": b"\xff\xfe\x00\x00"}
_WITHOUT_MARK = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


def _encode(data: bytes, encoding: str) -> bytes:
    wanted = _WITHOUT_MARK.get(encoding.lower(), encoding)
    return data if wanted.lower() in ("utf-8", "utf8") else data.decode().encode(wanted)


def _coded(data: bytes, frame: pl.DataFrame, form: Form) -> bytes:
    try:
        return _encode(data, form.encoding)
    except UnicodeEncodeError as error:
        sign = error.object[error.start : error.start + 1]
        raise CannotCreate(
            f"{sign!r} cannot be written in {form.encoding}{_where(sign, frame)}", hint="choose encoding: utf-8"
        ) from error


def _where(sign: str, frame: pl.DataFrame) -> str:
    for name, dtype in frame.schema.items():
        if dtype == pl.String and frame[name].str.contains(sign, literal=True).any():
            return f": it stands in {name}"
    return ""


def same_columns(given: Sequence[str], found: Sequence[str], file: str) -> None:
    """Before appending: the file must have the columns that the rows have."""
    if list(given) != list(found):
        raise CannotCreate(
            f"the file has the columns {', '.join(found)}; the rows have {', '.join(given)}",
            hint="append to a file of the same columns, or say mode: replace",
            file=file,
        )
