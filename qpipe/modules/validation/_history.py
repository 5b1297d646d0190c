"""A figure against those of earlier runs: ``vs_history: {runs: 14, within: 3 sigma}``."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from qpipe.core.params import Role
from qpipe.modules.validation._values import range_words

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"runs": {"type": "integer", "minimum": 1}, "within": {"type": "string"}},
    "required": ["within"],
    "additionalProperties": False,
}
VsHistory = Annotated[dict[str, Any], Role("history", _SCHEMA)]


@dataclass(frozen=True)
class Band:
    """Where a figure is expected to lie, as earlier runs have it."""

    low: float
    high: float
    words: str

    def holds(self, value: float) -> bool:
        """A rounding error is no change."""
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        return self.low - slack <= value <= self.high + slack


def problems(vs_history: Mapping[str, Any] | None, by: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    if vs_history is None:
        return
    if unknown := set(vs_history) - {"runs", "within"}:
        yield "vs_history", f"no key is named '{min(unknown)}'; write {{runs: 14, within: 3 sigma}}"
    if not isinstance(vs_history.get("runs", 1), int) or vs_history.get("runs", 1) < 1:
        yield "vs_history", "runs is a whole number from 1"
    if _width(vs_history.get("within")) is None:
        yield "vs_history", f"within is a distance such as 3 sigma or 20%, not {vs_history.get('within')}"
    if by:
        yield "vs_history", "earlier runs are kept for the whole, not for each group: leave out by"


def band(vs_history: Mapping[str, Any], earlier: Sequence[float]) -> Band | None:
    """None: too few runs to say. A spread needs three of them, a share one."""
    width = _width(vs_history["within"])
    seen = [float(value) for value in earlier][-int(vs_history.get("runs", 14)) :]
    if width is None or len(seen) < (3 if width[1] == "sigma" else 1):
        return None
    size, unit = width
    mean = math.fsum(seen) / len(seen)
    reach = size * statistics.stdev(seen) if unit == "sigma" else abs(mean) * size / 100
    words = f"{range_words(mean - reach, mean + reach)} ({vs_history['within']} of the last {len(seen)} runs)"
    return Band(mean - reach, mean + reach, words)


def _width(within: Any) -> tuple[float, str] | None:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(sigma|%)\s*", str(within))
    return (float(found[1]), found[2]) if found else None
