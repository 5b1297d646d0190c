"""detect_metric_anomalies"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qpipe.core.component import Context, Earlier, Gate, Measure, Types, Verdict
from qpipe.core.lazy import np
from qpipe.core.params import Column, param
from qpipe.modules.quality import _metrics
from qpipe.modules.quality._metrics import SHARES, Metric

STRETCH = 5  # runs in a row beyond what was usual: a new level, which is learnt


class DetectMetricAnomalies(Gate):
    """A figure of the data is as earlier runs have it, the season reckoned with: volume, null share, mean, age.

    The figure is the number of rows or a statistic of a column (`age`: hours from its newest time to the begin of the run).
    What is usual is learnt from earlier runs that were done: median and spread of what is left without the profile of the day
    or the week, which is used once it foretells earlier runs better than none (from two and a half weeks of runs). Never
    learnt from are runs marked as incidents (`qpipe incident`), and runs that this gate itself found unusual, unless five in a
    row were: then that is the new level. With few runs the limits are wide (Student's distribution). A change below
    `min_change` of the usual figure, and for shares below what so many rows give by chance, is never told. Fewer than
    `min_runs` earlier runs: not evaluated, and nothing is refused for it. Nulls and NaN: as in `aggregate`.
    Zero rows are judged as a number of rows; a column has no figure then: not evaluated.

    Examples:
        ```yaml
        module:
          detect_metric_anomalies: {metric: row_count}
        earlier: [3, 4, 3, 3, 4, 3, 4, 3]
        rows: [{a: 1}, {a: 2}, {a: 3}]
        outcome: pass
        ```
        ```yaml
        module:
          detect_metric_anomalies: {metric: mean, column: price}
        earlier: [10.1, 9.9, 10.0, 10.2, 9.8, 10.0, 10.1, 9.9]
        rows: [{price: 30.0}, {price: 34.0}, {price: null}]
        outcome: fail
        ```
        ```yaml
        module:
          detect_metric_anomalies: {metric: null_share, column: email, severity: warning}
        rows: [{email: a@example.com}, {email: null}]
        outcome: not evaluated
        ```
    """

    dimension = "consistency"
    like = (
        "anomaly detection for row_count", "anomaly score for row_count", "volume_anomalies", "freshness_anomalies",
        "column_anomalies", "all_columns_anomalies", "OnlineNormalStrategy", "BatchNormalStrategy", "HoltWinters",
        "SimpleThresholdStrategy", "isNewestPointNonAnomalous", "table_anomalies", "metric anomaly", "data observability",
        "has_no_aggr_outliers", "row-count-anomaly", "event_freshness_anomalies", "anomaly_score",
    )  # fmt: skip

    metric: Metric = param("row_count", help="the figure: rows, or a statistic of the column")
    column: Column | None = param(None, help="the column, but for row_count")
    chance: float = param(0.001, help="how probable a usual figure may be at most to be found", maximum=0.1)
    min_runs: int = param(7, help="fewer earlier runs say nothing", minimum=5)
    min_change: float = param(0.01, help="a smaller change, as a share of what is usual, is never told", minimum=0)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from _metrics.problems(self.metric, self.column, self.by, types)
        if self.chance <= 0:
            yield "chance", "chance is above 0"

    def measures(self, context: Context) -> dict[str, Measure]:
        return _metrics.measures(self.metric, self.column, context)

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        now = _metrics.value(self.metric, self.column, values, context)
        if now is None or not math.isfinite(now):
            return Verdict("not evaluated", {}, "as in earlier runs")
        observed: dict[str, Any] = {self.metric: now}
        earlier = [each for each in context.earlier(self.id or self.name, self.metric) if math.isfinite(each.value)]
        known, earlier = _found(earlier)
        if len(earlier) - sum(known) < self.min_runs:
            told = f"{len(earlier) - sum(known)} earlier runs, {self.min_runs} are needed"
            return Verdict("not evaluated", observed, "as in earlier runs", told, learning=True)
        low, high, words = self._usual(earlier, known, context.started, values["rows"])
        good = low <= now <= high
        told = f"{_metrics.named(self.metric, self.column)} is {now:.6g}, expected {words}"
        return Verdict("pass" if good else "fail", observed | {"low": low, "high": high}, words, "" if good else told)

    def _usual(self, earlier: Sequence[Earlier], known: Sequence[bool], started: float, rows: int) -> tuple[float, float, str]:
        """(low, high, in words)."""
        from qpipe.analysis.series import between, latest, season_name

        times = np.array([*(each.at for each in earlier), started])
        seen = np.array([*(each.value for each in earlier), 0.0])
        low, high, season, learnt = latest(_regular(times), seen, np.array([*known, False]), chance=self.chance)
        usual = (low + high) / 2
        least = self.min_change * abs(usual)
        if self.metric in SHARES:  # what so many rows give by chance
            share = min(max(usual, 0.0), 1.0)
            least = max(least, 3 * math.sqrt((share * (1 - share) + 1 / max(rows, 1)) / max(rows, 1)))
        low, high = min(low, usual - least), max(high, usual + least)
        if self.metric not in ("mean", "sum", "min", "max", "median", "age"):
            low = max(low, 0.0)
        of = f", season: {season_name(season)}" if season else ""
        return low, high, f"{between(low, high)} ({learnt} runs learnt{of})"


def _found(earlier: Sequence[Earlier]) -> tuple[list[bool], list[Earlier]]:
    """Which earlier runs were found unusual, and the runs since the last change of level."""
    runs = list(earlier)
    for n in range(len(runs) - STRETCH, -1, -1):
        if all(each.outcome in ("fail", "warn") for each in runs[n : n + STRETCH]):
            while n and runs[n - 1].outcome in ("fail", "warn"):
                n -= 1
            since = runs[n:]
            until = next((k for k, each in enumerate(since) if each.outcome not in ("fail", "warn")), len(since))
            return [k >= until and each.outcome in ("fail", "warn") for k, each in enumerate(since)], since
    return [each.outcome in ("fail", "warn") for each in runs], runs


def _regular(times: Any) -> Any:
    """Runs start a little early or late: their times as whole steps, so that all of a weekday are alike."""
    step = max(float(np.median(np.diff(times))), 1.0)
    for whole in (604_800.0, 86_400.0, 3_600.0, 60.0):
        if step >= 0.9 * whole:
            step = round(step / whole) * whole
            break
    return (np.round((times - times[-1]) / step) + 0.5) * step
