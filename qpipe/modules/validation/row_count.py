"""row_count"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.params import param
from qpipe.modules.validation import _history
from qpipe.modules.validation._history import VsHistory
from qpipe.modules.validation._values import range_words


class RowCount(Gate):
    """There are as many rows as there should be.

    Zero rows are judged like any other number. Nulls do not matter: a row is a row. `vs_history` compares with the last
    runs of this spec: within 20% of their mean, or within 3 sigma of it (three runs are needed); with too few earlier runs only
    `min`, `max` and `equals` are judged, and without them the gate is not evaluated. With `by`, each group's rows are counted;
    a group that is absent has none to count and is not judged.

    Examples:
        ```yaml
        module:
          row_count: {min: 2, max: 10}
        rows: [{a: 1}, {a: null}]
        outcome: pass
        ```
        ```yaml
        module:
          row_count: {min: 1}
        schema: {a: int}
        rows: []
        outcome: fail
        ```
        ```yaml
        module:
          row_count: {equals: 2, by: day, tolerance: 50%}
        rows: [{day: mo}, {day: mo}, {day: tu}]
        outcome: pass
        ```
    """

    dimension = "completeness"
    like = (
        "expect_table_row_count_to_be_between", "expect_table_row_count_to_equal", "row_count_match", "hasSize", "RowCount",
        "number_of_rows", "row_count_between", "is_aggr_not_less_than", "volume", "volume_anomalies", "min_rows",
        "equal_rowcount", "fewer_rows_than", "table_row_count", "row_count_same_as", "row_count_anomaly",
    )  # fmt: skip

    min: int | None = param(None, help="the least number of rows", minimum=0, short=True)
    max: int | None = param(None, help="the greatest number of rows", minimum=0)
    equals: int | None = param(None, help="the only number of rows", minimum=0)
    vs_history: VsHistory | None = param(None, help="near to earlier runs: {runs: 14, within: 3 sigma}")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.min is None and self.max is None and self.equals is None and self.vs_history is None:
            yield "min", "a count needs min, max, equals or vs_history"
        if self.equals is not None and (self.min is not None or self.max is not None):
            yield "equals", "equals goes without min and max"
        if self.min is not None and self.max is not None and self.min > self.max:
            yield "min", "no number lies in the range: min is above max"
        yield from _history.problems(self.vs_history, self.by)

    def measures(self, context: Context) -> dict[str, Measure]:
        return {}  # rows are counted for every gate

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        rows, words, good = values["rows"], [], True
        if self.min is not None or self.max is not None or self.equals is not None:
            low, high = (self.min, self.max) if self.equals is None else (self.equals, self.equals)
            good = (low is None or rows >= low) and (high is None or rows <= high)
            words.append(range_words(low, high) if self.equals is None else str(self.equals))
        if self.vs_history is not None:
            band = _history.band(self.vs_history, context.history(self.id or self.name, "rows"))
            if band is not None:
                good = good and band.holds(rows)
                words.append(band.words)
        if not words:
            return Verdict("not evaluated", {"rows": rows}, f"within {(self.vs_history or {})['within']} of earlier runs",
                           "there are too few earlier runs", learning=True)  # fmt: skip
        expected = " and ".join(words)
        message = "" if good else f"there are {rows} rows, expected {expected}"
        return Verdict("pass" if good else "fail", {"rows": rows}, expected, message)
