"""kafka"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from qpipe.core.batch import Fault, Json
from qpipe.core.component import Context, Input, Types
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.core.params import Duration, param
from qpipe.core.streams.kafka import Cluster, problems
from qpipe.sources._messages import LOOK, PIECE, Messages, Taken

Metadata = Literal["key", "timestamp", "headers", "partition", "offset"]
_POLL = 0.25  # seconds between two looks at the clock


class Kafka(Messages):
    """A topic of Kafka, each message once: a run reads what came after the last published one, partition by partition.

    The journal keeps the offsets, so nothing is lost or doubled when a run is stopped, and `group`, if it is named, is moved to
    them when everything is published, for others to see. No group is joined: the partitions are read by this spec alone. A
    message that is not what `format` says is a malformed row with its topic, partition and offset; one without a value is a row
    of nulls. Messages of transactions are read once they are committed.
    """

    extra = "kafka"

    servers: str = param(help="the brokers: host:9092, or several with commas between")
    topic: str = param(help="the topic")
    group: str | None = param(None, help="a consumer group whose offsets are set to the last published messages")
    start: Literal["earliest", "latest", "group"] = param(
        "earliest", help="where the first run begins: at all there is, at what comes from now on, or where `group` stands"
    )
    metadata: tuple[Metadata, ...] = param((), help="columns beside the payload: message_key, message_timestamp, …")
    auth: dict[str, Any] | None = param(
        None, help="{mechanism: plain, scram-sha-256 or scram-sha-512, username, password}, or oauthbearer with its token_url"
    )
    tls: bool | dict[str, Any] = param(False, help="true, or {ca, cert, key, key_password, verify}")
    options: dict[str, Any] | None = param(None, help="anything else of the client, by librdkafka's names")
    timeout: Duration = param(30.0, help="how long to wait for a broker that does not answer")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from problems(self.auth, self.tls)
        yield from super().problems(types)
        if self.start == "group" and self.group is None:
            yield "start", "which group? name it"

    @property
    def subject(self) -> str:
        return f"{self.topic}-value"

    def identity(self, context: Context) -> Json:
        return {"servers": self.servers, "topic": self.topic}

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(self.topic, f"kafka://{self.servers}/{self.topic}")]

    def acknowledge(self, cursor: Json, context: Context) -> None:
        """The group's offsets. They are only shown: a run begins where the journal says."""
        if self.group is None:
            return
        with self._log(context) as log:
            log.commit(cursor["at"])

    @contextmanager
    def _log(self, context: Context) -> Iterator[Partitions]:
        cluster = Cluster(self.servers, self.auth or {}, self.tls, self.options or {}, self.timeout, context.directory)
        log = Partitions(self, cluster)
        try:
            yield log
        finally:
            log.close()


