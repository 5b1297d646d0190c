"""Steps that change which rows there are, in whole runs: rows are accounted for, whatever the batches, and after a stop."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from running import Killed, Project, stop_at

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.core.types import DataType
from qpipe.testing.alone import run_alone

SALES = "shop,day,item,n,tags\n" + "".join(
    f"{'abc'[n % 3]},2026-01-{n % 28 + 1:02},i{n % 5},{n % 11},x{n % 2}|y\n" for n in range(60)
)
SCHEMA = "{shop: string, day: date, item: string, n: int, tags: string}"
STEPS: dict[str, tuple[str, int]] = {  # name → steps, rows that come out
    "group": ("- group: {by: shop, make: {rows: count(*), total: sum(n)}}", 3),
    "pivot": ("- pivot: {by: shop, names_from: item, values_from: n, values: [i0, i1], function: sum}", 3),
    "explode": ("- explode: {column: tags, by: '|'}", 120),
    "unpivot": ("- unpivot: {columns: [item, tags]}", 120),
    "window": ("- window: {by: shop, order: day, make: {place: row_number(), total: running_sum(n)}}", 60),
    "twice": ("- explode: {column: tags, by: '|'}\n      - unpivot: {columns: [item, tags]}\n      - not_null: n\n"
              "      - window: {by: shop, make: {place: row_number()}}", 240),
    "sort": ("- sort: {by: [day, shop], direction: desc}", 60),
    "several": ("- explode: {column: tags, by: '|'}\n      - group: {by: [shop, tags], make: {rows: count(*)}}\n"
                "      - window: {by: shop, make: {share: group_sum(rows)}}\n      - between: {column: rows, max: 15}", 9),
}  # fmt: skip


def project(folder: Path, steps: str, batch: int = 7) -> Project:
    spec = f"""
    sources: {{s: {{path: s.csv, schema: {SCHEMA}}}}}
    modules:
      {steps}
    outputs: {{good: {{path: out/good.ndjson}}, quarantine: {{path: out/bad.ndjson}}}}
    settings: {{batch_size: {batch}}}
    """
    return Project(folder, spec, {"s.csv": SALES})


def rows_of(made: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for data in made.outputs().values() for line in data.splitlines()]


@pytest.mark.parametrize("name", STEPS)
def test_the_same_rows_whatever_the_batches(tmp_path: Path, name: str) -> None:
    steps, count = STEPS[name]
    results = []
    for batch in (7, 1000):
        made = project(tmp_path / str(batch), steps, batch)
        assert made.run().exit_code == 0  # a run that does not balance fails
        assert len(rows_of(made)) == count
        results.append(made.outputs())
    assert results[0] == results[1]


def test_what_comes_out(tmp_path: Path) -> None:
    made = project(tmp_path, STEPS["several"][0])
    assert made.run().exit_code == 0
    good = json.loads(made.outputs()["good.ndjson"].splitlines()[0])
    assert good == {"shop": "a", "tags": "x0", "rows": 10, "share": 40}
    bad = [json.loads(line) for line in made.outputs()["bad.ndjson"].splitlines()]
    assert [(row["rows"], row["_reasons"][0]["check"]) for row in bad] == [(20, "between")] * 3


@pytest.mark.parametrize("name", ["several", "pivot"])
def test_stopped_anywhere_and_resumed(tmp_path: Path, name: str) -> None:
    whole = project(tmp_path / "whole", STEPS[name][0])
    assert whole.run().exit_code == 0
    for place in range(0, 60, 4):
        made = project(tmp_path / str(place), STEPS[name][0])
        with effects.listening(stop_at(place)[0]), suppress(Killed):
            made.run()
        begun = made.journal.rows("select state from run")
        if not begun or begun[0]["state"] != "done":
            assert (made.resume() if begun else made.run()).exit_code == 0
        assert made.outputs() == whole.outputs(), place


# ── join ──

LINES = "order,item\n1,a\n2,b\n1,c\n,d\n"


def joined(folder: Path, join: str, batch: int = 2) -> Project:
    spec = f"""
    sources:
      orders: {{path: o.csv, schema: {{id: int, who: string}}}}
      lines: {{path: l.csv, schema: {{order: int, item: string}}, role: reference}}
    modules: [{{join: {join}}}]
    outputs: {{good: {{path: out/good.ndjson}}, quarantine: {{path: out/bad.ndjson}}}}
    settings: {{batch_size: {batch}}}
    """
    return Project(folder, spec, {"o.csv": "id,who\n1,x\n3,y\n,z\n2,w\n", "l.csv": LINES})


@pytest.mark.parametrize(
    ("join", "rows"),
    [
        ("{from: lines, on: {id: order}}", [(1, "a"), (1, "c"), (3, None), (None, None), (2, "b")]),
        ("{from: lines, on: {id: order}, how: inner}", [(1, "a"), (1, "c"), (2, "b")]),
        ("{from: lines, on: {id: order}, how: semi}", [(1, "x"), (2, "w")]),
        ("{from: lines, on: {id: order}, how: anti}", [(3, "y"), (None, "z")]),
        ("{from: lines, on: {id: order}, take: {thing: item}, how: inner, expect: any}", [(1, "a"), (1, "c"), (2, "b")]),
    ],
)
def test_join(tmp_path: Path, join: str, rows: list[tuple[int | None, str | None]]) -> None:
    made = joined(tmp_path, join)
    assert made.run().exit_code == 0  # a run that does not balance fails
    assert [(row["id"], list(row.values())[-1]) for row in rows_of(made)] == rows


@pytest.mark.parametrize(
    ("join", "message"),
    [
        ("{from: lines, on: {id: order}, expect: one}", "lines has several rows for id: 1"),
        ("{from: lines, on: {id: order}, expect: some}", "lines has no row for id: 3"),
        ("{from: lines, on: {who: order}}", "'who' is String, but lines.order is Int64"),
    ],
)
def test_a_join_that_is_not_as_expected_ends_the_run(tmp_path: Path, join: str, message: str) -> None:
    outcome = joined(tmp_path, join).run()
    assert outcome.exit_code != 0 and message in outcome.message


# ── impute ──

BY_HAND: dict[str, Any] = {
    "previous": pl.col("v").forward_fill().over("g"),
    "next": pl.col("v").backward_fill().over("g"),
    "mean": pl.col("v").fill_null(pl.col("v").mean().over("g")),
    "median": pl.col("v").fill_null(pl.col("v").median().over("g")),
    "min": pl.col("v").fill_null(pl.col("v").min().over("g")),
    "max": pl.col("v").fill_null(pl.col("v").max().over("g")),
    "most_common": pl.col("v").fill_null(pl.col("v").drop_nulls().mode().min().over("g")),
    "linear": pl.col("v").interpolate_by("at").over("g"),
}
CELLS = st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.sampled_from([0.0, 1.5, 2.0, 8.0])), max_size=15)


@pytest.mark.parametrize("method", BY_HAND)
@settings(max_examples=12, deadline=None)
@given(rows=CELLS)
def test_impute_as_by_hand(method: str, rows: list[tuple[str, float | None]]) -> None:
    frame = (
        pl.DataFrame(rows, schema={"g": pl.String, "v": pl.Float64}, orient="row").with_row_index("at").cast({"at": pl.Int64})
    )
    order = {"order": ["at"]} if method in ("previous", "next", "linear") else {}
    module = build(Registry().get("module", "impute"), dict(columns=["v"], method=method, by=["g"], **order))
    types = {name: DataType.of(dtype) for name, dtype in frame.schema.items()}
    filled = run_alone(module, frame, Context(types=types), 4).frame
    assert_frame_equal(filled.select("g", "v"), frame.select("g", BY_HAND[method]), check_exact=False)
