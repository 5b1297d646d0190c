"""The report as Markdown that fits a pull-request comment: what went where, what failed, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from qpipe.orchestrator.results import Summary
from qpipe.report.collect import Report
from qpipe.report.text import (
    advice,
    answered,
    balanced,
    grouped,
    judged,
    kept,
    likely,
    noted,
    scored,
    titled,
    told_scores,
    verdict,
    worst_first,
)  # fmt: skip
from qpipe.report.words import STATES, count, cut, duration, figures, percent, plural, size

ROWS = 30  # checks shown; those that passed are folded away
LIMIT = 60_000  # characters; a comment holds 65,536


def write(report: Report) -> str:
    text = "\n".join(_lines(report.summary))
    return text if len(text) <= LIMIT else text[:LIMIT].rpartition("\n")[0] + "\n\n… and more: `qpipe report`\n"


def _lines(summary: Summary) -> Iterator[str]:
    run = summary.run
    yield f"## {_safe(run.name)}: {STATES.get(run.state, run.state)}"
    yield ""
    yield f"`{run.id}` · {plural(run.rows_in, 'row')} in {duration(run.seconds)} · score **{percent(summary.score)}**"
    if run.error:
        yield f"\n> {_safe(cut(run.error, 600))}"
    yield from _balance(summary)
    yield from _checks(summary)
    gates = [[g.gate, figures(g.observed, 3), g.expected, verdict(g.outcome), g.message] for g in summary.gates]
    yield from _table("Gates", ["gate", "observed", "expected", "verdict", ""], gates)
    every = (*summary.scores, *told_scores(summary))
    scores = [[titled(s), scored(s.value), likely(s), count(s.evaluated), count(s.failed)] for s in every]
    yield from _table("Scores", ["of", ">score", ">95% interval", ">evaluated", ">failed"], scores)
    yield from _table("Outputs", ["output", "where", ">rows", ">size", "state"],
                      [[o.output, o.place, count(o.rows), size(o.bytes), kept(o, summary)]
                       for o in summary.outputs])  # fmt: skip
    yield from _table("Questions", ["id", "question", ">rows", "answer"],
                      [[q.id, cut(q.text, 120), count(q.rows), answered(q)] for q in summary.questions[:ROWS]])  # fmt: skip
    yield from _list("Notes", [noted(n) for n in summary.notes[:ROWS]])
    yield from _list("Next", list(advice(summary)))
    yield ""


def _balance(summary: Summary) -> Iterator[str]:
    balance = summary.balance
    rows = [[f"in from {a.id}", count(a.rows)] for a in balance.sources] + [
        [f"made by {a.id}", count(a.rows)] for a in balance.created
    ]
    rows += [[f"to {' and '.join(r.outputs)}", count(r.rows)] for r in balance.routes]
    rows += [[f"dropped by {a.id}", count(a.rows)] for a in balance.dropped]
    rows += [[f"held for {a.id}", count(a.rows)] for a in balance.held]
    yield from _table("Balance", ["", ">rows"], rows)
    yield f"\n**{_safe(balanced(summary))}**"


def _checks(summary: Summary) -> Iterator[str]:
    head = ["check", "severity", ">evaluated", ">failed", ">share", ">tolerated", "verdict"]
    lines = grouped(worst_first(summary))
    bad = [[title, *judged(c)] for title, c in lines if c.outcome != "pass"]
    good = [[title, *judged(c)] for title, c in lines if c.outcome == "pass"]
    yield from _table("Checks", head, bad[:ROWS])
    if len(bad) > ROWS:
        yield f"\nand {plural(len(bad) - ROWS, 'check')} more"
    if good:
        yield f"\n<details><summary>{plural(sum(c.outcome == 'pass' for c in summary.checks), 'check')} passed</summary>"
        yield from _table("", head, good[: 3 * ROWS])
        yield "\n</details>"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """``>`` before a head: its column holds figures."""
    if not rows:
        return
    yield f"\n### {title}\n" if title else ""
    yield "| " + " | ".join(name.removeprefix(">") for name in head) + " |"
    yield "|" + "|".join("--:" if name.startswith(">") else "---" for name in head) + "|"
    for row in rows:
        yield "| " + " | ".join(_safe(cell) for cell in row) + " |"


def _list(title: str, entries: Sequence[str]) -> Iterator[str]:
    if entries:
        yield f"\n### {title}\n"
        yield from (f"- {_safe(entry, code=True)}" for entry in entries)


def _safe(text: str, code: bool = False) -> str:
    """Data may not become markup: signs of Markdown are escaped, lines joined; ``code``: our own back-ticks stay."""
    text = re.sub(r"([\\*_{}\[\]#|~<>])" if code else r"([\\`*_{}\[\]#|~<>])", r"\\\1", " ".join(text.split()))
    return re.sub(r"@(?=\w)", "@\u200b", text)  # nobody is called by a value
