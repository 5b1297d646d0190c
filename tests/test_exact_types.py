"""Values of a type under a contract of another: the same value there, or a malformed cell; never another value."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from running import Project

from qpipe.core.convert import exactly
from qpipe.core.types import DataType

SPEC = """
sources: {{stored: {{path: stored.parquet, schema: {{value: "{type}"}}}}}}
outputs: {{kept: {{path: out/kept.parquet}}, bad: {{path: out/bad.ndjson}}}}
routes: [{{when: failed(), to: bad}}, {{to: kept}}]
"""
NOON, NIGHT = dt.datetime(2026, 1, 31, 12), dt.datetime(2026, 1, 31)
UTC, BERLIN, TOKYO = (ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Tokyo"))
CASES: list[tuple[pl.DataType | type[pl.DataType], str, list[Any], list[Any], list[str]]] = [
    # stored as, wanted, values, what is kept, what is malformed
    (pl.Float64, "int", [2.0, 1.5, 1e300, -0.0, math.nan], [2, 0], ["1.5", "1e+300", "nan"]),
    (pl.Float64, "int8", [127.0, 128.0], [127], ["128.0"]),
    (pl.Int64, "int8", [127, 128, -129], [127], ["128", "-129"]),
    (pl.Int64, "float", [2**53, 2**53 + 1, 2**63 - 1], [2.0**53], ["9007199254740993", "9223372036854775807"]),
    (pl.Float64, "float32", [0.5, 0.1], [0.5], ["0.1"]),
    (pl.Float64, "decimal(10,2)", [0.1 + 0.2, 1.255, 1e9], [Decimal("0.30")], ["1.255", "1000000000.0"]),
    (pl.Float32, "decimal(10,2)", [0.1], [Decimal("0.10")], []),
    (pl.Decimal(20, 4), "decimal(10,2)", [Decimal("1.2500"), Decimal("1.2550")], [Decimal("1.25")], ["1.2550"]),
    (pl.Decimal(20, 4), "int", [Decimal("7.0000"), Decimal("7.0001")], [7], ["7.0001"]),
    (pl.Decimal(20, 4), "float", [Decimal("0.2500")], [0.25], []),
    (pl.Int64, "bool", [0, 1, 2], [False, True], ["2"]),
    (pl.Datetime("us"), "date", [NIGHT, NOON], [NIGHT.date()], ["2026-01-31 12:00:00"]),
    (pl.Datetime("ns"), "datetime", [NOON], [NOON], []),
    (pl.Date, "datetime", [NIGHT.date()], [NIGHT], []),
    (pl.Datetime("us"), "datetime(Europe/Berlin)", [NOON], [NOON.replace(tzinfo=BERLIN)], []),
    (pl.Datetime("us", "UTC"), "datetime(Asia/Tokyo)", [NOON.replace(tzinfo=UTC)], [NOON.replace(hour=21, tzinfo=TOKYO)], []),
    (pl.Datetime("us", "Europe/Berlin"), "date", [NIGHT.replace(tzinfo=BERLIN)], [NIGHT.date()], []),
    (pl.Datetime("us"), "string", [NOON], ["2026-01-31T12:00:00"], []),
    (pl.Binary, "string", ["Grüße".encode(), b"\xff\xfe"], ["Grüße"], ["b'\\xff\\xfe'"]),
    (pl.String, "json", ['{"a": 1}', "[1, 2", "word"], ['{"a": 1}'], ["[1, 2", "word"]),
    (pl.List(pl.Int64), "list(int8)", [[1, None], [300], []], [[1, None], []], ["[300]"]),
    (pl.Struct({"a": pl.Float64}), "struct(a: int)", [{"a": 1.0}, {"a": 1.5}], [{"a": 1}], ["{'a': 1.5}"]),
]  # fmt: skip


@pytest.mark.parametrize(("stored", "type", "values", "kept", "malformed"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_a_value_is_the_same_or_malformed(
    tmp_path: Path, stored: pl.DataType, type: str, values: list[Any], kept: list[Any], malformed: list[str]
) -> None:
    project = Project(tmp_path, SPEC.format(type=type))
    pl.DataFrame({"value": pl.Series([None, *values], dtype=stored)}).write_parquet(tmp_path / "stored.parquet")
    project.run()
    made = pl.read_parquet(tmp_path / "out/kept.parquet")["value"]
    assert made.to_list() == [None, *kept] and made.dtype == DataType.parse(type).polars()
    assert [sample["value"] for sample in project.samples()] == malformed


REFERENCE = """
sources:
  rows: {{path: rows.csv, schema: {{id: {type}}}}}
  stored: {{path: stored.parquet, role: reference, schema: {{value: {type}}}}}
