"""delay"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Duration, param
from qpipe.core.words import duration

if TYPE_CHECKING:
    import polars as pl

_DAY = 86_400  # seconds


class Delay(Check):
    """From one moment to another it takes no longer than allowed, and no less.

    From the event to its arrival, from order to delivery. A date counts as its midnight. A row in which one of them is null
    passes and is not evaluated; with `max_if_open`, a null second moment fails once it is overdue when the run begins. Zero
    rows: not evaluated.

    Examples:
        ```yaml
        module:
          delay: {start: ordered, end: shipped, max: 3d, min: 0s}
        schema: {ordered: date, shipped: date}
        rows:
          - {ordered: "2026-01-01", shipped: "2026-01-04"}
          - {ordered: "2026-01-01", shipped: "2026-01-05"}
          - {ordered: "2026-01-01", shipped: "2025-12-31"}
          - {ordered: "2026-01-01", shipped: null}
        failed: [1, 2]
        ```
        ```yaml
        module:
          delay: {start: ordered, end: shipped, max: 3d, max_if_open: true}
        schema: {ordered: date, shipped: date}
        rows: [{ordered: "2026-01-01", shipped: null}, {ordered: "2027-01-14", shipped: null}]
        failed: [0]
        ```
    """

    dimension = "timeliness"
    like = (
        "is_older_than_col2_for_n_days", "data_ingestion_delay", "timeliness", "latency", "delay", "expect_column_pair_lag",
        "data-staleness", "is_data_fresh_per_time_window", "event_freshness_anomalies", "reload-lag",
    )  # fmt: skip

    start: Column = param(help="the column of the first moment")
    end: Column = param(help="the column of the second moment")
    max: Duration | None = param(None, help="the longest time between them: 3d")
    min: Duration | None = param(None, help="the shortest time between them; 0s: not before")
    max_if_open: bool = param(False, help="without a second moment, max is counted up to the run's begin")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.max is None and self.min is None:
            yield "max", "give max, min or both"
        if self.max_if_open and self.max is None:
            yield "max_if_open", "max_if_open needs max"
        for name in ("start", "end"):
            column = getattr(self, name)
            if types and column in types and types[column].kind not in ("date", "datetime", "any"):
                yield name, f"{column} is {types[column].kind}, not a date: parse_date first"

    def rules(self, context: Context) -> tuple[Rule, ...]:
        given = pl.col(self.start).is_not_null()
        if not self.max_if_open:
            given = given & pl.col(self.end).is_not_null()
        bad = pl.any_horizontal(list(self._claims(context)))
        return (Rule(bad, (self.end, self.start), self._words(), given),)

    def _claims(self, context: Context) -> Iterator[pl.Expr]:
        """What is bad; null where a moment is."""
        start, end = _moment(self.start, context), _moment(self.end, context)
        took, in_days = (end - start).dt.total_microseconds(), False
        if all(context.types[name].kind == "date" for name in (self.start, self.end)):
            took, in_days = pl.col(self.end).to_physical() - pl.col(self.start).to_physical(), True
        if self.max is not None:
            yield took > (int(self.max // _DAY) if in_days else int(self.max * 1_000_000))
        if self.min is not None:
            yield took < (math.ceil(self.min / _DAY) if in_days else int(self.min * 1_000_000))
        if self.max is not None and self.max_if_open:
            now = pl.lit(int(context.started * 1_000_000)).cast(pl.Datetime("us"))
            yield pl.col(self.end).is_null() & ((now - start).dt.total_microseconds() > int(self.max * 1_000_000))

    def _words(self) -> str:
        parts = [] if self.min is None else [f"at least {duration(self.min, 4)}"]
        parts += [] if self.max is None else [f"at most {duration(self.max, 4)}"]
        return f"{' and '.join(parts)} after {self.start}"


def _moment(name: str, context: Context) -> pl.Expr:
    cell = pl.col(name)
    if context.types[name].kind == "datetime" and context.types[name].zone:
        cell = cell.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return cell.cast(pl.Datetime("us"))
