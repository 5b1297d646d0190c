"""transitions"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Columns, param
from qpipe.modules.transformation._reshaping import text

if TYPE_CHECKING:
    import polars as pl


class Transitions(Relational):
    """What a thing becomes, one state after the other, is allowed.

    The rows of a thing (`by`) are taken in the order of `order`, and of equals in the order of the source. A row fails when
    its state may not follow the one before; the same state again is allowed. `initial` names the states that may come
    first. A state that stands nowhere in `allowed` fails. Rows with a null state are left out and pass. Zero rows: not
    evaluated.

    Examples:
        ```yaml
        module:
          transitions:
            state: status
            by: order
            order: at
            allowed: {new: [paid, cancelled], paid: [shipped, cancelled], shipped: [returned]}
            initial: [new]
        rows:
          - {order: 1, at: 1, status: new}
          - {order: 1, at: 3, status: shipped}
          - {order: 1, at: 2, status: paid}
          - {order: 2, at: 1, status: new}
          - {order: 2, at: 2, status: shipped}
          - {order: 3, at: 1, status: paid}
        failed: [4, 5]
        ```
    """

    dimension = "consistency"
    earlier_rows = "before"
    holds_of_parts = False
    like = (
        "has_workflow", "state machine", "allowed transitions", "workflow", "status sequence", "expect_state_transitions",
    )  # fmt: skip

    state: Column = param(help="the column of states")
    by: Columns = param(help="the columns that name the thing")
    order: Columns = param(help="the columns that put its rows in order")
    allowed: dict[str, Any] = param(help="state → the states that may follow it")
    initial: tuple[str, ...] = param((), help="the states that may come first; unset: any")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kind = types[self.state].kind if types and self.state in types else "any"
        if kind not in ("string", "any"):
            yield "state", f"{self.state} is {kind}; states are texts: cast it"
        for state in self.initial:
            if state not in self._states:
                yield "initial", f"'{state}' is no state of allowed"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        keys = {f"k{n}": pl.col(column) for n, column in enumerate(self.by)}
        return {"s": pl.col(self.state), **keys, **{f"o{n}": pl.col(column) for n, column in enumerate(self.order)}}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        keys = ", ".join(f"k{n}" for n in range(len(self.by)))
        order = ", ".join(f"o{n} nulls first" for n in range(len(self.order)))
        follow = " ".join(f"when p = {text(state)} then {_in('s', _listed(thens))}" for state, thens in self.allowed.items())
        first, known = _in("s", self.initial or self._states), _in("s", self._states)
        query = f"""
            with seen as (
                select {ROW}, s, lag(s) over (partition by {keys} order by {order}, {collected.row()}) as p
                from data where s is not null
            )
            select {ROW}, p is not null and p <> s, p is null, p is not null and p = s from seen
            where not case when p is null then {first} when p = s then {known} {follow} else false end
        """
        first = f"one of {', '.join(self.initial)} first" if self.initial else "a known state"
        words = ("a state that may follow the one before", first, "a known state")
        found = collected.apart(query, len(words))
        return tuple(RowVerdict(rows, (self.state,), said) for rows, said in zip(found, words, strict=True))

    @property
    def _states(self) -> set[str]:
        return set(self.allowed) | {then for thens in self.allowed.values() for then in _listed(thens)}


def _in(cell: str, values: Collection[str]) -> str:
    """SQL that is true when the cell is one of these texts."""
    return f"{cell} in ({', '.join(map(text, sorted(values)))})" if values else "false"


def _listed(thens: Any) -> list[str]:
    return [thens] if isinstance(thens, str) else [str(then) for then in thens or ()]
