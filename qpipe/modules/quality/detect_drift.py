"""detect_drift"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import Column, ColumnRef, param

if TYPE_CHECKING:
    import polars as pl

BINS = 20  # of numbers, by quantiles of the reference
KINDS = 100  # categories; the rest is one
_THRESHOLDS = {"psi": 0.2, "jensen_shannon": 0.1, "ks": 0.1, "wasserstein": 0.1, "chi_square": 0.001}
_ORDERED = ("integer", "float", "decimal", "date", "datetime")
_OTHER = "\x00other"


class DetectDrift(Gate):
    """The distribution of a column is still that of a reference.

    Numbers and dates are counted in bins, twenty quantiles of the reference; texts by value, the rarest together. Nulls are
    a class of their own, so that a column that empties drifts. `psi` is the population stability index (0.2 is a shift),
    `jensen_shannon` a distance from 0 to 1, `ks` the greatest distance between the two cumulated distributions (Kolmogorov
    and Smirnov), seen at the bins' bounds. `wasserstein` is how far values have moved on average, in standard deviations of
    the reference, taken as spread evenly within each bin: it grows with the distance, where the others only count. Each
    must also be more than chance: with few rows on either side all of them are large, so the chi-square test of the same
    counts must call it improbable (0.001). `chi_square` is that test alone. Fewer than `min_rows` rows on either side: not
    evaluated.

    Examples:
        ```yaml
        module:
          detect_drift: {column: size, reference: before.size, min_rows: 4}
        tables: {before: [{size: S}, {size: M}, {size: M}, {size: L}]}
        rows: [{size: M}, {size: S}, {size: L}, {size: M}]
        outcome: pass
        ```
        ```yaml
        module:
          detect_drift: {column: size, reference: before.size, method: chi_square, min_rows: 4}
        tables: {before: [{size: S}, {size: S}, {size: S}, {size: S}, {size: S}, {size: S}, {size: S}, {size: S}, {size: S}]}
        rows: [{size: M}, {size: M}, {size: M}, {size: M}, {size: M}, {size: M}, {size: M}, {size: M}, {size: M}]
        outcome: fail
        ```
    """

    dimension = "consistency"
    extra = "statistics"
    packages = ("scipy",)
    like = (
        "expect_column_kl_divergence_to_be_less_than", "distribution", "psi", "data drift", "ks_2samp", "chisquare",
        "ValueDrift", "DataDriftPreset", "hasHistogramValues", "swd", "jensen shannon", "kolmogorov smirnov",
        "distribution drift", "expect_column_parameterized_distribution_ks_test_p_value_to_be_greater_than",
        "DistributionMatch", "wasserstein", "earth mover distance",
    )  # fmt: skip

    column: Column = param(help="the column to look at")
    reference: ColumnRef = param(help="source.column of a reference source")
    method: Literal["psi", "jensen_shannon", "ks", "wasserstein", "chi_square"] = param(
        "psi", help="how distributions are compared"
    )
    threshold: float | None = param(
        None,
        help="what is drift; unset: 0.2 for psi, a probability of 0.001 for chi_square, 0.1 for the others",
        minimum=0,
    )
    min_rows: int = param(100, help="fewer rows on either side say nothing", minimum=2)

    def references(self) -> tuple[str, ...]:
        return (self.reference.partition(".")[0],)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kind = types[self.column].kind if types and self.column in types else "any"
        if kind in ("list", "struct", "binary"):
            yield "column", f"{self.column} is {kind}: flatten it first"
        if self.method in ("ks", "wasserstein") and kind not in (*_ORDERED, "any"):
            yield "method", f"{self.column} is {kind}, which has no order: psi, jensen_shannon or chi_square"

    def measures(self, context: Context) -> dict[str, Measure]:
        counted = self._classes(pl.col(self.column), context).value_counts(name="count")
        made = {"counts": Measure(counted.struct.rename_fields(["value", "count"]).implode(), "counts")}
        if self.method == "wasserstein":
            number = _number(pl.col(self.column), context.types[self.column].kind)
            made |= {"least": Measure(number.min(), "min"), "greatest": Measure(number.max(), "max")}
        return made

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        reference = self._reference(context)
        now: dict[str, int] = dict(values["counts"] or {}) if values["rows"] else {}
        if min(sum(now.values()), reference.len()) < self.min_rows:
            return Verdict("not evaluated", {}, self._words(), f"fewer than {self.min_rows} rows on a side")
        counted = (
            pl.DataFrame({"x": reference}).select(self._classes(pl.col("x"), context)).to_series().value_counts(name="count")
        )
        then = dict(counted.iter_rows())
        figure, chance = self._compared(then, now)
        if self.method == "wasserstein":
            figure = self._moved(then, now, values, context)
        limit = self.threshold if self.threshold is not None else _THRESHOLDS[self.method]
        drifted = chance < limit if self.method == "chi_square" else figure > limit and chance < 0.001
        observed = {self.method: figure, "p": chance}
        before, after = sum(then.values()), sum(now.values())
        most = max(set(then) | set(now), key=lambda k: abs(now.get(k, 0) / after - then.get(k, 0) / before))
        told = f"{self.column} has drifted: {self.method} is {figure:.4g}; most in {self._named(most, context)}: " \
               f"{then.get(most, 0) / before:.1%} before, {now.get(most, 0) / after:.1%} now"  # fmt: skip
        return Verdict("fail" if drifted else "pass", observed, self._words(), told if drifted else "")

    def _compared(self, then: Mapping[str, int], now: Mapping[str, int]) -> tuple[float, float]:
        """(the figure, how probable such a difference is by chance)."""
        from scipy.stats import chi2_contingency

        keys = sorted(set(then) | set(now))
        a, b = ([counts.get(key, 0) for key in keys] for counts in (then, now))
        chance = float(chi2_contingency([a, b]).pvalue) if len(keys) > 1 else 1.0
        p = [(n + 0.5) / (sum(a) + 0.5 * len(keys)) for n in a]
        q = [(n + 0.5) / (sum(b) + 0.5 * len(keys)) for n in b]
        if self.method == "psi":
            return sum((y - x) * math.log(y / x) for x, y in zip(p, q, strict=True)), chance
        if self.method == "jensen_shannon":
            middle = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
            apart = sum(x * math.log2(x / m) + y * math.log2(y / m) for x, y, m in zip(p, q, middle, strict=True)) / 2
            return math.sqrt(max(0.0, apart)), chance
        if self.method == "ks":
            numbers = sorted((key for key in keys if key not in ("\x00null", _OTHER)), key=int)
            return _greatest_step([then.get(k, 0) for k in numbers], [now.get(k, 0) for k in numbers]), chance
        return float(chi2_contingency([a, b]).statistic) if len(keys) > 1 else 0.0, chance

    def _moved(self, then: Mapping[str, int], now: Mapping[str, int], values: Mapping[str, Any], context: Context) -> float:
        """The area between the two cumulated distributions, in standard deviations of the reference."""
        kind, bounds = context.types[self.column].kind, self._bounds(context)
        ours = pl.DataFrame({"x": self._reference(context)}).select(_number(pl.col("x"), kind)).to_series().drop_nulls()
        if values["least"] is None or not ours.len():
            return 0.0
        spread = float(ours.std() or 0.0) or 1.0  # type: ignore[arg-type]
        edges = [min(float(ours.min()), values["least"]), *bounds, max(float(ours.max()), values["greatest"])]  # type: ignore[arg-type]
        counts = [[found.get(str(n), 0) for n in range(len(bounds) + 1)] for found in (then, now)]
        return _area(edges, *counts) / spread

    def _classes(self, cell: pl.Expr, context: Context) -> pl.Expr:
        """The class of each value, as text."""
        if context.types[self.column].kind in _ORDERED:
            number, bounds = _number(cell, context.types[self.column].kind), self._bounds(context)
            place = pl.lit(0)
            for bound in bounds:
                place = place + (number > bound).cast(pl.Int32)
            return pl.when(number.is_null()).then(pl.lit("\x00null")).otherwise(place.cast(pl.String))
        text = cell.cast(pl.String)
        known = self._reference(context).cast(pl.String).drop_nulls().value_counts(name="count", sort=True).head(KINDS)
        named = pl.when(text.is_in(known.to_series(0).implode())).then(text).otherwise(pl.lit(_OTHER))
        return pl.when(text.is_null()).then(pl.lit("\x00null")).otherwise(named)

    def _bounds(self, context: Context) -> list[float]:
        kind = context.types[self.column].kind
        numbers = pl.DataFrame({"x": self._reference(context)}).select(_number(pl.col("x"), kind)).to_series().drop_nulls()
        found = {numbers.quantile(n / BINS, "nearest") for n in range(1, BINS)}
        beyond = _beyond(numbers) if self.method == "wasserstein" and numbers.len() else []
        return sorted({*(float(bound) for bound in found if bound is not None), *beyond})

    def _named(self, key: str, context: Context) -> str:
        if key == "\x00null":
            return "nulls"
        if key == _OTHER:
            return "values that were rare or unknown"
        if context.types[self.column].kind not in ("integer", "float", "decimal"):
            return key if context.types[self.column].kind == "string" else f"bin {int(key) + 1}"
        bounds, n = self._bounds(context), int(key)
        low, high = (bounds[n - 1] if n else None), (bounds[n] if n < len(bounds) else None)
        return (
            f"up to {high:g}"
            if low is None and high is not None
            else f"above {low:g}"
            if high is None
            else f"{low:g} to {high:g}"
        )

    def _reference(self, context: Context) -> pl.Series:
        source, _, column = self.reference.partition(".")
        table, column = context.tables.get(source), column or self.column
        if table is None or column not in table.columns:
            raise QpipeError(f"there is no {self.reference}", hint="name a column of a source with role: reference")
        return table[column]

    def _words(self) -> str:
        return f"the distribution of {self.reference}"


def _beyond(numbers: pl.Series) -> list[float]:
    """Bounds outside of the reference, wider and wider, so that it is seen how far a value lies."""
    low, high, spread = float(numbers.min()), float(numbers.max()), float(numbers.std() or 0.0) or 1.0  # type: ignore[arg-type]
    steps = [spread * 1.3**n / 2 for n in range(-2, 24)]
    return [low - step for step in steps] + [low, high] + [high + step for step in steps]


def _number(cell: pl.Expr, kind: str) -> pl.Expr:
    if kind == "date":
        return cell.cast(pl.Date).to_physical().cast(pl.Float64)
    if kind == "datetime":
        return cell.dt.epoch("us").cast(pl.Float64)
    number = cell.cast(pl.Float64)
    return pl.when(number.is_finite()).then(number)


def _area(edges: list[float], then: list[int], now: list[int]) -> float:
    """Between two cumulated distributions whose values are spread evenly within the bins."""
    area, apart = 0.0, 0.0
    for n, (x, y) in enumerate(zip(then, now, strict=True)):
        after = apart + x / max(1, sum(then)) - y / max(1, sum(now))
        width = max(0.0, edges[n + 1] - edges[n])
        if apart * after < 0:  # the lines cross within the bin: two triangles
            area += width * (apart * apart + after * after) / (2 * (abs(apart) + abs(after)))
        else:
            area += width * abs(apart + after) / 2
        apart = after
    return area


def _greatest_step(then: list[int], now: list[int]) -> float:
    a = b = greatest = 0.0
    for x, y in zip(then, now, strict=True):
        a, b = a + x / max(1, sum(then)), b + y / max(1, sum(now))
        greatest = max(greatest, abs(a - b))
    return greatest
