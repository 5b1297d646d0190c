"""Numbers and dates far from all others: limits that the data itself suggests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.analysis.noise import core
from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy
    import polars as pl
    from numpy.typing import NDArray

    from qpipe.analysis.noise import Core, Numbers


MOST = 0.3  # of the numbers may lie outside
LEAST, FEW = 6, 20  # numbers that can have a core; below FEW it must be very clearly one
_VERY_CLEAR = 10.0
THIN = 0.15  # of the density of the core is the most that noise has, give or take a standard deviation
EDGE, MANY = 0.1, 200  # of the whole range, at an end of which the last of many numbers lie: they are its edge
_ATOM = 0.5  # of the numbers are one and the same: meant, whatever the others are


@dataclass(frozen=True)
class Limits:
    """Where numbers stop being usual, and what lies outside."""

    low: float
    high: float
    outside: int
    share: float
    clear: float = math.inf  # by how much BIC is better with noise than without


def limits(values: pl.Series) -> Limits | None:
    """The first and the last of the usual numbers, where others are strewn about them; None where none are.

    Strewn is what a core does not explain (``noise.core``), but for numbers that come more often than strewn ones would, that
    keep together far away, or that thin out away from the core as its own tail does.
    """
    numbers = _finite(values)
    each = numbers.value_counts(name="count").sort(numbers.name)
    found, counts = each.to_series(0).to_numpy(), each["count"].cast(pl.Float64).to_numpy()
    if numbers.len() < LEAST or len(found) < min(5, numbers.len() - 2):
        return None
    rest = _without_atoms(counts)
    if counts[rest].sum() < LEAST or rest.sum() < 5:
        return None
    inner = core(found[rest], counts[rest])
    if inner is None or (numbers.len() < FEW and inner.clear < _VERY_CLEAR):
        return None
    ends = _with_repeated(found, counts, *_spanned(inner, found[~rest]))
    low, high = ends
    high = _to_widest_gap(found, high, high - low)
    low = -_to_widest_gap(-found[::-1], -low, ends[1] - low)
    below, above = found < low, found > high
    dense = float(counts[~below & ~above].sum()) / max(high - low, 1e-300)
    step = float(np.diff(found).min())
    if not _strewn(found[above] - high, counts[above], dense, step):
        high = float(found[-1])
    if not _strewn((low - found[below])[::-1], counts[below][::-1], dense, step):
        low = float(found[0])
    if high - low > (1 - EDGE) * (float(found[-1]) - float(found[0])) and numbers.len() >= MANY:
        return None
    return _judged(numbers, low, high, MOST, inner.clear)


def fences(values: pl.Series, reach: float) -> Limits | None:
    """Limits ``reach`` quartile ranges away from the quartiles (Tukey 1977), and further up to the first wide gap."""
    numbers = _finite(values)
    if numbers.len() < FEW or numbers.n_unique() < 5:
        return None
    low, high = _to_the_gap(numbers, *_fences(numbers, reach))
    outside = numbers.filter((numbers < low) | (numbers > high))
    often = outside.value_counts(name="count").filter(pl.col("count") >= 3).to_series(0)
    if often.len():
        low, high = min(low, float(often.min())), max(high, float(often.max()))  # type: ignore[arg-type]
    return _judged(numbers, low, high, most=0.15)


def _finite(values: pl.Series) -> pl.Series:
    numbers = values.drop_nulls().cast(pl.Float64).alias("number")
    return numbers.filter(numbers.is_finite())


def _judged(numbers: pl.Series, low: float, high: float, most: float, clear: float = math.inf) -> Limits | None:
    outside = int(((numbers < low) | (numbers > high)).sum())
    if outside > most * numbers.len():
        return None
    return Limits(low, high, outside, outside / numbers.len(), clear)


def _without_atoms(counts: Numbers) -> NDArray[numpy.bool_]:
    """False for a number that most others are equal to, twice and a third time among the rest."""
    rest = np.ones(len(counts), dtype=bool)
    for _ in range(3):
        most = int(np.argmax(np.where(rest, counts, 0)))
        if rest.sum() > 1 and counts[most] > _ATOM * counts[rest].sum():
            rest[most] = False
    return rest


def _spanned(inner: Core, atoms: Numbers) -> tuple[float, float]:
    return min([inner.low, *atoms.tolist()]), max([inner.high, *atoms.tolist()])


def _with_repeated(found: Numbers, counts: Numbers, low: float, high: float) -> tuple[float, float]:
    """Limits moved outward over numbers that come more often than even noise brings any (Poisson), time and again."""
    step = float(np.diff(found).min())
    for _ in range(20):
        outside = (found < low) | (found > high)
        if not outside.any():
            break
        places = max(1, round((max(0.0, found[-1] - high) + max(0.0, low - found[0])) / step))
        often = found[outside & (counts >= _often(float(counts[outside].sum()) / places, places))]
        if not len(often):
            break
        low, high = min(low, float(often[0])), max(high, float(often[-1]))
    return low, high


def _often(mean: float, places: int) -> int:
    """The least count, from 3, that with a mean a place chance brings to any of the places in one of twenty cases at most."""
    told, term, count = 0.0, math.exp(-mean), 0
    while count < 3 or places * max(0.0, 1 - told) >= 0.05:
        told, count = told + term, count + 1
        term *= mean / count
        if term == 0.0 and count > mean:
            break
    return max(3, count)


def _to_widest_gap(found: Numbers, edge: float, wide: float) -> float:
    """The number before the widest gap that begins between an upper edge and 0.6 of the core's width beyond it.

    Of gaps nearly as wide it is the outermost: doubt speaks for a number.
    """
    starts = np.flatnonzero((found[:-1] >= edge) & (found[:-1] <= edge + 0.6 * wide))
    if not len(starts):
        return edge
    gaps = found[starts + 1] - found[starts]
    return float(found[starts[int(np.flatnonzero(gaps >= 0.8 * gaps.max())[-1])]])


def _strewn(away: Numbers, counts: Numbers, dense: float, step: float) -> bool:
    """Whether distances from an edge, rising, are spread as noise is: thinly, beside a core so ``dense``, and evenly.

    No cluster of their own, no few values that repeat, no full row of steps (``step`` wide), no tail that thins out.
    """
    every, last = float(counts.sum()), float(away[-1]) if len(away) else 0.0
    if every < 2:
        return True
    inner = np.repeat(away, counts.astype(int))[int(0.1 * every) : max(2, math.ceil(0.9 * every))]
    spread = float(inner[-1] - inner[0]) / float(inner[-1])
    if spread < 0.25 and spread ** (len(inner) - 1) < 0.01:
        return False
    rungs = round((last - float(away[0])) / step) + 1
    if (every - math.sqrt(every)) / last > THIN * dense or (
        every >= 5 and (len(away) < 0.25 * every or len(away) > 0.9 * rungs)
    ):
        return False
    return float((away * counts).sum()) / (every * last) >= 0.5 - 2 * math.sqrt(1 / 12 / every)


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


def _fences(numbers: pl.Series, reach: float) -> tuple[float, float]:
    q1, q2, q3 = (float(numbers.quantile(q, "linear") or 0.0) for q in (0.25, 0.5, 0.75))
    spread = q3 - q1 if q3 > q1 else _deviation(numbers) / 4
    # half ranges of both sides: a skewed column reaches further on its long side
    return q1 - reach * max(spread, 2 * (q2 - q1)), q3 + reach * max(spread, 2 * (q3 - q2))


def rounded(low: float, high: float, below: float = -math.inf, above: float = math.inf) -> tuple[float, float]:
    """Limits as a person would write them: outward, with two digits, or with more where that would let in the next numbers.

    ``below`` and ``above`` are those next numbers outside.
    """
    lows = (_outward(low, digits, down=True) for digits in range(2, 13))
    highs = (_outward(high, digits, down=False) for digits in range(2, 13))
    return next((x for x in lows if x > below), low), next((x for x in highs if x < above), high)


def _outward(value: float, digits: int, *, down: bool) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits)
    steps = float(f"{value / unit:.9g}")  # 13.2 is 132 steps of 0.1, whatever its binary form is
    return float(f"{(math.floor if down else math.ceil)(steps) * unit:.12g}")


def _deviation(numbers: pl.Series) -> float:
    found = numbers.std()
    return float(found) if isinstance(found, (int, float)) else 0.0
