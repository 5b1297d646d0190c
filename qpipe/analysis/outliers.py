"""Numbers far from all others: limits that the data itself suggests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Limits:
    """Where numbers stop being usual, and what lies outside."""

    low: float
    high: float
    outside: int
    share: float


def limits(values: pl.Series, reach: float | None = None, *, apart: bool = False) -> Limits | None:
    """Fences ``reach`` quartile ranges away from the quartiles (Tukey 1977), of the logarithms for skewed positive numbers.

    Unset, the reach is 2 (3 for thousands) for numbers that lie evenly around their middle, else 3. A number that comes three
    times or more is no accident and is let in; with ``apart`` so is all that no wide gap parts from the usual ones. None where
    too few values, or where so much lies outside that there is no core.
    """
    numbers = values.drop_nulls().cast(pl.Float64)
    numbers = numbers.filter(numbers.is_finite())
    if numbers.len() < 20 or numbers.n_unique() < 5:
        return None
    low, high = _fences(numbers, reach)
    if apart:
        low, high = _to_the_gap(numbers, low, high)
    outside = numbers.filter((numbers < low) | (numbers > high))
    often = outside.value_counts(name="count").filter(pl.col("count") >= 3).to_series(0)
    if often.len():
        low, high = min(low, float(often.min())), max(high, float(often.max()))  # type: ignore[arg-type]
        outside = numbers.filter((numbers < low) | (numbers > high))
    if outside.len() > 0.15 * numbers.len():
        return None
    return Limits(low, high, outside.len(), outside.len() / numbers.len())


def _to_the_gap(numbers: pl.Series, low: float, high: float) -> tuple[float, float]:
    """Fences moved outward over all values that are not further than the usual range away from the next one inward."""
    wide = high - low
    above, below = numbers.filter(numbers > high).unique().sort(), (-numbers.filter(numbers < low)).unique().sort()
    return -_reached(below, -low, wide), _reached(above, high, wide)


def _reached(beyond: pl.Series, start: float, wide: float) -> float:
    """The last of rising values before the first gap."""
    steps = beyond.diff().fill_null(float(beyond[0]) - start) if beyond.len() else beyond
    far = (steps > wide).arg_true()
    until = int(far[0]) if far.len() else beyond.len()
    return float(beyond[until - 1]) if until else start


def _fences(numbers: pl.Series, reach: float | None) -> tuple[float, float]:
    least, low, high = (float(numbers.quantile(q) or 0.0) for q in (0.0, 0.1, 0.9))
    skewed = least > 0 and high > 10 * low
    scaled = numbers.log() if skewed else numbers
    q1, q2, q3 = (float(scaled.quantile(q, "linear") or 0.0) for q in (0.25, 0.5, 0.75))
    spread = q3 - q1 if q3 > q1 else _deviation(scaled) / 4
    # half ranges of both sides: a skewed column reaches further on its long side
    below, above = max(q2 - q1, 1e-12), max(q3 - q2, 1e-12)
    if reach is None:
        even = min(3.0, 2.0 + max(0.0, math.log10(numbers.len() / 100)))  # the more there are, the further some lie
        reach = even if abs(above - below) < 0.35 * spread else 3.0
    under, over = q1 - reach * max(spread, 2 * below), q3 + reach * max(spread, 2 * above)
    return (math.exp(under), math.exp(min(over, 700))) if skewed else (under, over)


def rounded(low: float, high: float, least: float, greatest: float) -> tuple[float, float]:
    """Limits as a person would write them: two digits, outward; never a negative limit for numbers that are not."""
    floor = 0.0 if least >= 0 and low < 0 else _outward(low, down=True)
    return floor, _outward(high, down=False)


def _outward(value: float, *, down: bool) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    made = (math.floor if down else math.ceil)(value / unit) * unit
    return float(f"{made:.12g}")


def _deviation(numbers: pl.Series) -> float:
    found = numbers.std()
    return float(found) if isinstance(found, (int, float)) else 0.0
