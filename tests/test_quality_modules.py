"""The modules that look for what is unusual: what they find, what they leave alone, and when they say nothing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Project

from qpipe.core.component import Context
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.testing.alone import Seen, run_alone
from qpipe.testing.examples import types_of

REGISTRY = Registry()
NAN = float("nan")


def run(
    name: str, frame: pl.DataFrame, tables: dict[str, pl.DataFrame] | None = None, batch: int | None = None, **given: Any
) -> Seen:
    module = build(REGISTRY.get("module", name), given)
    return run_alone(module, frame, Context(types=types_of(frame), tables=tables or {}), batch)


def bell(count: int, middle: float = 100, spread: float = 10, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(middle, spread) for _ in range(count)]


@pytest.mark.parametrize("method", ["mad", "iqr", "z"])
@pytest.mark.parametrize("batch", [None, 7])
def test_outliers_are_found_in_any_batches(method: str, batch: int | None) -> None:
    values: list[float | None] = [*bell(200), 500.0, -300.0, None, NAN, float("inf")]
    found = run("detect_outliers", pl.DataFrame({"x": values}), batch=batch, column="x", method=method, threshold=4.0).failed
    assert found == [200, 201]
    high = run("detect_outliers", pl.DataFrame({"x": values}), column="x", method=method, threshold=4.0, side="high").failed
    assert high == [200]


def test_outliers_of_a_group_and_of_few() -> None:
    frame = pl.DataFrame({"k": ["a"] * 30 + ["b"] * 30, "x": [*bell(30, 10, 1), *bell(29, 1000, 10), 10.0]})
    assert run("detect_outliers", frame, column="x", by="k", threshold=8.0).failed == [59]
    assert run("detect_outliers", frame.head(10), column="x").failed == []
    assert run("detect_outliers", frame.with_columns(x=5.0), column="x").failed == []
    mostly = pl.DataFrame({"x": [5.0] * 40 + [6.0, 5.1, 90.0]})
    assert run("detect_outliers", mostly, column="x", threshold=10.0).failed == [42]


def test_rare_values() -> None:
    frame = pl.DataFrame({"x": ["a"] * 90 + ["b"] * 60 + ["c", "c", None], "n": list(range(153))})
    assert run("detect_rare_values", frame, columns="x", share="2%").failed == [150, 151]
    assert run("detect_rare_values", frame, columns="n").failed == []  # every value is another: no categories
    assert run("detect_rare_values", frame.head(20), columns="x").failed == []


def test_typos_are_near_a_frequent_value() -> None:
    frame = pl.DataFrame(
        {"x": ["Frankfurt"] * 20 + ["Hamburg"] * 20 + ["Frankfrut", "Hamburgh", "Bonn", "Hamburg 2", None, ""]}
    )
    assert run("detect_typos", frame, column="x").failed == [40, 41]


def test_near_duplicates_with_and_without_the_first() -> None:
    frame = pl.DataFrame(
        {
            "name": ["Ada Lovelace", "Lovelace, Ada", "Alan Turing", "ADA LOVELACE", "Alan Kay", None, ""],
            "zip": ["1", "1", "1", "2", "1", "1", "1"],
        }
    )
    assert run("detect_near_duplicates", frame, columns="name").failed == [0, 1, 3]
    assert run("detect_near_duplicates", frame, columns="name", keep_first=True).failed == [1, 3]
    assert run("detect_near_duplicates", frame, columns="name", block_by="zip").failed == [0, 1]
    same = pl.DataFrame({"name": ["Grace Hopper", "Grace Hopper", "Grace Hooper"]})
    assert run("detect_near_duplicates", same, columns="name").failed == [0, 1, 2]


@pytest.mark.parametrize("batch", [None, 50])
def test_rows_that_are_unusual_only_together(batch: int | None) -> None:
    height = bell(500, 175, 8)
    weight = [h - 100 + e for h, e in zip(height, bell(500, 0, 2, seed=2), strict=True)]
    frame = pl.DataFrame({"h": [*height, 195.0, None], "w": [*weight, 55.0, 75.0], "sex": ["f", "m"] * 251})
    seen = run("detect_row_anomalies", frame, batch=batch, columns=["h", "w", "sex"], share="2%")
    assert 500 in seen.failed
    assert 501 not in seen.failed
    assert len(seen.failed) <= 10
    assert run("detect_row_anomalies", frame.head(50), columns=["h", "w"]).failed == []


def test_personal_data_is_told_by_kind() -> None:
    texts = [
        "mail a.b@example.co.uk now",
        "DE89 3704 0044 0532 0130 00",
        "DE89 3704 0044 0532 0130 01",
        "078-05-1120",
        "v 10.0.0.1",
        "",
        None,
    ]
    seen = run("detect_personal_data", pl.DataFrame({"t": texts}), kinds=["email", "iban", "ssn", "ip"])
    assert [(finding.row, finding.expected) for finding in seen.findings] == [
        (0, "no email in it"), (1, "no iban in it"), (3, "no ssn in it"), (4, "no ip in it"),
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["psi", "jensen_shannon", "ks", "wasserstein", "chi_square"])
def test_drift_of_numbers(method: str) -> None:
    before = {"r": pl.DataFrame({"x": bell(2000)})}
    same, moved = pl.DataFrame({"x": bell(2000, seed=5)}), pl.DataFrame({"x": bell(2000, 108, seed=5)})
    empty = pl.DataFrame({"x": [*bell(1500, seed=5), *[None] * 500]})
    for frame, outcome in ((same, "pass"), (moved, "fail"), (same.head(50), "not evaluated")):
        for batch in (None, 700):
            seen = run("detect_drift", frame, before, batch, column="x", reference="r.x", method=method)
            assert seen.verdict is not None
            assert seen.verdict.outcome == outcome, (seen.verdict, batch)
    if method not in ("ks", "wasserstein"):  # they look at numbers alone
        seen = run("detect_drift", empty, before, column="x", reference="r.x", method=method)
        assert seen.verdict is not None
        assert (seen.verdict.outcome, "most in nulls" in seen.verdict.message) == ("fail", True)


@pytest.mark.parametrize("far", [0.5, 3.0, 40.0])
def test_how_far_values_have_moved(far: float) -> None:
    from scipy.stats import wasserstein_distance

    then, now = bell(4000), bell(4000, 100 + 10 * far, 14, seed=3)
    seen = run("detect_drift", pl.DataFrame({"x": now}), {"r": pl.DataFrame({"x": then})}, 900, column="x", reference="r.x",
               method="wasserstein")  # fmt: skip
    assert seen.verdict is not None
    exact = wasserstein_distance(then, now) / pl.Series(then).std()
    assert seen.verdict.observed["wasserstein"] == pytest.approx(exact, rel=0.1)
    days = pl.DataFrame({"x": pl.Series([*range(200)], dtype=pl.Int32).cast(pl.Date)})
    later = days.select(pl.col("x") + pl.duration(days=100))
    seen = run("detect_drift", later, {"r": days}, column="x", reference="r.x", method="wasserstein")
    assert seen.verdict is not None and seen.verdict.observed["wasserstein"] == pytest.approx(100 / 57.9, rel=0.02)


def test_few_rows_differ_by_chance() -> None:
    before = {"r": pl.DataFrame({"x": ["a", "b", "c", "d"] * 30})}
    now = pl.DataFrame({"x": ["a", "a", "b", "d", "d", "c", "a", "b"] * 2})
    seen = run("detect_drift", now, before, column="x", reference="r.x", min_rows=10, threshold=0.0)
    assert seen.verdict is not None
    assert seen.verdict.outcome == "pass"


def test_benford() -> None:
    powers = pl.DataFrame({"x": [2.0**n for n in range(900)] + [0.0, None, NAN]})
    even = pl.DataFrame({"x": list(range(100, 1000))})
    for frame, outcome in ((powers, "pass"), (even, "fail"), (even.head(10), "not evaluated")):
        seen = run("detect_benford", frame, column="x")
        assert seen.verdict is not None
        assert seen.verdict.outcome == outcome


def test_in_a_run_what_is_found_is_routed_with_its_reason(tmp_path: Path) -> None:
    spec = """
        sources: {s: {path: s.csv, schema: {x: float, city: string}}}
        modules:
          - detect_outliers: {column: x, threshold: 6}
          - detect_typos: {column: city, severity: warning}
        outputs: {good: {path: out/good.csv}, quarantine: {path: out/bad.ndjson}}
        settings: {batch_size: 11}
    """
    rows = [f"{value:.2f},Hamburg" for value in bell(60)] + ["900,Hamburg", "100,Hambrug"]
    project = Project(tmp_path, spec, {"s.csv": "x,city\n" + "\n".join(rows) + "\n"})
    assert project.run().exit_code == 0
    made = project.outputs()
    assert len(made["bad.ndjson"].splitlines()) == 1
    assert b"x is 900, expected within 6 deviations from the median" in made["bad.ndjson"]
    assert {row["check"]: row["failed"] for row in project.tallies()}["detect_typos"] == 1


def test_rows_far_out_and_alone_are_unusual() -> None:
    """Numbers that go together, a row of which each cell is usual but not beside the others, and one far out."""
    chance = random.Random(7)
    around = [(x, x + chance.gauss(0, 0.2), -x + chance.gauss(0, 0.2)) for x in bell(600, 0, 3)]
    frame = pl.DataFrame([*around, (4.0, -4.0, 4.0), (60.0, 70.0, 50.0)], schema=["a", "b", "c"], orient="row")
    columns = ["a", "b", "c"]
    found = run("detect_row_anomalies", frame, columns=columns).failed
    assert {600, 601} <= set(found)
    assert len(found) <= 6  # 1 %
    assert run("detect_row_anomalies", frame, columns=columns, share=1 / 602).failed == [601]
    assert run("detect_row_anomalies", frame, columns=columns, threshold=5.0).failed == [601]


@pytest.mark.parametrize("batch", [None, 7])
def test_dependencies_that_nobody_wrote_down(batch: int | None) -> None:
    zips, cities = ["1", "2", "3"] * 20, ["A", "B", "C"] * 20
    frame = pl.DataFrame({"zip": [*zips, "1", "2", None, "3"], "city": [*cities, "B", None, "A", ""], "n": [*range(64)]})
    found = run("discover_dependencies", frame, batch=batch, columns=["zip", "city", "n"])
    assert found.failed == [60, 63]  # an empty text is a value, null is none; a column of all different values tells nothing
    assert run("discover_dependencies", frame, columns=["zip", "n"]).failed == []
    assert run("discover_dependencies", frame.clear(), columns=["zip", "city"]).failed == []
    torn = pl.DataFrame({"zip": [*zips, *["4"] * 4], "city": [*cities, "D", "D", "E", "E"]})
    assert run("discover_dependencies", torn, columns=["zip", "city"]).failed == []  # no value has more than half
    alone = next(
        problem for problem in build(REGISTRY.get("module", "discover_dependencies"), {"columns": "zip"}).problems(None)
    )
    assert alone == ("columns", "a dependency needs two columns")


@pytest.mark.parametrize("batch", [None, 70])
def test_keys_that_nobody_wrote_down(batch: int | None) -> None:
    frame = pl.DataFrame({"order_id": [*range(999), 5], "city": ["Bonn", "Ulm"] * 500, "amount": bell(1000)})
    seen = run("discover_keys", frame, batch=batch, columns=["order_id", "city", "amount"])
    assert seen.failed == [5, 999]
    assert {finding.columns for finding in seen.findings} == {("order_id",)}
    pairs = pl.DataFrame({"shop": [n % 40 for n in range(1200)], "day": [n // 40 for n in range(1200)], "x": [1, 2, 3] * 400})
    pairs = pl.concat([pairs, pairs[7:8].with_columns(x=pl.lit(9, pl.Int64))])
    assert run("discover_keys", pairs, batch=batch, columns=["shop", "day", "x"]).failed == [7, 1200]
    holds = run("discover_keys", frame.head(999), columns=["order_id", "city"])
    assert holds.failed == []
    assert run("discover_keys", frame, columns=["city"]).failed == []
    assert run("discover_keys", frame.with_columns(order_id=pl.lit(None, pl.Int64)), columns=["order_id", "city"]).failed == []
    often = pl.DataFrame({"order_id": [*range(60), *range(40)]})
    assert run("discover_keys", often, columns=["order_id"]).failed == []  # repeated too often to be a key


@pytest.mark.parametrize("batch", [None, 7])
def test_foreign_keys_that_nobody_wrote_down(batch: int | None) -> None:
    codes = [f"{chr(65 + n // 26)}{chr(65 + n % 26)}X" for n in range(60)]
    tables = {
        "airports": pl.DataFrame({"faa": codes, "name": [f"airport {n}" for n in range(60)]}),
        "planes": pl.DataFrame({"id": pl.Series([*range(1, 41)], dtype=pl.Int16)}),
    }
    frame = pl.DataFrame({
        "dest": [*codes, "ZZZ", None],
        "plane_id": [n % 40 + 1 for n in range(60)] + [99, None],
        "seats": [n % 30 + 1 for n in range(62)],
    })  # fmt: skip
    given: dict[str, Any] = {"columns": ["dest", "plane_id", "seats"], "references": ["airports", "planes"]}
    seen = run("discover_foreign_keys", frame, tables, batch, **given)
    told = [(finding.row, finding.columns, finding.expected) for finding in seen.findings]
    assert told == [
        (60, ("dest",), "in airports.faa, as most are"), (60, ("plane_id",), "in planes.id, as most are"),
    ], "seats are among the ids by chance: no name says so"  # fmt: skip
    assert run("discover_foreign_keys", frame, tables, **given | {"confidence": 0.99}).failed == []
    assert run("discover_foreign_keys", frame.clear(), tables, **given).failed == []


METRICS = [
    ({"value": "x"}, 12.5, "pass"),
    ({"value": "x", "function": "mean", "max": 4.0}, 12.5 / 3, "fail"),
    ({"value": "x", "function": "min", "min": -1.5}, -1.5, "pass"),
    ({"value": "x", "function": "max"}, 10.0, "pass"),
    ({"value": "x > 0", "function": "share", "min": 0.8}, 3 / 4, "fail"),  # NaN is above all numbers
    ({"value": "x", "per": "y", "min": 1.2}, 14 / 5, "pass"),
    ({"value": "x", "where": "y = 2"}, 4.0, "pass"),
    ({"value": "y - y", "per": "y - y"}, None, "not evaluated"),
    ({"value": "x", "where": "y = 77"}, None, "not evaluated"),
]


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize(("given", "figure", "outcome"), METRICS)
def test_a_metric_of_ones_own(given: dict[str, Any], figure: float | None, outcome: str, batch: int | None) -> None:
    frame = pl.DataFrame({"x": [4.0, 10.0, -1.5, None, NAN], "y": [2, 3, None, 9, 9]})
    seen = run("metric", frame, batch=batch, **given)
    assert seen.verdict is not None and seen.verdict.outcome == outcome
    assert seen.verdict.observed == ({} if figure is None else {"metric": pytest.approx(figure)})


def test_metrics_mistakes() -> None:
    def told(**given: Any) -> list[str]:
        return [name for name, _ in build(REGISTRY.get("module", "metric"), given).problems(None)]

    assert told(value="x", per="y", function="mean") == ["per"]
    assert told(value="x", min=2.0, max=1.0) == ["min"]
    assert told(value="x", max_change="much") == ["max_change"]
    assert told(value="x", max_change=-1.0) == ["max_change"]
    assert told(value="x", max_change="10%", by=["y"]) == ["by"]
