"""Gates in whole runs: which rows and columns each of them sees, before and after routing, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import Project

SPEC = """
    name: gates
    sources: {s: {path: s.csv, schema: {id: int, kind: string, amount: int}}}
    modules:
      - filter: id <> 9
      - between: {column: amount, min: 0}
      - row_count: {id: all, min: 4, message: four or more}
      - row_count: {id: twos, min: 1, max: 2, where: kind = 'b', message: too many or too few}
      - aggregate: {id: before, column: amount, function: sum, min: 0}
      - derive: {amount: amount * 100}
      - aggregate: {id: after, column: amount, function: sum, min: -1000}
    outputs: {clean: {path: out/clean.csv}, quarantine: {path: out/quarantine.csv}}
    settings: {fail_on: never, batch_size: BATCH}
"""
ROWS = "id,kind,amount\n1,a,5\n2,b,6\n3,b,-7\n4,a,-1\n9,b,1000\n"


def judged(folder: Path, rows: str, batch: int = 100, spec: str = SPEC) -> dict[str, dict[str, Any]]:
    project = Project(folder, spec.replace("BATCH", str(batch)), {"s.csv": rows})
    assert project.run().exit_code == 0
    return {event.data["gate"]: event.data for event in project.events if event.name == "gate.judged"}


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_each_gate_sees_its_rows_and_its_columns(tmp_path: Path, batch: int) -> None:
    found = judged(tmp_path, ROWS, batch)
    assert {gate: data["observed"] for gate, data in found.items()} == {
        "all": {"rows": 2}, "twos": {"rows": 1}, "before": {"sum": 11}, "after": {"sum": 1100},
    }  # fmt: skip


def test_what_only_routing_has_broken_is_said_so(tmp_path: Path) -> None:
    found = judged(tmp_path, ROWS, spec=SPEC.replace(", message: four or more", ""))
    assert {gate: (data["outcome"], data["broken_by_routing"]) for gate, data in found.items()} == {
        "all": ("fail", True), "twos": ("pass", False), "before": ("pass", False), "after": ("pass", False),
    }  # fmt: skip
    dropped = judged(tmp_path / "dropped", ROWS, spec=SPEC.replace("min: 4", "min: 5"))["all"]
    assert (dropped["outcome"], dropped["broken_by_routing"]) == ("fail", False), "a row that was dropped was never one of them"
    assert found["all"]["message"] == "there are 2 rows, expected at least 4; before rows were routed away it held"


def test_a_message_of_ones_own_is_said_of_what_fails(tmp_path: Path) -> None:
    found = judged(tmp_path, ROWS)
    assert found["all"]["message"] == "four or more" and found["twos"]["message"] != "too many or too few"


def test_no_rows_are_judged_where_their_number_is(tmp_path: Path) -> None:
    found = judged(tmp_path, "id,kind,amount\n")
    assert {gate: data["outcome"] for gate, data in found.items()} == {
        "all": "fail", "twos": "fail", "before": "not evaluated", "after": "not evaluated",
    }  # fmt: skip
