"""A profile as one HTML file: no network, no library; the look is the report's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import resources

from qpipe.profile.doubts import Doubt, doubts, figure, of_column
from qpipe.profile.drift import Change
from qpipe.profile.model import ColumnProfile, Profile, TableProfile
from qpipe.profile.relation_map import relation_map
from qpipe.report.markup import Html, el
from qpipe.report.svg import bar, svg, tip
from qpipe.report.words import count, cut, percent

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_FIRST = 12  # doubts that the page begins with
_SHOWN = 40  # dependencies, foreign keys, misspellings
tr, td, th = partial(el, "tr"), partial(el, "td"), partial(el, "th")


def html(profile: Profile, changes: Sequence[Change] = ()) -> str:
    """The whole page. Columns of personal data show no values."""
    odd = doubts(profile)
    sections = [("doubts", "To look at", _first(odd))] if odd else []
    sections += [("changes", "Changes", _changes(changes))] if changes else []
    sections += [(f"table-{n}", t.name, _table(t)) for n, t in enumerate(profile.tables)]
    sections += (
        [("relations", "Relations", el("div", relation_map(profile), _foreign(profile)))] if profile.foreign_keys else []
    )
    links = [el("a", title, href=f"#{id}") for id, title, _ in sections]
    body = [el("section", el("h2", title), inner, id=id) for id, title, inner in sections]
    name = ", ".join(t.name for t in profile.tables)
    page = el(
        "html",
        el("head", el("meta", charset="utf-8"), el("meta", name="viewport", content="width=device-width, initial-scale=1"),
           el("meta", http_equiv="Content-Security-Policy", content=_POLICY), el("title", f"{name} · qpipe profile"),
           el("style", Html(_file("page.css")))),
        el("body", el("header", el("div", el("h1", name), _facts(profile), class_="top")),
           el("nav", el("div", links, el("button", "light / dark", hidden=True), class_="top")),
           el("main", body, el("footer", "Made by qpipe profile. Nothing in this file asks the network.")),
           el("script", Html(_file("page.js")))),
        lang="en",
    )  # fmt: skip
    return f"<!DOCTYPE html>\n{page}\n"


def _file(name: str) -> str:
    return resources.files("qpipe.report").joinpath(name).read_text(encoding="utf-8")


def _facts(profile: Profile) -> Html:
    facts = [("tables", count(len(profile.tables))), ("rows", count(sum(t.rows for t in profile.tables))),
             ("columns", count(sum(len(t.columns) for t in profile.tables)))]  # fmt: skip
    return el("dl", [el("div", el("dt", name), el("dd", value)) for name, value in facts], class_="facts")


def _table(table: TableProfile) -> Html:
    sampled = table.looked < table.rows
    note = f"{count(table.rows)} rows. " + (
        f"Figures marked ~ rest on a sample of {count(table.looked)} rows." if sampled else ""
    )
    head = tr([th(w) for w in ("column", "type", "missing", "distinct", "values", "spread", "doubts")])
    rows = [_column(c) for c in table.columns]
    return el("div", el("p", note), el("div", el("table", el("thead", head), el("tbody", rows)), class_="scroll"),
              _keys(table), _dependencies(table), _correlations(table))  # fmt: skip


def _column(c: ColumnProfile) -> Html:
    missing = (c.nulls + c.blanks) / c.rows if c.rows else 0.0
    approx = "~" if "distinct" in c.estimated else ""
    return tr(
        td(c.name, el("br"), el("span", c.meaning or "", " · personal" if c.personal else "", class_="dim")),
        td(c.type, el("br"), el("span", c.format or "", class_="dim mono")),
        td(percent(missing), bar(missing, "missing", f"{percent(missing)} missing")),
        td(f"{approx}{count(c.distinct)}", class_="n"), td(_values(c)), td(_spread(c)), td(_doubts(c)),
    )  # fmt: skip


def _values(c: ColumnProfile) -> list[Html]:
    if c.personal:
        return [el("span", "masked", class_="dim")]
    told = []
    if c.quantiles:
        told.append(el("div", f"{figure(c.least)} … {figure(c.quantiles.get('0.5'))} … {figure(c.greatest)}"))
    elif c.frequent:
        told += [el("div", f"{cut(value, 28)} ", el("span", count(n), class_="dim")) for value, n in c.frequent[:4]]
    if c.patterns and not c.quantiles:
        told += [el("div", f"{cut(regex, 40)} {percent(share)}", class_="mono dim") for regex, _, share, _ in c.patterns[:2]]
    return told


def _spread(c: ColumnProfile) -> Html | str:
    """A histogram, or the commonest values as bars."""
    bins = [(b.label, b.count) for b in c.bins] or [(v, n) for v, n in c.frequent[:12]]
    if len(bins) < 2:
        return ""
    if not c.bins and bins[0][1] == 1:
        return el("span", "each value once", class_="dim")
    top, step = max(n for _, n in bins) or 1, 120.0 / len(bins)
    shapes = [
        el("rect", tip(f"{'value' if c.personal else label}: {count(n)}"), x=k * step + 0.3, y=30 - 28.0 * n / top,
           width=max(step - 0.6, 0.5), height=max(28.0 * n / top, 0.4), class_="delivered")
        for k, (label, n) in enumerate(bins)
    ]  # fmt: skip
    return svg(120, 30, shapes, label=f"distribution of {c.name}", class_="histogram")


def _doubts(c: ColumnProfile) -> list[Html]:
    return [el("div", words) for words, _ in of_column(c)]


def _first(found: Sequence[Doubt]) -> Html:
    """What most rows are in doubt for."""
    head = tr([th(w) for w in ("where", "what", "rows")])
    rows = [tr(td(cut(d.place, 60)), td(cut(d.words, 110)), td(count(d.rows), class_="n")) for d in found[:_FIRST]]
    more = el("p", f"and {count(len(found) - _FIRST)} more, below", class_="dim") if len(found) > _FIRST else None
    return el("div", el("div", el("table", el("thead", head), el("tbody", rows)), class_="scroll"), more)


def _keys(table: TableProfile) -> Html | None:
    if not table.keys:
        return None
    lines = [
        el("li", ", ".join(k.columns), "" if k.holds else f": broken, {count(k.repeated)} rows repeat {count(k.groups)} keys")
        for k in table.keys
    ]
    return el("div", el("h3", "Keys"), el("ul", lines))


def _dependencies(table: TableProfile) -> Html | None:
    if not table.dependencies:
        return None
    masked = {c.name for c in table.columns if c.personal}
    head = tr([th(w) for w in ("dependency", "strength", "broken", "of", "such as")])
    rows = []
    for d in table.dependencies[:_SHOWN]:
        hidden = masked & {*d.determinant, d.dependent}
        shown = f"{d.examples[0][1]} for {d.examples[0][0]}, mostly {d.examples[0][2]}" if d.examples and not hidden else ""
        rows.append(tr(td(f"{', '.join(d.determinant)} → {d.dependent}"), td(f"{d.strength:.2f}", class_="n"),
                       td(count(d.broken), class_="n"), td(count(d.support), class_="n"), td(cut(shown, 80))))  # fmt: skip
    return el("div", el("h3", "Dependencies"), el("div", el("table", el("thead", head), el("tbody", rows)), class_="scroll"))


def _correlations(table: TableProfile) -> Html | None:
    if not table.correlations:
        return None
    told = [el("li", f"{c.a} and {c.b}: {c.value:+.2f}") for c in table.correlations[:20]]
    return el("div", el("h3", "Correlations"), el("ul", told))


def _foreign(profile: Profile) -> Html:
    head = tr([th(w) for w in ("from", "to", "rows without", "keys without", "of", "confidence", "such as")])
    rows = []
    for f in profile.foreign_keys[:_SHOWN]:
        names = [f"{f.table} ({', '.join(f.columns)})", f"{f.references} ({', '.join(f.key)})"]
        figures = [count(f.missing), count(f.missing_keys), count(f.rows), f"{f.confidence:.2f}"]
        masked = any(profile.table(f.table).column(c).personal for c in f.columns)
        shown = "" if masked else cut(" | ".join(f.examples[:3]), 80)
        rows.append(tr([td(n) for n in names], [td(n, class_="n") for n in figures], td(shown)))
    return el("div", el("table", el("thead", head), el("tbody", rows)), class_="scroll")


def _changes(changes: Sequence[Change]) -> Html:
    head = tr([th(w) for w in ("where", "what", "before", "now")])
    rows = [tr(td(".".join(x for x in (c.table, c.column) if x)), td(c.what), td(c.before), td(c.now)) for c in changes]
    return el("div", el("table", el("thead", head), el("tbody", rows)), class_="scroll")
