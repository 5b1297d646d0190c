"""Files behind URLs: a pattern, a folder or one object becomes inputs, in the order of their names."""

from __future__ import annotations

import fnmatch
import glob
import io
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from qpipe.core.http import shown as told
from qpipe.core.objects import changed, open_objects
from qpipe.core.storage import open_store, reaching, shown
from qpipe.sources.file.input import Input, hidden, partition_of

_BUFFER = 1 << 20
_HEAD = 1 << 16
_KEPT = 256  # beginnings in memory
_S3 = ("s3://", "s3a://")
_IN_PIECES = ("s3://", "s3a://", "gs://", "gcs://", "az://", "abfs://", "abfss://", "http://", "https://")
_PIECE = 1 << 18  # bytes asked of an SFTP server at a time; it may give fewer
_MARKS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "Last-Modified", "modify", "generation", "created")


def remote(url: str, storage: Mapping[str, Any] | None) -> Iterator[Input]:
    system, path = open_objects(url, storage) if url.startswith(_S3) else open_store(url, storage, "read")
    with reaching(url, "reading"):
        look = _in_s3 if url.startswith(_S3) else _elsewhere
        infos = look(system, path, url)
        found = [_object(url, storage, system, name, infos[name]) for name in sorted(infos)]
    yield from found


def _elsewhere(system: Any, path: str, url: str) -> dict[str, Any]:
    """Name → what the store says of it."""
    web = url.startswith(("http://", "https://"))
    names = system.glob(path) if glob.has_magic(path) else [path]
    if names == [path] and (url.endswith("/") if web else system.isdir(path)):
        names = [n for n in system.find(path) if not hidden(n[len(path) :].strip("/").split("/"))]
    return {name: system.info(name) for name in names}


def _in_s3(system: Any, path: str, url: str) -> dict[str, Any]:
    """The same in few requests: a listing tells what a look at each object would. A name that is an object is no folder."""
    folder, _, last = path.rpartition("/")
    if glob.has_magic(last) and not glob.has_magic(folder) and "**" not in last:
        fits = re.compile(fnmatch.translate(last)).match
        listed = {info["name"]: info for info in system.ls(folder, detail=True) if fits(info["name"].rpartition("/")[2])}
    elif glob.has_magic(path):
        listed = system.glob(path, detail=True)
    else:
        info = None if url.endswith("/") else system.info(path)
        if info and info["type"] == "file":
            return {path: info}
        listed = {
            n: info for n, info in system.find(path, detail=True).items() if not hidden(n[len(path) :].strip("/").split("/"))
        }
    return {name: info for name, info in listed.items() if info["type"] == "file" and not name.endswith("/")}


def _object(url: str, storage: Mapping[str, Any] | None, system: Any, name: str, info: Mapping[str, Any]) -> Input:
    mark = _mark(info)
    shown = _named(url, system, name)

    def opener() -> BinaryIO:
        with reaching(shown, "reading"):
            if url.startswith("ftp://"):
                return io.BufferedReader(_Reached(_Ftp(url, storage, name), shown), _BUFFER)
            if url.startswith(("sftp://", "ssh://")):
                return io.BufferedReader(_Reached(_Sftp(system.open(name, "rb"), info["size"]), shown), _BUFFER)
            return io.BufferedReader(_Reached(_Object(system, name, info.get("size"), mark), shown), _BUFFER)

    def fetch(pieces: Sequence[tuple[int, int]]) -> list[bytes]:
        with reaching(shown, "reading"):
            starts, ends = [start for start, _ in pieces], [end for _, end in pieces]
            found: list[bytes] = system.cat_ranges([name] * len(pieces), starts, ends, on_error="raise")
            if any(len(data) != end - start for data, (start, end) in zip(found, pieces, strict=True)) or (
                mark is not None and _mark(system.info(name)) != mark
            ):
                raise changed(shown)
        return found

    pieces = fetch if url.startswith(_IN_PIECES) and info.get("size") and info.get("partial", True) else None
    folders = partition_of(name.split("/")[:-1])
    return Input(shown, opener, None, info.get("size"), mark, folders, _time(info), pieces)


def _mark(info: Mapping[str, Any]) -> str | None:
    """What the store changes when the object changes."""
    return next((str(info[k]) for k in _MARKS if k in info), None)


