"""date_is"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Duration, param
from qpipe.core.words import duration

if TYPE_CHECKING:
    import polars as pl

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DateIs(Check):
    """Dates and times are not in the future, not too old, on the right days of the week, within opening hours, on no holiday.

    Now is the moment at which the run began, the same after a resume; a date counts as its last moment for age and as its
    first for the future, in UTC. A date and time without a zone is read as UTC. Each claim is a finding of its own.
    Holidays are those of a country or its part (DE, DE-BY) as the library holidays knows them. Null passes. Zero rows, or a
    column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          date_is: {column: born, not_future: true, max_age: 52000d}
        schema: {born: date}
        rows: [{born: "1980-05-01"}, {born: "2099-01-01"}, {born: "1850-01-01"}, {born: null}]
        failed: [1, 2]
        ```
        ```yaml
        module:
          date_is: {column: booked, weekdays: [mon, tue, wed, thu, fri], hours: ["08:00", "18:00"]}
        schema: {booked: datetime}
        rows: [{booked: "2026-01-30T08:00:00"}, {booked: "2026-01-31T12:00:00"}, {booked: "2026-01-30T18:30:00"}]
        failed: [1, 2]
        ```
    """

    dimension = "timeliness"
    accepts = ("date", "datetime")
    like = (
        "is_not_in_future", "is_not_in_near_future", "is_older_than_n_days", "is_on_weekday", "is_on_weekend",
        "is_on_schedule", "is_on_monday", "is_t_minus_n", "expect_column_values_to_not_be_in_future", "recency",
        "date_not_in_future", "not_in_past", "is_in_past", "age",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    not_future: bool = param(False, help="no moment after the run's begin")
    not_past: bool = param(False, help="no moment before the run's begin")
    max_age: Duration | None = param(None, help="how long ago at most: 30d")
    weekdays: tuple[Day, ...] = param((), help="the days of the week that are allowed")
    hours: tuple[str, ...] = param((), help='from when to when, such as ["08:00", "18:00"]; the end is not in it')
    not_holiday: str | None = param(None, help="a country, or its part, whose public holidays are refused: DE, DE-BY")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if not any((self.not_future, self.not_past, self.max_age is not None, self.weekdays, self.hours, self.not_holiday)):
            yield "not_future", "claim something: not_future, not_past, max_age, weekdays, hours, not_holiday"
        try:
            if self.hours and len([dt.time.fromisoformat(hour) for hour in self.hours]) != 2:
                yield "hours", 'two times, from when to when: ["08:00", "18:00"]'
        except ValueError as error:
            yield "hours", str(error)
        for column in self.columns if types and self.hours else ():
            if types and column in types and types[column].kind == "date":
                yield "hours", f"{column} is a date, which has no hour"

    def rules(self, context: Context) -> tuple[Rule, ...]:
        made = []
        for column in self.columns:
            for words, bad in self._claims(column, context):
                made.append(Rule(bad, (column,), words, pl.col(column).is_not_null()))
        return tuple(made)

    def _claims(self, column: str, context: Context) -> Iterator[tuple[str, pl.Expr]]:
        cell, is_date = pl.col(column), context.types[column].kind == "date"
        now = dt.datetime.fromtimestamp(context.started, dt.UTC).replace(tzinfo=None)
        moment = cell.cast(pl.Datetime("us")) if is_date else _in_utc(cell, context.types[column].zone)
        last = moment + dt.timedelta(days=1, microseconds=-1) if is_date else moment
        if self.not_future:
            yield "not in the future", moment > now
        if self.not_past:
            yield "not in the past", last < now
        if self.max_age is not None:
            yield f"no older than {duration(self.max_age, 4)}", last < now - dt.timedelta(seconds=self.max_age)
        if self.weekdays:
            others = [n for n, day in enumerate(_DAYS, 1) if day not in self.weekdays]
            wrong = [cell.dt.weekday() == day for day in others] or [pl.lit(False)]
            yield f"on {', '.join(self.weekdays)}", pl.any_horizontal(wrong)
        if self.hours:
            start, end = (dt.time.fromisoformat(hour) for hour in self.hours)
            at = cell.dt.time()
            inside = (at >= start) & (at < end) if start < end else (at >= start) | (at < end)
            yield f"from {self.hours[0]} to {self.hours[1]}", ~inside
        if self.not_holiday is not None:
            days = cell if is_date else cell.dt.date()
            yield (
                f"no holiday of {self.not_holiday}",
                days.map_batches(self._on_holiday, return_dtype=pl.Boolean(), is_elementwise=True),
            )

    def _on_holiday(self, days: pl.Series) -> pl.Series:
        from qpipe.modules._holidays import holidays_of

        years = days.drop_nulls().dt.year().unique().to_list()
        return days.is_in(pl.Series(holidays_of(self.not_holiday or "", years), dtype=pl.Date).implode())


def _in_utc(cell: pl.Expr, zone: str | None) -> pl.Expr:
    moment = cell.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else cell
    return moment.cast(pl.Datetime("us"))
