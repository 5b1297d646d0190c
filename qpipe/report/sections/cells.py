"""What the sections of the HTML page are made of: cells and tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from qpipe.report.markup import Child, Html, el
from qpipe.report.words import count

Section = tuple[str, str, Html]  # id, title, what is in it
tr, td, th = partial(el, "tr"), partial(el, "td"), partial(el, "th")


def right(words: str, **more: object) -> Html:
    """A cell of figures."""
    return td(words, class_="n", **more)


def number(number: int) -> Html:
    return right(count(number), data_v=number)


def spec_place(line: int) -> Child:
    return el("a", f"line {line}", href=f"#spec-{line}") if line else ""


def listing(heads: Sequence[str], rows: Sequence[Html], sortable: bool = False) -> Html:
    """``>`` before a head: its column holds figures."""
    told = []
    for head in heads:
        name = head.removeprefix(">")
        words = el("button", name, type="button") if sortable and name else name
        told.append(th(words, class_="n" if head != name else None, scope="col"))
    return el("div", el("table", el("thead", tr(told)), el("tbody", rows)), class_="scroll")
