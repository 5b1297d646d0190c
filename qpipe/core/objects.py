"""Objects of S3, read by a client that is there at once: s3fs needs half a second until its first answer.

It is for the plain case: keys that are said under `storage` or in the environment, and an address that does not depend on AWS'
own files. All else is the file system's, and so is whatever this client does not get: that meets the trouble anew, asks again
as it must, and tells it.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from qpipe.core.aside import begun
from qpipe.core.errors import DataRefused
from qpipe.core.storage import open_store, revealed

T = TypeVar("T")

_OPTIONS = {"endpoint_url", "region", "key", "secret", "token", "anon"}
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_PLACES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_VARIABLES = {*_KEYS, *_PLACES, "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EC2_METADATA_DISABLED"}
_BUCKET = re.compile(r"[\w.-]+")  # an access point has another kind of name
_TIMES = 2  # that a request is made again
_PIECE = 1 << 20  # bytes of the first piece of a stream
_LONGEST = 1 << 23  # bytes of its later ones


def open_objects(url: str, options: Mapping[str, Any] | None) -> tuple[Any, str]:
    """What stands in for the file system of an S3 URL, for reading, and the path in it."""
    path = url.partition("://")[2].rstrip("/")
    bucket = path.partition("/")[0]
    settings = _settings({name: revealed(value) for name, value in (options or {}).items()})
    if settings is None or not _BUCKET.fullmatch(bucket):
        return open_store(url, options, "read")
    return Objects(_client(bucket, **settings), lambda: open_store(url, options, "read")[0]), path


class Objects:
    """What a reader asks of a file system of fsspec's."""

    def __init__(self, client: Any, system: Callable[[], Any]) -> None:
        self._client, self._place, self._system = client, id(client), functools.cache(system)

    def __hash__(self) -> int:
        return self._place

    def __getattr__(self, asked: str) -> Any:
        return getattr(self._system(), asked)

    def unstrip_protocol(self, name: str) -> str:
        return f"s3://{name}"

    def info(self, name: str) -> Mapping[str, Any]:
        import obstore

        return self._tried(name, lambda key: _info(name, obstore.head(self._client, key)), lambda: self._system().info(name))

    def ls(self, folder: str, detail: bool = True) -> Sequence[Mapping[str, Any]]:
        """The objects of a folder; of folders in it nothing is told."""
        import obstore

        def look(key: str) -> Sequence[Mapping[str, Any]]:
            found = obstore.list_with_delimiter(self._client, key)["objects"]
            return _listed(folder, found)

        return self._tried(folder, look, lambda: self._system().ls(folder, detail=detail))

    def find(self, folder: str, detail: bool = True) -> Mapping[str, Mapping[str, Any]]:
        """All objects under a folder."""
        import obstore

        def look(key: str) -> Mapping[str, Mapping[str, Any]]:
            found = [each for some in obstore.list(self._client, key, chunk_size=1000) for each in some]
            if not all(each["size"] for each in found):
                raise LookupError("what marks a folder looks like an empty object")
            return {each["name"]: each for each in _listed(folder, found)}

        return self._tried(folder, look, lambda: self._system().find(folder, detail=detail))

    def cat_file(self, name: str, start: int, end: int) -> bytes:
        return self._piece(name, start, end)[0]

    def cat_ranges(self, names: Sequence[str], starts: Sequence[int], ends: Sequence[int], on_error: str) -> Sequence[Any]:
        """Several pieces of one object, asked for side by side."""
        import obstore

        return self._tried(
            names[0],
            lambda key: obstore.get_ranges(self._client, key, starts=starts, ends=ends, coalesce=0),
            lambda: self._system().cat_ranges(names, starts, ends, on_error=on_error),
        )

    def open(self, name: str, mode: str) -> Any:
        met = self.info(name)
        return Stream(lambda start, end: self._piece(name, start, end), self.unstrip_protocol(name), met)

    def _piece(self, name: str, start: int, end: int) -> tuple[bytes, str | None]:
        """Some bytes, and the ETag of the object that has them."""
        import obstore

        def ask(key: str) -> tuple[bytes, str | None]:
            answer = obstore.get(self._client, key, options={"range": (start, end)})
            return answer.bytes().to_bytes(), answer.meta["e_tag"]

        return self._tried(
            name, ask, lambda: (self._system().cat_file(name, start=start, end=end), self._system().info(name).get("ETag"))
        )

    def _tried(self, name: str, work: Callable[[str], T], otherwise: Callable[[], T]) -> T:
        key = name.partition("/")[2]
        if self._client is not None and not key.startswith("/"):  # which it would leave out
            try:
                return work(key)
            except Exception:  # whatever it is: the file system meets it, too
                self._client = None
        return otherwise()


