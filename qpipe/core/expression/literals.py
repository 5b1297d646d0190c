"""Values as they are written: numbers, dates, times, intervals."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal

from qpipe.core.expression.tree import Interval, Value
from qpipe.core.types import DataType

INT, FLOAT, BOOL, TEXT, ANY = (DataType(word) for word in ("int", "float", "bool", "string", "any"))
DATE, DATETIME, TIME, DURATION = (DataType(word) for word in ("date", "datetime", "time", "duration"))

_UNITS = {
    "microsecond": (0, 0, 1), "millisecond": (0, 0, 1000), "second": (0, 0, 10**6), "minute": (0, 0, 60 * 10**6),
    "hour": (0, 0, 3600 * 10**6), "day": (0, 1, 0), "week": (0, 7, 0), "month": (1, 0, 0), "quarter": (3, 0, 0),
    "year": (12, 0, 0),
}  # fmt: skip
UNITS = tuple(_UNITS)
_EXAMPLES = {
    "date": "2026-01-31", "datetime": "2026-01-31 12:00:00", "time": "12:30:00", "duration": "1 day",
}  # fmt: skip


def read_number(text: str) -> tuple[Value, DataType]:
    """A whole number, an exact fraction, or a float where there is an exponent. ValueError: too large."""
    if re.fullmatch(r"[0-9]+", text):
        if len(text.lstrip("0")) > 19 or int(text) >= 2**63:
            raise ValueError(f"{text[:40]} is too large for a whole number")
        return int(text), INT
    if "e" in text.lower():
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(f"{text[:40]} is too large")
        return number, FLOAT
    if len(text) > 30:
        raise ValueError(f"{text[:40]} has more digits than can be kept")
    return Decimal(text), FLOAT  # a float until it meets a decimal


def read_text(text: str, type: DataType) -> Value:
    """A text in quotes as a date, datetime, time or interval. ValueError says what it should look like."""
    try:
        return _READERS[type.kind](text.strip(), type)
    except (ValueError, OverflowError):
        message = f"'{text}' is no {'interval' if type.kind == 'duration' else type.kind} such as '{_EXAMPLES[type.kind]}'"
        raise ValueError(message) from None


def _date(text: str, type: DataType) -> dt.date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.A):
        raise ValueError
    return dt.date.fromisoformat(text)


def _datetime(text: str, type: DataType) -> dt.datetime:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.A):
        text += " 00:00:00"
    if not re.fullmatch(r"[0-9-]{10}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?", text, re.A):
        raise ValueError
    moment = dt.datetime.fromisoformat(text)
    if type.zone is None:
        if moment.tzinfo is not None:
            raise ValueError
        return moment
    if moment.tzinfo is None:
        import zoneinfo

        moment = moment.replace(tzinfo=zoneinfo.ZoneInfo(type.zone))
    return moment.astimezone(dt.UTC)


def _time(text: str, type: DataType) -> dt.time:
    if not re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?", text, re.A):
        raise ValueError
    return dt.time.fromisoformat(text)


def _interval(text: str, type: DataType) -> Interval:
    """``1 day``, ``2 months 3 days``, ``-1 hour``."""
    parts = re.findall(r"([+-]?[0-9]{1,9})\s*([A-Za-z]+)", text)
    if not parts or not re.fullmatch(r"(\s*[+-]?[0-9]{1,9}\s*[A-Za-z]+\s*)+", text):
        raise ValueError
    sums = [0, 0, 0]
    for number, word in parts:
        unit = _UNITS.get(word.lower()) or _UNITS.get(word.lower().removesuffix("s"))
        if unit is None:
            raise ValueError
        sums = [total + int(number) * one for total, one in zip(sums, unit, strict=True)]
    return Interval(*sums)


_READERS: dict[str, Callable[[str, DataType], Value]] = {
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "duration": _interval,
}
