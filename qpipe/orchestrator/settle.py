"""Held rows go on: once every question that holds them is answered, they go where the answer says, in one more batch.

Rows that a route held go to an output, are dropped, or stop the run. Rows that a module asked about go through the steps again,
as they came, with the answers known. Either way they come after all other rows, in the order of ``_row``, whenever the answers
arrived: so the result does not depend on how fast people are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qpipe.core.batch import FILE, LINE, REASONS, ROW, SOURCE, Chunk
from qpipe.core.component import Part, Types
from qpipe.core.effects import effect
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.orchestrator.answers import Settled
from qpipe.orchestrator.delivered import keep_rows
from qpipe.orchestrator.feed import Read
from qpipe.orchestrator.findings import stakes, tally, with_reason
from qpipe.orchestrator.gates import BOTH, DELIVERED, measure
from qpipe.orchestrator.program import Computed
from qpipe.orchestrator.work import Done, Worker, provenance_types
from qpipe.spec.plan import OutputNode, Plan, SourceNode

QUESTION = "__question"


def keep_held(held: pl.DataFrame, waits_for: pl.Series, directory: Path, seq: int) -> tuple[Path, list[tuple[str, int]]]:
    """Write the held rows of a batch durably; returns the file and, for each set of questions, its number of rows."""
    effect("held.keep")
    path = directory / "held" / f"{seq:06d}.arrow"
    path.parent.mkdir(exist_ok=True)
    frame = held.with_columns(waits_for.alias(QUESTION))
    with path.open("wb") as file:
        frame.write_ipc(file, compression="uncompressed")
        file.flush()
        os.fsync(file.fileno())
    counted = frame.group_by(QUESTION, maintain_order=True).len()
    return path, list(counted.iter_rows())


@dataclass(frozen=True)
class Going:
    """Held rows that are free to go."""

    settled: tuple[Settled, ...]
    frame: pl.DataFrame  # as they were held

    @property
    def questions(self) -> list[str]:
        return sorted({id for each in self.settled for id in each.questions})


def going(settled: Sequence[Settled]) -> Going:
    """The rows of these held files, in the order of ``_row``."""
    frames = []
    for path in dict.fromkeys(each.path for each in settled):
        waits = [each.question for each in settled if each.path == path]
        frames.append(pl.read_ipc(path).filter(pl.col(QUESTION).is_in(waits)))
    return Going(tuple(settled), pl.concat(frames, how="diagonal_relaxed").sort(ROW))


def send(plan: Plan, group: Going, worker: Worker, types: Types, seq: int) -> Done:
    """Rows that a route held: staged where the answers say. DataRefused when an answer is to stop."""
    targets = {each.question: each.to or "drop" for each in group.settled}
    stopped = [q for q, to in targets.items() if to == "fail"]
    if stopped:
        raise DataRefused(f"the answer to {stopped[0]} is to stop", hint="nothing more is published of this run")
    waited = group.frame[QUESTION]
    to = waited.replace_strict(list(targets), list(targets.values()), return_dtype=pl.String)
    by, why = (waited.replace_strict({s.question: told(s) for s in group.settled}, return_dtype=pl.String)
               for told in (lambda s: s.decision, lambda s: s.why))  # fmt: skip
    frame = group.frame.with_columns(with_reason(group.frame[REASONS], by, why))
    parts: dict[str, Part] = {}
    for output in plan.outputs.values():
        chain = chain_of(plan, output)
        rows = frame.filter(to.is_in(chain))
        if rows.height:
            effect(f"output.{output.id}.stage")
            context = worker.context.but(types=worker.raw_types if output.original else types)
            parts[output.id] = output.output.stage(_shaped(rows, output, types), seq, worker.staging[output.id], context)
    delivered = [o.id for o in plan.outputs.values() if not o.original]
    if worker.keeps_rows:
        keep_rows(group.frame[ROW].filter(to.is_in(delivered)), worker.spool, seq)
    counted = {name: count for name, count in to.value_counts(name="n").sort(to.name).iter_rows()}
    source = worker.programs[group.frame[SOURCE][0]].source
    figures = {DELIVERED: measure(worker.sheets[source.id], group.frame.filter(to.is_in(delivered)))}
    read = _read(group.frame, seq, source)
    return Done(read, worker.programs[source.id], Computed(group.frame.clear()), [], counted, parts, figures, None, 0.0)


def again(group: Going, worker: Worker, seq: int) -> list[Done]:
    """Rows that a module asked about: through the steps once more, source by source, with the answers in the context."""
    made = []
    for number, (source,) in enumerate(group.frame.select(SOURCE).unique(maintain_order=True).iter_rows()):
        rows = group.frame.filter(pl.col(SOURCE) == source)
        program = worker.programs[source]
        done = worker.do(_read(rows, seq + number, program.source))
        before = dict_of(tally(program, Computed(rows)))
        changed = [(c, k, 0, failed - before.get((c, k), 0), source) for c, k, _, failed, source in done.tallies]
        figures = {DELIVERED: done.figures.get(BOTH) or done.figures.get(DELIVERED, {})}  # they passed before
        made.append(replace(done, tallies=changed, stakes=_more(stakes(program, Computed(rows)), done.stakes), figures=figures))
    return made


def _more(before: Sequence[tuple[Any, ...]], after: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What the second judgement adds to the first: failures and what is at stake in them."""
    known = {row[:3]: row[4:] for row in before}
    return [(*row[:3], 0, row[4] - known.get(row[:3], (0, 0.0))[0], row[5] - known.get(row[:3], (0, 0.0))[1]) for row in after]


def dict_of(tallies: Sequence[tuple[str, str, int, int]]) -> Mapping[tuple[str, str], int]:
    return {(check, column): failed for check, column, _, failed in tallies}


def _read(rows: pl.DataFrame, seq: int, source: SourceNode) -> Read:
    raw = rows["__raw"].struct.unnest()
    chunk = Chunk(raw, {}, file=rows[FILE][0] if rows.height else None)
    return Read(seq, source, int(rows[ROW][0]) if rows.height else 0, chunk, None, rows[ROW], rows.select(SOURCE, FILE, LINE))


def _shaped(rows: pl.DataFrame, output: OutputNode, types: Types) -> pl.DataFrame:
    if not output.original:
        return rows.select(*types, *provenance_types(output.output.provenance))
    return rows["__raw"].struct.unnest().with_columns(rows.select(ROW, SOURCE, FILE, LINE, REASONS).get_columns())


def chain_of(plan: Plan, output: OutputNode) -> list[str]:
    """The outputs whose rows an output gets: its own, and those it follows."""
    chain = [output.id]
    follows = output.follows
    while follows is not None and follows not in chain:
        chain.append(follows)
        follows = plan.outputs[follows].follows
    return chain
