"""What the first pass has parsed, kept for the later ones of the same attempt: text is dearer to parse than values are to keep.

Nothing depends on it. It is not synced and not resumed: a run that goes on after a stop reads its sources again, and so does
one whose disk has no room for this.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qpipe.core.batch import LINE
from qpipe.core.lazy import pl
from qpipe.core.mapped import mapped
from qpipe.orchestrator.feed import Read

if TYPE_CHECKING:
    import polars as pl

MEMORY = 64 << 20  # bytes of values that stay in memory; what comes after them goes to disk
SHARE = 0.25  # of the free disk that it may take


@dataclass(frozen=True)
class _Batch:
    read: Read
    file: Path | None = None  # where its values, lines and faults are, if not in memory


class Kept:
    """Batches of the first pass, by number."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._memory, self._disk = MEMORY, int(SHARE * shutil.disk_usage(directory).free)
        self._batches: list[_Batch | None] = []
        self.whole = True  # whether every batch is here

    def keep(self, read: Read) -> None:
        """Keep a batch, while there is room for all."""
        if not self.whole:
            return
        if read.chunk.let_go is not None:
            read.chunk.let_go()
        size = int(read.chunk.frame.estimated_size())
        try:
            if size <= self._memory:
                self._memory -= size
                self._batches.append(_Batch(read))
            elif size <= self._disk:
                self._memory, self._disk = 0, self._disk - size
                self._batches.append(_written(read, self._directory / f"{read.seq:06d}.arrow"))
            else:
                self.drop()
        except OSError:
            self.drop()

    def read(self, start: int, *, last: bool) -> Iterator[Read]:
        """The batches from one on. The last time, each is let go as soon as it is given."""
        for number in range(start, len(self._batches)):
            batch = self._batches[number]
            assert batch is not None, "read for the last time before"
            read = batch.read if batch.file is None else _read(batch.read, batch.file)
            if last:
                self._batches[number] = None
                if batch.file is not None:
                    batch.file.unlink()  # what is mapped can still be read
            del batch
            yield read

    def drop(self) -> None:
        """Let everything go."""
        self.whole, self._batches = False, []
        shutil.rmtree(self._directory, ignore_errors=True)


def _written(read: Read, file: Path) -> _Batch:
    import pyarrow

    chunk = read.chunk
    frame = chunk.frame if chunk.lines is None else chunk.frame.with_columns(chunk.lines.alias(LINE))
    table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
    with pyarrow.OSFile(str(file), "wb") as opened, pyarrow.ipc.new_file(opened, table.schema) as writer:
        writer.write_table(table)  # piece by piece: Polars puts all of it together in memory first
    if chunk.faults:
        file.with_suffix(".faults").write_bytes(pickle.dumps(chunk.faults))
    return _Batch(replace(read, chunk=replace(chunk, frame=chunk.frame.clear(), lines=None, faults=())), file)


def _read(read: Read, file: Path) -> Read:
    """The batch with its values, which are mapped rather than copied."""
    frame = mapped(file)
    faults = file.with_suffix(".faults")
    found = pickle.loads(faults.read_bytes()) if faults.exists() else ()
    lines = frame[LINE] if LINE in frame.columns else None
    frame = frame if lines is None else frame.drop(LINE)
    return replace(read, chunk=replace(read.chunk, frame=frame, lines=lines, faults=found))
