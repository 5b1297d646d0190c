"""aggregate"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Scalar, param
from qpipe.modules.validation import _history
from qpipe.modules.validation._history import VsHistory
from qpipe.modules.validation._statistics import STATISTICS, Statistic, quantile
from qpipe.modules.validation._values import range_words, typed

Function = Literal[
    "sum", "mean", "min", "max", "stddev", "variance", "median", "quantile", "skewness", "kurtosis", "entropy",
    "count", "count_distinct", "null_count", "null_share", "true_share", "zero_share",
]  # fmt: skip


class Aggregate(Gate):
    """A statistic of a column lies in a range.

    Nulls are left out (`null_count` and `null_share` count them). A NaN makes sum, mean, stddev and variance NaN, which lies
    in no range; min, max, median and quantile leave NaN out. Sums, means, variances and counts are exact, whatever the
    batches. A median or quantile is exact for whole numbers up to 2,048 and else within 0.05 %, count_distinct is exact up to
    16,383 and else within about 1 %: a bound within that error is kept. stddev and variance are those of a sample; skewness (0
    where both sides are alike) and kurtosis (0 for the normal distribution) are those of the whole. entropy (Shannon's,
    natural logarithm) is that of the shares of 65,536 hashed values: exact but for values that share a hash. Zero rows, or
    nothing but nulls where a value is needed: not evaluated. `exclusive` leaves a bound out. `vs_history` compares with
    earlier runs, as in `row_count`.

    Examples:
        ```yaml
        module:
          aggregate: {column: amount, function: mean, min: 1, max: 3}
        rows: [{amount: 1.0}, {amount: 3.0}, {amount: null}]
        outcome: pass
        ```
        ```yaml
        module:
          aggregate: {column: day, function: max, min: "2026-01-01"}
        schema: {day: date}
        rows: [{day: "2025-12-30"}, {day: "2025-12-31"}]
        outcome: fail
        ```
        ```yaml
        module:
          aggregate: {column: ms, function: quantile, q: 0.9, max: 100}
        rows: [{ms: 10}, {ms: 20}, {ms: 90}, {ms: 500}]
        outcome: fail
        ```
    """

    dimension = "accuracy"
    like = (
        "expect_column_sum_to_be_between", "expect_column_mean_to_be_between", "expect_column_min_to_be_between",
        "expect_column_max_to_be_between", "expect_column_median_to_be_between", "expect_column_stdev_to_be_between",
        "expect_column_quantile_values_to_be_between", "expect_column_unique_value_count_to_be_between", "hasMin", "hasMax",
        "hasMean", "hasSum", "hasStandardDeviation", "hasApproxQuantile", "hasApproxCountDistinct", "col_sum_eq",
        "col_avg_gt", "col_sd_lt", "is_aggr_not_greater_than", "is_aggr_not_less_than", "is_aggr_equal", "avg", "stdev",
        "percentile", "has_mean", "has_std", "has_percentile", "has_cardinality", "distinct_count", "hasZerosCount", "metric",
        "Skewness", "Kurtosis", "Entropy", "hasVariance", "hasEntropy", "variance", "true-percent", "true_share", "stddev",
        "sum", "min", "max", "expect_column_skew_to_be_between", "expect_column_kurtosis_to_be_between",
        "expect_column_shannon_entropy_to_be_between",
    )  # fmt: skip

    column: Column = param(help="the column to measure")
    function: Function = param(help="the statistic")
    q: float | None = param(None, help="for quantile: which one, from 0 to 1", minimum=0, maximum=1)
    min: Scalar | None = param(None, help="the least value allowed")
    max: Scalar | None = param(None, help="the greatest value allowed")
    exclusive: bool | Literal["min", "max"] = param(False, help="the bounds (true), or one of them, are not allowed")
    equals: Scalar | None = param(None, help="the only value allowed; floats to nine digits")
    vs_history: VsHistory | None = param(None, help="near to earlier runs: {runs: 14, within: 3 sigma}")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if (self.function == "quantile") != (self.q is not None):
            yield "q", "a quantile needs q from 0 to 1" if self.q is None else f"{self.function} has no q"
        if self.min is None and self.max is None and self.equals is None and self.vs_history is None:
            yield "min", "a statistic needs min, max, equals or vs_history"
        if self.equals is not None and (self.min is not None or self.max is not None):
            yield "equals", "equals goes without min and max"
        if self.equals is not None and self._statistic.approximate:
            yield "equals", f"{self.function} is not exact for large data: write min and max"
        yield from _history.problems(self.vs_history, self.by)
        yield from self._wrong_bounds(types)

    def measures(self, context: Context) -> dict[str, Measure]:
        return self._statistic.measures(pl.col(self.column), context.types[self.column])

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        type_ = context.types[self.column]
        value = self._statistic.value(values, type_) if values["rows"] else None
        observed: dict[str, Any] = {self.function: _plain(value)}
        if value is None:
            return Verdict("not evaluated", {}, self._words())
        good, words = self._in_range(value, type_), [self._words()] if self._words() else []
        if self.vs_history is not None:
            band = _history.band(self.vs_history, context.history(self.id or self.name, self.function))
            if band is not None:
                good = good and band.holds(float(value))
                words.append(band.words)
            elif not words:
                return Verdict("not evaluated", observed, "", "there are too few earlier runs", learning=True)
        expected = " and ".join(words)
        message = "" if good else f"{self._name()} is {_shown(value)}, expected {expected}"
        return Verdict("pass" if good else "fail", observed, expected, message)

    @property
    def _statistic(self) -> Statistic:
        return quantile(self.q or 0) if self.function == "quantile" else STATISTICS[self.function]

    def _in_range(self, value: Any, type_: Any) -> bool:
        low, high, equals = (self._bound(bound, type_) for bound in (self.min, self.max, self.equals))
        if isinstance(value, float) and math.isnan(value):
            return False
        error = abs(value) * _ERRORS.get(self.function, 0) if self._is_rough(value) else 0
        if equals is not None:
            return math.isclose(value, equals) if isinstance(value, float) else bool(value == equals)
        most, least = (value + error, value - error) if error else (value, value)
        above = low is None or (most > low if self.exclusive in (True, "min") else most >= low)
        return above and (high is None or (least < high if self.exclusive in (True, "max") else least <= high))

    def _is_rough(self, value: Any) -> bool:
        return self._statistic.approximate and value > _EXACT[self.function == "count_distinct"]

    def _bound(self, bound: Any, type_: Any) -> Any:
        """As the value has it: of the column's type for min and max, a number for the others."""
        from qpipe.core.types import DataType

        if bound is None:
            return None
        if self.function in ("min", "max"):
            return typed(bound, type_)
        number = typed(bound, DataType("decimal"))
        return Fraction(number) if self.function in _EXACTLY and type_.kind != "float" else float(number)

    def _wrong_bounds(self, types: Types | None) -> Iterator[tuple[str, str]]:
        from qpipe.core.types import DataType

        type_ = (types or {}).get(self.column)
        if type_ and type_.kind not in (*self._statistic.accepts, "any"):
            yield "function", f"{self.column} is {type_.kind}: it has no {self.function}"
            return
        wanted = type_ if self.function in ("min", "max") else DataType("float")
        bounds = {}
        for name in ("min", "max", "equals"):
            try:
                if wanted and getattr(self, name) is not None:
                    bounds[name] = typed(getattr(self, name), wanted)
            except ValueError as error:
                yield name, str(error)
        if "min" in bounds and "max" in bounds and bounds["min"] > bounds["max"]:
            yield "min", "no value lies in the range: min is above max"

    def _name(self) -> str:
        return f"{self.function}({self.column}{f', {self.q}' if self.q is not None else ''})"

    def _words(self) -> str:
        if self.equals is not None:
            return str(self.equals)
        low, high = self.exclusive in (True, "min"), self.exclusive in (True, "max")
        return range_words(self.min, self.max, open_low=low, open_high=high)


_EXACTLY = ("sum", "mean", "count", "null_count")
_ERRORS = {"median": 2**-11, "quantile": 2**-11, "count_distinct": 0.02}
_EXACT = {False: 2048, True: 16383}  # up to here a rough statistic is exact


def _plain(value: Any) -> Any:
    """For reports and journals: a fraction as a decimal."""
    return Decimal(value.numerator) / Decimal(value.denominator) if isinstance(value, Fraction) else value


def _shown(value: Any) -> str:
    plain = _plain(value)
    return f"{plain:.10g}" if isinstance(plain, (float, Decimal)) else str(plain)
