"""The programs of a pass: the plan compiled for every source, with what earlier passes have found and made."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from qpipe.core.batch import Json
from qpipe.core.component import Context, RowVerdict, Types
from qpipe.core.rowset import RowSet
from qpipe.orchestrator.feed import result_source
from qpipe.orchestrator.fuse import compile_program, table_types
from qpipe.orchestrator.passes import Pass
from qpipe.orchestrator.prepare import Prepared
from qpipe.orchestrator.program import Program, Replaced
from qpipe.orchestrator.router import Router
from qpipe.orchestrator.writer import Writer
from qpipe.spec.plan import SourceNode


class Programs:
    """Compiles the passes of one run."""

    def __init__(self, prepared: Prepared, router: Router, writer: Writer) -> None:
        self._prepared, self.plan, self._router, self._writer = prepared, prepared.plan, router, writer

    def of(self, each: Pass, context: Context) -> dict[str, Program]:
        """A program for each source of a pass, and for the rows that SQL steps have made anew."""
        verdicts, replaced = self.verdicts(each), self.replaced(each)
        finish = self._router.stages if each.is_last else None

        def compiled(node: SourceNode, columns: Types, union: Types, after: str | None) -> Program:
            return compile_program(
                self.plan, node, columns, union, context, verdicts, each.gathers, finish, replaced, after, self._router.leaving
            )

        prepared = self._prepared
        programs = {n.id: compiled(n, prepared.columns[n.id], prepared.union, None) for n in self.plan.streams}
        for id, result in replaced.items():
            if not result.same_rows:
                programs[id] = compiled(result_source(id, result.folder, result.types), result.types, result.types, id)
        return programs

    def replaced(self, each: Pass) -> dict[str, Replaced]:
        """What SQL steps of earlier passes have made."""
        found = {}
        for checkpoint in self._earlier(each):
            for id, told in (checkpoint.get("replaced") or {}).items():
                found[id] = Replaced(Path(told["folder"]), self.types_after[id], told["same_rows"])
        return found

    @cached_property
    def types_after(self) -> dict[str, Types]:
        """The columns after each step."""
        types, tables, found = self._prepared.union, table_types(self._prepared.context), {}
        for step in self.plan.steps:
            types = found[step.id] = step.module.types_after(types, tables)
        return found

    def types_before(self, id: str) -> Types:
        """The columns that a step sees."""
        ids = [step.id for step in self.plan.steps]
        place = ids.index(id)
        return self.types_after[ids[place - 1]] if place else self._prepared.union

    def verdicts(self, each: Pass) -> dict[str, list[RowVerdict]]:
        """What relational steps of earlier passes found, from disk."""
        found: dict[str, list[RowVerdict]] = {}
        for checkpoint in self._earlier(each):
            for id, told in checkpoint["verdicts"].items():
                for n, meta in enumerate(told):
                    rows = RowSet.load(self._writer.directory / f"rows-{id}-{n}.npy")
                    found.setdefault(id, []).append(RowVerdict.kept(rows, meta))
        return found

    def _earlier(self, each: Pass) -> list[Json]:
        """What the passes before this one ended with."""
        rows = self._writer.journal.rows(
            "select checkpoint_json from pass where run=? and number<? order by number", self._writer.run, each.number
        )
        return [row["checkpoint"] or {} for row in rows]
