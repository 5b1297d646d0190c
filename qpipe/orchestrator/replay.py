"""Repaired rows go back: a quarantine file, mended by hand or by a program, runs through the same spec as a child run.

The columns that qpipe added are taken off; the rows are added to what the outputs have, whatever the spec's mode: a replay of
twelve rows must not replace a day's table with twelve rows. What was delivered before counts: rules about all rows see it
(``delivered``), and a row of the quarantine that an earlier replay has delivered as it stands is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from qpipe.core.batch import REASONS, RESERVED, ROW, Chunk, Fault, Json
from qpipe.core.component import Context, Output, Source
from qpipe.core.effects import effect
from qpipe.core.errors import UsageError
from qpipe.core.lazy import np, pl
from qpipe.core.registry import Registry
from qpipe.core.types import DataType
from qpipe.orchestrator.feed import line_of, lines_of
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.passes import relational
from qpipe.orchestrator.publish import adding
from qpipe.spec.plan import Plan, Replay, SourceNode

MARKS = "marks.npy"  # in a replay's folder: what its delivered rows were when they were read
ROWS = 50_000  # read at a time


def replay_plan(plan: Plan, journal: Journal, reference: str, parent: str | None = None) -> Plan:
    """The plan that takes the rows of a quarantine back. ``reference``: a file, or a run; ``parent``: the run it is of.

    Of a file that no run has published it is the latest one of the spec that published a quarantine, where nobody says.
    """
    path = Path(reference)
    if path.exists():
        parent = journal.run(parent)["id"] if parent else _publisher_of(plan, journal, path)
    else:
        parent = journal.run(reference)["id"]
        path = _quarantine_of(plan, journal, parent)
    return taking_back(plan, journal, Replay(path, parent, _beside(journal, parent) if parent else ()))


def taking_back(plan: Plan, journal: Journal, replay: Replay) -> Plan:
    """The same, once it is known whose rows they are."""
    streams, path = plan.streams, replay.path
    if len(streams) != 1:
        raise UsageError(
            "a replay needs a spec with one stream of rows", hint=f"this one has {', '.join(s.id for s in streams)}"
        )
    marks = tuple(str(journal.directory(run) / MARKS) for run in replay.beside)
    sources = tuple(_from(node, path, marks) if node.is_stream else node for node in plan.sources)
    outputs = {id: replace(node, output=adding(node.output)) for id, node in plan.outputs.items() if not node.original}
    kept = {id: replace(node, output=_elsewhere(node.output, path)) for id, node in plan.outputs.items() if node.original}
    return replace(plan, sources=sources, outputs={**outputs, **kept}, replay=replay)


def replay_of(journal: Journal, run: str) -> Replay | None:
    """What a run took back, if it is a replay."""
    begun = journal.rows("select data_json from event where run=? and name='run.started' order by id limit 1", run)
    told = (begun[0]["data"] or {}).get("replay") if begun else None
    return Replay(Path(told["path"]), told["parent"], tuple(told["beside"])) if told else None


def alone(plan: Plan) -> list[str]:
    """The checks of a plan that judge rows beside others, but not beside what was delivered before."""
    return [
        step.id for step in relational(plan)
        if step.module.effect == "findings" and step.module.earlier_rows is None  # type: ignore[attr-defined]
    ]  # fmt: skip


def keep_marks(plan: Plan, context: Context, delivered: Any, directory: Path) -> None:
    """Write down what the delivered rows of a replay were when they were read, so that a later one leaves them out."""
    effect("marks.keep")
    source = plan.streams[0].source
    assert isinstance(source, Repaired)
    found, row = [np.zeros(0, dtype=np.uint64)], 0
    for chunk in source.whole(context, None, ROWS):
        marks = _marks(chunk)
        height = chunk.frame.height
        if marks is not None:
            found.append(marks[delivered.holds(np.arange(row, row + height))])
        row += height
    np.save(directory / MARKS, np.concatenate(found), allow_pickle=False)


def _quarantine_of(plan: Plan, journal: Journal, run: str) -> Path:
    if found := _published(plan, journal, run):
        return found[0]
    raise UsageError(f"{run} published no quarantine")


def _published(plan: Plan, journal: Journal, run: str) -> list[Path]:
    """The files of rows as they came that a run has published, the latest first."""
    query = "select output, result_json from publication where run=? and state='done' order by at desc"
    original = {node.id for node in plan.outputs.values() if node.original}
    found = [row["result"] or {} for row in journal.rows(query, run) if row["output"] in original]
    return [Path(result["path"]) for result in found if result.get("path")]


def _publisher_of(plan: Plan, journal: Journal, path: Path) -> str | None:
    """The run that has published this file; else the latest that has published a quarantine and took none back."""
    runs = [run["id"] for run in journal.runs() if run["name"] == plan.name]
    published = {run: [each.resolve() for each in _published(plan, journal, run)] for run in runs}
    by = [run for run, paths in published.items() if path.resolve() in paths]
    return next(iter(by or [run for run, paths in published.items() if paths and not replay_of(journal, run)]), None)


def _beside(journal: Journal, parent: str) -> tuple[str, ...]:
    """The run whose rows went to quarantine first, and all that have taken rows of it back, in this version of Polars."""
    first = _first(journal, parent)
    name = journal.run(first)["name"]
    runs = journal.rows("select id, versions_json from run where name=? and (id=? or parent is not null) order by started",
                        name, first)  # fmt: skip
    return tuple(
        run["id"] for run in runs
        if (run["versions"] or {}).get("polars") == pl.__version__  # hashes are compared
        and _first(journal, run["id"]) == first and _delivers(journal, run["id"])
    )  # fmt: skip


def _first(journal: Journal, run: str) -> str:
    """The run at the beginning of a chain of replays."""
    while (replay := replay_of(journal, run)) and replay.parent:
        run = replay.parent
    return run


def _delivers(journal: Journal, run: str) -> bool:
    return bool(journal.rows("select 1 from publication where run=? and state='done' limit 1", run))


def _from(node: SourceNode, path: Path, before: tuple[str, ...]) -> SourceNode:
    """The stream, read from the quarantine, without the columns that qpipe added."""
    file: type[Source] = Registry().get("source", "file")  # type: ignore[assignment]
    given = {"path": str(path.resolve()), "schema": node.source.schema, "on_new_column": "accept", "on_missing_column": "warn",
             "on_malformed": node.source.on_malformed}  # fmt: skip
    inner: Source = file(**given)  # type: ignore[arg-type]
    return replace(node, source=Repaired(inner=inner, before=before))  # type: ignore[call-arg]


class Repaired(Source):
    """A quarantine as a source: the columns of the stream it came from, and nothing that was added to them."""

    name = "quarantine"

    inner: Source
    before: tuple[str, ...] = ()  # files with the marks of rows that earlier replays have delivered

    def columns(self, context: Context) -> dict[str, DataType]:
        return {n: t for n, t in self.inner.columns(context).items() if n not in RESERVED}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        keep = list(self.columns(context))
        for chunk in self.whole(context, position, rows):
            yield replace(chunk, frame=chunk.frame.select([n for n in keep if n in chunk.frame.columns]))

    def whole(self, context: Context, position: Json | None, rows: int) -> Iterator[Chunk]:
        """The same rows with the columns that were added."""
        known = [np.load(path, allow_pickle=False) for path in self.before if Path(path).exists()]
        delivered = np.concatenate([np.zeros(0, dtype=np.uint64), *known])
        for chunk in self.inner.read(context, position, rows, None):
            marks = _marks(chunk) if delivered.size else None
            yield chunk if marks is None else _without(chunk, np.isin(marks, delivered))

    def identity(self, context: Context) -> Json:
        return self.inner.identity(context)


def _marks(chunk: Chunk) -> Any:
    """A hash of each row as it is written, with its number in the run it came from; None where that was taken off."""
    if ROW not in chunk.frame.columns or not chunk.frame.height:
        return None
    rows = chunk.as_it_came(pl.int_range(chunk.frame.height, dtype=pl.Int64, eager=True))
    return rows.select(pl.exclude(REASONS)).hash_rows(17).to_numpy()


def _without(chunk: Chunk, gone: Any) -> Chunk:
    """The chunk without some of its rows, which are told of."""
    if not gone.any():
        return chunk
    left = pl.Series(np.flatnonzero(~gone))
    place = {int(row): n for n, row in enumerate(left)}
    first = int(np.flatnonzero(gone)[0])
    count = int(gone.sum())
    told = f"{count:,} row{'s' * (count > 1)} left out: an earlier replay has delivered the same"
    faults = [replace(f, row=f.row if f.row is None else place[f.row]) for f in chunk.faults if f.row is None or f.row in place]
    faults.append(Fault(None, line_of(chunk, first) or first + 1, "delivered-before", told, severity="warning"))
    return replace(
        chunk, frame=chunk.frame[left], first_line=None, lines=lines_of(chunk, left), faults=tuple(faults),
        original=lambda offsets: chunk.as_it_came(left.gather(offsets)),
    )  # fmt: skip


def _elsewhere(output: Output, quarantine: Path) -> Output:
    """What fails again must not overwrite the file that is being read."""
    if not any(f.name == "path" for f in fields(output)):
        return output
    folder = quarantine.is_dir()
    name = f"{quarantine.name}-again" if folder else f"{quarantine.stem}-again{''.join(quarantine.suffixes)}"
    return replace(output, path=str(quarantine.with_name(name)) + ("/" if folder else ""))  # type: ignore[call-arg]
