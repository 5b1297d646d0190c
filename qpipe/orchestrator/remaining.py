"""Rules about groups and sequences, judged again on the rows that are really delivered.

"Each order has one total" may hold of all rows and not of those that are left when some went to quarantine. So what such a rule
gathered is kept until the end, cut down to the rows that are delivered, and judged once more. Rows that it found the first time
are not told twice: only what the routing itself has broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Relational, RowVerdict, Verdict
from qpipe.core.judgement import judge_rows
from qpipe.core.rowset import RowSet
from qpipe.orchestrator.delivered import GATHERED, Gathered, beside, delivered_rows, judged_beside, may_break
from qpipe.orchestrator.gates import GateVerdict
from qpipe.orchestrator.passes import Pass, relational
from qpipe.orchestrator.writer import Writer
from qpipe.spec.plan import StepNode

if TYPE_CHECKING:
    from qpipe.orchestrator.compiled import Programs

SHOWN = 3  # row numbers in a message


def rejudged(last: Pass, programs: Programs, writer: Writer, context: Context, strict: bool) -> list[GateVerdict]:
    """Verdicts on rules that hold no more of what is delivered, and on those that were told so and are well by now."""
    plan, journal = programs.plan, writer.journal
    steps = {step.id: step for step in relational(plan) if may_break(step.module)}  # type: ignore[arg-type]
    if not steps:
        return []
    rows, found, judged = delivered_rows(writer.directory), programs.verdicts(last), []
    for row in journal.rows("select number, checkpoint_json from pass where run=?", writer.run):
        for id, kept in ((row["checkpoint"] or {}).get("kept") or {}).items():
            if id in steps:
                own = Gathered(writer.directory / GATHERED / str(row["number"]) / id, kept["state"], rows)
                seen = context.but(types=programs.types_before(id))
                earlier = beside(journal, plan, id, seen)
                judged.append(_judged(steps[id], own, earlier, found.get(id, ()), seen, strict))
    told = {e.data.get("gate") for e in writer.journal.events(writer.run) if e.name == "gate.judged"}
    return [verdict for verdict in judged if verdict.broken_by_routing or verdict.gate in told]


def _judged(
    step: StepNode, own: Gathered, earlier: Sequence[Gathered], found: Sequence[RowVerdict], context: Context, strict: bool
) -> GateVerdict:
    """The verdict on the rows that are left, beside those of earlier runs. ``found``: what failed the first time.

    It refuses the data where failures of this check do: with a tolerance, and with ``--strict``. Else it is a warning.
    """
    module = step.module
    assert isinstance(module, Relational)
    rows, failed, expected = own.rows, RowSet(), ""
    for verdict in judged_beside(module, own, earlier, context, own.folder / "left"):
        more = verdict.rows
        for before in found:
            more = more.but(before.rows)
        if len(more):
            failed.add(more.ordinals())
            expected = expected or verdict.expected
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
