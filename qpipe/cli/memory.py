"""How a process that reads data keeps its memory: what one batch has freed, the next one takes.

The system clears every page that it gives, which costs a tenth of a run when each batch gives its memory back and asks anew.
Only the command line does this: the SDK leaves its host's process alone.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress

KEEP = 32 << 20  # bytes: what is larger, of no batch but of a whole pass, is asked of the system by itself and given back
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h


def keep_freed() -> None:
    """To be called before Polars is imported: its allocator looks at the environment then."""
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:5000,muzzy_decay_ms:5000")
    gc.set_threshold(10_000, 20, 20)  # batches make few cycles, and each look goes through all objects of all libraries
    with suppress(ImportError, OSError, AttributeError):  # not everywhere is the C library that of GNU
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((_MMAP_THRESHOLD, KEEP), (_TRIM_THRESHOLD, 4 * KEEP), (_ARENA_MAX, 1)):
            mallopt(option, value)
