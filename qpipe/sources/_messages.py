"""What sources of messages have in common: rounds over a log, how long a run reads, payloads into rows.

A broker's log is a class with a few methods (``Log``). A place in it is JSON, and the messages between two places always
come in the same order, so that a position restarts exactly. A run reads in rounds: it asks where the log ends now, and reads
up to there.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from qpipe.core.batch import Chunk, Fault, Json, Original
from qpipe.core.component import Context, Source, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Duration, param, read_duration

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources._decoded import Decoded, Decoder

LOOK = 500  # messages that tell which columns there are
PIECE = 10_000  # messages asked of a client at once: more are slower, and keep a server busy for too long


@dataclass(frozen=True)
class Taken:
    """Messages of a log, in order, and the place after them."""

    payloads: list[Any]
    at: Json
    name: Callable[[int], str]  # of a message, as people would look it up: "orders/0 at offset 17"
    lines: list[int] | None = None
    file: str | None = None
    metadata: dict[str, pl.Series] = field(default_factory=dict)  # key, timestamp, … where they were asked for
    wrong: dict[int, tuple[str, str]] = field(default_factory=dict)  # rows without a payload: what is wrong, the text


class Log(Protocol):
    """A stream of messages on a broker."""

    def begin(self, cursor: Json | None) -> tuple[Json, list[Fault]]:
        """The place where a run begins, and what is to be told of messages that are gone."""

    def end(self, at: Json, most: int | None) -> Json:
        """The place where the log ends now, but not more than about ``most`` messages away. Equal to ``at``: nothing new."""

    def take(self, at: Json, end: Json, most: int) -> Taken:
        """The next messages, at most so many, up to ``end``. None are left there when ``taken.at`` is ``end``."""


@dataclass(frozen=True)
class Until:
    """How long a run reads."""

    count: int | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, value: Any) -> Until:
        """ValueError says what was expected."""
        if value == "caught-up":
            return cls()
        if not isinstance(value, dict) or not value or value.keys() - {"count", "time"}:
            raise ValueError("say caught-up, {count: 1000}, {time: 10m} or both of the latter")
        count = value.get("count")
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
            raise ValueError(f"count is a whole number of messages, not {count!r}")
        return cls(count, read_duration(value["time"]) if "time" in value else None)

    def left(self, taken: int) -> int | None:
        return None if self.count is None else max(0, self.count - taken)


class Messages(Source):
    """A source of messages. What a broker adds is its ``_log``."""

    until: str | dict[str, Any] = param(
        "caught-up", help="what a run reads: what is there now; of it {count: n} at most; what comes within {time: 10m}"
    )
    batch_time: Duration = param(1.0, help="while a run waits for messages: how long it collects them for a batch")
    buffer_size: int = param(
        100_000, help="messages fetched ahead at most; the broker waits when they are not taken", minimum=1
    )
    format: Literal["json", "csv", "avro"] = param("json", help="what a message is: a JSON object, a CSV line, an Avro record")
    names: Columns | None = param(None, help="csv: the columns, in order; unset, those of the schema")
    delimiter: str = param(",", help="csv: what stands between cells", minLength=1, maxLength=1)
    avro: str | dict[str, str] | None = param(
        None, help="avro: the file of the schema; or {id: file}, of which the last says what columns there are"
    )
    schema_registry: str | dict[str, Any] | None = param(
        None, help="avro: the registry's address, or {url, subject, auth, headers, timeout, retry}; ids stand before records"
    )
    framing: Literal["none", "confluent", "single_object"] = param(
        "none", help="avro: what stands before a record to tell its schema: nothing, an id, a fingerprint"
    )

    @property
    def reads_json(self) -> bool:  # type: ignore[override]
        return self.format == "json"

    @property
    def subject(self) -> str | None:
        """What a registry calls the schemas of these messages, unless another name is given."""
        return None

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        from qpipe.sources._payloads import problems

        try:
            Until.of(self.until)
        except ValueError as error:
            yield "until", str(error)
        yield from problems(self)

    def columns(self, context: Context) -> dict[str, DataType]:
        """The keys of the next messages, and the columns of the contract."""
        from qpipe.core.types import DataType

        with self._log(context) as log:
            at, _ = log.begin(context.cursor)
            taken = log.take(at, log.end(at, LOOK), LOOK)
        found = self._decoder(context).columns(taken.payloads)
        text = DataType.parse("string")
        rest = {name: text for name in self.schema or {} if name not in found}
        known = {**found, **rest, **{name: DataType.of(part.dtype) for name, part in taken.metadata.items()}}
        self._looked[json.dumps(context.cursor)] = known
        return known

    @cached_property
    def _looked(self) -> dict[str, dict[str, DataType]]:
        """What columns were found from a cursor on: a run that has asked for them reads with the same ones."""
        return {}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        from qpipe.sources._payloads import lacking

        known, decoder = list(self._looked.get(json.dumps(context.cursor)) or self.columns(context)), self._decoder(context)
        for taken, after, told in _one_ahead(lambda stop: self._rounds(context, position, rows, stop)):
            wanted = [name for name in known if name not in taken.metadata]
            made = decoder.frame(taken, wanted)
            frame = made.frame.with_columns(part.alias(name) for name, part in taken.metadata.items())
            chosen = frame if columns is None else frame.select([c for c in columns if c in frame.columns])
            lines = None if taken.lines is None else pl.Series(taken.lines, dtype=pl.Int64)
            faults = (*told, *lacking(taken), *made.faults)
            yield Chunk(chosen, after, lines=lines, faults=faults, file=taken.file, original=_original(made, taken))

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        return {"at": position["at"]} if position else context.cursor

    def pending(self, context: Context) -> bool:
        with self._log(context) as log:
            at, faults = log.begin(context.cursor)
            return bool(faults) or log.end(at, 1) != at

    @abstractmethod
    def _log(self, context: Context) -> AbstractContextManager[Log]:
        """The log, open for reading."""

    def _decoder(self, context: Context) -> Decoder:
        from qpipe.sources._payloads import decoder

        return decoder(self, context)

    def _rounds(
        self, context: Context, position: Json | None, rows: int, stop: threading.Event
    ) -> Iterator[tuple[Taken, Json, list[Fault]]]:
        """What is taken, the position after it, what is to be told with it."""
        until = Until.of(self.until)
        deadline = None if until.seconds is None else (context.started or time.time()) + until.seconds
        with self._log(context) as log:
            if position is None:
                at, told = log.begin(context.cursor)
                position = {"at": at, "end": log.end(at, until.left(0)), "row": 0}
                if told or (context.cursor is None and position["end"] == at):  # nothing yet: the next run begins here
                    yield Taken([], at, str, metadata=log.take(at, at, 0).metadata), dict(position), told
            while True:
                yield from self._round(log, position, until, rows)
                position = self._next(log, position, until, deadline, stop)
                if position is None:
                    return

    def _round(self, log: Log, position: Json, until: Until, rows: int) -> Iterator[tuple[Taken, Json, list[Fault]]]:
        """Up to the end that was fixed when the round began; ``position`` moves along."""
        while position["at"] != position["end"] and (left := until.left(position["row"])) != 0:
            taken = log.take(position["at"], position["end"], rows if left is None else min(rows, left))
            position |= {"at": taken.at, "row": position["row"] + len(taken.payloads)}
            if taken.payloads:
                yield taken, dict(position), []

    def _next(self, log: Log, position: Json, until: Until, deadline: float | None, stop: threading.Event) -> Json | None:
        """The position with which the next round begins; None: the run has read what it should."""
        while deadline is not None and time.time() < deadline and until.left(position["row"]) != 0:
            if stop.wait(max(0.0, min(self.batch_time, deadline - time.time()))):
                return None
            end = log.end(position["at"], until.left(position["row"]))
            if end != position["at"]:
                return {**position, "end": end}
        return None


def _original(made: Decoded, taken: Taken) -> Original | None:
    """Rows as they are written, with the columns beside the payload."""
    if made.original is None:
        return None
    written = made.original
    return lambda rows: written(rows).with_columns(part.gather(rows).alias(name) for name, part in taken.metadata.items())


T = TypeVar("T")


def _one_ahead(made: Callable[[threading.Event], Iterator[T]]) -> Iterator[T]:
    """The same items, fetched in a thread while the last one is decoded. ``made`` is given what tells it to stop waiting.

    The thread is a daemon: a run that is interrupted does not wait for messages.
    """
    stop, channel = threading.Event(), queue.Queue[tuple[str, Any]](1)

    def put(kind: str, value: Any) -> bool:
        while not stop.is_set():
            with suppress(queue.Full):
                channel.put((kind, value), timeout=0.1)
                return True
        return False

    def work() -> None:
        try:
            with closing(made(stop)) as items:  # type: ignore[type-var]
                if all(put("item", item) for item in items):
                    put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, name="qpipe-fetch", daemon=True)
    thread.start()
    try:
        while (given := channel.get())[0] == "item":
            yield given[1]
        if given[0] == "error":
            raise given[1]
    finally:
        stop.set()
        thread.join(timeout=5)
