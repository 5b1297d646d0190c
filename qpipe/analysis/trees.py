"""What hangs on what: the nodes that are reached from the roots of a forest, or of what should be one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy as np


def reached(roots: np.ndarray, above: np.ndarray, below: np.ndarray, size: int) -> np.ndarray:
    """Which of ``size`` nodes are roots or lie below one; ``above[n]`` is directly above ``below[n]``.

    Level by level, so that a node costs the same wherever it stands, and a circle ends nowhere.
    """
    order = np.argsort(above, kind="stable")
    children = below[order]
    many = np.bincount(above, minlength=size)
    starts = np.cumsum(many) - many
    found = np.zeros(size, dtype=bool)
    level = np.unique(roots)
    while level.size:
        found[level] = True
        counts = many[level]
        ends = np.cumsum(counts)
        places = np.repeat(starts[level] - (ends - counts), counts) + np.arange(ends[-1])
        next_ = children[places]
        level = np.unique(next_[~found[next_]])
    return found
