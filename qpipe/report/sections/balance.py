"""Where the rows went: the balance, and the way they took."""

from __future__ import annotations

from collections.abc import Sequence

from qpipe.orchestrator.results import Summary
from qpipe.report import svg
from qpipe.report.collect import Report
from qpipe.report.flow import flow
from qpipe.report.markup import Html, el, join
from qpipe.report.sections.cells import Section, right, td, th, tr
from qpipe.report.text import balanced
from qpipe.report.words import count, percent, plural


def balance(summary: Summary) -> Section:
    balance = summary.balance
    came: list[Place] = [(f"in from {a.id}", a.rows, None) for a in balance.sources]
    came += [(f"made by {a.id}", a.rows, "created") for a in balance.created]
    went: list[Place] = [(f"to {' and '.join(r.outputs)}", r.rows, r.kind) for r in balance.routes]
    went += [(f"dropped by {a.id}", a.rows, "dropped") for a in balance.dropped]
    went += [(f"held for {a.id}", a.rows, "held") for a in balance.held]
    every = sum(rows for _, rows, _ in came)
    stack = [
        el("span", class_=f"fill-{kind}", style=f"flex:{rows} 1 0", title=f"{name}: {plural(rows, 'row')}")
        for name, rows, kind in went
        if rows
    ]
    inner = [
        el("p", "Every row that came in is in exactly one place.", class_="lead") if balance.balanced else None,
        el("div", stack, class_="stack", role="img", aria_label="where the rows went") if stack else None,
        el("div", _ledger("came in", came, every, every), _ledger("went", went, balance.accounted, every), class_="ledger"),
        el("p", balanced(summary), class_=f"verdict-line {'good' if balance.balanced else 'bad'}"),
    ]
    return "balance", "Balance", join(inner)


Place = tuple[str, int, str | None]  # words, rows, the colour's name


def _ledger(title: str, entries: Sequence[Place], total: int, every: int) -> Html:
    rows = [
        tr(
            td(el("i", class_=f"key {kind}") if kind else None, name),
            right(count(n)),
            right(percent(n / every) if every else ""),
        )
        for name, n, kind in entries
    ]
    rows.append(tr(td("together"), right(count(total)), td(), class_="total"))
    head = tr(th(title), th("rows", class_="n"), th("share", class_="n"))
    return el("table", el("thead", head), el("tbody", rows))


def diagram(report: Report) -> Section | None:
    summary = report.summary
    drawn = flow(summary, len({c.check for c in summary.checks} | {g.gate for g in summary.gates}))
    if drawn is None:
        return None
    kinds = {r.kind for r in summary.balance.routes if r.rows}
    kinds |= {"held" for _ in summary.balance.held} | {"dropped" for _ in summary.balance.dropped}
    legend = svg.legend([(kind, kind) for kind in ("delivered", "quarantined", "held", "dropped") if kind in kinds])
    return "flow", "Flow", join([legend, el("div", drawn, class_="flow-box")])
