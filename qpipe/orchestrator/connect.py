"""``qpipe validate --connect`` and ``qpipe sources check``: a plan against what its sources really deliver."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from qpipe.core.batch import Json
from qpipe.core.component import Context, Types
from qpipe.core.errors import Problem, QpipeError, exit_code_of
from qpipe.orchestrator.drift import missing_columns, new_columns
from qpipe.orchestrator.fuse import compile_program, misfits
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.prepare import union_of
from qpipe.orchestrator.reliability import Reliability, reliability
from qpipe.orchestrator.router import Router
from qpipe.orchestrator.tables import load_tables
from qpipe.spec.plan import Plan, SourceNode


def connect_problems(plan: Plan) -> list[Problem]:
    """What only open sources can tell. Reads reference tables, and of streams no more than their columns."""
    context = Context(directory=plan.directory)
    problems: list[Problem] = []
    columns: dict[str, Types] = {}
    for node in plan.sources:
        try:
            columns[node.id] = node.source.columns(context)
        except QpipeError as error:
            problems.append(_problem(plan, node, "source-unavailable", error))
    if problems:
        return problems
    try:
        context = context.but(tables=load_tables(plan.references, context))
        streams = {node.id: columns[node.id] for node in plan.streams}
        union = union_of(plan, streams)
        if found := misfits(plan, union, context):
            return found
        for node in plan.streams:
            compile_program(plan, node, streams[node.id], union, context, {}, (), Router(plan).stages)
    except QpipeError as error:
        problems.append(_problem(plan, plan.sources[0], "source-contract", error))
    except KeyError as error:
        message = f"a module names the column {error}, which no source has."
        problems.append(Problem(plan.file, 1, 1, "modules", "unknown-column", message, "Give the sources a schema."))
    return problems


def _problem(plan: Plan, node: SourceNode, code: str, error: QpipeError) -> Problem:
    return Problem(
        plan.file,
        node.place.line,
        node.place.column,
        f"sources.{node.id}",
        code,
        plan.redact(str(error)).split("\n")[0],
        plan.redact(error.hint),
    )


@dataclass(frozen=True)
class Look:
    """What a source answered when it was opened."""

    source: str
    type: str
    role: str
    seconds: float = 0.0  # until its columns and first rows were there
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    inputs: Sequence[str] = ()
    rows_told: int | None = None
    bytes_told: int | None = None
    notes: Sequence[str] = ()  # where it is not what its contract says
    reliability: Reliability | None = None
    error: str = ""
    hint: str = ""
    exit_code: int = 0

    def to_json(self) -> Json:
        return {**asdict(self), "reliability": self.reliability.to_json() if self.reliability else None}


def look_at(plan: Plan, node: SourceNode, rows: int, journal: Journal | None) -> Look:
    """Open a source and take its first rows. Columns that hold personal data are masked."""
    source, context = node.source, Context(directory=plan.directory)
    known = reliability(plan, journal, node.id) if journal and node in plan.streams else None
    kind, began = source.name, time.perf_counter()
    try:
        columns = source.columns(context)
        first = next(source.read(context, None, rows), None) if rows else None
        seconds = time.perf_counter() - began
        told, inputs = source.size(context), [each.name for each in source.inputs(context)]
    except QpipeError as error:
        place = f"{error.file}: " if error.file else ""
        words, hint = plan.redact(f"{place}{error.message}"), plan.redact(error.hint)
        return Look(node.id, kind, source.role, reliability=known, error=words, hint=hint, exit_code=exit_code_of(error))
    hidden = {name for name, entry in (source.schema or {}).items() if isinstance(entry, dict) and entry.get("pii")}
    frame = first.frame.head(rows) if first is not None else None
    shown = [{name: "•••" if name in hidden and cell is not None else cell for name, cell in row.items()}
             for row in (frame.iter_rows(named=True) if frame is not None else ())]  # fmt: skip
    notes = _differences(node, columns)
    refused = bool(missing_columns(node, columns)) and source.on_missing_column == "fail"
    return Look(node.id, kind, source.role, seconds, {name: str(t) for name, t in columns.items()}, shown, inputs, *told,
                notes, known, exit_code=65 if refused else 0)  # fmt: skip


def _differences(node: SourceNode, columns: Types) -> list[str]:
    declared = node.types or {}
    missing = [name for name in declared if name not in columns]
    new = new_columns(node, columns) if declared else []
    return [f"its contract also names {', '.join(missing)}"] * bool(missing) + [
        f"its contract does not name {', '.join(new)}"
    ] * bool(new)
