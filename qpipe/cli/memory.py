"""How a process that reads data keeps its memory: what one batch has freed, the next one takes.

The system clears every page that it gives, which costs a tenth of a run when each batch gives its memory back and asks anew.
Only the command line does this: the SDK leaves its host's process alone.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress

KEEP = 32 << 20  # bytes: what is larger, of no batch but of a whole pass, is asked of the system by itself and given back
DECAY = 1000  # milliseconds that Polars' allocator keeps what was freed
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # malloc.h


def keep_freed() -> None:
    """To be called before Polars is imported: its allocator looks at the environment then."""
    arenas = max(2, os.cpu_count() or 2)  # one a core: by default it is four, and each keeps what was freed in it
    os.environ.setdefault("_RJEM_MALLOC_CONF", f"dirty_decay_ms:{DECAY},muzzy_decay_ms:{DECAY},narenas:{arenas}")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads for matrices: idle, but they begin by waiting busily
    gc.set_threshold(10_000, 20, 20)  # batches make few cycles, and each look goes through all objects of all libraries
    with suppress(ImportError, OSError, AttributeError):  # not everywhere is the C library that of GNU
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((_MMAP_THRESHOLD, KEEP), (_TRIM_THRESHOLD, 4 * KEEP), (_ARENA_MAX, 1)):
            mallopt(option, value)
