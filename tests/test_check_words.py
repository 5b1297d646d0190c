"""What checks refuse before they run, and what they say they expected."""

from __future__ import annotations

from typing import Any

import pytest
from one_module import REGISTRY, column, judged, with_column

from qpipe.core.errors import QpipeError
from qpipe.core.params import build
from qpipe.core.types import DataType

PROBLEMS: list[tuple[str, dict[str, Any], str, str]] = [
    # check       parameters                              type      the parameter that is wrong
    ("between", {}, "int", "min"),
    ("between", {"min": 3, "max": 1}, "int", "min"),
    ("between", {"min": 1, "max": 1, "exclusive": True}, "int", "min"),
    ("between", {"min": "2026-13-01"}, "date", "min"),
    ("between", {"min": 5}, "date", "min"),
    ("between", {"min": True}, "int", "min"),
    ("between", {"max": "ten"}, "int", "max"),
    ("between", {"max": 1.5}, "string", "max"),
    ("between", {"max": 10}, "string", "max"),
    ("between", {"max": True}, "bool", "columns"),
    ("matches", {"regex": "a"}, "int", "columns"),
    ("format_is", {"kind": "email"}, "date", "columns"),
    ("length", {"max": 1}, "int", "columns"),
    ("type_is", {"type": "int"}, "int", "columns"),
    ("one_of", {}, "int", "values"),
    ("one_of", {"values": [1], "file": "a.txt"}, "int", "values"),
    ("one_of", {"values": []}, "int", "values"),
    ("one_of", {"values": [1, "two"]}, "int", "values"),
    ("one_of", {"values": ["new", True]}, "string", "values"),
    ("matches", {}, "string", "regex"),
    ("matches", {"regex": "(", "like": None}, "string", "regex"),
    ("matches", {"regex": "(?=a)"}, "string", "regex"),
    ("matches", {"regex": ["a", "*"]}, "string", "regex"),
    ("matches", {"regex": "a", "like": "a"}, "string", "regex"),
    ("format_is", {"kind": "postcode"}, "string", "country"),
    ("format_is", {"kind": "email", "country": "DE"}, "string", "country"),
    ("format_is", {"kind": "national_id"}, "string", "country"),
    ("format_is", {"kind": "tax_id", "country": "XX"}, "string", "country"),
    ("format_is", {"kind": "vin", "country": "DE"}, "string", "country"),
    ("format_is", {"kind": "phone", "country": "GERMANY"}, "string", "country"),
    ("length", {}, "string", "min"),
    ("length", {"min": 3, "max": 2}, "string", "min"),
    ("length", {"min": 3, "equals": 2}, "string", "equals"),
    ("length", {"min": 3, "unit": "items"}, "string", "unit"),
    ("type_is", {"type": "integr"}, "string", "type"),
    ("type_is", {"type": "string"}, "string", "type"),
    ("type_is", {"type": "int", "format": "%Y"}, "string", "format"),
    ("type_is", {"type": "datetime", "format": "%H"}, "string", "type"),
    ("type_is", {"type": "date", "format": "%d.%m"}, "string", "type"),
    ("unique", {"columns": ["x", "x"]}, "int", "columns"),
    ("ordered", {"by": "x"}, "int", "by"),
    ("foreign_key", {"references": ["t.id", "t.name"]}, "int", "references"),
    ("foreign_key", {"columns": ["x", "y"], "references": ["t.id", "u.id"]}, "int", "references"),
    ("compare_columns", {"left": "x", "right": "1", "within": 1}, "string", "within"),
    ("compare_columns", {"left": "x", "right": "1", "within": -1}, "int", "within"),
    ("compare_columns", {"left": "x", "right": "x", "within": "soon"}, "date", "within"),
    ("null_share", {}, "int", "max"),
    ("null_share", {"max": 5}, "int", "max"),
    ("null_share", {"min": 0.5, "max": 0.4}, "int", "min"),
    ("row_count", {}, "int", "min"),
    ("row_count", {"min": 3, "max": 2}, "int", "min"),
    ("row_count", {"vs_history": {"within": "lots"}}, "int", "vs_history"),
    ("row_count", {"vs_history": {"within": "3 sigma", "days": 2}}, "int", "vs_history"),
    ("row_count", {"vs_history": {"within": "3 sigma"}, "by": "x"}, "int", "vs_history"),
    ("aggregate", {"function": "mean"}, "int", "min"),
    ("aggregate", {"function": "mean", "min": 1}, "string", "function"),
    ("aggregate", {"function": "mean", "min": 2, "max": 1}, "int", "min"),
    ("aggregate", {"function": "quantile", "min": 2}, "int", "q"),
    ("aggregate", {"function": "mean", "q": 0.5, "min": 2}, "int", "q"),
    ("aggregate", {"function": "max", "min": "soon"}, "date", "min"),
    ("aggregate", {"function": "median", "equals": 1}, "int", "equals"),
    ("value_set", {}, "int", "equals"),
    ("value_set", {"in": ["x"]}, "int", "in"),
    ("schema", {"columns": {"x": "integr"}}, "int", "columns"),
    ("schema", {"columns": [], "min_columns": 3, "max_columns": 2}, "int", "min_columns"),
    ("schema", {"columns": []}, "int", "columns"),
    ("distribution", {"shares": {"x": 1}, "max": 1}, "int", "shares"),
    ("distribution", {"shares": {"1": 0.5}, "max": 1}, "int", "shares"),
    ("distribution", {"bins": [1, 0], "shares": [0, 1, 0], "max": 1}, "int", "bins"),
    ("distribution", {"bins": [1, 2], "shares": [0.5, 0.5], "max": 1}, "int", "shares"),
    ("distribution", {"bins": [1], "shares": [0.5, 0.5], "max": 1}, "string", "bins"),
    ("schema", {"columns": ["x", "x"]}, "int", "columns"),
    ("schema", {"columns": ["x"], "optional": ["y"]}, "int", "optional"),
    ("freshness", {"max_age": "1h"}, "int", "column"),
]


