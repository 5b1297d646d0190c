"""redis"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import Fault, Json
from qpipe.core.component import Context, Input, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Duration, SecretText, param
from qpipe.core.sql import shown
from qpipe.core.streams.redis import client, problems, told
from qpipe.sources._messages import PIECE, Messages, Taken

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources._decoded import Decoded, Decoder


class Redis(Messages):
    """A stream of Redis, each message once: a run reads what came after the last published one, up to what is there now.

    Messages are told by their ids, so nothing is lost or doubled when a run is stopped: the journal keeps the id, and `group`,
    if it is named, is set to it when everything is published, for others to see. Fields are columns, or with `field` that one
    holds a payload: a JSON object, unless `format` says otherwise. A message without it, or with another thing in it, is a
    malformed row with its id.
    """

    extra = "redis"

    url: SecretText = param(help="redis://:password@host:6379/0, or rediss:// with TLS")
    stream: str = param(help="the stream's key")
    field: str | None = param(None, alias="json", help="the field that holds a payload, such as a JSON object")
    group: str | None = param(None, help="a consumer group that is set to the last published message")
    start: str = param("0", help="the id after which the first run begins; $ is now")
    metadata: tuple[Literal["id", "timestamp"], ...] = param(
        (), help="columns beside the payload: message_id, message_timestamp"
    )
    timeout: Duration = param(10.0, help="how long to wait for a connection and an answer")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from problems(self.url)
        yield from super().problems(types)
        if self.format != "json" and self.field is None:
            yield "field", f"which field holds the {self.format}?"

    def identity(self, context: Context) -> Json:
        return {"place": shown(self.url), "stream": self.stream}

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(self.stream, shown(self.url))]

    def acknowledge(self, cursor: Json, context: Context) -> None:
        if self.group is None:
            return
        import redis

        with told(self.url, f"group {self.group}"):
            server = client(self.url, self.timeout)
            try:
                server.xgroup_create(self.stream, self.group, cursor["at"]["id"], mkstream=True)
            except redis.ResponseError:  # it is there
                server.xgroup_setid(self.stream, self.group, cursor["at"]["id"])

    @contextmanager
    def _log(self, context: Context) -> Iterator[Entries]:
        server = client(self.url, self.timeout)
        try:
            yield Entries(self, server)
        finally:
            server.close()

    def _decoder(self, context: Context) -> Decoder:
        return Fields() if self.field is None else super()._decoder(context)


@dataclass(frozen=True)
class Entries:
    """A stream's entries. A place is the id of the last one before it."""

    source: Redis
    server: Any

    def begin(self, cursor: Json | None) -> tuple[Json, list[Fault]]:
        if cursor:
            return cursor["at"], self._trimmed(cursor["at"]["id"])
        start = self.source.start
        return {"id": self._last() if start == "$" else start}, []

    def end(self, at: Json, most: int | None) -> Json:
        last = self._last()
        return {"id": last} if _number(last) > _number(at["id"]) else at

    def take(self, at: Json, end: Json, most: int) -> Taken:
        found: list[tuple[bytes, dict[bytes, bytes]]] = []
        last = at["id"]
        while len(found) < most and last != end["id"]:
            wanted = min(most - len(found), self.source.buffer_size, PIECE)
            with told(self.source.url, f"{self.source.stream} after {last}"):
                some = self.server.xrange(self.source.stream, f"({last}", end["id"], wanted)
            found += some
            last = some[-1][0].decode() if len(some) == wanted else end["id"]
        return self._taken(found, {"id": last})

    def _taken(self, found: list[tuple[bytes, dict[bytes, bytes]]], at: Json) -> Taken:
        ids = [id.decode() for id, _ in found]
        key, stream = (self.source.field or "").encode(), self.source.stream
        payloads: list[Any] = [fields.get(key) if key else fields for _, fields in found]
        lacks = [row for row, payload in enumerate(payloads) if payload is None]
        return Taken(
            payloads, at, lambda row: f"message {ids[row]}", None, stream,
            {f"message_{name}": _METADATA[name](ids) for name in self.source.metadata},
            {row: (f"the message has no field {self.source.field}", _shown(found[row][1])) for row in lacks},
        )  # fmt: skip

    def _last(self) -> str:
        with told(self.source.url, self.source.stream):
            last = self.server.xrevrange(self.source.stream, count=1)
        return last[0][0].decode() if last else "0"

    def _trimmed(self, last: str) -> list[Fault]:
        """Messages that the server has thrown away before anyone read them."""
        with told(self.source.url, self.source.stream):
            about = self.server.xinfo_stream(self.source.stream) if self.server.exists(self.source.stream) else {}
        gone = about.get("max-deleted-entry-id", b"0-0").decode()
        if last == "0" or _number(gone) <= _number(last):
            return []
        return [Fault(None, 1, "trimmed", f"messages up to {gone} are gone, the last one read was {last}", severity="warning")]


class Fields:
    """The fields of a message are its columns, as texts."""

    def columns(self, payloads: Sequence[dict[bytes, bytes]]) -> dict[str, DataType]:
        from qpipe.core.types import DataType

        return {name.decode("utf-8", "replace"): DataType.parse("string") for fields in payloads for name in fields}

    def frame(self, taken: Taken, known: Sequence[str]) -> Decoded:
        from qpipe.sources._decoded import Decoded, poison

        rows: list[dict[str, str]] = []
        faults = []
        for row, fields in enumerate(taken.payloads):  # the driver gives a mapping for each message
            try:
                rows.append({name.decode(): value.decode() for name, value in fields.items()})
            except UnicodeDecodeError as error:
                rows.append({})
                faults.append(poison(taken, row, f"no UTF-8: {error.reason}", fields))
        names = dict.fromkeys([*known, *(name for row in rows for name in row)])
        return Decoded(
            pl.DataFrame({name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names}), faults
        )


def _shown(fields: dict[bytes, bytes]) -> str:
    return str({k.decode("utf-8", "backslashreplace"): v.decode("utf-8", "backslashreplace") for k, v in fields.items()})


def _number(id: str) -> tuple[int, int]:
    major, _, minor = id.partition("-")
    return int(major), int(minor or 0)


_METADATA = {
    "id": lambda ids: pl.Series(ids, dtype=pl.String),
    "timestamp": lambda ids: pl.Series([_number(id)[0] for id in ids], dtype=pl.Int64).cast(pl.Datetime("ms", "UTC")),
}
