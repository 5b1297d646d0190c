"""distribution"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param
from qpipe.modules.validation._values import series, unreadable

if TYPE_CHECKING:
    import polars as pl

Shares = dict[str, float] | tuple[float, ...]


class Distribution(Gate):
    """The values of a column are spread as written: so much of each value, or of each range of numbers.

    `shares` says how much of each value there is, with `other` for all values that are not named. For numbers, `bins` are the
    bounds of ranges and `shares` a list: below the first bound, from each bound to the next, above the last (a range has its
    lower bound, the last one both). How far the data is from that is measured in nats by the Kullback-Leibler divergence from
    the written shares (`kl`; a value that has share 0 makes it infinite), by the population stability index (`psi`), by the
    Jensen-Shannon distance (`js`, 0 to 1, base 2), or by the greatest difference of a share (`difference`). Nulls are left out;
    an empty text is a value; NaN is above every number. Zero rows, or nothing but nulls: not evaluated.

    Examples:
        ```yaml
        module:
          distribution: {column: size, shares: {S: 0.5, M: 0.5}, measure: difference, max: 0.1}
        rows: [{size: S}, {size: M}, {size: M}, {size: M}]
        outcome: fail
        ```
        ```yaml
        module:
          distribution: {column: age, bins: [0, 18, 65, 120], shares: [0, 0.25, 0.5, 0.25, 0], max: 0.05}
        rows: [{age: 5}, {age: 18}, {age: 40}, {age: 120}, {age: null}]
        outcome: pass
        ```
    """

    dimension = "consistency"
    like = (
        "expect_column_kl_divergence_to_be_less_than", "distribution_difference", "kl_divergence", "partition_object",
        "histogram", "has_distribution", "expect_column_chisquare_test_p_value_to_be_greater_than", "shares of values",
        "chi_square", "Hypothesis", "kolmogorov", "psi", "is_in_distribution",
        "expect_column_bootstrapped_ks_test_p_value_to_be_greater_than",
        "expect_column_parameterized_distribution_ks_test_p_value_to_be_greater_than", "population_stability_index",
    )  # fmt: skip

    column: Column = param(help="the column to look at")
    shares: Shares = param(help="value → share, or with bins a list of shares; they add up to 1")
    bins: tuple[float, ...] = param((), help="bounds of the ranges, upwards")
    other: float = param(0.0, help="the share of values that are not named", minimum=0, maximum=1)
    measure: Literal["kl", "psi", "js", "difference"] = param("kl", help="how the distance is measured")
    max: float = param(help="the greatest distance allowed", minimum=0)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if isinstance(self.shares, Mapping):
            if self.bins:
                yield "shares", "with bins, shares are a list"
            else:
                yield from unreadable({"shares": tuple(self.shares)}, [self.column], types)
        else:
            yield from self._wrong_bins(types)
        if min(self._expected(), default=-1) < 0 or not math.isclose(sum(self._expected()), 1, abs_tol=1e-3):
            yield "shares", f"shares are not negative and add up to 1 (with other), not to {sum(self._expected()):g}"

    def _wrong_bins(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kind = types[self.column].kind if types and self.column in types else "any"
        if kind not in ("integer", "float", "decimal", "any"):
            yield "bins", f"{self.column} is {kind}, not a number"
        if not self.bins or any(a >= b for a, b in zip(self.bins, self.bins[1:], strict=False)):
            yield "bins", "give bounds that rise"
        elif len(self.shares) != len(self.bins) + 1:
            yield "shares", f"{len(self.bins)} bounds make {len(self.bins) + 1} ranges, the two outer ones among them"
        if self.other:
            yield "other", "with bins every number is in a range"

    def measures(self, context: Context) -> dict[str, Measure]:
        cell = pl.col(self.column).drop_nulls()
        counted = (self._range(cell) if self.bins else cell).alias("value").value_counts()
        if not self.bins:  # a look at each different value only
            known = series(tuple(self.shares), context.types[self.column])
            classes = pl.Series(range(len(known)), dtype=pl.Int64)
            value = counted.struct.field("value").replace_strict(known, classes, default=len(known))
            counted = pl.struct(value.alias("value"), counted.struct.field("count"))
        return {"counts": Measure(counted.implode(), "counts")}

    def _range(self, cell: pl.Expr) -> pl.Expr:
        """The number of the range that a value is in."""
        number = cell.cast(pl.Float64)
        above = [(number >= bound) for bound in self.bins[:-1]] + [number > self.bins[-1]]
        return pl.sum_horizontal([passed.cast(pl.Int64) for passed in above])

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        counts: Mapping[int, int] = values["counts"] or {} if values["rows"] else {}
        total = sum(counts.values())
        if not total:
            return Verdict("not evaluated", {}, self._words())
        expected = [share / sum(self._expected()) for share in self._expected()]
        observed = [counts.get(n, 0) / total for n in range(len(expected))]
        distance = _MEASURES[self.measure](observed, expected)
        worst = max(range(len(expected)), key=lambda n: abs(observed[n] - expected[n]))
        told = f"{self.column} is {distance:.4g} from its shares; most in {self._names()[worst]}: {observed[worst]:.1%}, " \
               f"expected {expected[worst]:.1%}"  # fmt: skip
        good = distance <= self.max
        figures = {self.measure: distance, "shares": dict(zip(self._names(), observed, strict=True))}
        return Verdict("pass" if good else "fail", figures, self._words(), "" if good else told)

    def _expected(self) -> list[float]:
        return [*self.shares.values(), self.other] if isinstance(self.shares, Mapping) else list(self.shares)

    def _names(self) -> list[str]:
        if isinstance(self.shares, Mapping):
            return [*self.shares, "other values"]
        between = [f"{low:g} to {high:g}" for low, high in zip(self.bins, self.bins[1:], strict=False)]
        return [f"below {self.bins[0]:g}", *between, f"above {self.bins[-1]:g}"]

    def _words(self) -> str:
        return f"at most {self.max:g} ({self.measure}) from the shares written"


def _kl(observed: Sequence[float], expected: Sequence[float]) -> float:
    parts = [math.inf if not q else p * math.log(p / q) for p, q in zip(observed, expected, strict=True) if p]
    return max(math.fsum(parts) if math.inf not in parts else math.inf, 0.0)


def _psi(observed: Sequence[float], expected: Sequence[float]) -> float:
    return _kl(observed, expected) + _kl(expected, observed)


def _js(observed: Sequence[float], expected: Sequence[float]) -> float:
    middle = [(p + q) / 2 for p, q in zip(observed, expected, strict=True)]
    return math.sqrt((_kl(observed, middle) + _kl(expected, middle)) / 2 / math.log(2))


def _difference(observed: Sequence[float], expected: Sequence[float]) -> float:
    return max(abs(p - q) for p, q in zip(observed, expected, strict=True))


_MEASURES = {"kl": _kl, "psi": _psi, "js": _js, "difference": _difference}
