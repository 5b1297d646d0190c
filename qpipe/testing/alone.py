"""Runs one module alone on a small frame, batch by batch, and says what it did.

The few lines here say what the base classes promise; the engine does the same on a whole plan, fused and resumable.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import (
    Ask,
    Check,
    Context,
    Gate,
    Judging,
    Measure,
    Module,
    Relational,
    Rule,
    Step,
    Transform,
    Verdict,
)
from qpipe.core.figures import by_group, measured, merged
from qpipe.core.judgement import judge_groups, judge_rows
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Table


@dataclass(frozen=True)
class Finding:
    row: int
    columns: tuple[str, ...]
    expected: str


@dataclass(frozen=True)
class Seen:
    """What a module did: the rows after it, in order and with ``_row``, and everything it said."""

    frame: pl.DataFrame
    findings: tuple[Finding, ...] = ()
    dropped: tuple[int, ...] = ()
    verdict: Verdict | None = None  # None: the module does not judge
    asks: Mapping[str, list[str]] = field(default_factory=dict)  # value → nearest known values

    @property
    def failed(self) -> list[int]:
        return sorted({finding.row for finding in self.findings})


def run_alone(module: Module, frame: pl.DataFrame, context: Context, batch_size: int | None = None) -> Seen:
    """``frame`` has no ``_row``. Without a batch size all rows are one batch; zero rows are one empty batch."""
    for family, run in _RUNNERS.items():
        if isinstance(module, family):
            return run(module, list(_batches(frame, batch_size)), context)
    raise TypeError(f"{type(module).__name__} is no module of a known kind")


def _batches(frame: pl.DataFrame, batch_size: int | None) -> Iterator[pl.DataFrame]:
    numbered = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
    size = batch_size or max(frame.height, 1)
    for start in range(0, max(frame.height, 1), size):
        yield numbered.slice(start, size)


# ── row by row ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _run_check(check: Check, batches: Sequence[pl.DataFrame], context: Context) -> Seen:
    rules, where = check.rules(context), _where(check, context)
    findings = [f for batch in batches for f in _find(rules, batch, where)]
    evaluated = sum(_spoken_of(rules, _judged(batch, where)) for batch in batches)
    return Seen(_stacked(batches), tuple(findings), verdict=judge_rows(check, len({f.row for f in findings}), evaluated))


def _run_transform(step: Transform, batches: Sequence[pl.DataFrame], context: Context) -> Seen:
    rules, asks, keeps = step.rules(context), step.asks(context), step.keeps(context)
    findings = tuple(f for batch in batches for f in _find(rules, batch, None))
    known = {v: c for ask in asks for v, c in _candidates(ask, batches).items()}
    after, dropped = [], []
    for batch in batches:
        done = collect(step.apply(batch.lazy(), context))
        assert done[ROW].equals(batch[ROW]), f"{step.name}: apply must keep every row, in order, and the column {ROW}"
        if keeps is not None:
            stays = done.select(keeps.fill_null(False)).to_series()
            dropped += done.filter(~stays)[ROW].to_list()
            done = done.filter(stays)
        after.append(done)
    return Seen(_stacked(after), findings, tuple(dropped), None, known)


def _find(rules: Sequence[Rule], batch: pl.DataFrame, where: pl.Expr | None) -> Iterator[Finding]:
    if not rules:
        return
    judged = pl.lit(True) if where is None else where.fill_null(False)
    flags = [(rule.bad.fill_null(False) & judged).alias(f"bad {n}") for n, rule in enumerate(rules)]
    marked = collect(batch.lazy().with_columns(flags))
    for n, rule in enumerate(rules):
        for row in marked.filter(pl.col(f"bad {n}"))[ROW].to_list():
            yield Finding(row, rule.columns, rule.expected)


def _spoken_of(rules: Sequence[Rule], batch: pl.DataFrame) -> int:
    """Rows that at least one claim speaks of."""
    applies = [pl.lit(True) if rule.applies is None else rule.applies for rule in rules]
    return collect(batch.lazy().filter(pl.any_horizontal(applies))).height if applies else 0


def _candidates(ask: Ask, batches: Sequence[pl.DataFrame]) -> dict[str, list[str]]:
    unknown: list[str] = []
    for batch in batches:
        unknown += batch.filter(ask.unknown.fill_null(False))[ask.column].cast(pl.String).to_list()
    return ask.candidates(sorted(set(unknown)))


# ── over all rows ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _run_gate(gate: Gate, batches: Sequence[pl.DataFrame], context: Context) -> Seen:
    measures = {"rows": Measure(pl.len())} | gate.measures(context)
    where, by = _where(gate, context), list(gate.by or ())
    figures = [measured(_judged(batch, where).lazy(), measures, by) for batch in batches]
    groups = by_group(merged(figures, measures), measures)
    verdicts = {key: gate.verdict(values, context) for key, values in groups.items()}
    return Seen(_stacked(batches), verdict=judge_groups(gate, verdicts))


def _run_relational(step: Relational, batches: Sequence[pl.DataFrame], context: Context) -> Seen:
    where = _where(step, context)
    with tempfile.TemporaryDirectory(dir=_place(context.memory_limit)[0].name) as folder:
        collector = step.collector(context, Path(folder))
        for batch in batches:
            gathered = _judged(batch, where).lazy().select(ROW, *(e.alias(n) for n, e in step.gather(context).items()))
            collector.add(collector.pack(collect(gathered)))
        everything = _stacked(batches)
        try:
            if step.effect == "replace":
                return _settled(step, step.replace(collector, context), everything, context)
            verdicts = step.judge(collector, context)
        finally:
            collector.close()
    findings = [
        Finding(row, verdict.columns, verdict.notes.get(row, verdict.expected))
        for verdict in verdicts
        for row in everything.filter(verdict.rows.mask(0, everything.height))[ROW].to_list()
    ]
    if step.effect == "drop":
        gone = sorted({finding.row for finding in findings})
        return Seen(everything.filter(~pl.col(ROW).is_in(gone)), dropped=tuple(gone))
    evaluated = sum(_judged(batch, where).height for batch in batches)
    return Seen(everything, tuple(findings), verdict=judge_rows(step, len({f.row for f in findings}), evaluated))


@lru_cache(4)
def _place(memory_limit: int) -> tuple[tempfile.TemporaryDirectory[str], Table]:
    """Where steps gather, and a table that keeps its database open: to start one costs more than most steps on a few rows."""
    from qpipe.core.gather import Table

    folder = tempfile.TemporaryDirectory()
    return folder, Table(Path(folder.name) / "open", memory_limit)


def _settled(step: Relational, folder: Path, before: pl.DataFrame, context: Context) -> Seen:
    from qpipe.core.types import DataType

    tables = {id: {name: DataType.of(dtype) for name, dtype in table.schema.items()} for id, table in context.tables.items()}
    frame, types = _read_folder(folder, before), step.types_after(context.types, tables)
    settling = step.settle(folder, context.but(types=types))
    return Seen(frame) if settling is None else _run_transform(settling, [frame], context.but(types=types))


def _read_folder(folder: Path, before: pl.DataFrame) -> pl.DataFrame:
    paths = sorted(folder.glob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths]) if paths else before.clear()


def _run_step(step: Step, batches: Sequence[pl.DataFrame], context: Context) -> Seen:
    after = _stacked([step.process(batch, context) for batch in batches])
    gone = sorted(set(_stacked(batches)[ROW].to_list()) - set(after[ROW].to_list())) if ROW in after.columns else []
    return Seen(after, dropped=tuple(gone))


# ── pieces ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="in-memory")


def _where(module: Judging, context: Context) -> pl.Expr | None:
    if module.where is None:
        return None
    from qpipe.core.expression import Expression

    return Expression.parse(module.where).compile(context.types)


def _judged(batch: pl.DataFrame, where: pl.Expr | None) -> pl.DataFrame:
    return batch if where is None else batch.filter(where.fill_null(False))


def _stacked(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="vertical") if len(frames) > 1 else frames[0]


_RUNNERS: dict[type[Module], Any] = {
    Check: _run_check,
    Transform: _run_transform,
    Gate: _run_gate,
    Relational: _run_relational,
    Step: _run_step,
}
