"""A server on loopback that speaks the protocol of Google Cloud Storage: gcp-storage-emulator, in memory; bucket shop."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, listens, until

PROGRAM = "import sys; from gcp_storage_emulator.__main__ import main; sys.exit(main())"


def missing() -> str | None:
    return None if importlib.util.find_spec("gcp_storage_emulator") else "pip install gcp-storage-emulator"


@contextmanager
def start(directory: Path) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "start",
        "--host=127.0.0.1",
        f"--port={port}",
        "--in-memory",
        "--default-bucket=shop",
    ]
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    try:
        until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
