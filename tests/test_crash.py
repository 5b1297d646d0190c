"""Stopped anywhere, resumed: the result of an uninterrupted run.

A run is stopped at every effect (a file written or renamed, a spool kept, a commit before and after it) as if the process had
been killed there: nothing more is written, then it is resumed. Outputs must be equal to the byte, findings and balance equal.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from running import Killed, Project, stop_at

from qpipe.core import effects, gather

SPEC = """
    name: orders
    sources:
      orders: {path: orders.csv, schema: {id: int, customer: int, amount: "decimal(8,2)", country: string}}
      customers: {path: customers.csv, role: reference, schema: {id: int}}
    modules:
      - not_null: [id]
      - filter: {where: country <> 'XX'}
      - between: {column: amount, min: 0}
      - unique: {columns: [id]}
      - foreign_key: {columns: customer, references: customers.id, severity: warning}
      - row_count: {min: 10}
    routes:
      - {when: failed(error), to: quarantine}
      - {when: failed('foreign_key'), ask: stranger}
      - {to: clean}
    decisions:
      stranger:
        question: "{rows} orders of strangers"
        choices: {accept: clean, reject: quarantine}
        scope: group
        by: [country]
    outputs:
      clean: {path: out/clean/, format: parquet}
      copy: {path: out/copy.csv, from: clean}
      quarantine: {path: out/quarantine.ndjson}
    settings: {batch_size: 70, workers: 1}
