"""Frames from Arrow files of our own, without a copy: what is read is what the file's pages hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


def mapped(file: str | Path) -> pl.DataFrame:
    """The rows of an Arrow IPC file that nobody changes meanwhile; it may be removed. What is compressed takes memory."""
    import pyarrow

    with pyarrow.memory_map(str(file)) as opened:
        try:
            frame = pl.from_arrow(pyarrow.ipc.open_file(opened).read_all(), rechunk=False)
        except pyarrow.ArrowNotImplementedError:  # integers of 128 bits, which only Polars has
            return pl.read_ipc(file)
    assert isinstance(frame, pl.DataFrame)
    return frame
