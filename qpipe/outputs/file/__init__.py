"""file"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core import params
from qpipe.core.batch import Json
from qpipe.core.component import Context, Output, Part, Types
from qpipe.core.effects import effect
from qpipe.core.errors import CannotCreate
from qpipe.core.lazy import pl
from qpipe.core.params import param
from qpipe.core.secrets import Secret
from qpipe.core.storage import SECRET_PATH, lacking

if TYPE_CHECKING:
    import polars as pl

    from qpipe.outputs.file.encode import Form
    from qpipe.outputs.file.places import Place

_FORMATS = {
    "csv": "csv", "tsv": "tsv", "tab": "tsv", "json": "json", "ndjson": "ndjson", "jsonl": "ndjson", "parquet": "parquet",
    "pq": "parquet", "arrow": "arrow", "ipc": "arrow", "feather": "arrow", "xlsx": "excel",
}  # fmt: skip
_SUFFIXES = {"csv": ".csv", "tsv": ".tsv", "json": ".json", "ndjson": ".ndjson", "parquet": ".parquet", "arrow": ".arrow",
             "excel": ".xlsx"}  # fmt: skip
_PACKED = {"gz": "gzip", "zst": "zstd", "bz2": "bz2", "xz": "xz"}
_BY_FORMAT: dict[str, tuple[str, ...]] = {
    "parquet": ("zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed"),
    "arrow": ("zstd", "lz4", "uncompressed"),
    "excel": (),
}
_PARTITIONED = ("parquet", "arrow", "csv", "tsv", "ndjson")


class File(Output):
    """Files: Parquet, CSV, TSV, JSON, NDJSON, Arrow, Excel; one file, or a directory of parts, perhaps partitioned by value.

    A path that ends in `/` or has no extension is a directory. Nothing is visible before all of it is; readers find the
    result before or the new one, and never half a file. In CSV and Excel, nested values are JSON text and the reasons of a
    quarantine are sentences; an empty text is `""`, nothing is nothing. JSON knows no NaN: it is null there.
    """

    like = ("csv", "json", "ndjson", "parquet", "excel", "local", "s3", "gcs", "azure", "sftp", "ftp")
    path: params.Path = param(help="a file, or a directory of parts; here, or any URL", short=True)
    format: Literal["csv", "tsv", "json", "ndjson", "parquet", "arrow", "excel"] | None = param(
        None, help="what to write; unset: told by the path, and parquet in a directory"
    )
    mode: Literal["replace", "append"] = param("replace", help="what becomes of what is there")
    partition_by: params.Columns | None = param(None, help="a folder for each value of these columns: day=2026-11-23/")
    compression: Literal["none", "gzip", "zstd", "bz2", "xz", "snappy", "lz4", "brotli", "uncompressed"] | None = param(
        None, help="how to pack; unset: told by the path (.csv.gz), and zstd inside Parquet and Arrow"
    )
    delimiter: str | None = param(None, help="what separates cells; unset: a comma, in TSV a tab", minLength=1, maxLength=1)
    header: bool = param(True, help="whether CSV starts with the columns' names")
    encoding: str = param("utf-8", help="of text; utf-8-sig is what Excel wants of a CSV")
    null: str = param("", help="what CSV has where there is no value")
    max_rows_per_file: int | None = param(None, help="in a directory: start a new file after so many rows", minimum=1)

    storage: dict[str, Any] | None = param(
        None, help="how to reach a store: endpoint_url, region, profile, anon, key, secret (${env:NAME}), …"
    )

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from _problems(self, types)

    @property
    def is_directory(self) -> bool:
        last = self.path.rstrip("/").rpartition("/")[2]
        return self.path.endswith(("/", os.sep)) or "." not in last.lstrip(".")

    def prepare(self, context: Context) -> None:
        """Can it be written? Folders are made, a file of another kind in its place is told."""
        for _, message in _problems(self, None):
            raise CannotCreate(message, file=self.path)
        place, name = self._place(context)
        if "://" not in self.path:
            _check_local(_local(self.path, context), self.is_directory)
        if self.is_directory and self.mode == "replace":
            from qpipe.outputs.file.directory import foreign_files

            if found := foreign_files(place, name, self._suffix()):
                raise CannotCreate(f"the directory has files that no run wrote: {', '.join(found[:3])}", file=self.path,
                                   hint="name an empty directory, move them away, or say mode: append")  # fmt: skip

    def staging(self, run: str, context: Context) -> Path | None:
        """Hidden, beside the destination, so that publishing is a rename."""
        if "://" in self.path:
            return None
        from qpipe.outputs.file.places import make_folder

        target = _local(self.path, context)
        folder = target if target.is_mount() else target.parent
        make_folder(folder / f".qpipe-{run}-{target.name}")
        return folder / f".qpipe-{run}-{target.name}"

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        from qpipe.outputs.file.encode import piece, readable, whole
        from qpipe.outputs.file.places import write_durably

        form, stem = self._form(context.types), directory / f"part-{seq:06d}"
        frame = readable(frame, form)
        if not self.is_directory or self.partition_by:
            made = {Path(f"{stem}.piece"): piece(frame, form) if not self.partition_by else piece(frame, _arrow())}
        elif self.max_rows_per_file and frame.height > self.max_rows_per_file:
            shutil.rmtree(stem, ignore_errors=True)
            slices = enumerate(frame.iter_slices(self.max_rows_per_file))
            made = {stem / f"{n:03d}{self._suffix()}": whole(rows, form) for n, rows in slices}
        else:
            made = {Path(f"{stem}{self._suffix()}"): whole(frame, form)}
        digest, size = hashlib.sha256(), 0
        for file, data in made.items():
            write_durably(file, data)
            size += file.stat().st_size
            if callable(data):  # the file was written without its bytes coming by
                with open(file, "rb", buffering=0) as stream:
                    hashlib.file_digest(stream, lambda: digest)
            else:
                digest.update(data)
        path = next(iter(made)) if len(made) == 1 else stem
        return Part(seq, str(path), frame.height, size, digest.hexdigest()[:32])

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        from qpipe.outputs.file.directory import publish_directory
        from qpipe.outputs.file.places import make_folder
        from qpipe.outputs.file.single import publish_file

        place, name = self._place(context)
        staged = [Path(part.path) for part in sorted(parts, key=lambda p: p.seq)]
        schema = _schema(types, readable=_format(self) in ("parquet", "arrow"))
        work = staged[0].parent if staged else _work(context)
        make_folder(work)
        if not staged and self.mode == "append" and (place.names(name) if self.is_directory else place.read(name) is not None):
            return {"path": self.path, "rows": 0}
        if self.is_directory:
            told = publish_directory(
                staged, schema, self._form(types), place, name, work, token, append=self.mode == "append",
                partition_by=self.partition_by or (), most=self.max_rows_per_file, suffix=self._suffix(),
            )  # fmt: skip
        else:
            told = publish_file(staged, schema, self._form(types), place, name, work, token, self.mode == "append")
        return {"path": self.path, "rows": sum(part.rows for part in parts), **told}

    def discard(self, parts: Sequence[Part], context: Context) -> None:
        """Staged parts, the folder they were in, and such folders of this output that hold nothing."""
        folders = {Path(part.path).parent for part in parts}
        for part in parts:
            path = Path(part.path)
            if path.exists():
                effect("output.discard")
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if "://" not in self.path:
            target = _local(self.path, context)
            above = [f for f in (target, target.parent) if f.is_dir()]
            empty = {f for a in above for f in a.glob(f".qpipe-*-{target.name}") if not any(f.iterdir())}
            folders |= empty
        for folder in folders:
            if folder.name.startswith(".qpipe-") and folder.exists():
                effect("output.discard")
                shutil.rmtree(folder, ignore_errors=True)

    def _form(self, types: Types) -> Form:
        from qpipe.outputs.file.encode import Form
        from qpipe.outputs.file.texts import json_columns

        format = _format(self)
        delimiter = self.delimiter or ("\t" if format == "tsv" else ",")
        return Form(format, delimiter, self.header, self.encoding, self.null, _compression(self, format), json_columns(types))

    def _suffix(self) -> str:
        """Of a part in a directory."""
        packing = {v: f".{k}" for k, v in _PACKED.items()}.get(self._form({}).compression or "", "")
        format = _format(self)
        return _SUFFIXES[format] + (packing if format not in _BY_FORMAT else "")

    def _place(self, context: Context) -> tuple[Place, str]:
        """The folder that holds the result, and the result's name in it."""
        from qpipe.outputs.file.places import Local, Remote

        if "://" in self.path:
            return Remote(self.path, self.storage), self.path.rstrip("/").rpartition("/")[2]
        target = _local(self.path, context)
        return Local(target.parent), target.name


