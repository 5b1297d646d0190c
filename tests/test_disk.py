"""A disk that is full, or may not be written: the run stops cleanly and resumes. Needs the right to mount a small disk."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from disks import mount, remount
from running import Project

SPEC = """
    name: wide
    sources: {wide: {path: wide.csv, schema: {id: int, text: string}}}
    modules: [{unique: {columns: [id]}}]
    outputs: {clean: {path: disk/clean/, format: csv}, quarantine: {path: disk/bad.ndjson}}
    settings: {batch_size: 2000, workers: 1}
"""


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Project]:
    """A project with an output on a disk of two megabytes; its rows need four."""
    rows = "".join(f"{n if n % 500 else 7},{'abcdefgh' * 25}\n" for n in range(20_000))
    (tmp_path / "disk").mkdir()
    mount(tmp_path / "disk", "size=2m")
    yield Project(tmp_path, SPEC, {"wide.csv": "id,text\n" + rows})
    subprocess.run(["umount", str(tmp_path / "disk")], check=True)


def command(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "qpipe", *words, "--quiet"]
    return subprocess.run(line, capture_output=True, text=True, cwd=project.folder, timeout=120)


def rows(project: Project) -> tuple[int, int]:
    clean = sum(p.read_text().count("\n") - 1 for p in (project.folder / "disk/clean").glob("*.csv"))
    return clean, (project.folder / "disk/bad.ndjson").read_text().count("\n")


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(wide: Project) -> None:
    stopped = command(wide, "run", "spec.yaml")
    assert stopped.returncode == 73, stopped.stderr
    assert (
        "disk is full" in stopped.stderr
        and str(wide.folder / "disk") in stopped.stderr
        and "resume" in stopped.stderr
        and "Traceback" not in stopped.stderr
    )
    assert not list((wide.folder / "disk").glob("clean/*.csv")), "nothing half-written is visible"
    remount(wide.folder / "disk", "size=64m")
    resumed = command(wide, "resume", "latest")
    assert resumed.returncode == 0, resumed.stderr
    assert rows(wide) == (19_959, 41)


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_a_disk_that_fills_while_polars_writes_is_told_alike(wide: Project, format: str) -> None:
    folder = wide.folder
    (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("format: csv", f"format: {format}"))
    letters = random.Random(7)
    texts = "".join(f"{n},{letters.randbytes(150).hex()}\n" for n in range(20_000))  # three megabytes when packed
    (folder / "wide.csv").write_text("id,text\n" + texts)
    stopped = command(wide, "run", "spec.yaml")
    assert stopped.returncode == 73 and "disk is full" in stopped.stderr and "Traceback" not in stopped.stderr, stopped.stderr
    assert not list((folder / "disk").glob("clean/*")), "nothing half-written is visible"
    remount(folder / "disk", "size=64m")
    resumed = command(wide, "resume", "latest")
    assert resumed.returncode == 0, resumed.stderr
    read = pl.read_parquet if format == "parquet" else pl.read_ipc
    assert pl.concat([read(p) for p in (folder / "disk/clean").glob("*.*")])["id"].n_unique() == 20_000


@pytest.mark.parametrize("step", ["unique: id", "sort: text"])
def test_a_disk_that_is_full_of_what_a_run_keeps_is_told_alike(wide: Project, step: str) -> None:
    folder = wide.folder
    letters = random.Random(7)
    texts = "".join(f"{n},{letters.randbytes(20).hex()}\n" for n in range(200_000))  # four megabytes, however packed
    (folder / "wide.csv").write_text("id,text\n" + texts)
    spec = (
        (folder / "spec.yaml")
        .read_text()
        .replace("unique: {columns: [id]}", step)
        .replace("disk/", "out/")
        .replace("2000", "100000")
    )
    (folder / "spec.yaml").write_text(spec)
    stopped = command(wide, "run", "spec.yaml", "--home", "disk/home")
    assert stopped.returncode == 73, stopped.stderr
    assert "disk is full" in stopped.stderr and "qpipe resume" in stopped.stderr, stopped.stderr
    remount(folder / "disk", "size=256m")
    resumed = command(wide, "resume", "latest", "--home", "disk/home")
    assert resumed.returncode == 0, resumed.stderr


def test_a_disk_that_may_not_be_written_is_told_before_anything_is_read(wide: Project) -> None:
    remount(wide.folder / "disk", "ro")
    stopped = command(wide, "run", "spec.yaml")
    assert stopped.returncode in (73, 77), stopped.stderr
    assert str(wide.folder / "disk") in stopped.stderr and "Traceback" not in stopped.stderr
    assert wide.journal.run()["rows_in"] == 0
    remount(wide.folder / "disk", "rw", "size=64m")
    assert command(wide, "resume", "latest").returncode == 0
    assert rows(wide) == (19_959, 41)


def test_a_second_resume_of_a_living_run_is_refused_politely(tmp_path: Path) -> None:
    slow = Project(tmp_path, SPEC.replace("disk/", "out/"), {"wide.csv": "id,text\n" + "1,a\n" * 10})
    journal = slow.journal
    run = slow.run().run
    journal.db.execute("update run set state = 'interrupted' where id = ?", (run,))
    code = f"""
import time
from pathlib import Path
from qpipe.orchestrator.journal import Journal
Journal(Path({str(tmp_path / ".qpipe")!r})).claim({run!r})
print("mine", flush=True)
time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "mine\n"
        refused = command(slow, "resume", run)
        assert refused.returncode == 75 and f"process {holder.pid}" in refused.stderr, refused.stderr
    finally:
        holder.kill()
        holder.wait()
    assert command(slow, "resume", run).returncode in (0, 65), "a dead owner is taken over"
