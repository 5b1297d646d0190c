"""An S3-speaking server: moto, in a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, listens, started


def missing() -> str | None:
    return None if importlib.util.find_spec("moto") else "pip install 'moto[server]'"


@contextmanager
def start(directory: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = started(command, directory / "log", lambda: listens(port), cwd=directory)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
