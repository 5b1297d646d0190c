"""Everything that happens in a run, as frozen facts with an id and a parent.

Listeners hear an event only after the journal has committed it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """One fact. ``name`` is dotted, noun first: run.started, batch.staged, question.opened, output.published."""

    name: str
    run: str
    data: dict[str, Any] = field(default_factory=dict)
    parent_id: int | None = None
    at: float = field(default_factory=time.time)  # seconds since the epoch
    id: int = 0  # given by the journal


NAMES = (
    "run.started",
    "run.resumed",
    "run.waiting",
    "run.done",
    "run.failed",
    "run.refused",
    "run.interrupted",
    "run.retrying",  # not journalled: something is out of reach, it will be tried again after so many seconds
    "pass.started",
    "pass.done",
    "batch.staged",
    "question.opened",
    "question.answered",
    "held.settled",
    "gate.judged",
    "run.marked",  # by a person: an incident, or not
    "output.published",
    "source.note",
    "progress",  # not journalled: rows so far, for the live view
)
