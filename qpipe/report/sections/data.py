"""What the data looks like: missing values, and what was delivered against what was quarantined."""

from __future__ import annotations

from qpipe.report import svg
from qpipe.report.distributions import Distribution, Missing, Shapes
from qpipe.report.markup import Html, el, join
from qpipe.report.sections.cells import Section, listing, right, td, tr
from qpipe.report.words import count, percent, plural

_DRAWN = 36  # columns whose distribution is drawn


def missing(shapes: Shapes | None) -> Section | None:
    if shapes is None or not shapes.missing.columns:
        return None
    missing = shapes.missing
    words = f"Shares of all rows, estimated from {_sampled(shapes)}."
    drawn = [el("h3", "Missing at once"), svg.patterns(missing)] if missing.patterns else []
    if len(missing.varying) > 1:
        drawn += [el("h3", "Missing together, of the rows in which either is missing (%)"), svg.matrix(missing)]
    pair = el("div", el("div", el("h3", "Missing values by column"), _null_shares(missing)), el("div", drawn), class_="pair")
    return "missing", "Missing values", join([el("p", words, class_="lead"), pair])


def _null_shares(missing: Missing) -> Html:
    rows = []
    for name, share, (ours, theirs) in zip(missing.columns, missing.shares, missing.classes, strict=True):
        bar = svg.bar(share, "missing", f"{name} {percent(share)} missing")
        cells = [right(percent(s)) for s in (share, ours, theirs)]
        rows.append(tr(td(name, class_="mono"), td(bar, class_="bar-cell"), cells))
    return listing(["column", "", ">missing", ">of delivered", ">of quarantined"], rows)


def spread(shapes: Shapes | None) -> Section | None:
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


def _sampled(shapes: Shapes) -> str:
    return f"the run's sample of {count(shapes.rows[0])} delivered and {count(shapes.rows[1])} quarantined rows"
