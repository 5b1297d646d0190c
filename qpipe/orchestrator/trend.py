"""Scores over the runs of a spec: each dimension's line, its uncertainty, and whether it rises or falls."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.summary import summarise
from qpipe.spec.plan import Plan

RUNS = 30
CHANCE = 0.05  # below which a trend is none


@dataclass(frozen=True)
class Point:
    """One run."""

    run: str
    started: float
    state: str
    rows: int
    incident: str | None  # why a person marked it; "" where no reason was given


@dataclass(frozen=True)
class Line:
    """The scores of one dimension, column or source, run by run; None where nothing was evaluated."""

    dimension: str  # or the column's or source's name
    values: tuple[float | None, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]
    direction: str  # rising, falling, steady, or "" with too few runs to say
    chance: float | None  # how probable so much order is without a trend

    @property
    def words(self) -> str:
        sure = self.direction in ("rising", "falling") and self.chance is not None
        return (f"{self.direction} (p = {self.chance:.2g})" if sure else self.direction) or "too few runs to say"


@dataclass(frozen=True)
class Trend:
    name: str
    runs: tuple[Point, ...]  # the latest last
    lines: tuple[Line, ...]  # overall first
    columns: tuple[Line, ...] = ()
    sources: tuple[Line, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def trend(journal: Journal, name: str, runs: int = RUNS, until: float = math.inf, plan: Plan | None = None) -> Trend:
    """Over the last runs of a spec that came to a result or were refused for their data; ``plan`` says what the checks of those
    are. Runs marked as incidents are shown, but no trend is seen in them."""
    found = journal.rows(
        "select id, started, state, rows_in, json_extract(result_json, '$.scores', '$.column_scores', '$.source_scores') "
        "as scores_json from run where name = ? "
        "and (result_json is not null or state = 'refused' and rows_in > 0) and started <= ? "
        "order by started desc, id desc limit ?", name, until, runs,
    )[::-1]  # fmt: skip
    incidents = journal.incidents(name)
    points = tuple(Point(r["id"], r["started"], r["state"], r["rows_in"], incidents.get(r["id"])) for r in found)
    told = [_summarised(journal, r["id"], plan) if r["scores"] is None else r["scores"] for r in found]
    usual = [point.incident is None for point in points]
    return Trend(name, points, *(_lines([each[n] or () for each in told], key, usual) for n, key in enumerate(_KEYS)))


_KEYS = ("dimension", "column", "source")


def _summarised(journal: Journal, run: str, plan: Plan | None) -> list[Any]:
    made = summarise(journal, run, plan).to_json()
    return [made["scores"], made["column_scores"], made["source_scores"]]


def _lines(told: Sequence[Sequence[Mapping[str, Any]]], key: str, usual: Sequence[bool]) -> tuple[Line, ...]:
    scores = [{score[key]: score for score in each} for each in told]
    return tuple(_line(name, scores, usual) for name in dict.fromkeys(name for each in scores for name in each))


def _line(dimension: str, scores: Sequence[Mapping[str, Mapping[str, Any]]], usual: Sequence[bool]) -> Line:
    values, lows, highs = (tuple(each.get(dimension, {}).get(name) for each in scores) for name in ("value", "low", "high"))
    direction, chance = _direction([v for v, counts in zip(values, usual, strict=True) if v is not None and counts])
    return Line(dimension, values, lows, highs, direction, chance)


def _direction(values: Sequence[float]) -> tuple[str, float | None]:
    """Mann's test (1945): whether later values are greater more often than chance has it, ties reckoned with."""
    n = len(values)
    if n < 5:
        return "", None
    more = sum((b > a) - (b < a) for k, a in enumerate(values) for b in values[k + 1 :])
    ties = [values.count(v) for v in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if not variance:
        return "steady", 1.0
    z = (abs(more) - 1) / math.sqrt(variance) if more else 0.0
    chance = math.erfc(max(z, 0.0) / math.sqrt(2))
    return ("steady" if chance >= CHANCE else "rising" if more > 0 else "falling"), chance
