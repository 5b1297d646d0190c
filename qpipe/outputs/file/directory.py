"""A directory of files out of staged parts: new files appear whole, then the manifest names them, then old files go.

What must stay true, wherever it stops: every file under a data name is whole; the manifest names a complete result, the one
before or this one; a repeat with the same token goes on where it stopped. The manifest stands beside the directory, hidden
(`.orders.manifest.json`), so that the directory holds nothing but data and any tool can scan it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from qpipe.core.batch import Json
from qpipe.core.effects import effect
from qpipe.core.errors import CannotCreate
from qpipe.core.lazy import pl
from qpipe.outputs.file.conditional import Overtaken
from qpipe.outputs.file.encode import Form, arrow_options, parquet_options, whole
from qpipe.outputs.file.places import Place, at_once, building, make_folder, refusing, sync_file, sync_folder, write_durably
from qpipe.outputs.file.single import _rows
from qpipe.outputs.file.texts import cells, in_json, json_line

if TYPE_CHECKING:
    import polars as pl

_TRIES = 20  # of naming the files while others do the same
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_OURS = re.compile(r"(^|/)part-\d{6}(-\d+)?-[0-9a-zA-Z_]+\.\w+(\.\w+)?$")


def publish_directory(
    staged: Sequence[Path],
    schema: pl.Schema,
    form: Form,
    place: Place,
    name: str,
    work: Path,
    token: str,
    *,
    append: bool,
    partition_by: Sequence[str] = (),
    most: int | None = None,
    suffix: str = "",
) -> Json:
    """``staged`` are whole files, or, to be partitioned, Arrow pieces. ``name`` is the directory in its place."""
    record = work / f"publish-{token}.record"
    if not record.exists():
        files = _intended(staged, schema, form, work, token, partition_by, most, suffix)
        write_durably(record, json.dumps(files).encode(), "output.publish.record")
    files = json.loads(record.read_text())
    for file in files:
        place.put(work / file["from"], f"{name}/{file['to']}")
    place.settle([f"{name}/{file['to']}" for file in files])
    manifest = _named(files, place, name, work, token, schema, append)
    for old in manifest["removes"]:
        place.remove(f"{name}/{old}")
    place.settle([f"{name}/{old}" for old in manifest["removes"]])
    return {"files": len(files), "bytes": sum(f["bytes"] for f in files)}


def _named(
    files: Sequence[dict[str, Any]], place: Place, name: str, work: Path, token: str, schema: pl.Schema, append: bool
) -> dict[str, Any]:
    """The manifest that names the files. Where another run has written it meanwhile, both are in it."""
    for left in reversed(range(_TRIES)):
        over, manifest = place.mark(manifest_name(name)), _manifest(place, name)
        if token in manifest["tokens"]:
            break
        manifest = _after(manifest, files, place, name, token, schema, append)
        effect("output.publish.manifest")
        try:
            _write_manifest(place, name, manifest, work, token, over)
            break
        except Overtaken:
            if not left:
                raise
    return manifest


def manifest_name(directory: str) -> str:
    above, _, last = directory.rpartition("/")
    return f"{above}/.{last}.manifest.json" if above else f".{last}.manifest.json"


def foreign_files(place: Place, name: str, suffix: str) -> list[str]:
    """Data files in the directory that no run of ours wrote: a replacement would mix with them."""
    known = {file["name"] for file in _manifest(place, name)["files"]}
    here = (f[len(name) + 1 :] for f in place.names(name))
    return [f for f in here if f.endswith(suffix) and f not in known and not _OURS.search(f) and not _hidden(f)]


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _intended(
    staged: Sequence[Path],
    schema: pl.Schema,
    form: Form,
    work: Path,
    token: str,
    by: Sequence[str],
    most: int | None,
    suffix: str,
) -> list[dict[str, Any]]:
    """Every file that is to be: where it is staged, and its final name."""
    if not staged:
        empty = work / f"part-000000-{token}{suffix}"
        write_durably(empty, whole(pl.DataFrame(schema=schema), form), "output.publish.build")
        return [_told(empty, work, empty.name)]
    if by:
        return _partitioned(staged, schema, form, work, token, by, most, suffix)
    files = []
    for path in staged:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            number = path.name.removesuffix(suffix)
            part = f"{number}-{file.name.removesuffix(suffix)}" if path.is_dir() else number
            files.append(_told(file, work, f"{part}-{token}{suffix}"))
    return files


def _told(file: Path, work: Path, to: str) -> dict[str, Any]:
    return {"from": file.relative_to(work).as_posix(), "to": to, "bytes": file.stat().st_size}


def _partitioned(
    staged: Sequence[Path],
    schema: pl.Schema,
    form: Form,
    work: Path,
    token: str,
    by: Sequence[str],
    most: int | None,
    suffix: str,
) -> list[dict[str, Any]]:
    """One stream over all pieces into a file for each value, or several of at most ``most`` rows."""
    folder = work / f"publish-{token}"
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)

    def path_of(given: Any) -> str:
        keys = given.partition_keys.row(0)
        below = "/".join(f"{quote(k, safe='')}={hive(v)}" for k, v in zip(by, keys, strict=True))
        return f"{below}/part-{given.index_in_partition:06d}-{token}{suffix}"

    with building(folder / "build"):
        effect("output.publish.build")
        rows = _rows(staged, schema)
        keys = {name: pl.col(name).cast(pl.String) for name in by}
        target = pl.PartitionBy(
            folder,
            key=keys,
            include_key=False,
            file_path_provider=path_of,
            max_rows_per_file=most,
            approximate_bytes_per_file=None,
        )
        _sink(rows, target, form, by)
    made = sorted(folder.rglob("*"))
    at_once(sync_file, [f for f in made if f.is_file()])
    at_once(sync_folder, [f for f in made if f.is_dir()])
    return [_told(f, work, f.relative_to(folder).as_posix()) for f in made if f.is_file()]


def _sink(rows: pl.LazyFrame, target: Any, form: Form, by: Sequence[str]) -> None:
    schema = rows.collect_schema()
    if form.format == "parquet":
        rows.sink_parquet(target, mkdir=True, maintain_order=True, **parquet_options(form))
    elif form.format == "arrow":
        rows.sink_ipc(target, mkdir=True, maintain_order=True, **arrow_options(form))
    elif form.format == "ndjson" and any(name in form.json for name in schema):
        texts: Any = {"include_header": False, "quote_style": "never", "null_value": ""}
        others = pl.Schema({name: dtype for name, dtype in schema.items() if name not in by})
        rows.select(*by, json_line(others, form.json)).sink_csv(target, mkdir=True, maintain_order=True, **texts)
    elif form.format == "ndjson":
        rows.with_columns(in_json(schema)).sink_ndjson(target, mkdir=True, maintain_order=True)
    else:
        style: Any = "necessary" if form.null == "" else "non_numeric"
        rows.with_columns(cells(schema, form.null)).sink_csv(
            target, mkdir=True, maintain_order=True, include_header=form.header, separator=form.delimiter,
            null_value=form.null, quote_style=style,
        )  # fmt: skip


def hive(value: str | None) -> str:
    """A value as a folder's name: percent-encoded, so that none can leave its directory; null has a name of its own."""
    if value is None:
        return NO_VALUE
    coded = quote(value, safe=" ,;()!'@+~")
    if value in (".", "..", NO_VALUE):  # what these mean as a folder's name is something else
        coded = f"%{ord(value[0]):02X}{value[1:]}"
    if len(coded.encode()) > 200:
        raise CannotCreate(f"a value of {len(value)} characters is too long for a folder's name: {value[:40]}…",
                           hint="partition by another column")  # fmt: skip
    return coded


