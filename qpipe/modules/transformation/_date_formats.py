"""How dates are written: the formats tried when none are given, pairs that can be mistaken, what makes a format unusable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from qpipe.core.date_formats import TIMES, letters_of, unreadable

if TYPE_CHECKING:
    from qpipe.core.types import DataType

Order = Literal["dmy", "mdy"]

_YEAR_FIRST = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
_DAY_FIRST = ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y")
_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y")
_NAMED = ("%d %B %Y", "%d-%B-%Y", "%B %d, %Y", "%B %d %Y", "%d. %B %Y")  # %B reads Jan as well as January
_TIMES = ("%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p")


def default_formats(wanted: DataType, order: Order | None, two_digits: bool) -> tuple[str, ...]:
    """What is tried when no formats are given."""
    numbered = {"dmy": _DAY_FIRST, "mdy": ("%d.%m.%Y", *_MONTH_FIRST)}.get(order or "", (*_DAY_FIRST, *_MONTH_FIRST))
    short = tuple(f.replace("%Y", "%y") for f in numbered) if two_digits else ()
    dates = (*_YEAR_FIRST, *numbered, *short, *_NAMED)
    if wanted.kind == "date":
        return dates
    zones = ("", "%#z", " %#z") if wanted.zone else ("",)
    full = tuple(f"{_YEAR_FIRST[0]}{gap}{time}{zone}" for zone in zones for gap in "T " for time in _TIMES[:2])
    return (*full, *(f"{date} {time}" for date in dates[1:] for time in _TIMES), *dates)


def rivals_among(formats: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs that differ in nothing but which number is the day, the month, the year."""
    shapes = [re.sub(r"%-?[dmye]", "%#", format) for format in formats]
    return tuple((formats[i], formats[j]) for i in range(len(formats)) for j in range(i + 1, len(formats))
                 if shapes[i] == shapes[j] and formats[i] != formats[j])  # fmt: skip


def agreeing_first(formats: tuple[str, ...], order: Order | None) -> tuple[str, ...]:
    """The formats, those that keep the order before those that do not."""
    if order is None:
        return formats
    return tuple(sorted(formats, key=lambda f: _order_of(f) not in (order, None)))


def _order_of(format: str) -> str | None:
    found = "".join(letter for letter in re.findall(r"%-?([dme])", format)).replace("e", "d")
    return {"dm": "dmy", "md": "mdy"}.get(found)


def wrong_format(format: str, wanted: DataType) -> str | None:
    """What is wrong with a format, in words."""
    letters = letters_of(format)
    wrong = unreadable(format, wanted.kind)
    if wrong is None or "year" in wrong:
        wrong = None if _says_a_day(letters) else "does not say year, month and day"
    if wrong:
        return wrong
    if letters & {"z", ":z", "#z", "+"} and wanted.zone is None:
        return f"has an offset; write type: datetime(UTC), since {wanted} has no zone to keep it in"
    if wanted.kind == "date" and letters & TIMES:
        return "has a time of day; write type: datetime"
    return None


def _says_a_day(letters: set[str]) -> bool:
    if letters & {"F", "D", "x", "c", "v", "+", "s"}:
        return True
    within_year = "j" in letters or (letters & {"d", "e"} and letters & {"m", "b", "B", "h"})
    return bool(letters & {"Y", "y"} and within_year)
