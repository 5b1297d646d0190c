"""Anomalies in time series: within the data, and of figures over the runs there have been."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from commands import history
from running import Project

from qpipe.core.component import Context, Earlier, Verdict
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.testing.alone import Seen, run_alone
from qpipe.testing.examples import types_of

REGISTRY = Registry()
START = dt.datetime(2026, 1, 5)  # a Monday


def run(frame: pl.DataFrame, batch: int | None = None, **given: Any) -> Seen:
    module = build(REGISTRY.get("module", "detect_anomalies"), {"column": "x", "time": "t"} | given)
    return run_alone(module, frame, Context(types=types_of(frame)), batch)


def hourly(days: int = 28, noise: float = 3.0, seed: int = 1) -> list[float]:
    """Busy by day, quiet by night, half as much at the weekend."""
    chance = random.Random(seed)
    level = [100 + 80 * math.sin((h % 24 - 6) / 24 * 2 * math.pi) for h in range(days * 24)]
    return [v * (0.5 if h // 24 % 7 > 4 else 1) + chance.gauss(0, noise) for h, v in enumerate(level)]


def series(values: list[float] | list[float | None], step: dt.timedelta = dt.timedelta(hours=1)) -> pl.DataFrame:
    return pl.DataFrame({"t": [START + step * n for n in range(len(values))], "x": values})


LOAD = """
version: 1
name: load
sources: {load: {type: file, path: in.parquet}}
modules:
  - detect_anomalies: {column: x, time: t}
outputs:
  clean: {type: file, path: clean.parquet}
  quarantine: {path: bad.parquet}
