"""The end of a run: gates are judged, then every output is published, once, between two commits: the intent and the fact."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from qpipe.core.batch import Json
from qpipe.core.component import Context, Judging, Loading, Output, Part, Types
from qpipe.core.effects import effect
from qpipe.core.errors import DataRefused
from qpipe.core.judgement import judge_rows
from qpipe.orchestrator import drift
from qpipe.orchestrator.answers import let_pass
from qpipe.orchestrator.delivered import GATHERED, ROWS
from qpipe.orchestrator.gates import Gates, GateVerdict
from qpipe.orchestrator.patience import Patience
from qpipe.orchestrator.work import original_types, provenance_types
from qpipe.orchestrator.writer import Writer
from qpipe.spec.plan import OutputNode, Plan


@dataclass(frozen=True)
class Publisher:
    """Publishes what a run has staged. Everything here may be repeated after a crash."""

    plan: Plan
    writer: Writer
    context: Context
    processed: Types  # the columns after the last step
    raw: Types  # the columns of rows as they came
    strict: bool = False
    patience: Patience = field(default_factory=Patience)
    loadings: dict[str, Loading | None] = field(default_factory=dict)  # of outputs that have begun before all is through

    def gate(self, gates: Gates) -> None:
        """Nothing is published when an error gate does not pass, or a check fails beyond its tolerance."""
        passed = let_pass(self.writer.journal, self.writer.run)
        verdicts = [_passed(v, passed[v.gate]) if v.gate in passed else v for v in gates.judge()]
        with self.writer.commit("gates") as tx:
            for v in verdicts:
                tx.event("gate.judged", None, **verdict_event(v))
        refused = self.refused(verdicts)
        refused += [words for id, words in (self._intolerable() | self._drifted()).items() if id not in passed]
        refused += self._warned()
        if refused:
            self.discard()
            raise DataRefused("nothing was published: " + "; ".join(refused), hint=f"see `qpipe show {self.writer.run}`")

    def doubts(self, gates: Gates) -> dict[str, str]:
        """What would forbid to publish, but for a person who says otherwise: step → why."""
        found = {
            v.gate: v.verdict.message or "it failed" for v in gates.judge() if v.verdict.outcome == "fail" and self._refuses(v)
        }
        found |= self._intolerable()
        asked = {id: why for id, why in found.items() if getattr(self.plan.step(id).module, "on_fail", "") == "question"}
        return asked | self._drifted()

    def refused(self, verdicts: Sequence[GateVerdict]) -> list[str]:
        """Why these verdicts forbid to go on, in words."""
        return [f"{v.gate}: {v.verdict.message or v.verdict.outcome}" for v in verdicts if self._refuses(v)]

    def _refuses(self, judged: GateVerdict) -> bool:
        level, outcome = self.plan.settings.fail_on, judged.verdict.outcome
        if level == "never" or outcome == "pass":
            return False
        severity = getattr(self.plan.step(judged.gate).module, "severity", "error")
        if outcome == "not evaluated":
            return not judged.verdict.learning and (level == "warning" or severity == "error")
        return level == "warning" or outcome in ("fail", "error")

    def _intolerable(self) -> dict[str, str]:
        """Row checks that failed beyond their tolerance; with --strict, every error check that failed anywhere."""
        if self.plan.settings.fail_on == "never":
            return {}
        refusing = ("error", "warning") if self.plan.settings.fail_on == "warning" else ("error",)
        modules = {step.id: step.module for step in self.plan.steps}
        words: dict[str, str] = {}
        for row in self.writer.journal.rows("select * from tally where run=? and failed>0", self.writer.run):
            module = modules.get(row["check"])
            severity, tolerance = getattr(module, "severity", "error"), getattr(module, "tolerance", None)
            if severity not in refusing or (tolerance is None and not (self.strict and severity == "error")):
                continue
            if not isinstance(module, Judging) or judge_rows(module, row["failed"], row["evaluated"]).outcome != "pass":
                words.setdefault(row["check"], f"{row['check']}: {row['failed']:,} of {row['evaluated']:,} rows failed")
        return words

    def _warned(self) -> list[str]:
        """What routes that only warn have told, one batch of each, where a warning refuses the data."""
        routes = [route.id for route in self.plan.routes if route.warns]
        if self.plan.settings.fail_on != "warning" or not routes:
            return []
        told: dict[str, str] = {}
        for event in self.writer.journal.events(self.writer.run):
            if event.name == "source.note" and event.data["code"] in routes:
                told.setdefault(event.data["code"], event.data["message"])
        return list(told.values())

    def _drifted(self) -> dict[str, str]:
        """Columns that are not those of a contract whose source asks about them."""
        found = drift.doubts(self.plan, self.writer.journal, self.writer.run)
        return {name: f"{name.removesuffix('-columns')}: {told}" for name, told in found.items()}

    def load(self, parts: Mapping[str, Part]) -> None:
        """Parts that are recorded: an output that can may take them ahead, hidden, so that less is left to do at the end."""
        for id, part in parts.items():
            if id not in self.loadings:
                self.loadings[id] = self._begun(id)
            elif loading := self.loadings[id]:
                loading.add(part)

    def _begun(self, id: str) -> Loading | None:
        """With everything that is recorded already."""
        shown = self._publications(id, "done")
        loading = self._adding(id, bool(shown)).loading(self._types(self.plan.outputs[id]), self.context)
        if loading:
            for part in self.parts(id)[sum(row["parts"] for row in shown) :]:
                loading.add(part)
        return loading

    def release(self) -> None:
        """Nothing is on its way any more."""
        for loading in filter(None, self.loadings.values()):
            loading.close()

    def publish(self) -> None:
        """Show every output's rows, once. What a parked run has shown already stays; later rows are added to it."""
        self.finish()
        for id in self.plan.outputs:
            parts, shown = self.parts(id), self._publications(id, "done")
            new = parts[sum(row["parts"] for row in shown) :]
            if new or not shown:
                counts = {"parts": len(new), "rows": sum(part.rows for part in new), "at": time.time()}
                token = hashlib.sha256(f"{self.writer.run}/{id}/{len(parts)}".encode()).hexdigest()[:16]
                with self.writer.commit("intent") as tx:
                    tx.put("publication", output=id, token=token, state="intent", **counts)
                    tx.update_run(stage=f"publish {id}")
                self._show(id, new, token, bool(shown))

    def finish(self) -> None:
        """Do what was intended before a crash, with the very parts that were intended: the token makes a repeat harmless."""
        for id in self.plan.outputs:
            for row in self._publications(id, "intent"):
                shown = self._publications(id, "done")
                start = sum(done["parts"] for done in shown)
                self._show(id, self.parts(id)[start : start + row["parts"]], row["token"], bool(shown))

    def _show(self, id: str, parts: Sequence[Part], token: str, more: bool) -> None:
        output = self._adding(id, more)
        result = self.patience.through(lambda: self._published(id, output, parts, token))
        rows = sum(part.rows for part in parts)
        with self.writer.commit("published") as tx:
            counts = {"parts": len(parts), "rows": rows, "at": time.time(), "result_json": result}
            tx.put("publication", output=id, token=token, state="done", **counts)
            tx.event("output.published", output=id, rows=rows, **_but_rows(result))

    def _published(self, id: str, output: Output, parts: Sequence[Part], token: str) -> Json:
        effect(f"output.{id}.publish")
        loading = self.loadings.get(id)
        if loading and (told := loading.publish(parts, token)) is not None:
            return told
        self.release()  # or one might hold what this publication waits for
        return output.publish(parts, self._types(self.plan.outputs[id]), token, self.context)

    def _adding(self, id: str, more: bool) -> Output:
        output = self.plan.outputs[id].output
        return adding(output) if more else output

    def discard(self, *, keep: bool = False) -> None:
        """The run is over: what was staged and spooled is of no more use, but for what a replay will need (``keep``)."""
        for id, node in self.plan.outputs.items():
            node.output.discard(self.parts(id), self.context)
        for name in ("spill", "kept", "staged", *(() if keep else (GATHERED, ROWS))):
            shutil.rmtree(self.writer.directory / name, ignore_errors=True)

    def parts(self, output: str) -> list[Part]:
        found = self.writer.journal.rows("select * from part where run=? and output=? order by seq", self.writer.run, output)
        return [Part(r["seq"], r["path"], r["rows"], r["bytes"], r["digest"]) for r in found]

    def _publications(self, output: str, state: str) -> list[dict[str, Any]]:
        query = "select * from publication where run=? and output=? and state=? order by at"
        return self.writer.journal.rows(query, self.writer.run, output, state)

    def _types(self, node: OutputNode) -> Types:
        return original_types(self.raw) if node.original else {**self.processed, **provenance_types(node.output.provenance)}


def adding(output: Output) -> Output:
    """The output, adding to what is there."""
    if getattr(output, "mode", None) != "replace":
        return output
    return replace(output, mode="append")  # type: ignore[call-arg]


def _passed(judged: GateVerdict, by: str) -> GateVerdict:
    """A failure that a person has let pass: told, and no reason to refuse."""
    if judged.verdict.outcome != "fail":
        return judged
    told = f"{judged.verdict.message}; let pass by {by}" if judged.verdict.message else f"let pass by {by}"
    return replace(judged, verdict=replace(judged.verdict, outcome="warn", message=told))


def verdict_event(judged: GateVerdict) -> dict[str, Any]:
    """A verdict as its event has it."""
    verdict = judged.verdict
    groups = {g: {"outcome": v.outcome, "observed": _plain(v.observed)} for g, v in judged.groups.items()}
    return {"gate": judged.gate, "outcome": verdict.outcome, "observed": _plain(verdict.observed), "expected": verdict.expected,
            "message": verdict.message, "broken_by_routing": judged.broken_by_routing, "groups": groups}  # fmt: skip


def _plain(observed: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as JSON has them: the exact decimal has done its work in the verdict."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in observed.items()}


def _but_rows(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "rows"}
