"""Profile beside DuckDB's SUMMARIZE: ``python -m benchmarks.profile [--rows 1000000] [--repeat 3]``.

Each measure is a process of its own, in turn; the medians of the paired ratios count. ``summary`` is what both compute
(counts, missing, distinct, least, greatest, mean, deviation, quartiles): ``qpipe profile --quick``. ``whole`` is everything.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.__main__ import Measured, generate, run

_DUCKDB = "import duckdb, sys; duckdb.sql(f\"summarize from '{sys.argv[1]}'\").fetchall()"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("bench-data"))
    asked = parser.parse_args()
    generate(asked.rows, asked.data)
    for format in ("parquet", "csv"):
        file = str(asked.data / f"orders_{asked.rows}.{format}")
        commands = {
            "duckdb": [sys.executable, "-c", _DUCKDB, file],
            "summary": [sys.executable, "-m", "qpipe", "profile", file, "--quick", "--json"],
            "whole": [sys.executable, "-m", "qpipe", "profile", file, "--json"],
        }
        runs: dict[str, list[Measured]] = {name: [] for name in commands}
        for _ in range(asked.repeat):
            for name, command in commands.items():
                runs[name].append(run(command))
        for name in ("summary", "whole"):
            pairs = list(zip(runs[name], runs["duckdb"], strict=True))
            wall, cpu = (statistics.median(getattr(a, of) / getattr(b, of) for a, b in pairs) for of in ("wall", "cpu"))
            took, memory = (statistics.median(getattr(m, of) for m in runs[name]) for of in ("wall", "memory"))
            beside = f"{wall:5.2f} x SUMMARIZE, {cpu:5.2f} x its processor time"
            print(f"{format:8} {name:8} {asked.rows:>12,} rows  {took:6.2f} s  {beside}  {memory:6.0f} MiB")


if __name__ == "__main__":
    main()
