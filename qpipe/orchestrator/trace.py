"""The life of a row: where it stood, what each step made of it, what checks found, which way it went, who decided, where it is.

The row is read again from the position the journal has of its batch, and goes through the plan's steps one by one; nothing is
written. What relational steps found is taken from the run's spool. A step that depends on chance or on a remote service may
answer differently today: the route, the decision and the output are the journal's. A row is followed up to a step that makes
rows anew of all of them (sort, group, pivot, SQL): what became of it there is in no row alone.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from qpipe.core.batch import ROW, Chunk
from qpipe.core.component import RowVerdict, Types
from qpipe.core.errors import UsageError
from qpipe.core.expression import Expression
from qpipe.core.lazy import pl
from qpipe.core.rowset import RowSet
from qpipe.orchestrator.feed import fault_marks, faults_by_row, line_of
from qpipe.orchestrator.findings import reasons
from qpipe.orchestrator.fuse import compile_program
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.prepare import Prepared, masked
from qpipe.orchestrator.program import Program, gone, hidden
from qpipe.orchestrator.reliability import reliability_before
from qpipe.orchestrator.router import HELD, ROUTE, Router
from qpipe.orchestrator.settle import QUESTION, chain_of
from qpipe.orchestrator.work import route_name
from qpipe.spec.plan import Plan


@dataclass(frozen=True)
class StepTrace:
    """What one step did to the row."""

    step: str
    module: str
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)  # column → before, after
    findings: tuple[Mapping[str, Any], ...] = ()
    dropped: bool = False
    rows: int = 1  # that the row is by then; of a column in which they differ, a change lists all values


@dataclass(frozen=True)
class RowTrace:
    """A row's whole life."""

    row: int
    source: str
    file: str | None
    line: int | None
    batch: int
    raw: Mapping[str, Any]
    steps: tuple[StepTrace, ...]
    final: Mapping[str, Any]
    route: str
    decisions: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]
    into: str | None = None  # the step that makes rows anew, into which it went: it is followed no further


