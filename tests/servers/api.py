"""An HTTP server that tests tell how to behave: pages, refusals, broken answers, tokens that expire."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Api:
    """What was asked, and ``answer``: a function of the request that gives (status, headers, body) or breaks off."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Request] = []
        self.answer: Callable[[Request], Any] = lambda request: (404, {}, {"message": "Not Found"})


class Request:
    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes, number: int) -> None:
        parts = urlsplit(target)
        self.method, self.target, self.path, self.headers, self.body = method, target, parts.path, headers, body
        self.params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.number = number  # from 1


class Reset(Exception):
    """Break the connection off."""


class Truncated(Exception):
    """Promise more than is sent."""


class Drip(Exception):
    """Send the answer byte by byte, for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def missing() -> str | None:
    return None


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or broke off where the certificate did not please it, is what tests are about."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError, TimeoutError)):
            super().handle_error(request, client_address)


@contextmanager
def start(directory: Path, certificate: Path | None = None) -> Iterator[Api]:
    """``certificate``: a file with it and its key; the server speaks HTTPS then."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = Request(
                self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body, len(api.asked) + 1
            )
            api.asked.append(request)
            try:
                status, headers, content = api.answer(request)
            except Reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            except Truncated:
                self.send_response(200)
                self.send_header("content-length", "1000")
                self.end_headers()
                self.wfile.write(b'[{"id": 1}')
                self.close_connection = True
                return
            except Drip as slow:
                self.send_response(200)
                self.send_header("content-length", "1000000")
                self.end_headers()
                end = time.monotonic() + slow.seconds
                with contextlib.suppress(OSError):
                    while time.monotonic() < end:
                        self.wfile.write(b" ")
                        time.sleep(0.02)
                self.close_connection = True
                return
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, str(value))
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = _any

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secured.load_cert_chain(certificate)
        server.socket = secured.wrap_socket(server.socket, server_side=True)
    api.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()  # s until it sees that it is to end
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
