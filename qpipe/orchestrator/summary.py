"""What a run came to, computed from the journal: the balance sheet, verdicts, scores, outputs, questions.

The engine calls ``summarise`` at the end and keeps ``to_json`` of it in ``run.result_json``; reports, comparisons and pages
read it back with ``load``. Everything is counted, nothing is judged twice in another way.

What the journal must hold for it, beyond its tables:

    batch.routes_json    {"clean+audit": rows} by the outputs a route leads to, "drop", "held", "held:<decision>"
    batch.start_json     {"held": question id} in a batch of rows that came back after an answer
    held.state           'held' while they wait
    event gate.judged    {"gate": id, "outcome", "observed", "expected", "message", "broken_by_routing", "groups"}
    event source.note    {"source": id, "code", "message", "file", "line"}
    metric memory_mb     resident memory, now and then
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Gate, Inspection, Judging
from qpipe.core.judgement import judge_rows
from qpipe.core.params import build
from qpipe.orchestrator.lineage import downstream
from qpipe.orchestrator.results import (
    Amount,
    Balance,
    CheckResult,
    Column,
    GateResult,
    Note,
    OutputResult,
    QuestionResult,
    RouteFlow,
    RunFacts,
    Sample,
    Segment,
    SourceFacts,
    Summary,
    column_scores,
    scores,
    source_scores,
)  # fmt: skip

if TYPE_CHECKING:
    from qpipe.orchestrator.journal import Journal
    from qpipe.spec.plan import Plan, StepNode

__all__ = ["Summary", "load", "summarise"]

CONTRACT = "contract"
NOTED = 1_000  # lines of one kind of note that are told
SEGMENTS = 100  # groups of a check that are told, those with the most failures
HELD, DROP = "held", "drop"


def load(journal: Journal, run: Mapping[str, Any], plan: Plan | None = None) -> Summary:
    """The summary the engine left, with the run's state and questions as they are now; else what the journal tells so far."""
    if not run.get("result"):
        return summarise(journal, run["id"], plan)
    kept = Summary.from_json(run["result"])
    return dataclasses.replace(kept, run=_run_facts(journal, run), questions=_questions(journal, run["id"]))


def summarise(journal: Journal, run: str, plan: Plan | None = None) -> Summary:
    """Computed from the journal alone; ``plan`` adds what only the spec knows: severities, dimensions, places."""
    found = journal.run(run)
    checks = _checks(journal, found, plan)
    balance = _balance(journal, run, plan)
    return Summary(
        run=_run_facts(journal, found),
        balance=balance,
        sources=_sources(journal, run, balance),
        checks=checks,
        gates=_gates(journal, found, plan),
        scores=scores(checks),
        column_scores=column_scores(checks),
        source_scores=source_scores(_by_source(journal, run, checks, balance)),
        outputs=_outputs(journal, run, plan),
        questions=_questions(journal, run),
        notes=_notes(journal, run),
    )


def score_so_far(journal: Journal, run: str, plan: Plan, dimension: str, column: str, source: str) -> dict[str, float]:
    """The score of a run that goes on: overall, or of a dimension, a column or a source. Empty: nothing was judged there."""
    checks = _checks(journal, journal.run(run), plan)
    made = column_scores(checks) if column else scores(checks)
    if source:
        made = source_scores(_by_source(journal, run, checks, _balance(journal, run, plan)))
    found = next((s for s in made if s.name == (column or source or dimension or "overall")), None)
    if found is None or found.value is None or found.low is None or found.high is None:
        return {}
    return {"score": found.value, "low": found.low, "high": found.high}


def _run_facts(journal: Journal, run: Mapping[str, Any]) -> RunFacts:
    ended = run["ended"]
    seconds = max((ended or run["progress_at"] or run["started"]) - run["started"], 0.0)
    peak = journal.rows("select max(value) as peak from metric where run = ? and name = 'memory_mb'", run["id"])[0]["peak"]
    busy = journal.rows("select sum(ended - started) as busy from pass where run = ? and ended is not null", run["id"])
    working = busy[0]["busy"] or seconds  # a run may have waited for a person, or lain dead: that is not its speed
    rows = run["rows_in"]
    return RunFacts(
        id=run["id"], name=run["name"], state=run["state"], spec_file=run["spec_file"], started=run["started"], ended=ended,
        seconds=seconds, rows_in=rows, rows_per_second=rows / working if working and rows else None, memory_mb=peak,
        exit_code=run["exit_code"], error=run["error"], attempt=run["attempt"], versions=run["versions"] or {},
        parent=run["parent"],
    )  # fmt: skip


