"""qpipe run, resume, recover, replay"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qpipe.cli.common import AsJson, Home, Vars, duration, open_journal, print_json, read_vars, tell
from qpipe.core.errors import UsageError

if TYPE_CHECKING:
    from qpipe.core.events import Event
    from qpipe.orchestrator.conductor import Conductor, Outcome
    from qpipe.orchestrator.journal import Journal
    from qpipe.spec.plan import Plan

Answers = Annotated[Path | None, typer.Option("--answers", help="Answers to questions: a YAML, JSON or CSV file.")]
Parent = Annotated[
    str | None, typer.Option("--parent", metavar="RUN", help="The run whose rows a quarantine file has; else the latest.")
]
NoAsk = Annotated[bool, typer.Option("--no-ask", help="Ask nothing, even on a terminal: questions wait.")]
Events = Annotated[bool, typer.Option("--events", help="Every event as a JSON line on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="A line for each thing that happens, in place of a picture.")]
Strict = Annotated[bool, typer.Option("--strict", help="Any failed error check refuses the data (exit code 65).")]


def register(app: typer.Typer) -> None:
    for command in (run, resume, recover, replay):
        app.command()(command)


def run(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file.")],
    var: Vars = None,
    answers: Answers = None,
    from_quarantine: Annotated[
        str | None, typer.Option("--from-quarantine", help="Take repaired rows back: a quarantine file, or a run's id.")
    ] = None,
    parent: Parent = None,
    fail_on: Annotated[str | None, typer.Option("--fail-on", help="error, warning or never: what refuses the data.")] = None,
    strict: Strict = False,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Read everything, also what earlier runs have published.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run again whenever something new has arrived, until stopped.")
    ] = False,
    every: Annotated[
        float, typer.Option(parser=duration, metavar="DURATION", help="With --watch: how long between two looks: 5, 30s, 10m.")
    ] = 5.0,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows at a time; results do not depend on it.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that compute; results do not depend on it.")] = None,
    no_ask: NoAsk = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    events: Events = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Run a spec.

    Example: qpipe run orders.yaml --var day=2026-11-23
    """
    from qpipe.orchestrator.journal import Journal, home_of
    from qpipe.spec.compile import plan_of

    plan = _adjusted(plan_of(spec, vars=read_vars(var)), fail_on, batch_size, workers)
    journal = Journal(home or home_of(spec))
    if from_quarantine is not None:
        plan = _replayed(plan, journal, from_quarantine, parent)
    elif parent:
        raise UsageError("--parent says whose rows --from-quarantine takes back: it needs one")
    parent = plan.replay.parent if plan.replay else None
    seen = Seen(quiet, verbose, events, as_json)
    if watch:
        from qpipe.orchestrator.watching import watched

        plan = watched(plan, every)
        return _watch(plan, journal, every, lambda: _conductor(plan, journal, strict, no_ask, seen, parent),
                      functools.partial(_through, answers=answers, seen=seen))  # fmt: skip
    conduct = _conductor(plan, journal, strict, no_ask, seen, parent)
    conduct.afresh = full_refresh
    return _through(conduct, lambda c: c.run(), answers, seen=seen)


