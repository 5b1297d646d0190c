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
    found, owner = np.zeros(size, dtype=bool), np.empty(size, dtype=np.int64)
    level = _once(roots, owner)
    while level.size:
        found[level] = True
        counts = many[level]
        ends = np.cumsum(counts)
        places = np.repeat(starts[level] - (ends - counts), counts) + np.arange(ends[-1])
        next_ = children[places]
        level = _once(next_[~found[next_]], owner)
    return found


def _once(nodes: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Each of them once: of equal ones the last that put its place down."""
    places = np.arange(nodes.size)
    owner[nodes] = places
    return nodes[owner[nodes] == places]