"""


def data() -> dict[str, str]:
    rows = ["id,customer,amount,country"]
    for n in range(160):
        amount = "bad" if n % 41 == 7 else f"{-5 if n % 29 == 3 else n}.50"
        rows.append(f"{n if n % 37 else 5},{n % 12},{amount},{['DE', 'FR', 'XX', 'IT'][n % 4]}")
    return {"orders.csv": "\n".join(rows) + "\n", "customers.csv": "id\n" + "\n".join(str(n) for n in range(10)) + "\n"}


ANSWERS = {"stranger": "accept"}


def uninterrupted(folder: Path) -> tuple[Project, list[str]]:
    project = Project(folder, SPEC, data())
    listener, seen = stop_at(10**9)
    with effects.listening(listener):
        outcome = project.run(given=ANSWERS)
    assert outcome.state == "done", outcome
    return project, seen


def test_stopped_at_every_effect(tmp_path: Path) -> None:
    whole, names = uninterrupted(tmp_path / "whole")
    assert len(names) > 40 and any("rename" in n for n in names)
    expected = (whole.outputs(), whole.tallies(), whole.samples(), whole.balance())
    for number, name in enumerate(names):
        project = Project(tmp_path / f"stop-{number}", SPEC, data())
        listener, seen = stop_at(number)
        with effects.listening(listener), pytest.raises(Killed):
            project.run(given=ANSWERS)
        assert seen[number] == name
        if name == "journal.begin":
            continue  # before there is a run, there is nothing to resume
        if project.journal.run()["state"] != "done":
            assert project.resume(given=ANSWERS).state == "done", name
        found = (project.outputs(), project.tallies(), project.samples(), project.balance())
        assert found == expected, f"stopped at effect {number}, {name}"
        assert project.hidden() == [], f"stopped at effect {number}, {name}"


@pytest.mark.parametrize("effect", ["output.clean.stage", "output.stage.write", "journal.commit.batch.before"])
def test_a_run_that_ends_early_leaves_no_thread_at_work(tmp_path: Path, effect: str) -> None:
    """Who goes on with it must not meet one that still reads for it or writes its files."""
    before = set(threading.enumerate())
    project = Project(tmp_path, SPEC.replace("batch_size: 70", "batch_size: 7"), data())
    with effects.listening(killed_at(effect, 1)), pytest.raises(Killed) as stopped:
        project.run(given=ANSWERS)
    assert set(threading.enumerate()) <= before, stopped  # whose frames are still there


def test_stopped_again_while_resuming(tmp_path: Path) -> None:
    whole, names = uninterrupted(tmp_path / "whole")
    chance = random.Random(7)
    for attempt in range(12):
        project = Project(tmp_path / f"again-{attempt}", SPEC, data())
        listener, _ = stop_at(chance.randrange(2, len(names) - 2))
        with effects.listening(listener), pytest.raises(Killed):
            project.run(given=ANSWERS)
        for _ in range(4):
            listener, _ = stop_at(chance.randrange(1, 12))
            try:
                with effects.listening(listener):
                    if project.journal.run()["state"] != "done":
                        project.resume(given=ANSWERS)
            except Killed:
                continue
        if project.journal.run()["state"] != "done":
            project.resume(given=ANSWERS)
        assert (project.outputs(), project.tallies(), project.balance()) == (whole.outputs(), whole.tallies(), whole.balance())


@pytest.mark.parametrize("when", ["before", "after"])
def test_stopped_at_checkpoints_of_a_gathering_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    monkeypatch.setattr("qpipe.orchestrator.gathering.CHECKPOINT", -1.0)
    monkeypatch.setattr("qpipe.core.gather.Table.add", _slowly(gather.Table.add))  # so that there is time for checkpoints
    spec = SPEC.replace("batch_size: 70", "batch_size: 7")
    whole = Project(tmp_path / "whole", spec, data())
    assert whole.run(given=ANSWERS).state == "done"
    went_on = []
    for number in range(1, 9, 2):
        project = Project(tmp_path / f"stop-{number}", spec, data())
        with effects.listening(killed_at(f"journal.commit.checkpoint.{when}", number)):
            try:
                project.run(given=ANSWERS)
                break  # there were not so many
            except Killed:
                went_on.append(project.journal.rows("select rows from pass where number = 1")[0]["rows"])
        assert project.resume(given=ANSWERS).state == "done"
        assert (project.outputs(), project.tallies()) == (whole.outputs(), whole.tallies()), number
        assert project.balance() == whole.balance()
    assert max(went_on) > 0, "no run went on from a checkpoint"


def killed_at(effect: str, number: int) -> Callable[[str], None]:
    """A listener that stops the run when an effect comes for the n-th time, and at everything after it."""
    seen = 0

    def listener(name: str) -> None:
        nonlocal seen
        seen += name == effect
        if seen >= number:
            raise Killed(name)

    return listener


def _slowly(add: Callable[..., None]) -> Callable[..., None]:
    def slow(self: gather.Table, packed: pl.DataFrame) -> None:
        time.sleep(0.01)
        add(self, packed)

    return slow


GATES = """
    name: gates
    sources: {orders: {path: orders.csv, schema: {id: int, customer: int, amount: "decimal(8,2)", country: string}}}
    modules:
      - not_null: [id]
      - row_count: {min: 10, by: country}
      - aggregate: {column: amount, function: sum, max: 5000, by: customer}
      - aggregate: {id: middle, column: amount, function: median, max: 1}
      - value_set: {column: country, in: [DE, FR, IT]}
      - cardinality: {column: customer, max: 3}
    routes: [{when: failed(error), to: quarantine}, {to: clean}]
    outputs: {clean: {path: out/clean.csv}, quarantine: {path: out/quarantine.ndjson}}
    settings: {batch_size: 2, workers: 1, fail_on: never}
"""


def test_gates_go_on_with_the_figures_of_before(tmp_path: Path) -> None:
    """80 batches: some figures are of 64 or 8 batches, some of one. What is kept of them is not much more than they are."""

    def judged(project: Project) -> list[object]:
        run = project.journal.run()["id"]
        return [e.data for e in project.journal.events(run) if e.name == "gate.judged"]

    whole = Project(tmp_path / "whole", GATES, data())
    listener, names = stop_at(10**9)
    with effects.listening(listener):
        assert whole.run().state == "done"
    expected = judged(whole)
    assert {e["outcome"] for e in expected} == {"pass", "fail"}  # type: ignore[index]
    kept = whole.journal.rows("select sheet, sum(batches) as n, count(*) as rows from figure where stage = 'both' group by 1")
    assert kept and all(each["n"] == 80 and each["rows"] == 3 for each in kept), kept
    commits = [n for n, name in enumerate(names) if name == "journal.commit.batch.before"]
    for number in (commits[7], commits[8], commits[9] - 1, commits[63], commits[64], commits[70], commits[79]):
        project = Project(tmp_path / f"stop-{number}", GATES, data())
        listener, _ = stop_at(number)
        with effects.listening(listener), pytest.raises(Killed):
            project.run()
        assert project.resume().state == "done"
        assert judged(project) == expected


KILLS = int(os.environ.get("QPIPE_KILLS", "4"))
ROWS = int(os.environ.get("QPIPE_KILL_ROWS", "200000"))
KILL_SPEC = """
    name: kills
    sources:
      orders: {path: orders.csv, schema: {id: int, amount: float, code: string}}
    modules:
      - not_null: [id]
      - between: {column: amount, min: 0}
      - unique: {columns: [id]}
    routes: [{when: failed(error), to: quarantine}, {to: clean}]
    outputs:
      clean: {path: out/clean/, format: parquet}
      quarantine: {path: out/quarantine.csv}
    settings: {batch_size: 20000}
