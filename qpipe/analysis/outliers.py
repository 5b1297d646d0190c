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


def limits(values: pl.Series, reach: float = 3.0) -> Limits | None:
    """Fences ``reach`` quartile ranges away from the quartiles (Tukey 1977), of the logarithms for skewed positive numbers.

    None where too few values, or where so much lies outside that the shape is no core with outliers.
    """
    numbers = values.drop_nulls().cast(pl.Float64)
    numbers = numbers.filter(numbers.is_finite())
    if numbers.len() < 20 or numbers.n_unique() < 5:
        return None
    low, high = _fences(numbers, reach)
    outside = numbers.filter((numbers < low) | (numbers > high))
    if outside.len() > 0.1 * numbers.len():
        return None
    return Limits(low, high, outside.len(), outside.len() / numbers.len())


def _fences(numbers: pl.Series, reach: float) -> tuple[float, float]:
    skewed = float(numbers.min()) > 0 and float(numbers.quantile(0.9) or 1) > 10 * float(numbers.quantile(0.1) or 1)  # type: ignore[arg-type]
    scaled = numbers.log() if skewed else numbers
    q1, q2, q3 = (float(scaled.quantile(q, "linear") or 0.0) for q in (0.25, 0.5, 0.75))
    # half ranges of both sides: a skewed column reaches further on its long side
    below, above = max(q2 - q1, 1e-12), max(q3 - q2, 1e-12)
    spread = q3 - q1 if q3 > q1 else _deviation(scaled) / 4
    low, high = q1 - reach * max(spread, 2 * below), q3 + reach * max(spread, 2 * above)
    return (math.exp(low), math.exp(min(high, 700))) if skewed else (low, high)


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
