"""Great Expectations' own cases, and ours with its verdicts, judged by our modules through ``benchmarks.conformance``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dateutil")

from benchmarks.conformance.__main__ import answer, judge

FOLDER = Path(__file__).parent / "data" / "conformance"
CASES = [
    json.loads(line) for name in ("great_expectations", "own") for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()
]
NOT_MAPPED = {  # as docs/conformance.md says
    "core/expect_column_values_to_be_in_set/0/9",
    "core/expect_column_values_to_match_strftime_format/0/8",
    "core/expect_column_pair_values_to_be_equal/0/1",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_our_modules_say_what_the_case_expects(case: dict[str, Any]) -> None:
    outcome, why = judge(case, answer(case))
    assert outcome == ("not mapped" if case["id"] in NOT_MAPPED else "passed"), why


def test_another_verdict_or_other_rows_are_noticed() -> None:
    told = [case for case in CASES if isinstance(case["expected"].get("success"), bool) and case["id"] not in NOT_MAPPED]
    for case in told:
        other = {**case, "expected": {**case["expected"], "success": not case["expected"]["success"]}}
        assert judge(other, answer(case))[0] == "failed"
    rows = [case for case in told if case["expected"].get("unexpected_list")]
    assert rows and all(
        judge({**case, "expected": {**case["expected"], "unexpected_list": []}}, answer(case))[0] == "failed" for case in rows
    )
