"""Rules about groups and sequences, judged again on the rows that are really delivered.

"Each order has one total" may hold of all rows and not of those that are left when some went to quarantine. So what such a rule
gathered is kept until the end, cut down to the rows that are delivered, and judged once more. Rows that it found the first time
are not told twice: only what the routing itself has broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qpipe.core.batch import ROW, Json
from qpipe.core.component import Context, Relational, RowVerdict, Verdict
from qpipe.core.effects import effect
from qpipe.core.gather import Table
from qpipe.core.judgement import judge_rows
from qpipe.core.lazy import pl
from qpipe.core.rowset import RowSet
from qpipe.orchestrator.gates import GateVerdict
from qpipe.orchestrator.journal import Writer
from qpipe.orchestrator.passes import Pass, relational
from qpipe.spec.plan import Plan, StepNode

if TYPE_CHECKING:
    from qpipe.orchestrator.compiled import Programs

SHOWN = 3  # row numbers in a message


def rejudged(last: Pass, programs: Programs, writer: Writer, context: Context, strict: bool) -> list[GateVerdict]:
    """Verdicts on rules that hold no more of what is delivered, and on those that were told so and are well by now."""
    steps = {step.id: step for step in judged_again(programs.plan)}
    if not steps:
        return []
    rows, found, judged = _delivered(writer.directory), programs.verdicts(last), []
    for row in writer.journal.rows("select number, checkpoint_json from pass where run=?", writer.run):
        for id, state in ((row["checkpoint"] or {}).get("again") or {}).items():
            folder = writer.directory / "gather" / str(row["number"]) / id
            seen = context.but(types=programs.types_before(id))
            judged.append(_judged(steps[id], folder, state, rows, found.get(id, ()), seen, strict))
    told = {e.data.get("gate") for e in writer.journal.events(writer.run) if e.name == "gate.judged"}
    return [verdict for verdict in judged if verdict.broken_by_routing or verdict.gate in told]


def judged_again(plan: Plan) -> list[StepNode]:
    """The steps whose claim may break when rows are taken away."""
    return [step for step in relational(plan) if may_break(step.module)]  # type: ignore[arg-type]


def may_break(module: Relational) -> bool:
    return module.effect == "findings" and not module.holds_of_parts


def keep_delivered(rows: pl.Series, directory: Path, seq: int) -> None:
    """Write down which rows of a batch are delivered. A repeat writes the same."""
    effect("delivered.keep")
    folder = directory / "delivered"
    folder.mkdir(exist_ok=True)
    rows.to_frame(ROW).write_parquet(folder / f"{seq:06d}.parquet", statistics=False)


def _judged(
    step: StepNode, folder: Path, state: Json, rows: RowSet, found: Sequence[RowVerdict], context: Context, strict: bool
) -> GateVerdict:
    """The verdict on the rows that are left. ``found``: what failed the first time.

    It refuses the data where failures of this check do: with a tolerance, and with ``--strict``. Else it is a warning.
    """
    module = step.module
    assert isinstance(module, Relational)
    gathered = module.collector(context, folder)
    assert isinstance(gathered, Table), "what may break is gathered into a table"
    gathered.restore(state)
    left = gathered.only(rows)
    failed, expected = RowSet(), ""
    for verdict in module.judge(left, context):
        more = verdict.rows
        for before in found:
            more = more.but(before.rows)
        if len(more):
            failed.add(more.ordinals())
            expected = expected or verdict.expected
    left.close()
    outcome = judge_rows(module, len(failed), len(rows)).outcome
    if outcome in ("pass", "not evaluated"):
        return GateVerdict(step.id, Verdict(outcome), {})
    if module.tolerance is None and not strict:
        outcome = "warn"
    count, rest = len(failed), ", …" if len(failed) > SHOWN else ""
    which = f"row{'s' * (count > 1)} {', '.join(str(row) for row in failed.ordinals()[:SHOWN])}{rest}"
    told = f"{count:,} of {len(rows):,} delivered rows break{'s' * (count == 1)} it ({which})"
    told += "; before rows were routed away it held"
    observed = {"failed": len(failed), "delivered": len(rows)}
    return GateVerdict(step.id, Verdict(outcome, observed, expected, told), {}, broken_by_routing=True)


def _delivered(directory: Path) -> RowSet:
    """All rows that are delivered so far."""
    found = RowSet()
    for path in sorted((directory / "delivered").glob("*.parquet")):
        found.add(pl.read_parquet(path)[ROW])
    return found
