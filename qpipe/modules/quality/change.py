"""change"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.params import Column, param
from qpipe.modules.quality import _metrics
from qpipe.modules.quality._metrics import Metric


class Change(Gate):
    """A figure of the data has changed no more since the last runs than allowed.

    The figure is the number of rows or a statistic of a column (`age`: hours from its newest time to the begin of the run). It
    is compared with the last run, or with the mean of the last `runs`. `max_change` is a share of that figure (`20%`) or, as a
    number, a difference. Of earlier runs count those that were done and are not marked as incidents (`qpipe incident`).
    Nulls and NaN: as in `aggregate`. Zero rows are judged as a number of rows; a column's figure has
    none then, nor of nothing but nulls: not evaluated. So it is without an earlier run, and nothing is refused for that. From
    zero every change is more than any share of it.

    Examples:
        ```yaml
        module:
          change: {metric: row_count, max_change: 20%}
        earlier: [50, 5]
        rows: [{a: 1}, {a: 2}, {a: 3}, {a: 4}, {a: 5}, {a: 6}]
        outcome: pass
        ```
        ```yaml
        module:
          change: {metric: mean, column: price, runs: 3, max_change: 10%, side: up}
        earlier: [10.0, 11.0, 10.5]
        rows: [{price: 12.0}, {price: 14.0}, {price: null}]
        outcome: fail
        ```
    """

    dimension = "consistency"
    like = (
        "change for row_count", "change avg last 7 for row_count", "change percent for", "RelativeRateOfChangeStrategy",
        "AbsoluteChangeStrategy", "RateOfChangeStrategy", "volume_change", "anomaly score", "rate of change",
        "percent change", "change_over_time", "row-count-change-7-days", "row-count-change-1-day", "mean-change",
    )  # fmt: skip

    metric: Metric = param("row_count", help="the figure: rows, or a statistic of the column")
    column: Column | None = param(None, help="the column, but for row_count")
    max_change: str | float = param(help="how much it may change: 20%, or a number")
    runs: int = param(1, help="compared is the mean of so many of the last runs", minimum=1, maximum=500)
    side: Literal["both", "up", "down"] = param("both", help="which change counts")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from _metrics.problems(self.metric, self.column, self.by, types)
        try:
            _allowed(self.max_change, 1.0)
        except ValueError:
            yield "max_change", f"a change is a share such as 20% or a number from 0, not {self.max_change}"

    def measures(self, context: Context) -> dict[str, Measure]:
        return _metrics.measures(self.metric, self.column, context)

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        now = _metrics.value(self.metric, self.column, values, context)
        if now is None:
            return Verdict("not evaluated", {}, self._words())
        observed: dict[str, Any] = {self.metric: now}
        earlier = [each.value for each in context.earlier(self.id or self.name, self.metric)][-self.runs :]
        if not earlier:
            return Verdict("not evaluated", observed, self._words(), "there is no earlier run", learning=True)
        before = math.fsum(earlier) / len(earlier)
        observed |= {"before": before, "change": now - before}
        moved = {"both": abs(now - before), "up": now - before, "down": before - now}[self.side]
        good = moved <= _allowed(self.max_change, before) + 1e-9 * abs(before)
        share = f" ({(now - before) / abs(before):+.1%})" if before else ""
        told = f"{_metrics.named(self.metric, self.column)} is {now:.6g}, expected {self._words()}, {before:.6g}{share}"
        return Verdict("pass" if good else "fail", observed, self._words(), "" if good else told)

    def _words(self) -> str:
        limit = self.max_change if isinstance(self.max_change, str) else f"{self.max_change:g}"
        whose = "the last run" if self.runs == 1 else f"the mean of the last {self.runs} runs"
        how = {"both": "within {} of {}", "up": "no more than {} above {}", "down": "no more than {} below {}"}
        return how[self.side].format(limit, whose)


def _allowed(max_change: str | float, before: float) -> float:
    text = str(max_change).strip()
    limit = float(text[:-1]) / 100 * abs(before) if text.endswith("%") else float(text)
    if not limit >= 0:
        raise ValueError(text)
    return limit