def _balance(journal: Journal, run: str, plan: Plan | None) -> Balance:
    batches = journal.rows(
        "select source, rows, start_json, routes_json, dropped_json, created_json from batch where run = ? and pass = "
        "(select max(pass) from batch where run = ? and routes_json is not null) order by seq", run, run,
    )  # fmt: skip
    arrived: Counter[str] = Counter({s.id: 0 for s in plan.streams} if plan else {})
    routed: Counter[str] = Counter({"+".join(r.to): 0 for r in plan.routes if r.to} if plan else {})
    dropped: Counter[str] = Counter()
    created: Counter[str] = Counter()
    for batch in batches:
        returned = HELD in (batch["start"] or {})
        arrived[batch["source"]] += 0 if returned else batch["rows"]  # after an answer: these have arrived before
        for name, rows in (batch["routes"] or {}).items():
            if name == DROP:
                dropped["an answer" if returned else "a route"] += rows
            elif name.partition(":")[0] != HELD:
                routed[name] += rows
        dropped.update(batch["dropped"] or {})
        created.update(batch["created"] or {})
    routes = tuple(_route(name, rows, plan) for name, rows in routed.items())
    return Balance(
        _amounts(arrived), _amounts(created), routes, _amounts(dropped), _waiting(journal, run), _missing(journal, run, routes)
    )


def _route(name: str, rows: int, plan: Plan | None) -> RouteFlow:
    outputs = name.split("+")
    if plan is None:
        return RouteFlow(name, rows, "quarantined" if name == "quarantine" else "delivered", tuple(outputs))
    quarantined = all(o in plan.outputs and plan.outputs[o].original for o in outputs)
    for _ in plan.outputs:  # an output may follow one that follows
        outputs += [o.id for o in plan.outputs.values() if o.follows in outputs and o.id not in outputs]
    return RouteFlow(name, rows, "quarantined" if quarantined else "delivered", tuple(outputs))


def _waiting(journal: Journal, run: str) -> tuple[Amount, ...]:
    found = journal.rows(
        "select coalesce(q.decision, h.question) as id, sum(h.rows) as rows from held h left join question q "
        "on q.id = h.question where h.run = ? and h.state = 'held' group by 1 order by 1", run,
    )  # fmt: skip
    return tuple(Amount(row["id"], row["rows"]) for row in found)


def _missing(journal: Journal, run: str, routes: tuple[RouteFlow, ...]) -> tuple[Amount, ...]:
    staged = {p["output"]: p["rows"] for p in journal.rows(
        "select output, sum(rows) as rows from part where run = ? group by output", run)}  # fmt: skip
    wanted: Counter[str] = Counter()
    for route in routes:
        wanted.update({output: route.rows for output in route.outputs})
    found = {output: rows - staged.get(output, 0) for output, rows in wanted.items()}
    found |= {output: -rows for output, rows in staged.items() if output not in wanted}
    return tuple(Amount(output, rows) for output, rows in found.items() if rows)


def _sources(journal: Journal, run: str, balance: Balance) -> tuple[SourceFacts, ...]:
    arrived = {a.id: a.rows for a in balance.sources}
    found = journal.rows("select id, types_json from source where run = ? order by rowid", run)
    return tuple(
        SourceFacts(s["id"], arrived.get(s["id"], 0), tuple(_column(n, t) for n, t in (s["types"] or {}).items()))
        for s in found
    )


def _column(name: str, told: Any) -> Column:
    return Column(name, told["type"], bool(told.get("pii"))) if isinstance(told, Mapping) else Column(name, str(told))


# ── checks and gates ──────────────────────────────────────────────────────────────────────────────────────────────────


def _checks(journal: Journal, run: Mapping[str, Any], plan: Plan | None) -> tuple[CheckResult, ...]:
    tally = journal.rows('select "check", "column", evaluated, failed from tally where run = ? order by rowid', run["id"])
    samples, staked = _samples(journal, run["id"]), _staked(journal, run["id"])
    steps = {s.id: s for s in plan.steps} if plan else {}
    counted = {t["check"] for t in tally}
    silent = [{"check": s.id, "column": "", "evaluated": 0, "failed": 0} for s in steps.values()
              if s.id not in counted and _judges_rows(s)]  # fmt: skip
    order = {CONTRACT: -1} | {id: n for n, id in enumerate(steps)}
    times = Counter(t["check"] for t in tally)
    told = [t for t in (*tally, *silent) if _is_told(t)]
    found = [_check(t, steps.get(t["check"]), run, plan, samples, times[t["check"]] == 1) for t in told]
    found = [_with_impact(c, staked.get((c.check, c.column), ()), steps.get(c.check), plan) for c in found]
    return tuple(sorted(found, key=lambda c: order.get(c.check, len(order))))


