"""Rows to routes: first match wins, every row exactly one way, the default explicit.

Conditions see the row's columns and what was found:

    failed(error)  failed('unique')  failed(error, 'amount')   a finding of this severity, check, column
    confidence                                                 0 to 1: the product of (1 - penalty)^weight over failed rules
    source_reliability                                         0 to 1: how reliable its source was in earlier runs
    batch_rows()  batch_share(error)                           of the batch the row came in: whole batches can be routed
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from qpipe.core.batch import SEVERITIES
from qpipe.core.component import Types
from qpipe.core.expression import ContextFunction
from qpipe.core.lazy import pl
from qpipe.core.types import DataType
from qpipe.orchestrator.program import Flag, Program
from qpipe.spec.plan import Plan, Route

BOOL, FLOAT, INT = (DataType.parse(word) for word in ("bool", "float", "int"))

ROUTE = "__route"
WARNED = "__warned_"  # and the number of a route that warns: the rows that it tells of
HELD = 255  # a module asks about this row
PENALTY = {"error": 0.5, "warning": 0.2, "info": 0.05}
CONFIDENCE, RELIABILITY = "confidence", "source_reliability"


class Router:
    """The plan's routes as one expression over a program's flags."""

    def __init__(self, plan: Plan, reliability: Mapping[str, float] | None = None) -> None:
        self.routes: tuple[Route, ...] = plan.routes
        self._aside = {n for n, r in enumerate(plan.routes) if _leads_aside(plan, r)}
        self._reliability = reliability or {}
        self._named = {name for r in plan.routes if r.when is not None for name in r.when.columns}

    def stages(self, program: Program, types: Types) -> list[list[pl.Expr]]:
        """For ``compile_program``: the route's number for every row, HELD where a module must ask first; and warnings."""
        scores = {CONFIDENCE: confidence(program.flags), RELIABILITY: pl.lit(self._reliability.get(program.source.id, 1.0))}
        wanted = [name for name in scores if name in self._named and name not in types]
        known = {**types, **dict.fromkeys(wanted, FLOAT)}
        chosen = pl.lit(len(self.routes) - 1, dtype=pl.UInt8)
        warned = []
        for number, route in reversed(list(enumerate(self.routes))):
            mine = pl.lit(number, dtype=pl.UInt8)
            if route.when is None:
                chosen = mine
            else:
                when = route.when.compile(known, functions(program)).fill_null(False)
                if route.warns:
                    warned.append((when & (pl.col(ROUTE) > number)).alias(f"{WARNED}{number}"))
                else:
                    chosen = pl.when(when).then(mine).otherwise(chosen)
        if program.asks:
            asks = pl.any_horizontal([pl.col(a.flag) for a in program.asks]).fill_null(False)
            chosen = pl.when(asks).then(pl.lit(HELD, dtype=pl.UInt8)).otherwise(chosen)
        return [[scores[name].alias(name) for name in wanted], [chosen.alias(ROUTE)], *([warned] if warned else [])]

    def leaving(self, program: Program, types: Types) -> pl.Expr | None:
        """The route of rows that leave before a step which makes rows anew, null for those that go on; None where all do.

        By what was found so far, they go to quarantine, or end the run. Routes that look at columns are taken after the step.
        """
        chosen = nothing = pl.lit(None, dtype=pl.UInt8)
        for number, route in reversed(list(enumerate(self.routes))):
            if route.when is not None and not route.warns and not route.when.columns and program.flags:
                when = route.when.compile({}, functions(program)).fill_null(False)
                way = pl.lit(number, dtype=pl.UInt8) if number in self._aside else nothing
                chosen = pl.when(when).then(way).otherwise(chosen)
        return None if chosen is nothing else chosen


def _leads_aside(plan: Plan, route: Route) -> bool:
    """Whether rows that take it are kept as they came, or end the run."""
    return route.stops or (bool(route.to) and not route.ask and all(plan.outputs[output].original for output in route.to))


def confidence(flags: Sequence[Flag]) -> pl.Expr:
    """How far a row can be trusted, 0 to 1: the product of (1 - penalty)^weight over the rules it broke; any order."""
    if not flags:
        return pl.lit(1.0)
    logs = [pl.col(f.bad).fill_null(False).cast(pl.Float64) * (f.weight * math.log(1 - PENALTY[f.severity])) for f in flags]
    return pl.sum_horizontal(logs).exp()


def matching(flags: Sequence[Flag], words: Sequence[str]) -> list[Flag]:
    """The flags that ``failed(…)`` means: every word narrows by severity, check, or column."""
    found = list(flags)
    for word in words:
        if word in SEVERITIES:
            found = [f for f in found if f.severity == word]
        else:
            found = [f for f in found if f.check == word or word in f.columns]
    return found


def functions(program: Program) -> dict[str, ContextFunction]:
    """What conditions can call beside the functions of SQL. Rows that a step dropped are not of the batch any more."""
    gone = [pl.col(drop.flag) for drop in program.drops]
    here = ~pl.any_horizontal(gone).fill_null(False) if gone else None

    def failed(*words: str) -> pl.Expr:
        found = [pl.col(f.bad) for f in matching(program.flags, words)]
        return pl.any_horizontal(found).fill_null(False) if found else pl.lit(False)

    def share(*words: str) -> pl.Expr:
        return failed(*words).mean() if here is None else failed(*words).filter(here).mean()

    def rows() -> pl.Expr:
        return (pl.len() if here is None else here.sum()).cast(pl.Int64)

    return {
        "failed": ContextFunction(failed, BOOL),
        "batch_share": ContextFunction(share, FLOAT),
        "batch_rows": ContextFunction(rows, INT),
    }
