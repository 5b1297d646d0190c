"""file"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qpipe.core import component
from qpipe.core.batch import Chunk, Fault, Json, Original
from qpipe.core.component import Context, Source, Types
from qpipe.core.errors import DataRefused, Unavailable
from qpipe.core.params import Duration, Path, param
from qpipe.core.secrets import Secret
from qpipe.core.storage import SECRET_PATH, lacking
from qpipe.sources.file.arrivals import Arrivals, arrivals, pinned
from qpipe.sources.file.common import common_type, shared
from qpipe.sources.file.input import Input
from qpipe.sources.file.inputs import inputs_of
from qpipe.sources.file.kinds import BINARY, Format, guess, is_workbook, named_format

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources.file.reading import Asked, Reader

_READERS = {
    "csv": "delimited", "tsv": "delimited", "parquet": "parquet", "ndjson": "ndjson", "json": "json_document",
    "xml": "xml_document", "arrow": "arrow", "avro": "avro", "excel": "excel", "fixed-width": "fixed_width",
}  # fmt: skip
_HEAD = 1 << 14


class File(Source):
    """Files: CSV, TSV, JSON, NDJSON, XML, Parquet, Arrow, Avro, Excel, fixed-width; packed or not, one or many, here or far.

    Several files are one stream, in the order of their names; columns are matched by name. Text formats give every cell as
    it is written; the contract says what it means. What a file is, is found out from its name and its first bytes, unless
    it is said.
    """

    like = ("csv", "json", "ndjson", "parquet", "excel", "local", "s3", "gcs", "azure", "sftp", "ftp")
    path: Path | list[str] = param(help="a file, a directory, a pattern such as data/*.csv, a URL, `-`, or a list", short=True)
    format: Format | None = param(None, help="what the files are; unset: found out")
    encoding: str | None = param(None, help="how the text is encoded; unset: found out")
    delimiter: str | None = param(None, help="what separates cells; unset: found out")
    quote: str | None = param(None, help="what encloses cells; empty: nothing does")
    header: bool | int | None = param(None, help="whether there is a header, or how many rows it has; unset: found out")
    skip_rows: int | None = param(None, help="lines before the header", minimum=0)
    comment: str | None = param(None, help="lines that start so are left out")
    nulls: tuple[str, ...] = param((), help="cells that mean nothing, beside the empty one")
    sheet: str | int | None = param(None, help="of a workbook: a sheet's name, or its number from 1; unset: the first")
    records: str | None = param(None, help="of a JSON or XML document: the path to the rows, such as data.items")
    widths: dict[str, int | list[int]] | None = param(
        None, help="of fixed-width text: column → width, or [first, last] position from 1"
    )
    member: str | None = param(None, help="of a ZIP archive: the file in it, or a pattern")

    only_new: bool = param(False, help="leave out files that a published run has read, known by what is in them")
    settled: Duration | None = param(
        None,
        help="with only_new: files that changed so recently are left for a later run: 30s; unset: 0, or --every of --watch",
    )
    take: list[str] | None = param(None, help="read these columns only: of a Parquet file in a store, only they are fetched")
    storage: dict[str, Any] | None = param(
        None, help="how to reach a store: endpoint_url, region, profile, anon, key, secret (${env:NAME}), username, password, …"
    )

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        paths = [self.path] if isinstance(self.path, str) else self.path
        if any(isinstance(path, Secret) for path in paths):
            yield "path", SECRET_PATH
        yield from (("path", said) for said in lacking(paths))
        if any((self.format or named_format(path)) == "avro" for path in paths if not isinstance(path, Secret)):
            from qpipe.sources._avro_types import missing

            yield from missing()

    @property
    def columnar(self) -> bool:  # type: ignore[override]
        """Whether some columns cost less than all: so it is with Parquet and Arrow."""
        paths = [self.path] if isinstance(self.path, str) else self.path
        return all((self.format or named_format(p)) in ("parquet", "arrow") for p in paths)

    @property
    def reads_json(self) -> bool:  # type: ignore[override]
        paths = [self.path] if isinstance(self.path, str) else self.path
        return any((self.format or named_format(p)) in ("json", "ndjson") for p in paths)

    def again(self, context: Context) -> bool:
        """So it is with text that lies here unpacked, too: its blocks are parsed faster than they are kept."""
        return self.columnar or all(
            asked.format in ("csv", "tsv") and asked.input.path and not asked.packed for _, asked, _ in self._files(context)
        )

    def columns(self, context: Context) -> dict[str, DataType]:
        """The columns of all files, in the order in which they first appear."""
        from qpipe.core.types import DataType

        return {name: DataType.of(dtype) for name, dtype in self._types(context).items()}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        files = self._files(context)
        start, columns = self._start(files, position), self.take if columns is None else columns
        types = self._types(context) if len({asked.format for _, asked, _ in files} & set(BINARY)) and len(files) > 1 else None
        if types is not None:  # what text and values have in common is text
            files = [(n, replace(asked, context=context.but(contract=None)), told) for n, asked, told in files]
        for number, asked, told in files[start:]:
            inner = position.get("at") if position and number == start else None
            for chunk in _chunks(asked, inner, rows, columns, types, several=len(files) > 1):
                place = {"file": number, "name": asked.name, "at": chunk.position}
                yield replace(
                    chunk,
                    position=place,
                    file=chunk.file or asked.name,
                    faults=(*(told if inner is None else ()), *chunk.faults),
                )
                told = ()

    def identity(self, context: Context) -> Json:
        return {"files": [file.identity() for file in self._inputs(context, afresh=True)]}

    def size(self, context: Context) -> tuple[int | None, int | None]:
        """Rows where the files' ends tell them, and bytes."""
        files = self._files(context)
        rows = [_reader(asked.format).size(asked) for _, asked, _ in files]
        sizes = [asked.input.size for _, asked, _ in files]
        return (
            None if None in rows else sum(r or 0 for r in rows),
            None if None in sizes else sum(s or 0 for s in sizes),
        )

    def inputs(self, context: Context) -> Sequence[component.Input]:
        """Every file: a URL or an absolute path, its size and time."""
        return tuple(file.told() for file in self._inputs(context))

    def passed_over(self, context: Context) -> Sequence[component.Input]:
        """With ``only_new``: files that were read before, there still or not, or are left for a later run."""
        if not self.only_new:
            return ()
        taken = {file.name for file in self._inputs(context)}
        there = {file.name: file.told() for file in self._every(context)}
        before = {entry["name"]: component.Input(entry["name"]) for entry in (context.cursor or {}).get("files", ())}
        return tuple(each for name, each in (before | there).items() if name not in taken)

    def watched(self, every: float) -> File:
        """A file that someone is still writing is left alone."""
        return self if self.settled is not None else replace(self, settled=every)

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        """With ``only_new``: every file that was read so far, whatever the position."""
        if not self.only_new:
            return None
        return self._arrivals(context).after(context.cursor) if context.work else context.cursor or {}

    def pending(self, context: Context) -> bool:
        return bool(self._arrivals(context).new) if self.only_new else True

    def _inputs(self, context: Context, afresh: bool = False) -> list[Input]:
        """The files that a run reads."""
        every = self._every(context, afresh)
        return self._arrivals(context).of(every) if self.only_new else every

    def _every(self, context: Context, afresh: bool = False) -> list[Input]:
        return inputs_of([self.path] if isinstance(self.path, str) else self.path, context, self.storage, afresh)

    def _arrivals(self, context: Context) -> Arrivals:
        """What is new, as the run found it when it began; outside a run, as it is now."""

        def look() -> Arrivals:
            try:
                inputs = self._every(context)
            except Unavailable:
                if context.work:
                    raise
                return Arrivals()
            return arrivals(inputs, context.cursor, self.settled or 0.0, context.started)

        if context.work is None:
            return look()
        mark = hashlib.sha256(repr(self.path).encode()).hexdigest()[:16]
        return pinned(context.work / f"arrivals-{mark}.json", look)

    def _files(self, context: Context) -> list[tuple[int, Asked, tuple[Fault, ...]]]:
        """Every file with its number, its format, and what is to be told of it."""
        files = [(n, *_ask(file, self, context)) for n, file in enumerate(self._inputs(context))]
        if files and self.only_new and (repeated := self._arrivals(context).repeated):
            number, asked, told = files[0]
            files[0] = number, asked, (*told, *map(_repeated, repeated))
        return files

    def _start(self, files: Sequence[tuple[int, Asked, tuple[Fault, ...]]], position: Json | None) -> int:
        """The file that a position is in. Another file in its place means that the files changed."""
        if position is None:
            return 0
        number = int(position["file"])
        if number >= len(files) or files[number][1].name != position["name"]:
            raise DataRefused(f"the files changed: {position['name']} was file {number + 1}", hint="put it back, or run anew")
        return number

    def _types(self, context: Context) -> dict[str, pl.DataType]:
        import polars as pl

        found: dict[str, pl.DataType] = {}
        files = self._files(context)
        if not files:  # nothing is new: the columns are those of what was read before
            files = [(0, *_ask(file, self, context)) for file in self._every(context)[-1:]]
        for _, asked, _ in files:
            for name, dtype in _columns(asked).items():
                found[name] = common_type(found[name], dtype) if name in found else dtype
        if self.take is not None:
            if unknown := [name for name in self.take if name not in found]:
                raise DataRefused(f"there is no column {unknown[0]} to take", file=files[0][1].name if files else None,
                                  hint=f"there are {', '.join(found)}")  # fmt: skip
            found = {name: found[name] for name in self.take}
        return {name: pl.String() if dtype == pl.Null else dtype for name, dtype in found.items()}


