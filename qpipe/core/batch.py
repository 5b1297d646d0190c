"""What flows: chunks out of a source, batches through the plan.

``Chunk`` is what a source reads; ``Batch`` is what a pass computes. Nothing is changed in place: a step makes a new batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]
Original = Callable[["pl.Series"], "pl.DataFrame"]
Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")

ROW = "_row"  # the ordinal of a row in its run, from 0, in source order: the same whatever the batch size
SOURCE, FILE, LINE, REASONS, CONFIDENCE = "_source", "_file", "_line", "_reasons", "_confidence"
RESERVED = (ROW, SOURCE, FILE, LINE, REASONS, CONFIDENCE)  # columns that qpipe adds; a source may not have them


@dataclass(frozen=True)
class Fault:
    """Something wrong with the bytes of a source: a ragged line, a lost quote, a skipped footer."""

    row: int | None  # offset in the chunk; None where no row of the frame is concerned
    line: int  # 1-based physical line
    code: str  # "short-row", "long-row", "skipped-preamble", …
    message: str
    column: str | None = None
    raw: str = ""  # the text as it stood
    severity: Severity = "error"
    file: str | None = None  # where it is not the chunk's: a file that was left out


@dataclass(frozen=True)
class Chunk:
    """Rows as a source gave them, where they stood, and the position from which reading goes on after them."""

    frame: pl.DataFrame  # text formats: every column a String, or in the contract's type; typed formats: as stored
    position: Json  # exact: reading from here gives the rows after this chunk
    first_line: int | None = None  # line of the first row, where one row is one line
    lines: pl.Series | None = None  # a line for each row, where it is not
    faults: tuple[Fault, ...] = ()
    file: str | None = None  # as the user would name it
    original: Original | None = None  # rows as they are written, by their offsets, where the frame has read them already
    let_go: Callable[[], None] | None = None  # frees what is held for ``original``, which then reads the source again

    def as_it_came(self, offsets: pl.Series) -> pl.DataFrame:
        """Rows as the source has them: those of a text format as text."""
        return self.frame[offsets] if self.original is None else self.original(offsets)


@dataclass(frozen=True)
class Batch:
    """Rows on their way through a pass. ``raw`` and ``frame`` start with the same rows; ``frame`` may lose some."""

    seq: int
    source: str
    first_row: int  # _row of the first raw row
    raw: pl.DataFrame  # as it came: what quarantine keeps
    frame: pl.DataFrame  # as it is now, with the column _row
    origin: Chunk | None = None  # lines, faults and file of the raw rows
    dropped: dict[str, int] = field(default_factory=dict)  # step id → rows
    created: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.raw.height
