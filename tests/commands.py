"""Commands of qpipe as a person types them, carried out in the tests' process: quicker than to start one each time.

What only a process has (signals, being killed, a terminal, the way it ends) needs a real one.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import typer
from typer.testing import CliRunner, Result

_OWN = ("QPIPE_HOME", "NO_COLOR", "FORCE_COLOR")  # of the person who runs the tests: they do not count


@dataclass(frozen=True)
class Said:
    """The exit code, and what was printed."""

    code: int
    stdout: str
    stderr: str


def qpipe(
    folder: Path, *words: str, code: int | None = 0, together: bool = False, env: Mapping[str, str] | None = None
) -> Said:
    """``qpipe WORDS`` in a folder, without a terminal. It must end with this exit code (None: with any) and no traceback.

    ``together``: what it tells on stderr stands between what it prints; ``env``: more variables.
    """
    from qpipe.cli import main

    printed, told = io.StringIO(), io.StringIO()
    streams = {"stdin": io.StringIO(), "stdout": printed, "stderr": printed if together else told}
    ended = 0
    with _as_a_process(folder, env or {}), mock.patch.multiple(sys, argv=["qpipe", *words], **streams):
        try:
            main()
        except SystemExit as end:
            ended = int(end.code or 0)
    said = Said(ended, printed.getvalue(), told.getvalue())
    assert code is None or ended == code, said.stdout + said.stderr
    assert "Traceback" not in said.stderr
    return said


@contextlib.contextmanager
def _as_a_process(folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    """What a process would have for itself: its folder, variables, signals, and how often it collects garbage."""
    variables = {name: value for name, value in os.environ.items() if name not in _OWN} | {"COLUMNS": "100", **env}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    thresholds = gc.get_threshold()
    try:
        with contextlib.chdir(folder), mock.patch.dict(os.environ, variables, clear=True):
            yield
    finally:
        gc.set_threshold(*thresholds)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def history(home: Path, *words: str) -> Result:
    """A command that tells of earlier runs, of this journal; what it raises is raised."""
    from qpipe.cli import history, watching

    app = typer.Typer()
    for group in (history, watching):
        group.register(app)
    result = CliRunner().invoke(app, [*words, "--home", str(home)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result
