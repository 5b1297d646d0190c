"""How patiently to try again what may work later: how often, and how long to wait in between."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from qpipe.core.params import read_duration

Backoff = Literal["exponential", "linear", "constant"]
_NAMES = {"max_retries": "times", "retries": "times", "backoff": "backoff", "initial_delay": "first", "delay": "first",
          "max_delay": "longest"}  # fmt: skip


@dataclass(frozen=True)
class Retry:
    """Waits in seconds."""

    times: int = 0
    backoff: Backoff = "exponential"
    first: float = 1.0
    longest: float = 60.0

    def waits(self) -> Iterator[float]:
        """Each a quarter more or less by chance, so that many who wait do not return together."""
        for n in range(self.times):
            grown = {"exponential": 2.0**n, "linear": n + 1.0, "constant": 1.0}[self.backoff]
            yield min(self.first * grown, self.longest) * random.uniform(0.75, 1.25)

    def but(self, given: Mapping[str, Any]) -> Retry:
        """Changed as a connector's ``retry`` says: {max_retries, backoff, initial_delay, max_delay}. ValueError in words."""
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name not in _NAMES:
                raise ValueError(f"retry has no {name}: it has max_retries, backoff, initial_delay, max_delay")
            found[_NAMES[name]] = value if name in ("max_retries", "retries", "backoff") else read_duration(value)
        times, backoff = found.get("times", self.times), found.get("backoff", self.backoff)
        if not isinstance(times, int) or isinstance(times, bool) or times < 0:
            raise ValueError(f"max_retries is a whole number, not {times!r}")
        if backoff not in get_args(Backoff):
            raise ValueError(f"backoff is {', '.join(get_args(Backoff))}, not {backoff!r}")
        return Retry(times, backoff, found.get("first", self.first), found.get("longest", self.longest))


NEVER = Retry()