"""
NIGHT, NOON = 21 * 24 + 2, 22 * 24 + 12  # the fourth week's Monday at two, Tuesday at noon


@pytest.mark.parametrize("batch", [None, 50])
def test_what_is_usual_at_noon_is_not_at_night(batch: int | None) -> None:
    values = hourly()
    values[NIGHT] = values[NOON]
    found = run(series(values), batch)
    assert NIGHT in found.failed
    known = [row for row in found.failed if row >= 14 * 24]  # the first weekend was new, too
    assert len(known) <= 2  # chance: three figures each
    told = next(f.expected for f in found.findings if f.row == NIGHT)
    assert "season: " in told
    assert "points learnt" in told
    without = run(series(values), season="none")
    assert "after the point before it" in next(f.expected for f in without.findings if f.row == NIGHT)  # only as a jump


def test_rows_in_any_order_and_what_is_no_point() -> None:
    values: list[float | None] = [*hourly()]
    values[NIGHT] = 900.0
    values[100], values[101], values[102] = None, float("nan"), float("inf")
    frame = series(values)
    shuffled = frame.with_row_index("n").sample(fraction=1.0, shuffle=True, seed=3)
    found = run(shuffled.drop("n"))
    assert sorted(shuffled["n"].to_list()[row] for row in found.failed) == run(frame).failed
    assert NIGHT in run(frame).failed
    assert run(frame.clear()).failed == []
    assert run(frame.head(30)).failed == []


def test_tomorrow_does_not_change_what_was_said_of_today() -> None:
    values = hourly()
    values[400] = 700.0
    frame = series(values)
    short, long = (set(run(part, min_points=150, tell="all").failed) for part in (frame.head(500), frame))
    assert 400 in short & long
    assert {row for row in short if row >= 150} == {row for row in long if 150 <= row < 500}


def test_a_change_of_level_is_told_once_and_learnt() -> None:
    chance = random.Random(5)
    values = [chance.gauss(100, 2) for _ in range(600)] + [chance.gauss(160, 2) for _ in range(600)]
    found = run(series(values))
    assert 600 in found.failed
    assert len([row for row in found.failed if row > 640]) <= 2
    values[900] = 100.0  # what was usual once is not any more
    assert 900 in run(series(values)).failed


def test_a_season_that_is_seen_late_is_no_anomaly() -> None:
    """A point a minute: the first afternoon is new, the next ones are not."""
    chance = random.Random(9)
    values = [100 + 50 * math.sin(n / 1440 * 2 * math.pi) + chance.gauss(0, 5) for n in range(15_000)]
    found = run(series(values, dt.timedelta(minutes=1)), tell="all").failed
    assert len([row for row in found if row > 4 * 1440]) < 0.005 * 15_000


def test_first_points_are_judged_by_those_after_them() -> None:
    chance = random.Random(2)
    values = [chance.gauss(100, 2) for _ in range(400)]
    values[5] = 300.0
    assert 5 in run(series(values)).failed


def test_incidents_are_neither_told_nor_learnt() -> None:
    chance = random.Random(4)
    values = [chance.gauss(100, 2) for _ in range(600)]
    values[200:230] = [500.0] * 30
    values[500] = 480.0
    frame = series(values).with_columns(incident=pl.int_range(600).is_between(200, 229))
    found = run(frame, exclude="incident").failed
    assert 500 in found
    assert not [row for row in found if 200 <= row < 230]


def test_all_points_of_an_anomaly_and_groups() -> None:
    chance = random.Random(6)
    values = [chance.gauss(100, 2) for _ in range(600)]
    values[400:404] = [150.0] * 4
    frame = series(values)
    assert [row for row in run(frame).failed if 400 <= row < 404] == [400]
    assert {400, 401, 402, 403} <= set(run(frame, tell="all").failed)
    both = pl.concat([frame.with_columns(k=pl.lit("a")), frame.with_columns(k=pl.lit(None, pl.String), x=pl.col("x") + 1000)])
    found = run(both, by="k").failed
    assert {400, 1000} <= set(found)
    assert len(found) <= 6


def test_numbers_as_times_and_a_constant() -> None:
    frame = pl.DataFrame({"t": range(300), "x": [7] * 300})
    assert run(frame).failed == []
    assert run(frame.with_columns(x=pl.when(pl.col("t") == 200).then(8).otherwise("x"))).failed == [200]
    wave = [round(10 * math.sin(n / 12 * 2 * math.pi), 6) + n % 2 * 0.01 for n in range(600)]
    wave[480] += 5
    found = run(pl.DataFrame({"t": range(600), "x": wave}))
    assert 480 in found.failed  # a season that no calendar has: 12 points
    assert "season: 12" in next(f.expected for f in found.findings if f.row == 480)


@pytest.mark.parametrize(
    ("given", "what"), [({"season": "often"}, "season"), ({"chance": 0}, "chance"), ({"time": "s"}, "time")]
)
def test_what_is_wrong_is_told_before(given: dict[str, Any], what: str) -> None:
    frame = series([1.0]).with_columns(s=pl.lit("a"))
    module = build(REGISTRY.get("module", "detect_anomalies"), {"column": "x", "time": "t"} | given)
    assert [name for name, _ in module.problems(types_of(frame))] == [what]


def test_each_finding_says_what_would_have_been_usual(tmp_path: Any) -> None:
    values = hourly()
    values[NIGHT], values[NOON] = 900.0, 3.0
    project = Project(tmp_path, LOAD)
    series(values).write_parquet(tmp_path / "in.parquet")
    project.run()
    bad = pl.read_parquet(tmp_path / "bad.parquet").explode("_reasons").unnest("_reasons")
    said = {row: message for row, message in bad.select("_row", "message").iter_rows()}
    assert said[NIGHT].startswith("x is 900.0, expected between ")
    assert said[NIGHT] != said[NOON]
    assert "points learnt, season: " in said[NOON]


# ── over the runs there have been ─────────────────────────────────────────────────────────────────────────────────────


def judged(name: str, frame: pl.DataFrame, before: list[Earlier], /, **given: Any) -> Verdict:
    module = build(REGISTRY.get("module", name), given)
    context = Context(types=types_of(frame), started=STARTED, earlier=lambda check, measure: before)
    verdict = run_alone(module, frame, context).verdict
    assert verdict is not None
    return verdict


def daily(values: Sequence[float], outcomes: Mapping[int, str] | None = None) -> list[Earlier]:
    """A run a day, a little early or late, the last one yesterday."""
    chance = random.Random(8)
    return [
        Earlier(STARTED - DAY * (len(values) - n) + chance.uniform(-1800, 1800), value, (outcomes or {}).get(n, "pass"))
        for n, value in enumerate(values)
    ]


def rows(count: int) -> pl.DataFrame:
    return pl.DataFrame({"x": [1.0] * count})


DAY, STARTED = 86_400.0, 1_800_000_000.0  # a Friday
CHANGES: list[tuple[dict[str, Any], list[float], int, str]] = [
    ({"max_change": "20%"}, [50, 100], 120, "pass"),
    ({"max_change": "20%"}, [50, 100], 121, "fail"),
    ({"max_change": "20%"}, [100], 80, "pass"),
    ({"max_change": "20%"}, [100], 79, "fail"),
    ({"max_change": 5}, [100], 105, "pass"),
    ({"max_change": 5, "severity": "warning"}, [100], 106, "warn"),
    ({"max_change": 5, "runs": 3}, [10, 90, 100, 110], 105, "pass"),
    ({"max_change": 5, "runs": 3}, [10, 90, 100, 110], 94, "fail"),
    ({"max_change": "10%", "side": "up"}, [100], 1, "pass"),
    ({"max_change": "10%", "side": "up"}, [100], 111, "fail"),
    ({"max_change": "10%", "side": "down"}, [100], 500, "pass"),
    ({"max_change": "10%", "side": "down"}, [100], 89, "fail"),
    ({"max_change": "10%"}, [0], 1, "fail"),
    ({"max_change": "10%"}, [0], 0, "pass"),
    ({"max_change": "10%"}, [], 100, "not evaluated"),
    ({"max_change": "10%"}, [100], 0, "fail"),
]


@pytest.mark.parametrize(("given", "earlier", "count", "outcome"), CHANGES)
def test_change(given: dict[str, Any], earlier: list[float], count: int, outcome: str) -> None:
    verdict = judged("change", rows(count), daily(earlier), **given)
    assert verdict.outcome == outcome
    assert bool(verdict.message) == (outcome != "pass")


def test_change_of_a_columns_figures() -> None:
    frame = pl.DataFrame({"x": [1.0, 3.0, None, float("nan")], "at": [dt.datetime(2027, 1, 15, 6)] * 4})
    assert judged("change", frame, daily([0.25]), metric="null_share", column="x", max_change=0).outcome == "pass"
    assert judged("change", frame.head(3), daily([2.0]), metric="mean", column="x", max_change=0).outcome == "pass"
    aged = judged("change", frame, daily([1.0]), metric="age", column="at", max_change=0.5)
    assert (aged.outcome, aged.observed["age"]) == ("fail", 2.0)  # 08:00 - 06:00
    assert judged("change", frame.clear(), daily([1.0]), metric="mean", column="x", max_change=1).outcome == "not evaluated"
    nulls = frame.with_columns(x=pl.lit(None, pl.Float64))
    assert judged("change", nulls, daily([1.0]), metric="mean", column="x", max_change=1).outcome == "not evaluated"


def test_metric_with_few_runs_and_many() -> None:
    chance = random.Random(3)
    usual = [chance.gauss(1000, 20) for _ in range(60)]
    name = "detect_metric_anomalies"
    few = judged(name, rows(5), daily(usual[:6]))
    assert (few.outcome, few.learning) == ("not evaluated", True)
    assert judged(name, rows(1000), daily(usual[:8])).outcome == "pass"
    assert judged(name, rows(100), daily(usual[:8])).outcome == "fail"
    assert judged(name, rows(1110), daily(usual)).outcome == "fail"
    assert judged(name, rows(1040), daily(usual)).outcome == "pass"
    found = judged(name, rows(0), daily(usual))
    assert found.outcome == "fail"
    assert found.message.startswith("row_count is 0, expected between ")
    assert "60 runs learnt" in found.message


def test_metric_that_never_changed() -> None:
    assert judged("detect_metric_anomalies", rows(100), daily([100] * 20)).outcome == "pass"
    assert judged("detect_metric_anomalies", rows(101), daily([100] * 20)).outcome == "pass"  # min_change
    assert judged("detect_metric_anomalies", rows(102), daily([100] * 20)).outcome == "fail"
    one, many = (pl.DataFrame({"x": [1.0] * (1000 - n) + [None] * n}) for n in (1, 50))
    share = {"metric": "null_share", "column": "x"}
    assert judged("detect_metric_anomalies", one, daily([0.0] * 20), **share).outcome == "pass"  # chance of a thousand rows
    assert judged("detect_metric_anomalies", many, daily([0.0] * 20), **share).outcome == "fail"


def test_metric_with_a_week() -> None:
    """Half the rows at weekends: what is usual depends on the day of this run, a Friday."""
    chance = random.Random(3)
    weekday = [(dt.datetime.fromtimestamp(STARTED, dt.UTC) - dt.timedelta(days=56 - n)).weekday() for n in range(56)]
    usual = [chance.gauss(500 if day > 4 else 1000, 15) for day in weekday]
    found = judged("detect_metric_anomalies", rows(500), daily(usual))
    assert found.outcome == "fail"
    assert "season: week" in found.expected
    assert judged("detect_metric_anomalies", rows(990), daily(usual)).outcome == "pass"


def test_metric_does_not_learn_from_what_it_found() -> None:
    chance = random.Random(3)
    usual = [chance.gauss(1000, 10) for _ in range(30)]
    wrong = {n: "warn" for n in (10, 20, 28, 29)}
    values = [3000.0 if n in wrong else value for n, value in enumerate(usual)]
    assert judged("detect_metric_anomalies", rows(1200), daily(values, wrong)).outcome == "fail"
    level = [*usual, *(chance.gauss(3000, 10) for _ in range(8))]
    since = {n: "warn" for n in range(30, 38)}
    assert judged("detect_metric_anomalies", rows(3000), daily(level, since)).outcome == "pass"  # a new level
    assert judged("detect_metric_anomalies", rows(1000), daily(level, since)).outcome == "fail"


def test_runs_learn_from_the_journal_but_not_from_incidents(tmp_path: Path) -> None:
    project = Project(tmp_path, VOLUME)
    for count in (100, 101, 99, 100, 102, 5, 100, 5000, 100):
        (tmp_path / "in.csv").write_text("x\n" + "1\n" * count)
        project.run()
        if count == 5000:
            history(tmp_path / ".qpipe", "incident", "latest", "--reason", "sent twice")
    told = [event.data for event in project.events if event.name == "gate.judged"]
    volume = [(t["outcome"], t["observed"]["row_count"]) for t in told if t["gate"] == "volume"]
    assert volume == [*[("not evaluated", n) for n in (100.0, 101.0, 99.0, 100.0, 102.0)], ("warn", 5.0), ("pass", 100.0),
                      ("warn", 5000.0), ("pass", 100.0)]  # fmt: skip
    moved = [t["outcome"] for t in told if t["gate"] == "moved"]
    assert moved[0] == "not evaluated"
    assert moved[-2:] == ["warn", "pass"]  # compared with the run before the incident
    name, last = "volume", project.journal.run()["id"]
    assert 5000.0 not in project.journal.history(name, "", "volume", "row_count")
    history(tmp_path / ".qpipe", "incident", project.journal.runs(2)[1]["id"], "--undo")
    assert 5000.0 in project.journal.history(name, last, "volume", "row_count")


VOLUME = """
version: 1
name: volume
sources: {rows: {type: file, path: in.csv, schema: {x: int}}}
modules:
  - detect_metric_anomalies: {id: volume, metric: row_count, min_runs: 5, severity: warning}
  - change: {id: moved, max_change: 2000%, severity: warning}
outputs:
  clean: {type: file, path: clean.parquet}
"""


def test_the_first_run_is_not_refused_for_want_of_earlier_ones(tmp_path: Path) -> None:
    project = Project(tmp_path, VOLUME.replace(", severity: warning", ""), {"in.csv": "x\n1\n"})
    assert project.run().exit_code == 0


@pytest.mark.parametrize("given", [{"metric": "mean"}, {"metric": "row_count", "column": "x"}, {"metric": "age", "column": "x"},
                                   {"metric": "true_share", "column": "x"}, {"by": "x"}])  # fmt: skip
def test_what_metrics_refuse(given: dict[str, Any]) -> None:
    for name, more in (("change", {"max_change": 1}), ("detect_metric_anomalies", {})):
        module = build(REGISTRY.get("module", name), given | more)
        assert list(module.problems(types_of(rows(1))))
