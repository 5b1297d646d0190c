"""add_calendar"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.extras import lacking
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

_PARTS = {
    "year": "int", "quarter": "int", "month": "int", "week": "int", "week_year": "int", "day": "int", "weekday": "int",
    "day_of_year": "int", "hour": "int", "is_weekend": "bool", "is_month_end": "bool", "is_holiday": "bool",
    "holiday": "string",
}  # fmt: skip


class AddCalendar(Transform):
    """What the calendar knows of a date becomes columns: year, quarter, month, ISO week, weekday, holiday.

    New columns are named after the column, `ordered_week`. Weeks and weekdays are those of ISO 8601: Monday is 1, and
    `week_year` is the year that a week belongs to. Holidays are public ones of a country or its part (DE, DE-BY), by the
    library holidays. A date and time with a zone is taken as its clock shows it. Null gives nulls.

    Examples:
        ```yaml
        module:
          add_calendar: {column: day, parts: [week, week_year, weekday, is_weekend]}
        schema: {day: date}
        rows: [{day: "2027-01-03"}, {day: null}]
        gives:
          - {day: "2027-01-03", day_week: 53, day_week_year: 2026, day_weekday: 7, day_is_weekend: true}
          - {day: null, day_week: null, day_week_year: null, day_weekday: null, day_is_weekend: null}
        ```
        ```yaml
        module:
          add_calendar: {column: day, parts: [is_holiday, holiday], country: DE-BY}
        schema: {day: date}
        rows: [{day: "2026-01-06"}, {day: "2026-01-07"}]
        gives:
          - {day: "2026-01-06", day_is_holiday: true, day_holiday: Heilige Drei Könige}
          - {day: "2026-01-07", day_is_holiday: false, day_holiday: null}
        ```
    """

    like = (
        "date_part", "dt accessor", "date dimension", "calendar table", "get_date_dimension", "date features", "holidays",
    )  # fmt: skip

    column: Column = param(help="the column of dates")
    parts: tuple[str, ...] = param(help=f"what is added: {', '.join(_PARTS)}", minItems=1)
    country: str | None = param(None, help="whose holidays: DE, DE-BY")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kind = types[self.column].kind if types and self.column in types else "any"
        if kind not in ("date", "datetime", "any"):
            yield "column", f"{self.column} is {kind}, not a date: parse_date first"
        for part in self.parts:
            if part not in _PARTS:
                yield "parts", f"the calendar has no '{part}'; it has {', '.join(_PARTS)}"
        if kind == "date" and "hour" in self.parts:
            yield "parts", f"{self.column} is a date, which has no hour"
        if {"is_holiday", "holiday"} & set(self.parts):
            if self.country is None:
                yield "country", "whose holidays? country: DE, or DE-BY for a part"
            elif lacking(["holidays"]):
                yield "country", "holidays are known by qpipe[standards]: pip install 'qpipe[standards]'"

    def output_types(self, types: Types) -> Types:
        return {**types, **{f"{self.column}_{part}": DataType.parse(_PARTS.get(part, "int")) for part in self.parts}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(
            self._part(part, context).cast(DataType.parse(_PARTS[part]).polars()).alias(f"{self.column}_{part}")
            for part in self.parts
        )

    def _part(self, part: str, context: Context) -> pl.Expr:
        cell = pl.col(self.column)
        day = cell if context.types[self.column].kind == "date" else cell.dt.date()
        made = {
            "year": cell.dt.year, "quarter": cell.dt.quarter, "month": cell.dt.month, "week": cell.dt.week,
            "week_year": cell.dt.iso_year, "day": cell.dt.day, "weekday": cell.dt.weekday, "day_of_year": cell.dt.ordinal_day,
        }  # fmt: skip
        if part in made:
            return made[part]()
        if part == "hour":
            return cell.dt.hour()
        if part == "is_weekend":
            return cell.dt.weekday() > 5
        if part == "is_month_end":
            return day == day.dt.month_end()
        holiday = day.map_batches(self._holiday, return_dtype=pl.String(), is_elementwise=True)
        return holiday if part == "holiday" else pl.when(day.is_not_null()).then(holiday.is_not_null())

    def _holiday(self, days: pl.Series) -> pl.Series:
        from qpipe.modules._holidays import named_holidays

        found = named_holidays(self.country or "", days.drop_nulls().dt.year().unique().to_list())
        names = {"day": list(found), "name": list(found.values())}
        known = pl.DataFrame(names, schema={"day": pl.Date, "name": pl.String})
        return days.replace_strict(known["day"], known["name"], default=None, return_dtype=pl.String)