def _by_source(journal: Journal, run: str, checks: Sequence[CheckResult], balance: Balance) -> dict[str, list[CheckResult]]:
    """The checks with each source's own counts; a single source has all of them."""
    if len(balance.sources) == 1:
        return {balance.sources[0].id: list(checks)}
    known = {(c.check, c.column): c for c in checks}
    found: dict[str, list[CheckResult]] = {a.id: [] for a in balance.sources}
    for row in journal.rows("select * from source_tally where run = ? order by rowid", run):
        check = known.get((row["check"], row["column"]))
        if check is not None and row["source"] in found:
            found[row["source"]].append(dataclasses.replace(check, evaluated=row["evaluated"], failed=row["failed"]))
    return found


def _staked(journal: Journal, run: str) -> dict[tuple[str, str], tuple[Segment, ...]]:
    found: dict[tuple[str, str], tuple[Segment, ...]] = {}
    query = 'select * from stake where run = ? order by "check", "column", failed desc, impact desc, "group"'
    for row in journal.rows(query, run):
        group = tuple(json.loads(row["group"])) if row["group"] else ()
        segment = Segment(group, row["evaluated"], row["failed"], row["impact"])
        found[row["check"], row["column"]] = (*found.get((row["check"], row["column"]), ()), segment)
    return found


def _with_impact(check: CheckResult, segments: tuple[Segment, ...], step: StepNode | None, plan: Plan | None) -> CheckResult:
    """What a check's failures cost, where, and what they reach."""
    at_stake = getattr(step and step.module, "impact", None) or ""
    impact = sum(s.impact or 0.0 for s in segments) if at_stake and segments else None
    shown = tuple(s if at_stake else dataclasses.replace(s, impact=None) for s in segments if s.group)[:SEGMENTS]
    columns, outputs = downstream(plan, step, check.column) if plan and check.failed else ((), ())
    return dataclasses.replace(check, at_stake=at_stake, impact=impact, segments=shown, columns=columns, outputs=outputs)


def _is_told(tally: Mapping[str, Any]) -> bool:
    """The contract on whole rows (malformed lines) is worth a line only when there were any."""
    return tally["check"] != CONTRACT or bool(tally["column"]) or tally["failed"] > 0


def _judges_rows(step: StepNode) -> bool:
    judges = isinstance(step.module, Judging) and not isinstance(step.module, (Gate, Inspection))
    return judges and getattr(step.module, "effect", "findings") == "findings"


def _check(tally: Mapping[str, Any], step: StepNode | None, run: Mapping[str, Any], plan: Plan | None,
           samples: Mapping[tuple[str, str], tuple[Sample, ...]], alone: bool) -> CheckResult:  # fmt: skip
    module = step.module if step else None
    severity = getattr(module, "severity", None) or "error"
    judging = module if isinstance(module, Judging) else build(Judging, {"severity": severity})
    dimension = module.dimension if module else "validity" if tally["check"] == CONTRACT else None
    check, column = tally["check"], tally["column"]
    return CheckResult(
        check=check, module=module.name if module else check, column=column, expected=_expected(module, column),
        severity=judging.severity, dimension=dimension,
        weight=judging.weight, tolerance=judging.tolerance, evaluated=tally["evaluated"], failed=tally["failed"],
        outcome=judge_rows(judging, tally["failed"], tally["evaluated"]).outcome,
        file=plan.file if plan else run["spec_file"], line=_line(step, column, plan),
        samples=samples.get((check, column), ()), others=_others(module, column) if alone else (),
    )  # fmt: skip


def _line(step: StepNode | None, column: str, plan: Plan | None) -> int:
    """Where a check stands in the spec; the contract stands with the source that declares the column."""
    if step is not None or plan is None:
        return step.place.line if step else 0
    return next((s.place.line for s in plan.sources if column in (s.types or {})), 0)


def _others(module: Any, column: str) -> tuple[str, ...]:
    """The other columns of a claim about several at once, such as a key's."""
    named = getattr(module, "columns", None) or ()
    return tuple(c for c in named if c != column) if isinstance(named, (list, tuple)) and column in named else ()


def _expected(module: Any, column: str) -> str:
    told = getattr(module, "expected", None)
    if not callable(told):
        return ""
    try:
        words = str(told(column))
    except Exception:  # the user's own code, asked for words only
        return ""
    return "" if words == module.name.replace("_", " ") else words  # the name says it already


def _samples(journal: Journal, run: str) -> dict[tuple[str, str], tuple[Sample, ...]]:
    found: dict[tuple[str, str], tuple[Sample, ...]] = {}
    for s in journal.rows('select *, "row" as ordinal from sample where run = ? order by "check", "column", ordinal', run):
        key = s["check"], s["column"]
        sample = Sample(s["ordinal"], s["file"], s["line"], s["value"], s["row"] or {})  # "row" is row_json, decoded
        found[key] = (*found.get(key, ()), sample)
    return found


