"""Files behind URLs: a pattern, a folder or one object becomes inputs, in the order of their names."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO

from qpipe.core.storage import open_store, reaching
from qpipe.sources.file.inputs import Input, hidden, partition_of

_MARKS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "created")


def remote(url: str, storage: Mapping[str, Any] | None) -> Iterator[Input]:
    system, path = open_store(url, storage, "read")
    with reaching(url, "reading"):
        names = system.glob(path) if glob.has_magic(path) else [path]
        if names == [path] and system.isdir(path):
            names = [n for n in system.find(path) if not hidden(n[len(path) :].strip("/").split("/"))]
        found = [_object(system, name) for name in sorted(names)]
    yield from found


def _object(system: Any, name: str) -> Input:
    info = system.info(name)
    mark = next((str(info[k]) for k in _MARKS if k in info), None)
    shown = system.unstrip_protocol(name)

    def opener() -> BinaryIO:
        with reaching(shown, "reading"):
            opened: BinaryIO = system.open(name, "rb")
            return opened

    return Input(shown, opener, None, info.get("size"), mark, partition_of(name.split("/")[:-1]), _time(info))


def _time(info: Mapping[str, Any]) -> float | None:
    told = next((info[k] for k in ("LastModified", "last_modified", "mtime") if k in info), None)
    if isinstance(told, datetime):
        return told.timestamp()
    return float(told) if isinstance(told, int | float) else None
