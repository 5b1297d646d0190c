"""Exact sums of floats: the same whatever the order and the batches.

Values are cut on a grid so coarse that as many of its steps as there are values add up in 53 bits without rounding; what is
left of them is cut on a finer one, until nothing is. A sum is then whole numbers of steps by the exponents of their grids, and
such sums add up. Source of the method: Demmel and Nguyen, Fast Reproducible Floating-Point Summation (ARITH 2013), with as
many grids as it takes in place of a fixed number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy as np

Steps = dict[int, "np.ndarray"]  # exponent of two → how many such steps in each group; beyond all exponents, how many values
# are no finite number
WHOLE = (0,)
_NAN, _INF, _MINUS_INF = 5000, 5001, 5002
_HUGE, _DOWN = 900, 200  # exponents: from which values are scaled first, and by how much, lest a grid be infinite
_LEAST = -1074  # of a float
_APART = 8  # exponents are multiples of it, so that the sums of many batches have few different ones


def steps(x: np.ndarray, starts: Sequence[int] | np.ndarray = WHOLE) -> Steps:
    """The exact sums of 64-bit floats in groups that begin at ``starts``; none is empty."""
    if not x.size:
        return {}
    greatest = float(np.abs(x).max())
    if not math.isfinite(greatest):
        finite = np.isfinite(x)
        return {**steps(np.where(finite, x, 0.0), starts), **_not_finite(x, starts)}
    if greatest >= 2.0**_HUGE:
        huge = np.abs(x) >= 2.0**_HUGE
        scaled = steps(np.where(huge, x * 2.0**-_DOWN, 0.0), starts)  # exact: they have no small digits
        rest = steps(np.where(huge, 0.0, x), starts)
        return _added(rest, {exponent + _DOWN: count for exponent, count in scaled.items()})
    return _on_grids(x, starts, greatest)


def squares(x: np.ndarray, starts: Sequence[int] | np.ndarray = WHOLE) -> Steps:
    """The exact sums of squares: each with its rounding error (Dekker's product, Numer. Math. 18, 1971)."""
    with np.errstate(over="ignore", invalid="ignore"):
        square, split = x * x, x * 134217729.0  # 2**27 + 1
        high = split - (split - x)
        low = x - high
        error = ((high * high - square) + high * low * 2.0) + low * low
    return _added(steps(square, starts), steps(np.where(np.isfinite(error), error, 0.0), starts))


def total(counts: Mapping[int, int]) -> Fraction | float:
    """The exact sum of a group's steps; a float when something infinite or NaN is in it."""
    up, down = counts.get(_INF, 0), counts.get(_MINUS_INF, 0)
    if counts.get(_NAN, 0) or (up and down):
        return math.nan
    if up or down:
        return math.inf if up else -math.inf
    least = min(counts, default=0)
    return Fraction(sum(count << (exponent - least) for exponent, count in counts.items())) * Fraction(2) ** least


def _on_grids(x: np.ndarray, starts: Sequence[int] | np.ndarray, greatest: float) -> Steps:
    """``greatest``: of all absolute values."""
    found: Steps = {}
    most = int(np.diff(starts, append=x.size).max())  # values in a group
    spare = 52 - most.bit_length()  # binary digits of a step's count that a single value may have
    rest, cut = x.copy(), np.empty_like(x)
    while greatest:
        exponent = math.frexp(greatest)[1] - spare
        exponent = max(exponent + -exponent % _APART, _LEAST)
        pivot = math.ldexp(1.5, exponent + 52)
        np.add(rest, pivot, out=cut)
        cut -= pivot  # to whole steps
        found[exponent] = np.ldexp(np.add.reduceat(cut, starts), -exponent).astype(np.int64)
        rest -= cut
        greatest = float(np.abs(rest, out=cut).max())
    return found


def _added(one: Steps, other: Steps) -> Steps:
    both = {exponent: one[exponent] + other[exponent] for exponent in one if exponent in other}
    return {**one, **other, **both}


def _not_finite(x: np.ndarray, starts: Sequence[int] | np.ndarray) -> Steps:
    kinds = {_NAN: np.isnan(x), _INF: np.isposinf(x), _MINUS_INF: np.isneginf(x)}
    return {kind: np.add.reduceat(flags, starts, dtype=np.int64) for kind, flags in kinds.items() if flags.any()}
