"""Gates: figures of the rows as they pass, and the verdict before anything is published.

A gate is judged on the rows that passed its place, and again on the rows that are really delivered, when others have been
routed away. When only the second fails, the quarantine itself broke the rule, and the verdict says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Gate, Measure, Verdict
from qpipe.core.figures import by_group, measured, merged, read, written
from qpipe.core.judgement import judge_groups
from qpipe.core.lazy import pl
from qpipe.orchestrator.program import Watch

if TYPE_CHECKING:
    import polars as pl

    from qpipe.orchestrator.writer import Transaction

PASSED, DELIVERED, BOTH = "passed", "delivered", "both"  # rows that passed a gate's place, and that are really delivered
TOGETHER = 8  # figures of so many batches become one, so many of those one again, and so on
Figures = dict[str, "pl.DataFrame"]  # sheet → figures of some rows


@dataclass(frozen=True)
class GateVerdict:
    gate: str
    verdict: Verdict
    groups: Mapping[str, Verdict]
    broken_by_routing: bool = False  # the rows that passed were fine; those that are left are not


@dataclass(frozen=True)
class Sheet:
    """Gates that see the same rows, columns and groups: they are measured in one query and kept in one frame."""

    watches: Sequence[Watch]

    @property
    def id(self) -> str:
        return " ".join(watch.step.id for watch in self.watches)

    @property
    def before(self) -> str:
        return self.watches[0].before

    @property
    def by(self) -> list[str]:
        return list(_gate(self.watches[0]).by or ())

    @cached_property
    def measures(self) -> dict[str, Measure]:
        named = {f"{w.step.id} {name}": m for w in self.watches for name, m in _gate(w).measures(w.context).items()}
        return {"rows": Measure(pl.len()), **named}

    def of(self, gate: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a gate's verdict is given of the values of all."""
        mine = f"{gate} "
        return {"rows": values["rows"]} | {n.removeprefix(mine): v for n, v in values.items() if n.startswith(mine)}


@dataclass(frozen=True)
class Kept:
    """Figures of some batches in a row, as the journal has them."""

    seq: int  # the last of these batches
    batches: int
    frame: pl.DataFrame


class Gates:
    """All gates of a plan, with what has been measured so far."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._sheets = {sheet.id: sheet for sheet in sheets(watches)}
        self._order = [watch.step.id for watch in watches]
        self._kept: dict[tuple[str, str], list[Kept]] = {}  # (sheet, stage) → in the order of the batches
        self.also: Sequence[GateVerdict] = ()  # rules about groups that the routing has broken

    def restore(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """From the journal's table ``figure``, in the order of the batches."""
        for row in rows:
            kept = Kept(row["seq"], row["batches"], read(row["frame"]))
            self._kept.setdefault((row["sheet"], row["stage"]), []).append(kept)

    def record(self, tx: Transaction, seq: int, figures: Mapping[str, Figures]) -> None:
        """Keep what ``measure`` gave for a batch, by stage."""
        for stage, sheets in figures.items():
            for sheet, frame in sheets.items():
                if frame.height:
                    self._record(tx, sheet, stage, Kept(seq, 1, frame))

    def _record(self, tx: Transaction, sheet: str, stage: str, new: Kept) -> None:
        """Write a batch's figures; where there are many of one size, write all of them as one in their place."""
        kept = self._kept.setdefault((sheet, stage), [])
        while [each.batches for each in kept[1 - TOGETHER :]] == [new.batches] * (TOGETHER - 1):
            some, kept[1 - TOGETHER :] = [*kept[1 - TOGETHER :], new], []
            for gone in some[:-1]:
                tx.drop("figure", sheet=sheet, stage=stage, seq=gone.seq)
            frame = merged([each.frame for each in some], self._sheets[sheet].measures)
            new = Kept(new.seq, new.batches * TOGETHER, frame)
        kept.append(new)
        tx.put("figure", sheet=sheet, stage=stage, seq=new.seq, batches=new.batches, frame=written(new.frame))

    def judge(self) -> list[GateVerdict]:
        found = {v.gate: v for sheet in self._sheets.values() for v in self._judged(sheet)}
        return [*(found[id] for id in self._order), *self.also]

    def _judged(self, sheet: Sheet) -> list[GateVerdict]:
        delivered = self._values(sheet, DELIVERED)
        apart = any(self._kept.get((sheet.id, stage)) for stage in (PASSED, DELIVERED))
        passed = self._values(sheet, PASSED) if apart else delivered
        return [_judged(sheet, watch, passed, delivered) for watch in sheet.watches]

    def _values(self, sheet: Sheet, stage: str) -> dict[str, dict[str, Any]]:
        """Group → the values of all measures, of the rows that passed or those that are delivered."""
        frames = [kept.frame for each in (BOTH, stage) for kept in self._kept.get((sheet.id, each), ())]
        values = by_group(merged(frames, sheet.measures), sheet.measures) if frames else {}
        if not values and not sheet.by:
            return {"": dict.fromkeys(sheet.measures) | {"rows": 0}}
        named = {_named(key) if sheet.by else "": found for key, found in values.items()}
        return dict(sorted(named.items()))