@pytest.mark.parametrize("name, params, word, parameter", PROBLEMS, ids=lambda value: None)
def test_problems(name: str, params: dict[str, Any], word: str, parameter: str) -> None:
    module = build(REGISTRY.get("module", name), with_column(name, params))
    problems = list(module.problems({"x": DataType.parse(word), "y": DataType.parse(word)}))
    assert [where for where, _ in problems] == [parameter], problems
    assert all(words and words == words.strip() for _, words in problems)


@pytest.mark.parametrize("name, params, word", [
    ("between", {"min": 5}, "string"), ("between", {"min": 5}, "date"), ("one_of", {"values": ["a"]}, "int"),
])  # fmt: skip
def test_a_misfit_that_shows_at_run_time_is_told(name: str, params: dict[str, Any], word: str) -> None:
    with pytest.raises(QpipeError, match=r"is text|is no (date|integer)"):
        judged(name, {"columns": "x", **params}, column(word, []))


EXPECTED: list[tuple[str, dict[str, Any], str]] = [
    ("not_null", {}, "a value"),
    ("between", {"min": 0, "max": 10}, "between 0 and 10"),
    ("between", {"min": 0}, "at least 0"),
    ("between", {"max": 10, "exclusive": True}, "below 10"),
    ("between", {"min": 0, "max": 1, "exclusive": "min"}, "above 0 and at most 1"),
    ("one_of", {"values": [1, 2]}, "one of 1, 2"),
    ("one_of", {"values": list(range(20)), "negate": True}, "none of 0, 1, 2, 3, 4, 5, 6, 7 … (20 values)"),
    ("matches", {"regex": "^a"}, "matching ^a"),
    ("matches", {"like": ["a%", "b%"]}, "matching any of like a%, like b%"),
    ("format_is", {"kind": "email"}, "a valid email"),
    ("length", {"max": 3}, "a length of at most 3"),
    ("length", {"min": 1, "max": 3, "unit": "words"}, "1 to 3 words"),
    ("type_is", {"type": "date", "format": "%d.%m.%Y"}, "a value of type date written %d.%m.%Y"),
    ("foreign_key", {"references": "t.id"}, "in t.id"),
    ("unique", {}, "a value that occurs once"),
    ("ordered", {}, "not below the row before"),
]


@pytest.mark.parametrize("name, params, words", EXPECTED)
def test_what_is_expected_reads_well(name: str, params: dict[str, Any], words: str) -> None:
    bad = {"string": ["zz", "yy", "zz"], "int": [99, 98, 99]}
    word = "string" if name in ("matches", "format_is", "length", "type_is") else "int"
    cells = [None] if name == "not_null" else [0] if params.get("negate") or params.get("min") == 0 else bad[word]
    if words in ("at least 0",):
        cells = [-1]
    if words in ("below 10",) or words.startswith(("a length", "1 to 3")):
        cells = [99] if word == "int" else ["a b c d e"]
    if words == "between 0 and 10":
        cells = [-3]
    told = {finding.expected for finding in judged(name, with_column(name, params), column(word, cells)).findings}
    assert told == {words}