def _repeated(name: str) -> Fault:
    message = f"{name} was read before, under this or another name: left out"
    return Fault(None, 1, "repeated-file", message, severity="warning", file=name)


def _ask(file: Input, options: File, context: Context) -> tuple[Asked, tuple[Fault, ...]]:
    """The file with its format. A name that promises another format than the bytes keep is told, not obeyed."""
    from qpipe.sources.file.reading import Asked

    name, head = _unpacked_head(file, options.member)
    found = guess(name, _in_utf8(head, file.name))
    if options.format:
        if options.format != found.format and (options.format in BINARY or found.format in BINARY):
            raise DataRefused(f"this is no {options.format} file: its first bytes are those of {found.format}",
                              file=file.name, hint=f"say format: {found.format}, or leave it out")  # fmt: skip
        return Asked(file, options, context, options.format), ()
    asked = Asked(file, options, context, found.format)
    if found.named is None:
        return asked, ()
    message = f"the name says {found.named}, the content is {found.format}: read as {found.format}"
    return asked, (Fault(None, 1, "wrong-extension", message, severity="warning"),)


def _unpacked_head(file: Input, pattern: str | None) -> tuple[str, bytes]:
    """The first bytes of what is in it, and the name that says what they are."""
    from qpipe.sources.file.text.compression import compression_of, members, open_bytes

    head = file.head(_HEAD)
    packing = compression_of(head)
    if packing is None or (packing == "zip" and is_workbook(head)):
        return file.name, head
    inside = members(file.opener, file.name, pattern) if packing == "zip" else []
    stream = open_bytes(file.opener, file.name, inside[0] if inside else None)
    try:
        return (inside[0] if inside else file.name), stream.read(_HEAD)
    finally:
        stream.close()


