"""Questions to people, opened for the rows that wait for them.

A question is told by run, decision and group, so it is the same question whatever the batches: later batches add rows to it.
Remembered answers open it answered already. All waiting rows go one way, also those with a remembered answer: held in the
transaction of their batch, settled (see ``answers``) when every question that holds them has its answer.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import FILE, LINE, REASONS, RESERVED, ROW, SOURCE
from qpipe.core.component import Transform
from qpipe.core.errors import Problem, QpipeError, SpecError, UsageError
from qpipe.core.lazy import pl
from qpipe.orchestrator.answers import (
    DATA_SET,
    KEEP,
    LONGEST,
    OTHER,
    PUBLISH,
    REFUSE,
    REJECT,
    Settled,
    answers_of,
    canonical,
    evidence_of,
    keep_remembered,
    meaning,
    settled,
)  # fmt: skip
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.memory import Entry, Memory
from qpipe.orchestrator.writer import QUESTION_SAMPLE, Transaction

if TYPE_CHECKING:
    from qpipe.orchestrator.program import Asking, Program
    from qpipe.spec.plan import Decision, Plan

__all__ = ["Opened", "Questions", "Settled", "keep_remembered", "memory_problems", "question_id", "settled"]


Cells = Mapping[str, "str | None"]  # of one row: column → text


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
    _known: dict[tuple[str, str], str] = field(default_factory=dict)  # answers that the modules have got

    @cached_property
    def problems(self) -> list[Problem]:
        """What is wrong in the memory files: the run should not start."""
        found: list[Problem] = []
        for decision in self.plan.decisions.values():
            memory = self._memory(decision.id)
            found += [*memory.check(list(decision.choices), _columns_of(decision)), *_unreadable(memory)]
        for step in self._asking_steps():
            found += self._memory(step).problems
            found += [_misplaced(self._memory(step), e) for e in self._memory(step).entries if e.value is None]
        return sorted(found)

    def known_values(self) -> dict[tuple[str, str], str]:
        """(module, value) → what is remembered of it, or was answered in this run: for ``Context.answers``."""
        known = self._known = {}
        for step in self._asking_steps():
            for entry in self._memory(step).entries:
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
        cells = _cells(rows[unique["__first"]]) if decision.scope == "row" else [{}] * unique.height
        found = [self._group(decision, row, cell, seq) for row, cell in zip(unique.iter_rows(named=True), cells, strict=True)]
        ids = unique.with_columns(pl.Series("__id", [group.id for group in found], dtype=pl.String)).drop("__first")
        joined = keys.join(ids, on=[*names, "__rule"], how="left", nulls_equal=True, maintain_order="left")
        return joined.select(at="__at", id="__id"), {group.id: group for group in found}

    def _ruled(self, decision: Decision, rows: pl.DataFrame, program: Program) -> pl.Series:
        """For each row the place of the last remembered answer ``when`` its condition is true; -1: none."""
        chosen = pl.repeat(-1, rows.height, dtype=pl.Int32, eager=True)
        memory = self._memory(decision.id)
        for n, entry in memory.rules(now=self._started, condition=self._condition(decision), used=self._uses):
            true = rows.select(_compiled(memory, entry, program)).to_series().fill_null(False)
            chosen = chosen.zip_with(~true, pl.repeat(n, rows.height, dtype=pl.Int32, eager=True))
        return chosen

    def _group(self, decision: Decision, row: Mapping[str, Any], cells: Cells, seq: int) -> _Group:
        group: dict[str, Any] = {name: row[name] for name in row if not name.startswith("__")}
        if decision.scope == "batch":
            group = {"batch": seq}
        evidence = self._evidence(decision, group, cells)
        memory, place = self._memory(decision.id), row["__rule"]
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
                      self._memory(asking.step).path, candidates=tuple(candidates), cells={column: value})  # fmt: skip

    # ── from groups to rows of the journal ──

    def _opened(self, held: pl.DataFrame, waits: pl.DataFrame, groups: Mapping[str, _Group], now: float) -> Opened:
        ordered = waits.with_columns(held[ROW].gather(waits["at"]).alias("row")).sort("row", "at")
        counted = ordered.group_by("id", maintain_order=True).agg(pl.len().alias("rows"), pl.col("at").head(QUESTION_SAMPLE))
        wanted = [at if self._asked.get(id, 0) < QUESTION_SAMPLE else [] for id, at in counted.select("id", "at").iter_rows()]
        first = pl.Series([at for positions in wanted for at in positions], dtype=pl.UInt32)
        rows = iter(_told(held[first]))
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

    @cached_property
    def _memories(self) -> dict[str, Memory]:
        return {}

    def _memory(self, id: str) -> Memory:
        if id not in self._memories:
            decision = self.plan.decisions.get(id)
            name = (decision.remember if decision else None) or f"decisions/{id}.yaml"
            self._memories[id] = Memory.load(self.plan.directory / name)
        return self._memories[id]

    def _uses(self, entry: Entry) -> int:
        """In how many other runs an entry has answered."""
        found = self.journal.rows(
            "select count(distinct run) as n from question where rule = ? and run <> ?", entry.key, self.run
        )
        return int(found[0]["n"])

    def _asking_steps(self) -> Iterator[str]:
        for step in self.plan.steps:
            asks = isinstance(step.module, Transform) and type(step.module).asks is not Transform.asks
            if asks or getattr(step.module, "settles", False):
                yield step.id

    def _recalled(self, question: Mapping[str, Any], now: float) -> Entry | None:
        memory = self._memory(question["decision"])
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


def filled(template: str, fields: Mapping[str, Any]) -> str:
    """A question's words with its group filled in. ``{rows}`` stays: the number grows; other braces are doubled."""

    def piece(found: re.Match[str]) -> str:
        name = found[1]
        if name == "rows":
            return "{rows}"
        text = found[0] if name is None or name not in fields else "nothing" if fields[name] is None else str(fields[name])
        return text.replace("{", "{{").replace("}", "}}")

    return re.sub(r"\{(\w+)\}|[{}]", piece, template)


