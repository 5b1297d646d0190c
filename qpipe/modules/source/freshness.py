"""freshness"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Duration, param
from qpipe.core.words import duration


class Freshness(Gate):
    """The newest row is not too old.

    Age is counted from the start of the run, so a resumed run judges as it would have at first. A time without a zone is in
    UTC; a date counts as the end of its day. Times after the start of the run are left out: a clock that runs ahead must not
    make old data look new. Nulls are left out. Zero rows, or nothing but nulls: not evaluated.

    Examples:
        ```yaml
        module:
          freshness: {column: at, max_age: 2h}
        schema: {at: datetime}
        rows: [{at: "2027-01-15 07:00:00"}, {at: "2026-12-01 00:00:00"}]     # an example runs at 2027-01-15 08:00 UTC
        outcome: pass
        ```
        ```yaml
        module:
          freshness: {column: day, max_age: 1d}
        schema: {day: date}
        rows: [{day: "2027-01-13"}, {day: null}]
        outcome: fail
        ```
    """

    dimension = "timeliness"
    like = (
        "freshness", "recency", "data_freshness", "DataFreshness", "is_data_fresh", "source_freshness", "event_freshness",
        "freshness_anomalies", "expect_row_values_to_have_recent_data", "grouped_row_values_to_have_recent_data",
        "timeliness", "data_freshness_sla", "has_no_time_gap", "reload-lag",
    )  # fmt: skip

    column: Column = param(help="when each row happened or arrived: a date or a datetime")
    max_age: Duration = param(help="how old the newest row may be: 30m, 4h, 1d")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        type_ = (types or {}).get(self.column)
        if type_ and type_.kind not in ("date", "datetime", "any"):
            yield "column", f"{self.column} is {type_.kind}: freshness needs a date or a datetime"

    def measures(self, context: Context) -> dict[str, Measure]:
        at = pl.col(self.column)
        if context.types[self.column].zone:
            at = at.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        at = at.cast(pl.Datetime("us"))
        return {"newest": Measure(at.filter(at <= _now(context)).max(), "max"), "values": Measure(at.count())}

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        expected = f"at most {duration(self.max_age, 4)} old"
        if not values["values"]:
            return Verdict("not evaluated", {}, expected)
        newest = values["newest"]
        if newest is None:
            return Verdict("fail", {}, expected, f"every {self.column} lies after the start of the run")
        end = newest + dt.timedelta(days=1) if context.types[self.column].kind == "date" else newest
        age = max((_now(context) - end).total_seconds(), 0)
        message = f"the newest {self.column} is {duration(age)} old, expected {expected}" if age > self.max_age else ""
        return Verdict("fail" if message else "pass", {"newest": newest, "age": duration(age)}, expected, message)


def _now(context: Context) -> dt.datetime:
    return dt.datetime.fromtimestamp(context.started, dt.UTC).replace(tzinfo=None)
