"""http"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.aside import Crew, waited
from qpipe.core.batch import Json
from qpipe.core.component import Context, Output, Part, Types
from qpipe.core.effects import effect
from qpipe.core.http import Client, Settings, request_problems, shown
from qpipe.core.lazy import pl
from qpipe.core.params import Duration, param

if TYPE_CHECKING:
    import polars as pl


class Http(Output):
    """Rows sent to an HTTP endpoint, such as a webhook: so many in a request, each request with an `Idempotency-Key`.

    At least once: a run that is stopped while it publishes sends its requests again, with the same keys, so that a server
    that honours them takes each row once. Passing refusals (429, 5xx, broken connections) are tried again.
    """

    like = ("rest", "api", "webhook")
    guarantee = "at least once"

    url: str = param(help="the address", short=True)
    method: Literal["POST", "PUT", "PATCH"] = param("POST", help="how it is sent")
    headers: dict[str, Any] = param(None, help="headers of every request")
    auth: dict[str, Any] | None = param(None, help="as of the source `rest`: basic, bearer, api_key, oauth2")
    batch_size: int = param(100, help="rows in a request", minimum=1)
    body: Literal["list", "ndjson", "single"] = param("list", help="a JSON list, lines of JSON, or one object (batch_size: 1)")
    rate_limit: str | int | None = param(None, help="requests at most: 10 (a second), 10/s, 1000/min")
    retries: int = param(5, help="how often a request is sent again", minimum=0)
    retry: dict[str, Any] | None = param(
        None, alias="retry_config", help="the same with its waits: {max_retries, backoff, initial_delay, max_delay}"
    )
    timeout: Duration = param(30.0, help="how long to wait for a connection, and for the answer")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from request_problems(self)
        if self.body == "single" and self.batch_size != 1:
            yield "batch_size", "one object in a request needs batch_size: 1"

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        from qpipe.outputs.file.places import write_durably
        from qpipe.outputs.file.texts import json_columns, ndjson

        file, data = directory / f"part-{seq:06d}.ndjson", ndjson(frame, json_columns(context.types))
        write_durably(file, data)
        return Part(seq, str(file), frame.height, len(data), hashlib.sha256(data).hexdigest()[:32])

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        requests = 0
        with Crew(1, "qpipe-http") as crew, Client(Settings.of(self), context.check_stop) as client:
            for part in sorted(parts, key=lambda p: p.seq):
                lines = Path(part.path).read_text("utf-8").splitlines()
                for start in range(0, len(lines), self.batch_size):
                    effect("output.http.send")
                    headers = {"Idempotency-Key": f"{token}-{part.seq}-{start}", "Content-Type": self._type()}
                    content = self._content(lines[start : start + self.batch_size])
                    send = partial(client.send, self.method, self.url, content=content, headers=headers)
                    waited(crew.begin(send), context.check_stop)
                    requests += 1
        return {"url": shown(self.url), "rows": sum(part.rows for part in parts), "requests": requests}

    def discard(self, parts: Sequence[Part], context: Context) -> None:
        for part in parts:
            Path(part.path).unlink(missing_ok=True)

    def _type(self) -> str:
        return "application/x-ndjson" if self.body == "ndjson" else "application/json"

    def _content(self, lines: Sequence[str]) -> bytes:
        if self.body == "list":
            return ("[" + ",".join(lines) + "]").encode()
        return ("\n".join(lines) + ("\n" if self.body == "ndjson" else "")).encode()
