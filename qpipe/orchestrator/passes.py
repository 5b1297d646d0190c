"""A plan cut into passes.

Row-by-row steps need no pass of their own. A relational step whose findings steer rows must have seen every row first: what it
needs is gathered in an earlier pass. Steps that only find share one gathering pass; a step that drops rows ends it, because
what comes after must not see the rows it dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qpipe.core.component import Relational, Step
from qpipe.spec.plan import Plan, StepNode


@dataclass(frozen=True)
class Pass:
    """One reading of the data: a gathering one, or the last, which routes and keeps."""

    number: int  # from 1
    gathers: tuple[str, ...] = ()  # ids of relational steps; empty: the last pass

    @property
    def is_last(self) -> bool:
        return not self.gathers


def passes_of(plan: Plan) -> list[Pass]:
    """The passes of a plan, in order. The last one routes."""
    groups: list[list[str]] = [[]]
    for step in relational(plan):
        if step.module.effect == "replace" and groups[-1]:  # type: ignore[attr-defined]
            groups.append([])  # what was found before it says which rows it takes
        groups[-1].append(step.id)
        if step.module.effect != "findings":  # type: ignore[attr-defined]
            groups.append([])
    made = [Pass(n + 1, tuple(group)) for n, group in enumerate(g for g in groups if g)]
    return [*made, Pass(len(made) + 1)]


def relational(plan: Plan) -> Sequence[StepNode]:
    return [step for step in plan.steps if isinstance(step.module, Relational)]


def has_python(plan: Plan) -> bool:
    return any(isinstance(step.module, Step) for step in plan.steps)


def replacing(plan: Plan) -> list[StepNode]:
    """The steps that put other rows in the place of all rows."""
    return [step for step in relational(plan) if step.module.effect == "replace"]  # type: ignore[attr-defined]
