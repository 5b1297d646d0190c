"""Statistics that merge: the figures of any batches, in any order, give the statistic of the whole.

Sums are exact (``qpipe.analysis.sums``). Quantiles come from a histogram
of values rounded to 11 bits: exact for whole numbers up to 2,048, else within 0.05 %. Distinct values are counted exactly up
to 16,383, and from there by the least hashes (k minimum values; Bar-Yossef et al. 2002), within about 1 %.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from qpipe.analysis.sums import squares, steps, total
from qpipe.core.component import Measure
from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from qpipe.core.types import DataType

DISTINCT = 1 << 14  # hashes kept
BUCKETS = 1 << 16  # that an entropy is reckoned from
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Statistic:
    """What to measure of a column, and what comes of the merged figures: a value, or None where there is nothing to judge."""

    measures: Callable[[pl.Expr, DataType], dict[str, Measure]]
    value: Callable[[Values, DataType], Any]
    accepts: tuple[str, ...] = ("integer", "float", "decimal")
    approximate: bool = False


# ── counts and extremes ───────────────────────────────────────────────────────────────────────────────────────────────


def _count(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    return {"count": Measure(cell.count())}


def _least(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    return {"min": Measure(_without_nan(cell, type_).min(), "min")}


def _greatest(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    return {"max": Measure(_without_nan(cell, type_).max(), "max")}


def _share(flag: Callable[[pl.Expr], pl.Expr]) -> Statistic:
    def measures(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
        return {"hits": Measure(flag(cell).sum()), "count": Measure(cell.count())}

    return Statistic(measures, lambda values, _: values["hits"] / values["count"] if values["count"] else None)


def _without_nan(cell: pl.Expr, type_: DataType) -> pl.Expr:
    return cell.fill_nan(None) if type_.kind == "float" else cell


# ── exact sums ────────────────────────────────────────────────────────────────────────────────────────────────────────

_POWERS = {1: "sum", 2: "square", 3: "cube", 4: "fourth"}


def _sums(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    if type_.kind == "float":
        return {"sum": _exactly(cell.cast(pl.Float64))} | _count(cell, type_)
    whole = cell.to_physical() if type_.kind == "decimal" else cell
    return {"sum": Measure(whole.cast(pl.Int128).sum())} | _count(cell, type_)


def _exactly(x: pl.Expr, of: Callable[..., dict[int, np.ndarray]] = steps) -> Measure:
    """An exact sum over a column of 64-bit floats: of all groups at once."""
    groups = x.drop_nulls().implode()
    return Measure(groups.map_batches(partial(_counted, of=of), return_dtype=_pairs(), is_elementwise=True), "counts")


def _pairs() -> pl.List:
    return pl.List(pl.Struct({"value": pl.Int64(), "count": pl.Int64()}))


def _counted(groups: pl.Series, of: Callable[..., dict[int, np.ndarray]]) -> pl.Series:
    """Of each list of values the exponents of its sum, and how many steps of each."""
    sizes = groups.list.len().to_numpy().astype(np.int64)
    some = sizes > 0
    values = groups.explode(empty_as_null=False, keep_nulls=False).to_numpy()
    found = of(values, np.cumsum(sizes[some]) - sizes[some])
    if not found:
        return pl.Series([[]] * len(groups), dtype=_pairs())
    counts = np.zeros((len(groups), len(found)), dtype=np.int64)
    for n, steps_ in enumerate(found.values()):
        counts[some, n] = steps_
    there = counts != 0
    there[:, 0] |= ~there.any(axis=1)  # each group gets its list; a count of none adds nothing
    group, place = there.nonzero()
    exponents = np.fromiter(found, dtype=np.int64)
    pairs = pl.DataFrame({"group": group, "value": exponents[place], "count": counts[there]})
    rows = pairs.with_columns(pl.col("group").set_sorted()).group_by("group", maintain_order=True)
    return rows.agg(pairs=pl.struct("value", "count"))["pairs"]


def _sum(values: Values, type_: DataType) -> Any:
    if not values["count"]:
        return None
    if type_.kind == "float":
        return _float(total(values["sum"] or {}))
    return Fraction(values["sum"], 10 ** type_.args[1]) if type_.kind == "decimal" else values["sum"]


def _mean(values: Values, type_: DataType) -> Any:
    if not values["count"]:
        return None
    if type_.kind == "float":
        return _float(total(values["sum"] or {}) / values["count"])
    return Fraction(_sum(values, type_)) / values["count"]


def _squares(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    if type_.kind != "float":
        whole = (cell.to_physical() if type_.kind == "decimal" else cell).cast(pl.Int128)
        rough = whole.cast(pl.Float64)
        return _sums(cell, type_) | {"square": Measure((whole * whole).sum()), "rough": Measure((rough * rough).sum())}
    x = cell.cast(pl.Float64)
    return {"sum": _exactly(x), "square": _exactly(x, squares)} | _count(cell, type_)


def _variance(values: Values, type_: DataType) -> float | None:
    """Of a sample (n - 1), as in SQL's var_samp. None for fewer than two values."""
    count = values["count"] or 0
    if count < 2:
        return None
    if type_.kind != "float":
        square = values["square"] if values["rough"] < 2.0**120 else values["rough"]  # beyond, 128 bits may not hold it
        unit = 10 ** type_.args[1] if type_.kind == "decimal" else 1
        exact = (Fraction(square) - Fraction(values["sum"]) ** 2 / count) / unit**2
        return max(_float(exact / (count - 1)), 0.0)
    one, square = total(values["sum"] or {}), total(values["square"] or {})
    if not (isinstance(one, Fraction) and isinstance(square, Fraction)):
        return math.nan
    exact = square - one * one / count
    return max(_float(exact / (count - 1)), 0.0)