class Tracer:
    """Traces rows of one run."""

    def __init__(self, plan: Plan, journal: Journal, run: str) -> None:
        self.plan, self.journal, self.run = plan, journal, run
        started = journal.run(run)["started"]
        self.prepared = Prepared.of(_reading_only(plan.of_run(run, started)), journal, journal.directory(run), started, run)
        self.verdicts = self._verdicts()
        self.masked = set(masked(plan))
        anew = (n for n, step in enumerate(plan.steps) if getattr(step.module, "effect", "") == "replace")
        self.followed = next(anew, len(plan.steps))  # steps

    def row(self, number: int) -> RowTrace:
        query = "select * from batch where run=? and routes_json is not null and first_row<=? and first_row+rows>? order by seq"
        found = self.journal.rows(query, self.run, number, number)
        if not found:
            total = self.journal.run(self.run)["rows_in"]
            raise UsageError(f"{self.run} has no row {number}", hint=f"it has rows 0 to {total - 1}")
        return self._trace(found[0], number)

    def where(self, condition: str, limit: int = 5) -> list[RowTrace]:
        """The first rows for which a condition holds, on the columns as the contract types them."""
        return list(itertools.islice(self.matching(condition), limit))

    def matching(self, condition: str) -> Iterator[RowTrace]:
        """One row after the other for which it holds."""
        when = Expression.parse(condition)
        when.check(self.prepared.union)
        for batch in self.journal.rows(
            "select * from batch where run=? and routes_json is not null and rows>0 order by seq", self.run
        ):
            for number in self._matching(batch, when):
                yield self._trace(batch, number)

    def _matching(self, batch: Mapping[str, Any], when: Expression) -> Iterator[int]:
        first = batch["first_row"]
        for chunk in self._chunks(batch):
            program = self._program(batch["source"], 0)
            rows = pl.int_range(first, first + chunk.frame.height, dtype=pl.Int64, eager=True)
            frame = program.run(chunk.frame, rows).frame
            yield from frame.filter(when.compile(self.prepared.union).fill_null(False))[ROW].to_list()
            first += chunk.frame.height

    def _trace(self, batch: Mapping[str, Any], number: int) -> RowTrace:
        chunk, offset = self._find(batch, number)
        raw = chunk.frame.slice(offset, 1)
        found = faults_by_row(chunk.faults).get(offset)
        faults = {0: found} if found else {}
        steps: list[StepTrace] = []
        frame: pl.DataFrame | None = None
        for count in range(self.followed + 1):
            program = self._program(batch["source"], count)
            computed = program.run(raw, pl.Series([number], dtype=pl.Int64), fault_marks(faults, 1))
            after = computed.frame
            steps.append(self._step(count, program, frame if frame is not None else raw, after, raw, faults, len(steps)))
            frame = after
            if _all_dropped(program, after):
                break
        routes, decisions = self._routes(batch["source"], raw, number, faults), self._decisions(number)
        into = self.plan.steps[self.followed].id if None in routes else None
        route = ", ".join(dict.fromkeys(f"into {into}" if name is None else name for name in routes))
        final = frame.drop([ROW, *hidden(frame.columns)]).row(0, named=True) if frame is not None and frame.height else {}
        return RowTrace(
            number, batch["source"], chunk.file, line_of(chunk, offset), batch["seq"], self._masked(raw.row(0, named=True)),
            tuple(s for s in steps if s.changes or s.findings or s.dropped), self._masked(final), route, tuple(decisions),
            tuple(self._outputs(self._targets(routes, decisions))), into,
        )  # fmt: skip

    def _step(
        self, count: int, program: Program, before: pl.DataFrame, after: pl.DataFrame, raw: pl.DataFrame, faults: Any, seen: int
    ) -> StepTrace:
        name = self.plan.steps[count - 1].id if count else "contract"
        module = self.plan.steps[count - 1].module.name if count else "schema"
        if after.height == 0:
            return StepTrace(name, module, dropped=True)
        flags = [f for f in program.flags if f.check == name]
        lists = reasons(flags, after, raw[[0] * after.height], faults if not count else {}).to_list()
        every = [reason for each in lists for reason in each]
        told = [reason for n, reason in enumerate(every) if reason not in every[:n]]
        pairs = {
            column: (_cell(before, column), _cell(after, column))
            for column in after.columns if not column.startswith("__") and column != ROW
        }  # fmt: skip
        changes = {c: (old, new) for c, (old, new) in pairs.items() if c not in before.columns or not _equal(old, new)}
        changes |= {c: (_cell(before, c), None) for c in before.columns if c not in after.columns and not c.startswith("__")}
        dropped = _all_dropped(program, after)
        changes = {c: pair if c not in self.masked else (_mask(pair[0]), _mask(pair[1])) for c, pair in changes.items()}
        told = [
            f if f["column"] not in self.masked else {**f, "message": f"{f['column']} is ***", "value": _mask(f["value"])}
            for f in told
        ]
        return StepTrace(name, module, changes, tuple(told), dropped, after.height)

    def _masked(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row as it may be shown: columns with personal data are masked."""
        return {name: _mask(value) if name in self.masked else value for name, value in row.items()}

    def _routes(self, source: str, raw: pl.DataFrame, number: int, faults: Any) -> list[str | None]:
        """The way of each row that it has become; None: on into a step that makes rows anew."""
        node = next(n for n in self.plan.streams if n.id == source)
        router = Router(self.plan, reliability_before(self.plan, self.journal, self.run))
        ends = self.followed == len(self.plan.steps)
        plan = replace(self.plan, steps=self.plan.steps[: self.followed])
        program = compile_program(plan, node, self.prepared.columns[source], self.prepared.union, self.prepared.context,
                                  self.verdicts, (), router.stages if ends else partial(_leaving, router))  # fmt: skip
        frame = program.run(raw, pl.Series([number], dtype=pl.Int64), fault_marks(faults, 1)).frame
        if _all_dropped(program, frame):
            return ["dropped"]
        lost = gone(program.drops, frame)
        codes = (frame if lost is None else frame.filter(~lost))[ROUTE].to_list()
        return [None if code is None else "held" if code == HELD else route_name(self.plan, code) for code in codes]

    def _program(self, source: str, count: int) -> Program:
        node = next(n for n in self.plan.streams if n.id == source)
        plan = replace(self.plan, steps=self.plan.steps[:count])
        return compile_program(
            plan, node, self.prepared.columns[source], self.prepared.union, self.prepared.context, self.verdicts
        )

    def _find(self, batch: Mapping[str, Any], number: int) -> tuple[Chunk, int]:
        first = batch["first_row"]
        for chunk in self._chunks(batch):
            if number < first + chunk.frame.height:
                return chunk, number - first
            first += chunk.frame.height
        raise UsageError(f"row {number} is not where it was", hint="the source has changed since the run")

    def _chunks(self, batch: Mapping[str, Any]) -> Iterator[Chunk]:
        node = next(n for n in self.plan.streams if n.id == batch["source"])
        left = batch["rows"]
        for chunk in node.source.read(self.prepared.context_of(node.id), batch["start"], max(left, 1)):
            yield chunk
            left -= chunk.frame.height
            if left <= 0:
                return

    def _decisions(self, number: int) -> list[dict[str, Any]]:
        """The questions that held the row, with who answered what."""
        told = []
        for held in self.journal.rows("select distinct path from held where run=?", self.run):
            waits = pl.scan_ipc(held["path"]).filter(pl.col(ROW) == number).select(QUESTION).collect(engine="in-memory")
            for id in waits[QUESTION][0].split() if waits.height else ():
                told.append(self.journal.question(id))
        return told

    def _targets(self, routes: Sequence[str | None], decisions: Sequence[Mapping[str, Any]]) -> set[str]:
        """Where the row went: by its route, or as the answer said."""
        chosen = [q["choices"].get(q["choice"], "") for q in decisions if q["choice"] and q["scope"] != "value"]
        return {output for route in (chosen[-1:] or routes) for output in (route or "").split("+")}

    def _outputs(self, reached: set[str]) -> Iterator[dict[str, Any]]:
        for id in [node.id for node in self.plan.outputs.values() if reached & set(chain_of(self.plan, node))]:
            query = "select * from publication where run=? and output=? order by at desc limit 1"
            for done in self.journal.rows(query, self.run, id):
                yield {"output": id, "state": done["state"], "path": (done["result"] or {}).get("path"), "at": done["at"]}

    def _verdicts(self) -> dict[str, list[RowVerdict]]:
        found: dict[str, list[RowVerdict]] = {}
        for row in self.journal.rows("select checkpoint_json from pass where run=? and checkpoint_json is not null", self.run):
            for id, metas in (row["checkpoint"].get("verdicts") or {}).items():
                for n, meta in enumerate(metas):
                    rows = RowSet.load(self.journal.directory(self.run) / f"rows-{id}-{n}.npy")
                    found.setdefault(id, []).append(RowVerdict.kept(rows, meta))
        return found


def _reading_only(plan: Plan) -> Plan:
    return replace(plan, outputs={})


def _leaving(router: Router, program: Program, types: Types) -> list[list[pl.Expr]]:
    """In place of the router's own: the ways of rows that leave before a step which makes rows anew."""
    way = router.leaving(program, types)
    return [[(pl.lit(None, dtype=pl.UInt8) if way is None else way).alias(ROUTE)]]


def _all_dropped(program: Program, frame: pl.DataFrame) -> bool:
    lost = gone(program.drops, frame)
    return frame.height == 0 or (lost is not None and bool(frame.select(lost.all()).item()))


def _cell(frame: pl.DataFrame, column: str) -> Any:
    """The value of a column; where the row has become several that differ, all of them."""
    values = frame[column].to_list() if column in frame.columns else [None]
    return values[0] if all(_equal(value, values[0]) for value in values) else tuple(values)


def _mask(value: Any) -> Any:
    return None if value is None else "***"


def _equal(a: Any, b: Any) -> bool:
    return str(a) == str(b) or (type(a) is type(b) and a != a)


def clock(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else ""
