"""What every file reader yields: a frame of text cells, where to go on after it, and everything worth telling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Fault:
    """One thing that was not as it should be, at its place in the file.

    ``row`` is the offset of the row in its chunk: the row is delivered with what could be read of it. An error is for
    the quarantine, a warning tells of a repair that is certain. ``row`` None tells of text that became no row, or of
    the file as a whole.
    """

    row: int | None
    line: int  # physical, 1-based; 0 where the whole file is meant
    code: str  # kebab-case
    message: str
    column: str | None = None
    raw: str = ""  # the text as it stood
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class Chunk:
    """Rows in the order of the file, and the position that restarts the reading exactly after them."""

    frame: pl.DataFrame  # the columns as the header names them; delimited text gives only strings
    position: dict[str, Any]  # JSON
    first_line: int | None  # the line of the first row, where one row is one line
    lines: pl.Series | None = None  # else the line of every row
    faults: tuple[Fault, ...] = ()
