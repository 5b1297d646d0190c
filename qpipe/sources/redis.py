"""redis"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.component import Context, Input, Source, Types
from qpipe.core.errors import MissingExtra, NotPermitted, QpipeError, Unavailable
from qpipe.core.params import Duration, SecretText, param
from qpipe.core.secrets import reveal
from qpipe.core.sql import masked, shown

if TYPE_CHECKING:
    from qpipe.core.types import DataType

_LOOK = 200  # messages that tell which columns there are


class Redis(Source):
    """A stream of Redis, each message once: a run reads what came after the last published one, up to what is there now.

    Messages are told by their ids, so nothing is lost or doubled when a run is stopped: the journal keeps the id, and `group`,
    if it is named, is set to it when everything is published, for others to see. Fields are columns, or with `json` the keys
    of the JSON object in that field. A message that is no such object is a malformed row with its id.
    """

    extra = "redis"

    url: SecretText = param(help="redis://:password@host:6379/0, or rediss:// with TLS")
    stream: str = param(help="the stream's key")
    json: str | None = param(None, help="the field that holds a JSON object")
    group: str | None = param(None, help="a consumer group that is set to the last published message")
    start: str = param("0", help="the id after which the first run begins; $ is now")
    count: int | None = param(None, help="stop after so many messages", minimum=1)
    timeout: Duration = param(10.0, help="how long to wait for a connection and an answer")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if not reveal(self.url).startswith(("redis://", "rediss://", "unix://")):
            yield "url", "this is no address that begins with redis:// or rediss://"
        if importlib.util.find_spec("redis") is None:
            yield "url", "to read Redis, qpipe[redis] is needed: pip install 'qpipe[redis]'"

    def columns(self, context: Context) -> dict[str, DataType]:
        """The fields of the next messages, and of the contract."""
        from qpipe.core.types import DataType

        with _told(self.url):
            found = self._client().xrange(self.stream, min=self._after(context, None), count=_LOOK)
        frame, _ = self._frame(found, ())
        names = [*frame.columns, *(name for name in self.schema or {} if name not in frame.columns)]
        return {name: DataType.parse("string") for name in names}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        client = self._client()
        with _told(self.url):
            last = client.xrevrange(self.stream, count=1)
            end = (position or {}).get("end") or (last[0][0] if last else "0")
        known, taken = list(self.columns(context)), (position or {}).get("row", 0)
        faults = self._trimmed(client, context) if position is None else []
        while True:
            most = rows if self.count is None else min(rows, self.count - taken)
            with _told(self.url):
                found = client.xrange(self.stream, self._after(context, position), end, most) if most > 0 else []
            if not found:
                return
            taken += len(found)
            position = {"id": found[-1][0], "end": end, "row": taken}
            frame, bad = self._frame(found, known)
            chosen = frame if columns is None else frame.select([c for c in columns if c in frame.columns])
            yield Chunk(chosen, position, faults=(*faults, *bad), file=self.stream)
            faults = []

    def identity(self, context: Context) -> Json:
        return {"place": shown(self.url), "stream": self.stream}

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(self.stream, shown(self.url))]

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        return {"id": position["id"]} if position else context.cursor or {"id": self.start}

    def pending(self, context: Context) -> bool:
        with _told(self.url):
            return bool(self._client().xrange(self.stream, min=self._after(context, None), count=1))

    def acknowledge(self, cursor: Json, context: Context) -> None:
        if self.group is None:
            return
        import redis

        with _told(self.url):
            try:
                self._client().xgroup_create(self.stream, self.group, cursor["id"], mkstream=True)
            except redis.ResponseError:  # it is there
                self._client().xgroup_setid(self.stream, self.group, cursor["id"])

    def _client(self) -> Any:
        try:
            import redis
            from redis.backoff import ExponentialWithJitterBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingExtra("read Redis", extra="redis") from error
        retry = Retry(ExponentialWithJitterBackoff(base=0.1, cap=2), 5)
        return redis.Redis.from_url(reveal(self.url), decode_responses=True, encoding_errors="replace", retry=retry,
                                    socket_connect_timeout=self.timeout, socket_timeout=self.timeout)  # fmt: skip

    def _after(self, context: Context, position: Json | None) -> str:
        """Where a reading begins: just after an id."""
        last = (position or {}).get("id") or (context.cursor or {}).get("id") or self.start
        if last == "$":
            return "+"
        return "-" if last == "0" else f"({last}"

    def _trimmed(self, client: Any, context: Context) -> list[Fault]:
        """Messages that the server has thrown away before anyone read them."""
        with _told(self.url):
            about = client.xinfo_stream(self.stream) if client.exists(self.stream) else {}
        gone, last = str(about.get("max-deleted-entry-id", "0-0")), (context.cursor or {}).get("id")
        if last in (None, "0", "$") or _number(gone) <= _number(str(last)):
            return []
        return [Fault(None, 1, "trimmed", f"messages up to {gone} are gone, the last one read was {last}", severity="warning")]

    def _frame(self, found: Sequence[tuple[str, dict[str, str]]], known: Sequence[str]) -> tuple[Any, list[Fault]]:
        from qpipe.sources.rest.records import NotReadable, decoded, frame_of

        if self.json is None:
            return frame_of([fields for _, fields in found], known), []
        records: list[dict[str, Any]] = []
        faults: list[Fault] = []
        for row, (id, fields) in enumerate(found):
            record: Any = None
            try:
                record = decoded(fields[self.json], "json")
                wrong = "" if isinstance(record, dict) else "this is no JSON object"
            except KeyError:
                wrong = f"the message has no field {self.json}"
            except NotReadable as error:
                wrong = str(error)
            if wrong:
                faults.append(Fault(row, row + 1, "poison-message", f"message {id}: {wrong}", None, str(fields)[:1000]))
            records.append({} if wrong else record)
        return frame_of(records, known), faults


def _number(id: str) -> tuple[int, int]:
    major, _, minor = id.partition("-")
    return int(major), int(minor or 0)


class _told:
    """What the driver says, as our errors, without the password."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, QpipeError):
            return
        import redis

        words = f"{shown(self._url)}: {masked(self._url, str(error))}"
        if isinstance(error, redis.AuthenticationError) or "NOPERM" in words or "NOAUTH" in words:
            raise NotPermitted(words, hint="check the password and what this user may do") from error
        if isinstance(error, redis.RedisError):
            raise Unavailable(words, hint="is the server running and reachable? then resume") from error
