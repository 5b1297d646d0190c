"""Questions to people, opened for the rows that wait for them.

A question is told by run, decision and group, so it is the same question whatever the batches: later batches add rows to it.
Remembered answers open it answered already. All waiting rows go one way, also those with a remembered answer: held in the
transaction of their batch, settled (see ``answers``) when every question that holds them has its answer.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import FILE, LINE, REASONS, ROW, SOURCE
from qpipe.core.errors import QpipeError, UsageError
from qpipe.core.lazy import pl
from qpipe.orchestrator.answers import (
    DATA_SET,
    KEEP,
    OTHER,
    PUBLISH,
    REFUSE,
    REJECT,
    answers_of,
    canonical,
    evidence_of,
    meaning,
)  # fmt: skip
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.memory import Entry
from qpipe.orchestrator.remembered import Remembered, compiled
from qpipe.orchestrator.wording import Cells, cells_of, filled, texts, told_of
from qpipe.orchestrator.writer import QUESTION_SAMPLE, Transaction

if TYPE_CHECKING:
    from qpipe.orchestrator.program import Asking, Program
    from qpipe.spec.plan import Decision, Plan


@dataclass(frozen=True)
class Opened:
    """What the held rows of a batch ask."""

    questions: tuple[Mapping[str, Any], ...] = ()  # rows of the journal's table, for ``Transaction.question``
    waits_for: pl.Series | None = None  # for each held row the ids of its questions, joined by a space

    def record(self, transaction: Transaction) -> None:
        """Open the questions, or add rows to them, in the batch's own transaction."""
        for question in self.questions:
            if transaction.question(**question) and question["state"] == "open":
                told = {"decision": question["decision"], "rows": question["rows"], "due": question["due_at"]}
                transaction.event("question.opened", question=question["id"], **told)


@dataclass(frozen=True)
class _Group:
    """A question before its rows are counted."""

    id: str
    decision: str
    scope: str
    group: Mapping[str, Any]
    text: str
    choices: Mapping[str, str]
    marked: tuple[str, ...]
    memory: Path
    default: str | None = None
    timeout: float | None = None
    condition: str | None = None
    rule: Entry | None = None
    candidates: tuple[str, ...] | None = None
    cells: Mapping[str, str] = field(default_factory=dict)  # shown instead of what stands in the row now


