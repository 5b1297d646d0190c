"""qpipe watch, health: runs that go on, and runs that should"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qpipe.cli.common import AsJson, Home, RunId, block, open_journal, print_blocks, print_json, tell

if TYPE_CHECKING:
    from qpipe.core.events import Event
    from qpipe.orchestrator.journal import Journal

STUCK = 600.0  # seconds without a batch after which a living run is called stuck
LOOK = 0.5  # seconds between two looks of `watch`


def register(app: typer.Typer) -> None:
    for command in (watch, health):
        app.command()(command)


def watch(
    reference: RunId = "latest",
    events: Annotated[bool, typer.Option("--events", help="Every event as a JSON line on stdout.")] = False,
    home: Home = None,
) -> int:
    """Follow a run that another process drives, until it ends; prints how it ended.

    Example: qpipe watch latest
    """
    from qpipe.cli.live import progress

    journal = open_journal(home)
    run = journal.run(reference)
    view = progress(events=events)
    seen = 0
    try:
        while True:
            run = journal.run(run["id"])
            for event in journal.events(run["id"], seen):
                seen = event.id
                view(event)
            if not journal.alive(run):
                break
            view(_progress_of(journal, run))
            time.sleep(LOOK)
    finally:
        view.close()
    if not events:
        dead = run["state"] == "running"
        tell(f"{run['id']}: {'its process is gone; `qpipe resume ' + run['id'] + '`' if dead else run['state']}")
    return int(run["exit_code"] or 0) if run["state"] != "running" else 1


def health(as_json: AsJson = False, home: Home = None) -> int:
    """Runs that are neither done nor failed nor alive, and living ones that stand still. Ends with 1 when there are any.

    Example: qpipe health || qpipe recover
    """
    journal = open_journal(home)
    found = [told for run in journal.runs() if (told := _ill(journal, run))]
    if as_json:
        print_json({"healthy": not found, "runs": found})
    else:
        rows = tuple((f["run"], f["what"], f["todo"]) for f in found)
        table = [block("", ("run", "what", "do"), rows, ("bad",) * len(rows))] if rows else []
        print_blocks(table, "healthy: every run is done, failed, refused, waiting or alive")
    return 1 if found else 0


# ── helpers, in the order of use ──


def _progress_of(journal: Journal, run: Mapping[str, Any]) -> Event:
    """What the engine tells its own listeners, read from the journal."""
    from qpipe.core.events import Event

    passes = journal.rows("select * from pass where run = ? order by number", run["id"])
    now = passes[-1] if passes else {"number": 1, "rows": 0, "source": ""}
    routes: dict[str, int] = {}
    for batch in journal.rows("select routes_json from batch where run = ? and routes_json is not null", run["id"]):
        for name, rows in batch["routes"].items():
            routes[name] = routes.get(name, 0) + rows
    failed = journal.rows('select "check", sum(failed) as n from tally where run = ? group by 1', run["id"])
    stage = re.fullmatch(r"pass \d+ of (\d+)", run["stage"] or "")
    total = max((p["rows"] for p in passes if p["state"] == "done"), default=None)  # every pass reads the same rows
    memory = journal.rows("select value from metric where run = ? and name = 'memory_mb' order by at desc limit 1", run["id"])
    return Event("progress", run["id"], {
        "pass": now["number"], "passes": int(stage[1]) if stage else now["number"], "source": now["source"] or "",
        "rows": now["rows"], "rows_total": total, "routes": routes, "checks": {f["check"]: f["n"] for f in failed if f["n"]},
        "questions": len(journal.questions(run["id"], "open")), "memory_mb": memory[0]["value"] if memory else None,
    }, at=run["progress_at"] or time.time())  # fmt: skip


def _ill(journal: Journal, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is wrong with a run, and what to do about it; None when nothing is."""
    resume = f"qpipe resume {run['id']}"
    if run["state"] == "interrupted":
        return {"run": run["id"], "state": "interrupted", "what": "was stopped", "todo": resume}
    if run["state"] != "running":
        return None
    if not journal.alive(run):
        return {"run": run["id"], "state": "dead", "what": f"its process {run['pid']} is gone", "todo": resume}
    still = time.time() - (run["progress_at"] or run["started"])
    if still > STUCK:
        from qpipe.report.words import duration

        return {
            "run": run["id"],
            "state": "stuck",
            "what": f"no batch for {duration(still)}",
            "todo": f"look at process {run['pid']}",
        }
    return None
