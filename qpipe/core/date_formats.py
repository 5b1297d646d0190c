"""Which formats of dates and times can be read at all."""

from __future__ import annotations

import re

_DATES = frozenset("dembBhyYjaAuwGgVUWCDFxv")
_CLOCKS = frozenset("TRrXcs+")  # whole times of day
_HOURS, _TWELVE, _HALVES = frozenset("Hk"), frozenset("Il"), frozenset("pP")
_PARTS = frozenset(["M", "S", "f", "3f", "6f", "9f", ".f", ".3f", ".6f", ".9f", "z", ":z", "::z", "#z", "Z"])
TIMES = _CLOCKS | _HOURS | _TWELVE | _HALVES | _PARTS
_YEARS = frozenset("YyGCFDxcv+s")
_MARKS = frozenset("%tn")


def letters_of(format: str) -> set[str]:
    """``%d.%m.%Y`` → d, m, Y."""
    return set(re.findall(r"%[-_0]?([:#]*z|\.?\d*[A-Za-z%+])", format))


def unreadable(format: str, kind: str) -> str | None:
    """Why no text could ever be read so, in words: the end of a sentence about the format. ``kind``: date, datetime or time."""
    letters = letters_of(format)
    if not letters - {"%"}:
        return "has no letters of strftime such as %d, %m, %Y"
    if unknown := sorted(letters - _DATES - TIMES - _MARKS):
        return f"has %{unknown[0]}, which is no letter of strftime that can be read"
    hours, halves = letters & (_HOURS | _TWELVE), letters & _HALVES
    if bool(hours) != ("M" in letters) or ("S" in letters and not hours):
        return "says hours, minutes or seconds, but not hours with minutes"
    if letters & _TWELVE and not halves:
        return "has hours of the half day, but no %p for which half"
    if kind == "time":
        return None if hours or letters & _CLOCKS else "does not say a time of day"
    return None if letters & _YEARS else "does not say which year"
