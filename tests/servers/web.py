"""A web server on loopback, Python's: it gives files, also in ranges, to user ann with password pa55-word."""

from __future__ import annotations

import base64
import http.server
import os
import re
import sys
from pathlib import Path
from typing import Any

from tests.servers import doors, free_port, listens, started

PASSWORD = "pa55-word"
_AUTHORISED = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()


def missing() -> str | None:
    return None


class Server:
    """A process that can be killed and started again at the same address, with what it had."""

    def __init__(self, directory: Path) -> None:
        self.folder, self._port, self.log = directory / "files", free_port(), directory / "log"
        self.folder.mkdir()
        self.url = f"http://127.0.0.1:{self._port}"
        self.storage = "{username: ann, password: '${env:WEB_PASSWORD}'}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.servers.web", str(self.folder), str(self._port)]
        self._process = started(command, self.log, lambda: listens(self._port), cwd=Path(__file__).parents[2])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


start, durable = doors(Server)


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send_head(self) -> Any:
        if self.headers.get("authorization") != _AUTHORISED:
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()
            return None
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        path = self.translate_path(self.path)
        if asked is None or not os.path.isfile(path):
            return super().send_head()
        size = os.path.getsize(path)
        first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
        if first >= size:
            self.send_error(416)
            return None
        self.send_response(206)
        self.send_header("content-range", f"bytes {first}-{last}/{size}")
        self.send_header("content-length", str(last - first + 1))
        self.send_header("accept-ranges", "bytes")
        self.end_headers()
        if self.command == "GET":
            with open(path, "rb") as file:
                file.seek(first)
                self.wfile.write(file.read(last - first + 1))
        return None


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), _Handler).serve_forever()
