"""Files behind URLs: a pattern, a folder or one object becomes inputs, in the order of their names."""

from __future__ import annotations

import glob
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO

from qpipe.core.storage import open_store, reaching
from qpipe.sources.file.inputs import Input, hidden, partition_of

_BUFFER = 1 << 20
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
            return io.BufferedReader(_Reached(system.open(name, "rb"), shown), _BUFFER)

    return Input(shown, opener, None, info.get("size"), mark, partition_of(name.split("/")[:-1]), _time(info))


class _Reached(io.RawIOBase):
    """A file of a store whose refusals in the middle of reading are told in our words, too."""

    def __init__(self, file: Any, name: str) -> None:
        self._file, self._name = file, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def readinto(self, target: Any) -> int:
        with reaching(self._name, "reading"):
            data = self._file.read(len(target))
        target[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        with reaching(self._name, "reading"):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _time(info: Mapping[str, Any]) -> float | None:
    told = next((info[k] for k in ("LastModified", "last_modified", "mtime") if k in info), None)
    if isinstance(told, datetime):
        return told.timestamp()
    return float(told) if isinstance(told, int | float) else None