def _problems(output: File, types: Types | None) -> Iterator[tuple[str, str]]:
    last = output.path.rstrip("/").rpartition("/")[2]
    if isinstance(output.path, Secret):
        yield "path", SECRET_PATH
        return
    yield from (("path", said) for said in lacking([output.path]))
    if not last:
        yield "path", "the path names nothing"
        return
    if not output.is_directory and output.format is None and _named(last)[0] is None:
        yield "format", f"'{last}' does not tell the format: say one, or end the path in .csv, .parquet, .json, …"
        return
    format = _format(output)
    allowed = (*_BY_FORMAT[format], "none") if format in _BY_FORMAT else (*_PACKED.values(), "none")
    if output.compression and output.compression not in allowed:
        yield "compression", f"{format} cannot be packed with {output.compression}; it can with {', '.join(allowed)}"
    if format == "excel" and output.mode == "append":
        yield "mode", "nothing can be appended to a workbook: choose csv, or mode: replace"
    if format == "json" and output.mode == "append" and _compression(output, format):
        yield "mode", "nothing can be appended to packed JSON: choose ndjson"
    for name in ("partition_by", "max_rows_per_file"):
        if getattr(output, name) and not output.is_directory:
            yield name, "this needs a directory: end the path in /"
    if output.partition_by and (format not in _PARTITIONED or _compression(output, format) in ("gzip", "bz2", "xz")):
        yield "partition_by", f"this is possible in {', '.join(_PARTITIONED)}, the text ones not packed"
    if output.partition_by and types is not None:
        for column in output.partition_by:
            if column not in types:
                yield "partition_by", f"there is no column {column}"
        if set(types) <= set(output.partition_by):
            yield "partition_by", "no column would be left in the files"
    yield from _text_problems(output)


