"""What every file reader yields, under the names of this package."""

from __future__ import annotations

from qpipe.core.batch import Chunk, Fault

__all__ = ["Chunk", "Fault"]
