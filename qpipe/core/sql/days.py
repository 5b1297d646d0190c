"""Days that no date here can be, since years are 1 to 9999: told when they are read, refused when they are written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

DAY = 86_400_000_000  # microseconds
_CYCLE = 146_097  # days of 400 years
_FIRST, _LAST = -719_162, 2_932_896  # days since 1970 of the first of year 1 and the last of year 9999


def with_days_told(frame: pl.DataFrame, infinities: Mapping[int, tuple[int, int]]) -> pl.DataFrame:
    """Days that no date here can be become texts. ``infinities``: bytes of a number → the numbers of -infinity and infinity."""
    return frame.with_columns(_told(series, infinities) for series in _beyond(frame))


def refuse_days(frame: pl.DataFrame) -> None:
    """DataRefused: there is such a day, which has no text that a server reads."""
    for series in _beyond(frame):
        number = series.to_physical().filter(~_good(series))[0]
        raise DataRefused(f"{series.name} has {_written(number, _unit(series))}: years are 1 to 9999",
                          hint="keep such rows out, or make it null")  # fmt: skip


def _beyond(frame: pl.DataFrame) -> list[pl.Series]:
    """The columns that have one."""
    return [series for series in frame if series.dtype in (pl.Date, pl.Datetime) and not _good(series).all()]


def _unit(series: pl.Series) -> int:
    """Of a day."""
    if series.dtype == pl.Date:
        return 1
    return {"ms": DAY // 1000, "us": DAY, "ns": DAY * 1000}[series.dtype.time_unit]  # type: ignore[attr-defined]


def _good(series: pl.Series) -> pl.Series:
    """Whether the days are ones that dates here can be: those of years 1 to 9999."""
    unit, most = _unit(series), (1 << 63) - 1
    return series.to_physical().is_between(max(_FIRST * unit, -most), min((_LAST + 1) * unit - 1, most - 1))


def _told(series: pl.Series, infinities: Mapping[int, tuple[int, int]]) -> pl.Series:
    """As texts, of which those beyond these years are no dates."""
    good, numbers = _good(series), series.to_physical()
    size = 4 if series.dtype == pl.Date else 8
    names = dict(zip(infinities[size], ("-infinity", "infinity"), strict=True))
    texts = series.to_frame().select(pl.when(good).then(pl.col(series.name))).to_series().cast(pl.String)
    rows = (~good).fill_null(False).arg_true()
    beyond = [names.get(n) or _written(n + (n < min(names)) * (1 << 8 * size), _unit(series)) for n in numbers.gather(rows)]
    return texts.scatter(rows, beyond)


def _written(number: int, unit: int) -> str:
    """A moment of any year as PostgreSQL writes it. ``number``: since 1970, of which ``unit`` make a day.

    The calendar goes on as it is now, before and after; the year before 1 is 1 BC. Python's ends, so it is asked for the same
    day of another cycle of 400 years.
    """
    days, rest = divmod(number, unit)
    cycles, day = divmod(days - _FIRST, _CYCLE)
    there = dt.date.fromordinal(day + 1)
    year = there.year + 400 * cycles
    shown = f"{year if year > 0 else 1 - year:04}-{there:%m-%d}"
    if unit > 1:
        seconds, part = divmod(rest, unit // 86_400)
        digits = str(part).zfill(len(str(unit // 86_400)) - 1).rstrip("0")
        shown += f" {dt.timedelta(seconds=seconds)!s:0>8}{'.' if digits else ''}{digits}"
    return shown if year > 0 else shown + " BC"
