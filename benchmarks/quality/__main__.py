"""How well rules find wrong cells: ``python -m benchmarks.quality DATA``, DATA being a folder with error_detection/ in it.

For every set with dirty.csv and clean.csv, F1 over cells (Raha's reckoning: a cell is wrong where the two files differ;
a column that is padded in every cell of the clean file is compared without that blank) of
(a) a hand-written spec of benchmarks/quality/, (b) rules learnt on the clean file and judged on the dirty one, (c) rules learnt
on the dirty file alone, nobody asked. Each is a real run of qpipe; what it says of a cell is read from the quarantine.
Cells put right by a hand-written spec are judged against clean.csv (--only repair: these alone).
Where DATA has a folder anomaly/, time series and tables with known anomalies are judged, too (--only anomaly: these alone).
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from benchmarks.quality import anomalies, repairs

HERE = Path(__file__).parent
CONFIDENCE = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="", help="part of a set's name")
    parser.add_argument("--ways", default="abc")
    parser.add_argument("--confidence", type=float, default=CONFIDENCE)
    parser.add_argument("--explain", action="store_true", help="hits, false alarms and misses by rule and column")
    asked = parser.parse_args()
    if asked.only not in ("anomaly", "repair"):
        _judge_cells(asked)
    if asked.only in ("", "repair"):
        repairs.judge(asked.data, _qpipe, asked.explain)
    if not asked.only or asked.only == "anomaly":
        anomalies.judge(asked.data, _qpipe)


def _judge_cells(asked: argparse.Namespace) -> None:
    figures: dict[str, dict[str, list[float]]] = {}
    print(f"{'set':64} {'a by hand':>10} {'b clean':>10} {'c dirty':>10}")
    for folder in _sets(asked.data, asked.only):
        told = []
        for way in "abc":
            found = _way(way, folder, asked.confidence, asked.explain) if way in asked.ways else None
            told.append("-" if found is None else f"{found:.3f}")
            if found is not None:
                figures.setdefault(_group(folder), {}).setdefault(way, []).append(found)
        print(f"{_name(folder):64} " + " ".join(f"{t:>10}" for t in told), flush=True)
    for group, ways in figures.items():
        print(
            f"mean of {group:56} " + " ".join(f"{statistics.mean(ways[w]):10.3f}" if w in ways else f"{'-':>10}" for w in "abc")
        )


def _sets(data: Path, only: str) -> Iterator[Path]:
    for path in sorted(data.rglob("dirty.csv")):
        if (path.parent / "clean.csv").exists() and only.lower() in str(path.parent).lower():
            yield path.parent


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"[:64]


def _group(folder: Path) -> str:
    return folder.parent.name


def _way(way: str, folder: Path, confidence: float, explain: bool) -> float | None:
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(folder / "dirty.csv", Path(work) / "dirty.csv")
        spec = Path(work) / "spec.yaml"
        if way == "a":
            hand = HERE / f"{folder.name.removeprefix('raha_')}.yaml"
            if not hand.exists():
                return None
            shutil.copy(hand, spec)
        else:
            _suggest(_clean(folder, Path(work)) if way == "b" else folder / "dirty.csv", spec, confidence)
        return _score(folder, _judged(spec), explain)


def _clean(folder: Path, work: Path) -> Path:
    """The clean file under the dirty one's header: some sets name their columns differently."""
    (header, _), (_, rows) = _read(folder / "dirty.csv"), _read(folder / "clean.csv")
    with (work / "clean.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return work / "clean.csv"


def _suggest(learnt: Path, spec: Path, confidence: float) -> None:
    """Write the suggested spec, for dirty.csv beside it."""
    _qpipe(["profile", str(learnt), "--suggest", "--confidence", str(confidence), "-o", str(spec)])
    text = re.sub(r"(?m)^    path: .*$", "    path: dirty.csv", spec.read_text(), count=1)
    spec.write_text(re.sub(r"quarantine: \{path: [^}]*\}", "quarantine: {path: out/quarantine.parquet}", text))


def _judged(spec: Path) -> dict[tuple[int, str], str]:
    """Run it: (row, column) → the rule that said so."""
    import polars as pl

    _qpipe(["run", str(spec), "--quiet", "--fail-on", "never"])
    kept = spec.parent / "out" / "quarantine.parquet"
    rows = pl.read_parquet(kept) if kept.exists() else pl.DataFrame()
    if not rows.height:
        return {}
    told = rows.select("_row", "_reasons").explode("_reasons").unnest("_reasons")
    return {(row, column): check for row, column, check in told.select("_row", "column", "check").iter_rows()}


def _qpipe(arguments: Sequence[str]) -> None:
    from qpipe.cli import main as command

    argv, sys.argv = sys.argv, ["qpipe", *arguments]
    said = StringIO()
    try:
        with redirect_stderr(said):
            command()
    except SystemExit as end:
        if end.code not in (0, 65, None):
            raise RuntimeError(f"qpipe {' '.join(arguments)}: exit {end.code}\n{said.getvalue()}") from None
    finally:
        sys.argv = argv


def _score(folder: Path, found: dict[tuple[int, str], str], explain: bool) -> float:
    (header, dirty), (_, clean) = _read(folder / "dirty.csv"), _read(folder / "clean.csv")
    padded = [
        k for k in range(len(header)) if all(len(r) > k and r[k].startswith(" ") for r in clean)
    ]  # the clean file's own slip
    wrong = {
        (n, header[k])
        for n, (a, b) in enumerate(zip(dirty, clean, strict=False))
        for k, (x, y) in enumerate(zip(a, b, strict=False))
        if x != (y[1:] if k in padded else y)
    }
    hits = wrong & found.keys()
    if explain:
        _explain(found, wrong, {(n, header[k]): v for n, row in enumerate(dirty) for k, v in enumerate(row)})
    if not wrong:
        return 1.0 if not found else 0.0
    return 2 * len(hits) / (len(found) + len(wrong))


def _explain(found: dict[tuple[int, str], str], wrong: set[tuple[int, str]], values: dict[tuple[int, str], str]) -> None:
    rules: dict[str, list[int]] = {}
    for cell, rule in found.items():
        counted = rules.setdefault(rule if rule != "contract" else f"contract {cell[1]}", [0, 0])
        counted[0 if cell in wrong else 1] += 1
    for rule, (hits, alarms) in sorted(rules.items(), key=lambda r: -r[1][1]):
        print(f"    {rule[:70]:70} {hits:6} hits {alarms:6} false alarms")
    missed: dict[str, list[str]] = {}
    for cell in wrong - found.keys():
        missed.setdefault(cell[1], []).append(values.get(cell, ""))
    for column, cells in sorted(missed.items(), key=lambda m: -len(m[1])):
        print(f"    missed in {column[:60]:60} {len(cells):6}: {json.dumps(sorted(set(cells))[:5], ensure_ascii=False)[:120]}")


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    csv.field_size_limit(10**9)
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]


if __name__ == "__main__":
    main()
