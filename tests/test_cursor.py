"""Sources that go on where the last run ended, and inspections before anything is read."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import qpipe
from running import Killed, Project, stop_at

from qpipe.core import effects

PLUGIN = '''
from pathlib import Path
import polars as pl
from qpipe.core.batch import Chunk
from qpipe.core.component import Input, Inspection, Source, Verdict
from qpipe.core.params import param
from qpipe.core.types import DataType


class Ticker(Source):
    """Numbers from a file's count on, each once."""

    name = "ticker"
    path: str = param(help="a file that holds how many there are")

    def columns(self, context):
        return {"n": DataType.parse("int")}

    def inputs(self, context):
        return [Input("ticks", str(context.directory / self.path), bytes=3)]

    def read(self, context, position, rows, columns=None):
        start, end = (position or context.cursor or {"next": 0})["next"], int((context.directory / self.path).read_text())
        for first in range(start, end, rows):
            stop = min(first + rows, end)
            yield Chunk(pl.DataFrame({"n": range(first, stop)}), {"next": stop})

    def cursor(self, position, context):
        return position or context.cursor

    def pending(self, context):
        return int((context.directory / self.path).read_text()) > (context.cursor or {"next": 0}).get("next", 0)

    def acknowledge(self, cursor, context):
        (context.directory / "heard").write_text(str(cursor["next"]))


class Fresh(Inspection):
    """Inputs that no run has read."""

    name = "fresh"

    def inspect(self, delivery, context):
        run = delivery.read_before(Path(delivery.inputs[0].path).read_text())
        return Verdict("fail", {"before": 1}, message=f"read by {run} before") if run else Verdict("pass", {"before": 0})
'''

SPEC = """
    name: ticks
    plugins: [ticker.py]
    sources: {ticks: {type: ticker, path: count}}
    modules: [{not_null: [n]}]
    outputs: {out: {path: "out/", format: csv, mode: append}}
    settings: {batch_size: 2, workers: 1}
"""


def project(folder: Path, spec: str = SPEC) -> Project:
    made = Project(folder, spec, {"ticker.py": PLUGIN, "count": "5"})
    return made


def numbers(made: Project) -> list[int]:
    texts = [path.read_text() for path in (made.folder / "out").glob("[!.]*.csv")]
    return sorted(int(line) for text in texts for line in text.splitlines()[1:])


def test_the_next_run_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    ticks = project(tmp_path)
    assert ticks.run().state == "done"
    assert (tmp_path / "heard").read_text() == "5"
    (tmp_path / "count").write_text("8")
    assert ticks.run().state == "done"
    assert numbers(ticks) == list(range(8))
    assert ticks.journal.run()["rows_in"] == 3
    assert ticks.run().state == "done", "nothing new is a result, too"
    assert numbers(ticks) == list(range(8))


def test_full_refresh_reads_everything(tmp_path: Path) -> None:
    ticks = project(tmp_path)
    ticks.run()
    ticks.run(afresh=True)
    assert numbers(ticks) == sorted([*range(5)] * 2)


def test_of_two_runs_that_read_the_same_one_publishes(tmp_path: Path) -> None:
    ticks = project(tmp_path)
    listener, seen = stop_at(10_000)
    with effects.listening(listener):
        ticks.run()
    at = seen.index("journal.commit.cursors.before")
    other = project(tmp_path / "other")
    with pytest.raises(Killed), effects.listening(stop_at(at)[0]):
        other.run()
    stopped = other.journal.run()["id"]
    assert other.run().state == "done"
    refused = other.resume(stopped)
    assert refused.state == "refused" and "has published" in refused.message
    assert numbers(other) == list(range(5))


def test_stopped_anywhere_no_tick_is_lost_or_doubled(tmp_path: Path) -> None:
    whole = project(tmp_path / "whole")
    listener, seen = stop_at(10_000)
    with effects.listening(listener):
        whole.run()
    for at in range(len(seen)):
        ticks = project(tmp_path / str(at))
        with pytest.raises(Killed), effects.listening(stop_at(at)[0]):
            ticks.run()
        (ticks.folder / "count").write_text("6")
        if ticks.journal.runs():
            ticks.resume()
        ticks.run()
        assert numbers(ticks) == list(range(6)), seen[at]


def test_watching_runs_once_for_every_arrival(tmp_path: Path) -> None:
    ticks = project(tmp_path)
    command = [sys.executable, "-m", "qpipe", "run", str(ticks.spec), "--watch", "--every", "0.1", "--quiet"]
    watching = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for count in (5, 7):
            (tmp_path / "more").write_text(str(count))
            (tmp_path / "more").replace(tmp_path / "count")  # whole, as the other process reads it at any moment
            _until(lambda count=count: (tmp_path / "heard").exists() and (tmp_path / "heard").read_text() == str(count))
        time.sleep(0.5)
    finally:
        watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 0, watching.stderr and watching.stderr.read()
    runs = ticks.journal.runs()
    assert [(r["state"], r["rows_in"]) for r in runs] == [("done", 2), ("done", 5)], "nothing runs when nothing is new"
    assert runs[0]["parent"] == runs[1]["id"]
    assert numbers(ticks) == list(range(7))


def test_watching_needs_something_that_goes_on(tmp_path: Path) -> None:
    Project(tmp_path, "name: x\nsources: {a: {path: a.csv}}\noutputs: {o: {path: o.csv}}\n", {"a.csv": "id\n1\n"})
    assert "only_new: true" in qpipe(tmp_path, "run", "spec.yaml", "--watch", code=2).stderr


def _until(met: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_an_inspection_refuses_before_a_row_is_read(tmp_path: Path) -> None:
    ticks = project(tmp_path, SPEC.replace("[{not_null: [n]}]", "[fresh]"))
    first = ticks.run()
    assert first.state == "done"
    again = ticks.run()
    assert again.state == "refused" and f"read by {first.run} before" in again.message
    assert ticks.journal.run()["rows_in"] == 0
    judged = [event.data["outcome"] for event in ticks.events if event.name == "gate.judged"]
    assert judged == ["pass", "fail"]
