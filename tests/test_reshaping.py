"""Steps that change which rows there are, in whole runs: rows are accounted for, whatever the batches, and after a stop."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from running import Project
from test_crash import Killed, stop_at

from qpipe.core import effects

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
