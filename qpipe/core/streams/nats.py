"""NATS JetStream: a connection used from plain code, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import ssl
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from qpipe.core.errors import MissingExtra, NotPermitted, QpipeError, Unavailable
from qpipe.core.secrets import RAW, embedded_secrets, reveal, written_raw
from qpipe.core.sql import shown
from qpipe.core.streams import hidden

T = TypeVar("T")
_AUTH = {"token": "token", "username": "user", "password": "password", "credentials": "user_credentials",
         "nkey": "nkeys_seed"}  # fmt: skip
_TLS = ("ca", "cert", "key")
_WAIT = 0.25  # seconds between two tries to connect


@dataclass(frozen=True)
class Server:
    """Where the servers are, and who asks."""

    servers: str  # nats://host:port, or several with commas between
    auth: Mapping[str, Any] = field(default_factory=dict)
    tls: bool | Mapping[str, Any] = False
    timeout: float = 10.0
    directory: Path = field(default_factory=Path.cwd)  # relative paths of certificates and credentials start here

    @property
    def addresses(self) -> list[str]:
        return [address.strip() for address in str(reveal(self.servers)).split(",")]

    @property
    def shown(self) -> str:
        return ", ".join(shown(a if "://" in a else f"nats://{a}") for a in self.addresses)

    def options(self) -> dict[str, Any]:
        made = {_AUTH[name]: reveal(value) for name, value in self.auth.items()}
        for name in ("user_credentials", "nkeys_seed"):
            if name in made:
                made[name] = str(self.directory / made[name])
        if self.tls:
            made["tls"] = self._certificates()
        return made

    def _certificates(self) -> ssl.SSLContext:
        given = self.tls if isinstance(self.tls, Mapping) else {}
        made = ssl.create_default_context(cafile=str(self.directory / given["ca"]) if "ca" in given else None)
        if "cert" in given:
            made.load_cert_chain(self.directory / given["cert"], self.directory / given["key"] if "key" in given else None)
        return made


class Connection:
    """A connection that comes back by itself, in a thread with its own event loop. Use it as a context manager."""

    def __init__(self, server: Server) -> None:
        self._server, self._said = server, list[str]()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qpipe-nats", daemon=True)
        self.client: Any = None

    def __enter__(self) -> Connection:
        if importlib.util.find_spec("nats") is None:
            raise MissingExtra("speak with NATS", extra="nats")
        self._thread.start()
        try:
            self.client = self.do(self._connect())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):  # a connection that is broken is closed, too
            asyncio.run_coroutine_threadsafe(self.client.close(), self._loop).result(5)
        self._stop()

    @property
    def stream(self) -> Any:
        """JetStream's own methods."""
        return self.client.jetstream(timeout=self._server.timeout)

    def do(self, work: Coroutine[Any, Any, T], at: str = "") -> T:
        """What the coroutine gives. Its errors are ours, without what is secret."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except QpipeError:
            raise
        except Exception as error:
            raise self.refused(error, at) from error

    def refused(self, error: BaseException | str, at: str = "") -> QpipeError:
        """The error for what the client said."""
        mask = hidden(self._server.auth)
        for address in self._server.addresses:
            for secret in embedded_secrets(address):
                mask.add(secret)
        said = error if isinstance(error, str) else f"{getattr(error, 'description', None) or error}" or type(error).__name__
        heard = sorted(self._said, key=lambda words: "authorization" in words.lower())  # a refusal says more than its end
        last = heard[-1] if heard and heard[-1] not in said else ""
        text = mask(f"NATS at {self._server.shown}{', ' if at else ''}{at}: {said}" + (f" ({last})" if last else ""))
        low = text.lower()
        if "authorization" in low or "permissions violation" in low or "authentication" in low:
            return NotPermitted(text, hint="check `auth`, and what this user may do")
        if "stream not found" in low or "no stream matches" in low:
            return Unavailable(text, hint="check the stream's name, or create it")
        if "workqueue" in low or "requires ack policy" in low:
            return Unavailable(
                text, hint="a work queue gives each message to one consumer: read a stream with another retention"
            )
        return Unavailable(text, hint="is the server running, with JetStream, and reachable?")

    async def _connect(self) -> Any:
        import nats

        refused = asyncio.Event()

        async def heard(error: Exception) -> None:
            self._said.append(str(error) or type(error).__name__)
            if "authorization" in str(error).lower():
                refused.set()

        tries = max(1, int(self._server.timeout / _WAIT))
        connecting = asyncio.ensure_future(nats.connect(
            self._server.addresses, name="qpipe", error_cb=heard, connect_timeout=min(2.0, self._server.timeout),
            reconnect_time_wait=_WAIT, max_reconnect_attempts=tries, **self._server.options(),
        ))  # fmt: skip
        watching = asyncio.ensure_future(refused.wait())
        await asyncio.wait({connecting, watching}, timeout=self._server.timeout, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        if not connecting.done():
            connecting.cancel()
            raise TimeoutError("no connection" if not refused.is_set() else "refused")
        return connecting.result()

    def _stop(self) -> None:
        """Nothing of the client goes on, and nothing is left for the collector to complain about."""
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()

    async def _ended(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


def problems(servers: str, auth: Mapping[str, Any] | None, tls: bool | Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """What is wrong before anything is asked."""
    if importlib.util.find_spec("nats") is None:
        yield "servers", "to speak with NATS, qpipe[nats] is needed: pip install 'qpipe[nats]'"
    if any(written_raw(address) for address in Server(servers).addresses):
        yield "servers", RAW
    yield from (("auth", f"auth has no {name}: it has {', '.join(_AUTH)}") for name in auth or {} if name not in _AUTH)
    if isinstance(tls, Mapping):
        yield from (("tls", f"tls has no {name}: it has {', '.join(_TLS)}") for name in tls if name not in _TLS)
