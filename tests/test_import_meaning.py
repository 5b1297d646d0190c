"""What a suite of another system means is what its spec means: nulls, open ends, shares, levels of alarm, conditions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from one_module import judged

from qpipe.interop.suites import read_suites, spec_of
from qpipe.spec.compile import plan_of

FOLDER = Path(__file__).parent / "data" / "conformance"
OURS = [json.loads(line) for line in (FOLDER / "own.jsonl").read_text().splitlines()]
OTHERWISE = {  # as docs/conformance.md says
    "own/strict-nothing-between", "own/sum-of-nothing", "own/distinct-of-nothing", "own/most-common-of-nothing",
    "own/z-at-the-threshold",
}  # fmt: skip


def claims(folder: Path, kind: str, theirs: Any, table: int = 0) -> list[Any]:
    """Each claim's module, or why there is none."""
    file = folder / ("suite.yaml" if isinstance(theirs, str) else "suite.json")
    file.write_text(theirs if isinstance(theirs, str) else json.dumps(theirs))
    return [claim.module or claim.why for claim in read_suites(kind, file)[table].claims]


@pytest.mark.parametrize("case", [c for c in OURS if c["id"] not in OTHERWISE], ids=lambda case: case["id"])
def test_an_imported_expectation_says_what_great_expectations_says(case: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("dateutil")
    from benchmarks.conformance.data import frame_of

    suite = {"expectations": [{"type": case["expectation_type"], "kwargs": case["kwargs"]}]}
    seen = []
    for made in claims(tmp_path, "gx", suite):
        ((name, parameters),) = made.items()
        seen.append(judged(name, parameters, frame_of(case)))
    assert all(s.verdict.outcome in ("pass", "not evaluated") for s in seen) is case["expected"]["success"]
    rows = [place["pk_index"] for place in case["expected"].get("unexpected_index_list", ())]
    assert sorted(row for s in seen for row in s.failed) == rows


def test_odd_names_dates_and_patterns_make_a_spec_that_validates(tmp_path: Path) -> None:
    model = """
models:
  - name: My DB.orders (raw)
    columns:
      - {name: "E-mail: #1", tests: [{dbt_utils.expression_is_true: {expression: "> 'a'\\n and 1 = 1"}}]}
      - {name: day, tests: [{accepted_values: {values: [2020-01-01]}}]}
      - {name: code, tests: [{dbt_expectations.expect_column_values_to_match_regex: {regex: "^a${0,3}"}}]}
"""
    (tmp_path / "s.yml").write_text(model)
    (suite,) = read_suites("dbt", tmp_path / "s.yml")
    (tmp_path / "spec.yaml").write_text(spec_of(suite))
    steps = plan_of(tmp_path / "spec.yaml").steps
    assert [step.module.id for step in steps] == ["expression", "one_of", "matches"]
    assert steps[1].module.values == ("2020-01-01",) and steps[2].module.regex == "^a${0,3}"  # type: ignore[attr-defined]


def _expect(kind: str, severity: str = "", **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs, **({"severity": severity} if severity else {})}


PAIR = {"column_A": "a", "column_B": "b b"}
GX: list[tuple[dict[str, Any], list[Any]]] = [
    (_expect("column_values_to_not_be_null", column="a", mostly=0.9, severity="info"),
     [{"not_null": {"column": "a", "tolerance": 0.1, "severity": "info"}}]),
    (_expect("column_values_to_be_unique", column="a", mostly=0.9),
     [{"unique": {"columns": ["a"], "tolerance": 0.1, "where": "a is not null"}}]),
    (_expect("column_mean_to_be_between", column="a", min_value=1, max_value=2, strict_min=True),
     [{"aggregate": {"column": "a", "function": "mean", "min": 1, "max": 2, "exclusive": "min"}}]),
    (_expect("column_value_lengths_to_be_between", column="a", min_value=1, strict_min=True),
     [{"length": {"column": "a", "min": 2}}]),
    (_expect("column_quantile_values_to_be_between", column="a",
             quantile_ranges={"quantiles": [0.1, 0.9], "value_ranges": [[1, 2], [None, 9]]}),
     [{"aggregate": {"column": "a", "function": "quantile", "q": 0.1, "min": 1, "max": 2}},
      {"aggregate": {"column": "a", "function": "quantile", "q": 0.9, "max": 9}}]),
    (_expect("column_pair_values_a_to_be_greater_than_b", **PAIR, or_equal=True),
     [{"expression": {"condition": 'a >= "b b"', "nulls": "fail", "where": 'a is not null or "b b" is not null'}}]),
    (_expect("column_pair_values_to_be_equal", **PAIR, ignore_row_if="either_value_is_missing"),
     [{"compare_columns": {"left": "a", "op": "=", "right": '"b b"'}}]),
    (_expect("column_pair_values_to_be_equal", **PAIR, ignore_row_if="neither"),
     [{"expression": {"condition": 'a = "b b"', "nulls": "fail"}}]),
    (_expect("compound_columns_to_be_unique", column_list=["a", "c"], ignore_row_if="any_value_is_missing"),
     [{"unique": {"columns": ["a", "c"], "where": "a is not null and c is not null"}}]),
    (_expect("column_values_to_not_match_like_pattern_list", column="a", like_pattern_list=["x%", "y%"]),
     [{"matches": {"column": "a", "like": ["x%", "y%"], "negate": True}}]),
    (_expect("column_values_to_be_in_type_list", column="a", type_list=["str", "StringType", "VARCHAR", "object_"]),
     [{"schema": {"columns": {"a": "string"}}}]),
    (_expect("column_values_to_be_in_type_list", column="a", type_list=["int", "float"]),
     ["its arguments have no counterpart"]),
    (_expect("column_values_to_be_between", column="a", min_value={"$PARAMETER": "low"}),
     ["min_value depends on a parameter of theirs: write the value"]),
    (_expect("column_values_to_be_between", min_value=1), ["its arguments are not understood: 'column' is missing"]),
    ({"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "select 1"}}, ["it is a query of theirs"]),
]  # fmt: skip


@pytest.mark.parametrize("theirs, ours", GX, ids=lambda value: str(value)[:60])
def test_an_expectation_with_its_arguments(theirs: dict[str, Any], ours: list[Any], tmp_path: Path) -> None:
    theirs = {**theirs, "severity": theirs["kwargs"].pop("severity", theirs.get("severity"))}
    assert claims(tmp_path, "gx", {"expectations": [theirs]}) == ours


CONDITIONS: list[tuple[Any, str | None]] = [
    ('x == "a" and y != 2', "x = 'a' and y is distinct from 2"),
    ("`first name` == 'O\\'Neil' | ~(y > 1.5)", "\"first name\" = 'O''Neil' or not (y > 1.5)"),
    ('col("x").notNull() & col("y") >= -3', "x is not null and y >= - 3"),
    ("x.isnull() or y in [1, 2]", "x is null or y in (1, 2)"),
    ({"type": "comparison", "column": {"name": "x"}, "operator": "!=", "parameter": "a"}, "x is distinct from 'a'"),
    ({"type": "and", "conditions": [
        {"type": "nullity", "column": {"name": "x"}, "is_null": False},
        {"type": "comparison", "column": {"name": "y"}, "operator": "in", "parameter": [1, 2]},
    ]}, "(x is not null) and (y in (1, 2))"),
    ("x.str.startswith('a')", None),
    ("f(x) == @limit", None),
]  # fmt: skip


@pytest.mark.parametrize("theirs, ours", CONDITIONS, ids=str)
def test_a_row_condition_is_where_or_named(theirs: Any, ours: str | None, tmp_path: Path) -> None:
    (made,) = claims(tmp_path, "gx", {"expectations": [_expect("column_values_to_be_null", column="a", row_condition=theirs)]})
    if ours is None:
        assert made == f"its row_condition {theirs!r} must be written as `where` by hand"
    else:
        assert made == {"is_null": {"column": "a", "where": ours}}


DBT: list[tuple[str, list[Any]]] = [
    ("unique", [{"unique": {"columns": ["c"]}}]),
    ("{name: mine, test_name: accepted_values, values: [1], config: {severity: warn}}",
     [{"one_of": {"column": "c", "values": [1], "severity": "warning"}}]),
    ("{accepted_values: {values: [a]}, config: {where: x > 1}}",
     [{"one_of": {"column": "c", "values": ["a"], "where": "x > 1"}}]),
    ("{not_null: {config: {warn_if: '>10', error_if: '>= 1000'}}}",
     [{"not_null": {"column": "c", "tolerance": 10, "severity": "warning"}}, {"not_null": {"column": "c", "tolerance": 999}}]),
    ("{not_null: {config: {error_if: '>50'}}}",
     [{"not_null": {"column": "c", "severity": "warning"}}, {"not_null": {"column": "c", "tolerance": 50}}]),
    ("{not_null: {config: {warn_if: '>50'}}}", [{"not_null": {"column": "c"}}]),
    ("{not_null: {severity: warn, warn_if: '>5'}}", [{"not_null": {"column": "c", "tolerance": 5, "severity": "warning"}}]),
    ("{not_null: {config: {enabled: false}}}", ["it is switched off"]),
    ("{not_null: {config: {where: '{{ recent() }}'}}}", ["its where has a macro"]),
    ("{dbt_utils.accepted_range: {min_value: 0, max_value: other}}",
     [{"expression": {"condition": "c >= (0) and c <= (other)"}}]),
    ("{dbt_utils.accepted_range: {min_value: \"'2020-01-01'\", inclusive: false}}",
     [{"between": {"column": "c", "min": "2020-01-01", "exclusive": True}}]),
    ("dbt_utils.not_empty_string", [{"matches": {"column": "c", "regex": r"\S"}}]),
    ("{dbt_utils.not_null_proportion: {at_least: 0.9}}", [{"null_share": {"column": "c", "max": 0.1}}]),
    ("{dbt_utils.recency: {datepart: month, field: c, interval: 2}}", [{"freshness": {"column": "c", "max_age": "60d"}}]),
    ("{dbt_utils.recency: {datepart: aeon, field: c, interval: 2}}", ["its arguments are not understood: 'aeon' is missing"]),
    ("{dbt_utils.not_constant: {group_by_columns: [g]}}", ["its groups (group_by_columns) are to be written as `by`"]),
    ("{dbt_expectations.expect_column_values_to_be_between: {min_value: 0, strictly: true, row_condition: g <> 'x'}}",
     [{"between": {"column": "c", "min": 0, "exclusive": True, "where": "g <> 'x'"}}]),
    ("{dbt_expectations.expect_column_values_to_be_of_type: {column_type: varchar(20)}}",
     [{"schema": {"columns": {"c": "string"}}}]),
    ("dbt_expectations.expect_column_values_to_be_increasing",
     [{"ordered": {"column": "c", "strict": True, "where": "c is not null"}}]),
    ("{dbt_expectations.expect_column_distinct_count_to_equal: {value: 4}}",
     [{"cardinality": {"column": "c", "min": 4, "max": 4}}]),
    ("{dbt_expectations.expect_column_values_to_be_in_type_list: {column_type_list: [date, '{{ type_timestamp() }}']}}",
     ["its column_type_list has a macro"]),
    ("{dbt_expectations.expect_column_pair_values_to_be_equal: {column_A: a + 10, column_B: b}}",
     ["a + 10 is an expression, not a column: `derive` it first"]),
    ("{dbt_expectations.expect_table_aggregation_to_equal_other_table: {expression: sum(a), compare_expression: sum(b),"
     " compare_model: ref('t')}}", ["compare_expression has no counterpart"]),
    ("{dbt_expectations.expect_row_values_to_have_data_for_every_n_datepart: {date_col: c, date_part: hour}}",
     [{"no_gaps": {"column": "c", "grain": "hour"}}]),
]  # fmt: skip


@pytest.mark.parametrize("test, ours", DBT, ids=[theirs for theirs, _ in DBT])
def test_a_data_test_of_dbt(test: str, ours: list[Any], tmp_path: Path) -> None:
    assert claims(tmp_path, "dbt", f"models: [{{name: m, columns: [{{name: c, data_tests: [{test}]}}]}}]") == ours


def test_constraints_and_unit_tests_of_a_model(tmp_path: Path) -> None:
    model = """
models:
  - name: m
    constraints: [{type: primary_key, columns: [a, b]}, {type: check, expression: a > 0}, {type: foreign_key, columns: [a]}]
    tests: [{dbt_utils.unique_combination_of_columns: {combination_of_columns: [a, b]}}, {unique: {column_name: "a || b"}}]
    columns: [{name: a, constraints: [{type: not_null}]}]
unit_tests: [{name: adds, model: m}]
"""
    assert claims(tmp_path, "dbt", model) == [
        {"unique": {"columns": ["a", "b"], "nulls_equal": True}},
        "a || b is an expression, not a column: `derive` it first",
        {"not_null": {"columns": ["a", "b"]}}, {"unique": {"columns": ["a", "b"]}}, {"expression": {"condition": "a > 0"}},
        "there is no counterpart", {"not_null": {"columns": ["a"]}}, "it tests a model's SQL, not data",
    ]  # fmt: skip


SODA: list[tuple[str, list[Any]]] = [
    ("row_count > 0", [{"row_count": {"min": 1}}]),
    ("row_count between 10 and 20", [{"row_count": {"min": 10, "max": 20}}]),
    ("avg(a) > 10", [{"aggregate": {"column": "a", "function": "mean", "min": 10.0, "exclusive": "min"}}]),
    ("max(a) between (1 and 2.5]",
     [{"aggregate": {"column": "a", "function": "max", "min": 1.0, "max": 2.5, "exclusive": "min"}}]),
    ("avg(a) not between 1 and 2", ["what must not be is two ranges, and has no counterpart"]),
    ("missing_count(a) != 3", ["what must not be is two ranges, and has no counterpart"]),
    ("missing_count(a) > 3", ["only an upper limit of failures has a counterpart"]),
    ("missing_count(a) = 0: {missing values: [N/A, '-']}", [{"not_null": {"column": "a", "placeholders": ["N/A", "-"]}}]),
    ("missing_count(a) < 5: {missing regex: x}", ["a pattern of what counts as missing has no counterpart"]),
    ("invalid_count(a) = 0: {valid min: 1, valid max: 6, invalid values: [3]}",
     [{"one_of": {"column": "a", "values": [3], "negate": True}}, {"between": {"column": "a", "min": 1, "max": 6}}]),
    ("invalid_percent(a) <= 1.5 %: {valid format: uuid, valid length: 36}", ["several notions of valid share one tolerance"]),
    ("invalid_percent(a) <= 1.5 %: {valid format: ip address}",
     [{"format_is": {"column": "a", "kind": "ip", "tolerance": 0.015}}]),
    ("invalid_count(a) = 0: {valid format: phone number}", ["the format phone number has no counterpart"]),
    ("duplicate_count(a): {warn: when between 1 and 10, fail: when > 10}",
     ["what must not be is two ranges, and has no counterpart", {"unique": {"columns": ["a"], "tolerance": 10}}]),
    ("freshness(at): {warn: when > 6h, fail: when > 1d6h}",
     [{"freshness": {"column": "at", "max_age": "6h", "severity": "warning"}},
      {"freshness": {"column": "at", "max_age": "1d6h"}}]),
    ("schema: {warn: {when forbidden column present: [x]}, fail: {when required column missing: [a]}}",
     ["there is no counterpart", {"schema": {"columns": ["a"], "extra": "allow"}}]),
    ("schema: {name: shape, fail: {when required column missing: [a], when forbidden column present: [x]}}",
     [{"schema": {"columns": ["a"], "extra": "allow"}}, "there is no counterpart"]),
    ("failed rows: {fail condition: 'a < 0 or', name: odd}", None),
    ("values in (a, b) must not exist in t (x, y)",
     [{"foreign_key": {"columns": ["a", "b"], "references": ["t.x", "t.y"], "negate": True}}]),
    ("sum_of_all between 1 and 2: {sum_of_all expression: SUM(a * b)}", ["it is in another system's query"]),
]  # fmt: skip


@pytest.mark.parametrize("check, ours", SODA, ids=[theirs for theirs, _ in SODA])
def test_a_check_of_soda(check: str, ours: list[Any] | None, tmp_path: Path) -> None:
    made = claims(tmp_path, "soda", f"checks for t:\n  - {check}\n")
    assert made == ours if ours is not None else made[0].startswith("not (a < 0 or): ")  # no expression: named, not written


def test_checks_of_a_table_in_several_places_and_for_each_table(tmp_path: Path) -> None:
    checks = """
checks for "t": [row_count > 0]
filter t [new]: {where: x > 1}
checks for t [new]: [row_count > 5]
for each dataset D: {datasets: [t, raw_%], checks: [missing_count(a) = 0]}
"""
    first = [{"row_count": {"min": 1}}, {"row_count": {"min": 6, "where": "x > 1"}}, {"not_null": {"column": "a"}}]
    assert claims(tmp_path, "soda", checks) == first
    assert claims(tmp_path, "soda", checks, table=1) == ["a pattern of names: name the tables"]


CONTRACT: list[tuple[str, list[Any]]] = [
    ("missing:", [{"not_null": {"column": "a"}}]),
    ("missing: {threshold: {metric: percent, must_be_less_than: 10}}", [{"not_null": {"column": "a", "tolerance": 0.1}}]),
    ("missing: {threshold: {must_be_less_than: 10}}", [{"not_null": {"column": "a", "tolerance": 9}}]),
    ("missing: {missing_values: [N/A], threshold: {must_be_between: {greater_than_or_equal: 0, less_than: 5}}}",
     [{"not_null": {"column": "a", "placeholders": ["N/A"], "tolerance": 4}}]),
    ("missing: {threshold: {must_be_greater_than: 5}}", ["only an upper limit of failures has a counterpart"]),
    ("invalid: {valid_values: [x], filter: b > 1, threshold: {level: warn}}",
     [{"one_of": {"column": "a", "values": ["x"], "where": "b > 1", "severity": "warning"}}]),
    ("invalid: {valid_format: {name: code, regex: '^x$'}}", [{"matches": {"column": "a", "regex": "^x$"}}]),
    ("aggregate: {function: avg, threshold: {must_be_between: {greater_than: 1, less_than_or_equal: 5}}}",
     [{"aggregate": {"column": "a", "function": "mean", "min": 1, "max": 5, "exclusive": "min"}}]),
    ("{type: missing_percent, must_be_less_than_or_equal_to: 2}", [{"not_null": {"column": "a", "tolerance": 0.02}}]),
    ("{type: avg, must_be_between: [1, 2]}", [{"aggregate": {"column": "a", "function": "mean", "min": 1, "max": 2}}]),
]  # fmt: skip


@pytest.mark.parametrize("check, ours", CONTRACT, ids=[theirs for theirs, _ in CONTRACT])
def test_a_check_of_a_contract_of_soda(check: str, ours: list[Any], tmp_path: Path) -> None:
    assert claims(tmp_path, "soda", f"dataset: d/s/t\ncolumns:\n  - name: a\n    checks:\n      - {check}\n") == ours


def test_the_columns_of_a_contract_of_soda(tmp_path: Path) -> None:
    contract = """
dataset: d/s/t
columns: [{name: a, data_type: varchar}, {name: b, optional: true}]
checks: [schema: {allow_extra_columns: true}, row_count: , row_count: {threshold: {must_be_less_than: 9}}]
"""
    assert claims(tmp_path, "soda", contract) == [
        {"schema": {"columns": {"a": "string", "b": "any"}, "extra": "allow", "optional": ["b"]}},
        {"row_count": {"min": 1}}, {"row_count": {"max": 8}},
    ]  # fmt: skip


def _property(told: str) -> str:
    return f"schema: [{{name: t, properties: [{{name: a, {told}}}]}}]"


ODCS: list[tuple[str, list[Any]]] = [
    ("logicalTypeOptions: {minimum: 0, exclusiveMaximum: 10}",
     [{"between": {"column": "a", "min": 0, "max": 10, "exclusive": "max"}}]),
    ("logicalTypeOptions: {maximum: 5, exclusiveMaximum: true}", [{"between": {"column": "a", "max": 5, "exclusive": "max"}}]),
    ("enum: [{value: x, label: X}, {value: y}]", [{"one_of": {"column": "a", "values": ["x", "y"]}}]),
    ("logicalTypeOptions: {multipleOf: 5}", [{"expression": {"condition": "a % 5 = 0"}}]),
    ("quality: [{metric: nullValues, mustBeLessThan: 10}]", [{"not_null": {"column": "a", "tolerance": 9}}]),
    ("quality: [{metric: nullValues, mustBeBetween: [0, 5], unit: percent}]",
     [{"not_null": {"column": "a", "tolerance": 0.05}}]),
    ("quality: [{metric: nullValues, mustBeGreaterThan: 3}]", ["only an upper limit of failures has a counterpart"]),
    ("quality: [{metric: nullValues, mustNotBe: 3}]", ["what must not be is two ranges, and has no counterpart"]),
    ("quality: [{metric: missingValues, arguments: {missingValues: [null, N/A]}}]",
     [{"not_null": {"column": "a", "placeholders": ["N/A"]}}]),
    ("quality: [{rule: validValues, validValues: [x, y], severity: info}]",
     [{"one_of": {"column": "a", "values": ["x", "y"], "severity": "info"}}]),
    ("quality: [{metric: invalidValues, arguments: {validValues: [x], pattern: '^x$'}}]",
     [{"one_of": {"column": "a", "values": ["x"]}}, {"matches": {"column": "a", "regex": "^x$"}}]),
    ("quality: [{type: custom, engine: greatExpectations, implementation: {type: expect_column_values_to_be_null}}]",
     [{"is_null": {"column": "a"}}]),
    ("quality: [{type: custom, engine: soda, implementation: {type: missing_percent, must_be_less_than: 5}}]",
     [{"not_null": {"column": "a", "tolerance": 0.05}}]),
    ("quality: [{type: sql, query: select 1, mustBe: 0}]", ["it is in words or in another system's query"]),
    ("relationships: [{to: customers.id}]", [{"foreign_key": {"column": "a", "references": "customers.id"}}]),
]  # fmt: skip


@pytest.mark.parametrize("told, ours", ODCS, ids=[theirs for theirs, _ in ODCS])
def test_a_property_of_a_contract(told: str, ours: list[Any], tmp_path: Path) -> None:
    assert claims(tmp_path, "odcs", _property(told)) == ours


TYPES = [  # logical, physical, ours
    ("date", "timestamp", "datetime"), ("date", "time", "time"), ("date", "date", "date"), ("number", "int4", "int"),
    ("number", "numeric", "decimal(38,9)"), ("string", "varchar[15]", "string"), ("object", "Flag", "string"),
    (None, "serial", "int"), ("string", "int", "string"),
]  # fmt: skip


def test_the_physical_type_may_say_more_than_the_logical_one(tmp_path: Path) -> None:
    columns = [{"name": f"c{n}", "logicalType": a, "physicalType": b} for n, (a, b, _) in enumerate(TYPES)]
    (tmp_path / "s.json").write_text(json.dumps({"schema": [{"name": "t", "properties": columns}]}))
    (suite,) = read_suites("odcs", tmp_path / "s.json")
    assert [suite.types.get(f"c{n}") for n in range(len(TYPES))] == [ours for *_, ours in TYPES]


def test_a_contract_of_version_2_and_keys_of_several_columns(tmp_path: Path) -> None:
    contract = """
dataset:
  - table: t
    columns:
      - {column: a, logicalType: integer, isPrimaryKey: true, isNullable: false, quality: [{code: nullCheck}]}
      - {column: b, physicalType: varchar(18), isUnique: true, isNullable: true}
"""
    assert claims(tmp_path, "odcs", contract) == [
        {"not_null": {"column": "a"}}, {"unique": {"columns": ["a"]}}, {"not_null": {"column": "a"}},
        {"unique": {"columns": ["b"]}},
    ]  # fmt: skip
    keys = "relationships: [{from: [t.a, t.b], to: [s/u.x, u.y]}], quality: [{metric: rowCount}]"
    keys = f"schema: [{{name: t, properties: [], {keys}}}]"
    assert claims(tmp_path, "odcs", keys) == [
        {"foreign_key": {"columns": ["a", "b"], "references": ["u.x", "u.y"]}}, {"row_count": {"min": 1}},
    ]  # fmt: skip


FIELDS: list[tuple[dict[str, Any], list[Any]]] = [
    ({"type": "number", "constraints": {"exclusiveMinimum": 0, "maximum": 9}},
     [{"between": {"column": "a", "min": 0, "max": 9, "exclusive": "min"}}]),
    ({"type": "date", "format": "any"}, [{"parse_date": {"column": "a", "type": "date"}}]),
    ({"type": "string", "missingValues": ["", "n/a"]}, [{"normalize_nulls": {"columns": ["a"], "placeholders": ["n/a"]}}]),
    ({"type": "string", "constraints": {"pattern": "(?=x)y"}}, None),
    ({"type": "integer", "constraints": {"minLength": 3}}, ["a is integer, but length is for string, list, binary"]),
]  # fmt: skip


@pytest.mark.parametrize("field, ours", FIELDS, ids=str)
def test_a_field_of_a_table_schema(field: dict[str, Any], ours: list[Any] | None, tmp_path: Path) -> None:
    made = claims(tmp_path, "frictionless", {"fields": [{"name": "a", **field}]})
    assert made == ours if ours is not None else made[0].startswith("(?=x)y: ")  # no pattern of ours: named, not written


def test_an_inquiry_and_how_fields_match(tmp_path: Path) -> None:
    schema = {"fieldsMatch": ["equal"], "fields": [{"name": "a"}]}
    inquiry = {"tasks": [{"path": "data/t.csv", "schema": schema}, {"path": "u.csv", "schema": "u.json"}]}
    assert claims(tmp_path, "frictionless", inquiry) == [{"schema": {"columns": ["a"], "extra": "forbid"}}]
    assert claims(tmp_path, "frictionless", inquiry, table=1) == ["it is in another file: import u.json"]


def test_a_schema_as_the_newest_pandera_writes_it(tmp_path: Path) -> None:
    schema = """
schema_type: dataframe
columns:
  a:
    dtype: int64
    unique: true
    in_range: {min_value: 1, max_value: 9, include_min: true, include_max: false}
  b:
    dtype: string[python]
    nullable: true
    isin: {allowed_values: [x], raise_warning: true}
    str_startswith: x_
    str_length: 3
    str_matches: {pattern: x, ignore_na: false}
index: [{dtype: int64, name: idx}]
"""
    assert claims(tmp_path, "pandera", schema) == [
        {"not_null": {"column": "a"}}, {"unique": {"columns": ["a"], "nulls_equal": True}},
        {"between": {"column": "a", "min": 1, "max": 9, "exclusive": "max"}},
        {"one_of": {"column": "b", "values": ["x"], "severity": "warning"}}, {"matches": {"column": "b", "like": r"x\_%"}},
        {"length": {"column": "b", "equals": 3}}, {"matches": {"column": "b", "regex": "^(?:x)"}},
        {"not_null": {"column": "b"}},
        "an index is no column of the data",
    ]  # fmt: skip
