"""Files that arrive: each read once, known by what is in it, whatever it is called; a run's list stands when it begins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from running import Killed, Project, stop_at

from qpipe.core import effects

SPEC = """
    name: arriving
    sources: {s: {path: in/, only_new: true, schema: {id: int}}}
    modules: [{between: {column: id, min: 0}}, {unique: {columns: id, severity: warning}}]
    outputs: {good: {path: out/, format: ndjson, mode: append}, quarantine: {path: bad/, format: ndjson, mode: append}}
"""


def arriving(folder: Path, *files: tuple[str, str], spec: str = SPEC) -> Project:
    return Project(folder, spec, {f"in/{name}": text for name, text in files})


def good(project: Project) -> list[int]:
    parts = [path for path in (project.folder / "out").rglob("*.ndjson") if not path.name.startswith(".")]
    return sorted(json.loads(line)["id"] for path in parts for line in path.read_text().splitlines())


def put(project: Project, name: str, text: str) -> None:
    """Whole: somebody may be watching."""
    (project.folder / "coming").write_text(text)
    (project.folder / "coming").replace(project.folder / "in" / name)


def test_each_file_is_read_once(tmp_path: Path) -> None:
    project = arriving(tmp_path, ("b.csv", "id\n1\n2\n"))
    assert project.run().exit_code == 0
    assert project.run().exit_code == 0  # nothing is new: a run of no rows
    assert good(project) == [1, 2]
    put(project, "a.csv", "id\n3\n")  # a late file: its name comes before one that was read
    put(project, "c.csv", "id\n1\n2\n")  # a repeated one under another name
    os.utime(tmp_path / "in" / "b.csv")  # touched, the same content
    assert project.run().exit_code == 0
    assert good(project) == [1, 2, 3]
    notes = [event.data["message"] for event in project.events if event.name == "source.note"]
    assert any("c.csv was read before" in note for note in notes)
    told = [event.data for event in project.events if event.name == "source.note" and event.data["code"] == "repeated-file"]
    assert [Path(note["file"]).name for note in told] == ["b.csv", "c.csv"]  # not that of the file that was read
    put(project, "b.csv", "id\n9\n")  # the name of an old one, other content
    assert project.run().exit_code == 0
    assert good(project) == [1, 2, 3, 9]
    assert project.conductor(afresh=True).run().exit_code == 0  # everything that is there now
    assert good(project) == [1, 1, 2, 2, 3, 3, 9, 9]


def test_two_of_the_same_at_once_are_one(tmp_path: Path) -> None:
    project = arriving(tmp_path, ("a.csv", "id\n1\n"), ("b.csv", "id\n1\n"))
    assert project.run().exit_code == 0
    assert good(project) == [1]


def test_a_run_that_was_refused_has_read_nothing(tmp_path: Path) -> None:
    gate = SPEC.replace("modules: [", "modules: [{row_count: {min: 2}}, ")
    project = arriving(tmp_path, ("a.csv", "id\n1\n"), spec=gate)
    assert project.run().exit_code == 65
    put(project, "b.csv", "id\n2\n")
    assert project.run().exit_code == 0
    assert good(project) == [1, 2]


def test_the_list_stands_when_the_run_begins_also_after_a_stop(tmp_path: Path) -> None:
    for place in range(3, 40, 3):
        project = arriving(tmp_path / str(place), ("a.csv", "id\n1\n"), ("b.csv", "id\n2\n-1\n"))
        with effects.listening(stop_at(place)[0]), suppress(Killed):
            project.run()
        put(project, "aa.csv", "id\n3\n")  # arrives while the run is stopped
        begun = project.journal.rows("select state from run")
        if begun and begun[0]["state"] != "done":
            assert project.resume().exit_code == 0, place
            assert good(project) == [1, 2], place
        assert project.run().exit_code == 0, place
        assert good(project) == [1, 2, 3], place


def test_files_that_may_still_be_written_are_left_for_later(tmp_path: Path) -> None:
    settled = SPEC.replace("only_new: true", "only_new: true, settled: 1h")
    project = arriving(tmp_path, ("old.csv", "id\n1\n"), ("new.csv", "id\n2\n"), spec=settled)
    past = time.time() - 7200
    os.utime(tmp_path / "in" / "old.csv", (past, past))
    assert project.run().exit_code == 0
    assert good(project) == [1]
    os.utime(tmp_path / "in" / "new.csv", (past, past))
    assert project.run().exit_code == 0
    assert good(project) == [1, 2]


def test_watching_a_folder_makes_a_run_of_each_arrival(tmp_path: Path) -> None:
    project = arriving(tmp_path, ("a.csv", "id\n1\n"))
    command = [sys.executable, "-m", "qpipe", "run", str(project.spec), "--watch", "--every", "0.2", "--quiet"]
    watching = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        for number in (1, 2, 3):
            _until(lambda count=number: len(good(project)) == count)
            put(project, f"n{number}.csv", f"id\n{number + 1}\n")
        _until(lambda: len(good(project)) == 4)
    finally:
        watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 0, watching.stderr and watching.stderr.read()
    runs = project.journal.rows("select id, parent from run order by started, rowid")
    assert len(runs) == 4
    assert [run["parent"] or "" for run in runs] == ["", *(run["id"] for run in runs[:-1])]


def test_watching_leaves_a_file_alone_while_it_is_written(tmp_path: Path) -> None:
    """Also one whose writer pauses for a moment; a row cut in half is never read."""
    project = arriving(tmp_path, ("a.csv", "id\n1\n"))
    command = [sys.executable, "-m", "qpipe", "run", str(project.spec), "--watch", "--every", "2s", "--quiet"]
    watching = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        _until(lambda: good(project) == [1])
        with (tmp_path / "in" / "slow.csv").open("w") as slow:
            for piece in ("id\n", "2", "2\n3", "3\n4", "4", "\n"):  # longer than it takes until the next look
                slow.write(piece)
                slow.flush()
                time.sleep(0.5)
        _until(lambda: len(good(project)) > 1)  # the run is still ending: it is stopped all the same
    finally:
        watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 0, watching.stderr and watching.stderr.read()
    assert good(project) == [1, 22, 33, 44]
    assert len(project.journal.rows("select id from run")) == 2


def _until(holds: object, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path, SPEC, {})
    (tmp_path / "in").mkdir()
    outcome = project.run()
    assert outcome.exit_code == 69
    assert "no file is there" in outcome.message


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_in_every_format(tmp_path: Path, format: str) -> None:
    import polars as pl

    project = arriving(tmp_path, spec=SPEC)
    (tmp_path / "in").mkdir()
    for number in (1, 2):
        frame = pl.DataFrame({"id": [number]})
        path = tmp_path / "in" / f"{number}.{format}"
        frame.write_csv(path) if format == "csv" else frame.write_parquet(path)
        assert project.run().exit_code == 0
        assert good(project) == list(range(1, number + 1))
