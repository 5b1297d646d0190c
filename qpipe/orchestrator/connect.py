"""``qpipe validate --connect``: the plan against what its sources really deliver."""

from __future__ import annotations

from qpipe.core.component import Context, Types
from qpipe.core.errors import Problem, QpipeError
from qpipe.orchestrator.prepare import union_of
from qpipe.orchestrator.program import compile_program, misfits
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
        plan.file, node.place.line, node.place.column, f"sources.{node.id}", code, str(error).split("\n")[0], error.hint
    )
