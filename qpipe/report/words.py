"""Numbers as people read them, the same in every format. A share near 0 or 1 is never rounded to 0 % or 100 %."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from qpipe.core import words

MARKS = {"pass": "✓", "warn": "!", "fail": "✕", "error": "✕", "skipped": "-", "not evaluated": "○"}
STATES = {
    "done": "done", "refused": "refused: nothing was published", "waiting": "waiting for answers", "running": "running",
    "failed": "failed", "interrupted": "interrupted: can be resumed",
}  # fmt: skip


def count(number: int | float | None) -> str:
    """336776 → "336,776"."""
    return "-" if number is None else f"{number:,.0f}"


def percent(share: float | None) -> str:
    """0.1234 → "12.34%"; 0.99999 → ">99.99%"; None → "-"."""
    if share is None:
        return "-"
    if 0 < share < 0.0001:
        return "<0.01%"
    if 0.9999 < share < 1:
        return ">99.99%"
    hundredths = math.floor(share * 10000 + 0.5) if share < 0.5 else math.ceil(share * 10000 - 0.5)
    text = f"{hundredths / 100:.2f}".rstrip("0").rstrip(".")
    return f"{text}%"


def duration(seconds: float | None) -> str:
    """3725 → "1 h 2 min"."""
    return "-" if seconds is None else words.duration(seconds)


def size(number: float | None) -> str:
    """Bytes, powers of 1024: 1536 → "1.5 KiB"."""
    if number is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def clock(at: float | None) -> str:
    """Local time, to the second."""
    return "-" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def rate(rows: float | None) -> str:
    return "-" if rows is None else f"{count(rows)} rows/s"


def plural(number: int, word: str, words: str = "") -> str:
    """1 row, 2 rows."""
    return f"{count(number)} {word if number == 1 else words or word + 's'}"


def tolerance(value: float | None) -> str:
    """A count stays a count, a share becomes a percentage."""
    if value is None:
        return ""
    return count(value) if isinstance(value, int) else percent(value)


def figures(observed: Mapping[str, Any], limit: int = 6) -> str:
    """What a gate saw: "rows 1,000, mean 3.5"."""
    told = [f"{name} {figure(value)}" for name, value in observed.items()]
    return ", ".join(told[:limit]) + (f", and {len(told) - limit} more" if len(told) > limit else "")


def figure(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "nothing" if value is None else str(value).lower()
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
        return f"{value:,.0f}" if whole else f"{value:,.4g}" if abs(value) < 1 else f"{value:,.6g}"
    if isinstance(value, (list, tuple)):
        return cut(", ".join(figure(each) for each in value), 60)
    if isinstance(value, Mapping):
        return cut(figures(value), 60)
    return cut(str(value), 60)


def cut(text: str, width: int) -> str:
    """At most ``width`` characters; what is left out is told by …"""
    text = " ".join(text.split()) if "\n" in text or "\t" in text else text
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
