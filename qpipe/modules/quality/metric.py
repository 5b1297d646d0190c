"""metric"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.expression import Expression as Parsed
from qpipe.core.lazy import pl
from qpipe.core.params import Expression, param
from qpipe.core.types import DataType
from qpipe.modules.validation._statistics import STATISTICS

if TYPE_CHECKING:
    import polars as pl


_STATISTIC = {"sum": "sum", "mean": "mean", "min": "min", "max": "max", "share": "mean"}
_FLOAT = DataType.parse("float")


class Metric(Gate):
    """A figure of your own, reckoned from expressions over the rows, lies in a range; it is told and kept, run by run.

    `value` is an expression over a row; `function` says what becomes of it over all rows: the sum, the mean, the least, the
    greatest, or the share of rows for which it is true. With `per` the figure is the sum of `value` by the sum of `per`,
    over rows in which both are there: refunds per revenue, defects per thousand. Without bounds it passes and is told. Null and
    NaN are left out. Nothing to reckon with, a sum of `per` that is 0, or zero rows: not evaluated. `max_change` compares
    with the mean of the last runs that were done: 10 %, or a number.

    Examples:
        ```yaml
        module:
          metric: {value: price - cost, per: price, min: 0.3}
        rows: [{price: 10.0, cost: 6.0}, {price: 30.0, cost: 22.0}, {price: null, cost: 9.0}]
        outcome: pass
        ```
        ```yaml
        module:
          metric: {value: "status = 'returned'", function: share, max: 0.2}
        rows: [{status: sent}, {status: returned}, {status: null}]
        outcome: fail
        ```
        ```yaml
        module:
          metric: {value: amount, function: sum, max_change: 10%}
        earlier: [100, 104]
        rows: [{amount: 60}, {amount: 65}]
        outcome: fail
        ```
    """

    dimension = "accuracy"
    like = (
        "measure_metric", "user metric", "metric check", "custom metric", "customSql", "metric_sql", "CustomSQL", "is_custom",
        "sql_expression aggregate", "business metric", "ratio", "numeric metric", "is_aggr_not_greater_than",
    )  # fmt: skip

    value: Expression = param(help="what is reckoned in each row", short=True)
    function: Literal["sum", "mean", "min", "max", "share"] = param("sum", help="what becomes of it over all rows")
    per: Expression | None = param(None, help="the sum of value is divided by the sum of this")
    min: float | None = param(None, help="the least figure that is good")
    max: float | None = param(None, help="the greatest figure that is good")
    max_change: str | float | None = param(None, help="how much it may differ from earlier runs: 10%, or a number")
    runs: int = param(5, help="how many of the last runs max_change compares with", minimum=1, maximum=500)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.per is not None and self.function != "sum":
            yield "per", "a quotient is of sums: leave out function"
        if self.min is not None and self.max is not None and self.min > self.max:
            yield "min", "min is above max"
        if self.max_change is not None and self.by:
            yield "by", "earlier runs are kept for the whole, not for each group: leave out by"
        try:
            _allowed(self.max_change, 1.0)
        except ValueError:
            yield "max_change", f"a change is a share such as 10% or a number from 0, not {self.max_change}"

    def measures(self, context: Context) -> dict[str, Measure]:
        value = _number(self.value, context)
        if self.per is not None:
            per = _number(self.per, context)
            both = value.is_not_null() & per.is_not_null()
            return _of("value", pl.when(both).then(value), "sum") | _of("per", pl.when(both).then(per), "sum")
        return _of("value", value, _STATISTIC[self.function])

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        found = self._figure(values)
        if found is None:
            return Verdict("not evaluated", {}, self._words())
        observed, wrong = {"metric": found}, []
        near = 1e-12 * abs(found)
        if (self.min is not None and found < self.min - near) or (self.max is not None and found > self.max + near):
            wrong.append(f"expected {self._range()}")
        if self.max_change is not None:
            earlier = [each.value for each in context.earlier(self.id or self.name, "metric")][-self.runs :]
            if not earlier and self.min is None and self.max is None:
                return Verdict("not evaluated", observed, self._words(), "there is no earlier run", learning=True)
            before = math.fsum(earlier) / len(earlier) if earlier else found
            if abs(found - before) > _allowed(self.max_change, before) + near:
                wrong.append(f"expected within {self.max_change} of {before:.6g}, the mean of earlier runs")
        told = f"{self._named()} is {found:.6g}, {' and '.join(wrong)}" if wrong else ""
        return Verdict("fail" if wrong else "pass", observed, self._words(), told)

    def _figure(self, values: Mapping[str, Any]) -> float | None:
        if not values["rows"] or (value := _figure("value", values, _STATISTIC[self.function])) is None:
            return None
        if self.per is None:
            return value
        per = _figure("per", values, "sum")
        return value / per if per else None

    def _named(self) -> str:
        return f"{self.value} per {self.per}" if self.per is not None else f"{self.function} of {self.value}"

    def _range(self) -> str:
        parts = [] if self.min is None else [f"at least {self.min:g}"]
        return " and ".join(parts + ([] if self.max is None else [f"at most {self.max:g}"]))

    def _words(self) -> str:
        change = [] if self.max_change is None else [f"within {self.max_change} of earlier runs"]
        return " and ".join([each for each in (self._range(),) if each] + change)


def _number(text: str, context: Context) -> pl.Expr:
    """The expression as a number; true counts 1. NaN and what is infinite are left out."""
    number = Parsed.parse(text).compile(context.types).cast(pl.Float64)
    return pl.when(number.is_finite()).then(number)


def _of(name: str, cell: pl.Expr, statistic: str) -> dict[str, Measure]:
    return {f"{name}.{part}": measure for part, measure in STATISTICS[statistic].measures(cell, _FLOAT).items()}


def _figure(name: str, values: Mapping[str, Any], statistic: str) -> float | None:
    mine = {part.removeprefix(f"{name}."): value for part, value in values.items() if part.startswith(f"{name}.")}
    found = STATISTICS[statistic].value(mine | {"rows": values["rows"]}, _FLOAT)
    return None if found is None else float(found)


def _allowed(max_change: str | float | None, before: float) -> float:
    text = str(max_change or 0).strip()
    limit = float(text[:-1]) / 100 * abs(before) if text.endswith("%") else float(text)
    if not limit >= 0:
        raise ValueError(text)
    return limit
