"""A page for every problem code: what it means, a bad example, a good one. `qpipe explain-problem CODE` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Page:
    """One problem's manual page, as Markdown."""

    code: str
    title: str
    summary: str  # the first paragraph
    severity: Literal["error", "warning"]
    text: str


def codes() -> list[str]:
    """Every problem code, sorted."""
    return sorted(path.stem for path in _HERE.glob("*.md"))


@cache
def page(code: str) -> Page | None:
    """The page of a code; None when there is no such code."""
    if code not in codes():
        return None
    text = (_HERE / f"{code}.md").read_text("utf-8")
    head, _, body = text.partition("\n\n")
    title = head.removeprefix(f"# {code}:").strip()
    warns = title.endswith("(warning)")
    summary = " ".join(body.partition("\n\n")[0].split())
    return Page(code, title.removesuffix("(warning)").strip(), summary, "warning" if warns else "error", text)
