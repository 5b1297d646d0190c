"""The benchmarks run: what they measure is measured elsewhere, on a quiet machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_modules_of_all_families_stand_beside_the_hand_written(tmp_path: Path) -> None:
    names = ["not_null", "cast", "filter", "python", "row_count", "unique", "depends_on", "deduplicate", "sort"]
    arguments = ["--rows", "3000", "--repeat", "1", "--data", str(tmp_path), "--only", *names]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.catalogue", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {line.split()[1] for line in done.stdout.splitlines() if line.startswith("| ") and "(" in line} == set(names)
