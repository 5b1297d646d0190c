"""Answers to questions: which held rows may go, what is remembered, how fast people answer.

An answer is given through the journal; the first wins. Held rows are settled when every question that holds them is answered.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.component import REJECTED
from qpipe.core.errors import QpipeError
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.memory import Entry, Memory
from qpipe.orchestrator.writer import Transaction

if TYPE_CHECKING:
    from qpipe.spec.plan import Decision

PUBLISH, REFUSE = "publish", "refuse"  # what can be said of a failure of the whole data set
DATA_SET = "data set"  # the scope of a question about all that would be published
KEEP, REJECT, OTHER = "keep", "reject", "*"  # what can be said of an unknown value, beside its candidates
LONGEST = 2000  # characters of a cell kept with a question
WANTED, DONE = 1, 2  # question.remember: to be written into its memory file, written


@dataclass(frozen=True)
class Settled:
    """Held rows, one file of them, whose every question has its answer."""

    seq: int
    question: str  # as in the table ``held``
    questions: tuple[str, ...]
    route: str
    path: str
    rows: int
    to: str | None  # an output, "drop" or "fail"; None: run the rows again, with ``answers_of`` in their context
    decision: str = ""
    why: str = ""  # the answer, by whom, and their reason

    def record(self, transaction: Transaction, now: float | None = None) -> None:
        """The rows have gone their way: in the transaction that keeps what became of them."""
        transaction.execute("update held set state='settled' where run=? and seq=? and question=?",
                            transaction._run, self.seq, self.question)  # fmt: skip
        for id in self.questions:
            transaction.execute("update question set applied_at=coalesce(applied_at, ?) where id=?", now or time.time(), id)
        transaction.event("held.settled", seq=self.seq, questions=list(self.questions), rows=self.rows, to=self.to)


def settled(journal: Journal, run: str) -> list[Settled]:
    """Held rows that may go, in the order of their batches. Apply each, ``record`` it, and look again: rows that were run again
    may ask something else."""
    questions = {q["id"]: q for q in journal.questions(run)}
    found = []
    for held in journal.rows("select * from held where run = ? and state = 'held' order by seq, question", run):
        asked = [questions[id] for id in held["question"].split()]
        if all(q["state"] == "answered" for q in asked):
            to = None if any(q["scope"] == "value" for q in asked) else asked[0]["choices"][asked[0]["choice"]]
            ids = tuple(q["id"] for q in asked)
            told = (held["seq"], held["question"], ids, held["route"] or "", held["path"], held["rows"], to)
            found.append(Settled(*told, asked[0]["decision"], _why(asked[0])))
    return found


def _why(question: Mapping[str, Any]) -> str:
    reason = f": {question['reason']}" if question["reason"] else ""
    return f"'{question['choice']}' was answered by {question['answered_by'] or 'someone'}{reason}"


def answers_of(journal: Journal, run: str) -> dict[tuple[str, str], str]:
    """(module, value) → what was answered in this run, for ``Context.answers``."""
    answered = [q for q in journal.questions(run, "answered") if q["scope"] == "value"]
    return {(q["decision"], v): meaning(q["choice"], v) for q in answered for v in [str(group_of(q)["value"])]}


def let_pass(journal: Journal, run: str) -> dict[str, str]:
    """Steps whose failure a person has let pass, and who."""
    answered = [q for q in journal.questions(run, "answered") if q["scope"] == DATA_SET]
    return {q["decision"]: q["answered_by"] or "someone" for q in answered if q["choice"] == PUBLISH}


def meaning(choice: str, value: str) -> str:
    """What takes the place of a value: itself, REJECTED, or the text that was given ("=keep" is the text "keep")."""
    return {KEEP: value, REJECT: REJECTED}.get(choice, choice.removeprefix("="))


def as_choice(text: str) -> str:
    """A text as an answer, where a word such as "keep" would mean something else."""
    return f"={text}" if text in (KEEP, REJECT, OTHER, "") or text.startswith("=") else text


@dataclass(frozen=True)
class Kept:
    """Answers written into a memory file."""

    path: Path
    added: str  # the lines; empty: the file said so already
    problem: str = ""  # why they could not be written; the answers themselves stand


def keep(journal: Journal, questions: Sequence[Mapping[str, Any]]) -> list[Kept]:
    """Write the answers of these questions where the next runs find them, one result for each file."""
    files: dict[str, list[Mapping[str, Any]]] = {}
    for question in questions:
        files.setdefault(question["memory"], []).append(question)
    return [_kept(journal, Path(path), asked) for path, asked in files.items()]


def keep_remembered(journal: Journal, run: str) -> list[Kept]:
    """The same for answers of a run that wait to be remembered: given through another door, or cut short by a crash."""
    wanted = [q for q in journal.questions(run, "answered") if q["remember"] == WANTED and not why_not_kept(q)]
    return keep(journal, wanted)


def _kept(journal: Journal, path: Path, questions: Sequence[Mapping[str, Any]]) -> Kept:
    try:
        added = Memory(path).remember([entry_of(q) for q in questions], now=time.time())
    except (QpipeError, OSError) as error:
        return Kept(path, "", str(error))
    for question in questions:
        journal.db.execute("update question set remember=? where id=?", (DONE, question["id"]))
    return Kept(path, added)


def entry_of(question: Mapping[str, Any]) -> Entry:
    """A question's answer as an entry of its memory file."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(question["answered_at"]))
    told = {"by": question["answered_by"] or "", "at": f"{at[:-2]}:{at[-2:]}", "reason": question["reason"] or "",
            "condition": question["condition"]}  # fmt: skip
    evidence = evidence_of(question)
    if question["scope"] == "value":
        return Entry(question["choice"], value=evidence["value"], **told)
    return Entry(question["choice"], group=evidence or None, **told)


