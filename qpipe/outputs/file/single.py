"""One file out of staged pieces. It is built beside the pieces, recorded, and moved to its name in one step.

What must stay true: the record says "built, whole, on the disk". With a record and a built file, the move is to be done; with a
record and no built file, it has been done. So a stop anywhere, and a repeat, move exactly one file, and an append happens once.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Json
from qpipe.core.effects import effect
from qpipe.core.errors import CannotCreate
from qpipe.core.lazy import pl
from qpipe.outputs.file.encode import (
    TEXTS,
    Form,
    arrow_options,
    between,
    end,
    head_of,
    packing,
    parquet_options,
    same_columns,
    start,
)
from qpipe.outputs.file.places import Place, building, sync_file, write_durably

if TYPE_CHECKING:
    import polars as pl

CHUNK = 1 << 20


def publish_file(
    pieces: Sequence[Path], schema: pl.Schema, form: Form, place: Place, name: str, work: Path, token: str, append: bool
) -> Json:
    """Build, record, move. ``pieces`` are staged, in order; ``schema`` counts where there are none."""
    built, record = work / f"publish-{token}{Path(name).suffix}", work / f"publish-{token}.record"
    if not record.exists():
        with building(built):
            effect("output.publish.build")
            over = place.mark(name)
            before = place.fetch(name, work / f"before-{token}") if append else None
            _build(built, pieces, schema, form, before)
            sync_file(built)
            told = {"bytes": built.stat().st_size, "over": over}
        write_durably(record, json.dumps(told).encode(), "output.publish.record")
    told = json.loads(record.read_text())
    place.put(built, name, told.get("over"), token)
    place.settle([name])
    return {"bytes": told["bytes"]}


def _build(built: Path, pieces: Sequence[Path], schema: pl.Schema, form: Form, before: Path | None) -> None:
    if form.format in TEXTS:
        with open(built, "wb") as file:
            _write_text(file, pieces, schema, form, before)
        return
    rows = _rows(pieces, schema)
    if before:
        old = pl.scan_parquet(before, glob=False) if form.format == "parquet" else pl.scan_ipc(before, glob=False)
        same_columns(rows.collect_schema().names(), old.collect_schema().names(), str(before))
        rows = _joined([old, rows], str(before))
    if form.format == "parquet":
        rows.sink_parquet(built, maintain_order=True, **parquet_options(form))
    elif form.format == "arrow":
        rows.sink_ipc(built, maintain_order=True, **arrow_options(form))
    else:
        from qpipe.outputs.file.excel import write_excel

        frames = (pl.read_ipc(piece) for piece in pieces)
        write_excel(built, frames, rows.collect_schema(), form)


def _rows(pieces: Sequence[Path], schema: pl.Schema) -> pl.LazyFrame:
    """All pieces, one after the other; types that differ between batches become their common type."""
    if not pieces:
        return pl.LazyFrame(schema=schema)
    schemas = [pl.read_ipc_schema(piece) for piece in pieces]
    if all(each == schemas[0] for each in schemas):
        return pl.scan_ipc(list(pieces), glob=False)
    return pl.concat([pl.scan_ipc(piece, glob=False) for piece in pieces], how="diagonal_relaxed")


def _joined(frames: list[pl.LazyFrame], file: str) -> pl.LazyFrame:
    first, second = (frame.collect_schema() for frame in frames)
    if first != second:
        told = ", ".join(f"{n} is {first[n]} there and {second[n]} here" for n in first if first[n] != second[n])
        raise CannotCreate(f"the types differ: {told}", hint="append to a file of the same types", file=file)
    return pl.concat(frames, how="vertical")


def _write_text(file: Any, pieces: Sequence[Path], schema: pl.Schema, form: Form, before: Path | None) -> None:
    head, first = _head(pieces) if pieces else start(schema, form), True
    if before and before.stat().st_size:
        head, first = _carry_over(file, before, head, form)
    with packing(file, form.compression) as stream:
        stream.write(head)
        for piece in pieces:
            if not first:
                stream.write(between(form))
            first = False
            with open(piece, "rb") as rows:
                head_of(rows)
                shutil.copyfileobj(rows, stream, CHUNK)
        stream.write(end(form))


def _head(pieces: Sequence[Path]) -> bytes:
    """The header that all pieces share."""
    heads = []
    for piece in pieces:
        with open(piece, "rb") as rows:
            heads.append(head_of(rows))
    other = next((head for head in heads if head != heads[0]), None)
    if other is not None:
        raise CannotCreate(
            f"batches have different columns: {_line(heads[0])} and {_line(other)}", hint="select the columns to write"
        )
    return heads[0]


def _carry_over(file: Any, before: Path, head: bytes, form: Form) -> tuple[bytes, bool]:
    """The old file goes first. Returns what is still to be written before the rows, and whether there are no rows yet."""
    with open(before, "rb") as old:
        if form.format == "json":
            size, empty = _before_bracket(old, str(before))
            _copy(old, file, size)
            return b"", empty
        found = _first(before, len(head), form.compression)
        if found != head:
            raise CannotCreate(
                f"the file starts with {_line(found)!r}, the rows have the header {_line(head)!r}",
                hint="append to a file of the same columns, or say mode: replace",
                file=str(before),
            )
        shutil.copyfileobj(old, file, CHUNK)
        if form.compression or form.encoding.lower().startswith(("utf-16", "utf-32")):
            return b"", True
        old.seek(-1, os.SEEK_END)
        return (b"" if old.read(1) == b"\n" else b"\n"), True


def _first(before: Path, size: int, compression: str | None) -> bytes:
    """The first unpacked bytes of a file."""
    import bz2
    import gzip
    import lzma

    if compression == "zstd":
        import pyarrow

        with pyarrow.input_stream(str(before), compression="zstd") as stream:
            return bytes(stream.read(size))
    openers: dict[str | None, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    try:
        with openers.get(compression, open)(before, "rb") as stream:
            return bytes(stream.read(size))
    except (gzip.BadGzipFile, lzma.LZMAError) as error:
        raise CannotCreate(f"the file is not packed with {compression}", hint="name another path", file=str(before)) from error


def _before_bracket(old: io.BufferedReader, name: str) -> tuple[int, bool]:
    """Where the array's last value ends, and whether there is none."""
    old.seek(0, os.SEEK_END)
    size = old.tell()
    old.seek(max(0, size - 4096))
    tail = old.read().rstrip()
    if not tail.endswith(b"]"):
        raise CannotCreate("this is no JSON array: nothing can be appended", hint="name another path", file=name)
    body = tail[:-1].rstrip()
    return max(0, size - 4096) + len(body), body.endswith(b"[")


def _copy(source: Any, target: Any, size: int) -> None:
    source.seek(0)
    while size and (data := source.read(min(CHUNK, size))):
        target.write(data)
        size -= len(data)


def _line(data: bytes) -> str:
    return data.split(b"\n")[0].decode("utf-8", "replace").strip()
