"""Reports of a run: text, JSON, Markdown, JUnit, and one HTML file. They show what the journal holds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qpipe.orchestrator.journal import Journal
    from qpipe.spec.plan import Plan

FORMATS = ("html", "json", "md", "junit", "text")
_DRAWN = ("html", "json")  # these show the data itself, too
_MODULES = {"html": "html", "json": "as_json", "md": "markdown", "junit": "junit", "text": "text"}


def report(
    journal: Journal, run: Mapping[str, Any], format: str = "text", plan: Plan | None = None, *, unmask: bool = False
) -> str:
    """A run's report in one of FORMATS. ``run`` is a row of the journal; ``unmask`` shows columns marked pii."""
    from qpipe.report.collect import collect

    found = collect(journal, run, plan, draw=format in _DRAWN, unmask=unmask)
    write: Callable[[Any], str] = importlib.import_module(f"qpipe.report.{_MODULES[format]}").write
    return write(found)