def why_not_kept(question: Mapping[str, Any]) -> str:
    """Why the answer to this question cannot be remembered; empty when it can."""
    if question["memory"] is None:
        return "it has no file to be remembered in"
    if question["scope"] in ("batch", DATA_SET):
        return f"an answer for one {question['scope']} says nothing about the next"
    try:
        evidence_of(question)
    except QpipeError as error:
        return error.message
    return ""


def evidence_of(question: Mapping[str, Any], decision: Decision | None = None) -> dict[str, str | None]:
    """What an answer is the answer to, in terms that hold in the next run: the group, the value, or the cells of the row."""
    if question["scope"] in ("group", "value"):
        return dict(group_of(question))
    if question["scope"] != "row":
        return {}
    cells: dict[str, str | None] = (question["sample"] or [{"cells": {}}])[0]["cells"]
    by = decision.by if decision else ()
    chosen = {name: text for name, text in cells.items() if not by or name in by}
    if not chosen or any(text == "***" or len(text or "") >= LONGEST for text in chosen.values()):
        raise QpipeError("the row's cells are masked or too long to be told again")
    return chosen


# ── figures ──


def response_times(journal: Journal, run: str | None = None) -> list[dict[str, Any]]:
    """For each decision: questions, open ones, answers, median and 90th percentile of the response time in seconds, and the
    share that the time-out answered. Remembered answers are counted, but took no time."""
    by_decision: dict[str, list[dict[str, Any]]] = {}
    for question in journal.questions(run):
        by_decision.setdefault(question["decision"], []).append(question)
    return [_figures(decision, asked) for decision, asked in sorted(by_decision.items())]


def _figures(decision: str, asked: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    answered = [q for q in asked if q["state"] == "answered" and q["answered_via"] != "rule"]
    people = sorted(q["answered_at"] - q["opened_at"] for q in answered if q["answered_via"] != "timeout")
    defaults = len(answered) - len(people)
    return {
        "decision": decision, "questions": len(asked), "open": sum(q["state"] == "open" for q in asked),
        "by_people": len(people), "by_default": defaults,
        "remembered": sum(q["answered_via"] == "rule" for q in asked),
        "median_seconds": statistics.median(people) if people else None,
        "p90_seconds": people[max(0, -(-len(people) * 9 // 10) - 1)] if people else None,
        "share_by_default": defaults / len(answered) if answered else None,
    }  # fmt: skip


# ── groups ──


def canonical(group: Mapping[str, Any]) -> str:
    """A group as the journal keeps it: the same text for the same group; empty for none."""
    return json.dumps(dict(sorted(group.items())), ensure_ascii=False) if group else ""


def group_of(question: Mapping[str, Any]) -> dict[str, Any]:
    """The group of a question out of the journal."""
    return json.loads(question["group"]) if question["group"] else {}
