"""Real servers on loopback, one file each: the tests start them, and `make services` starts them for a developer.

A file here has ``missing()`` (None, or how to get the server) and ``start(directory)``, a context manager that yields the
server's address. A server that is not installed skips its tests; where QPIPE_SERVICES is "required" it fails them.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import pytest

NAMES = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def fixture(name: str) -> Any:
    """A session's server as a pytest fixture: ``postgres = fixture("postgres")``; the tests get its address."""

    @pytest.fixture(scope="session", name=name)
    def server() -> Iterator[str]:
        yield from running(name)

    return server


def running(name: str) -> Iterator[Any]:
    module = importlib.import_module(f"tests.servers.{name}")
    if how := module.missing():
        absent(name, how)
    with folder(name) as directory, module.start(directory) as address:
        yield address


def absent(name: str, how: str) -> NoReturn:
    """Skips the test, or fails it where services are required."""
    said = f"no {name} server here: {how}"
    if os.environ.get("QPIPE_SERVICES") == "required":
        pytest.fail(said)
    pytest.skip(said)


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A short path (sockets need one) that any user may enter."""
    with tempfile.TemporaryDirectory(prefix=f"qpipe-{name}-", ignore_cleanup_errors=True) as made:
        os.chmod(made, 0o755)
        yield Path(made)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def until(ready: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a server to answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return
        time.sleep(0.05)
    raise TimeoutError(f"the server did not answer within {seconds:g} s")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Killable(Protocol):
    """A server of a test's own, which it may kill and start again at the same address, with what it had."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...


S = TypeVar("S", bound=Killable)


def doors(server: Callable[[Path], S]) -> tuple[Callable[[Path], Any], Callable[[Path], Any]]:
    """``start`` and ``durable`` of a server: context managers that give its address, or itself."""

    @contextmanager
    def durable(directory: Path) -> Iterator[S]:
        made = server(directory)
        made.start()
        try:
            yield made
        finally:
            made.kill()

    @contextmanager
    def start(directory: Path) -> Iterator[str]:
        with durable(directory) as made:
            yield made.url

    return start, durable
