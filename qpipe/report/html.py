"""The report as one HTML file: no network, no library, readable on a phone, on paper, in the dark, and with the keyboard."""

from __future__ import annotations

from importlib import resources

from qpipe.orchestrator.results import QuestionResult, Summary
from qpipe.report.collect import Report
from qpipe.report.markup import Html, el, join
from qpipe.report.sections import balance, checks, data, scores
from qpipe.report.sections.cells import Section, listing, number, right, td, tr
from qpipe.report.text import advice, answered, kept, noted
from qpipe.report.words import STATES, clock, count, duration, percent, plural, rate, size

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(report: Report) -> str:
    summary = report.summary
    sections = [
        balance.balance(summary),
        scores.scores(summary),
        scores.trend(report),
        balance.diagram(report),
        checks.failures(summary),
        checks.stakes(summary),
        checks.gates(summary),
        data.missing(report.shapes),
        data.spread(report.shapes),
        checks.samples(summary),
        _questions(summary),
        _outputs(summary),
        _notes(summary),
        _spec(report),
    ]
    shown = [section for section in sections if section is not None]
    links = [el("a", title, href=f"#{id}") for id, title, _ in shown]
    body = [el("section", el("h2", title), inner, id=id) for id, title, inner in shown]
    nav = el("nav", el("div", links, el("button", "light / dark", hidden=True), class_="top"))
    script = el("script", Html(_file("page.js")))
    top, main = _top(summary, report.description), el("main", body, _foot(summary))
    page = el("html", _head(summary), el("body", top, nav, main, script), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


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


def _questions(summary: Summary) -> Section | None:
    if not summary.questions:
        return None
    heads = ["id", "question", ">rows", "choices", "answer", "through", "asked"]
    return "questions", "Questions and answers", listing(heads, [_question(q) for q in summary.questions])


def _question(asked: QuestionResult) -> Html:
    answer = td(answered(asked), class_="warn" if asked.state == "open" else None)
    choices, through, opened = td(", ".join(asked.choices)), td(asked.via or ""), td(clock(asked.opened), class_="place")
    return tr(td(asked.id, class_="mono"), td(asked.text), number(asked.rows), choices, answer, through, opened)


def _outputs(summary: Summary) -> Section | None:
    if not summary.outputs:
        return None
    rows = [
        tr(td(o.output), td(o.place, class_="mono"), number(o.rows), right(size(o.bytes) if o.bytes else ""), number(o.parts),
           td(kept(o, summary)), td(o.guarantee))
        for o in summary.outputs
    ]  # fmt: skip
    heads = ["output", "where", ">rows", ">size", ">parts", "state", "guarantee"]
    return "outputs", "Outputs", listing(heads, rows)


def _notes(summary: Summary) -> Section | None:
    if not summary.notes:
        return None
    return "notes", "Notes of the sources", el("ul", [el("li", noted(n)) for n in summary.notes])


def _spec(report: Report) -> Section:
    lines = [el("span", line or " ", id=f"spec-{n}") for n, line in enumerate(report.spec_text.splitlines(), 1)]
    told = el("summary", el("strong", report.summary.run.spec_file), el("span", plural(len(lines), "line"), class_="dim"))
    shown = el("details", told, el("pre", lines, class_="spec mono"), open=True)
    return "spec", "Spec", join([el("p", "As it was when the run began.", class_="lead"), shown])