def _stddev(values: Values, type_: DataType) -> float | None:
    variance = _variance(values, type_)
    return None if variance is None else math.sqrt(variance)


def _powers(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    x = _without_nan(cell, type_).cast(pl.Float64)
    return {"count": Measure(x.count()), **{name: _exactly(x.pow(n)) for n, name in _POWERS.items()}}


def _shape(order: int, usual: float) -> Statistic:
    """The standardised central moment of the whole (not of a sample), less what the normal distribution has.

    The powers are summed exactly, but each is rounded: where the mean is ten thousand deviations from 0, four digits are left.
    """

    def value(values: Values, type_: DataType) -> float | None:
        count = values["count"] or 0
        means = [total(values[name] or {}) / count for name in _POWERS.values()] if count > 1 else []
        if not means or not all(isinstance(mean, Fraction) for mean in means):
            return math.nan if means else None
        powers, first = [Fraction(1), *(Fraction(mean) for mean in means)], Fraction(means[0])
        spread = powers[2] - first**2
        if spread <= 0 or float(spread) < 1e-13 * float(powers[2]):
            return None  # all values are the same
        moment = sum(math.comb(order, k) * powers[k] * (-first) ** (order - k) for k in range(order + 1))
        return float(f"{_float(moment) / _float(spread) ** (order / 2) - usual:.12g}")

    return Statistic(_powers, value)


def _float(value: Fraction | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


# ── quantiles and distinct values ─────────────────────────────────────────────────────────────────────────────────────


def _histogram(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    x = cell.cast(pl.Float64)
    split = x * (2.0**42 + 1)
    rounded = split - (split - x)  # Veltkamp's splitting: the 11 leading bits
    value = pl.when(rounded.is_finite()).then(rounded).otherwise(x) + 0.0  # no -0.0
    value = value.filter(cell.is_not_nan() if type_.kind == "float" else cell.is_not_null())
    return {"histogram": Measure(value.alias("value").value_counts().implode(), "counts")}


def quantile(q: float) -> Statistic:
    """The value with at least a share ``q`` of all at or below it (inverse of the distribution function, no interpolation)."""

    def value(values: Values, type_: DataType) -> float | None:
        histogram = values["histogram"] or {}
        found, *_ = _ranked(histogram, max(math.ceil(Fraction(str(q)) * sum(histogram.values())), 1))
        return found

    return Statistic(_histogram, value, approximate=True)


def _median(values: Values, type_: DataType) -> float | None:
    """The value in the middle; of an even number, half way between the two in the middle."""
    histogram = values["histogram"] or {}
    count = sum(histogram.values())
    low, high = _ranked(histogram, (count + 1) // 2, count // 2 + 1)
    if low is None or high is None or low == high:
        return low
    return low / 2 + high / 2


def _ranked(histogram: Mapping[float, int], *ranks: int) -> list[float | None]:
    """The values that so many are at or below."""
    buckets = sorted(histogram)
    up_to = list(itertools.accumulate(map(histogram.__getitem__, buckets)))
    places = [bisect.bisect_left(up_to, rank) for rank in ranks]
    return [buckets[place] if place < len(buckets) else None for place in places]


def _hashes(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    least = cell.drop_nulls().hash(17).unique().bottom_k(DISTINCT)
    return {"hashes": Measure(least.implode(), "union", keep=DISTINCT)}


def _distinct(values: Values, type_: DataType) -> int:
    hashes = values["hashes"] or []
    if len(hashes) < DISTINCT:
        return len(hashes)
    return round((DISTINCT - 1) / ((hashes[-1] + 1) / 2**64))


def _buckets(cell: pl.Expr, type_: DataType) -> dict[str, Measure]:
    bucket = (cell.drop_nulls().hash(17) % BUCKETS).alias("value")
    return {"buckets": Measure(bucket.value_counts().implode(), "counts")}


def _entropy(values: Values, type_: DataType) -> float | None:
    counts = sorted((values["buckets"] or {}).values())
    every = sum(counts)
    return -math.fsum(n / every * math.log(n / every) for n in counts) + 0.0 if every else None


_ORDERED = ("integer", "float", "decimal", "string", "date", "datetime", "time", "duration")
_ANY = (*_ORDERED, "bool", "binary", "list", "struct", "any")

STATISTICS: dict[str, Statistic] = {
    "sum": Statistic(_sums, _sum),
    "mean": Statistic(_sums, _mean),
    "min": Statistic(_least, lambda values, _: values["min"], _ORDERED),
    "max": Statistic(_greatest, lambda values, _: values["max"], _ORDERED),
    "stddev": Statistic(_squares, _stddev),
    "variance": Statistic(_squares, _variance),
    "median": Statistic(_histogram, _median, approximate=True),
    "skewness": _shape(3, 0),
    "kurtosis": _shape(4, 3),
    "entropy": Statistic(_buckets, _entropy, _ANY),
    "count": Statistic(_count, lambda values, _: values["count"], _ANY),
    "count_distinct": Statistic(_hashes, _distinct, _ANY, approximate=True),
    "null_count": Statistic(lambda cell, _: {"nulls": Measure(cell.null_count())}, lambda values, _: values["nulls"], _ANY),
    "null_share": Statistic(
        lambda cell, _: {"nulls": Measure(cell.null_count())}, lambda values, _: values["nulls"] / values["rows"], _ANY
    ),
    "true_share": Statistic(_share(lambda cell: cell).measures, _share(lambda cell: cell).value, ("bool",)),
    "zero_share": _share(lambda cell: cell == 0),
}
