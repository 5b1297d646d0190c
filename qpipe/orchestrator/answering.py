"""A run whose rows are all read and that has questions: answers are sought until nothing moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qpipe.orchestrator.answers import Settled, keep_remembered, settled
from qpipe.orchestrator.decisions import Questions
from qpipe.orchestrator.gates import GateVerdict
from qpipe.orchestrator.publish import verdict_event
from qpipe.orchestrator.wishes import Wishes
from qpipe.orchestrator.writer import Writer


@dataclass(frozen=True)
class Answering:
    """Gets answers where there are some, and lets the rows go that have theirs."""

    wishes: Wishes
    writer: Writer
    questions: Questions
    let_go: Callable[[Sequence[Settled]], None]

    def settle(self) -> list[dict[str, Any]]:
        """Until nothing moves; returns the questions still open."""
        journal, run = self.writer.journal, self.writer.run
        asked: set[str] = set()
        while True:
            self._take_answers()
            free = settled(journal, run)
            if free:
                self.let_go(free)
                continue
            waiting = journal.questions(run, "open")
            new = {question["id"] for question in waiting} - asked  # rows that were let go may ask something else
            if not new or self.wishes.ask is None:
                keep_remembered(journal, run)
                return waiting
            asked |= new
            self.wishes.ask(journal, run)

    def doubt(self, doubts: Mapping[str, str], verdicts: Callable[[], Sequence[GateVerdict]]) -> bool:
        """Ask about failures of the whole data set that a person may let pass, step → why; whether there are new ones."""
        staged = self.writer.journal.rows("select sum(rows) as n from part where run=? group by output", self.writer.run)
        rows = max((each["n"] for each in staged), default=0)
        asked = [self.questions.doubt(step, why, rows) for step, why in doubts.items()]
        if not any(asked):
            return False
        with self.writer.commit("doubts") as tx:
            for verdict in verdicts():
                tx.event("gate.judged", None, **verdict_event(verdict))
            for question in filter(None, asked):
                tx.question(**question)
                tx.event("question.opened", question=question["id"], decision=question["decision"], rows=rows)
        return True

    def _take_answers(self) -> None:
        """Answers that are there without asking anyone: time-outs, memory files, a file of answers, a test's."""
        journal, run = self.writer.journal, self.writer.run
        if not journal.questions(run, "open"):
            return
        journal.expire()
        self.questions.recall()
        if self.wishes.answers is not None:
            from qpipe.orchestrator.answers_file import apply_answers

            apply_answers(journal, run, self.wishes.answers)
        for question in journal.questions(run, "open"):
            if question["decision"] in self.wishes.given:
                journal.answer(question["id"], self.wishes.given[question["decision"]], by="the test", via="file")
