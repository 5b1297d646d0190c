"""What holds for every transform: no row is lost or moved, whatever the batches; what was written comes back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_module import REGISTRY, cells, made, run

from qpipe.core.batch import ROW
from qpipe.testing.examples import types_of

TEXTS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "N/A", "-", "1", "-2.50", "1,234.5", "12 %", "(3)", "31.12.2025", "01/02/2026", "2026-02-30", "née", "A"]
    ),
    st.text(max_size=8),
)
FRAMES = st.lists(st.tuples(TEXTS, TEXTS, st.one_of(st.none(), st.integers(-3, 3))), max_size=12).map(
    lambda rows: pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String, "n": pl.Int64}, orient="row")
)
TABLE = pl.DataFrame({"k": [1, 2, 3], "v": ["one", "two", None]})
EVERY = {
    "clean_text": dict(trim=True, collapse=True, case="lower", unicode="NFKC", strip_control=True, null_if_empty=True),
    "normalize_nulls": {},
    "cast": dict(columns={"a": "int", "b": "decimal(9,2)", "n": "string"}),
    "parse_date": dict(columns=["a", "b"]),
    "parse_number": dict(columns=["a", "b"], locale="en", percent=True, accounting=True, currency=True),
    "map_values": dict(column="a", table={"A": "B", "1": "C"}, unknown="quarantine", ignore_case=True),
    "replace_pattern": dict(columns=["a"], pattern=r"(\d)(\d)", to="$2$1"),
    "fill_null": dict(columns=["a"], expression="b"),
    "rename": dict(columns={"a": "c"}),
    "select": dict(columns=["n", "a"]),
    "derive": dict(columns={"m": "n + 1", "c": "m * 2"}),
    "filter": dict(where="n > 0"),
    "lookup": {"from": "t", "on": {"n": "k"}, "take": ["v"], "unmatched": "quarantine"},
    "deduplicate": dict(columns=["a"], keep={"best": ["b", "n"]}),
    "extract_pattern": dict(column="a", pattern=r"(\d)(\D)?", into=["d", "e"], unmatched="quarantine"),
    "split_column": dict(column="a", by=".", into=["p", "q"], more="quarantine"),
    "merge_columns": dict(columns=["a", "b", "n"], into="m", keep=False),
    "clip": dict(columns=["n"], min=-1, max=1),
    "round": dict(columns=["n"]),
    "convert_units": {"columns": ["n"], "from": "m", "to": "km"},
    "sample": dict(share=0.5, by=["a"]),
    "parse_json": dict(column="a", take={"x": "int"}, paths={"x": "$"}),
    "mask": dict(columns=["a", "n"], method="token", key="k"),
    "fix_encoding": {},
    "standardize_phone": dict(columns=["a"], country="DE"),
    "standardize_code": dict(columns=["a"], kind="country"),
    "standardize_name": dict(column="a", write="{last}, {first}"),
    "add_categories": dict(into="c", column="n", bins=[0, 2], labels=["x", "y", "z"]),
    "add_geography": dict(country="a", city="b", parts=["continent", "population"], city_parts=["latitude", "country"]),
    "add_keys": dict(into="c", columns=["a", "n"]),
    "align_columns": dict(columns={"x": ["A"], "n": [], "new": []}, missing={"new": "date"}, others="keep"),
    "impute": dict(columns=["a", "b"], method="most_common", by=["n"]),
    "cluster_values": dict(columns=["a", "b"]),
    "link_records": dict(compare=["a", "b"]),
    "reconcile_values": dict(column="a", values=["one", "N/A"], score="s"),
    "repair": dict(determinant=["n"], dependent=["a"]),
    "window": dict(make={"c": "row_number()", "d": "running_sum(n)"}, by=["a"], order=["n"]),
}
# other rows come out (test_reshaping), or columns of other kinds go in (their own examples), or a server is asked
OTHERS = {"join", "explode", "unpivot", "pivot", "group", "sort", "flatten", "convert_timezone", "add_calendar", "api_lookup"}


def test_every_transform_has_its_law() -> None:
    named = [c.name for c in REGISTRY.all("module") if c.category in ("transformation", "enrichment")]
    assert sorted(named) == sorted({*EVERY, *OTHERS})


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=20, deadline=None)
@given(frame=FRAMES, size=st.integers(1, 5))
def test_no_row_is_lost_or_moved_whatever_the_batches(name: str, frame: pl.DataFrame, size: int) -> None:
    module = made(name, **EVERY[name])
    whole, parts = run(module, frame, tables={"t": TABLE}), run(module, frame, size, tables={"t": TABLE})
    assert whole.frame.equals(parts.frame)
    assert sorted(whole.findings, key=str) == sorted(parts.findings, key=str)
    assert whole.dropped == parts.dropped
    assert sorted([*whole.frame[ROW], *whole.dropped]) == list(range(frame.height)), "each row once, or dropped"
    assert whole.frame[ROW].is_sorted()
    told = module.types_after(types_of(frame), {"t": types_of(TABLE)})
    assert {n: t.polars() for n, t in told.items()} == dict(whole.frame.drop(ROW).schema)


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_cleaning_twice_is_cleaning_once(texts: list[str]) -> None:
    module = made("clean_text", collapse=True, strip_control=True, null_if_empty=True)
    once = cells(module, texts)
    assert cells(module, once) == once


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=8))
def test_numbers_come_back_as_they_were_written(numbers: list[Decimal]) -> None:
    written = {
        "en": [f"{n:,.2f}" for n in numbers],
        "de": [f"{n:,.2f}".translate(str.maketrans(",.", ".,")) for n in numbers],
        "ch": [f"{n:,.2f}".replace(",", "'") for n in numbers],
        "fr": [f"{n:,.2f}".replace(",", "\u202f").replace(".", ",") for n in numbers],
    }
    for locale, texts in written.items():
        assert cells(made("parse_number", columns="x", locale=locale, type="decimal(20,2)"), texts) == numbers


@settings(max_examples=30, deadline=None)
@given(days=st.lists(st.dates(dt.date(1000, 1, 1)), min_size=1, max_size=8))
def test_dates_come_back_as_they_were_written(days: list[dt.date]) -> None:
    for order, format in {"dmy": "{0.day}/{0.month}/{0.year}", "mdy": "{0.month:02}-{0.day:02}-{0.year}"}.items():
        assert cells(made("parse_date", columns="x", order=order), [format.format(day) for day in days]) == days
