"""What outputs of messages have in common: a row is a JSON object with a key and an id, sent once all is staged."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qpipe.core.batch import Json
from qpipe.core.component import Context, Output, Part, Types
from qpipe.core.effects import effect
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

AT_ONCE = 5000  # messages that are sent before their answers are awaited


@dataclass(frozen=True)
class Row:
    """A message to send."""

    id: str  # token-part-row: the same when it is sent again
    key: str | None
    value: str  # JSON


class Messages(Output):
    """An output of messages. What a broker adds is ``_sender``: it sends rows and returns when all are acknowledged."""

    guarantee = "at least once"

    key: Columns | None = param(None, help="the columns that make a message's key, with / between them")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.key or () if types else ():
            if types and column not in types:
                yield "key", f"there is no column {column}"
            elif types and types[column].kind in ("list", "struct"):
                yield "key", f"{column} is {types[column]}, which makes no key"

    def prepare(self, context: Context) -> None:
        """Can it be reached? Raises what the broker says."""
        with self._sender(context):
            pass

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        from qpipe.outputs.file.places import write_durably

        buffer = io.BytesIO()
        _messages(frame, self.key, context.types).write_ipc(buffer, compression="zstd")
        file, data = directory / f"part-{seq:06d}.arrow", buffer.getbuffer()
        write_durably(file, data)
        return Part(seq, str(file), frame.height, len(data), hashlib.sha256(data).hexdigest()[:32])

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        with self._sender(context) as send:
            for part in sorted(parts, key=lambda p: p.seq):
                rows = pl.read_ipc(part.path).rows()
                for start in range(0, len(rows), AT_ONCE):
                    some = enumerate(rows[start : start + AT_ONCE], start)
                    effect(f"output.{self.name}.send")
                    send([Row(f"{token}-{part.seq}-{n}", key, value) for n, (key, value) in some])
        effect(f"output.{self.name}.sent")
        return {**self._place(), "rows": sum(part.rows for part in parts)}

    def discard(self, parts: Sequence[Part], context: Context) -> None:
        for part in parts:
            Path(part.path).unlink(missing_ok=True)

    @abstractmethod
    def _sender(self, context: Context) -> AbstractContextManager[Callable[[Sequence[Row]], None]]:
        """Connected, and known to take messages. Unavailable or NotPermitted otherwise."""

    @abstractmethod
    def _place(self) -> Json:
        """Where it writes, as reports say it."""


def _messages(frame: pl.DataFrame, key: Sequence[str] | None, types: Types) -> pl.DataFrame:
    """The columns key and value. A key with a null in it is null."""
    from qpipe.outputs.file.texts import in_json, json_columns, ndjson

    if missing := [column for column in key or () if column not in frame.columns]:
        raise DataRefused(f"there is no column {missing[0]} for the key", hint=f"there are {', '.join(frame.columns)}")
    plain, values = frame.with_columns(in_json(frame.schema)), ndjson(frame, json_columns(types))
    lines = pl.Series("value", values.decode().split("\n")[: frame.height], pl.String)  # no other sign ends a line
    parts = [pl.col(column).cast(pl.String) for column in key or ()]
    keys = plain.select(pl.concat_str(parts, separator="/").alias("key")) if parts else pl.DataFrame()
    return pl.DataFrame([keys["key"] if parts else pl.Series("key", [None] * frame.height, pl.String), lines])
