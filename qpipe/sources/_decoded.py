"""What is made of the payloads of messages, whatever their format. A poison message is one that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from qpipe.core.batch import Fault, Original

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources._messages import Taken

KEPT = 1000  # signs of a poison message


@dataclass(frozen=True)
class Decoded:
    """A row for each message, what is to be told of them, and the rows as they are written where they were read into types."""

    frame: pl.DataFrame
    faults: Sequence[Fault] = ()
    original: Original | None = None


class Decoder(Protocol):
    def columns(self, payloads: Sequence[Any]) -> dict[str, DataType]:
        """What columns these payloads have."""

    def frame(self, taken: Taken, known: Sequence[str]) -> Decoded:
        """A row for each message: the known columns, then new ones. A payload that is null is a row of nulls."""


def poison(taken: Taken, row: int, wrong: str, payload: Any) -> Fault:
    """A message that cannot be read, with its name and what it holds."""
    raw = payload.decode("utf-8", "backslashreplace") if isinstance(payload, bytes) else str(payload)
    return Fault(row, line(taken, row), "poison-message", f"{taken.name(row)}: {wrong}", None, raw[:KEPT])


def line(taken: Taken, row: int) -> int:
    return taken.lines[row] if taken.lines else row + 1
