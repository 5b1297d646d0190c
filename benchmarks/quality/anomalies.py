"""How well anomalies are found: time series by the Numenta benchmark's reckoning, rows by ADBench's.

DATA/anomaly/nab has data/<group>/<name>.csv (timestamp, value) and labels/combined_windows.json; each series is a real run with
``detect_anomalies`` as it is by default, and what it quarantines are its alerts. DATA/anomaly/adbench* has tables X with y = 1
for anomalies; scored is what ``detect_row_anomalies`` orders rows by.

The benchmark's score (Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms, ICMLA 2015): the first alert in a
window earns up to 1, the earlier the more; a missed window costs 1; an alert outside costs 0.11, less just after a window;
the first 15 % of a series (750 points at most) do not count. 0 is a detector that never alerts, 100 a perfect one.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

PUBLISHED = (  # on all 58 series and all 47 tables; the judged may be a part of them
    ("HTM (Numenta)", 70.1), ("Skyline (earthgecko)", 58.2), ("windowed Gaussian", 39.6),
)  # fmt: skip
PUBLISHED_ROWS = (("isolation forest", 0.767, 0.399), ("robust z", 0.739, 0.364))
COST, PROBATION, LONGEST = 0.11, 0.15, 5000
SPEC = """
version: 1
name: series
sources:
  series: {type: file, path: series.csv, schema: {timestamp: datetime, value: float}}
modules:
  - detect_anomalies: {column: value, time: timestamp}
outputs:
  clean: {type: file, path: out/clean.parquet}
  quarantine: {path: out/quarantine.parquet}
"""


def judge(data: Path, run: Callable[[Sequence[str]], None]) -> None:
    """Print a table for each kind that is there. ``run`` calls qpipe."""
    folder = data if (data / "nab").exists() else data / "anomaly"
    if (folder / "nab" / "labels").exists():
        _judge_series(folder / "nab", run)
    tables = sorted(folder.glob("adbench*/**/*.npz"))
    if tables:
        _judge_tables(tables)


def _judge_series(folder: Path, run: Callable[[Sequence[str]], None]) -> None:
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    print(f"\n{'series':64} {'windows':>8} {'found':>6} {'false':>6} {'score':>7}")
    total, windows = 0.0, 0
    for name, marked in labels.items():
        if not (folder / "data" / name).exists():
            continue
        times = _times(folder / "data" / name)
        ranges = [(bisect_left(times, a[:19]), bisect_right(times, b[:19]) - 1) for a, b in marked]
        score, found, false = _scored(len(times), ranges, _alerts(folder / "data" / name, run))
        total, windows = total + score, windows + len(ranges)
        print(f"{name:64} {len(ranges):8} {found:6} {false:6} {score:7.2f}", flush=True)
    print(f"{'NAB standard score, qpipe':80} {100 * (total + windows) / (2 * windows):7.1f}" if windows else "no windows")
    for name, published in PUBLISHED:
        print(f"{'NAB standard score as published, ' + name:80} {published:7.1f}")


def _alerts(series: Path, run: Callable[[Sequence[str]], None]) -> list[int]:
    import polars as pl

    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "spec.yaml").write_text(SPEC)
        (Path(work) / "series.csv").write_bytes(series.read_bytes())
        run(["run", str(Path(work) / "spec.yaml"), "--quiet", "--fail-on", "never"])
        kept = Path(work) / "out" / "quarantine.parquet"
        return sorted(pl.read_parquet(kept)["_row"].to_list()) if kept.exists() else []


def _scored(count: int, windows: Sequence[tuple[int, int]], alerts: Sequence[int]) -> tuple[float, int, int]:
    """(score, windows found, false alerts) of one series."""
    probation = min(math.floor(PROBATION * count), PROBATION * LONGEST)
    earned: dict[int, float] = {}
    costs, false = 0.0, 0
    for at in alerts:
        if at < probation:
            continue
        inside = next((n for n, (first, last) in enumerate(windows) if first <= at <= last), None)
        if inside is None:
            before = [(first, last) for first, last in windows if last < at]
            costs += COST * (_worth((at - before[-1][1]) / max(before[-1][1] - before[-1][0], 1)) if before else -1.0)
            false += 1
            continue
        first, last = windows[inside]
        worth = _worth(-(last - at + 1) / (last - first + 1)) / _worth(-1.0)
        earned[inside] = max(earned.get(inside, -1.0), worth)
    return costs + sum(earned.values()) - (len(windows) - len(earned)), len(earned), false


def _worth(place: float) -> float:
    """Of an alert by its place: -1 at a window's begin, 0 at its end, 1 a width after it."""
    return -1.0 if place > 3 else 2 / (1 + math.exp(5 * place)) - 1


def _times(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return [row["timestamp"] for row in csv.DictReader(file)]


def _judge_tables(tables: Sequence[Path]) -> None:
    import numpy as np
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import average_precision_score, roc_auc_score

    from qpipe.analysis.unusual import Unusual

    print(f"\n{'table':64} {'rows':>8} {'AUROC':>7} {'AP':>7}")
    areas, precisions, forests = [], [], []
    for path in tables:
        with np.load(path, allow_pickle=True) as held:
            rows, truth = held["X"].astype(float), held["y"]
        step = max(1, len(rows) // 100_000)
        scores = Unusual(rows[::step]).score(rows)
        areas.append(float(roc_auc_score(truth, scores)))
        precisions.append(float(average_precision_score(truth, scores)))
        alone = -IsolationForest(random_state=0).fit(rows[::step]).score_samples(rows)  # what others reach on the same tables
        forests.append((float(roc_auc_score(truth, alone)), float(average_precision_score(truth, alone))))
        print(f"{path.stem:64} {len(rows):8} {areas[-1]:7.3f} {precisions[-1]:7.3f}", flush=True)
    print(f"{'mean, qpipe':73} {statistics.mean(areas):7.3f} {statistics.mean(precisions):7.3f}")
    means = [statistics.mean(column) for column in zip(*forests, strict=True)]
    print(f"{'mean on these tables, isolation forest as scikit-learn has it':73} {means[0]:7.3f} {means[1]:7.3f}")
    for name, area, precision in PUBLISHED_ROWS:
        print(f"{'mean as published, ' + name:73} {area:7.3f} {precision:7.3f}")
