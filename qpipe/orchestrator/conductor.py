"""The run. One thread owns the truth: it commits batches in order, asks, judges and publishes; others read and compute.

Plan, stage, publish, record. Nothing of an output is visible before every batch is staged and committed and every gate has
passed; then each output is published under a token, idempotently, between a commit of the intent and a commit of the fact.
Stop it anywhere: what was committed is not done again, what was not committed is done again from the same position.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qpipe.core.errors import CannotCreate, ChangedInput, QpipeError, Unavailable
from qpipe.core.events import Event
from qpipe.core.lazy import pl
from qpipe.orchestrator.execution import Execution
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.wishes import Outcome, Stop, Wishes
from qpipe.orchestrator.writer import Writer
from qpipe.spec.plan import Plan

__all__ = ["Conductor", "Outcome", "Stop"]


@dataclass
class Conductor:
    """Runs a plan. ``ask`` is called when the data is through and questions are open; it answers through the journal."""

    plan: Plan
    journal: Journal
    listeners: Sequence[Callable[[Event], None]] = ()
    ask: Callable[[Journal, str], None] | None = None
    strict: bool = False
    afresh: bool = False  # read everything, also what earlier runs have published
    argv: Sequence[str] = ()
    parent: str | None = None
    stop: Stop = field(default_factory=Stop)
    answers: Path | None = None  # a file with answers, applied when the data is through
    given: Mapping[str, str] = field(default_factory=dict)  # decision → what is answered: for a spec's own tests

    def run(self) -> Outcome:
        """A new run, from the beginning to its end or to a stop that can be resumed."""
        run = self.journal.begin(
            name=self.plan.name, spec_file=self.plan.file, spec_text=self.plan.text, fingerprint=self.plan.fingerprint,
            vars=self.plan.vars, argv=self.argv, versions=_versions(), parent=self.parent,
        )  # fmt: skip
        return self._go(run, self.journal.run(run)["started"])

    def resume(self, run: str) -> Outcome:
        """Go on where a run stopped. Refuses a changed spec; a changed input is refused once it has been opened."""
        found = self.journal.run(run)
        if found["fingerprint"] != self.plan.fingerprint:
            raise QpipeError(f"the spec has changed since {found['id']} began",
                             hint="`qpipe resume --spec old` goes on with the old text, `qpipe run` starts anew")  # fmt: skip
        return self._go(found["id"], found["started"])

    def _go(self, run: str, started: float) -> Outcome:
        writer = self.journal.claim(run)
        writer.mask = self.plan.redact
        for listener in self.listeners:
            writer.listen(listener)
        try:
            wishes = Wishes(self.ask, self.answers, self.given, self.strict, self.afresh, self.stop)
            outcome = Execution(self.plan.of_run(run, started), wishes, writer, started).through()
        except BaseException as error:
            told = _told(error, self.journal.home)
            outcome = _ended(writer, told)
            if not isinstance(told, QpipeError):
                raise
        return outcome


def _versions() -> dict[str, str]:
    import platform

    from qpipe import __version__

    return {"qpipe": __version__, "polars": pl.__version__, "python": platform.python_version()}


_STATES = {65: "refused", 75: "waiting", 130: "interrupted", 143: "interrupted"}


def _told(error: BaseException, home: Path) -> BaseException:
    """The error; a disk that is full under what the run keeps for itself, in our words, whoever met it."""
    if isinstance(error, QpipeError) or not re.search(r"No space left on device|Disk quota exceeded", str(error)):
        return error
    file = getattr(error, "filename", None) or home
    return CannotCreate("the disk is full", file=str(file), hint="make room")


def _named(error: BaseException) -> str:
    """What went wrong, with the id of the source that it is of."""
    text, source = str(error), getattr(error, "source", None)
    return f"{source}: {text}" if source and not re.search(rf"(?<!\w){re.escape(source)}(?!\w)", text) else text


def _fault(error: BaseException) -> dict[str, Any]:
    """The source that has stopped the run, if one has."""
    source = getattr(error, "source", None)
    return {"source": source} if source else {}


def _ended(writer: Writer, error: BaseException) -> Outcome:
    """Record why the run ended; it can be resumed unless it was refused."""
    from qpipe.core.errors import exit_code_of

    code = exit_code_of(error) if isinstance(error, QpipeError) else 130 if isinstance(error, KeyboardInterrupt) else 1
    state = "failed" if isinstance(error, ChangedInput) else _STATES.get(code, "failed")
    text = writer.mask(_named(error))
    message = text.partition("\n  ")[0] if isinstance(error, QpipeError) else f"{type(error).__name__}: {text}"
    try:
        with writer.commit("ended") as tx:
            tx.update_run(state=state, ended=time.time(), exit_code=code, error=text[:4000])
            tx.event(f"run.{state}", **_fault(error), message=message)
    except QpipeError:
        pass  # taken over, or the journal's disk is full: what is on disk tells the rest
    return Outcome(writer.run, state, code, message, writer.mask(_hint(error, writer.run)))


def _hint(error: BaseException, run: str) -> str:
    """What to do about it; and how the run goes on, where what stopped it may pass."""
    hint = getattr(error, "hint", "")
    if not isinstance(error, (Unavailable, CannotCreate)):
        return hint
    again = f"go on with `qpipe resume {run}`"
    if not hint:
        return again
    return f"{hint.removesuffix('.')}{' then' if hint.endswith('?') else '; then'} {again}"
