"""Did you mean …? The nearest known name to one that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a slip of the hand, another case or another separator makes of ``name``; None if none is near."""
    names = list(known)
    plain = {_plain(k): k for k in reversed(names)}
    if _plain(name) in plain:
        return plain[_plain(name)]
    best = min(((_distance(name, k), len(k), k) for k in names), default=None)
    shorter = min(len(name), best[1]) if best else 0
    if best and best[0] <= (max(1, shorter // 3) if shorter > 2 else 0):
        return best[2]
    starting = [k for k in names if len(name) >= 3 and (k.startswith(name) or name.startswith(k)) and len(k) >= 3]
    return starting[0] if len(starting) == 1 else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``Did you mean 'trim'?``, or nothing."""
    found = nearest(name, known)
    return f"Did you mean '{found}'?" if found is not None else ""


def known_names(known: Iterable[str], most: int = 12) -> str:
    """``Known are a, b, c.``, when there are few enough to read."""
    names = list(known)
    if not names:
        return ""
    if len(names) == 1:
        return f"The only one is '{names[0]}'."
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"Known are {', '.join(names[:most])}{more}."


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _distance(a: str, b: str) -> int:
    """Optimal string alignment: inserted, deleted, changed letters and swapped neighbours, capped where it is hopeless."""
    if abs(len(a) - len(b)) > max(1, min(len(a), len(b)) // 3) or max(len(a), len(b)) > 100:
        return 1000
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]
