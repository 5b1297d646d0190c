"""Other systems' suites become specs that validate; what cannot be turned is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qpipe.cli import application
from qpipe.interop.suites import read_suites, spec_of
from qpipe.spec.compile import plan_of

GX = {
    "expectation_suite_name": "orders",
    "expectations": [
        {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}},
        {"expectation_type": "expect_column_values_to_be_between",
         "kwargs": {"column": "amount", "min_value": 0, "max_value": 9, "strict_min": True, "mostly": 0.95}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "state", "value_set": ["new", "paid"]}},
        {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["id", "day"]}, "severity": "warning"},
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1, "max_value": 100}},
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "min_value": 1, "max_value": 5}},
        {"type": "expect_column_kl_divergence_to_be_less_than", "kwargs": {"column": "amount"}},
    ],
}  # fmt: skip
SODA = """
checks for orders:
  - row_count > 0
  - missing_count(id) = 0
  - duplicate_count(id, day) = 0
  - missing_percent(note) < 5 %
  - avg(amount) between 1 and 5
  - invalid_count(state) = 0:
      valid values: [new, paid]
  - invalid_percent(mail) < 1 %:
      valid format: email
  - freshness(day) < 2d
  - anomaly detection for row_count
  - change avg last 7 for avg(amount) between -20% and 20%
  - change percent for row_count < 50
  - change for row_count between -5 and 50
  - row_count same as raw
  - values in (customer) must exist in customers (id)
  - missing_count(note):
      warn: when > 5
      fail: when > 50%
  - failed rows:
      name: no negative amounts
      fail condition: amount < 0
  - max_length(state) <= 5
  - percentile(amount, 0.95) < 10
  - schema:
      fail: {when required column missing: [id], when wrong column type: {amount: double}}
  - distribution_difference(amount) > 0.05
"""
DBT = """
models:
  - name: orders
    tests:
      - dbt_utils.unique_combination_of_columns: {combination_of_columns: [id, day]}
      - dbt_utils.equal_rowcount: {compare_model: ref('raw'), group_by_columns: [day]}
      - dbt_utils.equality: {compare_model: ref('raw'), compare_columns: [id, amount]}
      - dbt_expectations.expect_table_aggregation_to_equal_other_table: {expression: sum(amount), compare_model: ref("raw")}
      - dbt_utils.expression_is_true: {expression: amount >= 0}
      - elementary.volume_anomalies: {timestamp_column: day}
      - elementary.dimension_anomalies: {dimensions: [state]}
    columns:
      - name: id
        data_type: bigint
        tests: [not_null, unique]
      - name: state
        data_tests:
          - accepted_values: {arguments: {values: [new, paid]}}
      - name: customer
        tests:
          - relationships: {to: ref('customers'), field: id, config: {severity: warn}}
          - dbt_utils.relationships_where: {to: ref('customers'), field: id, from_condition: amount > 0}
          - dbt_utils.cardinality_equality: {to: ref('customers'), field: id}
      - name: amount
        tests:
          - dbt_utils.accepted_range: {min_value: 0, inclusive: false}
          - dbt_expectations.expect_column_values_to_be_between: {min_value: 0, max_value: 10}
          - my_package.looks_nice
          - elementary.column_anomalies: {column_anomalies: [null_percent, average]}
"""
ODCS = """
apiVersion: v3.0.0
kind: DataContract
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, primaryKey: true, required: true}
      - {name: amount, logicalType: number, logicalTypeOptions: {minimum: 0, maximum: 10}}
      - name: state
        logicalType: string
        quality:
          - {metric: invalidValues, arguments: {validValues: [new, paid]}, mustBe: 0}
          - {metric: nullValues, mustBeLessThan: 5, unit: percent}
          - {type: text, description: looks nice}
      - {name: customer, logicalType: integer, relationships: [{to: customers.id}]}
      - {name: day, logicalType: date}
    quality:
      - {metric: rowCount, mustBeGreaterThan: 0}
      - {metric: duplicateValues, arguments: {properties: [id, day]}, mustBe: 0, severity: warning}