modules: [{{foreign_key: {{column: id, references: stored.value}}}}]
outputs: {{all: {{path: out/}}}}
"""


@pytest.mark.parametrize("spec", [SPEC, REFERENCE], ids=["rows", "reference"])
def test_a_type_that_can_never_be_meant_is_refused(tmp_path: Path, spec: str) -> None:
    project = Project(tmp_path, spec.format(type="date"), {"rows.csv": "id\n"})
    pl.DataFrame({"value": [True]}).write_parquet(tmp_path / "stored.parquet")
    outcome = project.run()
    assert outcome.exit_code == 65 and "stored: the column value is bool, which cannot be date" in outcome.message


def test_a_reference_table_keeps_its_values(tmp_path: Path) -> None:
    project = Project(tmp_path, REFERENCE.format(type="int"), {"rows.csv": "id\n1\n"})
    pl.DataFrame({"value": [1.0, 2.5]}).write_parquet(tmp_path / "stored.parquet")
    outcome = project.run()
    assert outcome.exit_code == 65 and "value is 2.5, expected int" in outcome.message


def test_files_of_several_types_share_one_that_rounds_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path, "sources: {all: {path: '*.parquet'}}\noutputs: {kept: {path: out/kept.ndjson}}")
    pl.DataFrame({"value": [2**53 + 1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"value": [1.5]}).write_parquet(tmp_path / "b.parquet")
    outcome = project.run()
    assert outcome.exit_code == 65 and "value is 9007199254740993, which no float can be" in outcome.message
    pl.DataFrame({"value": [2**53]}).write_parquet(tmp_path / "a.parquet")
    assert project.run().state == "done"
    assert (tmp_path / "out/kept.ndjson").read_text() == '{"value":9007199254740992.0}\n{"value":1.5}\n'


STORED = {
    pl.Int64(): some.integers(-(2**63), 2**63 - 1), pl.UInt64(): some.integers(0, 2**64 - 1),
    pl.Float64(): some.floats() | some.integers(-(2**60), 2**60).map(float), pl.Float32(): some.floats(width=32),
    pl.Decimal(38, 6): some.decimals(-(10**20), 10**20, places=6), pl.Decimal(12, 2): some.decimals(-(10**9), 10**9, places=2),
}  # fmt: skip
WANTED = [*("int", "int8", "uint64", "int128", "float", "float32", "decimal(38,6)", "decimal(10,2)", "decimal(38,0)")]


@settings(max_examples=300, deadline=None)
@example((pl.Int64(), 2**63 - 1), "float")
@example((pl.UInt64(), 2**64 - 1), "decimal(38,0)")
@example((pl.Float64(), 2.0**63), "int")
@example((pl.Float64(), 1e16 + 2), "decimal(38,6)")
@given(some.sampled_from(list(STORED)).flatmap(lambda t: some.tuples(some.just(t), STORED[t])), some.sampled_from(WANTED))
def test_a_number_is_the_same_number(stored: tuple[pl.DataType, Any], wanted: str) -> None:
    type, value = DataType.parse(wanted), stored[1]
    column = pl.Series("x", [value], dtype=stored[0])
    made = column.to_frame().select(exactly(pl.col("x"), DataType.of(stored[0]), type)).to_series()
    assert made.dtype == type.polars()
    if made[0] is None:
        return
    if isinstance(value, float) and not math.isfinite(value):
        assert str(made[0]) == str(value) and type.kind == "float"
    elif isinstance(value, float) and type.kind == "decimal":
        assert abs(Fraction(made[0]) - Fraction(value)) <= Fraction(1, 10 ** (type.args[1] + 6)) + abs(Fraction(value)) / 10**14
    elif isinstance(value, Decimal) and type.kind == "float":
        assert pl.Series([float(value)]).cast(type.polars())[0] == made[0]
        assert pl.Series([made[0]], dtype=type.polars()).cast(stored[0])[0] == value
    else:
        assert Fraction(made[0]) == Fraction(value)
