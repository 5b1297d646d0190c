"""What a reader of one format is asked, and what it offers: ``columns``, ``read``, ``size``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from qpipe.core.batch import Chunk, Json
from qpipe.core.component import Context
from qpipe.sources.file.inputs import Input, local_copy

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file import File


@dataclass(frozen=True)
class Asked:
    """One input, and what the user says about it."""

    input: Input
    options: File
    context: Context
    format: str

    @property
    def name(self) -> str:
        return self.input.name

    def local(self) -> Path:
        """Its unpacked bytes as a file on this machine: the file itself where it is one."""
        from qpipe.sources.file.text.compression import compression_of, open_bytes

        packed = compression_of(self.input.head(8)) not in (None, *(["zip"] if self.format == "excel" else []))
        if self.input.path and not packed:
            return self.input.path
        if packed:
            return local_copy(self.input, self.context, f".{self.format}", lambda: open_bytes(self.input.opener, self.name))
        return local_copy(self.input, self.context, f".{self.format}", self.input.opener)


class Reader(Protocol):
    """A module that reads one format."""

    columnar: bool  # some of the columns cost less than all

    def columns(self, asked: Asked) -> dict[str, pl.DataType]:
        """Column → type, in the order of the file."""

    def read(self, asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Chunks of at most ``rows`` rows after a position; the file's columns, or those named."""

    def size(self, asked: Asked) -> int | None:
        """Rows, where a look at the file's end tells."""
