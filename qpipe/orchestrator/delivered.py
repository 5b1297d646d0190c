"""What a run has delivered, kept for rules about all rows.

Such a rule is judged on the rows of one reading. Two things come later: rows are routed away, so that it may hold no more of
what is delivered (``remaining``); and rows come back from quarantine (``replay``), to be judged beside what earlier runs have
delivered. For both, what the rule gathered stays in the run's folder, and one bit for every row that was delivered.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qpipe.core.batch import Json
from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.effects import effect
from qpipe.core.gather import Collector
from qpipe.core.lazy import np, pl
from qpipe.core.rowset import RowSet
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.passes import relational
from qpipe.spec.plan import Plan, StepNode

BESIDE = ", with what was delivered before"  # added to what a rule expects of rows that come back
GATHERED, ROWS = "gather", "delivered"  # folders of a run


def may_break(module: Relational) -> bool:
    """Whether its claim may hold of all rows and not of a part of them."""
    return module.effect == "findings" and not module.holds_of_parts


def is_kept(plan: Plan, module: Relational) -> bool:
    """Whether what a step gathers may be asked for after its pass."""
    returns = any(output.original for output in plan.outputs.values())
    return may_break(module) or (returns and module.effect == "findings" and module.earlier_rows is not None)


def kept_steps(plan: Plan) -> list[StepNode]:
    return [step for step in relational(plan) if is_kept(plan, step.module)]  # type: ignore[arg-type]


def keep_rows(rows: pl.Series, directory: Path, seq: int) -> None:
    """Write down which rows of a batch are delivered. A repeat writes the same."""
    effect("delivered.keep")
    folder = directory / ROWS
    folder.mkdir(exist_ok=True)
    ordinals = rows.to_numpy()
    low, end = (int(ordinals.min()) & ~7, int(ordinals.max()) + 1) if ordinals.size else (0, 0)
    mask = np.zeros(end - low, dtype=bool)
    mask[ordinals - low] = True
    np.savez(folder / f"{seq:06d}.npz", low=low, bits=np.packbits(mask, bitorder="little"))


def delivered_rows(directory: Path) -> RowSet:
    """All rows that a run has delivered so far; ``directory`` is the run's."""
    parts = []
    for path in sorted((directory / ROWS).glob("*.npz")):
        with np.load(path, allow_pickle=False) as part:
            parts.append((int(part["low"]) >> 3, part["bits"]))
    bits = np.zeros(max((low + part.size for low, part in parts), default=0), dtype=np.uint8)
    for low, part in parts:
        bits[low : low + part.size] |= part
    return RowSet(bits)


def keep_for_replays(plan: Plan, directory: Path) -> None:
    """At the end of a run: nothing stays but what rows that come back are judged beside."""
    steps = {step.id for step in kept_steps(plan) if step.module.earlier_rows is not None}  # type: ignore[attr-defined]
    for folder in (directory / GATHERED).glob("*/*"):
        if folder.name not in steps:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Gathered:
    """What a step gathered in a run, and the rows of it that count."""

    folder: Path
    state: Json
    rows: RowSet

    @classmethod
    def of(cls, journal: Journal, run: str, step: str, words: str) -> Gathered | None:
        """What a run that has ended keeps of a step; None where it keeps nothing, or the rule was another one."""
        for row in journal.rows("select number, checkpoint_json from pass where run=? order by number", run):
            kept = ((row["checkpoint"] or {}).get("kept") or {}).get(step)
            folder = journal.directory(run) / GATHERED / str(row["number"]) / step
            if kept and kept["words"] == words and folder.exists():
                return cls(folder, kept["state"], delivered_rows(journal.directory(run)))
        return None


def words_of(module: Relational, context: Context) -> str:
    """What a step gathers, in words: only what was gathered alike can be judged together."""
    told = [str(module.where)]
    for name, expression in module.gather(context).items():
        told += [name, str(expression), *(str(context.types[column]) for column in expression.meta.root_names())]
    return " ".join(told)


def beside(journal: Journal, plan: Plan, step: str, context: Context) -> list[Gathered]:
    """What the runs have delivered whose quarantine comes back: nothing where this run is no replay."""
    module = plan.step(step).module
    assert isinstance(module, Relational)
    if plan.replay is None or module.earlier_rows is None:
        return []
    words = words_of(module, context)
    return [found for run in plan.replay.beside if (found := Gathered.of(journal, run, step, words))]


def judged_beside(
    module: Relational, own: Gathered, earlier: Sequence[Gathered], context: Context, place: Path
) -> list[RowVerdict]:
    """The verdicts on the rows of a run, with those that earlier runs have delivered before or after them.

    ``place`` is an empty folder to work in. No verdict is on an earlier row.
    """
    first = module.earlier_rows == "before"
    collected = module.collector(context, place)
    shift = start = 0
    for each in [*earlier, own] if first else [own, *earlier]:
        if each is own:
            start = shift
        collected.take(each.folder, each.state, each.rows, shift)
        shift += each.rows.end
    verdicts = [_own(verdict, start, start + own.rows.end) for verdict in module.judge(collected, context)]
    _remove(collected, place)
    return [replace(v, expected=f"{v.expected}{BESIDE}") for v in verdicts] if earlier else verdicts


def _own(verdict: RowVerdict, start: int, end: int) -> RowVerdict:
    notes = {row - start: words for row, words in verdict.notes.items() if start <= row < end}
    return replace(verdict, rows=verdict.rows.between(start, end), notes=notes)


def _remove(collected: Collector, place: Path) -> None:
    collected.close()
    shutil.rmtree(place, ignore_errors=True)