slaProperties:
  - {property: latency, value: 2, unit: d, element: orders.day}
  - {property: retention, value: 9, unit: y, element: orders.day}
"""
FRICTIONLESS = {
    "name": "shop",
    "resources": [{
        "name": "orders", "path": "orders.csv",
        "checks": [{"type": "row-constraint", "formula": "id != customer"}, {"type": "table-dimensions", "minRows": 1},
                   {"type": "deviated-cell"}],
        "schema": {
            "primaryKey": "id", "missingValues": ["", "N/A"],
            "foreignKeys": [{"fields": "customer", "reference": {"resource": "customers", "fields": "id"}}],
            "fields": [
                {"name": "id", "type": "integer"},
                {"name": "customer", "type": "integer", "constraints": {"required": True}},
                {"name": "mail", "type": "string", "format": "email"},
                {"name": "code", "type": "string", "constraints": {"pattern": "[A-Z]{3}", "maxLength": 3}},
            ],
        },
    }],
}  # fmt: skip
PANDERA = """
schema_type: dataframe
columns:
  id: {dtype: int64, nullable: false, unique: true, checks: null}
  amount:
    dtype: float64
    nullable: true
    checks: {greater_than: 0, less_than_or_equal_to: {value: 10}, odd_thing: 3}
  state: {dtype: str, nullable: true, required: false, checks: {isin: [new, paid], str_length: {min_value: 1, max_value: 5}}}
  rate: {dtype: float64, nullable: true, checks: {in_range: {min_value: 0, max_value: 1, include_max: false}}}
checks: {sums_up: {}}
strict: true
"""
CASES = {
    "gx": (json.dumps(GX), 6, ["expect_column_kl_divergence_to_be_less_than(amount)"]),
    "soda": (SODA, 19, ["change for row_count between -5 and 50", "distribution_difference(amount) > 0.05"]),
    "dbt": (DBT, 17, ["elementary.dimension_anomalies", "my_package.looks_nice(amount)"]),
    "odcs": (ODCS, 9, ["text(state)", "retention(orders.day)"]),
    "frictionless": (json.dumps(FRICTIONLESS), 9, ["deviated-cell"]),
    "pandera": (PANDERA, 8, ["odd_thing(amount)", "sums_up of the whole"]),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_suite_becomes_a_spec_that_validates(kind: str, tmp_path: Path) -> None:
    text, turned, lost = CASES[kind]
    file = tmp_path / ("suite.json" if text.startswith("{") else "suite.yaml")
    file.write_text(text)
    (suite,) = read_suites(kind, file)
    assert [claim.origin for claim in suite.claims if not claim.module] == lost
    assert len([claim for claim in suite.claims if claim.module]) == turned
    spec = spec_of(suite)
    assert all(name in spec for name in lost)
    others = {"customers": "{id: int}", "raw": "{id: int, amount: float, day: date}"}
    for other in (o for o in others if o in spec):  # the other tables are for the person to name
        spec = spec.replace("modules:", f"  {other}: {{path: c.csv, role: reference, schema: {others[other]}}}\nmodules:", 1)
    (tmp_path / "spec.yaml").write_text(spec)
    assert len(plan_of(tmp_path / "spec.yaml").steps) == turned


def suite_of(folder: Path, kind: str, text: str) -> tuple[dict[str, object], list[object], list[str]]:
    """The types of a suite's columns, its modules, and what is not turned."""
    file = folder / ("suite.json" if text.startswith("{") else "suite.yaml")
    file.write_text(text)
    suite = read_suites(kind, file)[0]
    made = [claim.module for claim in suite.claims if claim.module]
    return suite.types, made, [claim.origin for claim in suite.claims if not claim.module]


