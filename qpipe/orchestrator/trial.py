"""A spec's own tests: rows in, through the real engine in a folder of its own, and what came out held against ``expect``.

No source is opened and no output is written. What can be expected: rows or a number of rows for each output; ``findings`` by
check, ``dropped`` rows by step, ``held`` rows and ``questions`` by decision, verdicts by ``gates``, and the run's ``state``:
done, waiting, refused, failed. Of a row only the columns that are named count; ``failed`` names checks. Gates are not obeyed,
unless a state is expected: a test has few rows.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qpipe.core.batch import REASONS
from qpipe.core.errors import QpipeError
from qpipe.orchestrator.conductor import Conductor, Outcome
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.memory_io import Kept, Rows, frame_of
from qpipe.spec.plan import Plan, SourceNode, SpecTest


@dataclass(frozen=True)
class TrialResult:
    """What came of a test; no failures: it passed."""

    test: SpecTest
    failures: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.failures


def run_tests(plan: Plan) -> list[TrialResult]:
    return [run_test(plan, test) for test in plan.tests]


def run_test(plan: Plan, test: SpecTest) -> TrialResult:
    """One test, as its own run."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="qpipe-test-") as folder:
        try:
            failures = tuple(_compare(plan, test, Path(folder)))
        except QpipeError as error:
            failures = (f"it could not run: {error}",)
    return TrialResult(test, failures, time.perf_counter() - began)


def _compare(plan: Plan, test: SpecTest, folder: Path) -> Iterator[str]:
    kept: dict[str, list[Any]] = {id: [] for id in plan.outputs}
    journal = Journal(folder)
    try:
        outcome = Conductor(_in_memory(plan, test, kept), journal, given=test.answers).run()
        yield from _differences(plan, test, kept, journal, outcome)
    finally:
        journal.close()


def _in_memory(plan: Plan, test: SpecTest, kept: Mapping[str, list[Any]]) -> Plan:
    streams = plan.streams
    named = test.source or (streams[0].id if streams else "")
    sources = tuple(_source(node, test, named) for node in plan.sources)
    outputs = {id: replace(node, output=_kept(kept[id])) for id, node in plan.outputs.items()}
    settings = plan.settings if "state" in test.expect else replace(plan.settings, fail_on="never")
    return replace(plan, sources=sources, outputs=outputs, settings=settings, tests=())


def _kept(frames: list[Any]) -> Kept:
    return Kept(frames=frames)  # type: ignore[call-arg]


def _source(node: SourceNode, test: SpecTest, named: str) -> SourceNode:
    rows: Sequence[Any] = test.rows if node.id == named else test.tables.get(node.id, ())
    source = node.source
    made = Rows(frame=frame_of(list(rows), node.types), role=source.role, schema=source.schema,
                on_new_column=source.on_new_column, on_missing_column="warn", on_malformed=source.on_malformed)  # fmt: skip
    return replace(node, source=made)


def _differences(
    plan: Plan, test: SpecTest, kept: Mapping[str, list[Any]], journal: Journal, outcome: Outcome
) -> Iterator[str]:
    expected = dict(test.expect)
    wanted = expected.pop("state", None)
    if wanted is not None and wanted != outcome.state:
        yield f"the run is {outcome.state}{f' ({outcome.message})' if outcome.message else ''}, expected {wanted}"
    elif wanted is None and outcome.state not in ("done", "waiting"):
        yield f"the run is {outcome.state}: {outcome.message}"
        return
    for name, value in expected.items():
        if name in kept:
            yield from _rows(name, [row for frame in kept[name] for row in frame.iter_rows(named=True)], value)
        elif name in _COUNTED:
            yield from _counts(name, _COUNTED[name](journal, outcome.run), value)
        elif name == "gates":
            yield from _verdicts(journal, outcome.run, value)


def _rows(name: str, found: list[dict[str, Any]], wanted: Any) -> Iterator[str]:
    if isinstance(wanted, int):
        if len(found) != wanted:
            yield f"{name} has {len(found)} rows, expected {wanted}"
        return
    left = list(found)
    for row in wanted:
        at = next((n for n, have in enumerate(left) if _fits(have, row)), None)
        if at is None:
            yield f"{name} lacks {_shown(row)}; it has " + ("; ".join(_shown(_brief(r, row)) for r in found[:5]) or "no rows")
        else:
            left.pop(at)
    if len(wanted) != len(found) and len(left) == len(found) - len(wanted):
        yield f"{name} has {len(found)} rows, expected {len(wanted)}; not expected: {_shown(left[0])}"


def _fits(have: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return all(_failed(have) >= set(want) if key == "failed" else _same(have.get(key), want) for key, want in row.items())


def _failed(have: Mapping[str, Any]) -> set[str]:
    reasons = have.get(REASONS) or []
    return {r["check"] for r in reasons} | {f"{r['check']}({r['column']})" for r in reasons}


def _same(have: Any, want: Any) -> bool:
    if have is None or want is None:
        return have is want
    if isinstance(want, bool) or isinstance(have, bool):
        return str(have).lower() == str(want).lower()
    try:
        return have == want or float(have) == float(want)
    except (TypeError, ValueError):
        return str(have) == str(want)


def _brief(have: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: sorted(_failed(have)) if key == "failed" else have.get(key) for key in row}


def _counts(what: str, found: Mapping[str, int], wanted: Any) -> Iterator[str]:
    if isinstance(wanted, int):
        wanted, found = {"rows": wanted}, {"rows": sum(found.values())}
    for key, count in wanted.items():
        if found.get(key, 0) != count:
            yield f"{what} {key}: {found.get(key, 0)}, expected {count}"


def _held(journal: Journal, run: str) -> dict[str, int]:
    rows = journal.rows("select decision, sum(rows) as n from question where run=? group by 1", run)
    return {row["decision"]: row["n"] for row in rows}


def _questions(journal: Journal, run: str) -> dict[str, int]:
    rows = journal.rows("select decision, count(*) as n from question where run=? group by 1", run)
    return {row["decision"]: row["n"] for row in rows}


def _findings(journal: Journal, run: str) -> dict[str, int]:
    rows = journal.rows('select "check", sum(failed) as n from tally where run=? group by 1', run)
    return {row["check"]: row["n"] for row in rows}


def _dropped(journal: Journal, run: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for row in journal.rows("select dropped_json, routes_json from batch where run=?", run):
        for step, count in (row["dropped"] or {}).items():
            total[step] = total.get(step, 0) + count
    return total


_COUNTED = {"held": _held, "questions": _questions, "findings": _findings, "dropped": _dropped}


def _verdicts(journal: Journal, run: str, wanted: Mapping[str, str]) -> Iterator[str]:
    found = {e.data["gate"]: e.data["outcome"] for e in journal.events(run) if e.name == "gate.judged"}
    for gate, outcome in wanted.items():
        if found.get(gate) != outcome:
            yield f"the gate {gate}: {found.get(gate, 'not judged')}, expected {outcome}"


def _shown(row: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{k}: {v}" for k, v in row.items()) + "}"
