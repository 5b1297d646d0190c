"""qpipe runs, show, watch, report, diff, rm, health: what they say, what they refuse, and their exit codes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from commands import history, qpipe
from journals import Told, frame, plan, write

from qpipe.core.errors import CannotCreate, UsageError
from qpipe.orchestrator.journal import Journal


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ".qpipe"


def told(home: Path, *args: str) -> Any:
    return json.loads(history(home, *args, "--json").stdout)


def leave(home: Path, state: str, **owner: Any) -> str:
    """A run whose journal says ``state``, with this owner."""
    run = write(home, finish=False)
    journal = Journal(home)
    changes = ", ".join(f"{name} = ?" for name in ("state", *owner))
    journal.db.execute(f"update run set {changes} where id = ?", (state, *owner.values(), run))
    journal.close()
    return run


def test_runs(home: Path) -> None:
    first, second = write(home), write(home, made=plan("sales"), now=1_790_000_100.0)
    assert [(r["run"], r["state"], r["rows"], r["seconds"]) for r in told(home, "runs")] == [
        (second, "done", 100, 4),
        (first, "done", 100, 4),
    ]
    text = history(home, "runs", "-n", "1").stdout
    assert second in text and first not in text and " 4 s" in text


def test_a_run_whose_process_is_gone_is_called_dead(home: Path) -> None:
    leave(home, "running", pid=2**22 + 1)
    assert told(home, "runs")[0]["state"] == "dead"


def test_show(home: Path) -> None:
    run = write(home)
    assert told(home, "show", run)["balance"]["delivered"] == 90
    text = history(home, "show").stdout
    assert "balanced" in text and "filled · amount" in text and "not evaluated" in text


@pytest.mark.parametrize(
    ("args", "file", "starts"),
    [
        ([], None, "orders · "),
        (["--json"], None, "{"),
        (["-f", "md"], None, "## orders"),
        (["-o", "OUT/a.html"], "a.html", "<!DOCTYPE html>"),
        (["-o", "OUT/deep/a.json"], "deep/a.json", "{"),
        (["-o", "OUT/a.xml"], "a.xml", "<?xml"),
        (["-f", "junit", "-o", "OUT/a.txt"], "a.txt", "<?xml"),
        (["-f", "html", "-o", "-"], None, "<!DOCTYPE html>"),
    ],
)
def test_report(home: Path, tmp_path: Path, args: list[str], file: str | None, starts: str) -> None:
    write(home)
    done = history(home, "report", *[a.replace("OUT", str(tmp_path)) for a in args])
    text = (tmp_path / file).read_text() if file else done.stdout
    assert text.startswith(starts)


def test_html_without_a_name_is_written_beside(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = write(home)
    done = history(home, "report", "--format", "html")
    assert done.stdout == "" and f"wrote {run}.html" in done.stderr and (tmp_path / f"{run}.html").exists()


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["report", "-f", "pdf"], UsageError),
        (["report", "-o", "/dev/null/x.html"], CannotCreate),
        (["show", "nosuch"], UsageError),
        (["diff", "latest"], UsageError),  # with itself
        (["rm"], UsageError),
        (["rm", "--older-than", "soon"], UsageError),
    ],
)
def test_refusals(home: Path, args: list[str], error: type[Exception]) -> None:
    write(home)
    with pytest.raises(error):
        history(home, *args)


def test_diff_of_equals(home: Path) -> None:
    first, second = write(home), write(home, now=1_790_000_100.0)
    found = told(home, "diff", first, second)
    assert found["same"] is True
    assert all(shift == pytest.approx(0) for _, shift in found["shifts"]) and found["shifts"]
    assert "nothing changed" in history(home, "diff", first, second, "--exit-code").stdout


def test_diff_tells_what_changed(home: Path) -> None:
    first = write(home)
    changed = Told(
        batches=[{"rows": 120, "routes": {"clean": 112, "quarantine": 8}}],
        parts={"clean": 112, "copy": 112, "quarantine": 8},
        tally=[("filled", "id", 120, 0), ("filled", "amount", 120, 30)],
        samples=(),
        types={"id": {"type": "string"}, "extra": {"type": "int"}},
        sample={0: frame().with_columns(pl.lit(999.0).alias("amount"))},
    )
    second = write(home, changed, now=1_790_000_100.0)
    found = told(home, "diff", first, second)
    rows = {c["name"]: (c["before"], c["after"]) for c in found["rows"]}
    assert rows["in"] == (100, 120) and rows["dropped by dedup"] == (2, None)
    assert {c["name"]: (c["before"], c["after"]) for c in found["counts"]}["filled · amount"] == (3, 30)
    assert "orders.id: int → string" in found["schema"] and "orders.extra: new, int" in found["schema"]
    assert found["shifts"][0][0] == "amount" and found["shifts"][0][1] > 0.25
    assert "mail" not in dict(found["shifts"])  # personal
    shown = history(home, "diff", first, second, "--exit-code")
    assert shown.return_value == 1 and "+20" in shown.stdout and "very different" in shown.stdout


def test_rm(home: Path) -> None:
    old, new = write(home), write(home, now=time.time() - 60)
    assert told(home, "rm", "--older-than", "30d", "--dry-run") == {"removed": [], "would_remove": [old]}
    assert f"removed {old}" in history(home, "rm", "--older-than", "30d").stderr
    journal = Journal(home)
    assert [r["id"] for r in journal.runs()] == [new]
    assert not journal.directory(old).exists() and journal.directory(new).exists()
    assert journal.rows("select * from tally where run = ?", old) == []
    assert told(home, "rm", new) == {"removed": [new], "would_remove": []}


@pytest.mark.parametrize("state", ["waiting", "interrupted"])
def test_rm_spares_what_can_be_resumed(home: Path, state: str) -> None:
    run = leave(home, state)
    with pytest.raises(UsageError, match="can be resumed"):
        history(home, "rm", run)
    assert "nothing to remove" in history(home, "rm", "--older-than", "1s").stderr
    assert told(home, "rm", run, "--force")["removed"] == [run]


def test_rm_never_takes_a_living_run(home: Path) -> None:
    run = write(home, finish=False)
    with pytest.raises(UsageError, match="running"):
        history(home, "rm", run, "--force")


@pytest.mark.parametrize(
    ("state", "owner", "ill"),
    [
        ("done", {}, None),
        ("failed", {}, None),
        ("refused", {}, None),
        ("waiting", {}, None),
        ("running", {}, None),
        ("running", {"pid": 2**22 + 1}, "dead"),
        ("running", {"boot_id": "another"}, "dead"),
        ("running", {"host": "elsewhere", "heartbeat_at": 1.0}, "dead"),
        ("running", {"progress_at": 1.0}, "stuck"),
        ("interrupted", {}, "interrupted"),
    ],
)
def test_health(home: Path, state: str, owner: dict[str, Any], ill: str | None) -> None:
    run = leave(home, state, **owner)
    found = told(home, "health")
    assert found["healthy"] == (ill is None)
    assert [(r["run"], r["state"]) for r in found["runs"]] == ([(run, ill)] if ill else [])
    assert history(home, "health").return_value == (1 if ill else 0)


def test_watch_follows_until_the_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write(home, finish=False)

    def end(seconds: float) -> None:
        journal = Journal(home)
        journal.db.execute("update run set state = 'done', exit_code = 0, ended = 1 where id = ?", (run,))
        journal.close()

    monkeypatch.setattr("qpipe.cli.watching.time.sleep", end)  # between its first look and its second
    done = history(home, "watch", run, "--events")
    names = [json.loads(text)["name"] for text in done.stdout.splitlines()]
    assert names[0] == "run.started" and "progress" in names and done.return_value == 0
    told = next(json.loads(text) for text in done.stdout.splitlines() if '"progress"' in text)["data"]
    assert told["routes"] == {"clean": 90, "quarantine": 8} and told["checks"] == {"amounts": 5, "filled": 3, "mails": 1}


def test_watch_of_a_dead_run_says_so(home: Path) -> None:
    run = leave(home, "running", pid=2**22 + 1)
    done = history(home, "watch", run)
    assert done.return_value == 1 and "qpipe resume" in done.stderr


@pytest.mark.parametrize("command", ["runs", "show", "watch", "report", "diff", "rm", "health"])
def test_help_has_an_example(command: str) -> None:
    assert f"qpipe {command}" in qpipe(Path(), command, "--help").stdout.partition("Example:")[2]


def test_what_gates_observed_counts_of_runs_that_were_done(home: Path) -> None:
    for day, state in enumerate(["done", "refused", "failed", "done"]):
        last = write(home, Told(state=state), now=1_790_000_000.0 + 86_400 * day)
    assert Journal(home).history("orders", last, "enough", "rows") == [90.0]