class Stream:
    """An object from here to its end: the longer it is read on, the longer are the pieces, each asked for while one is read."""

    def __init__(self, piece: Callable[[int, int], tuple[bytes, str | None]], name: str, info: Mapping[str, Any]) -> None:
        self._piece, self._name, self.details = piece, name, info
        self._size: int = info["size"]
        self._at, self._start, self._data, self._length = 0, 0, b"", _PIECE
        self._coming: Future[bytes] | None = None  # of the piece behind this one

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int) -> bytes:
        """At least one byte, unless it is at its end."""
        behind = self._start + len(self._data)
        if not self._start <= self._at < behind and self._at < self._size:
            self._take(onward=self._at == behind)
        found = self._data[self._at - self._start : self._at - self._start + size] if self._at < self._size else b""
        self._at += len(found)
        return found

    def close(self) -> None:
        self._data, self._coming = b"", None

    def _take(self, onward: bool) -> None:
        coming, self._coming = self._coming, None
        self._length = min(self._length * 2, _LONGEST) if onward else _PIECE
        self._data = coming.result() if coming and onward else self._ask(self._at)
        self._start, behind = self._at, self._at + len(self._data)
        if onward and behind < self._size:
            self._coming = begun(lambda: self._ask(behind), "qpipe-fetch")

    def _ask(self, start: int) -> bytes:
        end = min(start + self._length, self._size)
        data, mark = self._piece(start, end)
        if len(data) != end - start or mark != self.details.get("ETag"):
            raise changed(self._name)
        return data


def changed(name: str) -> DataRefused:
    return DataRefused("the file changed while it was read", file=name, hint="run anew")


def _info(name: str, met: Mapping[str, Any]) -> dict[str, Any]:
    """As s3fs tells it."""
    return {"name": name, "type": "file", "size": met["size"], "ETag": met["e_tag"], "LastModified": met["last_modified"]}


def _listed(folder: str, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is told of a folder that is not empty."""
    bucket = folder.partition("/")[0]
    inside = [_info(f"{bucket}/{each['path']}", each) for each in found]
    inside = [each for each in inside if each["name"].startswith(folder + "/")]
    if not inside:
        raise LookupError("nothing is there")
    return inside


def _settings(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the client must know; None where it is not sure that the file system would come to the same."""
    there = {name: value for name, value in os.environ.items() if name.startswith("AWS_") and value}
    endpoint = given.get("endpoint_url") or next((there[name] for name in _PLACES if name in there), "")
    region = given.get("region") or there.get("AWS_DEFAULT_REGION") or ""
    known = _VARIABLES | {"AWS_CA_BUNDLE"} if _open(endpoint) else _VARIABLES
    if given.keys() - _OPTIONS or there.keys() - known or not all(isinstance(each, str | bool) for each in given.values()):
        return None
    if not (endpoint and region) and any((Path.home() / ".aws" / name).exists() for name in ("config", "credentials")):
        return None
    found = {"endpoint": endpoint, "region": region or "us-east-1"}
    if given.get("anon"):
        return {**found, "skip_signature": True}
    if given.keys() & {"key", "secret", "token"}:
        key, secret, token = (given.get(name, "") for name in ("key", "secret", "token"))
    else:
        key, secret, token = (there.get(name, "") for name in _KEYS)
    if not (key and secret) or (not token and _KEYS[2] in there):
        return None
    return {**found, "access_key_id": key, "secret_access_key": secret, "session_token": token}


def _open(endpoint: str) -> bool:
    """Whether the way to it is not encrypted, so that nobody looks at certificates."""
    return endpoint.startswith("http://")


@functools.lru_cache(maxsize=16)
def _client(bucket: str, **settings: Any) -> Any:
    from obstore.store import S3Store

    known = {name: value for name, value in settings.items() if value}
    return S3Store(
        bucket, **known, client_options={"allow_http": _open(settings["endpoint"])}, retry_config={"max_retries": _TIMES}
    )
