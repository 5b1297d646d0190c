"""How good the data is: scores, and how they moved over the last runs."""

from __future__ import annotations

from collections.abc import Sequence

from qpipe.orchestrator.results import Score, Summary
from qpipe.orchestrator.trend import Line
from qpipe.report import svg
from qpipe.report.collect import Report
from qpipe.report.markup import Html, el, join
from qpipe.report.sections.cells import Section, listing, right, td, tr
from qpipe.report.text import likely, scored
from qpipe.report.words import count, percent, plural


def scores(summary: Summary) -> Section | None:
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
    table = listing(heads, [_score(s, low) for s in parts]) if parts else None
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
    table = listing(heads, [_score(s, low) for s in found])
    return el("details", el("summary", f"by {title}, {plural(len(found), title)}"), table, open=len(found) <= 12)


def _score(score: Score, low: float) -> Html:
    told = scored(score.value)
    bar = None if score.value is None else svg.dot(score.value, low, f"{score.name} {told}")
    unseen = right(count(score.not_evaluated) if score.not_evaluated else "")
    figures = [right(count(n)) for n in (score.evaluated, score.failed, score.checks)]
    return tr(td(score.name), td(bar, class_="bar-cell"), right(told), right(likely(score)), figures, unseen)


def trend(report: Report) -> Section | None:
    found = report.trend
    if found is None or len(found.runs) < 2:
        return None
    heads = ["dimension", "first to last", ">first", ">last", ">95% interval", "trend"]
    table = listing(heads, [_line(line) for line in found.lines])
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
