"""What a reader of one format is asked, and what it offers: ``columns``, ``read``, ``size``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from qpipe.core.batch import Chunk, Json
from qpipe.core.component import Context
from qpipe.core.errors import DataRefused
from qpipe.sources.file.input import Input
from qpipe.sources.file.inputs import local_copy, scratch_file
from qpipe.sources.file.kinds import is_workbook

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file import File
    from qpipe.sources.file.text.compression import ByteStream


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
        packed = self.packed
        if self.input.path and not packed:
            return self.input.path
        return local_copy(self.input, self.context, f".{self.format}", self.bytes if packed else self.input.opener)

    def names(self, found: Sequence[str], whole: bool) -> list[str]:
        """The columns that its head has, where that is not the whole also those of the contract."""
        return list(dict.fromkeys(found) | dict.fromkeys(() if whole else self.options.schema or {}))

    @property
    def in_pieces(self) -> bool:
        """Whether it lies in a store that gives pieces of it."""
        return self.input.fetch is not None and not self.packed

    def scratch(self, suffix: str) -> Path:
        """A file's name in the run's scratch space that is its own."""
        return scratch_file(self.input, self.context, f".{suffix}")

    @property
    def packed(self) -> bool:
        """Whether its bytes are compressed. A workbook's own packing does not count."""
        from qpipe.sources.file.text.compression import compression_of

        packing = compression_of(self.input.head(8))
        return packing is not None and not (packing == "zip" and self.format == "excel" and not self._in_archive())

    def bytes(self) -> ByteStream:
        """Its unpacked bytes. Of an archive, the one file in it, or the one that was named."""
        from qpipe.sources.file.text.compression import members, open_bytes

        found = members(self.input.opener, self.name, self.options.member)
        if len(found) > 1:
            raise DataRefused(f"the archive holds {len(found)} files: {', '.join(found[:5])}", file=self.name,
                              hint="choose one with member, or unpack it")  # fmt: skip
        return open_bytes(self.input.opener, self.name, found[0] if found else None)

    def _in_archive(self) -> bool:
        """A workbook is an archive itself; it may also lie in one."""
        return not is_workbook(self.input.head(4096))


class Reader(Protocol):
    """A module that reads one format."""

    columnar: bool  # some of the columns cost less than all

    def columns(self, asked: Asked) -> dict[str, pl.DataType]:
        """Column → type, in the order of the file."""

    def read(self, asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
        """Chunks of at most ``rows`` rows after a position; the file's columns, or those named."""

    def size(self, asked: Asked) -> int | None:
        """Rows, where a look at the file's end tells."""