def resume(
    reference: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, part of it, or latest.")] = "latest",
    spec: Annotated[
        str, typer.Option(help="old goes on with the text the run began with; new takes the file as it is now.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="All runs that were stopped or wait for nothing any more.")] = False,
    var: Vars = None,
    answers: Answers = None,
    strict: Strict = False,
    no_ask: NoAsk = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    events: Events = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Go on with a run after a crash, a stop or an answer.

    Example: qpipe resume latest
    """
    journal = open_journal(home)
    journal.expire()
    runs = _resumable(journal) if every else [journal.run(reference)]
    seen = Seen(quiet, verbose, events, as_json)
    return max((_go_on(journal, found, spec, read_vars(var), answers, strict, no_ask, seen) for found in runs), default=0)


def recover(
    answers: Answers = None,
    no_ask: NoAsk = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Go on with every run whose process is gone or was stopped. Those that wait for answers, `resume --all` takes.

    Example: qpipe health || qpipe recover
    """
    journal = open_journal(home)
    left = [run for run in _resumable(journal) if run["state"] in ("running", "interrupted")]
    if not left and not as_json:
        tell("nothing to recover: every run is done, failed, refused, waiting or alive")
    seen = Seen(quiet, as_json=as_json)
    return max((_go_on(journal, found, "", {}, answers, False, no_ask, seen) for found in left), default=0)


def replay(
    what: Annotated[str, typer.Argument(metavar="RUN|FILE", help="A run, or a file of quarantined rows.")] = "latest",
    spec: Annotated[Path | None, typer.Option(help="The spec they go through: of a file it must be said.")] = None,
    parent: Parent = None,
    var: Vars = None,
    answers: Answers = None,
    strict: Strict = False,
    no_ask: NoAsk = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Send quarantined rows through the spec again, as it is now, or repaired ones; a child run adds what passes.

    Example: qpipe replay latest
    """
    from qpipe.orchestrator.journal import Journal, home_of
    from qpipe.spec.compile import plan_of

    vars = read_vars(var)
    if Path(what).exists() and spec is None:
        raise UsageError(f"which spec shall the rows of {what} go through?", hint=f"qpipe replay {what} --spec SPEC")
    if spec is None:
        journal = open_journal(home)
        found = journal.run(what)
        spec, vars = Path(found["spec_file"]), {**(found["vars"] or {}), **vars}
    journal = Journal(home or home_of(spec))
    plan = _replayed(plan_of(spec, vars=vars), journal, what, parent)
    parent = plan.replay.parent if plan.replay else None
    seen = Seen(quiet, as_json=as_json)
    return _through(_conductor(plan, journal, strict, no_ask, seen, parent), lambda c: c.run(), answers, seen=seen)


def _replayed(plan: Plan, journal: Journal, what: str, parent: str | None) -> Plan:
    from qpipe.orchestrator.replay import alone, replay_plan

    replayed = replay_plan(plan, journal, what, parent)
    if replayed.replay and replayed.replay.parent:
        tell(f"taken as rows of {replayed.replay.parent}; what it and its replays have delivered counts")
    if checks := alone(plan):
        tell(f"{', '.join(checks)}: the rows that come back are judged beside each other, not beside those delivered before")
    return replayed


@dataclass(frozen=True)
class Seen:
    """How much of a run is shown."""

    quiet: bool = False
    verbose: bool = False
    events: bool = False
    as_json: bool = False


def _go_on(
    journal: Journal, found: dict[str, Any], spec: str, vars: dict[str, str], answers: Path | None, strict: bool, no_ask: bool,
    seen: Seen,
) -> int:  # fmt: skip
    if found["state"] in ("done", "refused"):
        tell(f"{found['id']} is {found['state']}: there is nothing to resume")
        return 0
    plan = _plan_of_run(found, journal, spec, vars)
    conduct = _conductor(plan, journal, strict, no_ask, seen, found["parent"])
    return _through(conduct, functools.partial(_resume, id=found["id"]), answers, seen=seen)


def _watch(plan: Plan, journal: Journal, every: float, conductor: Callable[[], Conductor], through: Callable[..., int]) -> int:
    """A run for every arrival. A run that waits for answers does not stop the next; one that is refused or fails does."""
    from qpipe.orchestrator.watching import arrivals

    stopped = False

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True

    while True:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        last = next(arrivals(plan, journal, every, lambda: stopped), None)
        if last is None:
            return 0
        made = conductor()
        made.parent = last or made.parent
        code = through(made, lambda c: c.run())
        if code not in (0, 75):
            return code
        if made.stop.signal_number:  # it came while the run was ending
            return 0


def _resume(conductor: Conductor, id: str) -> Outcome:
    return conductor.resume(id)


def _resumable(journal: Journal) -> list[dict[str, Any]]:
    return [
        r
        for r in reversed(journal.runs())
        if r["state"] in ("interrupted", "failed", "waiting", "running") and not journal.alive(r)
    ]


def _plan_of_run(found: dict[str, Any], journal: Journal, which: str, given: dict[str, str]) -> Plan:
    """The plan a run began with: from the spec's file when it is unchanged, else as the person says."""
    from dataclasses import replace

    from qpipe.orchestrator.replay import replay_of, taking_back
    from qpipe.spec.compile import plan_of

    path, vars = Path(found["spec_file"]), {**(found["vars"] or {}), **given}
    if which not in ("", "old", "new"):
        raise UsageError(f"--spec {which}: say old or new")
    if which == "old" or not path.exists():
        plan = plan_of(found["spec_text"], vars=vars, file=str(path))
    else:
        plan = plan_of(path, vars=vars)
        if plan.fingerprint != found["fingerprint"] and which != "new":
            raise UsageError(
                f"{path} has changed since {found['id']} began",
                hint=f"go on with the old text: `qpipe resume {found['id']} --spec old`; with the new one: --spec new; "
                f"or start anew: `qpipe run {path}`",
            )
        if which == "new":
            _refuse_other_shape(plan_of(found["spec_text"], vars=vars, file=str(path)), plan)
    if replay := replay_of(journal, found["id"]):
        plan = taking_back(plan, journal, replay)
    return replace(plan, fingerprint=found["fingerprint"])


def _refuse_other_shape(old: Plan, new: Plan) -> None:
    """A run goes on with new values of the same steps, not with other steps: what was done of it is of those it began with."""
    for what, before, now in (
        ("sources", [node.id for node in old.sources], [node.id for node in new.sources]),
        ("modules", [(s.id, s.module.name) for s in old.steps], [(s.id, s.module.name) for s in new.steps]),
        ("routes", [(r.id, r.to, r.ask) for r in old.routes], [(r.id, r.to, r.ask) for r in new.routes]),
        ("outputs", list(old.outputs), list(new.outputs)),
    ):
        if before != now:
            raise UsageError(f"the {what} are others than the run began with", hint="start anew: `qpipe run`")


def _adjusted(plan: Plan, fail_on: str | None, batch_size: int | None, workers: int | None) -> Plan:
    from dataclasses import replace

    if fail_on not in (None, "error", "warning", "never"):
        raise UsageError(f"--fail-on {fail_on}: say error, warning or never")
    changes: dict[str, Any] = {"fail_on": fail_on, "batch_size": batch_size, "workers": workers}
    return replace(plan, settings=replace(plan.settings, **{k: v for k, v in changes.items() if v is not None}))


def _conductor(plan: Plan, journal: Journal, strict: bool, no_ask: bool, seen: Seen, parent: str | None) -> Conductor:
    from qpipe.cli.live import progress
    from qpipe.orchestrator.conductor import Conductor

    ask: Callable[[Journal, str], None] | None = None
    if not no_ask and sys.stdin.isatty() and sys.stdout.isatty():
        from qpipe.cli.ask import Asking

        ask = Asking()
    listeners: list[Callable[[Event], None]] = [
        progress(quiet=seen.quiet or seen.as_json, events=seen.events, verbose=seen.verbose)
    ]
    return Conductor(plan, journal, listeners, ask, strict, argv=sys.argv[1:], parent=parent)


def _through(
    conductor: Conductor,
    work: Callable[[Conductor], Outcome],
    answers: Path | None,
    *,
    seen: Seen,
) -> int:
    """Let the conductor work, stop it politely on the first signal, and say how it ended."""
    conductor.answers = answers
    _on_signals(conductor)
    listener: Any = conductor.listeners[0]
    try:
        outcome = work(conductor)
    finally:
        if hasattr(listener, "close"):
            listener.close()
    _tell_end(conductor, outcome, seen)
    return outcome.exit_code


def _on_signals(conductor: Conductor) -> None:
    import polars  # noqa: F401  it takes SIGINT to itself when it is imported, and would break its queries off: we come after it

    def stop(number: int, frame: Any) -> None:
        if conductor.stop.signal_number:
            os._exit(128 + number)
        conductor.stop.signal_number = number
        tell("", "stopping after the batch in hand; once more stops at once")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _tell_end(conductor: Conductor, outcome: Outcome, seen: Seen) -> None:
    from qpipe.orchestrator.summary import load

    found = conductor.journal.run(outcome.run)
    summary = load(conductor.journal, found, conductor.plan)
    if seen.as_json:
        print_json({"run": outcome.run, "state": outcome.state, "exit_code": outcome.exit_code, "message": outcome.message,
                    "hint": outcome.hint, "summary": summary.to_json()})  # fmt: skip
        return
    shown = ""
    if not seen.quiet and not seen.events:
        from qpipe.report.text import show

        print(shown := show(summary))
    if outcome.message:
        hint = [] if outcome.hint in shown else [f"  {outcome.hint}"]  # what was shown may say it already
        tell(f"{outcome.state}: {outcome.message}", *hint)
