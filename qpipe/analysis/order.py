"""Which rows break an order: the fewest whose absence leaves all others in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


def out_of_order(
    values: NDArray[numpy.generic], *, strict: bool = False, numbers: NDArray[numpy.float64] | None = None
) -> NDArray[numpy.bool_]:
    """True for the fewest values without which the others rise (``strict``: and no two are equal).

    Of two that could stay, each without the other, that one stays which rises more evenly with its neighbours, by ``numbers``
    in place of values where values are ranks.

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
    return _evenly(values, bad, strict, values if numbers is None else numbers)


def _evenly(
    values: NDArray[numpy.generic], bad: NDArray[numpy.bool_], strict: bool, numbers: NDArray[numpy.generic]
) -> NDArray[numpy.bool_]:
    """Bad rows changed places with the good one before or after them, where they fit as well and more evenly."""
    good = np.flatnonzero(~bad)
    for at in np.flatnonzero(bad).tolist():  # each depends on the changes before it
        after = int(np.searchsorted(good, at))
        for place in (after - 1, after):
            if not 0 <= place < len(good) or not _fits(values, good, place, at, strict):
                continue
            if _uneven(numbers, good, place, at) < _uneven(numbers, good, place, int(good[place])):
                bad[at], bad[good[place]] = False, True
                good[place] = at
                break
    return bad


def _fits(values: NDArray[numpy.generic], good: NDArray[numpy.intp], place: int, at: int, strict: bool) -> bool:
    """Whether a row may stand in for a good one: still in order with the good ones before and after it."""
    pairs = [(good[place - 1], at)] if place else []
    pairs += [(at, good[place + 1])] if place + 1 < len(good) else []
    return all(values[a] < values[b] or (not strict and values[a] == values[b]) for a, b in pairs)


def _uneven(numbers: NDArray[numpy.generic], good: NDArray[numpy.intp], place: int, at: int) -> float:
    """How far a row's number is from the line through the good ones beside its place, or the next two at an end."""
    if len(good) < 3:
        return 0.0
    a, b = (1, 2) if place == 0 else (place - 2, place - 1) if place == len(good) - 1 else (place - 1, place + 1)
    first, second = int(good[a]), int(good[b])
    slope = (float(numbers[second]) - float(numbers[first])) / (second - first)
    return abs(float(numbers[first]) + slope * (at - first) - float(numbers[at]))


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
