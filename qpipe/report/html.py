"""The report as one HTML file: no network, no library, readable on a phone, on paper, in the dark, and with the keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import resources

from qpipe.orchestrator.results import CheckResult, GateResult, QuestionResult, Sample, Score, Summary
from qpipe.orchestrator.trend import Line
from qpipe.report import svg
from qpipe.report.collect import Report
from qpipe.report.distributions import Distribution, Missing, Shapes
from qpipe.report.flow import flow
from qpipe.report.markup import Child, Html, el, join
from qpipe.report.text import (
    advice,
    amount,
    answered,
    balanced,
    dearest,
    kept,
    likely,
    noted,
    scored,
    tone,
    verdict,
    worst_first,
    worst_groups,
)
from qpipe.report.words import (
    STATES,
    clock,
    count,
    cut,
    duration,
    figures,
    percent,
    plural,
    rate,
    size,
    tolerance,
)  # fmt: skip

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_CELLS = 14  # columns shown of a failing row
_DRAWN = 36  # columns whose distribution is drawn


def write(report: Report) -> str:
    summary = report.summary
    sections = [
        _balance(summary), _scores(summary), _trend(report), _flow(report), _failures(summary), _stakes(summary),
        _gates(summary), _missing(report.shapes),
        _spread(report.shapes), _samples(summary), _questions(summary), _outputs(summary), _notes(summary), _spec(report),
    ]  # fmt: skip
    shown = [section for section in sections if section is not None]
    links = [el("a", title, href=f"#{id}") for id, title, _ in shown]
    body = [el("section", el("h2", title), inner, id=id) for id, title, inner in shown]
    nav = el("nav", el("div", links, el("button", "light / dark", hidden=True), class_="top"))
    script = el("script", Html(_file("page.js")))
    top, main = _top(summary, report.description), el("main", body, _foot(summary))
    page = el("html", _head(summary), el("body", top, nav, main, script), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


Section = tuple[str, str, Html]  # id, title, what is in it
tr, td, th = partial(el, "tr"), partial(el, "td"), partial(el, "th")


def right(words: str, **more: object) -> Html:
    """A cell of figures."""
    return td(words, class_="n", **more)


def _file(name: str) -> str:
    return resources.files("qpipe.report").joinpath(name).read_text(encoding="utf-8")


def _head(summary: Summary) -> Html:
    return el(
        "head", el("meta", charset="utf-8"), el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY), el("title", f"{summary.run.name} · qpipe report"),
        el("style", Html(_file("page.css"))),
    )  # fmt: skip


def _top(summary: Summary, description: str) -> Html:
    run, balance = summary.run, summary.balance
    facts = [
        ("rows in", count(run.rows_in)),
        ("would be delivered" if run.state == "refused" else "delivered", count(balance.delivered)),
        ("quarantined", count(balance.quarantined)),
    ]
    facts += [("score", percent(summary.score)), ("started", clock(run.started)), ("took", duration(run.seconds))]
    facts += [("speed", rate(run.rows_per_second))] if run.rows_per_second else []
    facts += [("peak memory", f"{count(run.memory_mb)} MB")] if run.memory_mb else []
    code = f" · exit code {run.exit_code}" if run.exit_code is not None else ""
    state = el("span", STATES.get(run.state, run.state), class_=f"state {_state_tone(run.state)}")
    inner = [
        el("h1", run.name),
        el("p", description, class_="lead") if description else None,
        el("p", state, " ", el("span", run.id, class_="mono dim"), el("span", code, class_="dim")),
        el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in facts], class_="facts"),
        el("p", run.error, class_="error-text") if run.error else None,
    ]
    return el("header", el("div", inner, class_="top"))


def _state_tone(state: str) -> str:
    return {"done": "good", "waiting": "warn", "running": "warn"}.get(state, "bad")


def _foot(summary: Summary) -> Html:
    versions = ", ".join(f"{name} {version}" for name, version in summary.run.versions.items())
    todo = [el("li", line) for line in advice(summary)]
    told = f"Made by qpipe from the run's journal{'; ' + versions if versions else ''}. Nothing in this file asks the network."
    return el("footer", [el("h3", "What to do next"), el("ul", todo)] if todo else None, told)


# ── balance, scores, flow ─────────────────────────────────────────────────────────────────────────────────────────────


def _balance(summary: Summary) -> Section:
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


def _scores(summary: Summary) -> Section | None:
    if not summary.scores:
        return None
    overall, *parts = summary.scores
    low = svg.low_end([s.value for s in parts if s.value is not None])
    heads = ["dimension", f"{percent(low)} to 100%", ">score", ">95% interval", ">evaluated", ">failed", ">checks", ">unseen"]
    caption = el("figcaption", f"overall, {plural(overall.checks, 'check')}")
    figure = el("figure", svg.ring(overall.value, percent(overall.value)), caption)
    words = (
        "The share of judged cells and rows that passed; a check counts by its weight and its severity (error 1, warning 0.5, "
        "info 0.1). What was not evaluated is not a success: it is left out, and told as unseen."
    )
    table = _table(heads, [_score(s, low) for s in parts]) if parts else None
    more = [
        _part_scores(title, found) for title, found in (("source", summary.source_scores), ("column", summary.column_scores))
    ]
    return "scores", "Scores", join([el("p", words, class_="lead"), el("div", figure, table, class_="scores"), *more])


def _part_scores(title: str, found: Sequence[Score]) -> Html | None:
    """Scores of columns, the worst first, or of sources."""
    if not found or (title == "source" and len(found) == 1):  # that is the overall score
        return None
    low = svg.low_end([s.value for s in found if s.value is not None])
    heads = [title, f"{percent(low)} to 100%", ">score", ">95% interval", ">evaluated", ">failed", ">checks", ">unseen"]
    table = _table(heads, [_score(s, low) for s in found])
    return el("details", el("summary", f"by {title}, {plural(len(found), title)}"), table, open=len(found) <= 12)


def _score(score: Score, low: float) -> Html:
    told = scored(score.value)
    bar = None if score.value is None else svg.dot(score.value, low, f"{score.name} {told}")
    unseen = right(count(score.not_evaluated) if score.not_evaluated else "")
    figures = [right(count(n)) for n in (score.evaluated, score.failed, score.checks)]
    return tr(td(score.name), td(bar, class_="bar-cell"), right(told), right(likely(score)), figures, unseen)


def _trend(report: Report) -> Section | None:
    found = report.trend
    if found is None or len(found.runs) < 2:
        return None
    heads = ["dimension", "first to last", ">first", ">last", ">95% interval", "trend"]
    table = _table(heads, [_line(line) for line in found.lines])
    words = (
        f"The scores of the last {len(found.runs)} runs of {found.name}, the latest last. A trend is told where Kendall's test "
        "calls chance improbable (5%). The band is the interval in which lies what the source gives, as far as a run can tell."
    )
    return "trend", "Trend", join([el("p", words, class_="lead"), table])


def _line(line: Line) -> Html:
    chart = svg.line(line.values, line.lows, line.highs, f"{line.dimension}: {line.words}")
    seen = [value for value in line.values if value is not None]
    last = next((n for n in range(len(line.values) - 1, -1, -1) if line.values[n] is not None), None)
    reach = "" if last is None or line.lows[last] is None else f"{percent(line.lows[last])} to {percent(line.highs[last])}"
    ends = [right(percent(seen[n]) if seen else "-") for n in (0, -1)]
    return tr(td(line.dimension), td(chart, class_="bar-cell"), ends, right(reach), td(line.words))


def _flow(report: Report) -> Section | None:
    summary = report.summary
    drawn = flow(summary, len({c.check for c in summary.checks} | {g.gate for g in summary.gates}))
    if drawn is None:
        return None
    kinds = {r.kind for r in summary.balance.routes if r.rows}
    kinds |= {"held" for _ in summary.balance.held} | {"dropped" for _ in summary.balance.dropped}
    legend = svg.legend([(kind, kind) for kind in ("delivered", "quarantined", "held", "dropped") if kind in kinds])
    return "flow", "Flow", join([legend, el("div", drawn, class_="flow-box")])


# ── checks and gates ──────────────────────────────────────────────────────────────────────────────────────────────────


def _failures(summary: Summary) -> Section | None:
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
    found = [legend, _table(heads, [_failure(c, most) for c in rest], sortable=True)] if rest else []
    passed = None
    if faultless:
        table = _table(heads, [_failure(c, most) for c in faultless], sortable=True)
        title = f"{plural(len(faultless), 'check')} without a failure"
        passed = el("details", el("summary", title), table, open=len(faultless) <= 12)
    inner = [el("p", words, class_="lead"), *found, passed]
    return "failures", "Failures by rule", join(inner)


def _stakes(summary: Summary) -> Section | None:
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
    return "stakes", "At stake", join([el("p", words, class_="lead"), _table(heads, rows)])


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
        _number(check.failed),
        right(percent(check.share), data_v=-1 if check.share is None else repr(check.share)),
        _number(check.evaluated),
        right(tolerance(check.tolerance)),
        td(check.severity, class_=check.severity if check.failed else "dim"),
        td(check.dimension or ""),
        td(verdict(check.outcome), class_=f"verdict {tone(check.outcome)}"),
        td(_spec_place(check.line), class_="place"),
    )


def _number(number: int) -> Html:
    return right(count(number), data_v=number)


def _spec_place(line: int) -> Child:
    return el("a", f"line {line}", href=f"#spec-{line}") if line else ""


def _anchor(check: CheckResult) -> str:
    return "sample-" + "".join(c if c.isalnum() else f"-{ord(c):x}-" for c in check.title)


def _gates(summary: Summary) -> Section | None:
    if not summary.gates:
        return None
    heads = ["gate", "observed", "expected", "verdict", "", "spec"]
    words = "Judged on the rows that are really delivered, before anything is published."
    return "gates", "Gates", join([el("p", words, class_="lead"), _table(heads, [_gate(g) for g in summary.gates])])


def _gate(gate: GateResult) -> Html:
    failing = [g for g, outcome in gate.groups.items() if outcome not in ("pass", "not evaluated")]
    groups = f"{plural(len(failing), 'group')} failed: {cut(', '.join(failing), 200)}" if failing else ""
    told = "; ".join(part for part in (gate.message, groups) if part)
    verdict_cell = td(verdict(gate.outcome), class_=f"verdict {tone(gate.outcome)}")
    place = td(_spec_place(gate.line), class_="place")
    return tr(td(gate.gate), td(figures(gate.observed)), td(gate.expected), verdict_cell, td(told), place)


# ── the data ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _missing(shapes: Shapes | None) -> Section | None:
    if shapes is None or not shapes.missing.columns:
        return None
    missing = shapes.missing
    words = f"Shares of all rows, estimated from {_sampled(shapes)}."
    drawn = [el("h3", "Missing at once"), svg.patterns(missing)] if missing.patterns else []
    if len(missing.varying) > 1:
        drawn += [el("h3", "Missing together, of the rows in which either is missing (%)"), svg.matrix(missing)]
    pair = el("div", el("div", el("h3", "Missing values by column"), _null_shares(missing)), el("div", drawn), class_="pair")
    return "missing", "Missing values", join([el("p", words, class_="lead"), pair])


def _sampled(shapes: Shapes) -> str:
    return f"the run's sample of {count(shapes.rows[0])} delivered and {count(shapes.rows[1])} quarantined rows"


def _null_shares(missing: Missing) -> Html:
    rows = []
    for name, share, (ours, theirs) in zip(missing.columns, missing.shares, missing.classes, strict=True):
        bar = svg.bar(share, "missing", f"{name} {percent(share)} missing")
        cells = [right(percent(s)) for s in (share, ours, theirs)]
        rows.append(tr(td(name, class_="mono"), td(bar, class_="bar-cell"), cells))
    return _table(["column", "", ">missing", ">of delivered", ">of quarantined"], rows)


def _spread(shapes: Shapes | None) -> Section | None:
    if shapes is None or not shapes.distributions:
        return None
    drawn = sorted(shapes.distributions, key=lambda d: (not d.bins, -(d.shift or 0)))
    words = (
        f"Shares within each class, from {_sampled(shapes)}; the columns that differ most come first. Shift is the population "
        "stability index: below 0.1 alike, above 0.25 very different."
    )
    legend = svg.legend([("delivered", "delivered"), ("quarantined", "quarantined")])
    cards = el("div", [_card(d) for d in drawn[:_DRAWN]], class_="cards")
    left = len(drawn) - _DRAWN
    more = (
        el("p", f"{plural(left, 'column')} more, which differ less, are in the JSON report.", class_="dim")
        if left > 0
        else None
    )
    return "distributions", "Delivered against quarantined", join([el("p", words, class_="lead"), legend, cards, more])


def _card(found: Distribution) -> Html:
    told = {"length": "length of the text", "masked": "personal: not shown", "empty": "no values", "text": "commonest values"}
    parts = [told.get(found.kind, ""), f"shift {found.shift:.2f}" if found.shift is not None else ""]
    if any(found.nulls):
        parts.append(f"missing {percent(found.nulls[0])} / {percent(found.nulls[1])}")
    drawn = svg.top_values(found) if found.kind == "text" else svg.histogram(found) if found.bins else None
    return el("div", el("h3", found.column), el("p", " · ".join(p for p in parts if p)), drawn, class_="card")


def _samples(summary: Summary) -> Section | None:
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


# ── people, outputs, notes, the spec ──────────────────────────────────────────────────────────────────────────────────


def _questions(summary: Summary) -> Section | None:
    if not summary.questions:
        return None
    heads = ["id", "question", ">rows", "choices", "answer", "through", "asked"]
    return "questions", "Questions and answers", _table(heads, [_question(q) for q in summary.questions])


def _question(asked: QuestionResult) -> Html:
    answer = td(answered(asked), class_="warn" if asked.state == "open" else None)
    choices, through, opened = td(", ".join(asked.choices)), td(asked.via or ""), td(clock(asked.opened), class_="place")
    return tr(td(asked.id, class_="mono"), td(asked.text), _number(asked.rows), choices, answer, through, opened)


def _outputs(summary: Summary) -> Section | None:
    if not summary.outputs:
        return None
    rows = [
        tr(td(o.output), td(o.place, class_="mono"), _number(o.rows), right(size(o.bytes) if o.bytes else ""), _number(o.parts),
           td(kept(o, summary)), td(o.guarantee))
        for o in summary.outputs
    ]  # fmt: skip
    heads = ["output", "where", ">rows", ">size", ">parts", "state", "guarantee"]
    return "outputs", "Outputs", _table(heads, rows)


def _notes(summary: Summary) -> Section | None:
    if not summary.notes:
        return None
    return "notes", "Notes of the sources", el("ul", [el("li", noted(n)) for n in summary.notes])


def _spec(report: Report) -> Section:
    lines = [el("span", line or " ", id=f"spec-{n}") for n, line in enumerate(report.spec_text.splitlines(), 1)]
    told = el("summary", el("strong", report.summary.run.spec_file), el("span", plural(len(lines), "line"), class_="dim"))
    shown = el("details", told, el("pre", lines, class_="spec mono"), open=True)
    return "spec", "Spec", join([el("p", "As it was when the run began.", class_="lead"), shown])


def _table(heads: Sequence[str], rows: Sequence[Html], sortable: bool = False) -> Html:
    """``>`` before a head: its column holds figures."""
    told = []
    for head in heads:
        name = head.removeprefix(">")
        words = el("button", name, type="button") if sortable and name else name
        told.append(th(words, class_="n" if head != name else None, scope="col"))
    return el("div", el("table", el("thead", tr(told)), el("tbody", rows)), class_="scroll")
