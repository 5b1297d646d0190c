"""What failures cost: by check, by group, and what they reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Project

from qpipe.orchestrator.results import Summary
from qpipe.report.text import plain

SPEC = """
    name: orders
    sources: {orders: {path: orders.csv, schema: {id: int, amount: float, country: string, rate: float}}}
    modules:
      - between: {id: positive, column: rate, min: 0, impact: amount, by: country}
      - unique: {columns: [id], impact: "amount * 2"}
      - filter: {where: "country <> 'XX'"}
      - derive: {euros: "amount * rate"}
      - derive: {cents: "euros * 100"}
      - not_null: {id: named, columns: country, by: country}
    outputs: {clean: {path: out/clean.csv}, quarantine: {path: out/bad.csv}}
    settings: {batch_size: BATCH}
"""
ROWS = "id,amount,country,rate\n1,10,DE,-1\n2,20,DE,1\n3,5,FR,-1\n3,7,,-2\n4,1,XX,-1\n5,,FR,-1\n"


@pytest.mark.parametrize("batch", [1, 2, 50_000])
def test_the_cost_of_failures_by_group_whatever_the_batches(tmp_path: Path, batch: int) -> None:
    orders = Project(tmp_path, SPEC.replace("BATCH", str(batch)), {"orders.csv": ROWS})
    orders.run()
    summary = Summary.from_json(orders.journal.run()["result"])
    checks = {check.check: check for check in summary.checks}
    positive = checks["positive"]
    assert (positive.at_stake, positive.impact, positive.failed) == ("amount", 23.0, 5), "10 + 5 + 7 + 1, null adds nothing"
    told = {s.group: (s.evaluated, s.failed, s.impact) for s in positive.segments}
    assert told == {("DE",): (2, 1, 10.0), ("FR",): (2, 2, 5.0), (None,): (1, 1, 7.0), ("XX",): (1, 1, 1.0)}
    assert checks["unique"].impact == 24.0 and not checks["unique"].segments
    assert positive.columns == ("euros", "cents") and positive.outputs == ("clean",)
    assert checks["named"].impact is None and [s.group for s in checks["named"].segments] == [("DE",), ("FR",)]
    assert "FR 2 of 2 (5)" in plain(summary, 200)


def test_without_a_contract_what_lies_downstream_is_told_as_far_as_it_is_known(tmp_path: Path) -> None:
    """A step that reads columns which only the run knows is no reason to fail at the end of it."""
    spec = """
    version: 1
    sources: {t: {path: t.csv}}
    modules:
      - between: {column: n, min: "2"}
      - derive: {both: "concat(n, name)"}
    outputs: {clean: {path: out/t.csv}}
    settings: {fail_on: never}
    """
    project = Project(tmp_path, spec, {"t.csv": "n,name\n1,a\n3,b\n"})
    project.run()
    (check,) = [c for c in Summary.from_json(project.journal.run()["result"]).checks if c.check == "between"]
    assert check.failed == 1 and check.outputs
