"""What people said of suggestions, kept beside the spec and never asked again: ``orders.suggestions.yaml``."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from qpipe.core.errors import QpipeError
from qpipe.profile.rules import Suggestion
from qpipe.profile.spec_text import inline

Answer = Literal["accept", "reject"]
_HEAD = "# Answers to suggested rules. `qpipe profile --suggest` asks none of these again; take a line out to be asked.\n"


def answers_beside(spec: Path) -> Path:
    """orders.yaml → orders.suggestions.yaml"""
    return spec.with_suffix("").with_name(spec.with_suffix("").name + ".suggestions.yaml")


def read_answers(path: Path) -> dict[str, Answer]:
    """Suggestion → what was said. No file: nothing was."""
    import yaml

    if not path.exists():
        return {}
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {str(key): entry["answer"] for key, entry in told.items() if entry["answer"] in ("accept", "reject")}
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise QpipeError(f"the answers cannot be read: {error}", file=str(path), hint="mend or remove the file") from error


def keep_answer(path: Path, suggestion: Suggestion, answer: Answer) -> None:
    """Add one answer, with who and when, so that what was said before an interruption is kept."""
    entry = {"answer": answer, "by": _who(), "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "confidence": suggestion.confidence}
    new = not path.exists()
    with path.open("a", encoding="utf-8") as file:
        file.write((_HEAD if new else "") + f"{inline(suggestion.key)}: {inline(entry)}\n")


def choose(
    found: Iterable[Suggestion], known: dict[str, Answer], confidence: float, ask: Callable[[Suggestion], Answer | None] | None
) -> list[Suggestion]:
    """The rules to write: what was accepted before or is accepted now; without anyone to ask, what is sure enough."""
    chosen = []
    for suggestion in found:
        said = known.get(suggestion.key)
        if said is None:
            said = ask(suggestion) if ask else "accept" if suggestion.confidence >= confidence else None
        if said == "accept":
            chosen.append(suggestion)
    return chosen


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