class Partitions:
    """A topic's partitions, one after the other. A place is the next offset of each."""

    def __init__(self, source: Kafka, cluster: Cluster) -> None:
        self._source, self._cluster, self._said = source, cluster, list[str]()
        self._clients: dict[str, Any] = {}
        self._assigned: tuple[int, int] | None = None  # partition and offset that the reader stands at

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def begin(self, cursor: Json | None) -> tuple[Json, list[Fault]]:
        known: Mapping[str, int] = (cursor or {}).get("at", {})
        topic, looker, faults = self._source.topic, self._client("look"), []
        numbers = self._cluster.partitions(looker, topic, self._said)
        lows = {}
        with self._cluster.told(self._said, topic):
            for number in numbers:
                lows[str(number)] = looker.get_watermark_offsets(self._partition(number), timeout=self._source.timeout)[0]
        first = known or self._first(lows)
        at = {key: max(low, first.get(key, low)) for key, low in lows.items()}
        for key, low in lows.items():
            if key in known and known[key] < low:
                said = f"{topic}/{key}: messages up to offset {low - 1} are gone, the last one read was {known[key] - 1}"
                faults.append(Fault(None, 1, "trimmed", said, severity="warning"))
        return at, faults

    def end(self, at: Json, most: int | None) -> Json:
        """Where each partition ends, which a broker says when it is asked for messages; ``most`` is shared out evenly."""
        ends = self._ends(at)
        if most is None:
            return ends
        left = {key: ends[key] - at[key] for key in at}
        share = dict.fromkeys(at, 0)
        while most > 0 and any(left.values()):
            open_ = [key for key in at if left[key]]
            for key in open_:
                given = min(left[key], max(1, most // len(open_)), most)
                share[key], left[key], most = share[key] + given, left[key] - given, most - given
        return {key: at[key] + share[key] for key in at}

    def take(self, at: Json, end: Json, most: int) -> Taken:
        at, found = dict(at), _Found(self._source)
        for key in at:
            while at[key] < end.get(key, at[key]) and len(found.payloads) < most:
                found.add(int(key), self._some(key, at, end, most - len(found.payloads)))
        return found.taken(at)

    def commit(self, at: Json) -> None:
        with self._cluster.told(self._said, f"group {self._source.group}"):
            ends = [self._partition(int(key), offset) for key, offset in at.items()]
            self._client("look").commit(offsets=ends, asynchronous=False)

    def _some(self, key: str, at: dict[str, int], end: Json, most: int) -> list[Any]:
        """The next messages of one partition; ``at`` moves along. Those past the end stay for a later run."""
        reader = self._client("read")
        if self._assigned != (int(key), at[key]):
            reader.assign([self._partition(int(key), at[key])])
        given, ended = self._heard(reader, min(most, end[key] - at[key]), f"{self._source.topic}/{key} at offset {at[key]}")
        found = given
        if found and found[-1].offset() >= end[key]:
            found, ended = [message for message in given if message.offset() < end[key]], True
        at[key] = end[key] if ended else found[-1].offset() + 1
        self._assigned = None if ended else (int(key), at[key])
        return found

    def _ends(self, at: Json) -> Json:
        looker, ends = self._client("look"), dict[str, int]()
        looker.assign([self._partition(int(key), offset) for key, offset in at.items()])
        while len(ends) < len(at):
            waiting = ", ".join(f"{self._source.topic}/{key}" for key in at if key not in ends)
            for message in self._heard(looker, 1, waiting, ends=True)[0]:
                partition = self._partition(message.partition())
                ends[str(message.partition())] = looker.get_watermark_offsets(partition, cached=True)[1]
                looker.pause([partition])  # what it has fetched of it is let go
        looker.resume([self._partition(int(key)) for key in at])
        looker.unassign()
        for key, offset in at.items():
            if ends[key] < offset:
                raise self._shrunk(key, offset - 1, ends[key])
        return {key: ends[key] for key in at}

    def _heard(self, client: Any, most: int, at: str, *, ends: bool = False) -> tuple[list[Any], bool]:
        """At least one message, or word that there is no more: that is told beside them, or with ``ends`` among them.

        Unavailable when the broker is silent for too long.
        """
        deadline = time.monotonic() + self._source.timeout
        with self._cluster.told(self._said, at):
            while time.monotonic() < deadline:
                found: list[Any] = client.consume(min(most, PIECE), timeout=_POLL)
                if words := [message for message in found if message.error()]:
                    for message in (each for each in words if each.error().name() != "_PARTITION_EOF"):
                        raise self._wrong(message, at)
                    return ([m for m in found if ends or not m.error()], True)
                if found:
                    return found, False
        raise self._cluster.refused(f"no answer for {self._source.timeout:g} s", self._said, at)

    def _wrong(self, message: Any, at: str) -> Exception:
        error = message.error()
        if error.name() in ("_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"):
            return self._shrunk(str(message.partition()), message.offset() - 1, None)
        return self._cluster.refused(error.str(), self._said, at)

    def _shrunk(self, key: str, last: int, end: int | None) -> DataRefused:
        now = "" if end is None else f" ends at offset {end} and"
        return DataRefused(f"{self._source.topic}/{key}{now} has no offset {last}, which was the last one read",
                           hint="was the topic made anew? `qpipe run --full-refresh` reads all of it")  # fmt: skip

    def _first(self, lows: dict[str, int]) -> Json:
        """Where the first run of a spec begins."""
        if self._source.start == "latest":
            return self._ends(lows)
        if self._source.start == "group":
            asked = [self._partition(int(key)) for key in lows]
            with self._cluster.told(self._said, f"group {self._source.group}"):
                kept = self._client("look").committed(asked, timeout=self._source.timeout)
            return {str(each.partition): each.offset for each in kept if each.offset >= 0}
        return lows

    def _client(self, use: str) -> Any:
        """One client looks where partitions end and fetches little; another reads."""
        if use not in self._clients:
            ahead = self._source.buffer_size if use == "read" else LOOK
            most = {} if use == "read" else {"queued.max.messages.kbytes": 1024, "fetch.message.max.bytes": 16_384}
            self._clients[use] = self._cluster.client(
                "Consumer", self._said, **{
                    "group.id": self._source.group or "qpipe", "enable.auto.commit": False, "enable.auto.offset.store": False,
                    "auto.offset.reset": "error", "enable.partition.eof": True, "queued.min.messages": ahead,
                    "fetch.wait.max.ms": 20, "fetch.queue.backoff.ms": 20, "isolation.level": "read_committed", **most,
                }
            )  # fmt: skip
        return self._clients[use]

    def _partition(self, number: int, offset: int = -1001) -> Any:
        from confluent_kafka import TopicPartition

        return TopicPartition(self._source.topic, number, offset)


class _Found:
    """What is kept of messages: the client's own objects are dear."""

    def __init__(self, source: Kafka) -> None:
        self._topic, self._metadata = source.topic, {name: list[Any]() for name in source.metadata}
        self._runs: list[tuple[int, int]] = []  # the row where a partition's messages begin, the partition
        self.payloads: list[bytes | None] = []
        self._offsets: list[int] = []

    def add(self, partition: int, messages: Sequence[Any]) -> None:
        if messages and (not self._runs or self._runs[-1][1] != partition):
            self._runs.append((len(self.payloads), partition))
        self.payloads += [message.value() for message in messages]
        if messages:
            first, last = messages[0].offset(), messages[-1].offset()
            whole = last - first + 1 == len(messages)  # the usual case: each message need not be asked
            self._offsets += range(first, last + 1) if whole else [message.offset() for message in messages]
        for name, cells in self._metadata.items():
            cells += map(_METADATA[name][0], messages)

    def taken(self, at: Json) -> Taken:
        columns = {f"message_{name}": pl.Series(cells, dtype=_METADATA[name][1]()) for name, cells in self._metadata.items()}
        place = f"{self._topic}/{self._runs[0][1]}" if len(self._runs) == 1 else self._topic
        return Taken(self.payloads, at, self._name, self._offsets, place, columns)

    def _name(self, row: int) -> str:
        partition = next(partition for start, partition in reversed(self._runs) if start <= row)
        return f"{self._topic}/{partition} at offset {self._offsets[row]}"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _headers(message: Any) -> str | None:
    """A JSON object; of headers with one name the last counts."""
    found = message.headers()
    return json.dumps({name: _text(value) for name, value in found}, ensure_ascii=False) if found else None


def _timestamp(message: Any) -> int | None:
    kind, milliseconds = message.timestamp()
    return milliseconds if kind else None


_METADATA: dict[str, tuple[Callable[[Any], Any], Callable[[], Any]]] = {  # what a message says, the type of the column
    "key": (lambda message: _text(message.key()), lambda: pl.String),
    "timestamp": (_timestamp, lambda: pl.Datetime("ms", "UTC")),
    "headers": (_headers, lambda: pl.String),
    "partition": (lambda message: message.partition(), lambda: pl.Int64),
    "offset": (lambda message: message.offset(), lambda: pl.Int64),
}
