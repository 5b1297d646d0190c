"""quality_score"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.core.component import Context, Dimension, Gate, Measure, Types, Verdict
from qpipe.core.params import Column, param


class QualityScore(Gate):
    """The share of judged cells and rows that passed is high enough: of the run, a dimension, a column or a source.

    The score is that of the report: the sum of w · passed over the sum of w · judged, w being a check's weight times 1 (error),
    0.5 (warning) or 0.1 (info). All checks of the spec count, wherever they stand; gates have no share. `sure: true` asks it
    of the lower end of the score's 95 % interval (Wilson), so that few rows prove little. `max_drop` compares with the mean
    of the last runs that were done. What null means is each check's own matter. Nothing judged, or zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          quality_score: {min: 0.95}
        score: {score: 0.97, low: 0.93, high: 0.99}
        rows: [{id: 1}]
        outcome: pass
        ```
        ```yaml
        module:
          quality_score: {dimension: completeness, min: 0.95, sure: true}
        score: {score: 0.97, low: 0.93, high: 0.99}
        rows: [{id: 1}]
        outcome: fail
        ```
        ```yaml
        module:
          quality_score: {column: email, max_drop: 0.02}
        score: {score: 0.9, low: 0.89, high: 0.91}
        earlier: [0.95, 0.94]
        rows: [{email: a@example.com}]
        outcome: fail
        ```
    """

    dimension = None
    like = (
        "score_quality", "quality score", "data quality index", "DQ score", "rows_passed_percent", "overall success percent",
        "KPI", "dqo kpi", "success_percent", "pass rate",
    )  # fmt: skip

    min: float | None = param(None, help="the least score that is good", short=True, minimum=0, maximum=1)
    of: Dimension | None = param(None, alias="dimension", help="of the checks of this dimension alone")
    column: Column | None = param(None, help="of the checks that look at this column alone")
    source: str | None = param(None, help="of the rows of this source alone")
    sure: bool = param(False, help="judge the lower end of the score's interval instead of the score")
    max_drop: float | None = param(None, help="how far it may lie below the mean of the last runs", minimum=0, maximum=1)
    runs: int = param(5, help="how many of the last runs max_drop compares with", minimum=1, maximum=500)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.min is None and self.max_drop is None:
            yield "min", "give min or max_drop"
        if sum(each is not None for each in (self.of, self.column, self.source)) > 1:
            yield "of", "a dimension, a column or a source: one of them"
        for name in ("by", "where"):
            if getattr(self, name):
                yield name, "the checks judge the rows: this looks at their counts"

    def measures(self, context: Context) -> dict[str, Measure]:
        return {}

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        found = context.score(self.of or "", self.column or "", self.source or "") if values["rows"] else {}
        if not found:
            return Verdict("not evaluated", {}, self._words(), "no check has judged anything here" if values["rows"] else "")
        judged = found["low"] if self.sure else found["score"]
        observed: dict[str, Any] = {name: found[name] for name in ("score", "low", "high")}
        wrong = []
        if self.min is not None and judged < self.min:
            wrong.append(f"expected at least {self.min:g}")
        earlier = [each.value for each in context.earlier(self.id or self.name, "score")][-self.runs :]
        if self.max_drop is not None and earlier:
            observed["before"] = before = math.fsum(earlier) / len(earlier)
            if judged < before - self.max_drop - 1e-12:
                wrong.append(f"expected no more than {self.max_drop:g} below {before:.4g}, the mean of earlier runs")
        elif self.max_drop is not None and self.min is None:
            return Verdict("not evaluated", observed, self._words(), "there is no earlier run", learning=True)
        told = f"the score of {self._whose()} is {found['score']:.4g} ({found['low']:.4g} to {found['high']:.4g}), "
        return Verdict("fail" if wrong else "pass", observed, self._words(), told + " and ".join(wrong) if wrong else "")

    def _whose(self) -> str:
        return self.of or self.column or self.source or "all checks"

    def _words(self) -> str:
        parts = [] if self.min is None else [f"at least {self.min:g}{' for sure' if self.sure else ''}"]
        parts += [] if self.max_drop is None else [f"at most {self.max_drop:g} below the last runs"]
        return " and ".join(parts)
