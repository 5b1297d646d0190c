"""The remembered answers of a plan: one memory file for each decision and for each module that asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from qpipe.core.component import Transform
from qpipe.core.errors import Problem, QpipeError, SpecError
from qpipe.core.lazy import pl
from qpipe.orchestrator.memory import Entry, Memory

if TYPE_CHECKING:
    from qpipe.orchestrator.program import Program
    from qpipe.spec.plan import Decision, Plan


@dataclass(frozen=True)
class Remembered:
    """Memory files, each read once, by the id of the decision or the step."""

    plan: Plan
    _memories: dict[str, Memory] = field(default_factory=dict)

    def of(self, id: str) -> Memory:
        if id not in self._memories:
            decision = self.plan.decisions.get(id)
            name = (decision.remember if decision else None) or f"decisions/{id}.yaml"
            self._memories[id] = Memory.load(self.plan.directory / name)
        return self._memories[id]

    def asking_steps(self) -> Iterator[str]:
        for step in self.plan.steps:
            asks = isinstance(step.module, Transform) and type(step.module).asks is not Transform.asks
            if asks or getattr(step.module, "settles", False):
                yield step.id

    @cached_property
    def problems(self) -> list[Problem]:
        """What is wrong in the memory files: the run should not start."""
        found: list[Problem] = []
        for decision in self.plan.decisions.values():
            memory = self.of(decision.id)
            found += [*memory.check(list(decision.choices), _columns_of(decision)), *_unreadable(memory)]
        for step in self.asking_steps():
            found += self.of(step).problems
            found += [_misplaced(self.of(step), e) for e in self.of(step).entries if e.value is None]
        return sorted(found)


def _columns_of(decision: Decision) -> list[str] | None:
    """The columns that an entry's group may name; None: any."""
    return None if decision.scope == "row" and not decision.by else list(decision.by)


def _misplaced(memory: Memory, entry: Entry) -> Problem:
    hint = "Answers for a module are about values: write value: and the text."
    return memory.problem(entry.line, "missing-key", "this entry says no value.", hint)


def compiled(memory: Memory, entry: Entry, program: Program) -> pl.Expr:
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
