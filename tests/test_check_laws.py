"""What holds for checks: zero rows, only nulls, only bad rows, a tolerance, keys of several columns, sets."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_module import REGISTRY, column, judged, with_column

from qpipe.core.component import Context
from qpipe.core.errors import QpipeError
from qpipe.core.params import build
from qpipe.testing.alone import run_alone
from qpipe.testing.examples import frame_of, types_of

NEEDED: dict[str, dict[str, Any]] = {
    "between": {"min": 1, "max": 3}, "one_of": {"values": [1, 2, 3]}, "foreign_key": {"references": "t.id"},
    "expression": {"condition": "x between 1 and 3"}, "if_then": {"if": "x <> 0", "then": "x between 1 and 3"},
    "compare_columns": {"left": "x", "op": "<=", "right": "3"},
}  # fmt: skip


@pytest.mark.parametrize("batch_size", [None, 1])
@pytest.mark.parametrize("name", NEEDED)
def test_a_check_passes_only_what_it_has_judged(name: str, batch_size: int | None) -> None:
    def outcome(cells: list[Any], **more: Any) -> str:
        params = with_column(name, NEEDED[name]) | more
        return judged(name, params, column("int", cells), batch_size).verdict.outcome

    assert outcome([]) == "not evaluated"
    assert outcome([None, None]) == "not evaluated"
    assert outcome([1, 2], where="x > 100") == "not evaluated"
    assert outcome([1, 2, None]) == "pass"
    assert outcome([9, 8]) == "fail"
    assert outcome([1, 9], where="x < 5") == "pass"
    assert outcome([1, 9], where="x > 5") == "fail"
    assert outcome([1, 9], severity="warning") == "warn"
    # a share is of the rows that were judged: nulls are not
    assert outcome([9, 1, 1, 1], tolerance="25%") == "pass"
    assert outcome([9, 1, 1, 1], tolerance="24%") == "fail"
    assert outcome([9, 1, 1, None], tolerance="25%") == "fail"
    assert outcome([9, 9, 1], tolerance=2) == "pass"
    assert outcome([9, 9, 9], tolerance=2) == "fail"
    assert outcome([9], tolerance="100%") == "pass"
    # as it is written, not as a binary fraction comes out: 29 of 100, 7 of 1,000, a third
    assert outcome([9] * 29 + [1] * 71, tolerance="29%") == "pass"
    assert outcome([9] * 30 + [1] * 70, tolerance=0.29) == "fail"
    assert outcome([9] * 7 + [1] * 993, tolerance="0.7%") == "pass"
    assert outcome([9, 1, 1], tolerance=1 - 2 / 3) == "pass"


@pytest.mark.parametrize("name, word, cell", [("not_null", "int", 1), ("unique", "int", 1), ("ordered", "int", 1)])
def test_zero_rows_of_checks_that_judge_nulls(name: str, word: str, cell: Any) -> None:
    assert judged(name, {"columns": "x"}, column(word, [])).verdict.outcome == "not evaluated"
    assert judged(name, {"columns": "x"}, column(word, [cell])).verdict.outcome == "pass"


def test_where_says_which_rows_are_compared() -> None:
    frame = frame_of([{"x": 1, "live": True}, {"x": 1, "live": False}, {"x": 2, "live": True}, {"x": 2, "live": True}])
    assert judged("unique", {"columns": "x", "where": "live"}, frame).failed == [2, 3]
    ordered = frame_of([{"x": 5, "live": True}, {"x": 9, "live": False}, {"x": 6, "live": True}])
    assert judged("ordered", {"columns": "x", "where": "live"}, ordered).failed == []
    assert judged("ordered", {"columns": "x"}, ordered).failed == [2]


def test_keys_of_several_columns() -> None:
    frame = frame_of([{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": "x"}, {"a": 1, "b": None}, {"a": 1, "b": None}])
    assert judged("unique", {"columns": ["a", "b"]}, frame).failed == [0, 2]
    assert judged("unique", {"columns": ["a", "b"], "nulls_equal": True}, frame, 1).failed == [0, 2, 3, 4]
    pairs = frame_of([{"a": 1, "b": "a"}, {"a": 2, "b": "a"}, {"a": 2, "b": None}])
    params = {"columns": ["a", "b"], "references": ["t.id", "t.name"]}
    assert judged("foreign_key", params, pairs).failed == [1]
    assert judged("foreign_key", params | {"negate": True}, pairs).failed == [0]
    both = frame_of([{"a": 1, "b": 5}, {"a": 1, "b": 4}, {"a": 2, "b": 0}, {"a": 1, "b": 9}])
    assert judged("ordered", {"columns": ["a", "b"]}, both).failed == [1, 3]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 5), st.integers(-(2**63), 2**63 - 1)), max_size=40), st.integers(1, 9))
def test_unique_and_foreign_key_agree_with_sets(cells: list[int | None], size: int) -> None:
    frame = column("int", cells)
    twice = [i for i, c in enumerate(cells) if c is not None and cells.count(c) > 1]
    assert judged("unique", {"columns": "x"}, frame, size).failed == twice
    strange = [i for i, c in enumerate(cells) if c is not None and c not in (1, 2)]
    assert judged("foreign_key", {"columns": "x", "references": "t.id"}, frame, size).failed == strange


@pytest.mark.parametrize("few", [0, 100_000])
@settings(max_examples=30, deadline=None)
@given(cells=st.lists(st.none() | st.integers(0, 9)), keys=st.lists(st.none() | st.integers(0, 9)), size=st.integers(1, 5))
def test_covers_agrees_with_sets(few: int, cells: list[int | None], keys: list[int | None], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qpipe.modules.validation.covers._FEW", few)
        frame, known = column("int", cells), {"t": column("int", keys, "id")}
        module = build(REGISTRY.get("module", "covers"), {"columns": "x", "references": "t.id"})
        verdict = run_alone(module, frame, Context(types=types_of(frame), tables=known), size).verdict
    missing = set(keys) - set(cells) - {None}
    judged = bool(cells) and any(key is not None for key in keys)
    assert verdict is not None and verdict.outcome == ("not evaluated" if not judged else "fail" if missing else "pass")
    assert not judged or verdict.observed["missing"] == len(missing)


def test_a_large_key_set_is_found_by_hash() -> None:
    keys = pl.DataFrame({"id": [f"k{n}" for n in range(3000)], "n": [n * 2**40 for n in range(3000)]})
    frame = pl.DataFrame({"id": [f"k{n}" for n in range(6000)], "n": [n * 2**39 for n in range(6000)]})
    context = Context(types=types_of(frame), tables={"t": keys})
    for name, bad in (("id", list(range(3000, 6000))), ("n", list(range(1, 6000, 2)))):
        module = build(REGISTRY.get("module", "foreign_key"), {"columns": name, "references": f"t.{name}"})
        assert run_alone(module, frame, context, 1000).failed == bad


@pytest.mark.parametrize(
    "reference, word", [("t.nope", "has no column"), ("u.id", "no reference table"), ("t.name", "cast one")]
)
def test_a_foreign_key_that_cannot_be_looked_up_says_so(reference: str, word: str) -> None:
    with pytest.raises(QpipeError, match=word):
        judged("foreign_key", {"columns": "x", "references": reference}, column("int", [1]))
