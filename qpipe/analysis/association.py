"""Rows that belong together: whether what was marked in one column goes with what another column says.

Slips fall on any rows. What comes with certain values of another column, or in one part of the file, was meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy
    import polars as pl
    from numpy.typing import NDArray

    Groups = NDArray[numpy.int64]
    Marks = NDArray[numpy.bool_]

FEW = 100  # different values that are groups of their own
_PARTS = 20  # of the rows in the order of their values, where there are more
_FEWEST = 3  # marked rows
_UNLIKELY = 1e-4  # chance of rows that fell so by accident, in any of the groups and columns


def parts(cells: pl.Series) -> Groups:
    """Each row's group: by its value where values are few, else by where the value stands in their order. Null is one."""
    rank = cells.rank("dense").fill_null(0).cast(pl.Int64)
    if (rank.max() or 0) > FEW:  # type: ignore[operator]
        rank = (cells.rank("min") * _PARTS / max(1, cells.len())).ceil().fill_null(0).cast(pl.Int64)
    return rank.to_numpy()


def go_with(marked: Marks, groups: Groups, columns: int) -> bool:
    """Whether one group has more of the marked rows than chance brings to any group of ``columns`` columns.

    The chance that a group with a share q of all rows gets at least a share p > q of n marked ones is below exp(-n KL(p, q))
    (Chernoff 1952).
    """
    every, hits = np.bincount(groups), np.bincount(groups[marked], minlength=int(groups.max(initial=0)) + 1)
    n, rows = int(hits.sum()), len(groups)
    if n < _FEWEST or n == rows:
        return False
    p, q = hits / n, every / rows
    more = p > q
    p, q = p[more], q[more]
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = p * np.log(p / q) + np.where(p < 1, (1 - p) * np.log((1 - p) / (1 - q)), 0.0)
    tests = max(1, int((every > 0).sum()) * columns)
    return bool(n * float(apart.max(initial=0.0)) > math.log(tests / _UNLIKELY))


def companions(marked: pl.Series, others: Iterable[tuple[str, Groups, Marks]]) -> list[str]:
    """The columns that go with the marked rows. ``others``: name, groups, and rows that are left out beside it."""
    bad, tried = marked.to_numpy(), list(others)
    return [name for name, groups, without in tried if go_with(bad[~without], groups[~without], len(tried))]
