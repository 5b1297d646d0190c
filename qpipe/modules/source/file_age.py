"""file_age"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import PurePath

from qpipe.core.component import Context, Delivery, Input, Inspection, Types, Verdict
from qpipe.core.params import Duration, Regex, param
from qpipe.core.words import duration


class FileAge(Inspection):
    """The newest file of a source is not too old; `every: true` asks it of each file.

    Age is counted from the start of the run. With `date_in_name` the time is the date in a file's name, and its end of day
    counts; else it is the time of the last change. Files without a time are left out; none left: not evaluated.

    Examples:
        ```yaml
        module:
          file_age: {max_age: 1d}
        inputs: [{name: old.csv, age: 3d}, {name: new.csv, age: 2h}]
        outcome: pass
        ```
        ```yaml
        module:
          file_age: {max_age: 1d, date_in_name: '\\d{4}-\\d{2}-\\d{2}'}
        inputs: [{name: orders-2027-01-10.csv}]           # an example runs at 2027-01-15 08:00 UTC
        outcome: fail
        ```
    """

    dimension = "timeliness"
    like = ("file_age", "source_freshness", "freshness", "data_freshness", "data_ingestion_delay")

    max_age: Duration = param(help="how old it may be: 30m, 4h, 1d")
    every: bool = param(False, help="every file, not only the newest")
    date_in_name: Regex | None = param(None, help="a regular expression for the date in a file's name")
    date_format: str = param("%Y-%m-%d", help="how that date is written")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.date_in_name is None and self.date_format != "%Y-%m-%d":
            yield "date_format", "date_format needs date_in_name"

    def inspect(self, delivery: Delivery, context: Context) -> Verdict:
        ages = {each.name: max(context.started - time, 0) for each in delivery.inputs if (time := self._time(each)) is not None}
        if not ages:
            return Verdict("not evaluated")
        name = (max if self.every else min)(ages, key=lambda each: ages[each])
        age, expected = duration(ages[name]), f"at most {duration(self.max_age, 4)}"
        observed = {"age": age}
        if ages[name] <= self.max_age:
            return Verdict("pass", observed, expected)
        return Verdict("fail", observed, expected, f"{name} is {age} old, expected {expected}")

    def _time(self, input: Input) -> float | None:
        if self.date_in_name is None:
            return input.modified
        found = re.search(self.date_in_name, PurePath(input.name).name)
        try:
            day = dt.datetime.strptime(found[0], self.date_format) if found else None
        except ValueError:
            return None
        return (day.replace(tzinfo=dt.UTC) + dt.timedelta(days=1)).timestamp() if day else None
