"""qpipe test: what a spec's own tests may expect, and that each of it is noticed when it does not come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import qpipe

SPEC = """
version: 1
name: shop
sources:
  orders: {path: none.csv, schema: {id: int, of: int, amount: float, paid: bool, note: string}}
  known: {path: none.csv, role: reference, schema: {id: int}}
modules:
  - filter: note <> 'test'
  - between: {id: range, column: amount, min: 0}
  - foreign_key: {columns: of, references: known.id}
  - row_count: {id: enough, min: 3}
  - row_count: {id: some, min: 1}
routes:
  - {when: failed(error), to: quarantine}
  - {when: amount > 100, ask: big}
  - {to: clean}
decisions: {big: {question: what now?, choices: {accept: clean, reject: drop}}}
outputs: {clean: {path: clean.csv}, quarantine: {path: bad.csv}}
tests:
  - name: it
    rows:
      - {id: 1, of: 7, amount: 5, paid: true, note: null}
      - {id: 2, of: 7, amount: -5, paid: false, note: a}
      - {id: 3, of: 8, amount: 5, paid: false, note: a}
      - {id: 4, of: 7, amount: 500, paid: true, note: a}
      - {id: 5, of: 7, amount: 500, paid: true, note: a}
      - {id: 6, of: 7, amount: 5, paid: true, note: test}
      - {id: 7, of: 7, amount: 5, paid: true, note: a}
      - {id: 8, of: 7, amount: 5, paid: true, note: a}
      - {id: 9, of: 7, amount: 5, paid: true, note: a}
    tables: {known: [{id: 7}]}
    expect: EXPECT
"""
COMES: list[dict[str, Any]] = [
    {"clean": 3, "quarantine": 2},
    {"quarantine": [{"id": 3, "failed": ["foreign_key"]}, {"id": 2, "failed": ["range(amount)"]}]},
    {"quarantine": [{"id": 2, "paid": False, "amount": -5, "note": "a"}, {"id": 3, "amount": "5.0", "paid": "false"}]},
    {"held": {"big": 2}, "questions": {"big": 1}, "findings": {"range": 1, "foreign_key": 1}, "dropped": {"filter": 2}},
    {"held": 2, "questions": 1, "findings": 2, "dropped": 2},
    {"gates": {"enough": "pass", "some": "pass"}, "state": "waiting"},
]
LACKS: list[tuple[dict[str, Any], str]] = [
    ({"clean": 1}, "clean has 3 rows, expected 1"),
    ({"quarantine": [{"id": 2}]}, "quarantine has 2 rows, expected 1; not expected: {"),
    ({"quarantine": [{"id": 2}, {"id": 2}]}, "quarantine lacks {id: 2}"),
    ({"quarantine": [{"id": 2, "failed": ["foreign_key"]}, {"id": 3}]}, "lacks {id: 2, failed: ['foreign_key']}"),
    ({"quarantine": [{"id": 2, "amount": 5}, {"id": 3}]}, "lacks {id: 2, amount: 5}"),
    ({"quarantine": [{"id": 2, "paid": True}, {"id": 3}]}, "lacks {id: 2, paid: True}"),
    ({"quarantine": [{"id": 2, "note": None}, {"id": 3}]}, "lacks {id: 2, note: None}"),
    ({"held": 1}, "held rows: 2, expected 1"),
    ({"held": {"big": 3}}, "held big: 2, expected 3"),
    ({"questions": {"small": 1}}, "questions small: 0, expected 1"),
    ({"findings": {"range": 2}}, "findings range: 1, expected 2"),
    ({"dropped": {"filter": 0}}, "dropped filter: 2, expected 0"),
    ({"gates": {"enough": "fail"}}, "the gate enough: pass, expected fail"),
    ({"gates": {"others": "pass"}}, "the gate others: not judged, expected pass"),
    ({"state": "done"}, "the run is waiting (1 question open, 2 rows held), expected done"),
]


def said(folder: Path, expect: dict[str, Any], old: str = "", new: str = "", code: int = 0) -> str:
    (folder / "spec.yaml").write_text(SPEC.replace("EXPECT", json.dumps(expect)).replace(old, new))
    return qpipe(folder, "test", "spec.yaml", together=True, code=code).stdout


@pytest.mark.parametrize("expect", COMES, ids=str)
def test_what_comes_as_it_was_expected(tmp_path: Path, expect: dict[str, Any]) -> None:
    assert "1 passed, 0 failed" in said(tmp_path, expect)
    assert not list(tmp_path.glob("*.csv")) and not (tmp_path / ".qpipe").exists(), "nothing is written"


@pytest.mark.parametrize("expect, told", LACKS, ids=str)
def test_what_comes_otherwise_is_told(tmp_path: Path, expect: dict[str, Any], told: str) -> None:
    assert told in said(tmp_path, expect, code=1)


def test_gates_are_obeyed_only_where_a_state_is_expected(tmp_path: Path) -> None:
    few = {"old": "min: 3", "new": "min: 30"}
    assert "1 passed" in said(tmp_path, {"gates": {"enough": "fail"}}, **few)
    answered = {"old": "    expect:", "new": "    answers: {big: accept}\n    expect:"}
    assert "1 passed" in said(tmp_path, {"clean": [{"id": n} for n in (4, 5, 7, 8, 9)], "state": "done"}, **answered)
    both = {"old": "min: 3}\n", "new": "min: 30}\n"}
    assert "the run is refused (" in said(tmp_path, {"state": "done"}, **both, code=1)
