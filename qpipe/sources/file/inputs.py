"""The files a path names: globs, directories, lists, standard input and URLs become one sorted list of inputs."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.errors import Unavailable
from qpipe.core.storage import CONNECTED, shown
from qpipe.sources.file.input import Input, hidden, partition_of, unreadable

if TYPE_CHECKING:
    from qpipe.core.component import Context

STDIN = "-"
_looked: dict[tuple[str, str, str], list[Input]] = {}  # (run's folder, address, storage) → what was there


def inputs_of(
    paths: Sequence[str], context: Context, storage: Mapping[str, Any] | None = None, afresh: bool = False
) -> list[Input]:
    """All files that the paths name, each once, in the order of their names. None found is an error.

    A store is asked once in a run; ``afresh`` asks again.
    """
    found: dict[str, Input] = {}
    for path in paths:
        made = _far(path, context, storage, afresh) if "://" in path else list(_expand(path, context))
        if not made:
            raise Unavailable(f"no file is there: {shown(path)}", hint=_nearby(path, context.directory))
        for each in made:
            found.setdefault(each.name, each)
    return [found[name] for name in sorted(found)] if len(found) > 1 else list(found.values())


def local_copy(given: Input, context: Context, suffix: str, data: Callable[[], Any]) -> Path:
    """A file on this machine with what ``data`` reads, kept in the run's scratch space so that a resume finds it."""
    target = scratch_file(given, context, suffix)
    if not target.exists():
        partial = target.with_name(target.name + ".tmp")
        with closing(data()) as stream, partial.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        partial.replace(target)
    return target


def scratch_file(given: Input, context: Context, suffix: str) -> Path:
    """Its own name in the run's scratch space, as long as it does not change."""
    mark = hashlib.sha256(f"{given.name}|{given.size}|{given.modified}".encode()).hexdigest()[:16]
    return _scratch(context) / f"input-{mark}{suffix}"


def _far(path: str, context: Context, storage: Mapping[str, Any] | None, afresh: bool) -> list[Input]:
    from qpipe.sources.file.remote import remote  # only for addresses: files at hand start without it

    if context.work is None or path.startswith(CONNECTED):  # a connection that broke would be asked again
        return list(remote(path, storage))
    key = (str(context.work), path, repr(storage))
    if afresh or key not in _looked:
        for other in [known for known in _looked if known[0] != key[0]]:  # of runs that are over
            _looked.pop(other, None)
        _looked[key] = list(remote(path, storage))
    return _looked[key]


def _expand(path: str, context: Context) -> Iterator[Input]:
    if path == STDIN:
        yield _stdin(context)
    else:
        yield from _local(path, context.directory)


def _local(path: str, directory: Path) -> Iterator[Input]:
    whole = directory / os.path.expanduser(path)
    if whole.is_dir():
        names = [f for f in sorted(whole.rglob("*")) if f.is_file() and not hidden(f.relative_to(whole).parts)]
        yield from (_file(f, os.path.join(path, f.relative_to(whole)), f.relative_to(whole).parts[:-1]) for f in names)
    elif whole.exists():
        yield _file(whole, path, ())
    elif glob.has_magic(path):
        start = len(str(directory)) + 1 if not os.path.isabs(path) else 0
        for name in sorted(glob.glob(str(whole), recursive=True)):
            if os.path.isfile(name):
                yield _file(Path(name), name[start:], Path(name[start:]).parts[:-1])


def _file(path: Path, name: str, folders: Sequence[str]) -> Input:
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(name, error) from error
    return Input(name, lambda: open(path, "rb"), path, status.st_size, status.st_mtime_ns, partition_of(folders))


def _stdin(context: Context) -> Input:
    """Standard input, kept on disk first: what is read twice must be the same twice."""
    target = _scratch(context) / "stdin"
    if not target.exists():
        partial = target.with_name("stdin.tmp")
        with partial.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        partial.replace(target)
    return Input(STDIN, lambda: open(target, "rb"), target, target.stat().st_size, None)


def _scratch(context: Context) -> Path:
    if context.work:
        context.work.mkdir(parents=True, exist_ok=True)
        return context.work
    return _temporary()


_made: list[Any] = []


def _temporary() -> Path:
    """For use outside a run: gone with the process."""
    if not _made:
        _made.append(tempfile.TemporaryDirectory(prefix="qpipe-"))
    return Path(_made[0].name)


def _nearby(path: str, directory: Path) -> str:
    """What a person would look at next: a file of a similar name, or the folder that is not there either."""
    if "://" in path:
        return "look at the address"
    whole = directory / os.path.expanduser(path)
    folder = whole.parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = [f.name for f in folder.iterdir()]
    import difflib

    near = difflib.get_close_matches(whole.name, names, n=1, cutoff=0.6)
    alike = near or [n for n in names if fnmatch.fnmatch(n, whole.stem + ".*")]
    return f"did you mean {alike[0]}?" if alike else f"relative paths start at {directory}"
