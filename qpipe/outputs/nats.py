"""nats"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qpipe.core.batch import Json
from qpipe.core.component import Context, Types
from qpipe.core.errors import QpipeError
from qpipe.core.params import Duration, SecretText, param
from qpipe.core.streams import ID_HEADER
from qpipe.core.streams.nats import Connection, Server, problems
from qpipe.outputs._messages import Messages, Row

_IN_FLIGHT = 500  # messages whose answers are awaited together
_TRIES = 5


class Nats(Messages):
    """A subject of NATS JetStream: each row a message, a JSON object; `key` is added to the subject: orders.DE.

    At least once: a run that is stopped while it publishes sends its messages again, with the same ids in `qpipe-id` and
    `Nats-Msg-Id`, by which the server drops repeats within the stream's own window (two minutes, unless it says otherwise).
    """

    extra = "nats"

    servers: SecretText = param(help="nats://host:4222, or several with commas between")
    subject: str = param(help="the subject; a stream must keep it")
    auth: dict[str, Any] | None = param(None, help="{token}, {username, password}, {credentials: file} or {nkey: file}")
    tls: bool | dict[str, Any] = param(False, help="true, or {ca, cert, key}")
    timeout: Duration = param(10.0, help="how long to wait for a server that does not answer")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from problems(self.servers, self.auth, self.tls)
        yield from super().problems(types)
        if re.search(r"[\s*>]", self.subject):
            yield "subject", "a message is sent to one subject: no * or > and no blanks"

    @contextmanager
    def _sender(self, context: Context) -> Iterator[Callable[[Sequence[Row]], None]]:
        with Connection(Server(self.servers, self.auth or {}, self.tls, self.timeout, context.directory)) as connection:
            subject = f"{self.subject}.x" if self.key else self.subject
            connection.do(connection.stream.find_stream_name_by_subject(subject), self.subject)
            yield lambda rows: self._send(connection, rows)

    def _send(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Until every one is kept. What is not is sent again, in order, with the same ids."""
        for start in range(0, len(rows), _IN_FLIGHT):
            some = rows[start : start + _IN_FLIGHT]
            for attempt in range(_TRIES):
                try:
                    connection.do(self._kept(connection.stream, some), self.subject)
                    break
                except QpipeError:
                    if attempt == _TRIES - 1:
                        raise

    async def _kept(self, stream: Any, rows: Sequence[Row]) -> None:
        sent = (stream.publish(self._subject(row), row.value.encode(), timeout=self.timeout / _TRIES,
                               headers={ID_HEADER: row.id, "Nats-Msg-Id": row.id}) for row in rows)  # fmt: skip
        await asyncio.gather(*sent)

    def _subject(self, row: Row) -> str:
        """A key's blanks, dots and stars would mean something else in a subject."""
        if not self.key:
            return self.subject
        key = re.sub(r"[\s.*>]", "_", row.key or "")
        return f"{self.subject}.{key or '_'}"

    def _place(self) -> Json:
        return {"servers": Server(self.servers).shown, "subject": self.subject}