def _named(url: str, system: Any, name: str) -> str:
    """The object's own address."""
    if url.startswith(("http://", "https://")):
        return told(name)
    if url.startswith(("sftp://", "ssh://", "ftp://")):
        parts = urlsplit(shown(url))
        return f"{parts.scheme}://{parts.netloc}/{name.lstrip('/')}"
    return str(system.unstrip_protocol(name))


_beginnings: OrderedDict[tuple[int, str, int, str], bytes] = OrderedDict()


def _beginning(system: Any, name: str, size: int, mark: str | None) -> bytes:
    """The first bytes, asked for once while the object's ETag stays the same: a run looks at them again and again."""
    key = (hash(system), name, size, mark or "")
    found: bytes = _beginnings.get(key) or system.cat_file(name, start=0, end=min(size, _HEAD))
    if '"' in key[-1]:
        _beginnings[key] = found
        if len(_beginnings) > _KEPT:
            _beginnings.popitem(last=False)
    return found


class _Object:
    """A file of a store, of which a look at its beginning fetches little: opened, it would read megabytes ahead."""

    def __init__(self, system: Any, name: str, size: int | None, mark: str | None) -> None:
        self._system, self._name, self._size, self._at = system, name, size, 0
        self._mark = mark
        self._head = _beginning(system, name, size, mark) if size else b""
        self._file: Any = None

    def seekable(self) -> bool:
        return self._file is None or bool(self._file.seekable())

    def read(self, size: int) -> bytes:
        if self._at < len(self._head):
            found = self._head[self._at : self._at + size]
        elif self._size is not None and self._at >= self._size:
            found = b""
        else:
            found = self._opened().read(size)
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2 and self._size is None:
            self._at = int(self._opened().seek(offset, 2))
        else:
            self._at = offset + (0, self._at, self._size or 0)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _opened(self) -> Any:
        if self._file is None:
            self._file = self._system.open(self._name, "rb")
            mark = _mark(getattr(self._file, "details", None) or {})
            if mark is not None and self._mark is not None and mark != self._mark:
                raise changed(str(self._system.unstrip_protocol(self._name)))
        if self._file.tell() != self._at:
            self._file.seek(self._at)
        return self._file


class _Sftp:
    """A file that is asked for in large pieces: each waits for the network's way and back."""

    def __init__(self, file: Any, size: int) -> None:
        file.MAX_REQUEST_SIZE = _PIECE
        self._file, self._size = file, size

    def seekable(self) -> bool:
        return True

    def read(self, size: int) -> bytes:
        found: bytes = self._file.read(size)
        if len(found) < size and self._file.tell() < self._size:
            raise EOFError("the file became shorter while it was read")
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        self._file.seek(offset, whence)
        return int(self._file.tell())

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()


class _Ftp:
    """A file that comes in one stream, over a connection of its own; to seek is to ask anew from there."""

    def __init__(self, url: str, storage: Mapping[str, Any] | None, name: str) -> None:
        self._open, self._name = (lambda: open_store(url, storage, "read")[0]), name
        self._system: Any = None
        self._data: Any = None
        self._at = 0
        self._size: int | None = None

    def seekable(self) -> bool:
        return True

    def read(self, size: int) -> bytes:
        if self._data is None:
            ftp = self._connected()
            self._size = ftp.size(self._name)
            with ftp.transfercmd(f"RETR {self._name}", rest=self._at or None) as connection:
                self._data = connection.makefile("rb")
        found: bytes = self._data.read(size)
        self._at += len(found)
        if not found and self._size is not None and self._at < self._size:
            raise EOFError("the connection ended before the file did")
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            offset += self._connected().size(self._name)
        elif whence == 1:
            offset += self._at
        if offset != self._at:
            self.close()
            self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if self._data is not None:
            self._data.close()
        if self._system is not None:
            self._system.ftp.close()
        self._data = self._system = None

    def _connected(self) -> Any:
        if self._system is None:
            self._system = self._open()  # closes its connection when it is forgotten
            self._system.ftp.voidcmd("TYPE I")
        return self._system.ftp


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
    at = next((info[k] for k in ("LastModified", "last_modified", "mtime", "Last-Modified", "modify") if k in info), None)
    if isinstance(at, datetime):
        return at.timestamp()
    if isinstance(at, str) and at[:14].isdigit():  # FTP: YYYYMMDDHHMMSS in UTC
        return datetime.strptime(at[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
    if isinstance(at, str) and "," in at:  # HTTP
        return parsedate_to_datetime(at).timestamp()
    return float(at) if isinstance(at, int | float) else None
