"""Redis on loopback, from Debian's package; password pa55-word."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.servers import doors, free_port, listens, started

PASSWORD = "pa55-word"


def missing() -> str | None:
    return None if shutil.which("redis-server") else "apt-get install redis-server"


class Server:
    """A process that can be killed and started again at the same address, with what it had."""

    def __init__(self, directory: Path) -> None:
        port = self._port = free_port()
        self._log = directory / "log"
        options = {"port": port, "bind": "127.0.0.1", "dir": directory, "requirepass": PASSWORD, "save": "",
                   "appendonly": "yes", "appendfsync": "always"}  # fmt: skip
        self._command = ["redis-server", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"

    def start(self) -> None:
        self._process = started(self._command, self._log, lambda: listens(self._port))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


start, durable = doors(Server)
