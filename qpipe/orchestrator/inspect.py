"""Inspections: what sources are about to deliver is judged before a row of it is read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from qpipe.core.component import Delivery, Inspection, Verdict
from qpipe.core.types import DataType
from qpipe.orchestrator.gates import GateVerdict
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.prepare import Prepared
from qpipe.orchestrator.writer import Transaction
from qpipe.spec.plan import Plan, SourceNode, StepNode

_ORDER = ("pass", "skipped", "not evaluated", "warn", "fail", "error")  # of outcomes, the worst last


@dataclass
class Inspector:
    """Judges every inspection of a plan, on every source that it concerns."""

    plan: Plan
    prepared: Prepared
    journal: Journal
    run: str
    refused: list[str] = field(default_factory=list)  # sources that failed an inspection
    seen: list[tuple[str, str]] = field(default_factory=list)  # (source, digest) of inputs that were asked about

    def judge(self) -> list[GateVerdict]:
        """One verdict for each inspection: the worst of its sources', each kept as a group."""
        found = []
        for step in self.plan.steps:
            if isinstance(step.module, Inspection):
                each = {node.id: self._inspect(step, node) for node in self._concerned(step.module)}
                worst = max(each.values(), key=lambda v: _ORDER.index(v.outcome), default=Verdict("not evaluated"))
                found.append(GateVerdict(step.id, worst, each if len(each) > 1 else {}))
        return found

    def record(self, tx: Transaction) -> None:
        """Keep which inputs this run has seen, for later runs' ``read_before``."""
        for source, digest in dict.fromkeys(self.seen):
            tx.put("done_file", name=self.plan.name, source=source, digest=digest, at=time.time())

    def _concerned(self, module: Inspection) -> Iterator[SourceNode]:
        for node in self.plan.sources:
            if module.source == node.id or (module.source is None and node in self.plan.streams):
                yield node

    def _inspect(self, step: StepNode, node: SourceNode) -> Verdict:
        module, context = step.module, self.prepared.context_of(node.id)
        assert isinstance(module, Inspection)
        columns = self.prepared.columns[node.id] if node.id in self.prepared.columns else node.source.columns(context)
        delivery = Delivery(
            node.id, node.source.inputs(context), columns, node.types, lambda digest: self._read_before(node.id, digest),
            node.source.passed_over(context), self._before(node.id),
        )  # fmt: skip
        verdict = module.inspect(delivery, context)
        milder = verdict.outcome == "fail" and module.severity != "error"
        if verdict.outcome in ("fail", "error") and not milder:
            self.refused.append(node.id)
        return replace(verdict, outcome="warn", message=module.message or verdict.message) if milder else verdict

    def _before(self, source: str) -> dict[str, DataType] | None:
        """The columns that the last run of this spec found, if there was one."""
        found = self.journal.rows(
            "select source.types_json from source join run on run.id = source.run where run.name = ? and source.id = ? "
            "and run.state = 'done' order by run.started desc limit 1",
            self.plan.name, source,
        )  # fmt: skip
        return {name: DataType.parse(told["type"]) for name, told in found[0]["types"].items()} if found else None

    def _read_before(self, source: str, digest: str) -> str | None:
        """The run of this spec that has read an input with this content, if it was published."""
        self.seen.append((source, digest))
        found = self.journal.rows(
            "select run from done_file where name = ? and source = ? and digest = ? and run <> ? and exists "
            "(select 1 from publication where publication.run = done_file.run) order by at limit 1",
            self.plan.name, source, digest, self.run,
        )  # fmt: skip
        return found[0]["run"] if found else None
