"""Gates: figures of the rows as they pass, and the verdict before anything is published.

A gate is judged on the rows that passed its place, and again on the rows that are really delivered, when others have been
routed away. When only the second fails, the quarantine itself broke the rule, and the verdict says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qpipe.core.batch import ROW
from qpipe.core.component import Gate, Measure, Verdict
from qpipe.core.judgement import decoded, encoded, figure, judge_groups, merge
from qpipe.core.lazy import pl
from qpipe.orchestrator.program import Watch

PASSED, DELIVERED = "passed", "delivered"
Figures = dict[str, dict[str, Any]]  # group → measure → value; without ``by`` there is one group, ""


@dataclass(frozen=True)
class GateVerdict:
    gate: str
    verdict: Verdict
    groups: Mapping[str, Verdict]
    broken_by_routing: bool = False  # the rows that passed were fine; those that are left are not


class Gates:
    """All gates of a plan, with what has been measured so far."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = {w.step.id: w for w in watches}
        self._figures: dict[tuple[str, str], Figures] = {}
        self.also: Sequence[GateVerdict] = ()  # rules about groups that the routing has broken

    @property
    def ids(self) -> list[str]:
        return list(self._watches)

    def restore(self, rows: list[dict[str, Any]]) -> None:
        """From the journal's table ``measure``."""
        for row in rows:
            groups = self._figures.setdefault((row["check"], row["stage"]), {})
            groups.setdefault(row["group"], {})[row["name"]] = decoded(row["value"])

    def add(self, stage: str, measured: Mapping[str, Figures]) -> list[dict[str, Any]]:
        """Merge what ``measure`` gave for a batch; returns the rows of the table ``measure`` that have changed."""
        changed = []
        for id, more in measured.items():
            figures, measures = self._figures.setdefault((id, stage), {}), _measures(self._watches[id])
            for group, values in more.items():
                known = figures.get(group)
                figures[group] = values if known is None else merge(known, values, measures)
                changed += [
                    {"check": id, "stage": stage, "group": group, "name": name, "value_json": encoded(value)}
                    for name, value in figures[group].items()
                ]
        return changed

    def judge(self) -> list[GateVerdict]:
        return [*(self._judge(watch) for watch in self._watches.values()), *self.also]

    def _judge(self, watch: Watch) -> GateVerdict:
        gate = _gate(watch)
        passed, _ = self._verdict(watch, PASSED)
        verdict, groups = self._verdict(watch, DELIVERED)
        broken = passed.outcome == "pass" and verdict.outcome in ("fail", "warn")
        if broken:
            told = f"{verdict.message}; before rows were routed away it held" if verdict.message else verdict.message
            verdict = replace(verdict, message=told or "it held before rows were routed away")
        if gate.message and verdict.outcome in ("fail", "warn"):
            verdict = replace(verdict, message=gate.message)
        return GateVerdict(watch.step.id, verdict, groups, broken)

    def _verdict(self, watch: Watch, stage: str) -> tuple[Verdict, dict[str, Verdict]]:
        gate = _gate(watch)
        figures = self._figures.get((watch.step.id, stage)) or ({} if gate.by else {"": {"rows": 0}})
        empty = {name: None for name in _measures(watch)} | {"rows": 0}
        groups = {g: gate.verdict(empty | v, watch.context) for g, v in sorted(figures.items())}
        return judge_groups(gate, groups), groups


def measure(watches: Sequence[Watch], frame: pl.DataFrame) -> dict[str, Figures]:
    """Every gate's figures of one frame. Pure: batches may be measured side by side and merged in any order.

    Gates that see the same rows are measured in one query.
    """
    together: dict[Any, list[Watch]] = {}
    for watch in watches:
        alone = watch.where is not None or _gate(watch).by or any(now != name for name, now in watch.columns.items())
        together.setdefault(watch.step.id if alone else watch.after, []).append(watch)
    found = {id: figures for group in together.values() for id, figures in _measure(group, frame).items()}
    return {watch.step.id: found[watch.step.id] for watch in watches}


def together(watches: Sequence[Watch], some: Mapping[str, Figures], others: Mapping[str, Figures]) -> dict[str, Figures]:
    """The figures of two sets of rows as those of all of them."""
    return {watch.step.id: _together(watch, some[watch.step.id], others[watch.step.id]) for watch in watches}


def _together(watch: Watch, some: Figures, others: Figures) -> Figures:
    measures = _measures(watch)
    alike = {group: merge(some[group], others[group], measures) for group in some if group in others}
    return {**some, **others, **alike}


def _measure(watches: Sequence[Watch], frame: pl.DataFrame) -> dict[str, Figures]:
    """The figures of gates that see the same columns, rows and groups."""
    first = watches[0]
    query = frame.lazy()
    gone = [name for name in first.after if name in frame.columns]
    if gone:
        query = query.filter(~pl.any_horizontal(gone).fill_null(False))
    seen = {name: pl.col(now).alias(name) for watch in watches for name, now in watch.columns.items()}
    query = query.select(list(seen.values()) or [pl.col(ROW)])
    if first.where is not None:
        query = query.filter(first.where.compile(first.context.types).fill_null(False))
    measures = [_measures(watch) for watch in watches]
    values = [m.value.alias(f"{n} {name}") for n, each in enumerate(measures) for name, m in each.items()]
    by = list(_gate(first).by or ())
    made = (query.group_by(by).agg(values) if by else query.select(values)).collect(engine="in-memory")
    rows = [(_group(row, by), row) for row in made.iter_rows(named=True)]
    return {
        watch.step.id: {g: {name: figure(row[f"{n} {name}"], m) for name, m in measures[n].items()} for g, row in rows}
        for n, watch in enumerate(watches)
    }


def _measures(watch: Watch) -> dict[str, Measure]:
    return {"rows": Measure(pl.len())} | _gate(watch).measures(watch.context)


def _gate(watch: Watch) -> Gate:
    assert isinstance(watch.step.module, Gate)
    return watch.step.module


def _group(row: Mapping[str, Any], by: list[str]) -> str:
    return json.dumps([row[name] for name in by], default=str, ensure_ascii=False) if by else ""
