"""What a relational step gathers with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from qpipe.core.batch import Json
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import polars as pl


class Collector(Protocol):
    """Takes the gathered columns of each batch, in order."""

    shares: ClassVar[bool]  # whether it has something in common with others, so that one at a time may be brought to the disk

    def pack(self, frame: pl.DataFrame) -> Any:
        """What it keeps of these rows, which have ``_row`` and the gathered columns. Several may be packed side by side."""

    def add(self, packed: Any) -> None:
        """Keep what was packed, in the order of the batches."""

    def take(self, folder: Path, state: Json, rows: RowSet, shift: int) -> None:
        """Add those rows of another one's folder and checkpoint, each with its number raised by ``shift``."""

    def state(self) -> Json:
        """What ``restore`` needs to come back to here, once ``sync`` has been through."""

    def sync(self) -> None:
        """Bring to the disk what was added before the last ``state``. Meanwhile, more may be added in another thread."""

    def restore(self, state: Json) -> None:
        """Forget everything that was added after that state."""

    def close(self) -> None:
        """Remove what is on disk."""
