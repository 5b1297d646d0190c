"""Redis on loopback, from Debian's package; password pa55-word."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, listens, until

PASSWORD = "pa55-word"


def missing() -> str | None:
    return None if shutil.which("redis-server") else "apt-get install redis-server"


@contextmanager
def start(directory: Path) -> Iterator[str]:
    port = free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": directory, "requirepass": PASSWORD, "save": "", "appendonly": "yes"}
    command = ["redis-server", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: listens(port))
        yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()
