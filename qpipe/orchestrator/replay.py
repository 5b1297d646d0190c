"""Repaired rows go back: a quarantine file, mended by hand or by a program, runs through the same spec as a child run.

The columns that qpipe added are taken off; the rows are added to what the outputs have, whatever the spec's mode: a replay of
twelve rows must not replace a day's table with twelve rows.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from qpipe.core.batch import RESERVED
from qpipe.core.component import Context, Output, Source
from qpipe.core.errors import UsageError
from qpipe.core.registry import Registry
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.passes import relational
from qpipe.orchestrator.publish import adding
from qpipe.spec.plan import Plan, SourceNode


def replay_plan(plan: Plan, journal: Journal, reference: str) -> tuple[Plan, str | None]:
    """The plan that takes the rows of a quarantine back, and the run they come from, when a run was named."""
    parent, path = None, Path(reference)
    if not path.exists():
        parent = journal.run(reference)["id"]
        path = _quarantine_of(plan, journal, parent)
    streams = plan.streams
    if len(streams) != 1:
        raise UsageError(
            "a replay needs a spec with one stream of rows", hint=f"this one has {', '.join(s.id for s in streams)}"
        )
    sources = tuple(_from(node, path, plan.directory) if node.is_stream else node for node in plan.sources)
    outputs = {id: replace(node, output=adding(node.output)) for id, node in plan.outputs.items() if not node.original}
    kept = {id: replace(node, output=_elsewhere(node.output, path)) for id, node in plan.outputs.items() if node.original}
    return replace(plan, sources=sources, outputs={**outputs, **kept}), parent


def alone(plan: Plan) -> list[str]:
    """The checks of a plan that judge rows beside all others: in a replay they see only the rows that come back."""
    return [step.id for step in relational(plan) if step.module.effect == "findings"]  # type: ignore[attr-defined]


def _quarantine_of(plan: Plan, journal: Journal, run: str) -> Path:
    for node in plan.outputs.values():
        if node.original:
            found = journal.rows(
                "select result_json from publication where run=? and output=? and state='done' order by at desc", run, node.id
            )
            if found and (found[0]["result"] or {}).get("path"):
                return Path(found[0]["result"]["path"])
    raise UsageError(f"{run} published no quarantine")


def _from(node: SourceNode, path: Path, directory: Path) -> SourceNode:
    """The stream, read from the quarantine, without the columns that qpipe added."""
    file: type[Source] = Registry().get("source", "file")  # type: ignore[assignment]
    given = {"path": str(path.resolve()), "schema": node.source.schema, "on_new_column": "accept", "on_missing_column": "warn",
             "on_malformed": node.source.on_malformed}  # fmt: skip
    inner: Source = file(**given)  # type: ignore[arg-type]
    return replace(node, source=Repaired(inner=inner))  # type: ignore[call-arg]


class Repaired(Source):
    """A quarantine as a source: the columns of the stream it came from, and nothing that was added to them."""

    name = "quarantine"

    inner: Source

    def columns(self, context: Context):  # type: ignore[no-untyped-def]
        return {n: t for n, t in self.inner.columns(context).items() if n not in RESERVED}

    def read(self, context, position, rows, columns=None):  # type: ignore[no-untyped-def]
        keep = list(self.columns(context))
        for chunk in self.inner.read(context, position, rows, None):
            yield replace(chunk, frame=chunk.frame.select([n for n in keep if n in chunk.frame.columns]))

    def identity(self, context: Context):  # type: ignore[no-untyped-def]
        return self.inner.identity(context)


def _elsewhere(output: Output, quarantine: Path) -> Output:
    """What fails again must not overwrite the file that is being read."""
    if not any(f.name == "path" for f in fields(output)):
        return output
    folder = quarantine.is_dir()
    name = f"{quarantine.name}-again" if folder else f"{quarantine.stem}-again{''.join(quarantine.suffixes)}"
    return replace(output, path=str(quarantine.with_name(name)) + ("/" if folder else ""))  # type: ignore[call-arg]
