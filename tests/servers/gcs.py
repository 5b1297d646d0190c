"""A server on loopback that speaks the protocol of Google Cloud Storage: gcp-storage-emulator, in memory; bucket shop.

The emulator does not look at ``ifGenerationMatch``. Before it stands a server that does, as Google's documentation says: 412
unless the object has that generation, 0 being no object.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import Request, urlopen

from tests.servers import free_port, listens, started

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
    process = started(command, directory / "log", lambda: listens(port), cwd=directory)
    try:
        with _Conditions(f"http://127.0.0.1:{port}") as front:
            threading.Thread(target=front.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{front.server_port}"
            front.shutdown()
    finally:
        process.kill()
        process.wait()


class _Conditions(ThreadingHTTPServer):
    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server, self.lock = server, threading.Lock()

    def sent(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        request = Request(self.server + path, body or None, headers, method=method)
        try:
            with urlopen(request) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def holds(self, path: str, body: bytes) -> bool:
        """Whether an upload's condition does."""
        asked = parse_qs(urlsplit(path).query)
        wanted = asked.get("ifGenerationMatch")
        if wanted is None:
            return True
        told = re.search(rb'"name": ("[^"]*")', body)
        name = asked["name"][0] if "name" in asked else json.loads(told[1]) if told else ""
        status, _, data = self.sent(
            "GET", f"/storage/v1/b/{path.split('/b/')[1].split('/')[0]}/o/{quote(name, safe='')}", b"", {}
        )
        return wanted == [json.loads(data)["generation"] if status == 200 else "0"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Conditions

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("connection", "accept-encoding")}
        with self.server.lock:
            held = self.command != "POST" or self.server.holds(self.path, body)
            status, headers, data = (
                self.server.sent(self.command, self.path, body, kept)
                if held
                else (412, {}, b'{"error": {"code": 412, "message": "conditionNotMet"}}')
            )
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass
