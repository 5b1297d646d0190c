"""What checks and gates found: failures, what they cost, and the failing rows."""

from __future__ import annotations

from qpipe.orchestrator.results import CheckResult, GateResult, Sample, Summary
from qpipe.report import svg
from qpipe.report.markup import Child, Html, el, join
from qpipe.report.sections.cells import Section, listing, number, right, spec_place, td, th, tr
from qpipe.report.text import amount, dearest, tone, verdict, worst_first, worst_groups
from qpipe.report.words import count, cut, figures, percent, plural, tolerance

_CELLS = 14  # columns shown of a failing row


def failures(summary: Summary) -> Section | None:
    if not summary.checks:
        return None
    most = max(c.failed for c in summary.checks)
    checks = worst_first(summary)
    faultless = [c for c in checks if c.outcome == "pass" and not c.failed]
    rest = [c for c in checks if c not in faultless]
    heads = [
        "check",
        "failed rows",
        ">failed",
        ">share",
        ">evaluated",
        ">tolerated",
        "severity",
        "dimension",
        "verdict",
        "spec",
    ]
    failing = sum(1 for c in summary.checks if c.failed)
    words = (
        f"Failing rows were found by {count(failing)} of {plural(len(summary.checks), 'check')}; a tick is what is tolerated."
    )
    legend = svg.legend([(name, name) for name in ("error", "warning", "info")])
    found = [legend, listing(heads, [_failure(c, most) for c in rest], sortable=True)] if rest else []
    passed = None
    if faultless:
        table = listing(heads, [_failure(c, most) for c in faultless], sortable=True)
        title = f"{plural(len(faultless), 'check')} without a failure"
        passed = el("details", el("summary", title), table, open=len(faultless) <= 12)
    inner = [el("p", words, class_="lead"), *found, passed]
    return "failures", "Failures by rule", join(inner)


def _failure(check: CheckResult, most: int) -> Html:
    allowed = check.tolerance if isinstance(check.tolerance, int) else (check.tolerance or 0) * check.evaluated
    mark = allowed / most if check.tolerance is not None and most else None
    bar = svg.bar(check.failed / most, check.severity, f"{count(check.failed)} failed", mark) if check.failed else None
    name = el("a", check.check, href=f"#{_anchor(check)}") if check.samples else check.check
    return tr(
        td(
            name,
            el("span", f" {check.where}", class_="mono dim"),
            el("div", check.expected, class_="dim small"),
            class_="name",
        ),
        td(bar, class_="bar-cell"),
        number(check.failed),
        right(percent(check.share), data_v=-1 if check.share is None else repr(check.share)),
        number(check.evaluated),
        right(tolerance(check.tolerance)),
        td(check.severity, class_=check.severity if check.failed else "dim"),
        td(check.dimension or ""),
        td(verdict(check.outcome), class_=f"verdict {tone(check.outcome)}"),
        td(spec_place(check.line), class_="place"),
    )


def stakes(summary: Summary) -> Section | None:
    """What failures cost, where they are, and what they reach."""
    checks = dearest(summary)
    if not checks:
        return None
    most = max((abs(c.impact or 0) for c in checks), default=0) or 1
    rows = [
        tr(
            td(c.title, class_="name"),
            td(c.at_stake, class_="mono"),
            td(svg.bar(abs(c.impact) / most, c.severity, amount(c.impact)) if c.impact else None, class_="bar-cell"),
            right(amount(c.impact)),
            td(worst_groups(c, 5)),
            td(", ".join(c.columns)),
            td(", ".join(c.outputs)),
        )
        for c in checks
    ]
    heads = ["check", "measured by", "in failing rows", ">sum", "groups with most failures", "reaches the columns", "outputs"]
    words = "What is at stake in the rows that failed, as each check's impact measures it, and what is made from its column."
    return "stakes", "At stake", join([el("p", words, class_="lead"), listing(heads, rows)])


def gates(summary: Summary) -> Section | None:
    if not summary.gates:
        return None
    heads = ["gate", "observed", "expected", "verdict", "", "spec"]
    words = "Judged on the rows that are really delivered, before anything is published."
    return "gates", "Gates", join([el("p", words, class_="lead"), listing(heads, [_gate(g) for g in summary.gates])])


def _gate(gate: GateResult) -> Html:
    failing = [g for g, outcome in gate.groups.items() if outcome not in ("pass", "not evaluated")]
    groups = f"{plural(len(failing), 'group')} failed: {cut(', '.join(failing), 200)}" if failing else ""
    told = "; ".join(part for part in (gate.message, groups) if part)
    verdict_cell = td(verdict(gate.outcome), class_=f"verdict {tone(gate.outcome)}")
    place = td(spec_place(gate.line), class_="place")
    return tr(td(gate.gate), td(figures(gate.observed)), td(gate.expected), verdict_cell, td(told), place)


def samples(summary: Summary) -> Section | None:
    failing = [c for c in worst_first(summary) if c.samples]
    if not failing:
        return None
    words = "The first failing rows of each check, as they came in; the marked cell is the one that failed."
    told = [_sample(check, n < 3) for n, check in enumerate(failing)]
    return "samples", "Failing rows", join([el("p", words, class_="lead"), told])


def _sample(check: CheckResult, open: bool) -> Html:
    names = _columns(check)
    rest = {name for s in check.samples for name in s.cells} - set(names)
    more = th(f"and {plural(len(rest), 'column')} more") if rest else None
    rows = [
        tr(right(count(s.row)), td(_where(s), class_="mono"), [_cell(s, n, n == check.column) for n in names])
        for s in check.samples
    ]
    table = el(
        "table", el("thead", tr(th("row"), th("where"), [th(n) for n in names], more)), el("tbody", rows), class_="cells"
    )
    share = f"{count(check.failed)} of {count(check.evaluated)} failed, {percent(check.share)}"
    told = [el("strong", check.title), el("span", check.severity, class_=check.severity),
            el("span", f"expected {check.expected}") if check.expected else None, el("span", share, class_="dim")]  # fmt: skip
    return el("details", el("summary", told), el("div", table, class_="scroll"), id=_anchor(check), open=open)


def _columns(check: CheckResult) -> list[str]:
    """The cell concerned first, then the row's other columns in their order."""
    names = dict.fromkeys(name for sample in check.samples for name in sample.cells)
    return [*[n for n in names if n == check.column], *[n for n in names if n != check.column]][:_CELLS]


def _where(sample: Sample) -> str:
    return ":".join(str(part) for part in (sample.file, sample.line) if part is not None)


def _cell(sample: Sample, name: str, concerned: bool) -> Html:
    value = sample.cells.get(name)
    words = "" if value is None else str(value)
    shown: Child = el("span", "null", class_="null") if value is None else cut(words, 60) if words.strip() else repr(words)
    return td(el("mark", shown) if concerned else shown, title=cut(words, 400) if len(words) > 40 else None)


def _anchor(check: CheckResult) -> str:
    return "sample-" + "".join(c if c.isalnum() else f"-{ord(c):x}-" for c in check.title)