def _judged(
    sheet: Sheet, watch: Watch, passed: Mapping[str, dict[str, Any]], delivered: Mapping[str, dict[str, Any]]
) -> GateVerdict:
    gate = _gate(watch)
    verdict, groups = _verdict(sheet, watch, delivered)
    failed = verdict.outcome in ("fail", "warn")
    broken = failed and passed is not delivered and _verdict(sheet, watch, passed)[0].outcome == "pass"
    if broken:
        told = f"{verdict.message}; before rows were routed away it held" if verdict.message else verdict.message
        verdict = replace(verdict, message=told or "it held before rows were routed away")
    if gate.message and failed:
        verdict = replace(verdict, message=gate.message)
    return GateVerdict(watch.step.id, verdict, groups, broken)


def _verdict(sheet: Sheet, watch: Watch, values: Mapping[str, dict[str, Any]]) -> tuple[Verdict, dict[str, Verdict]]:
    gate = _gate(watch)
    groups = {group: gate.verdict(sheet.of(watch.step.id, found), watch.context) for group, found in values.items()}
    return judge_groups(gate, groups), groups


def sheets(watches: Sequence[Watch]) -> list[Sheet]:
    """Which gates can be measured together."""
    together: dict[Any, list[Watch]] = {}
    for watch in watches:
        alone = watch.where is not None or _gate(watch).by or any(now != name for name, now in watch.columns.items())
        together.setdefault(watch.step.id if alone else (watch.before, watch.after), []).append(watch)
    return [Sheet(group) for group in together.values()]


def measure(sheets: Sequence[Sheet], frame: pl.DataFrame) -> Figures:
    """Every gate's figures of one frame. Pure: batches may be measured side by side."""
    return {sheet.id: _measured(sheet, frame) for sheet in sheets}


def _measured(sheet: Sheet, frame: pl.DataFrame) -> pl.DataFrame:
    first = sheet.watches[0]
    query = frame.lazy()
    gone = [name for name in first.after if name in frame.columns]
    if gone:
        query = query.filter(~pl.any_horizontal(gone).fill_null(False))
    seen = {name: pl.col(now).alias(name) for watch in sheet.watches for name, now in watch.columns.items()}
    query = query.select(list(seen.values()) or [pl.col(ROW)])
    if first.where is not None:
        query = query.filter(first.where.compile(first.context.types).fill_null(False))
    return measured(query, sheet.measures, sheet.by)


def _gate(watch: Watch) -> Gate:
    assert isinstance(watch.step.module, Gate)
    return watch.step.module


def _named(key: tuple[Any, ...]) -> str:
    return json.dumps(list(key), default=str, ensure_ascii=False)