def _gates(journal: Journal, run: Mapping[str, Any], plan: Plan | None) -> tuple[GateResult, ...]:
    judged = {str(e.data.get("gate")): e.data for e in journal.events(run["id"]) if e.name == "gate.judged"}
    steps = {s.id: s for s in plan.steps if isinstance(s.module, (Gate, Inspection))} if plan else {}
    names = dict.fromkeys([*steps, *judged])
    every = {s.id: s for s in plan.steps} if plan else {}  # a rule about groups is judged like a gate where routing broke it
    return tuple(_gate(name, judged.get(name) or {}, every.get(name), run, plan) for name in names)


def _gate(id: str, told: Mapping[str, Any], step: StepNode | None, run: Mapping[str, Any], plan: Plan | None) -> GateResult:
    return GateResult(
        gate=id, module=step.module.name if step else id, severity=getattr(step and step.module, "severity", "error"),
        outcome=told.get("outcome", "not evaluated"), observed=told.get("observed") or {}, expected=told.get("expected") or "",
        message=told.get("message") or ("" if told else "not judged yet"),
        broken_by_routing=bool(told.get("broken_by_routing")),
        groups={g: v["outcome"] for g, v in (told.get("groups") or {}).items() if g},
        file=plan.file if plan else run["spec_file"], line=step.place.line if step else 0,
    )  # fmt: skip


# ── outputs, questions, notes ─────────────────────────────────────────────────────────────────────────────────────────


def _outputs(journal: Journal, run: str, plan: Plan | None) -> tuple[OutputResult, ...]:
    staged = journal.rows(
        "select output, count(*) as parts, sum(rows) as rows, sum(bytes) as bytes from part where run = ? group by output", run
    )
    parts = {row["output"]: row for row in staged}
    published: dict[str, list[dict[str, Any]]] = {}
    for row in journal.rows("select * from publication where run = ? order by rowid", run):
        published.setdefault(row["output"], []).append(row)
    names = dict.fromkeys([*(plan.outputs if plan else ()), *parts, *published])
    return tuple(_output(name, parts.get(name), published.get(name, []), plan) for name in names)


def _output(name: str, parts: Mapping[str, Any] | None, published: list[dict[str, Any]], plan: Plan | None) -> OutputResult:
    node = plan.outputs.get(name) if plan else None
    last = published[-1] if published else {}
    result = last.get("result") or {}
    shown = sum(p["rows"] or 0 for p in published)
    counted = parts or {"parts": 0, "rows": 0, "bytes": 0}
    return OutputResult(
        output=name, type=node.output.name if node else "", place=_place(result, node.output if node else None),
        state=last.get("state") or ("staged" if parts else "nothing yet"),
        rows=shown if published else counted["rows"], bytes=result.get("bytes") or counted["bytes"] or 0,
        parts=counted["parts"], guarantee=node.output.guarantee if node else "",
    )  # fmt: skip


def _place(result: Mapping[str, Any], output: Any) -> str:
    for name in ("path", "table", "url", "topic", "place"):
        told = result.get(name) or getattr(output, name, None)
        if told:
            return str(told)
    return ""


def _questions(journal: Journal, run: str) -> tuple[QuestionResult, ...]:
    return tuple(
        QuestionResult(
            id=q["id"], decision=q["decision"], group=q["group"], text=q["text"], rows=q["rows"], state=q["state"],
            choices=tuple(q["choices"] or ()), choice=q["choice"], by=q["answered_by"], via=q["answered_via"],
            opened=q["opened_at"], due=q["due_at"],
            seconds=q["answered_at"] - q["opened_at"] if q["answered_at"] is not None else None,
        )
        for q in journal.questions(run)
    )  # fmt: skip


def _notes(journal: Journal, run: str) -> tuple[Note, ...]:
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for told in [e.data for e in journal.events(run) if e.name == "source.note"]:
        source, code, file = (str(told.get(name) or "") for name in ("source", "code", "file"))
        found.setdefault((source, code, file), []).append(told)
    made = []
    for (source, code, file), alike in found.items():
        lines = tuple(told["line"] for told in alike if told.get("line") is not None)[:NOTED]
        made.append(Note(source, code, alike[0].get("message") or code, file or None, alike[0].get("line"), lines, len(alike)))
    return tuple(made)


def _amounts(counts: Mapping[str, int]) -> tuple[Amount, ...]:
    return tuple(Amount(id, rows) for id, rows in counts.items())