@dataclass
class Questions:
    """Opens the questions of one run. Call ``open`` for batches in their order; memory files are read once."""

    plan: Plan
    journal: Journal
    run: str
    masked: Collection[str] = ()  # columns whose cells are not shown
    remembered: Remembered = field(init=False)
    _known: dict[tuple[str, str], str] = field(default_factory=dict)  # answers that the modules have got

    def __post_init__(self) -> None:
        self.remembered = Remembered(self.plan)

    def known_values(self) -> dict[tuple[str, str], str]:
        """(module, value) → what is remembered of it, or was answered in this run: for ``Context.answers``."""
        known = self._known = {}
        for step in self.remembered.asking_steps():
            for entry in self.remembered.of(step).entries:
                if entry.value is not None and entry.is_good(self._started, None, self._uses):
                    known[step, entry.value] = meaning(entry.answer, entry.value)
        known |= answers_of(self.journal, self.run)
        return dict(known)

    def open(self, held: pl.DataFrame, program: Program, *, seq: int, now: float | None = None) -> Opened:
        """The questions that held rows ask: those a module asks about, and those whose route asks."""
        from qpipe.orchestrator.router import HELD, ROUTE

        pieces, groups = [], dict[str, _Group]()
        for code in held[ROUTE].unique().sort().to_list():
            at = (held[ROUTE] == code).arg_true()
            if code == HELD:
                found = [self._values(asking, held, at) for asking in program.asks]
            else:
                found = [self._decision(self.plan.decisions[self.plan.routes[code].ask or ""], held, at, seq, program)]
            for piece, opened in found:
                pieces.append(piece)
                groups |= opened
        if not pieces:
            return Opened()
        waits = pl.concat(pieces).unique(maintain_order=True)
        return self._opened(held, waits, groups, time.time() if now is None else now)

    def doubt(self, step: str, why: str, rows: int, now: float | None = None) -> dict[str, Any] | None:
        """Whether to publish these rows although a step's failure forbids it; None where that was asked before."""
        id = self._id(step, DATA_SET, {})
        if id in self._asked:
            return None
        self._asked[id] = 0
        now = time.time() if now is None else now
        timeout = self.plan.settings.decision_timeout
        text = filled("{step}: {why}. Publish all the same?", {"step": step, "why": why.removeprefix(f"{step}: ").rstrip(".")})
        choices = {PUBLISH: "the rows are published, and the failure is told as a warning", REFUSE: "nothing is published"}
        return {
            "id": id, "decision": step, "scope": DATA_SET, "group": "", "text": text, "rows": rows, "sample_json": [],
            "choices_json": choices, "default": REFUSE if timeout is not None else None, "opened_at": now,
            "due_at": None if timeout is None else now + timeout, "memory": None, "state": "open",
        }  # fmt: skip

    def recall(self, now: float | None = None) -> int:
        """Answer open questions from the memory files as they are now: a person may have written the answer there."""
        now, count = time.time() if now is None else now, 0
        for question in self.journal.questions(self.run, "open"):
            entry = self._recalled(question, now) if question["memory"] is not None else None
            if entry is None:
                continue
            with suppress(UsageError):  # a person was faster
                self.journal.answer(question["id"], entry.answer, by=entry.by or "a remembered answer", via="rule",
                                    reason=entry.reason, now=now)  # fmt: skip
                self.journal.db.execute("update question set rule=? where id=?", (entry.key, question["id"]))
                count += 1
        return count

    # ── decisions of routes ──

    def _decision(
        self, decision: Decision, held: pl.DataFrame, at: pl.Series, seq: int, program: Program
    ) -> tuple[pl.DataFrame, dict[str, _Group]]:
        rows = held[at]
        names = [ROW] if decision.scope == "row" else list(decision.by) if decision.scope == "group" else []
        ruled = self._ruled(decision, rows, program)
        keys = pl.DataFrame([at.alias("__at"), ruled.alias("__rule"), *texts(rows, names)])
        unique = (
            keys.select(*names, "__rule")
            .with_row_index("__first")
            .unique([*names, "__rule"], keep="first", maintain_order=True)
        )
        cells = cells_of(rows[unique["__first"]]) if decision.scope == "row" else [{}] * unique.height
        found = [self._group(decision, row, cell, seq) for row, cell in zip(unique.iter_rows(named=True), cells, strict=True)]
        ids = unique.with_columns(pl.Series("__id", [group.id for group in found], dtype=pl.String)).drop("__first")
        joined = keys.join(ids, on=[*names, "__rule"], how="left", nulls_equal=True, maintain_order="left")
        return joined.select(at="__at", id="__id"), {group.id: group for group in found}

    def _ruled(self, decision: Decision, rows: pl.DataFrame, program: Program) -> pl.Series:
        """For each row the place of the last remembered answer ``when`` its condition is true; -1: none."""
        chosen = pl.repeat(-1, rows.height, dtype=pl.Int32, eager=True)
        memory = self.remembered.of(decision.id)
        for n, entry in memory.rules(now=self._started, condition=self._condition(decision), used=self._uses):
            true = rows.select(compiled(memory, entry, program)).to_series().fill_null(False)
            chosen = chosen.zip_with(~true, pl.repeat(n, rows.height, dtype=pl.Int32, eager=True))
        return chosen

    def _group(self, decision: Decision, row: Mapping[str, Any], cells: Cells, seq: int) -> _Group:
        group: dict[str, Any] = {name: row[name] for name in row if not name.startswith("__")}
        if decision.scope == "batch":
            group = {"batch": seq}
        evidence = self._evidence(decision, group, cells)
        memory, place = self.remembered.of(decision.id), row["__rule"]
        rule = memory.answer_for(evidence, now=self._started, condition=self._condition(decision), used=self._uses)
        if place >= 0 and (rule is None or memory.entries.index(rule) < place):
            rule = memory.entries[place]
            group = {"when": rule.when}
        if decision.scope == "row" and ROW in group:
            group = {ROW: int(group[ROW])}
        fields = group if decision.scope != "row" else self._shown(cells)
        return _Group(
            self._id(decision.id, decision.scope, group), decision.id, decision.scope, group, filled(decision.question, fields),
            dict(decision.choices), self._marked(decision), memory.path, decision.default,
            decision.timeout if decision.timeout is not None else self.plan.settings.decision_timeout,
            self._condition(decision), rule,
        )  # fmt: skip

    def _evidence(self, decision: Decision, group: Mapping[str, Any], cells: Cells) -> Mapping[str, Any]:
        """What remembered answers are compared with: the group, or the cells of the one row."""
        if decision.scope == "row":
            return {name: text for name, text in cells.items() if not decision.by or name in decision.by}
        return group if decision.scope == "group" else {}

    def _marked(self, decision: Decision) -> tuple[str, ...]:
        """The columns that the asking routes look at."""
        routes = [r for r in self.plan.routes if r.ask == decision.id and r.when is not None]
        return tuple(dict.fromkeys(name for r in routes for name in r.when.columns))  # type: ignore[union-attr]

    def _condition(self, decision: Decision) -> str | None:
        told = [r.when.text for r in self.plan.routes if r.ask == decision.id and r.when is not None]
        return " or ".join(dict.fromkeys(told)) or None

    # ── unknown values ──

    def _values(self, asking: Asking, held: pl.DataFrame, at: pl.Series) -> tuple[pl.DataFrame, dict[str, _Group]]:
        mine = at.filter(held[asking.flag].gather(at).fill_null(False))
        values = held[asking.value].gather(mine).cast(pl.String).fill_null("")
        ids = {
            value: self._id(asking.step, "value", {"value": value}) for value in values.unique(maintain_order=True).to_list()
        }
        for value in ids:
            said = self._known.get((asking.step, value))
            if said is not None:  # or the rows would go round for ever
                raise QpipeError(f"{asking.step} still asks about '{value}', which was answered '{said}'",
                                 hint="this step cannot use that answer; start anew with `qpipe run`")  # fmt: skip
        new = [value for value, id in ids.items() if id not in self._asked]
        candidates = asking.ask.candidates(new) if new else {}
        groups = {id: self._value(asking, id, value, candidates.get(value, ())) for value, id in ids.items()}
        names = values.replace_strict(list(ids), list(ids.values()), return_dtype=pl.String) if ids else values
        return pl.DataFrame({"at": mine, "id": names}), groups

    def _value(self, asking: Asking, id: str, value: str, candidates: Sequence[str]) -> _Group:
        column = asking.ask.column
        text = filled(asking.ask.question, {"value": value, "column": column})
        return _Group(id, asking.step, "value", {"value": value}, text, _value_choices(asking), (column,),
                      self.remembered.of(asking.step).path, candidates=tuple(candidates), cells={column: value})  # fmt: skip

    # ── from groups to rows of the journal ──

    def _opened(self, held: pl.DataFrame, waits: pl.DataFrame, groups: Mapping[str, _Group], now: float) -> Opened:
        ordered = waits.with_columns(held[ROW].gather(waits["at"]).alias("row")).sort("row", "at")
        counted = ordered.group_by("id", maintain_order=True).agg(pl.len().alias("rows"), pl.col("at").head(QUESTION_SAMPLE))
        wanted = [at if self._asked.get(id, 0) < QUESTION_SAMPLE else [] for id, at in counted.select("id", "at").iter_rows()]
        first = pl.Series([at for positions in wanted for at in positions], dtype=pl.UInt32)
        rows = iter(told_of(held[first]))
        samples = [[self._sample(groups[id], *next(rows)) for _ in at] for id, at in zip(counted["id"], wanted, strict=True)]
        questions = []
        for (id, count), sample in zip(counted.select("id", "rows").iter_rows(), samples, strict=True):
            self._asked[id] = self._asked.get(id, 0) + len(sample)
            questions.append(self._question(groups[id], count, sample, now))
        joined = waits.group_by("at").agg(pl.col("id").sort().str.join(" ")).sort("at")
        return Opened(tuple(questions), joined["id"].alias("question"))

    def _question(self, group: _Group, rows: int, sample: Sequence[Mapping[str, Any]], now: float) -> dict[str, Any]:
        answered = group.rule is not None
        return {
            "id": group.id, "decision": group.decision, "scope": group.scope, "group": canonical(group.group),
            "text": group.text, "rows": rows, "sample_json": list(sample), "choices_json": dict(group.choices),
            "candidates_json": None if group.candidates is None else list(group.candidates), "default": group.default,
            "opened_at": now, "due_at": None if group.timeout is None else now + group.timeout, "memory": str(group.memory),
            "condition": group.condition, "state": "answered" if answered else "open",
            "choice": group.rule.answer if group.rule else None, "rule": group.rule.key if group.rule else None,
            "answered_by": (group.rule.by or "a remembered answer") if group.rule else None,
            "answered_via": "rule" if answered else None, "answered_at": now if answered else None,
            "reason": group.rule.reason if group.rule else None,
        }  # fmt: skip

    def _sample(self, group: _Group, place: Mapping[str, Any], cells: Cells) -> dict[str, Any]:
        reasons = place.get(REASONS) or []
        shown = {**self._shown(cells), **group.cells}
        marked = dict.fromkeys([*group.marked, *(r["column"] for r in reasons)])
        return {"row": place[ROW], "source": place.get(SOURCE), "file": place.get(FILE), "line": place.get(LINE),
                "cells": shown, "marked": [name for name in marked if name in shown],
                "reasons": [f"{r['check']}: {r['message']}" for r in reasons]}  # fmt: skip

    def _shown(self, cells: Cells) -> dict[str, str | None]:
        return {name: "***" if name in self.masked and text is not None else text for name, text in cells.items()}

    # ── what is known beforehand ──

    @cached_property
    def _asked(self) -> dict[str, int]:
        """Questions of this run, and how many sample rows each has."""
        return {q["id"]: len(q["sample"] or ()) for q in self.journal.questions(self.run)}

    @cached_property
    def _started(self) -> float:
        """Remembered answers are judged as of the beginning of the run, so that a resume sees what the run saw."""
        return float(self.journal.rows("select started from run where id = ?", self.run)[0]["started"])

    def _uses(self, entry: Entry) -> int:
        """In how many other runs an entry has answered."""
        found = self.journal.rows(
            "select count(distinct run) as n from question where rule = ? and run <> ?", entry.key, self.run
        )
        return int(found[0]["n"])

    def _recalled(self, question: Mapping[str, Any], now: float) -> Entry | None:
        memory = self.remembered.of(question["decision"])
        try:
            evidence = evidence_of(question, self.plan.decisions.get(question["decision"]))
        except QpipeError:
            return None
        return memory.answer_for(evidence, now=now, condition=question["condition"], used=self._uses)

    def _id(self, decision: str, scope: str, group: Mapping[str, Any]) -> str:
        return question_id(self.run, decision, scope, group)


# ── names and texts ──


def question_id(run: str, decision: str, scope: str, group: Mapping[str, Any]) -> str:
    """The decision and ten letters and digits: 50 bits, so that no two questions share a name."""
    digest = hashlib.sha256("\0".join((run, decision, scope, canonical(group))).encode()).digest()
    signs = base64.b32encode(digest).decode().lower()[:10]
    slug = "".join(c if c.isalnum() or c in "-_" else "-" for c in decision)[:40]
    return f"{slug}-{signs}"


def _value_choices(asking: Asking) -> dict[str, str]:
    other = {OTHER: "any other text"} if asking.ask.allow_other else {}
    return {KEEP: "the value is right as it is", REJECT: f"the value is wrong: a finding of {asking.step}", **other}
