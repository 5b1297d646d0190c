"""Outputs: rows staged durably, published once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from qpipe.core.batch import Json
from qpipe.core.component.base import Component, Context, Types
from qpipe.core.lazy import pl
from qpipe.core.params import param


@dataclass(frozen=True)
class Part:
    """Rows of one batch for one output, durable but not visible. What the journal keeps of them is this."""

    seq: int
    path: str  # where they are staged
    rows: int
    bytes: int
    digest: str = ""


class Loading(Protocol):
    """Rows on their way to where an output will show them, while others are still read. ``publish`` shows them."""

    def add(self, part: Part) -> None:
        """The next part, in the order of ``seq``. Returns at once: a thread does the work, and keeps what fails to itself."""

    def publish(self, parts: Sequence[Part], token: str) -> Json | None:
        """As ``Output.publish``. None: it has come to nothing and nothing was changed, so that one must be called."""

    def close(self) -> None:
        """Leave nothing behind of what was not published. It is called in any case, perhaps more than once."""


class Output(Component):
    """Keeps rows. ``stage`` makes them durable where no reader looks; ``publish`` shows them all, once."""

    family: ClassVar[Literal["output"]] = "output"
    guarantee: ClassVar[Literal["exactly once", "at least once", "at most once"]] = "exactly once"

    source: str | None = param(None, alias="from", help="another output whose rows this one gets, too")
    content: Literal["processed", "original"] | None = param(
        None, help="the rows as processed, or as they came in with their reasons (the output called quarantine)"
    )
    provenance: tuple[Literal["row", "source", "file", "line", "confidence", "reasons"], ...] = param(
        (), help="what else is told of each row, in columns _row, _source, _file, _line, _confidence, _reasons"
    )
    delivery: Literal["exactly_once", "at_least_once"] | None = param(None, help="refuse the spec if it cannot keep this")

    def prepare(self, context: Context) -> None:
        """Before anything runs: can it be written? Raise CannotCreate, NotPermitted or Unavailable."""

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        """Write the rows of one batch durably (synced) under ``directory``. The same seq again replaces."""
        raise NotImplementedError

    def staging(self, run: str, context: Context) -> Path | None:
        """A folder for staged parts on the destination's own file system; None: the run's spool will do."""
        return None

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        """Make all parts visible, atomically where the destination can; the same token again changes nothing.

        Called with no parts, too: zero rows are a result, with the columns of ``types``. Returns what was written, where.
        """
        raise NotImplementedError

    def loading(self, types: Types, context: Context) -> Loading | None:
        """For a destination that takes long to fill and can hide rows meanwhile: begin to. None: ``publish`` does it all.

        It gets the parts that are recorded, and may be given up at any time: ``publish`` needs nothing of it.
        """
        return None

    def discard(self, parts: Sequence[Part], context: Context) -> None:
        """Forget staged parts: the run is over or was refused."""
