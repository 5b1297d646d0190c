"""Exact sums of floats: the same whatever the order and the batches.

Values are cut on a grid so coarse that as many of its steps as there are values add up in 53 bits without rounding; what is
left of them is cut on a finer one, until nothing is. A sum is then whole numbers of steps by the exponents of their grids, and
such sums add up. Source of the method: Demmel and Nguyen, Fast Reproducible Floating-Point Summation (ARITH 2013), with as
many grids as it takes in place of a fixed number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy as np

Steps = dict[int, int]  # exponent of two → how many such steps; beyond all exponents, how many values are no finite number
_NAN, _INF, _MINUS_INF = 5000, 5001, 5002
_HUGE, _DOWN = 900, 200  # exponents: from which values are scaled first, and by how much, lest a grid be infinite
_LEAST = -1074  # of a float


def steps(x: np.ndarray) -> Steps:
    """The exact sum of an array of 64-bit floats."""
    if not x.size:
        return {}
    greatest = float(np.abs(x).max())
    if not math.isfinite(greatest):
        return _not_finite(x)
    if greatest >= 2.0**_HUGE:
        huge = np.abs(x) >= 2.0**_HUGE
        scaled = steps(x[huge] * 2.0**-_DOWN)  # exact: they have no small digits
        return added(steps(x[~huge]), {exponent + _DOWN: count for exponent, count in scaled.items()})
    return _on_grids(x, greatest)


def squares(x: np.ndarray) -> Steps:
    """The exact sum of squares: each with its rounding error (Dekker's product, Numer. Math. 18, 1971)."""
    with np.errstate(over="ignore", invalid="ignore"):
        square, split = x * x, x * 134217729.0  # 2**27 + 1
        high = split - (split - x)
        low = x - high
        error = ((high * high - square) + high * low * 2.0) + low * low
    if np.isfinite(error).all():
        return added(steps(square), steps(error))
    return steps(square)


def added(one: Mapping[int, int], other: Mapping[int, int]) -> Steps:
    return {exponent: one.get(exponent, 0) + other.get(exponent, 0) for exponent in {**one, **other}}


def total(counts: Mapping[int, int]) -> Fraction | float:
    """The exact sum; a float when something infinite or NaN is in it."""
    up, down = counts.get(_INF, 0), counts.get(_MINUS_INF, 0)
    if counts.get(_NAN, 0) or (up and down):
        return math.nan
    if up or down:
        return math.inf if up else -math.inf
    least = min(counts, default=0)
    return Fraction(sum(count << (exponent - least) for exponent, count in counts.items())) * Fraction(2) ** least


def _on_grids(x: np.ndarray, greatest: float) -> Steps:
    """``greatest``: of all absolute values."""
    found: Steps = {}
    spare = 52 - int(x.size).bit_length()  # binary digits of a step's count that a single value may have
    rest, cut = x.copy(), np.empty_like(x)
    while greatest:
        exponent = max(math.frexp(greatest)[1] - spare, _LEAST)
        pivot = math.ldexp(1.5, exponent + 52)
        np.add(rest, pivot, out=cut)
        cut -= pivot  # to whole steps
        if count := int(math.ldexp(float(cut.sum()), -exponent)):
            found[exponent] = found.get(exponent, 0) + count
        rest -= cut
        greatest = float(np.abs(rest, out=cut).max())
    return found


def _not_finite(x: np.ndarray) -> Steps:
    found = {_NAN: np.isnan(x), _INF: np.isposinf(x), _MINUS_INF: np.isneginf(x)}
    return {kind: count for kind, flags in found.items() if (count := int(flags.sum()))}
