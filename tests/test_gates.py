"""Gates: which figures they find, exactly and in any batches, and what they say of them."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_module import REGISTRY, column, judged

from qpipe.core.component import Context, Gate, Verdict
from qpipe.core.params import build
from qpipe.testing.alone import run_alone
from qpipe.testing.examples import frame_of, types_of

NAN, INF = math.nan, math.inf


GATES: list[tuple[str, dict[str, Any], str, list[Any], str]] = [
    ("row_count", {"min": 2}, "int", [1, None], "pass"),
    ("row_count", {"min": 2}, "int", [1], "fail"),
    ("row_count", {"max": 1}, "int", [1, 2], "fail"),
    ("row_count", {"equals": 0}, "int", [], "pass"),
    ("row_count", {"min": 1}, "int", [], "fail"),
    ("row_count", {"min": 1, "severity": "warning"}, "int", [], "warn"),
    ("row_count", {"min": 2, "where": "x > 0"}, "int", [1, -1], "fail"),
    ("null_share", {"column": "x", "max": "50%"}, "float", [1, None, NAN, None], "pass"),
    ("null_share", {"column": "x", "max": 0.49}, "float", [1, None], "fail"),
    ("null_share", {"column": "x", "max": 0}, "string", ["", "a"], "pass"),
    ("null_share", {"column": "x", "max": 0, "blank": True}, "string", ["", "a"], "fail"),
    ("null_share", {"column": "x", "min": 0.5}, "int", [1, 2, None], "fail"),
    ("null_share", {"column": "x", "max": "100%"}, "int", [None, None], "pass"),
    ("null_share", {"column": "x", "max": "100%"}, "int", [], "not evaluated"),
    ("value_set", {"column": "x", "in": ["a", "b"]}, "string", ["a", None], "pass"),
    ("value_set", {"column": "x", "in": ["a", "b"]}, "string", ["a", ""], "fail"),
    ("value_set", {"column": "x", "contains": ["a", "b"]}, "string", ["a", "b", "c"], "pass"),
    ("value_set", {"column": "x", "contains": ["a", "b"]}, "string", ["a", None], "fail"),
    ("value_set", {"column": "x", "equals": ["1.1", "2"]}, "decimal(9,2)", ["1.10", "2.00"], "pass"),
    ("value_set", {"column": "x", "equals": ["2026-01-01"]}, "date", ["2026-01-01", "2026-01-02"], "fail"),
    ("value_set", {"column": "x", "in": [1]}, "float", [1, NAN], "fail"),
    ("value_set", {"column": "x", "contains": ["2026-01-01T00:00:00Z"]}, "datetime(UTC)", [dt.datetime(2026, 1, 1)], "pass"),
    ("value_set", {"column": "x", "in": ["a"]}, "string", [None], "not evaluated"),
    ("value_set", {"column": "x", "in": ["a"]}, "string", [], "not evaluated"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", ["2027-01-15T07:00:00", None], "pass"),
    ("freshness", {"column": "x", "max_age": "59m"}, "datetime", ["2027-01-15T07:00:00", None], "fail"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime(Europe/Berlin)", [dt.datetime(2027, 1, 15, 7)], "pass"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", ["2027-01-16T07:00:00"], "fail"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", ["2027-01-16T07:00:00", "2027-01-15T07:30:00"], "pass"),
    ("freshness", {"column": "x", "max_age": "8h"}, "date", ["2027-01-14"], "pass"),
    ("freshness", {"column": "x", "max_age": "7h"}, "date", ["2027-01-14"], "fail"),
    ("freshness", {"column": "x", "max_age": 0}, "date", ["2027-01-15"], "pass"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", [None], "not evaluated"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", [], "not evaluated"),
    ("control_totals", {"rows": 2}, "int", [1, None], "pass"),
    ("control_totals", {"rows": 2}, "int", [1], "fail"),
    ("control_totals", {"rows": 0}, "int", [], "pass"),
    ("control_totals", {"sums": {"x": 3}}, "int", [1, None, 2], "pass"),
    ("control_totals", {"sums": {"x": "0.3"}}, "float", [0.1, 0.2], "pass"),
    ("control_totals", {"sums": {"x": "0.31"}, "within": 0.01}, "decimal(9,2)", ["0.10", "0.20"], "pass"),
    ("control_totals", {"sums": {"x": "0.32"}, "within": 0.01}, "decimal(9,2)", ["0.10", "0.20"], "fail"),
    ("control_totals", {"sums": {"x": 0}}, "int", [None], "pass"),
    ("covers", {"columns": "x", "references": "t.id"}, "int", [1, 2, 2, 9, None], "pass"),
    ("covers", {"columns": "x", "references": "t.id"}, "int", [1, None], "fail"),
    ("covers", {"columns": "x", "references": "t.id", "min": "50%"}, "int", [1, None], "pass"),
    ("covers", {"columns": "x", "references": "t.id"}, "int", [], "not evaluated"),
    ("cardinality", {"column": "x", "max": 1}, "float", [NAN, NAN, None], "pass"),
    ("cardinality", {"column": "x", "min": 2}, "string", ["", "a", None], "pass"),
    ("cardinality", {"column": "x", "min": 2}, "int", [1, 1], "fail"),
    ("cardinality", {"column": "x", "min_share": 1.0}, "int", [1, 2, None], "pass"),
    ("cardinality", {"column": "x", "max_share": 0.5}, "int", [1, 2, 2], "fail"),
    ("cardinality", {"column": "x", "min": 2, "exclusive": "min"}, "int", [1, 2], "fail"),
    ("cardinality", {"column": "x", "max_share": 0.5, "exclusive": True}, "int", [1, 1], "fail"),
    ("cardinality", {"column": "x", "max_share": 0.5, "exclusive": "min"}, "int", [1, 1], "pass"),
    ("cardinality", {"column": "x", "max": 1}, "int", [None], "not evaluated"),
    ("cardinality", {"column": "x", "max": 1}, "int", [], "not evaluated"),
    ("correlation", {"columns": ["x", "x"], "min": 0.999}, "float", [1, 2, 3, NAN, None], "pass"),
    ("correlation", {"columns": ["x", "x"], "max": 0.5}, "int", [1, 2, 3], "fail"),
    ("correlation", {"columns": ["x", "x"], "max": 0.5}, "int", [1, 1, 1], "not evaluated"),
    ("correlation", {"columns": ["x", "x"], "max": 0.5}, "int", [], "not evaluated"),
    ("correlation", {"columns": ["x", "x"], "max": 0.5, "method": "cramers_v"}, "string", ["a", "b", "a", "b", None], "fail"),
    ("schema", {"columns": ["x"]}, "int", [], "pass"),
    ("schema", {"columns": ["x", "y"]}, "int", [1], "fail"),
    ("schema", {"columns": ["x", "y"], "optional": ["y"], "extra": "forbid"}, "int", [1], "pass"),
    ("schema", {"columns": {"x": "int"}}, "int32", [1], "pass"),
    ("schema", {"columns": {"x": "int64"}}, "int", [1], "pass"),
    ("schema", {"columns": {"x": "int64"}}, "int32", [1], "fail"),
    ("schema", {"columns": {"x": "float64"}}, "float", [1], "pass"),
    ("schema", {"columns": {"x": "int64"}}, "int32", [1], "fail"),
    ("schema", {"columns": {"x": "decimal"}}, "decimal(9,2)", [1], "pass"),
    ("schema", {"columns": {"x": "decimal(9,3)"}}, "decimal(9,2)", [1], "fail"),
    ("schema", {"columns": {"x": "string"}}, "int", [1], "fail"),
    ("schema", {"columns": {"x": "list"}}, "list(int)", [[1]], "pass"),
    ("schema", {"min_columns": 1, "max_columns": 1}, "int", [], "pass"),
    ("distribution", {"column": "x", "shares": {"a": 0.5, "b": 0.5}, "max": 0}, "string", ["a", "b", None], "pass"),
    ("distribution", {"column": "x", "shares": {"a": 0.5, "b": 0.5}, "max": 9}, "string", ["a", "b", ""], "fail"),
    (
        "distribution",
        {"column": "x", "shares": {"a": 0.5, "b": 0.25}, "other": 0.25, "max": 0},
        "string",
        ["a", "b", "a", ""],
        "pass",
    ),
    (
        "distribution",
        {"column": "x", "shares": {"1": 0.5, "2": 0.5}, "measure": "difference", "max": 0.25},
        "int",
        [1, 2, 2, 2],
        "pass",
    ),
    (
        "distribution",
        {"column": "x", "shares": {"1": 0.5, "2": 0.5}, "measure": "difference", "max": 0.24},
        "int",
        [1, 2, 2, 2],
        "fail",
    ),
    ("distribution", {"column": "x", "shares": {"1": 0.5, "2": 0.5}, "measure": "js", "max": 0.99}, "int", [3], "fail"),
    ("distribution", {"column": "x", "shares": {"1": 1}, "max": 1}, "int", [], "not evaluated"),
    ("distribution", {"column": "x", "shares": {"1": 1}, "max": 1}, "int", [None, None], "not evaluated"),
    (
        "distribution",
        {"column": "x", "bins": [0, 1], "shares": [0.5, 0.25, 0.25], "max": 0},
        "float",
        [-1, -1, 1, NAN, None],
        "pass",
    ),
    ("distribution", {"column": "x", "bins": [0, 1], "shares": [0, 1, 0], "max": 9}, "float", [INF], "fail"),
    ("reconcile_totals", {"with": "t"}, "int", [1, None], "pass"),
    ("reconcile_totals", {"with": "t"}, "int", [1], "fail"),
    ("reconcile_totals", {"with": "t"}, "int", [], "fail"),
    ("reconcile_totals", {"with": "t", "compare": "at_most"}, "int", [], "pass"),
    ("reconcile_totals", {"with": "t", "compare": "at_most"}, "int", [1, 2, 3], "fail"),
    ("reconcile_totals", {"with": "t", "within": "50%"}, "int", [1], "pass"),
    ("reconcile_totals", {"with": "t", "within": "49%"}, "int", [1], "fail"),
    ("reconcile_totals", {"with": "t", "within": 1}, "int", [1], "pass"),
    ("reconcile_totals", {"with": "t", "factor": 2}, "int", [1, 2, 3, 4], "pass"),
    ("reconcile_totals", {"with": "t", "function": "sum", "column": "x", "their": "id"}, "float", [1.5, 1.5, None], "pass"),
    ("reconcile_totals", {"with": "t", "function": "sum", "column": "x", "their": "id"}, "float", [3, NAN], "fail"),
    ("reconcile_totals", {"with": "t", "function": "sum", "column": "x", "their": "id"}, "decimal(9,2)", ["3.01"], "fail"),
    ("reconcile_totals", {"with": "t", "function": "mean", "column": "x", "their": "id"}, "int", [1, 2], "pass"),
    ("reconcile_totals", {"with": "t", "function": "max", "column": "x", "their": "id"}, "int", [3], "fail"),
    ("reconcile_totals", {"with": "t", "function": "mean", "column": "x", "their": "id"}, "int", [None], "not evaluated"),
    ("reconcile_totals", {"with": "t", "function": "mean", "column": "x", "their": "id"}, "int", [], "not evaluated"),
    ("distinct_columns", {}, "int", [1], "not evaluated"),  # the columns are compared below
    ("schema", {"min_columns": 2}, "int", [1], "fail"),
    ("schema", {"max_columns": 0}, "int", [1], "fail"),
]


@pytest.mark.parametrize("batch_size", [None, 1])
@pytest.mark.parametrize("name, params, word, cells, outcome", GATES, ids=lambda value: None)
def test_gates(name: str, params: dict[str, Any], word: str, cells: list[Any], outcome: str, batch_size: int | None) -> None:
    verdict = judged(name, params, column(word, cells), batch_size).verdict
    assert verdict.outcome == outcome
    assert bool(verdict.message) == (outcome in ("fail", "warn"))  # a failure says what was seen and what was expected


def test_every_gate_has_cases() -> None:
    gates = {m.name for m in REGISTRY.all("module") if issubclass(m, Gate) and m.category != "quality"}  # see their own tests
    assert gates - {name for name, *_ in GATES} == {"aggregate"}  # which has a table of statistics


SAME: list[tuple[dict[str, Any], list[tuple[Any, Any]], str]] = [
    ({}, [(1, 1), (None, None), (2, 2)], "fail"),
    ({}, [(1, 1), (2, 3)], "pass"),
    ({}, [(1, 1), (2, None)], "pass"),
    ({"share": 0.4}, [(1, 1), (2, 3), (None, None)], "fail"),
    ({"share": "50%"}, [(1, 1), (2, 3)], "pass"),
    ({}, [(1, "1"), (2, "2")], "fail"),
    ({}, [(NAN, NAN)], "fail"),
    ({}, [(None, None)], "not evaluated"),
    ({}, [], "not evaluated"),
]


@pytest.mark.parametrize("batch_size", [None, 1])
@pytest.mark.parametrize("params, rows, outcome", SAME, ids=lambda value: None)
def test_columns_of_the_same_content(params: dict[str, Any], rows: list[Any], outcome: str, batch_size: int | None) -> None:
    frame = pl.DataFrame({"a": [r[0] for r in rows], "b": [r[1] for r in rows]})
    verdict = judged("distinct_columns", {"columns": ["a", "b"], **params}, frame, batch_size).verdict
    assert verdict.outcome == outcome
    assert ("a and b" in verdict.message) == (outcome == "fail")


@pytest.mark.parametrize("batch_size", [None, 1])
def test_totals_are_compared_group_by_group(batch_size: int | None) -> None:
    theirs = frame_of([{"shop": "a", "day": 1, "x": 5}, {"shop": "a", "day": 1, "x": 1}, {"shop": None, "day": 2, "x": 4}])
    mine = [{"shop": "a", "day": 1, "x": 2.0}, {"shop": None, "day": 2, "x": None}, {"shop": "a", "day": 1, "x": 4.0},
            {"shop": None, "day": 2, "x": 4.0}]  # fmt: skip

    def judged(rows: list[dict[str, Any]], **given: Any) -> Verdict:
        frame = frame_of(rows)
        module = build(REGISTRY.get("module", "reconcile_totals"), {"with": "r", "each": ["shop", "day"], **given})
        verdict = run_alone(module, frame, Context(types=types_of(frame), tables={"r": theirs}), batch_size).verdict
        assert verdict is not None
        return verdict

    assert judged(mine, function="sum", column="x").outcome == "pass"
    assert judged(mine, function="count", column="x").outcome == "pass"
    assert judged(mine).message == "rows by shop, day: (null, 2) 2 here, 1 there, expected what r has"
    lost = judged(mine[:1], function="sum", column="x")
    assert lost.message == "sum of x by shop, day: (a, 1) 2 here, 6 there; (null, 2) 0 here, 4 there, expected what r has"
    assert lost.observed == {"groups": 2, "apart": 2}
    assert judged(mine[:1], function="sum", column="x", compare="at_most").outcome == "pass"


STATISTICS: list[tuple[dict[str, Any], str, list[Any], Any]] = [
    ({"function": "sum"}, "int", [2**62, 2**62, 2**62, None], 3 * 2**62),
    ({"function": "sum"}, "decimal(9,2)", ["0.10", "0.20", None], Decimal("0.3")),
    ({"function": "sum"}, "float", [0.1] * 10, 1.0),
    ({"function": "sum"}, "float", [1e300, 1.0, -1e300], 1.0),
    ({"function": "sum"}, "float", [1e-300, 1e-300], 2e-300),
    ({"function": "mean"}, "int", [1, 2], Decimal("1.5")),
    ({"function": "mean"}, "float", [1e15, 1.0, -1e15], 1 / 3),
    ({"function": "min"}, "float", [3.0, NAN, None, 1.0], 1.0),
    ({"function": "max"}, "float", [NAN, 3.0, NAN], 3.0),
    ({"function": "max"}, "string", ["a", "b", ""], "b"),
    ({"function": "max"}, "date", ["2026-01-01", "2026-01-02"], dt.date(2026, 1, 2)),
    ({"function": "stddev"}, "float", [1e9 + 1, 1e9 + 2, 1e9 + 3], 1.0),
    ({"function": "variance"}, "float", [1.7e15, 1.7e15 + 1, 1.7e15 + 2], 1.0),
    ({"function": "variance"}, "int", [2**62, -(2**62)], 2.0**125),
    ({"function": "variance"}, "decimal(9,2)", ["0.10", "0.20", "0.30"], 0.01),
    ({"function": "variance"}, "int", [2, 4, 4, 4, 5, 5, 7, 9, None], 32 / 7),
    ({"function": "median"}, "int", [3, 1, 2, None], 2.0),
    ({"function": "median"}, "int", [1, 2], 1.5),
    ({"function": "median"}, "float", [-INF, 1, INF, INF], INF),
    ({"function": "median"}, "int", [1, 9, 3, 3], 3.0),
    ({"function": "quantile", "q": 0.95}, "int", list(range(1, 101)), 95.0),
    ({"function": "quantile", "q": 0}, "float", [-2.0, 5.0, NAN], -2.0),
    ({"function": "skewness"}, "int", [1, 2, 3], 0.0),
    ({"function": "skewness"}, "int", [2, 8, 0, 4, 1, 9, 9, 0, None], 0.26505541227),
    ({"function": "skewness"}, "decimal(9,2)", ["0.01", "0.01", "0.05"], 0.707106781187),
    ({"function": "kurtosis"}, "float", [2.0, 8.0, 0.0, 4.0, 1.0, 9.0, 9.0, 0.0], -1.66600107528),
    ({"function": "kurtosis"}, "int", [2001, 2002, 2003, 2004, 2005], -1.3),
    ({"function": "kurtosis"}, "int", [7, 7, 7], None),
    ({"function": "skewness"}, "float", [NAN, 1.0], None),
    ({"function": "entropy"}, "string", ["a", "b", "", "b", None], 1.0397207708399179),
    ({"function": "entropy"}, "int", [1, 1], 0.0),
    ({"function": "entropy"}, "int", [None], None),
    ({"function": "count"}, "int", [1, None], 1),
    ({"function": "count"}, "int", [None], 0),
    ({"function": "count_distinct"}, "string", ["a", "b", "a", "", None], 3),
    ({"function": "null_count"}, "int", [1, None], 1),
    ({"function": "null_share"}, "int", [1, None], 0.5),
    ({"function": "true_share"}, "bool", [True, False, False, True, None], 0.5),
    ({"function": "zero_share"}, "float", [0.0, -0.0, 1.0, None], 2 / 3),
    ({"function": "sum"}, "float", [None], None),
    ({"function": "stddev"}, "float", [1.0], None),
    ({"function": "median"}, "float", [NAN], None),
    ({"function": "mean"}, "float", [], None),
    ({"function": "count"}, "int", [], None),
]


@pytest.mark.parametrize("batch_size", [None, 1, 2])
@pytest.mark.parametrize("params, word, cells, value", STATISTICS, ids=lambda value: None)
def test_statistics(params: dict[str, Any], word: str, cells: list[Any], value: Any, batch_size: int | None) -> None:
    low = {"string": "", "date": "1900-01-01"}.get(word, -1) if params["function"] == "max" else -(10**20)
    verdict = judged("aggregate", {"column": "x", "min": low, **params}, column(word, cells), batch_size).verdict
    if value is None:
        assert verdict.outcome == "not evaluated"
        return
    assert verdict.outcome == "pass"
    found = verdict.observed[params["function"]]
    assert (found == value and not isinstance(found, float)) or found == pytest.approx(value, rel=1e-15, abs=0)


@pytest.mark.parametrize("function", ["sum", "mean", "stddev", "variance"])
def test_nan_and_infinity_lie_in_no_range(function: str) -> None:
    for cells in ([1.0, NAN], [INF, -INF, 1.0]):
        for bound in ({"min": -1e300}, {"max": 1e300}):
            assert (
                judged("aggregate", {"column": "x", "function": function, **bound}, column("float", cells)).verdict.outcome
                == "fail"
            )


finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)


@settings(max_examples=60, deadline=None)
@given(st.lists(finite, min_size=2, max_size=30), st.integers(1, 7))
def test_sums_and_variances_are_exact_whatever_the_batches(cells: list[float], size: int) -> None:
    frame = column("float", cells)
    exact = sum(map(Fraction, cells))
    variance = statistics.variance(map(Fraction, cells))
    for batch in (None, size):
        found = judged("aggregate", {"column": "x", "function": "sum", "min": 0}, frame, batch).verdict.observed["sum"]
        # beyond the grids (2**55) figures are added as floats
        scale = math.fsum(map(abs, cells))
        assert found == float(exact) or (scale > 2**55 and abs(found - exact) <= 1e-14 * scale)
        if scale < 2**40:
            seen = judged("aggregate", {"column": "x", "function": "variance", "min": 0}, frame, batch).verdict.observed[
                "variance"
            ]
            assert seen == pytest.approx(float(variance), rel=1e-12, abs=1e-30)


def test_many_distinct_values_are_counted_within_two_percent() -> None:
    frame = pl.DataFrame({"x": [f"v{n % 50_000}" for n in range(100_000)]})
    params = {"column": "x", "function": "count_distinct", "min": 1}
    counts = {judged("aggregate", params, frame, size).verdict.observed["count_distinct"] for size in (None, 30_000)}
    assert len(counts) == 1 and abs(counts.pop() - 50_000) < 1000


def test_a_bound_within_the_error_of_a_quantile_is_kept() -> None:
    frame = column("float", [100_000.3] * 3)
    params = {"column": "x", "function": "median"}
    assert judged("aggregate", params | {"min": 100_000.3, "max": 100_000.3}, frame).verdict.outcome == "pass"
    assert judged("aggregate", params | {"min": 100_200}, frame).verdict.outcome == "fail"


@pytest.mark.parametrize("exclusive, outcome", [(False, "pass"), ("max", "pass"), ("min", "fail"), (True, "fail")])
def test_a_statistic_on_its_bound(exclusive: Any, outcome: str) -> None:
    params = {"column": "x", "function": "mean", "min": 2, "max": 5, "exclusive": exclusive}
    assert judged("aggregate", params, column("int", [1, 3])).verdict.outcome == outcome


def test_groups_are_judged_on_their_own() -> None:
    frame = frame_of([{"g": "a", "x": 1}, {"g": "b", "x": 5}, {"g": "b", "x": 7}, {"g": None, "x": 9}])
    params = {"column": "x", "function": "mean", "max": 6, "by": "g"}
    for size in (None, 1):
        assert judged("aggregate", params, frame, size).verdict.outcome == "fail"
        assert judged("aggregate", params | {"tolerance": 1}, frame, size).verdict.outcome == "pass"
        assert judged("aggregate", params | {"tolerance": "30%"}, frame, size).verdict.outcome == "fail"
        assert judged("row_count", {"min": 1, "by": ["g"]}, frame, size).verdict.outcome == "pass"


HISTORY: list[tuple[list[float], dict[str, Any], int, str]] = [
    ([100, 100, 100], {"within": "20%"}, 119, "pass"),
    ([100, 100, 100], {"within": "20%"}, 121, "fail"),
    ([100], {"within": "20%"}, 80, "pass"),
    ([], {"within": "20%"}, 80, "not evaluated"),
    ([90, 100, 110], {"within": "3 sigma"}, 130, "pass"),
    ([90, 100, 110], {"within": "3 sigma"}, 131, "fail"),
    ([90, 100], {"within": "3 sigma"}, 100, "not evaluated"),
    ([100, 100, 100], {"within": "3 sigma"}, 101, "fail"),
    ([9, 9, 9, 100, 100], {"runs": 2, "within": "5%"}, 104, "pass"),
]


@pytest.mark.parametrize("earlier, vs_history, rows, outcome", HISTORY)
def test_history(earlier: list[float], vs_history: dict[str, Any], rows: int, outcome: str) -> None:
    frame = column("int", [1] * rows)
    seen = judged("row_count", {"vs_history": vs_history}, frame, history=lambda check, measure: earlier)
    assert seen.verdict.outcome == outcome
    summed = judged(
        "aggregate", {"column": "x", "function": "sum", "vs_history": vs_history}, frame, history=lambda *_: earlier
    )
    assert summed.verdict.outcome == outcome
