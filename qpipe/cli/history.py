"""qpipe runs, show, report, diff, rm, incident, trend"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qpipe.cli.common import AsJson, Home, RunId, block, open_journal, print_blocks, print_json, tell
from qpipe.core.errors import CannotCreate, UsageError

if TYPE_CHECKING:
    from qpipe.orchestrator.journal import Journal
    from qpipe.report.block import Block
    from qpipe.spec.plan import Plan


def register(app: typer.Typer) -> None:
    for command in (runs, show, report, diff, rm, incident, trend):
        app.command()(command)


def runs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """The runs there have been, the latest first.

    Example: qpipe runs -n 5
    """
    journal = open_journal(home)
    found = [_brief(journal, run) for run in journal.runs(limit)]
    if as_json:
        print_json(found)
    else:
        print_blocks([_runs_block(found)] if found else [], "there has been no run yet: `qpipe run SPEC`")
    return 0


def show(reference: RunId = "latest", as_json: AsJson = False, home: Home = None) -> int:
    """One run: balance sheet, checks, scores, outputs, questions, what to do next.

    Example: qpipe show latest
    """
    from qpipe.orchestrator.summary import load
    from qpipe.report.text import show as shown

    journal = open_journal(home)
    run = journal.run(reference)
    summary = load(journal, run, _plan_of(run))
    if as_json:
        print_json(summary.to_json())
    else:
        print(shown(summary))
    return 0


def report(
    reference: RunId = "latest",
    format: Annotated[str, typer.Option("--format", "-f", help="html, json, md, junit or text.")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; - is stdout.")] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Show the HTML in a browser.")] = False,
    unmask: Annotated[bool, typer.Option("--unmask", help="Show columns that the contract marks pii.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """The quality report of a run: one HTML file with charts, JSON, Markdown for a pull request, JUnit, or text.

    Example: qpipe report latest -o quality.html --open
    """
    from qpipe.report import report as made

    kind = _format(format, output, open_it, as_json)
    journal = open_journal(home)
    run = journal.run(reference)
    text = made(journal, run, kind, _plan_of(run), unmask=unmask)
    if output is None and kind == "html":
        output = Path(f"{run['id']}.html")
    if output is None or str(output) == "-":
        sys.stdout.write(text)
        return 0
    _write(output, text)
    tell(f"wrote {output}")
    if open_it:
        import webbrowser

        webbrowser.open(output.resolve().as_uri())
    return 0


def diff(
    before: Annotated[str, typer.Argument(metavar="RUN", help="The earlier run.")],
    after: Annotated[str, typer.Argument(metavar="RUN", help="The later run.")] = "latest",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 1 when something changed.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """What changed between two runs: rows, failures per check, columns, and how the delivered values are spread.

    Example: qpipe diff orders-20261122 latest
    """
    from qpipe.orchestrator.summary import load
    from qpipe.report.compare import blocks, compare
    from qpipe.report.distributions import merged_sample

    journal = open_journal(home)
    found = [journal.run(reference) for reference in (before, after)]
    if found[0]["id"] == found[1]["id"]:
        raise UsageError(f"{found[0]['id']} is compared with itself", hint="name an earlier run; `qpipe runs` lists them")
    one, two = (load(journal, run, _plan_of(run)) for run in found)
    samples = []
    for run, summary in zip(found, (one, two), strict=True):
        quarantine = [r.id for r in summary.balance.routes if r.kind == "quarantined"]
        sample = merged_sample(journal.directory(run["id"]) / "sample", quarantine)
        samples.append(sample[0] if sample else None)
    compared = compare(one, two, (samples[0], samples[1]))
    if as_json:
        print_json(compared.to_json())
    else:
        print_blocks(blocks(compared))
    return 1 if exit_code and not compared.same else 0


def rm(
    references: Annotated[list[str] | None, typer.Argument(metavar="RUN…", help="Runs to forget.")] = None,
    older_than: Annotated[str | None, typer.Option(help="All that ended so long ago: 30d, 12h.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also runs that can still be resumed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Forget runs: their journal, samples and spool. What they published stays.

    Example: qpipe rm --older-than 30d
    """
    if not references and older_than is None:
        raise UsageError("say which runs, or --older-than 30d")
    journal = open_journal(home)
    chosen = [journal.run(reference) for reference in references or ()]
    if older_than is not None:
        chosen += _older(journal, older_than, force)
    going = {run["id"]: run for run in chosen}
    for run in going.values():
        _refuse(journal, run, force)
    for id in going if not dry_run else ():
        journal.forget(id)
    if as_json:
        print_json({"removed": [] if dry_run else list(going), "would_remove": list(going) if dry_run else []})
    else:
        verb = "would remove" if dry_run else "removed"
        tell(*[f"{verb} {id}" for id in going] or ["nothing to remove"])
    return 0


