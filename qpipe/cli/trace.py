"""qpipe trace, qpipe why"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qpipe.cli.common import AsJson, Home, Vars, open_journal, print_json, read_vars, tell
from qpipe.core.errors import UsageError

if TYPE_CHECKING:
    from qpipe.core.component import Output
    from qpipe.orchestrator.trace import RowTrace


def register(app: typer.Typer) -> None:
    app.command()(trace)
    app.command()(why)


def trace(
    reference: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, part of it, or latest.")] = "latest",
    row: Annotated[int | None, typer.Option(min=0, help="The row's number in the run, from 0 (the column _row).")] = None,
    where: Annotated[str | None, typer.Option(help='Rows for which a condition holds: "order_id = 17".')] = None,
    limit: Annotated[int, typer.Option(min=1, help="With --where: at most so many rows.")] = 5,
    var: Vars = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """The whole life of a row: file and line, steps, findings, route, decision, output.

    Example: qpipe trace latest --where "tailnum = 'N14228'"
    """
    from qpipe.cli.run import _plan_of_run
    from qpipe.orchestrator.trace import Tracer

    if (row is None) == (where is None):
        raise UsageError("say which row: --row N or --where CONDITION")
    journal = open_journal(home)
    found = journal.run(reference)
    tracer = Tracer(_plan_of_run(found, journal, "old", read_vars(var)), journal, found["id"])
    traces = [tracer.row(row)] if row is not None else tracer.where(where or "", limit)
    if as_json:
        from dataclasses import asdict

        print_json([asdict(t) for t in traces])
    else:
        print("\n\n".join(_told(t) for t in traces) or "no row fits")
    return 0


def why(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="An output of the spec.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="Which row: a condition, or the value of the output's key.")],
    run: Annotated[str, typer.Option(help="A run's id, part of it, or latest.")] = "latest",
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 5,
    var: Vars = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Why a row is in an output: back to its file and line, through steps, findings and the person who decided.

    Example: qpipe why clean "order_id = 1003"
    """
    from itertools import islice

    from qpipe.cli.run import _plan_of_run
    from qpipe.orchestrator.trace import Tracer
    from qpipe.spec.nearest import did_you_mean

    journal = open_journal(home)
    found = journal.run(run)
    plan = _plan_of_run(found, journal, "old", read_vars(var))
    if output not in plan.outputs:
        raise UsageError(
            f"{plan.name} has no output '{output}'",
            hint=did_you_mean(output, plan.outputs) or f"it has {', '.join(plan.outputs)}",
        )
    tracer = Tracer(plan, journal, found["id"])
    elsewhere: list[RowTrace] = []

    def there() -> Iterator[RowTrace]:
        for trace in tracer.matching(_condition(key, plan.outputs[output].output)):
            if any(o["output"] == output for o in trace.outputs):
                yield trace
            elif len(elsewhere) < limit:
                elsewhere.append(trace)

    traces = list(islice(there(), limit))
    if as_json:
        from dataclasses import asdict

        print_json([asdict(t) for t in traces])
    elif traces:
        print("\n\n".join(_told(t) for t in traces))
    else:
        tell(
            f"no row of {output} fits",
            *(f"  row {t.row} went {'' if t.into else 'to '}{t.route}: `qpipe trace --row {t.row}`" for t in elsewhere),
        )
    return 0 if traces else 1


def _condition(key: str, output: Output) -> str:
    """A condition as it is; a bare value is that of the output's key."""
    names = list(getattr(output, "key", None) or ())
    if len(names) != 1 or not re.fullmatch(r"[\w.:@+-]+", key):
        return key
    return f"{names[0]} = {key}" if re.fullmatch(r"-?\d+(\.\d+)?", key) else f"{names[0]} = '{key}'"


def _told(trace: RowTrace) -> str:
    place = ":".join(str(p) for p in (trace.file, trace.line) if p is not None)
    lines = [f"row {trace.row} of {trace.source}, batch {trace.batch}" + (f", {place}" if place else "")]
    lines += ["  as it came"] + [f"    {name}: {_value(value)}" for name, value in trace.raw.items()]
    rows = 1
    for step in trace.steps:
        lines.append(f"  {step.step}" + (f" ({step.module})" if step.module != step.step else ""))
        lines += [f"    it becomes {step.rows} rows"] * (step.rows > rows)
        rows = step.rows
        lines += [f"    {name}: {_change(before, after)}" for name, (before, after) in step.changes.items()]
        lines += [f"    {f['severity']}: {f['message']}" for f in step.findings]
        lines += ["    dropped here"] * step.dropped
    if trace.into:
        lines.append(f"  {trace.into} makes all rows anew: it is followed up to here")
    lines.append(f"  route: {trace.route}")
    for d in trace.decisions:
        said = f"{d['choice']} by {d['answered_by']}" if d["choice"] else "open"
        said += f", {d['reason']}" if d["reason"] else ""
        lines.append(f"  decision {d['id']}: {d['text']} — {said}")
    lines += [
        f"  output {o['output']}: {o['path']}" + ("" if o["state"] == "done" else " (not yet published)") for o in trace.outputs
    ]
    return "\n".join(lines)


def _change(before: Any, after: Any) -> str:
    """A new column that is null has no other story."""
    return "null" if before is None and after is None else f"{_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return " | ".join(map(_value, value))
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
