"""Which rows break an order: the fewest whose absence leaves all others in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


def out_of_order(values: NDArray[numpy.generic], *, strict: bool = False) -> NDArray[numpy.bool_]:
    """True for the fewest values without which the others rise (``strict``: and no two are equal).

    The others are a longest increasing subsequence (Fredman 1975, n log n). Where everything before a place is below
    everything after it, nothing on one side bears on the other, so only the stretches between such places are looked at.
    """
    bad = np.zeros(len(values), dtype=bool)
    if len(values) < 2:
        return bad
    before, after = np.maximum.accumulate(values), np.minimum.accumulate(values[::-1])[::-1]
    parted = before[:-1] < after[1:] if strict else before[:-1] <= after[1:]
    ends = [*(np.flatnonzero(parted) + 1).tolist(), len(values)]
    starts = [0, *ends[:-1]]
    for start, end in ((a, b) for a, b in zip(starts, ends, strict=True) if b - a > 1):
        bad[start:end] = ~_longest(values[start:end].tolist(), strict)
    return bad


def _longest(values: list[float], strict: bool) -> NDArray[numpy.bool_]:
    """The places of a longest increasing subsequence."""
    find = bisect_left if strict else bisect_right
    tails: list[float] = []  # the least value that a subsequence of each length can end with
    places: list[int] = []
    above = [-1] * len(values)  # the place before each in its subsequence
    for n, value in enumerate(values):
        length = find(tails, value)
        above[n] = places[length - 1] if length else -1
        if length == len(tails):
            tails.append(value)
            places.append(n)
        else:
            tails[length], places[length] = value, n
    chosen = np.zeros(len(values), dtype=bool)
    at = places[-1]
    while at >= 0:
        chosen[at] = True
        at = above[at]
    return chosen