def _in_utf8(head: bytes, name: str) -> bytes:
    """The same as UTF-8, if it is a text in UTF-16 or UTF-32."""
    from qpipe.sources.file.text.encoding import detect_encoding

    if not head.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" not in head[:4]:
        return head
    encoding = detect_encoding(head, None, name, whole=len(head) < _HEAD)
    wide = encoding.name.startswith(("utf-16", "utf-32"))
    return head[encoding.mark :].decode(encoding.name, "replace").encode() if wide else head


def _reader(format: str) -> Reader:
    return importlib.import_module(f"qpipe.sources.file.{_READERS[format]}")


def _columns(asked: Asked) -> dict[str, pl.DataType]:
    """The file's columns, and those that its folders name."""
    import polars as pl

    return _reader(asked.format).columns(asked) | {name: pl.String() for name, _ in asked.input.partition}


def _chunks(
    asked: Asked,
    position: Json | None,
    rows: int,
    columns: Sequence[str] | None,
    types: dict[str, pl.DataType] | None,
    *,
    several: bool,
) -> Iterator[Chunk]:
    """A file's chunks, with the columns its folders name, in the types that all files share."""
    import polars as pl

    partition = dict(asked.input.partition)
    wanted = columns
    if columns is not None and (several or partition):  # a file may lack some
        here = _reader(asked.format).columns(asked)
        wanted = [name for name in columns if name in here and name not in partition]
    folders = [pl.lit(value, dtype=pl.String).alias(name) for name, value in partition.items()]
    for chunk in _reader(asked.format).read(asked, position, rows, wanted):
        frame, texts = chunk.frame, chunk.original
        if partition:
            if texts is not None:
                chunk = replace(chunk, original=_with_folders(texts, folders))
            frame = frame.with_columns(folders)
            frame = frame.select(name for name in columns if name in frame.columns) if columns is not None else frame
        if types is not None:
            frame = frame.with_columns(shared(frame[n], types[n], asked.name) for n in frame.columns)
        yield chunk if frame is chunk.frame else replace(chunk, frame=frame)


def _with_folders(texts: Original, folders: Sequence[pl.Expr]) -> Original:
    return lambda offsets: texts(offsets).with_columns(folders)
