"""Real servers on loopback, one file each: the tests start them, and `make services` starts them for a developer.

A file here has ``missing()`` (None, or how to get the server) and ``start(directory)``, a context manager that yields the
server's address. A server that is not installed skips its tests; where QPIPE_SERVICES is "required" it fails them.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
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


_ports: list[socket.socket] = []  # one for each port that is held
_chance = random.SystemRandom()  # not the seed that several workers may share


def free_port() -> int:
    """A port that is nobody else's until this process ends, also while its server is away.

    It is below those that the system gives to outgoing connections, and other processes of tests know that it is taken by a
    name that goes with this process.
    """
    while True:
        port, held = _chance.randrange(20_000, 32_000), socket.socket(socket.AF_UNIX)
        try:
            if sys.platform.startswith("linux"):
                held.bind(f"\0qpipe-tests-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError as taken:
            held.close()
            if taken.errno != errno.EADDRINUSE:
                raise
            continue
        _ports.append(held)
        return port


def started(command: Sequence[str], log: Path, ready: Callable[[], bool], **options: Any) -> subprocess.Popen[bytes]:
    """A server's process when it is ready. One that ends, or does not get ready, is told with the end of its log."""
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, **options)
    with suppress(TimeoutError):
        until(lambda: process.poll() is not None or ready())
        if process.returncode is None:
            return process
    why = "did not get ready" if process.returncode is None else f"ended with {process.returncode}"
    process.kill()
    process.wait()
    raise RuntimeError(f"{command[0]} {why}: {log.read_bytes()[-2000:].decode(errors='replace')}")


def ran(command: Sequence[str]) -> None:
    """A command that must end well, or what it said is told."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}")


def until(ready: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something that takes a moment, and much longer on a crowded machine."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"not ready within {seconds:g} s")
        time.sleep(0.05)


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
