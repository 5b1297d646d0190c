"""Running specs in tests: through the same functions as the command line, in a folder of the test's own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qpipe.core.events import Event
from qpipe.orchestrator.conductor import Conductor, Outcome
from qpipe.orchestrator.journal import Journal
from qpipe.spec.compile import plan_of


def files_with(folder: Path, *words: str, but: Path | None = None) -> list[Path]:
    """The files below a folder that hold one of the words, which should be none; ``but``: a file that may.

    SQLite takes a journal's side files away when its last connection is collected, which may be just now.
    """
    seen, found = 0, []
    for path in sorted(folder.rglob("*")):
        try:
            content = path.read_bytes() if path.is_file() and path != but else b""
        except FileNotFoundError:
            continue
        seen += len(content)
        found += [path for word in words if word.encode() in content]
    assert seen, f"nothing was looked at in {folder}"
    return found


class Project:
    """A folder with a spec, its data and its journal."""

    def __init__(self, folder: Path, spec: str, files: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.spec = folder / "spec.yaml"
        self.spec.write_text(textwrap.dedent(spec))
        for name, text in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        self.events: list[Event] = []

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / ".qpipe")

    def conductor(self, **changes: Any) -> Conductor:
        return Conductor(plan_of(self.spec), self.journal, [self.events.append], **changes)

    def run(self, **changes: Any) -> Outcome:
        return self.conductor(**changes).run()

    def resume(self, run: str = "latest", **changes: Any) -> Outcome:
        return self.conductor(**changes).resume(run)

    def outputs(self, below: str = "out") -> dict[str, bytes]:
        """What readers see: name → bytes. The token in a part's name differs between runs, so it is left out."""
        found = {}
        for path in sorted((self.folder / below).rglob("*")):
            name = str(path.relative_to(self.folder / below))
            if path.is_file() and not path.name.startswith("."):
                found[re.sub(r"-[0-9a-f]{16}\.", ".", name)] = path.read_bytes()
        return found

    def hidden(self, below: str = "out") -> list[str]:
        """What was left behind where readers do not look, beside manifests."""
        return [str(p) for p in (self.folder / below).rglob(".*") if "manifest" not in p.name]

    def tallies(self) -> list[dict[str, Any]]:
        run = self.journal.run()["id"]
        return self.journal.rows('select "check", "column", evaluated, failed from tally where run=? order by 1, 2', run)

    def samples(self) -> list[dict[str, Any]]:
        run = self.journal.run()["id"]
        return self.journal.rows(
            'select "check", "column", row, file, line, value from sample where run=? order by 1, 2, 3', run
        )

    def balance(self) -> dict[str, Any]:
        balance = dict(self.journal.run()["result"]["balance"])
        return balance


class Killed(BaseException):
    """Not an Exception: nobody may catch it by accident."""


def stop_at(number: int) -> tuple[Callable[[str], None], list[str]]:
    """A listener that stops the run at its n-th effect, and at every later one: a dead process does nothing."""
    seen: list[str] = []

    def listener(name: str) -> None:
        seen.append(name)
        if len(seen) > number:
            raise Killed(name)

    return listener, seen


def interrupted(project: Project, asked: threading.Event, after: float = 0.0) -> int:
    """The exit code of a run by the command line that gets Ctrl-C ``after`` seconds from when it has ``asked``."""
    command = [sys.executable, "-m", "qpipe", "run", str(project.spec), "--no-ask", "--quiet"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert asked.wait(60)
        time.sleep(after)
        running.send_signal(signal.SIGINT)
        return running.wait(20)
    finally:
        running.kill()
