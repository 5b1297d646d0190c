"""Sources: rows in a fixed order, each chunk with the position from which reading goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from qpipe.core.batch import Chunk, Json
from qpipe.core.component.base import Component, Context
from qpipe.core.params import param

if TYPE_CHECKING:
    from qpipe.core.types import DataType


@dataclass(frozen=True)
class Input:
    """One thing that a source is going to read. What is not known without reading it is None."""

    name: str  # as messages call it: the path as given, the table
    path: str = ""  # where it can be opened, a URL or an absolute path
    bytes: int | None = None
    modified: float | None = None  # seconds since the epoch


class Source(Component):
    """Yields rows in a fixed order, in chunks, each with the position from which reading goes on."""

    family: ClassVar[Literal["source"]] = "source"
    columnar: ClassVar[bool] = False  # reading some columns again is cheap: a first pass reads keys only
    reads_json: ClassVar[bool] = False  # its texts stand in JSON: each is a JSON value, as it is written there or within quotes

    role: Literal["stream", "reference"] = param("stream", help="rows that flow, or a table to look things up in")
    schema: dict[str, Any] | None = param(None, help="the contract: column → type, or {type, format, nulls, pii, optional}")
    on_new_column: Literal["accept", "warn", "question", "fail"] = param(
        "warn", help="a column arrives that the contract does not name"
    )
    on_missing_column: Literal["warn", "question", "fail"] = param("fail", help="a column of the contract is absent")
    on_malformed: Literal["quarantine", "question", "fail"] = param(
        "quarantine", help="a line or a cell that does not parse under the contract"
    )

    def columns(self, context: Context) -> dict[str, DataType]:
        """Connect, and say what columns there are. Text formats say string for each."""
        raise NotImplementedError

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Chunks of at most ``rows`` rows from a position on (None: the start), perhaps with some columns only."""
        raise NotImplementedError

    def again(self, context: Context) -> bool:
        """Whether reading it twice costs less than keeping what was read."""
        return self.columnar

    def identity(self, context: Context) -> Json:
        """What is being read, so that a resume notices change: path, size, time, hash of the head. Never a secret."""
        return {}

    def size(self, context: Context) -> tuple[int | None, int | None]:
        """(rows, bytes) to come where that is cheap to know: for the progress bar."""
        return None, None

    def inputs(self, context: Context) -> Sequence[Input]:
        """What it is made of, where that can be listed without reading it: files, objects, a table."""
        return ()

    def passed_over(self, context: Context) -> Sequence[Input]:
        """What lies beside its inputs and is not read: an earlier run has published it, or a later one will read it."""
        return ()

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        """What a later run of the same spec must not read again, given the position where this one ended.

        A run begins with ``context.cursor``, the one that the last published run left. None: every run reads everything.
        """
        return None

    def pending(self, context: Context) -> bool:
        """Whether there may be rows after ``context.cursor``: what `qpipe run --watch` asks before it begins a run."""
        return True

    def watched(self, every: float) -> Source:
        """The source as `qpipe run --watch` reads it, which looks for something new so often (seconds)."""
        return self

    def acknowledge(self, cursor: Json, context: Context) -> None:
        """Tell the server that everything up to the cursor is published and recorded. Called again after a crash."""
