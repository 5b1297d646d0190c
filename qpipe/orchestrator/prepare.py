"""A plan made ready for a run: sources opened, columns known, reference tables loaded, outputs found writable."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qpipe.core.batch import Json
from qpipe.core.component import Context, Types
from qpipe.core.errors import DataRefused, of_source
from qpipe.orchestrator.cursors import Cursors
from qpipe.orchestrator.drift import missing_columns, new_columns, refuse, refuse_types
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.summary import score_so_far
from qpipe.orchestrator.tables import load_tables
from qpipe.spec.plan import Plan, SourceNode

CELLS = 1_200_000  # in a batch, where the spec names no batch size
TEXT_CELLS = 1_600_000  # the same of what is read as text: a block of it is one batch


@dataclass(frozen=True)
class Prepared:
    """A plan with its sources opened: columns known, tables loaded, outputs found writable."""

    plan: Plan
    context: Context
    columns: Mapping[str, Types]  # what each stream delivers
    union: Types  # what the modules see
    identities: Mapping[str, Json]
    sizes: tuple[int | None, int | None]  # rows, bytes to come
    cursors: Cursors

    @classmethod
    def of(
        cls, plan: Plan, journal: Journal, work: Path | None, started: float, run: str = "", afresh: bool = False,
        check_stop: Callable[[], None] = lambda: None,
    ) -> Prepared:  # fmt: skip
        cursors = Cursors(journal, plan.name, run, afresh=afresh)
        context = Context(
            directory=plan.directory, work=work, started=started, memory_limit=plan.settings.memory_limit // 4, run=run,
            history=lambda check, measure: journal.history(plan.name, run, check, measure),
            earlier=lambda check, measure: journal.earlier(plan.name, run, check, measure),
            score=lambda dimension, column, source: score_so_far(journal, run, plan, dimension, column, source),
            check_stop=check_stop,
        )  # fmt: skip
        for output in plan.outputs.values():
            output.output.prepare(context)
        context = context.but(tables=load_tables(plan.references, context))
        given = {node.id: cursors.given(node.id, context) for node in plan.streams}
        columns = {node.id: _columns(node, given[node.id]) for node in plan.streams}
        for node in plan.streams:
            refuse(node, new_columns(node, columns[node.id]), missing_columns(node, columns[node.id]),
                   there=", ".join(columns[node.id]))  # fmt: skip
            refuse_types(node, columns[node.id])
        union = union_of(plan, columns)
        return cls(plan, context, columns, union, identities_of(plan.sources, given, context), _sizes(plan, given), cursors)

    def context_of(self, source: str) -> Context:
        """The context in which a source is read."""
        return self.cursors.given(source, self.context)

    def identify(self) -> dict[str, Json]:
        """What the sources are now."""
        return identities_of(self.plan.sources, {n.id: self.context_of(n.id) for n in self.plan.streams}, self.context)


def identities_of(sources: Sequence[SourceNode], given: Mapping[str, Context], context: Context) -> dict[str, Json]:
    found = {}
    for node in sources:
        with of_source(node.id):
            found[node.id] = node.source.identity(given.get(node.id, context))
    return found


def _columns(node: SourceNode, context: Context) -> Types:
    with of_source(node.id):
        return node.source.columns(context)


def batch_rows(plan: Plan, types: Types) -> int:
    """Rows in a batch: as the spec says, else fewer for wide data."""
    cells = CELLS if _columnar(plan) else TEXT_CELLS
    return plan.settings.batch_size or max(10_000, min(200_000, cells // max(1, len(types))))


def workers(plan: Plan) -> int:
    """Batches in the making: as the spec says, else some more than there are processors, as one or another waits for the disk.

    Columnar sources give batches as fast as they are computed, and each takes more memory.
    """
    return plan.settings.workers or min(4, (1 if _columnar(plan) else 2) + (os.cpu_count() or 1))


def _columnar(plan: Plan) -> bool:
    return all(node.source.columnar for node in plan.streams)


def memory_mb() -> float:
    """Peak resident memory of this process."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def union_of(plan: Plan, columns: Mapping[str, Types]) -> Types:
    """The columns that modules see: every stream's under its contract, one type for each."""
    union: dict[str, Any] = {}
    for node in plan.streams:
        declared = dict(node.types or {})
        for name, given in {**columns[node.id], **declared}.items():
            wanted = declared.get(name, given)
            known = union.setdefault(name, wanted)
            if known.polars() != wanted.polars():
                raise DataRefused(f"the column {name} is {known} in one source and {wanted} in {node.id}",
                                  hint="give it one type in the schemas of both")  # fmt: skip
    return union


def masked(plan: Plan) -> list[str]:
    """Columns with personal data, as the contracts say: not shown in samples."""
    schemas = [(node.source.schema or {}).items() for node in plan.streams]
    return [name for schema in schemas for name, kind in schema if isinstance(kind, dict) and kind.get("pii")]


def told_types(plan: Plan, id: str, columns: Mapping[str, Types]) -> dict[str, Any]:
    node = next(n for n in plan.sources if n.id == id)
    types = {**columns.get(id, {}), **(node.types or {})}
    schema = node.source.schema or {}
    return {
        n: {"type": str(t), "pii": isinstance(schema.get(n), dict) and bool(schema[n].get("pii"))} for n, t in types.items()
    }


def _sizes(plan: Plan, given: Mapping[str, Context]) -> tuple[int | None, int | None]:
    sizes = [node.source.size(given[node.id]) for node in plan.streams]
    rows = [r for r, _ in sizes]
    size = [b for _, b in sizes]
    return (None if None in rows else sum(r or 0 for r in rows)), (None if None in size else sum(b or 0 for b in size))
