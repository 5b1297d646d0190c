"""Speed and memory, as ratios within one run: ``python -m benchmarks [--rows 10000000] [--repeat 3]``.

Each measure runs as a process of its own, qpipe and the hand-written references in turn; who begins changes with each turn,
and the data is read into memory before the first. The medians of the paired ratios are what counts, since machines differ and
drift. Counts are held against the truth that the data's generator wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REFERENCE = HERE / "reference"


@dataclass(frozen=True)
class Measured:
    wall: float  # seconds
    cpu: float  # user and system seconds
    memory: float  # MiB, peak resident


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("bench-data"))
    parser.add_argument("--only", nargs="*", default=[], help="w20-parquet w20-csv small start")
    parser.add_argument("--programs", nargs="*", default=["qpipe", "polars", "batched"], help="qpipe polars batched")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    asked = parser.parse_args()
    generate(asked.rows, asked.data)
    out = asked.out
    for name, measure in (("w20-parquet", "parquet"), ("w20-csv", "csv")):
        if not asked.only or name in asked.only:
            w20(asked.rows, measure, asked.data, out, asked.repeat, asked.programs)
    if not asked.only or "small" in asked.only:
        small(asked.data, out, asked.repeat)
    if not asked.only or "start" in asked.only:
        start(out, asked.repeat)


def generate(rows: int, data: Path) -> None:
    """The orders table, once."""
    if not (data / f"orders_{rows}.csv").exists():
        print(f"making {rows:,} orders in {data}")
        run([sys.executable, str(REFERENCE / "gen.py"), "--rows", str(rows), "--out", str(data), "--csv"])


def w20(rows: int, format: str, data: Path, out: Path, repeat: int, asked: Sequence[str]) -> None:
    """Checks, uniqueness, a foreign key, aggregates, the split and its reasons, beside the hand-written query."""
    file = (data / f"orders_{rows}.{format}").resolve()
    names = {"rows": rows, "format": format, "data": data.resolve(), "out": out.resolve()}
    vars = [part for name, value in names.items() for part in ("--var", f"{name}={value}")]
    commands = {
        "qpipe": [sys.executable, "-m", "qpipe", "run", str(HERE / "w20.yaml"), *vars, "--quiet",
                  "--home", str(out / ".qpipe")],
        "polars": [sys.executable, str(REFERENCE / "run.py"), "--peer", "reference_polars", "--workload", "W20",
                   "--data", str(file), "--out", str(out / "reference")],
        "batched": [sys.executable, str(REFERENCE / "reference_batched.py"), "full", "--how", "part", "--write", "fsync",
                    "--writers", "1", "--data", str(file), "--out", str(out / "batched")],
    }  # fmt: skip
    runs: dict[str, list[Measured]] = {name: [] for name in commands if name in asked}
    into_memory(file, file.with_name(f"customers_{rows}.parquet"))
    for turn in range(repeat):
        for name in list(runs) if turn % 2 == 0 else list(runs)[::-1]:
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            runs[name].append(run(commands[name]))
            if name == "qpipe":
                check(file, out)
    report(f"W20 {format}, {rows:,} rows", runs)


def into_memory(*files: Path) -> None:
    """Read the files once, so that whoever runs first finds them as the others do."""
    for file in files:
        with file.open("rb", buffering=0) as bytes:
            while bytes.read(1 << 22):
                pass


def check(file: Path, out: Path) -> None:
    """Every count equals the truth."""
    import sqlite3

    truth = json.loads(file.with_name(f"orders_{file.stem.split('_')[1]}.truth.json").read_text())
    db = sqlite3.connect(out / ".qpipe" / "journal.db")
    found = dict(db.execute('select "check", max(failed) from tally group by 1').fetchall())
    wrong = {name: (found.get(name), n) for name, n in truth["failed"].items() if name in found and found[name] != n}
    rows = dict(db.execute("select output, rows from publication").fetchall())
    assert not wrong, f"counts differ from the truth: {wrong}"
    assert (rows["clean"], rows["quarantine"]) == (truth["clean_rows"], truth["quarantined_rows"]), rows


def small(data: Path, out: Path, repeat: int) -> None:
    """10,000 rows through a whole ``qpipe run``: seconds in all."""
    generate(10_000, data)
    names = {"rows": 10_000, "format": "csv", "data": data.resolve(), "out": out.resolve()}
    vars = [part for name, value in names.items() for part in ("--var", f"{name}={value}")]
    runs = []
    for _ in range(repeat):
        shutil.rmtree(out, ignore_errors=True)
        runs.append(
            run([sys.executable, "-m", "qpipe", "run", str(HERE / "w20.yaml"), *vars, "--quiet", "--home", str(out / ".qpipe")])
        )
    report("10,000 rows, all in (goal: under 1.0 s)", {"qpipe": runs})


def start(out: Path, repeat: int) -> None:
    """Start-up: the help beside that of an empty typer program, and ``validate`` of a spec of some hundred lines."""
    out.mkdir(exist_ok=True)
    empty = out / "empty.py"
    empty.write_text(
        "import typer\napp = typer.Typer()\n@app.command()\ndef a(x: str): pass\n@app.command()\ndef b(x: str): pass\napp()\n"
    )
    runs: dict[str, list[Measured]] = {"qpipe": [], "typer": []}
    for _ in range(repeat + 1):
        runs["qpipe"].append(run([sys.executable, "-m", "qpipe", "--help"]))
        runs["typer"].append(run([sys.executable, str(empty), "--help"]))
    report("--help beside an empty typer program (goal: 1.3)", {k: v[1:] for k, v in runs.items()})
    spec = HERE.parent / "specs" / "flights" / "flights.yaml"
    valid = [run([sys.executable, "-m", "qpipe", "validate", str(spec)]) for _ in range(repeat + 1)]
    report("validate a spec of 130 lines (goal: under 0.4 s)", {"qpipe": valid[1:]})


def run(command: Sequence[str]) -> Measured:
    """One process, by the operating system's own accounts."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command)}\n{told.decode()}")
    return Measured(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def report(title: str, runs: dict[str, list[Measured]]) -> None:
    print(f"\n{title}")
    for name, measured in runs.items():
        wall, cpu, memory = (statistics.median(getattr(m, f) for m in measured) for f in ("wall", "cpu", "memory"))
        print(f"  {name:<8} wall {wall:7.2f} s   cpu {cpu:7.2f} s   memory {memory:6.0f} MiB")
    for name, measured in list(runs.items())[1:]:
        pairs = list(zip(runs["qpipe"], measured, strict=True))
        wall, cpu, memory = (
            statistics.median(getattr(a, f) / getattr(b, f) for a, b in pairs) for f in ("wall", "cpu", "memory")
        )
        print(f"  qpipe / {name}: wall {wall:.2f}   cpu {cpu:.2f}   memory {memory:.2f}")


if __name__ == "__main__":
    main()