def texts(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Columns as text; null stays null."""
    made = []
    for name in names:
        column = frame[name]
        if column.dtype.is_nested() or column.dtype == pl.Binary:
            made.append(pl.Series(name, [None if v is None else str(v) for v in column.to_list()], dtype=pl.String))
        else:
            made.append(column.cast(pl.String))
    return pl.DataFrame(made)


def _cells(frame: pl.DataFrame) -> Sequence[Cells]:
    """The cells of each row as text, without the columns that qpipe adds."""
    names = [name for name in frame.columns if not name.startswith("__") and name not in RESERVED]
    if not names:
        return [{}] * frame.height
    return texts(frame, names).select(pl.all().str.head(LONGEST)).rows(named=True)


def _told(frame: pl.DataFrame) -> list[tuple[dict[str, Any], Cells]]:
    """For each row where it stood and why it waits, and its cells."""
    places = frame.select([name for name in (ROW, SOURCE, FILE, LINE, REASONS) if name in frame.columns]).rows(named=True)
    return list(zip(places, _cells(frame), strict=True))


def _value_choices(asking: Asking) -> dict[str, str]:
    other = {OTHER: "any other text"} if asking.ask.allow_other else {}
    return {KEEP: "the value is right as it is", REJECT: f"the value is wrong: a finding of {asking.step}", **other}


def memory_problems(plan: Plan) -> list[Problem]:
    """What is wrong in the files of remembered answers, before there is a run."""
    return Questions(plan, None, "").problems  # type: ignore[arg-type]  # no journal is asked


def _columns_of(decision: Decision) -> list[str] | None:
    """The columns that an entry's group may name; None: any."""
    return None if decision.scope == "row" and not decision.by else list(decision.by)


def _misplaced(memory: Memory, entry: Entry) -> Problem:
    return memory.problem(
        entry.line, "this entry says no value.", "Answers for a module are about values: write value: and the text."
    )


def _compiled(memory: Memory, entry: Entry, program: Program) -> pl.Expr:
    from qpipe.core.expression import Expression, ExpressionError

    try:
        return Expression.parse(entry.when or "").compile(program.types)
    except ExpressionError as error:
        raise SpecError([_bad_when(memory, entry, error)]) from error


def _unreadable(memory: Memory) -> Iterator[Problem]:
    """Conditions that are no conditions, whatever the columns."""
    from qpipe.core.expression import Expression, ExpressionError

    for entry in memory.entries:
        try:
            Expression.parse(entry.when if entry.when is not None else "true")
        except ExpressionError as error:
            yield _bad_when(memory, entry, error)


def _bad_when(memory: Memory, entry: Entry, error: QpipeError) -> Problem:
    hint = error.hint or "Write a condition on the columns of the held rows."
    return memory.problem(entry.line, "bad-expression", f"when: {error.message}.", hint)
