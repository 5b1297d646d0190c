"""Sums of floats are exact, whatever the values, the order and the batches."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpipe.analysis.sums import squares, steps, total

FINITE = st.floats(allow_nan=False, allow_infinity=False)
MIDDLE = st.floats(min_value=-1e140, max_value=1e140).filter(lambda x: not 0 < abs(x) < 1e-140)


def whole(found: dict[int, np.ndarray], group: int = 0) -> Fraction | float:
    return total({exponent: int(counts[group]) for exponent, counts in found.items()})


@settings(max_examples=100, deadline=None)
@given(st.lists(FINITE, max_size=60), st.integers(0, 60))
def test_a_sum_is_exact_in_any_batches(values: list[float], cut: int) -> None:
    x = np.array(values, dtype=np.float64)
    assert whole(steps(x)) == whole(steps(x[:cut])) + whole(steps(x[cut:])) == sum(map(Fraction, values))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.floats(), min_size=1, max_size=9), min_size=1, max_size=9))
def test_groups_summed_at_once_have_the_sums_of_each(groups: list[list[float]]) -> None:
    starts = np.cumsum([0, *map(len, groups)])[:-1]
    for of in (steps, squares):
        together = of(np.array([value for group in groups for value in group]), starts)
        for n, group in enumerate(groups):
            assert str(whole(together, n)) == str(whole(of(np.array(group))))


@settings(max_examples=100, deadline=None)
@given(st.lists(MIDDLE, max_size=60))
def test_squares_are_exact(values: list[float]) -> None:
    assert whole(squares(np.array(values, dtype=np.float64))) == sum(Fraction(x) ** 2 for x in values)


@pytest.mark.parametrize("size", [1_000, 80_000, 300_000])
def test_many_values_are_as_exact_as_few(size: int) -> None:
    x = np.random.default_rng(size).lognormal(4, 3, size) * np.where(np.arange(size) % 3, 1, -1)
    assert float(whole(steps(x))) == math.fsum(x) and whole(steps(x)) == whole(steps(x[::-1]))
    assert float(whole(squares(np.ascontiguousarray(x)))) == pytest.approx(math.fsum(x * x), rel=1e-15)


def test_what_is_no_finite_number_is_the_sum() -> None:
    for values, found in (([1, math.inf], math.inf), ([-math.inf, 5], -math.inf), ([], 0), ([1e308] * 4, 4 * Fraction(1e308))):
        assert whole(steps(np.array(values, dtype=np.float64))) == found
    for values in ([math.nan, 1.0], [math.inf, -math.inf]):
        assert math.isnan(whole(steps(np.array(values))))
    assert whole(squares(np.array([1e200, 1.0]))) == math.inf