def test_how_values_are_written_comes_along_or_is_named(tmp_path: Path) -> None:
    fields = [
        {"name": "day", "type": "date", "format": "%d/%m/%Y"},
        {"name": "price", "type": "number", "decimalChar": ",", "constraints": {"minimum": 0}},
        {"name": "place", "type": "geopoint"},
        {"name": "paid", "type": "boolean", "trueValues": ["ja"]},
    ]
    types, made, lost = suite_of(tmp_path, "frictionless", json.dumps({"fields": fields}))
    assert types == {"day": {"type": "date", "format": "%d/%m/%Y"}, "price": "string", "paid": "bool"}
    assert made == [{"parse_number": {"column": "price", "type": "float", "decimal": ","}},
                    {"between": {"column": "price", "min": 0}}]  # fmt: skip
    assert lost == ["type geopoint(place)", "trueValues(paid)"]
    (tmp_path / "suite.json").write_text(json.dumps(FRICTIONLESS))
    assert "    nulls: [N/A]\n" in spec_of(read_suites("frictionless", tmp_path / "suite.json")[0])
    contract = """
schema:
  - name: orders
    properties:
      - {name: day, logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}}
      - {name: at, logicalType: timestamp, logicalTypeOptions: {format: "yyyy-MM-dd'T'HH:mm:ss"}}
      - {name: odd, logicalType: date, logicalTypeOptions: {format: EEE dd}}
"""
    types, made, lost = suite_of(tmp_path, "odcs", contract)
    assert types["day"] == {"type": "date", "format": "%d.%m.%Y"} and types["at"] == {
        "type": "datetime",
        "format": "%Y-%m-%dT%H:%M:%S",
    }
    assert lost == ["format(odd)"]


def test_a_filter_of_rows_an_age_and_a_pattern_of_columns_come_along_or_are_named(tmp_path: Path) -> None:
    checks = """
filter orders [new]: {where: "day > '2026-01-01'"}
checks for orders [new]:
  - missing_count(id) = 0
  - missing_count(mail) = 0: {filter: country = 'US'}
"""
    _, made, _ = suite_of(tmp_path, "soda", checks)
    assert made == [
        {"not_null": {"column": "id", "where": "day > '2026-01-01'"}},
        {"not_null": {"column": "mail", "where": "(country = 'US') and (day > '2026-01-01')"}},
    ]
    _, made, lost = suite_of(tmp_path, "soda", checks.replace("'2026-01-01'", "${NOW}"))
    assert made == [] and len(lost) == 2
    source = """
sources:
  - name: raw
    loaded_at_field: ts
    tables:
      - {name: t, freshness: {warn_after: {count: 12, period: hour}, error_after: {count: 2, period: day}}}
"""
    _, made, _ = suite_of(tmp_path, "dbt", source)
    assert made == [
        {"freshness": {"column": "ts", "max_age": "12h", "severity": "warning"}},
        {"freshness": {"column": "ts", "max_age": "2d", "severity": "error"}},
    ]
    schema = """
columns:
  "st.*": {dtype: str, nullable: false, regex: true, checks: {isin: [a]}}
  at: {dtype: "datetime64[ns, UTC]", nullable: true}
  odd: {dtype: complex128, nullable: true}
strict: true
"""
    types, made, lost = suite_of(tmp_path, "pandera", schema)
    assert types == {"at": "datetime(UTC)"} and made == []
    assert lost == ["columns st.*", "dtype complex128(odd)", "strict"]


def test_what_they_tolerate_and_how_bad_it_is(tmp_path: Path) -> None:
    (tmp_path / "gx.json").write_text(CASES["gx"][0])
    (suite,) = read_suites("gx", tmp_path / "gx.json")
    modules = [dict(claim.module) for claim in suite.claims if claim.module]
    assert modules[1] == {"between": {"column": "amount", "min": 0, "max": 9, "exclusive": "min", "tolerance": 0.05}}
    given = "id is not null or day is not null"
    assert modules[3] == {"unique": {"columns": ["id", "day"], "nulls_equal": True, "severity": "warning", "where": given}}


