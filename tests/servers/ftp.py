"""An FTP server on loopback: pyftpdlib; user ann, password pa55-word."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from tests.servers import doors, free_port, listens, started

PASSWORD = "pa55-word"


def missing() -> str | None:
    return None if importlib.util.find_spec("pyftpdlib") else "pip install pyftpdlib"


class Server:
    """A process that can be killed and started again at the same address, with what it had."""

    def __init__(self, directory: Path) -> None:
        self.folder, self._port, self._log = directory / "files", free_port(), directory / "log"
        self.folder.mkdir()
        self._command = [sys.executable, "-m", "pyftpdlib", "-i", "127.0.0.1", "-p", str(self._port), "-w",
                         "-d", str(self.folder), "-u", "ann", "-P", PASSWORD]  # fmt: skip
        self.url = f"ftp://127.0.0.1:{self._port}"
        self.storage = "{username: ann, password: '${env:FTP_PASSWORD}'}"

    def start(self) -> None:
        self._process = started(self._command, self._log, lambda: listens(self._port))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


start, durable = doors(Server)
