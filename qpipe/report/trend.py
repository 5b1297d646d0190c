"""Scores over the runs of a spec, for the terminal."""

from __future__ import annotations

from qpipe.orchestrator.trend import Line, Point, Trend
from qpipe.report.block import Block
from qpipe.report.words import count, percent


def blocks(found: Trend, of: str = "dimension") -> list[Block]:
    """For the terminal: a row a run, and what becomes of each dimension, column or source."""
    chosen = {"dimension": found.lines, "column": found.columns, "source": found.sources}[of]
    names = [line.dimension for line in chosen]
    rows = tuple(
        (p.run, count(p.rows), *(percent(line.values[n]) for line in chosen), _said(p)) for n, p in enumerate(found.runs)
    )
    table = Block("", ("run", "rows", *names, ""), rows, frozenset(range(1, 2 + len(names))), whole=frozenset({0}))
    lines = tuple((line.dimension, _span(line), line.words) for line in chosen)
    tones = tuple({"falling": "bad", "rising": "good"}.get(line.direction, "") for line in chosen)
    return [table, Block("Trend", (of, "last, 95% interval", "trend"), lines, frozenset({1}), tones)]


def _span(line: Line) -> str:
    last = next((n for n in range(len(line.values) - 1, -1, -1) if line.lows[n] is not None), None)
    return "-" if last is None else f"{percent(line.lows[last])} to {percent(line.highs[last])}"


def _said(point: Point) -> str:
    if point.incident is not None:
        return f"incident: {point.incident}" if point.incident else "incident"
    return "" if point.state == "done" else point.state