SCORES = {
    "soda": """checks for orders:
  - quality_score >= 95
  - rows_passed_percent(mail) > 90 %
  - dq_score < 50
  - quality_score > 0.9:
      quality_score expression: sum(good) / count(*)
""",
    "odcs": """schema:
  - name: orders
    properties:
      - name: mail
        quality:
          - {metric: passRate, mustBeGreaterOrEqualTo: 90, unit: percent}
    quality:
      - {metric: qualityScore, mustBeGreaterThan: 0.95, severity: warning}
slaProperties:
  - {property: qualityScore, value: 98, unit: percent, element: orders}
  - {property: dataQualityScore, value: 0.9}
  - {property: generalAvailability, value: 2022-05-12}
""",
}
SCORED = {
    "soda": [{"min": 0.95}, {"min": 0.9, "column": "mail"}, None, None],
    "odcs": [{"min": 0.9, "column": "mail"}, {"min": 0.95, "severity": "warning"}, {"min": 0.98}, {"min": 0.9}, None],
}


@pytest.mark.parametrize("kind", SCORES)
def test_a_score_is_asked_of_quality_score_or_named_as_not_turned(kind: str, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SCORES[kind])
    (suite,) = read_suites(kind, tmp_path / "suite.yaml")
    assert [claim.module and claim.module["quality_score"] for claim in suite.claims] == SCORED[kind]
    assert all(claim.why for claim in suite.claims if not claim.module)


def test_figures_over_runs(tmp_path: Path) -> None:
    (tmp_path / "soda.yml").write_text(SODA)
    (suite,) = read_suites("soda", tmp_path / "soda.yml")
    assert [claim.module for claim in suite.claims[8:11]] == [
        {"detect_metric_anomalies": {"metric": "row_count"}},
        {"change": {"metric": "mean", "column": "amount", "max_change": "20%", "runs": 7}},
        {"change": {"metric": "row_count", "max_change": "50%", "side": "up"}},
    ]


def test_limits_of_counts_and_shares(tmp_path: Path) -> None:
    (tmp_path / "soda.yml").write_text("checks for o:\n  - missing_count(id) < 5\n  - missing_percent(id) < 5 %\n")
    (suite,) = read_suites("soda", tmp_path / "soda.yml")
    assert [claim.module["not_null"]["tolerance"] for claim in suite.claims if claim.module] == [4, 0.05]


def test_the_command_names_what_is_lost_and_refuses_other_files(tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "soda.yml").write_text(SODA)
    monkeypatch.setattr("sys.argv", ["qpipe", "import", "soda", str(tmp_path / "soda.yml"), "-o", str(tmp_path / "out.yaml")])
    assert application()() == 0
    told = capsys.readouterr().err
    assert "19 of 21 checks turned" in told and "not turned: distribution_difference(amount) > 0.05: there is no" in told
    from qpipe.core.errors import DataRefused, UsageError

    with pytest.raises(DataRefused, match="Great Expectations"):
        read_suites("gx", tmp_path / "soda.yml")
    with pytest.raises(UsageError, match="no suite is called"):
        read_suites("excel", tmp_path / "soda.yml")
    (tmp_path / "bad.json").write_text('{"expectations": [')
    with pytest.raises(DataRefused) as refused:
        read_suites("gx", tmp_path / "bad.json")
    assert refused.value.line == 1


LIKE = [
    # what another system calls it           ours, among them
    ("expect_column_values_to_be_between", "between"),
    ("isComplete", "not_null"),
    ("is_complete", "not_null"),
    ("has-entropy", "aggregate"),
    ("Kurtosis", "aggregate"),
    ("AlmostDuplicatedColumns", "distinct_columns"),
    ("expect_column_pair_values_to_be_in_set", "expression"),
    ("has_no_row_anomalies", "detect_row_anomalies"),
    ("values must exist in", "foreign_key"),
    ("row-count-change-30-days", "change"),  # called so nowhere: by its words
]


@pytest.mark.parametrize("theirs, ours", LIKE)
def test_modules_are_found_by_the_names_of_others(theirs: str, ours: str, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("sys.argv", ["qpipe", "modules", "--like", theirs, "--json"])
    assert application()() == 0
    assert ours in json.loads(capsys.readouterr().out)
