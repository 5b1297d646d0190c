"""qpipe trace over steps that change which rows there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import qpipe
from running import Project

SPEC = """\
sources: {s: {path: in.csv, schema: {id: int, grp: string, tags: list(string)}}}
modules: [%s]
outputs: {out: {path: out.csv}, quarantine: {path: q.csv}}
"""
ROWS = 'id,grp,tags\n1,a,"[""x"",""y""]"\n2,a,"[""z""]"\n3,b,"[]"\n-4,b,"[""w""]"\n'
ANEW = {
    "sort": "{sort: id}", "group": "{group: {by: grp, make: {n: count(*)}}}, {between: {column: n, min: 1}}",
    "made": "{sql: {id: made, columns: {grp: string, n: int}, query: \"select grp, count(*) as n from data group by grp\"}}",
}  # fmt: skip


def traced(folder: Path, steps: str, row: int) -> dict[str, Any]:
    assert Project(folder, SPEC % steps, {"in.csv": ROWS}).run().state == "done"
    found: list[dict[str, Any]] = json.loads(qpipe(folder, "trace", "latest", "--row", str(row), "--json").stdout)
    return found[0]


@pytest.mark.parametrize("step", list(ANEW))
def test_a_row_is_followed_up_to_a_step_that_makes_rows_anew(tmp_path: Path, step: str) -> None:
    found = traced(tmp_path, f"{{derive: {{twice: id * 2}}}}, {ANEW[step]}, {{deduplicate: grp}}", 0)
    assert found["into"] == step and found["route"] == f"into {step}" and found["outputs"] == []
    assert found["final"]["twice"] == 2
    told = qpipe(tmp_path, "trace", "latest", "--row", "0").stdout
    assert f"{step} makes all rows anew: it is followed up to here" in told
    assert f"row 0 went into {step}" in qpipe(tmp_path, "why", "out", "id = 1", code=1).stderr


def test_a_row_that_leaves_before_such_a_step_is_followed_to_its_output(tmp_path: Path) -> None:
    found = traced(tmp_path, "{between: {column: id, min: 0}}, {sort: id}", 3)
    assert found["into"] is None and found["route"] == "quarantine"
    assert [output["output"] for output in found["outputs"]] == ["quarantine"]


def test_a_row_that_becomes_several_is_followed_in_all_of_them(tmp_path: Path) -> None:
    found = traced(tmp_path, "{explode: tags}, {derive: {long: \"tags || '!'\"}}, {filter: tags <> 'x'}", 0)
    assert [(step["step"], step["rows"], step["changes"]) for step in found["steps"][1:]] == [
        ("explode", 2, {"tags": [["x", "y"], ["x", "y"]]}), ("derive", 2, {"long": [None, ["x!", "y!"]]}),
    ]  # fmt: skip
    assert found["route"] == "out"
    told = qpipe(tmp_path, "trace", "latest", "--row", "0").stdout
    assert "it becomes 2 rows" in told and "tags: [x, y] → x | y" in told


def test_a_row_that_deduplicate_drops_is_dropped_there(tmp_path: Path) -> None:
    found = traced(tmp_path, "{filter: id > 0}, {deduplicate: grp}", 1)
    assert found["route"] == "dropped" and found["steps"][-1]["step"] == "deduplicate" and found["steps"][-1]["dropped"]
