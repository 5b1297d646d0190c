"""Columns as a spec names them: one, several, or pairs of two tables' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def pairs(named: str | Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """One table's name → the other's; a name without a partner is that of both."""
    if isinstance(named, Mapping):
        return dict(named)
    return {name: name for name in ((named,) if isinstance(named, str) else named)}
