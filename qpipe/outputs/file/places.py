"""Where files end up: a folder on this machine, or any store that fsspec knows. Every change is announced as an effect.

What must stay true: a name appears with its whole content or not at all, and ``put`` of the same file under the same name a
second time changes nothing.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from qpipe.core.effects import effect
from qpipe.core.errors import CannotCreate, NotPermitted, QpipeError, Unavailable
from qpipe.core.lazy import pl
from qpipe.core.storage import open_store, reaching
from qpipe.outputs.file import conditional, conditional_azure, conditional_gcs

AZURE = ("abfs", "abfss", "az")
GCS = ("gs", "gcs")
S3 = ("s3", "s3a")
Content = bytes | memoryview | Callable[[Path], Any]  # of a file: its bytes, or what writes them
_CONDITIONAL = dict.fromkeys(S3, conditional) | dict.fromkeys(AZURE, conditional_azure) | dict.fromkeys(GCS, conditional_gcs)
OBJECT_STORES = (*S3, *GCS, *AZURE, "memory")  # a put shows a whole object or none


class Place(Protocol):
    """A folder. Names are relative to it, with ``/``."""

    def put(self, file: Path, name: str, over: str | None = None, token: str = "") -> None:
        """The file, complete, under the name, and no longer where it was. If it is not there any more: done before.

        ``over``: only if ``mark`` still says so; Overtaken, where another run has written there.
        """

    def mark(self, name: str) -> str | None:
        """What is under the name now, or nothing; None where the place does not hold puts against it."""

    def settle(self, names: Sequence[str]) -> None:
        """What was put under these names outlives a loss of power."""

    def read(self, name: str) -> bytes | None:
        """The content, or None where there is nothing of that name."""

    def fetch(self, name: str, to: Path) -> Path | None:
        """A local file with the content; None where there is nothing."""

    def names(self, below: str) -> list[str]:
        """All files below a folder."""

    def remove(self, name: str) -> None:
        """Forget it; nothing there is fine."""


class Local:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, file: Path, name: str, over: str | None = None, token: str = "") -> None:
        target = self.folder / name
        if not file.exists():
            return
        with refusing(target):
            make_folder(target.parent)
            if target.exists():
                shutil.copymode(target, file)
            effect("output.publish.rename")
            try:
                os.replace(file, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _carry(file, target)

    def mark(self, name: str) -> str | None:
        return None

    def settle(self, names: Sequence[str]) -> None:
        folders = {(self.folder / name).parent for name in names}
        at_once(sync_folder, sorted(f for f in folders if f.is_dir()))

    def read(self, name: str) -> bytes | None:
        with refusing(self.folder / name):
            try:
                return (self.folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def fetch(self, name: str, to: Path) -> Path | None:
        return self.folder / name if (self.folder / name).exists() else None

    def names(self, below: str) -> list[str]:
        top = self.folder / below
        return sorted(f.relative_to(self.folder).as_posix() for f in top.rglob("*") if f.is_file()) if top.is_dir() else []

    def remove(self, name: str) -> None:
        target = self.folder / name
        with refusing(target):
            if target.exists():
                effect("output.publish.remove")
                target.unlink()
            if "=" in target.parent.name:  # a partition that has become empty
                _remove_if_empty(target.parent, self.folder)


class Remote:
    """The folder of a URL in a store that fsspec knows."""

    def __init__(self, url: str, storage: Mapping[str, Any] | None = None) -> None:
        self._protocol = url.split("://", 1)[0]
        self._system, path = open_store(url, storage, "write to")
        self._path = path.rstrip("/").rpartition("/")[0]
        if not self._path and self._protocol in OBJECT_STORES:
            raise Unavailable(
                "this is a bucket", file=url, hint="name what is to be in it: a file, or a folder with / at its end"
            )

    def put(self, file: Path, name: str, over: str | None = None, token: str = "") -> None:
        if not file.exists():
            return
        target = f"{self._path}/{name}"
        with self._refusing(name), self._begun(file, target):
            effect("output.publish.upload")
            if over is not None:
                _CONDITIONAL[self._protocol].put_over(self._system, file, target, over, token)
            elif self._protocol in OBJECT_STORES:
                again = {"overwrite": True} if self._protocol in AZURE else {}  # a repeat after a stop
                self._system.put_file(str(file), target, **again)
            else:
                partial = f"{target.rpartition('/')[0]}/.{target.rpartition('/')[2]}.tmp"
                self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._system.put_file(str(file), partial)
                effect("output.publish.rename")
                self._system.mv(partial, target)
            effect("output.publish.uploaded")
            file.unlink()

    @contextmanager
    def _begun(self, file: Path, target: str) -> Iterator[None]:
        """A mark beside the file while it is sent: a repeat that finds it takes away what was sent of an upload in parts."""
        sending = file.with_name(file.name + ".sending")
        if self._protocol in S3:
            if sending.exists():
                conditional.forget_uploads(self._system, target)
            sending.touch()
        yield
        sending.unlink(missing_ok=True)

    def mark(self, name: str) -> str | None:
        with self._refusing(name):
            asked = _CONDITIONAL.get(self._protocol)
            return asked.mark_of(self._system, f"{self._path}/{name}") if asked else None

    def settle(self, names: Sequence[str]) -> None:
        pass  # a store keeps what it has taken

    def read(self, name: str) -> bytes | None:
        with self._refusing(name):
            try:
                return bytes(self._system.cat_file(f"{self._path}/{name}"))
            except FileNotFoundError:
                return None

    def fetch(self, name: str, to: Path) -> Path | None:
        with self._refusing(name):
            if not self._system.exists(f"{self._path}/{name}"):
                return None
            self._system.get_file(f"{self._path}/{name}", str(to))
            return to

    def names(self, below: str) -> list[str]:
        with self._refusing(below):
            try:
                found = self._system.find(f"{self._path}/{below}")
            except FileNotFoundError:
                return []
            return sorted(str(name)[len(self._path) + 1 :] for name in found)

    def remove(self, name: str) -> None:
        with self._refusing(name):
            effect("output.publish.remove")
            if self._system.exists(f"{self._path}/{name}"):
                self._system.rm_file(f"{self._path}/{name}")

    def _refusing(self, name: str) -> AbstractContextManager[None]:
        return reaching(f"{self._protocol}://{self._path}/{name}", "writing")


def write_durably(file: Path, data: Content, name: str = "output.stage.write") -> None:
    """Bytes, or what itself writes a file, to the disk, folder included. A repeat writes it anew."""
    with refusing(file):
        make_folder(file.parent)
        effect(name)
        if callable(data):  # Polars writes a file by itself, but asks for Python's lock at each step into a buffer
            data(file)
            sync_file(file)
        else:
            with open(file, "wb", buffering=0) as stream:
                view = memoryview(data)
                while len(view):
                    view = view[stream.write(view[: 1 << 30]) :]
                os.fsync(stream.fileno())
        sync_folder(file.parent)


def sync_file(file: Path) -> None:
    with refusing(file), open(file, "rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """So that names in it outlive a loss of power. Where folders cannot be synced, the system does it itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def at_once(sync: Callable[[Path], None], paths: Sequence[Path]) -> None:
    """Many syncs side by side: the file system takes them together, where one by one each waits for the disk."""
    if len(paths) < 4:
        for path in paths:
            sync(path)
        return
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sync, paths))