"""


def test_kill_9_at_random_times(tmp_path: Path) -> None:
    """Real processes, really killed; some are killed again while they resume. No row lost, none twice.

    QPIPE_KILLS=50 QPIPE_KILL_ROWS=1000000 makes it the full one.
    """
    frame = pl.DataFrame({"id": pl.int_range(ROWS, eager=True)}).with_columns(
        id=pl.when(pl.col("id") % 1000 == 0).then(pl.lit(0)).otherwise(pl.col("id")),
        amount=(pl.col("id") % 977) - 3.5,
        code=pl.format("c-{}", pl.col("id") % 5000),
    )
    chance = random.Random(11)
    source = tmp_path / "orders.csv"
    frame.write_csv(source)
    whole = Project(tmp_path / "whole", KILL_SPEC.replace("orders.csv", str(source)))
    began = time.monotonic()
    assert _process(whole, "run").wait() == 0
    seconds, killed = time.monotonic() - began, 0
    for number in range(KILLS):
        project = Project(tmp_path / f"kill-{number}", KILL_SPEC.replace("orders.csv", str(source)))
        verb = "run"
        for attempt in range(20):
            began, process = time.monotonic(), _process(project, verb)
            kill = attempt < 9 and (chance.random() < 0.8 or verb == "run")  # on a busy machine, too, it comes to an end
            try:
                code = process.wait(timeout=chance.uniform(0.5, seconds) if kill else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
                began_at_all = (project.folder / ".qpipe" / "journal.db").exists() and project.journal.runs()
                verb = "resume" if began_at_all else "run"
                continue
            assert code == 0, process.stderr.read() if process.stderr else ""
            seconds = min(seconds, time.monotonic() - began)  # the machine was busier before: the next is killed earlier
            break
        if project.journal.run()["state"] != "done":
            assert _process(project, "resume").wait() == 0
        clean = pl.scan_parquet(project.folder / "out" / "clean" / "**" / "*.parquet").select("id", "amount").collect()
        quarantine = pl.read_csv(project.folder / "out" / "quarantine.csv", infer_schema=False)
        assert clean.height + quarantine.height == ROWS
        assert project.outputs() == whole.outputs()
    assert killed >= KILLS // 2


def _process(project: Project, verb: str) -> subprocess.Popen[bytes]:
    arguments = [str(project.spec)] if verb == "run" else ["latest"]
    return subprocess.Popen(
        [sys.executable, "-m", "qpipe", verb, *arguments, "--quiet", "--no-ask", "--home", str(project.folder / ".qpipe")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=project.folder,
    )  # fmt: skip


TWO = """
    name: two
    sources:
      old: {path: old.csv, schema: {id: int}}
      new: {path: new.csv, schema: {id: int}}
    modules: [{unique: id}]
    outputs: {clean: {path: out/clean.csv}}
    settings: {batch_size: 2, workers: 1}
"""
IDS = {"old": range(1, 6), "new": range(11, 18)}


def test_several_sources_are_each_read_from_the_beginning_also_after_a_stop(tmp_path: Path) -> None:
    files = {f"{name}.csv": "id\n" + "".join(f"{n}\n" for n in ids) for name, ids in IDS.items()}
    listener, names = stop_at(10**9)
    with effects.listening(listener):
        assert Project(tmp_path / "whole", TWO, files).run().state == "done"
    batches = [number for number, name in enumerate(names) if name == "journal.commit.batch.after"]
    assert len(batches) == 7
    for number in batches:
        project = Project(tmp_path / str(number), TWO, files)
        with effects.listening(stop_at(number)[0]), pytest.raises(Killed):
            project.run()
        assert project.resume().state == "done"
        assert [int(id) for id in project.outputs()["clean.csv"].split()[1:]] == [*IDS["old"], *IDS["new"]]