def _manifest(place: Place, name: str) -> dict[str, Any]:
    data = place.read(manifest_name(name))
    try:
        return dict(json.loads(data)) if data else {"tokens": [], "files": [], "removes": []}
    except ValueError as error:
        raise CannotCreate("the manifest is damaged", file=manifest_name(name), hint="move it away") from error


def _after(
    before: dict[str, Any],
    files: Sequence[dict[str, Any]],
    place: Place,
    name: str,
    token: str,
    schema: pl.Schema,
    append: bool,
) -> dict[str, Any]:
    new = [{"name": f["to"], "bytes": f["bytes"]} for f in files]
    kept = list(before["files"]) if append else []
    names = {f["name"] for f in (*new, *kept)}
    here = [f[len(name) + 1 :] for f in place.names(name)]
    if lost := sorted(f["name"] for f in new if f["name"] not in here or f["name"] in before["removes"]):
        raise Overtaken(f"another run has replaced this folder meanwhile, and taken {lost[0]} away", file=name,
                        hint="look at what it wrote, then run anew")  # fmt: skip
    old = (
        [] if append else [f for f in here if f not in names and (_OURS.search(f) or f in {o["name"] for o in before["files"]})]
    )
    return {
        "version": 1,
        "tokens": [*(before["tokens"] if append else []), token],
        "columns": {column: str(dtype) for column, dtype in schema.items()},
        "files": kept + new,
        "removes": old,
    }


def _write_manifest(place: Place, name: str, manifest: dict[str, Any], work: Path, token: str, over: str | None) -> None:
    file = work / f"manifest-{token}.json"
    with refusing(file):
        write_durably(file, json.dumps(manifest, indent=1).encode(), "output.publish.manifest.write")
        place.put(file, manifest_name(name), over, token)
        place.settle([manifest_name(name)])
