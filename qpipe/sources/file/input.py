"""One file of a source: what it is called, how to open it, and what its folders say of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from qpipe.core import component
from qpipe.core.batch import Json
from qpipe.core.errors import NotPermitted, QpipeError, Unavailable

HEAD = 1 << 16  # bytes at either end that are part of a file's identity
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Input:
    """One file: its name as the user would write it, and how to open it anew."""

    name: str
    opener: Callable[[], BinaryIO] = field(compare=False)
    path: Path | None = None  # where it is a local file
    size: int | None = None  # bytes
    modified: int | str | None = None  # nanoseconds, or the store's own mark
    partition: tuple[tuple[str, str | None], ...] = ()  # column=value in the folders' names
    time: float | None = None  # of a remote file, seconds since the epoch, where the store tells
    fetch: Callable[[Sequence[tuple[int, int]]], list[bytes]] | None = field(default=None, compare=False)  # (from, to): pieces

    def identity(self) -> Json:
        """Changes when the file does: size, time, and a hash of its two ends."""
        digest = hashlib.sha256()
        with self._open() as file:
            digest.update(file.read(HEAD))
            if self.path and (self.size or 0) > HEAD:
                file.seek(max(HEAD, (self.size or 0) - HEAD))
                digest.update(file.read(HEAD))
        return {"name": self.name, "size": self.size, "modified": self.modified, "ends": digest.hexdigest()[:32]}

    def told(self) -> component.Input:
        """As inspections and listings see it."""
        time = self.modified / 1e9 if isinstance(self.modified, int) else self.time
        return component.Input(self.name, str(self.path.absolute()) if self.path else self.name, self.size, time)

    def head(self, size: int) -> bytes:
        """The first bytes."""
        with self._open() as file:
            return file.read(size)

    def _open(self) -> BinaryIO:
        try:
            return self.opener()
        except OSError as error:
            raise unreadable(self.name, error) from error


def unreadable(name: str, error: OSError) -> QpipeError:
    """A system's refusal in our words."""
    if isinstance(error, PermissionError):
        return NotPermitted("reading is not allowed", file=name, hint="give this user the right to read it")
    if isinstance(error, FileNotFoundError):
        return Unavailable("no file is there", file=name, hint="look at the path; it starts where the spec is")
    if isinstance(error, IsADirectoryError):
        return Unavailable("this is a directory", file=name, hint="name its files: path/*.csv")
    return Unavailable(f"cannot be read: {error.strerror or error}", file=name)


def hidden(parts: Sequence[str]) -> bool:
    """Left out as everyone leaves it out: `.hidden`, `_SUCCESS`, `_metadata`; but `_column=value` is a partition."""
    return any(part.startswith(".") or (part.startswith("_") and "=" not in part) for part in parts)


def partition_of(folders: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """``("day=2026-11-23",)`` → ``(("day", "2026-11-23"),)``: folders named the Hive way."""
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return tuple((unquote(key), None if value == NO_VALUE else unquote(value)) for key, _, value in pairs)
