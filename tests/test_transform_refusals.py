"""What transforms refuse before they run."""

from __future__ import annotations

from typing import Any

import pytest
from one_module import made, problems

COLUMNS = {"t": "string", "n": "int", "f": "float", "d": "date", "l": "list(int)"}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("clean_text", {"columns": "n"}, "'n' is int, not text"),
    ("clean_text", {"columns": "t", "trim": False}, "nothing to do"),
    ("normalize_nulls", {"columns": "d"}, "'d' is date"),
    ("normalize_nulls", {"columns": "n"}, "name the number"),
    ("cast", {"columns": {"t": "decimall"}}, "no type is named 'decimall'"),
    ("cast", {"columns": {"l": "int"}}, "'l' is list(int); that cannot become int"),
    ("cast", {"columns": {"d": "int"}}, "'d' is date; that cannot become int"),
    ("parse_date", {"columns": "d"}, "'d' is date, not text"),
    ("parse_date", {"columns": "t", "type": "int"}, "neither a date nor a datetime"),
    ("parse_date", {"columns": "t", "formats": ["DD.MM.YYYY"]}, "no letters of strftime"),
    ("parse_date", {"columns": "t", "formats": ["%d.%m"]}, "does not say year"),
    ("parse_date", {"columns": "t", "formats": ["%d.%m.%Q"]}, "%Q"),
    ("parse_date", {"columns": "t", "formats": ["%d.%m.%Y %H"], "type": "datetime"}, "not hours with minutes"),
    ("parse_date", {"columns": "t", "formats": ["%Y-%m-%d %H:%M"]}, "time of day"),
    ("parse_date", {"columns": "t", "formats": ["%Y-%m-%dT%H:%M:%S%z"], "type": "datetime"}, "offset"),
    ("parse_number", {"columns": "f"}, "'f' is float, not text"),
    ("parse_number", {"columns": "t", "thousands": "."}, "both between"),
    ("parse_number", {"columns": "t", "thousands": "0"}, "cannot stand between"),
    ("parse_number", {"columns": "t", "type": "date"}, "no type of numbers"),
    ("parse_number", {"columns": "t", "type": "int", "percent": True}, "no whole number"),
    ("map_values", {"column": "t"}, "one of them"),
    ("map_values", {"column": "t", "table": {}}, "empty"),
    ("map_values", {"column": "t", "table": {"a": "b", "c": 1}}, "not all of one kind"),
    ("map_values", {"column": "f", "table": {"a": "b"}}, "'f' is float"),
    ("map_values", {"column": "n", "table": {"1": "b"}}, "cannot be kept"),
    ("map_values", {"column": "t", "table": {"a": "b", "A": "c"}, "ignore_case": True}, "same when case is ignored"),
    ("replace_pattern", {"columns": "n", "pattern": "a"}, "not text"),
    ("replace_pattern", {"columns": "t", "pattern": "(a)(b)", "to": "$1st"}, "write ${1}st"),
    ("replace_pattern", {"columns": "t", "pattern": "(a)", "to": "$2"}, "no such group"),
    ("fill_null", {"columns": "n"}, "one of them"),
    ("fill_null", {"columns": "n", "value": "x"}, "no integer"),
    ("fill_null", {"columns": "n", "value": 0.5}, "no whole number"),
    ("fill_null", {"columns": "n", "expression": "f"}, "gives float"),
    ("rename", {}, "nothing to rename"),
    ("rename", {"columns": {"t": "n"}}, "2 columns would be named 'n'"),
    ("rename", {"columns": {"t": "_row"}}, "qpipe keeps"),
    ("select", {}, "one of them"),
    ("select", {"columns": ["t", "t"]}, "2 times"),
    ("select", {"drop": list(COLUMNS)}, "no column would be left"),
    ("deduplicate", {"columns": ["t", "t"]}, "twice"),
    ("deduplicate", {"columns": "t", "keep": {"oldest": "d"}}, "write first, last"),
    ("deduplicate", {"columns": "t", "keep": {"newest": "t"}}, "needs a date or a number"),
    ("lookup", {"from": "r", "on": "f"}, "no good key"),
    ("lookup", {"from": "r", "on": "n", "take": ["t"]}, "'t' already"),
    ("lookup", {"from": "r", "on": "n", "take": ["a"], "unmatched": {"b": 1}}, "none of the columns"),
]


@pytest.mark.parametrize(("name", "values", "message"), REFUSED, ids=lambda part: str(part)[:40])
def test_refused(name: str, values: dict[str, Any], message: str) -> None:
    found = problems(made(name, **values), **COLUMNS)
    assert len(found) == 1, found
    assert message in found[0]


READS = [
    "rename: {amout: x}",
    "cast: {amout: int}",
    "lookup: {from: r, on: amout}",
    "deduplicate: {columns: amount, keep: {newest: amout}}",
    "fill_null: {column: amout, value: 0}",
    "derive: {x: amout + 1}",
    "filter: amout > 1",
    "select: [amout]",
]


def problems_in_a_spec(module: str) -> list[tuple[str, int]]:
    from qpipe.spec.check import check
    from qpipe.spec.load import Spec

    text = f"""
version: 1
name: test
sources:
  s: {{type: file, path: s.csv, schema: {{amount: int, day: string}}}}
  r: {{type: file, path: r.csv, role: reference, schema: {{amout: int, v: int}}}}
modules:
  - {module}
outputs:
  clean: {{type: file, path: out.csv}}
"""
    return [(problem.code, problem.line) for problem in check(Spec.load(text))[0] if problem.code != "unused-source"]


@pytest.mark.parametrize("module", READS)
def test_columns_that_are_not_there_are_found_in_the_spec(module: str) -> None:
    assert problems_in_a_spec(module) == [("unknown-column", 8)]


@pytest.mark.parametrize(
    "module",
    [
        "parse_date: {column: day, on_error: null}",
        "map_values: {column: day, table: {a: b}, unknown: null}",
        "lookup: {from: r, on: {amount: amout}, unmatched: null}",
    ],
)
def test_null_needs_no_quotes(module: str) -> None:
    assert problems_in_a_spec(module) == []
