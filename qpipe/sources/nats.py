"""nats"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from qpipe.core.batch import Fault, Json
from qpipe.core.component import Context, Input, Types
from qpipe.core.errors import DataRefused, NotPermitted
from qpipe.core.lazy import pl
from qpipe.core.params import Duration, SecretText, param
from qpipe.core.streams.nats import Connection, Server, problems
from qpipe.sources._messages import PIECE, Messages, Taken

_PATIENCE = 1.0  # seconds that a fetch may take before the consumer is made anew
_ACKED_AT_ONCE = 500


class Nats(Messages):
    """A stream of NATS JetStream, each message once: a run reads what came after the last published one.

    Messages are told by their sequence in the stream, so nothing is lost or doubled when a run is stopped: the journal keeps
    it. `durable`, if it is named, is a consumer whose messages are acknowledged when they are published, for others to see, and
    for streams that keep messages until then. A message that is not what `format` says is a malformed row with its sequence.
    """

    extra = "nats"

    servers: SecretText = param(help="nats://host:4222, or several with commas between")
    stream: str = param(help="the stream's name")
    subject: str | None = param(None, help="only messages of these subjects, such as orders.*.eu")
    durable: str | None = param(None, help="a durable consumer that acknowledges what is published; made if it is not there")
    start: Literal["first", "new"] = param(
        "first", help="where the first run begins: at all there is, or at what comes from now on"
    )
    metadata: tuple[Literal["subject", "sequence", "timestamp", "headers"], ...] = param(
        (), help="columns beside the payload: message_subject, …"
    )
    auth: dict[str, Any] | None = param(None, help="{token}, {username, password}, {credentials: file} or {nkey: file}")
    tls: bool | dict[str, Any] = param(False, help="true, or {ca, cert, key}")
    timeout: Duration = param(10.0, help="how long to wait for a server that does not answer")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from problems(self.servers, self.auth, self.tls)
        yield from super().problems(types)

    def identity(self, context: Context) -> Json:
        return {"servers": self._server(context).shown, "stream": self.stream, "subject": self.subject}

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(self.stream, self._server(context).shown)]

    def acknowledge(self, cursor: Json, context: Context) -> None:
        if self.durable is not None and cursor["at"]["sequence"]:
            with Connection(self._server(context)) as connection:
                connection.do(Sequences(self, connection).acknowledge(cursor["at"]["sequence"]), f"consumer {self.durable}")

    @contextmanager
    def _log(self, context: Context) -> Iterator[Sequences]:
        with Connection(self._server(context)) as connection:
            yield Sequences(self, connection)

    def _server(self, context: Context) -> Server:
        return Server(self.servers, self.auth or {}, self.tls, self.timeout, context.directory)


class Sequences:
    """A stream's messages. A place is the sequence of the last one before it."""

    def __init__(self, source: Nats, connection: Connection) -> None:
        self._source, self._connection = source, connection
        self._stream = connection.stream
        self._consumer: Any = None
        self._stands = (-1, 0)  # the last sequence in the stream, and of this consumer, that was given

    def begin(self, cursor: Json | None) -> tuple[Json, list[Fault]]:
        state = self._connection.do(self._stream.stream_info(self._source.stream), self._source.stream).state
        if not cursor:
            return {"sequence": state.last_seq if self._source.start == "new" else 0}, []
        last = cursor["at"]["sequence"]
        if last > state.last_seq:
            raise DataRefused(f"the stream {self._source.stream} ends at {state.last_seq} and has no {last}, the last one read",
                              hint="was it made anew? `qpipe run --full-refresh` reads all of it")  # fmt: skip
        if state.first_seq <= last + 1 or last == 0:
            return cursor["at"], []
        said = f"messages up to {state.first_seq - 1} are gone, the last one read was {last}"
        return cursor["at"], [Fault(None, 1, "trimmed", said, severity="warning")]

    def end(self, at: Json, most: int | None) -> Json:
        return {"sequence": max(at["sequence"], self._connection.do(self._last(), self._source.stream))}

    def take(self, at: Json, end: Json, most: int) -> Taken:
        found: list[Any] = []
        last = at["sequence"]
        while len(found) < most and last < end["sequence"]:
            some = self._some(last, min(most - len(found), self._source.buffer_size, PIECE))
            kept = [m for m in some if m.metadata.sequence.stream <= end["sequence"]]
            over = len(kept) < len(some) or not some or some[-1].metadata.num_pending == 0
            found += kept
            last = end["sequence"] if over else _number(kept)
        numbers = [_number([message]) for message in found]
        return Taken(
            [message.data for message in found], {"sequence": last},
            lambda row: f"{self._source.stream} at sequence {numbers[row]}", numbers, self._source.stream,
            {f"message_{name}": _METADATA[name](found) for name in self._source.metadata},
        )  # fmt: skip

    async def acknowledge(self, sequence: int) -> None:
        """The durable consumer is given the messages up to there once more, without their payloads, and acknowledges them."""
        from nats.js.api import AckPolicy, ConsumerConfig

        config = ConsumerConfig(ack_policy=AckPolicy.ALL, headers_only=True, filter_subject=self._source.subject)
        consumer = await self._stream.pull_subscribe(
            self._source.subject or "", durable=self._source.durable, stream=self._source.stream, config=config
        )
        about = await consumer.consumer_info()
        while about.ack_floor.stream_seq < sequence and (about.num_pending or about.num_ack_pending):
            given = await consumer.fetch(_ACKED_AT_ONCE, timeout=self._source.timeout)
            mine = [message for message in given if _number([message]) <= sequence]
            each = mine if about.config.ack_policy != AckPolicy.ALL else mine[-1:]
            for message in each:
                await message.ack_sync(timeout=self._source.timeout)
            for message in given[len(mine) :]:
                await message.nak()
            if len(mine) < len(given) or not mine or mine[-1].metadata.num_pending == 0:
                return
            about = await consumer.consumer_info()

    def _some(self, last: int, most: int) -> list[Any]:
        """The next messages after a sequence; none: there are no more. A consumer that was lost is made anew."""
        deadline = time.monotonic() + self._source.timeout
        place = f"{self._source.stream} after sequence {last}"
        while True:
            try:
                return self._connection.do(self._fetch(last, most), place)
            except NotPermitted:
                raise
            except Exception:
                self._consumer = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    async def _fetch(self, last: int, most: int) -> list[Any]:
        if self._consumer is None or self._stands[0] != last:
            self._consumer, self._stands = await self._made(last), (last, 0)
            if not (await self._consumer.consumer_info()).num_pending:
                return []
        given: list[Any] = await self._consumer.fetch(most, timeout=_PATIENCE)
        numbers = [message.metadata.sequence.consumer for message in given]
        if numbers != list(range(self._stands[1] + 1, self._stands[1] + 1 + len(given))):
            raise ConnectionError("messages were lost on their way")  # none was acknowledged: they are asked for again
        self._stands = (_number(given), numbers[-1])
        return given

    async def _made(self, last: int) -> Any:
        """A consumer of this run alone."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=last + 1, ack_policy=AckPolicy.NONE,
            filter_subject=self._source.subject, inactive_threshold=60.0, mem_storage=True,
        )  # fmt: skip
        return await self._stream.pull_subscribe(self._source.subject or "", stream=self._source.stream, config=config)

    async def _last(self) -> int:
        from nats.js.errors import NotFoundError

        if self._source.subject is None:
            return int((await self._stream.stream_info(self._source.stream)).state.last_seq)
        try:
            return int((await self._stream.get_last_msg(self._source.stream, self._source.subject)).seq)
        except NotFoundError:
            return 0


def _number(messages: Sequence[Any]) -> int:
    return int(messages[-1].metadata.sequence.stream)


def _headers(message: Any) -> str | None:
    return json.dumps(dict(message.headers), ensure_ascii=False) if message.headers else None


_METADATA = {
    "subject": lambda found: pl.Series([message.subject for message in found], dtype=pl.String),
    "sequence": lambda found: pl.Series([_number([message]) for message in found], dtype=pl.Int64),
    "timestamp": lambda found: pl.Series([message.metadata.timestamp for message in found], dtype=pl.Datetime("us", "UTC")),
    "headers": lambda found: pl.Series([_headers(message) for message in found], dtype=pl.String),
}
