"""Rows in which an error was found go to quarantine before a step that makes rows anew, not into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Project

SPEC = """
name: orders
sources: {orders: {path: orders.csv, schema: {id: int, amount: int, shop: string}}}
modules:
  - row_count: {min: 1}
  - unique: {columns: id}
  - between: {column: amount, min: 0}
  - STEP
  - row_count: {id: after, min: 1}
  - between: {id: late, column: total, max: 100}
ROUTES
outputs:
  clean: {path: out/clean.csv}
  quarantine: {path: out/quarantine.ndjson}
settings: {batch_size: BATCH}
"""
ROWS = "id,amount,shop\n1,5,a\n2,-1,a\n3,x,b\n4,7,b\n4,8,b\n6,1\n7,500,c\n8,1,a\n"
GROUP = "group: {by: shop, make: {total: sum(amount), orders: count(*)}}"
EARLY = {3: ["between"], 4: ["contract"], 5: ["unique"], 6: ["unique"], 7: ["contract"]}  # by line


def project(folder: Path, step: str = GROUP, routes: str = "", batch: int = 3) -> Project:
    spec = SPEC.replace("STEP", step).replace("ROUTES", routes).replace("BATCH", str(batch))
    return Project(folder, spec, {"orders.csv": ROWS})


def quarantined(done: Project) -> dict[Any, list[str]]:
    told = pl.read_ndjson(done.folder / "out" / "quarantine.ndjson")
    return {line: [r["check"] for r in reasons] for line, reasons in told.select("_line", "_reasons").rows()}


def clean(done: Project) -> str:
    return (done.folder / "out" / "clean.csv").read_text()


def observed(done: Project) -> dict[str, Any]:
    """The rows that each gate saw of what is delivered."""
    return {gate["gate"]: gate["observed"]["rows"] for gate in done.journal.run()["result"]["gates"]}


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_malformed_and_failing_rows_do_not_enter_a_group(tmp_path: Path, batch: int) -> None:
    done = project(tmp_path, batch=batch)
    assert done.run().state == "done"
    assert clean(done) == "shop,total,orders\na,6,2\n"
    assert quarantined(done) == {**EARLY, None: ["late"]}
    assert observed(done) == {"row_count": 3, "after": 1}
    assert {(t["check"], t["evaluated"]) for t in done.tallies()} >= {("contract", 8), ("between", 7), ("late", 2)}


def test_a_row_that_ends_the_run_ends_it_there(tmp_path: Path) -> None:
    routes = "routes: [{when: failed('between'), to: fail}, {when: failed(error), to: quarantine}, {to: clean}]"
    outcome = project(tmp_path, routes=routes).run()
    assert (outcome.state, outcome.exit_code) == ("refused", 65) and "orders.csv:3" in outcome.message


def test_what_routes_deliver_goes_on(tmp_path: Path) -> None:
    done = project(tmp_path, routes="routes: [{when: failed('unique'), to: quarantine}, {to: clean}]")
    assert done.run().state == "done"
    assert clean(done) == "shop,total,orders\na,5,3\nc,500,1\n"
    assert quarantined(done) == {line: why for line, why in EARLY.items() if line != 3}


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_sorted_rows_keep_what_was_found(tmp_path: Path, batch: int) -> None:
    modules = SPEC.replace("STEP", "sort: {by: amount, direction: desc}").replace("total", "amount")
    done = Project(tmp_path, modules.replace("ROUTES", "").replace("BATCH", str(batch)), {"orders.csv": ROWS})
    assert done.run().state == "done"
    assert clean(done) == "id,amount,shop\n1,5,a\n8,1,a\n"
    assert quarantined(done) == {**EARLY, None: ["late"]}
