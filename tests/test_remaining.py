"""Rules about groups and sequences, judged again on what is really delivered: the quarantine itself may break them."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Project

ROWS = "id,of,kind,amount\n1,,total,5\n2,1,line,5\n3,1,line,-7\n4,3,line,4\n5,1,total,4\n"
SPEC = """
    sources: {{s: {{path: s.csv, schema: {{id: int, of: int, kind: string, amount: int}}}}}}
    modules:
      - between: {{id: range, column: amount, min: 0, severity: {severity}}}
      - {rule}
    routes:
      - {route}
      - {{to: clean}}
    decisions: {{wait: {{question: which way?, choices: {{accept: clean, reject: quarantine}}}}}}
    outputs: {{clean: {{path: out/clean.csv}}, quarantine: {{path: out/quarantine.csv}}}}
    settings: {{batch_size: {batch}}}
"""
AWAY = "{when: failed('range'), to: quarantine}"
RULES = {
    "no_gaps": ("no_gaps: {id: rule, column: id}", "row 3"),
    "hierarchy": ("hierarchy: {id: rule, key: id, parent: of}", "row 3"),
    "each_group, at most": ("each_group: {id: rule, by: kind, condition: amount < 0, max: 1}", None),
    "each_group, at least": ("each_group: {id: rule, by: kind, condition: id = 3 or id = 5, min: 1}", "rows 1, 3"),
    "sql": ("sql: {id: rule, failing: 'select _row from data where (select sum(amount) from data) > 11'}", "rows 0, 1, 3, …"),
}  # fmt: skip


def project(folder: Path, rule: str, *, route: str = AWAY, severity: str = "error", batch: int = 100) -> Project:
    spec = SPEC.format(rule=rule, route=route, severity=severity, batch=batch)
    return Project(folder, spec, {"s.csv": ROWS})


def told(made: Project) -> dict[str, str]:
    judged = [e.data for e in made.journal.events(made.journal.run("latest")["id"]) if e.name == "gate.judged"]
    return {e["outcome"]: e["message"] for e in judged}


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("name", RULES)
def test_what_the_quarantine_breaks_is_told(tmp_path: Path, name: str, batch: int) -> None:
    rule, which = RULES[name]
    made = project(tmp_path, rule, batch=batch)
    assert made.run().exit_code == 0
    assert [row for row in made.tallies() if row["check"] == "rule" and row["failed"]] == []
    if which is None:
        assert told(made) == {}
    else:
        (message,) = told(made).values()
        assert f"({which})" in message and message.endswith("before rows were routed away it held"), message
        assert list(told(made)) == ["warn"]


def test_it_refuses_where_failures_of_the_check_do(tmp_path: Path) -> None:
    rule = "hierarchy: {id: rule, key: id, parent: of, tolerance: 0}"
    made = project(tmp_path / "a", rule)
    outcome = made.run()
    assert (outcome.exit_code, made.outputs()) == (65, {})
    assert "rule: 1 of 4 delivered rows breaks it (row 3)" in outcome.message
    lenient = project(tmp_path / "b", rule.replace("tolerance: 0", "tolerance: 50%"))
    assert lenient.run().exit_code == 0 and told(lenient) == {}
    asked = project(tmp_path / "c", rule.replace("tolerance: 0", "tolerance: 0, on_fail: question"))
    assert asked.run().exit_code == 75
    strict = project(tmp_path / "d", "hierarchy: {id: rule, key: id, parent: of}", severity="warning")
    assert strict.run(strict=True).exit_code == 65


def test_rows_that_an_answer_delivers_count(tmp_path: Path) -> None:
    made = project(tmp_path, RULES["hierarchy"][0], route="{when: failed('range'), ask: wait}")
    assert made.run().exit_code == 75
    assert made.resume(given={"wait": "accept"}).exit_code == 0
    assert list(told(made)) == ["warn", "pass"]  # what was told broken while they were held is well now
    other = project(tmp_path / "other", RULES["hierarchy"][0], route="{when: failed('range'), ask: wait}")
    assert other.run().exit_code == 75
    assert other.resume(given={"wait": "reject"}).exit_code == 0
    assert "(row 3)" in told(other)["warn"]


def test_rows_that_failed_at_first_are_not_told_twice(tmp_path: Path) -> None:
    made = project(tmp_path, "hierarchy: {id: rule, key: id, parent: amount, severity: warning}")
    assert made.run().exit_code == 0
    failed = sum(row["failed"] for row in made.tallies() if row["check"] == "rule")
    assert failed and told(made) == {}
