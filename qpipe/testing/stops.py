"""Runs of a small spec that are stopped at an effect as if the process had been killed there, and resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qpipe.core import effects

_STOPS = 4  # of a run: they are spread over its effects


class Stopped(BaseException):
    """Not an Exception: nobody may catch it by accident."""


class Run:
    """A folder with a spec and a journal of its own."""

    def __init__(self, folder: Path, spec: Mapping[str, Any], plugins: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._spec, self.effects = folder, folder / "spec.yaml", list[str]()
        settings = {"batch_size": 5, "workers": 1}
        whole = {"name": "suite", **({"plugins": list(plugins)} if plugins else {}), "settings": settings, **spec}
        self._spec.write_text(json.dumps(whole, indent=2))

    def plan(self) -> Any:
        from qpipe.spec.compile import plan_of

        return plan_of(self._spec)

    @property
    def journal(self) -> Any:
        from qpipe.orchestrator.journal import Journal

        return Journal(self.folder / ".qpipe")

    def finish(self) -> Run:
        """Run it, or go on with the run that was stopped, to its end."""
        with effects.listening(self.effects.append):
            outcome = self._go()
        assert outcome is None or outcome.state == "done", outcome
        return self

    def stop_at(self, number: int) -> None:
        """Begin it, and stop at its n-th effect; a dead process does nothing more."""
        seen: list[str] = []

        def listener(name: str) -> None:
            seen.append(name)
            if len(seen) > number:
                raise Stopped(name)

        try:
            with effects.listening(listener):
                self._go()
        except Stopped:
            return
        raise AssertionError(f"the run has no effect {number}: it ended after {len(seen)}")

    def holding(self, text: str) -> list[str]:
        """Files of the run and its journal, but for the spec itself, that hold a text."""
        return [
            str(path.relative_to(self.folder))
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path != self._spec and text.encode() in path.read_bytes()
        ]

    def _go(self) -> Any:
        from qpipe.orchestrator.conductor import Conductor

        journal, conductor = self.journal, Conductor(self.plan(), self.journal)
        if not journal.runs():
            return conductor.run()
        return conductor.resume("latest") if journal.run()["state"] != "done" else None


def runs_of(folder: Path, spec: Mapping[str, Any], plugins: Sequence[str] = ()) -> Run:
    return Run(folder, spec, plugins)


def stops(names: Sequence[str]) -> list[int]:
    """Some effects to stop at: each kind at its first time, and others spread over the run."""
    first = [names.index(name) for name in dict.fromkeys(names) if name != "journal.begin"]
    step = max(1, len(names) // _STOPS)
    chosen = sorted({*first, *range(step, len(names), step)})
    return chosen if len(chosen) <= 2 * _STOPS else chosen[:: len(chosen) // _STOPS]