def _text_problems(output: File) -> Iterator[tuple[str, str]]:
    import codecs

    try:
        codecs.lookup(output.encoding)
    except LookupError:
        yield "encoding", f"no encoding is named '{output.encoding}'"
    if re.search(r'[\r\n"]', output.null):
        yield "null", "quotes and line ends cannot stand for nothing"


def _named(name: str) -> tuple[str | None, str | None]:
    """``orders.csv.gz`` → csv, gzip."""
    words = name.lower().split(".")[1:]
    packing = _PACKED.get(words.pop()) if words and words[-1] in _PACKED else None
    return (_FORMATS.get(words[-1]) if words else None), packing


def _format(output: File) -> str:
    return output.format or _named(output.path.rstrip("/").rpartition("/")[2])[0] or "parquet"


def _compression(output: File, format: str) -> str | None:
    """None: Parquet and Arrow choose, text is as it is."""
    if output.compression == "none":
        return "uncompressed" if format in _BY_FORMAT else None
    return output.compression or (None if format in _BY_FORMAT else _named(output.path.rstrip("/").rpartition("/")[2])[1])


def _arrow() -> Form:
    from qpipe.outputs.file.encode import Form

    return Form("arrow")


def _local(path: str, context: Context) -> Path:
    """The path on this machine. A link is followed: what it points to is replaced, not the link."""
    from qpipe.outputs.file.places import refusing

    target = context.directory / os.path.expanduser(path)
    with refusing(target):
        return target.resolve() if target.is_symlink() else target


def _check_local(target: Path, directory: bool) -> None:
    from qpipe.outputs.file.places import make_folder, refusing

    if target.is_dir() and not directory:
        raise CannotCreate("there is a directory of this name", file=str(target), hint="end the path in / to fill it")
    if target.exists() and not target.is_dir() and (directory or not target.is_file()):
        kind = "a file, no directory" if target.is_file() else "no regular file"
        raise CannotCreate(f"this is {kind}", file=str(target), hint="name another path")
    folder = target.parent
    make_folder(folder)
    with refusing(folder), tempfile.TemporaryFile(dir=folder):
        pass


def _schema(types: Types, *, readable: bool) -> Any:
    """The columns of the rows as they are staged, or as they would be."""
    return pl.Schema({name: _polars(type, readable) for name, type in types.items()})


def _polars(type: Any, readable: bool) -> Any:
    made = type.polars()
    if readable and made in (pl.Int128, pl.UInt128):
        return pl.Decimal(38, 0)
    return pl.String() if made in (pl.Null, pl.Unknown, pl.Object) else made


def _work(context: Context) -> Path:
    return (context.work / "publish") if context.work else Path(tempfile.mkdtemp(prefix="qpipe-"))
