"""Small charts as SVG, drawn by hand: bars, rings, histograms, a matrix. Colours are classes, so that they follow the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qpipe.report.distributions import Distribution, Missing
from qpipe.report.markup import Html, el
from qpipe.report.words import cut, percent


def svg(width: float, height: float, *children: Html | list[Html], label: str, class_: str = "", stretch: bool = False) -> Html:
    """A picture with a text for those who cannot see it."""
    return el("svg", *children, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label, class_=class_ or None,
              preserveAspectRatio="none" if stretch else None)  # fmt: skip


def text(x: float, y: float, words: str, class_: str = "", *more: Html, **attributes: object) -> Html:
    return el("text", words, *more, x=float(x), y=float(y), class_=class_ or None, **attributes)


def tip(words: str) -> Html:
    """What is told when the pointer rests on a shape."""
    return el("title", words)


def bar(share: float, class_: str, label: str, mark: float | None = None) -> Html:
    """A bar that fills its cell; what is there stays visible however little. ``mark``: a tick, where it lies in the range."""
    width = 0.0 if share <= 0 else max(share * 100, 0.6)
    tick = (
        [el("rect", x=mark * 100 - 0.2, y=0.0, width=0.4, height=10.0, class_="tick")] if mark is not None and mark <= 1 else []
    )
    shapes = [el("rect", x=0.0, y=1.5, width=100.0, height=7.0, class_="track"),
              el("rect", x=0.0, y=1.5, width=width, height=7.0, class_=class_), *tick]  # fmt: skip
    return svg(100, 10, shapes, label=label, class_="bar", stretch=True)


def dot(share: float, low: float, label: str) -> Html:
    """A dot on a line from ``low`` to 1: scores lie close to 1, where bars all look alike."""
    at = 1 + (share - low) / (1 - low) * 98
    line = el("line", x1=0.0, y1=6.0, x2=100.0, y2=6.0, class_="rail")
    gone = el("line", x1=at, y1=6.0, x2=100.0, y2=6.0, class_="gone")
    return el(
        "div",
        svg(100, 12, line, gone, label=label, class_="bar", stretch=True),
        el("i", style=f"left:{at:.2f}%"),
        class_="dot-line",
    )


def line(values: Sequence[float | None], lows: Sequence[float | None], highs: Sequence[float | None], label: str) -> Html:
    """A line over runs in its band; where a run has no value, the line is broken."""
    seen = [v for v in (*values, *lows) if v is not None]
    low, count = min(seen, default=0.0), max(len(values) - 1, 1)
    low = max(0.0, low - 0.1 * (1 - low)) if low < 1 else 0.9

    def at(n: int, value: float) -> str:
        return f"{2 + 236 * n / count:.1f},{26 - 24 * (value - low) / (1 - low):.1f}"

    shapes, stretch = [], list[int]()
    for n, value in enumerate([*values, None]):
        if value is not None:
            stretch.append(n)
            continue
        if stretch:
            above = [at(k, _or(highs[k], values[k])) for k in stretch]
            below = [at(k, _or(lows[k], values[k])) for k in reversed(stretch)]
            along = [at(k, _or(None, values[k])) for k in stretch]
            x, y = map(float, along[-1].split(","))
            shapes += [
                el("polygon", points=" ".join([*above, *below]), class_="band"),
                el("polyline", points=" ".join(along), class_="trend"),
                el("circle", cx=x, cy=y, r=2.5, class_="trend-end"),
            ]
        stretch = []
    return svg(240, 28, shapes, label=label, class_="trend-chart")


def _or(value: float | None, other: float | None) -> float:
    return value if value is not None else other if other is not None else 0.0


def low_end(shares: Sequence[float]) -> float:
    """Where a line of scores begins, so that they can be told apart."""
    return next((low for low in (0.999, 0.99, 0.9, 0.5) if min(shares, default=0) > low), 0.0)


def ring(share: float | None, words: str, class_: str = "good") -> Html:
    """A ring that is full at 1, with words in its middle."""
    radius = 52.0
    around = 2 * math.pi * radius
    drawn = 0 if share is None else min(share, 1) * around
    shapes = [el("circle", cx=64.0, cy=64.0, r=radius, class_="ring track")]
    if drawn:
        dashes = f"{drawn:.2f} {around:.2f}"
        turned = "rotate(-90 64 64)"  # from the top
        shapes.append(
            el("circle", cx=64.0, cy=64.0, r=radius, class_=f"ring {class_}", stroke_dasharray=dashes, transform=turned)
        )
    small = len(words) > 6
    shapes.append(text(64, 71 if not small else 69, words, "ring-words small" if small else "ring-words"))
    return svg(128, 128, shapes, label=f"score {words}", class_="ring-chart")


def histogram(found: Distribution) -> Html:
    """Bars of the delivered, a stepped line of the quarantined; both as shares of their class."""
    width, height, base = 240.0, 100.0, 85.0
    top = max((s for b in found.bins for s in b.shares), default=0) or 1
    step = width / len(found.bins)
    shapes, steps = [], []
    for n, each in enumerate(found.bins):
        ours, theirs = (s / top * (base - 6) for s in each.shares)
        shapes.append(el("rect", x=n * step + 0.4, y=base - ours, width=max(step - 0.8, 0.5), height=ours, class_="delivered"))
        steps.append(f"{'M' if n == 0 else 'L'}{n * step:.1f} {base - theirs:.1f}H{(n + 1) * step:.1f}")
        told = f"{each.label}: {percent(each.shares[0])} of delivered, {percent(each.shares[1])} of quarantined"
        shapes.append(el("rect", tip(told), x=n * step, y=0.0, width=step, height=base, class_="hover"))
    lines = [el("path", d="".join(steps), class_="quarantined-line")] if any(b.shares[1] for b in found.bins) else []
    axis = [el("line", x1=0.0, y1=base, x2=width, y2=base, class_="axis"), text(0, height - 2, found.low, "tiny"),
            text(width, height - 2, found.high, "tiny end")]  # fmt: skip
    return svg(
        width, height, shapes[::2], lines, axis, shapes[1::2], label=f"distribution of {found.column}", class_="histogram"
    )


def top_values(found: Distribution) -> Html:
    """Paired bars of the commonest texts."""
    row, left, width = 14.0, 92.0, 240.0
    most = max((s for b in found.bins for s in b.shares), default=0) or 1
    shapes: list[Html] = []
    for n, each in enumerate(found.bins):
        y = n * row
        told = tip(f"{each.label}: {percent(each.shares[0])} of delivered, {percent(each.shares[1])} of quarantined")
        shapes.append(text(left - 5, y + 10, _fitting(each.label, 14) or "(empty)", "tiny end"))
        for k, (share, class_) in enumerate(zip(each.shares, ("delivered", "quarantined"), strict=True)):
            long = 0.0 if not share else max(share / most * (width - left), 0.8)
            shapes.append(el("rect", x=left, y=y + 1.5 + 5.5 * k, width=long, height=4.8, class_=class_))
        shapes.append(el("rect", told, x=0.0, y=y, width=width, height=row, class_="hover"))
    return svg(width, 100, shapes, label=f"commonest values of {found.column}", class_="histogram")


def _fitting(label: str, room: int) -> str:
    """As much of a label as fits; capitals are a quarter wider."""
    wide = sum(1.25 if c.isupper() or ord(c) > 0x2E80 else 1 for c in label)
    return label if wide <= room else cut(label, int(room * len(label) / wide))


def matrix(missing: Missing, limit: int = 16) -> Html:
    """How often two columns are missing together: 0 never, 1 always. Below the diagonal only, the rest would repeat it."""
    names = missing.varying[:limit]
    cell, left = 26.0, 118.0
    shapes: list[Html] = []
    for a, name in enumerate(names):
        shapes.append(text(left - 6, a * cell + cell * 0.66, cut(name, 17), "small end"))
        for b in range(a):
            share = missing.together[a][b]
            told = f"{name} and {names[b]}: missing together in {percent(share)} of the rows in which either is"
            x, y = left + b * cell, a * cell
            shapes.append(el("rect", tip(told), x=x + 1, y=y + 1, width=cell - 2, height=cell - 2, class_="cell",
                             fill_opacity=round(0.06 + 0.94 * share, 3)))  # fmt: skip
            if share >= 0.005:
                shapes.append(
                    text(x + cell / 2, y + cell * 0.64, f"{share * 100:.0f}", "cell-words on" if share > 0.55 else "cell-words")
                )
        shapes.append(text(left + a * cell + 7, a * cell + cell * 0.66, cut(name, 17), "small dim"))
    return svg(left + len(names) * cell + 110, len(names) * cell + 4, shapes, label="columns missing together", class_="matrix")


def patterns(missing: Missing, limit: int = 16) -> Html:
    """Which columns are missing at once, and in what share of the rows: a dot is a missing cell."""
    names = missing.varying[:limit]
    cell, top, row = 20.0, 96.0, 22.0
    shapes: list[Html] = [
        text(n * cell + 12, top - 6, cut(name, 16), "small", transform=f"rotate(-50 {n * cell + 12:g} {top - 6:g})")
        for n, name in enumerate(names)
    ]
    left = len(names) * cell + 14
    most = max(share for _, share in missing.patterns)
    for k, (gone, share) in enumerate(missing.patterns):
        y = top + k * row + row / 2
        seen = [n for n in gone if n < len(names)]
        told = tip(f"{', '.join(missing.varying[n] for n in gone) or 'nothing'} missing: {percent(share)} of rows")
        if len(seen) > 1:
            shapes.append(el("line", x1=seen[0] * cell + 10, y1=y, x2=seen[-1] * cell + 10, y2=y, class_="joint"))
        shapes += [
            el("circle", cx=n * cell + 10, cy=y, r=5.5, class_="dot gone" if n in seen else "dot") for n in range(len(names))
        ]
        shapes.append(el("rect", told, x=left, y=y - 6, width=max(share / most * 150, 1), height=12.0, class_="missing"))
        shapes.append(text(left + max(share / most * 150, 1) + 6, y + 4, percent(share), "small"))
    return svg(left + 230, top + len(missing.patterns) * row + 4, shapes, label="patterns of missing values", class_="patterns")


def ribbon(x0: float, y0: float, x1: float, y1: float, thick: float, class_: str, told: str) -> Html:
    """A flow from the right side of one node to the left side of another."""
    middle = (x0 + x1) / 2
    path = f"M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    return el("path", tip(told), d=path, stroke_width=thick, class_=f"ribbon {class_}")


def legend(entries: Sequence[tuple[str, str]]) -> Html:
    """What the colours mean: (class, words)."""
    return el("p", [el("span", el("i", class_=f"key {name}"), words) for name, words in entries], class_="legend")
