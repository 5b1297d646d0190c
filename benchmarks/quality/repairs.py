"""How well wrong cells are put right: a hand-written spec of benchmarks/quality/ (NAME.repair.yaml) against the clean file.

Precision is the share of changed cells that are right afterwards, recall the share of wrong cells that are (as Baran and others
reckon it; Mahdavi and Abedjan, VLDB 2020). A cell is wrong where dirty.csv and clean.csv differ.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
PUBLISHED = {"beers": 0.947, "hospital": 0.554}  # Baran, with 20 labelled rows


def judge(data: Path, run: Callable[[Sequence[str]], None], explain: bool = False) -> None:
    """Print a row for each set that a spec is here for. ``run`` calls qpipe."""
    print(f"\n{'repair':32} {'changed':>8} {'wrong':>8} {'right':>8} {'precision':>10} {'recall':>8} {'F1':>7} {'Baran':>7}")
    for folder in sorted(path.parent for path in data.rglob("dirty.csv")):
        name = folder.name.removeprefix("raha_")
        spec = HERE / f"{name}.repair.yaml"
        if not spec.exists():
            continue
        with tempfile.TemporaryDirectory() as work:
            shutil.copy(folder / "dirty.csv", Path(work) / "dirty.csv")
            shutil.copy(spec, Path(work) / "spec.yaml")
            run(["run", str(Path(work) / "spec.yaml"), "--quiet", "--fail-on", "never"])
            _told(name, list(_cells(folder, Path(work) / "out" / "clean.csv")), explain)


def _told(name: str, cells: list[tuple[str, str, str, str]], explain: bool) -> None:
    changed = [c for c in cells if c[1] != c[3]]
    wrong = [c for c in cells if c[1] != c[2]]
    right = [c for c in wrong if c[2] == c[3]]
    precision, recall = len(right) / max(1, len(changed)), len(right) / max(1, len(wrong))
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    print(f"{name:32} {len(changed):8,} {len(wrong):8,} {len(right):8,} {precision:10.3f} {recall:8.3f} {f1:7.3f} "
          f"{PUBLISHED.get(name, float('nan')):7.3f}")  # fmt: skip
    if explain:
        for column, dirty, clean, found in sorted({c for c in (*wrong, *changed) if c[2] != c[3]})[:200]:
            print(f"    {column}: {dirty!r} should be {clean!r}, is {found!r}")


def _cells(folder: Path, made: Path) -> Iterator[tuple[str, str, str, str]]:
    """(column, dirty, clean, as qpipe has it)"""
    (header, dirty), (_, clean), (ours, found) = (_read(p) for p in (folder / "dirty.csv", folder / "clean.csv", made))
    at = [ours.index(column) for column in header]
    for d, c, f in zip(dirty, clean, found, strict=True):
        for n, column in enumerate(header):
            yield column, d[n], c[n], f[at[n]]


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]
