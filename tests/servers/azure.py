"""A server on loopback that speaks the protocol of Azure's blobs: Azurite, from npm; container shop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, listens, started

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # Azurite's own, in its manual


def missing() -> str | None:
    return None if shutil.which("azurite-blob") else "npm install --global azurite"


@contextmanager
def start(directory: Path) -> Iterator[str]:
    port = free_port()
    command = ["azurite-blob", "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(directory / "data"),
               "--skipApiVersionCheck", "--disableTelemetry", "--silent"]  # fmt: skip
    process = started(command, directory / "log", lambda: listens(port), cwd=directory)
    try:
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        import adlfs

        words = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url};"
        adlfs.AzureBlobFileSystem(connection_string=words).mkdir("shop")
        yield words
    finally:
        process.kill()
        process.wait()
