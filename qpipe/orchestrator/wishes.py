"""What a caller wants of a run, how it asks it to stop, and how the run says that it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qpipe.core.errors import Interrupted
from qpipe.orchestrator.journal import Journal


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: str
    state: str  # done waiting refused failed interrupted
    exit_code: int
    message: str = ""
    hint: str = ""


@dataclass
class Stop:
    """Asks a run to stop after the batch in hand; set by a signal or by a test."""

    signal_number: int = 0

    def check(self, run: str) -> None:
        if self.signal_number:
            raise Interrupted(f"stopped; go on with `qpipe resume {run}`", signal_number=self.signal_number)


@dataclass(frozen=True)
class Wishes:
    """What the caller of a run wants of it, beside the plan."""

    ask: Callable[[Journal, str], None] | None = None
    answers: Path | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    afresh: bool = False  # read everything, also what earlier runs have published
    stop: Stop = field(default_factory=Stop)
