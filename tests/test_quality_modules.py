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


@pytest.mark.parametrize("method", ["psi", "jensen_shannon", "ks", "chi_square"])
def test_drift_of_numbers(method: str) -> None:
    before = {"r": pl.DataFrame({"x": bell(2000)})}
    same, moved = pl.DataFrame({"x": bell(2000, seed=5)}), pl.DataFrame({"x": bell(2000, 108, seed=5)})
    empty = pl.DataFrame({"x": [*bell(1500, seed=5), *[None] * 500]})
    for frame, outcome in ((same, "pass"), (moved, "fail"), (same.head(50), "not evaluated")):
        for batch in (None, 700):
            seen = run("detect_drift", frame, before, batch, column="x", reference="r.x", method=method)
            assert seen.verdict is not None
            assert seen.verdict.outcome == outcome, (seen.verdict, batch)
    if method != "ks":
        seen = run("detect_drift", empty, before, column="x", reference="r.x", method=method)
        assert seen.verdict is not None
        assert (seen.verdict.outcome, "most in nulls" in seen.verdict.message) == ("fail", True)


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