def make_folder(folder: Path) -> None:
    """The folder and those above it, each durable."""
    with refusing(folder):
        missing = [f for f in (folder, *folder.parents) if not f.exists()]
        if not missing and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "", str(folder))
        for each in reversed(missing):
            effect("output.folder.make")
            each.mkdir(exist_ok=True)
            sync_folder(each.parent)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """The system's refusals in our words, with the path and what to do."""
    try:
        yield
    except QpipeError:
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        raise refusal(path, error) from error


@contextmanager
def building(file: Path) -> Iterator[None]:
    """A file that is made anew; nothing of it is left when that fails."""
    file.unlink(missing_ok=True)
    try:
        with refusing(file):
            yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def refusal(path: Path, error: Exception) -> QpipeError:
    """What the system said to Python, or to Polars, which quotes it."""
    quoted = re.search(r"\(os error (\d+)\)", str(error))
    number = getattr(error, "errno", None) or (int(quoted[1]) if quoted else None)
    file = str(getattr(error, "filename", None) or path)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return CannotCreate("the disk is full", file=file, hint="make room")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotPermitted(
            "writing is not allowed", file=file, hint="give this user the right to write there, or name another path"
        )
    if number in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
        return CannotCreate(_in_the_way(Path(file)), file=file, hint="name another path, or move it away")
    return CannotCreate(
        f"cannot be written: {getattr(error, 'strerror', None) or str(error).splitlines()[0]}",
        file=file,
        hint="name another path",
    )


def _in_the_way(path: Path) -> str:
    return "there is a directory of this name" if path.is_dir() else "this is a file, no directory"


def _carry(file: Path, target: Path) -> None:
    """To another file system: copied beside the target first, so that the name appears with its whole content."""
    partial = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(file, partial)
    sync_file(partial)
    effect("output.publish.rename")
    os.replace(partial, target)
    file.unlink()


def _remove_if_empty(folder: Path, top: Path) -> None:
    while folder != top and "=" in folder.name:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
