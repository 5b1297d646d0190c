"""How long something takes, in the words of every screen, message and report."""

from __future__ import annotations

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float, parts: int = 2) -> str:
    """250 ms, 4.2 s, 3 h 59 min. ``parts``: so many units at most; a limit is told in full, with four."""
    seconds = max(seconds, 0)
    if 0 < seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    told, left = [], round(seconds)
    for unit, size in _UNITS:
        if left >= size:
            told.append(f"{left // size} {unit}")
            left %= size
        elif told:
            told.append("")  # a unit that is nought takes its place: 1 h and 2 s are about 1 h
    return " ".join(part for part in told[:parts] if part)