def incident(
    reference: RunId = "latest",
    reason: Annotated[str, typer.Option("--reason", "-r", help="What happened.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="It was none.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Mark a run as an incident: what compares figures with earlier runs does not learn from it.

    Example: qpipe incident latest --reason "the shop was closed"
    """
    import getpass

    journal = open_journal(home)
    run = journal.run(reference)
    journal.mark(run["id"], incident=not undo, reason=reason, by=getpass.getuser())
    if as_json:
        print_json({"run": run["id"], "incident": not undo, "reason": reason})
    else:
        tell(f"{run['id']} is {'no incident' if undo else 'an incident: later runs do not learn from it'}")
    return 0


def trend(
    reference: RunId = "latest",
    limit: Annotated[int, typer.Option("--limit", "-n", min=2, help="At most so many runs.")] = 30,
    of: Annotated[str, typer.Option(help="Scores of each dimension, column or source.")] = "dimension",
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """How the quality scores of a spec went over its runs, up to the one named: each dimension (or column, or source), its
    interval, its trend.

    Example: qpipe trend latest -n 10
    """
    from qpipe.orchestrator.trend import trend as found
    from qpipe.report.trend import blocks

    if of not in ("dimension", "column", "source"):
        raise UsageError(f"--of {of}: say dimension, column or source")
    journal = open_journal(home)
    run = journal.run(reference)
    made = found(journal, run["name"], limit, run["started"], _plan_of(run))
    if as_json:
        print_json(made.to_json())
    else:
        print_blocks(blocks(made, of) if made.runs else [], "no run has come to a result yet")
    return 0


# ── helpers, in the order of use ──


def _brief(journal: Journal, run: Mapping[str, Any]) -> dict[str, Any]:
    ended = run["ended"] or run["progress_at"] or run["started"]
    waiting = len(journal.questions(run["id"], "open"))
    state = "dead" if run["state"] == "running" and not journal.alive(run) else run["state"]
    return {"run": run["id"], "name": run["name"], "state": state, "stage": run["stage"], "started": run["started"],
            "seconds": ended - run["started"], "rows": run["rows_in"], "exit_code": run["exit_code"], "questions": waiting,
            "parent": run["parent"]}  # fmt: skip


def _runs_block(found: Sequence[Mapping[str, Any]]) -> Block:
    from qpipe.report.words import clock, count, duration

    tones = {"done": "", "running": "good", "waiting": "warn"}
    rows = tuple(
        (r["run"], _state(r), clock(r["started"]), duration(r["seconds"]), count(r["rows"]),
         "" if r["exit_code"] is None else str(r["exit_code"]), str(r["questions"] or ""))
        for r in found
    )  # fmt: skip
    columns = ("run", "state", "started", "took", "rows", "exit", "questions")
    return block("", columns, rows, tuple(tones.get(r["state"], "bad") for r in found), frozenset({3, 4, 5, 6}))


def _state(run: Mapping[str, Any]) -> str:
    return f"{run['state']} ({run['stage']})" if run["stage"] and run["state"] in ("running", "dead") else run["state"]


def _plan_of(run: Mapping[str, Any]) -> Plan | None:
    """The plan, for runs that left no summary; None where it cannot be made any more: a secret or a plug-in is missing."""
    if run.get("result"):
        return None
    from qpipe.core.errors import QpipeError
    from qpipe.spec.compile import plan_of

    try:
        return plan_of(run["spec_text"], vars=run["vars"] or {}, file=run["spec_file"])
    except QpipeError:
        return None


def _format(format: str, output: Path | None, open_it: bool, as_json: bool) -> str:
    """As said, else as the file's name says, else HTML where it is opened or goes to a file, else text."""
    from qpipe.report import FORMATS

    names = {"markdown": "md", "xml": "junit", "txt": "text", "htm": "html"}
    suffix = output.suffix.lstrip(".").lower() if output else ""
    kind = format or ("json" if as_json else "") or names.get(suffix, suffix)
    kind = names.get(kind, kind) or ("html" if open_it else "text")
    if kind not in FORMATS:
        raise UsageError(f"there is no format '{kind}'", hint=f"choose {', '.join(FORMATS)}")
    return kind


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotCreate(f"{path} cannot be written: {error.strerror or error}", hint="name another file with -o") from error


def _older(journal: Journal, age: str, force: bool) -> list[dict[str, Any]]:
    from qpipe.core.params import read_duration

    try:
        before = time.time() - read_duration(age)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from None
    ended = [run for run in journal.runs(1_000_000) if (run["ended"] or run["progress_at"] or run["started"]) < before]
    return [run for run in ended if run["state"] in ("done", "refused", "failed") or (force and not journal.alive(run))]


def _refuse(journal: Journal, run: Mapping[str, Any], force: bool) -> None:
    if journal.alive(run):
        raise UsageError(f"{run['id']} is running in process {run['pid']}", hint="stop it first")
    if run["state"] in ("waiting", "interrupted", "running") and not force:
        raise UsageError(f"{run['id']} is {run['state']} and can be resumed", hint="--force forgets it all the same")
