"""Transforms beyond their docstring examples: laws over random frames, tables of cells, what is refused before it runs."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpipe.core.batch import ROW
from qpipe.core.component import REJECTED, Context, Module
from qpipe.core.errors import DataRefused, QpipeError, SpecError, Unavailable
from qpipe.core.key_index import KeyIndex
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.core.types import DataType
from qpipe.testing.alone import Seen, run_alone

REGISTRY = Registry()


def made(name: str, **values: Any) -> Module:
    return build(REGISTRY.get("module", name), values)


def types_of(frame: pl.DataFrame) -> dict[str, DataType]:
    return {name: DataType.of(dtype) for name, dtype in frame.schema.items()}


def run(module: Module, frame: pl.DataFrame, batch_size: int | None = None, **context: Any) -> Seen:
    return run_alone(module, frame, Context(types=types_of(frame), **context), batch_size)


def cells(module: Module, texts: list[Any], dtype: Any = pl.String, **context: Any) -> list[Any]:
    return run(module, pl.DataFrame({"x": pl.Series(texts, dtype=dtype)}), **context).frame["x"].to_list()


def problems(module: Module, **types: str) -> list[str]:
    known = {name: DataType.parse(word) for name, word in types.items()}
    return [message for _, message in module.problems(known)]


# ── laws ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

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


# ── cells ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

N = None
NUMBERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {},
        {
            "1234.5": 1234.5,
            "-.5": -0.5,
            "5.": 5.0,
            "1e3": 1000.0,
            "1,234": N,
            "nan": N,
            "inf": N,
            "": N,
            " 7 ": 7.0,
            "\u22124": -4.0,
        },
    ),
    (
        {"locale": "en"},
        {"1,234.50": 1234.5, "12,34": N, "1,2345": N, ",5": N, "1,234,567": 1234567.0, "1 234": N, "1.234,5": N},
    ),
    ({"locale": "de"}, {"1.234,5": 1234.5, "1.5": N, "0,5": 0.5, " 1.234,5\t": 1234.5, "\u22121.234": -1234.0}),
    ({"locale": "fr"}, {"1 234,5": 1234.5, "1\u202f234\u00a0567": 1234567.0, "1.5": N}),
    ({"locale": "in"}, {"12,34,567.5": 1234567.5, "1,234": 1234.0, "123,456": N}),
    ({"locale": "de", "thousands": " "}, {"1 234,5": 1234.5, "1.234": N}),
    (
        {"currency": True},
        {"$5": 5.0, "5 €": 5.0, "EUR 7": 7.0, "-$3": -3.0, "- $ 3": -3.0, "USD7": 7.0, "-€-5": N, "5 apples": N},
    ),
    ({"currency": ["kr"]}, {"5 kr": 5.0, "$5": N}),
    ({"percent": True}, {"12 %": 0.12, "-3%": -0.03, "5": 5.0, "0.5%": 0.005, "%": N}),
    ({"accounting": True}, {"(12.5)": -12.5, "12-": -12.0, " ( 3 ) ": -3.0, "(-5)": N, "(12": N}),
    ({"percent": True, "type": "decimal(6,4)"}, {"12 %": Decimal("0.1200"), "12.345%": N, ".5%": Decimal("0.0050")}),
    ({"locale": "en", "type": "int"}, {"1,000.00": 1000, " 1,000.00 ": 1000, "1.50": N, "7": 7}),
    ({"type": "decimal(5,2)"}, {"1.005": N, "1.5": Decimal("1.50"), "1234.5": N}),
]


@pytest.mark.parametrize(("values", "table"), NUMBERS, ids=lambda part: str(part)[:40])
def test_parse_number(values: dict[str, Any], table: dict[str, Any]) -> None:
    module = made("parse_number", columns="x", **values)
    assert dict(zip(table, cells(module, list(table)), strict=True)) == table
    failed = run(module, pl.DataFrame({"x": list(table)})).failed
    assert failed == [place for place, value in enumerate(table.values()) if value is None]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


DATES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {},
        {"2026-01-31": day("2026-01-31"), "2026-1-5": day("2026-01-05"), "20260131": day("2026-01-31"), "2026-02-30": N, "": N},
    ),
    ({}, {"13/01/2026": day("2026-01-13"), "01/13/2026": day("2026-01-13"), "01/02/2026": N, "02-02-2026": day("2026-02-02")}),
    (
        {},
        {"5 Jan 2026": day("2026-01-05"), "January 5, 2026": day("2026-01-05"), "5-jan-2026": day("2026-01-05"), "01/02/26": N},
    ),
    ({"order": "dmy"}, {"01/02/2026": day("2026-02-01"), "01/13/2026": N, "1.2.2026": day("2026-02-01")}),
    ({"order": "mdy"}, {"01/02/2026": day("2026-01-02"), "13/01/2026": N}),
    (
        {"order": "dmy", "two_digit_year": 30},
        {"01/02/30": day("2030-02-01"), "01/02/31": day("1931-02-01"), "29/02/00": day("2000-02-29")},
    ),
    ({"formats": ["%d.%m.%y"]}, {"01.02.68": day("2068-02-01"), "01.02.69": day("1969-02-01"), "01.02.2024": N}),
    (
        {"formats": ["%d/%m/%Y", "%m/%d/%Y"]},
        {"01/02/2026": N, "03/03/2026": day("2026-03-03"), "12/31/2026": day("2026-12-31")},
    ),
    ({"formats": ["%m/%d/%Y", "%d/%m/%Y"], "order": "dmy"}, {"01/02/2026": day("2026-02-01"), "12/31/2026": day("2026-12-31")}),
    ({"formats": ["%d/%m/%Y"]}, {"01/02/24": N, "01/02/0024": N}),
]


@pytest.mark.parametrize(("values", "table"), DATES, ids=lambda part: str(part)[:40])
def test_parse_date(values: dict[str, Any], table: dict[str, Any]) -> None:
    module = made("parse_date", columns="x", **values)
    assert dict(zip(table, cells(module, list(table)), strict=True)) == table
    failed = run(module, pl.DataFrame({"x": list(table)})).failed
    assert failed == [place for place, value in enumerate(table.values()) if value is None]


def test_parse_date_tells_two_dates_from_none() -> None:
    seen = run(made("parse_date", columns="x"), pl.DataFrame({"x": ["01/02/2026", "soon"]}))
    assert [(f.row, f.expected[:8]) for f in seen.findings] == [(1, "a date"), (0, "one date")]


def test_parse_datetime_in_a_zone() -> None:
    module = made("parse_date", columns="x", type="datetime(Europe/Berlin)", formats=["%Y-%m-%dT%H:%M:%S%#z", "%Y-%m-%d %H:%M"])
    found = cells(module, ["2026-07-01T12:00:00Z", "2026-07-01T12:00:00+0500", "2026-07-01 12:00", "2026-03-29 02:30"])
    assert [None if t is None else t.astimezone(dt.UTC).strftime("%d %H:%M") for t in found] == [
        "01 12:00",
        "01 07:00",
        "01 10:00",
        None,
    ]


def test_datetimes_without_formats() -> None:
    table = {"31/12/2025 17:30": "2025-12-31 17:30", "12/31/2025 5:30 PM": "2025-12-31 17:30",
             "5 Jan 2026 17:30:01.5": "2026-01-05 17:30",
             "2026-01-05": "2026-01-05 00:00", "01/02/2026 10:00": None, " 31.12.2025 17:30": "2025-12-31 17:30",
             "2026-01-05 17:30": "2026-01-05 17:30", "soon": None, "2026-01-05 17:60": None}  # fmt: skip
    for word in ("datetime", "datetime(UTC)", "datetime(ms)"):
        found = cells(made("parse_date", columns="x", type=word), list(table))
        assert [t and t.strftime("%Y-%m-%d %H:%M") for t in found] == list(table.values())


CASTS: list[tuple[Any, str, dict[Any, Any]]] = [
    (pl.Float64, "int", {2.0: 2, 2.5: N, float("nan"): N, 1e30: N}),
    (pl.Float64, "string", {1.5: "1.5"}),
    (pl.Float64, "decimal(6,2)", {1.5: Decimal("1.50"), 99999.0: N}),
    (pl.Decimal(9, 3), "decimal(6,2)", {Decimal("1.500"): Decimal("1.50"), Decimal("1.505"): N}),
    (pl.Decimal(9, 3), "int", {Decimal("2.000"): 2, Decimal("2.500"): N}),
    (pl.Int64, "bool", {0: False, 1: True, 2: N}),
    (pl.Int64, "int8", {127: 127, 128: N}),
    (pl.Boolean, "int", {True: 1, False: 0}),
    (pl.Boolean, "string", {True: "true"}),
    (pl.Date, "datetime", {day("2026-01-31"): dt.datetime(2026, 1, 31)}),
    (pl.Date, "string", {day("2026-01-31"): "2026-01-31"}),
    (pl.Datetime("us"), "date", {dt.datetime(2026, 1, 31, 23, 59): day("2026-01-31")}),
    (pl.Datetime("us"), "string", {dt.datetime(2026, 1, 31, 23, 59): "2026-01-31T23:59:00"}),
    (pl.String, "bool", {"Yes": True, "0": False, "maybe": N}),
    (pl.String, "decimal(6,2)", {"1.5": Decimal("1.50"), "1.505": N, "1,000": N}),
]


@pytest.mark.parametrize(("dtype", "word", "table"), CASTS, ids=lambda part: str(part)[:30])
def test_cast(dtype: Any, word: str, table: dict[Any, Any]) -> None:
    module = made("cast", columns={"x": word})
    assert problems(module, x=str(DataType.of(dtype() if isinstance(dtype, type) else dtype))) == []
    assert list(zip(table, cells(module, list(table), dtype), strict=True)) == list(table.items())


def test_placeholders_and_numbers() -> None:
    assert cells(made("normalize_nulls"), ["NA", " n/a ", "-", "?", "\\N", "", "0", "999", "Nan", "Nancy"]) == [N] * 6 + [
        "0",
        "999",
        N,
        "Nancy",
    ]
    assert cells(made("normalize_nulls", columns="x", placeholders=[999, "nan"]), [1.0, 999.0, float("nan")], pl.Float64) == [
        1.0,
        N,
        N,
    ]
    assert cells(made("normalize_nulls", columns="x", placeholders=[-1]), [-1, 1], pl.Int64) == [N, 1]


def test_names_in_another_case() -> None:
    from qpipe.modules.transformation.rename import respelled

    table = {"Order Date": "order_date", "HTTPCode": "http_code", "unitPrice2": "unit_price2", "Größe (cm)": "groesse_cm",
             "__": "__", "日本 語": "日本_語", "ID": "id", "XMLHttpRequest": "xml_http_request"}  # fmt: skip
    assert {name: respelled(name, "snake") for name in table} == table
    assert respelled("Order Date", "camel") == "orderDate"


def test_other_columns_stay_as_they_are_and_in_place() -> None:
    frame = pl.DataFrame({"n": [1], "a": [" x "], "c": pl.Series(["Q"], dtype=pl.Categorical)})
    after = run(made("clean_text", case="lower"), frame).frame.drop(ROW)
    assert after.to_dict(as_series=False) == {"n": [1], "a": ["x"], "c": ["q"]}


def test_select_lets_flags_of_checks_pass() -> None:
    """The engine's hidden columns travel with the rows."""
    frame = pl.DataFrame({ROW: [0], "a": [1], "b": [2], "__f0": [True]})
    context = Context(types={"a": DataType("int"), "b": DataType("int")})
    for values in ({"columns": "b"}, {"drop": "a"}):
        after = made("select", **values).apply(frame.lazy(), context).collect(engine="in-memory")  # type: ignore[attr-defined]
        assert sorted(after.columns) == ["__f0", ROW, "b"]


# ── cells that cannot be turned ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("on_error", "severity"), [("quarantine", "error"), ("null", "warning"), (None, "warning")])
def test_severity_of_what_cannot_be_turned(on_error: str | None, severity: str) -> None:
    module = made("cast", columns={"x": "int"}, on_error=on_error)  # YAML reads null as nothing
    assert module.severity == severity  # type: ignore[attr-defined]
    assert run(module, pl.DataFrame({"x": ["a"]})).failed == [0]


@pytest.mark.parametrize("name", ["cast", "parse_date", "parse_number"])
def test_answers_take_the_place_of_values(name: str) -> None:
    values = {"columns": {"x": "int"}} if name == "cast" else {"columns": ["x"]}
    module = made(name, id="step", on_error="question", **values)
    right = {"cast": "7", "parse_date": "2026-01-31", "parse_number": "7"}[name]
    frame = pl.DataFrame({"x": ["wrong", "bad", "gone", "odd", None]})
    assert list(run(module, frame).asks) == ["bad", "gone", "odd", "wrong"]
    assert run(module, frame).failed == []
    answers = {
        ("step", "wrong"): right,
        ("step", "bad"): "still bad",
        ("step", "gone"): "",
        ("step", "odd"): REJECTED,
        ("other", "odd"): right,
    }
    seen = run(module, frame, answers=answers)
    assert [value is None for value in seen.frame["x"]] == [False, True, True, True, True]
    assert (list(seen.asks), seen.failed) == ([], [1, 3]), "a wrong answer and a rejected value are findings"


# ── map_values ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("NO: Norway\n007: Bond\nx: ~\n'null': nothing\n")
    (tmp_path / "map.csv").write_text("note,to,from\n,Norway,NO\n,Bond,007\n,,x\n,nothing,null\n")
    for file in ("map.yaml", "map.csv"):
        module = made("map_values", column="x", file=file, unknown="null")
        assert cells(module, ["NO", "007", "x", "null", "?", "Norway"], directory=tmp_path) == [
            "Norway",
            "Bond",
            N,
            "nothing",
            N,
            "Norway",
        ]


@pytest.mark.parametrize(("text", "line"), [("a: b\na: c\n", 2), ("a: [b]\n", 1), ("- a\n", 1), ("a: b\n : : c:\n", 2)])
def test_a_broken_table_names_its_line(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(SpecError) as refused:
        cells(made("map_values", column="x", file="map.yaml"), ["a"], directory=tmp_path)
    assert [problem.line for problem in refused.value.problems] == [line]


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        cells(made("map_values", column="x", file="map.yaml"), ["a"], directory=tmp_path)
    seen = run(
        made("map_values", column="x", file="map.yaml", unknown="question"), pl.DataFrame({"x": ["a"]}), directory=tmp_path
    )
    assert seen.asks == {"a": []}, "answers will make it"


def test_answers_are_applied_like_the_table() -> None:
    module = made("map_values", id="m", column="x", table={"Germany": "DE", "France": "FR"}, unknown="question")
    texts = ["Germny", "Fronce", "Utopia", "Atlantis", "Narnia", "Germany", "Nowhere"]
    answers = {"Germny": "Germany", "Fronce": "FR", "Utopia": "UT", "Atlantis": "", "Narnia": REJECTED}
    seen = run(module, pl.DataFrame({"x": texts}), answers={("m", value): said for value, said in answers.items()})
    assert seen.frame["x"].to_list() == ["DE", "FR", "UT", N, N, "DE", N]
    assert (list(seen.asks), seen.failed) == (["Nowhere"], [4])


def test_answers_of_another_type_must_fit() -> None:
    module = made("map_values", id="m", column="x", table={"low": 1, "high": 2}, unknown="question")
    seen = run(module, pl.DataFrame({"x": ["mid", "odd", "low"]}), answers={("m", "mid"): "3", ("m", "odd"): "odd"})
    assert (seen.frame["x"].to_list(), seen.failed, seen.asks) == ([3, N, 1], [1], {})


# ── lookup ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sample_is_the_same_in_every_version() -> None:
    rows = pl.DataFrame({"c": [f"c{n % 7}" for n in range(24)]})

    def kept(**values: Any) -> list[int]:
        return run(made("sample", share="25%", **values), rows).frame[ROW].to_list()

    assert kept() == [8, 21, 22]
    assert kept(seed=5) == [0, 2, 5, 6, 7, 10, 11, 13, 14, 20, 22]
    assert kept(seed=-2) == [10]
    assert kept(by=["c"], seed=1) == [2, 4, 6, 9, 11, 13, 16, 18, 20, 23]


def test_lookup_refuses_a_key_that_is_not_unique() -> None:
    table = pl.DataFrame({"k": ["a", "b", "a", None, None], "v": [1, 2, 3, 4, 5]})
    with pytest.raises(DataRefused, match=r"not unique: a \(2 rows\)\n"):
        run(made("lookup", **{"from": "t", "on": "k"}), pl.DataFrame({"k": ["a"]}), tables={"t": table})


def test_lookup_fails_with_the_keys_that_are_missing() -> None:
    module = made("lookup", **{"from": "t", "on": {"n": "k"}, "unmatched": "fail"})
    with pytest.raises(DataRefused) as refused:
        run(module, pl.DataFrame({"n": [1, 9, None]}), tables={"t": TABLE})
    assert (
        str(refused.value) == "t has no row for n: 9 (1 rows of this batch)\n  unmatched: quarantine lets the other rows pass"
    )
    assert run(module, pl.DataFrame({"n": [1, None]}), tables={"t": TABLE}).frame["v"].to_list() == ["one", N]


LOOKUP_REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"on": {"s": "k"}}, "'s' is string, but t.k is int"),
    ({"on": {"n": "x"}}, "t has no column 'x'"),
    ({"on": {"n": "k"}, "take": ["w"]}, "t has no column 'w'"),
    ({"on": {"n": "k"}, "unmatched": {"w": 1}}, "none of the columns"),
    ({"on": {"n": "k"}, "unmatched": {"v": 1.5}}, "'v' is string"),
]


@pytest.mark.parametrize(("values", "message"), LOOKUP_REFUSALS, ids=str)
def test_lookup_refuses_what_only_the_reference_shows(values: dict[str, Any], message: str) -> None:
    with pytest.raises(QpipeError, match=message):
        run(made("lookup", **{"from": "t", **values}), pl.DataFrame({"n": [1], "s": ["1"]}), tables={"t": TABLE})


KEYS = {
    "narrow": st.integers(-5, 5),
    "wide": st.sampled_from([0, 1, -1, 2**62, -(2**62), 10**12]),
    "text": st.text("ab\0", max_size=3),
    "day": st.dates(dt.date(2026, 1, 1), dt.date(2026, 1, 9)),
}


@pytest.mark.parametrize("kind", KEYS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_key_index_finds_what_a_join_finds(kind: str, data: st.DataObject) -> None:
    cell = st.one_of(st.none(), KEYS[kind])
    dtype = {"text": pl.String, "day": pl.Date}.get(kind, pl.Int64)
    width = data.draw(st.integers(1, 2))
    names = ["a", "b"][:width]
    draw = st.lists(st.tuples(*[cell] * width), max_size=30)
    table, mine = (pl.DataFrame(data.draw(draw), schema=dict.fromkeys(names, dtype), orient="row") for _ in range(2))
    index = KeyIndex(table, names)
    first = table.with_row_index("r").drop_nulls(names).unique(names, keep="first", maintain_order=True)
    joined = mine.join(first, on=names, how="left", maintain_order="left")["r"].cast(pl.Int64).fill_null(-1)
    assert index.find(mine).tolist() == joined.to_list()
    whole = table.drop_nulls()
    assert (index.repeated().height > 0) == (whole.n_unique() < whole.height if whole.height else False)


@pytest.mark.parametrize("far", [5, 10**15])
def test_key_index_finds_the_first_row_of_a_key(far: int) -> None:
    index = KeyIndex(pl.DataFrame({"k": [far, 1, far, None]}), ["k"])
    assert index.find(pl.DataFrame({"k": [far, 1, 2, None]})).tolist() == [0, 1, -1, -1]
    assert index.repeated().rows() == [(far, 2)]


def test_key_index_does_not_take_equal_hashes_for_equal_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    from qpipe.core import key_index

    monkeypatch.setattr(key_index, "_hashes", lambda keys: np.full(keys.height, 7, dtype=np.uint64))
    index = KeyIndex(pl.DataFrame({"k": ["a", "b", "c"]}), ["k"])
    assert index.find(pl.DataFrame({"x": ["c", "a", "z", None]})).tolist() == [2, 0, -1, -1]
    assert index.repeated().height == 0


# ── deduplicate ───────────────────────────────────────────────────────────────────────────────────────────────────────

DUPLICATES = st.lists(st.tuples(st.sampled_from([None, "a", "b", ""]), st.one_of(st.none(), st.integers(0, 3))), max_size=14)


@pytest.mark.parametrize("keep", ["first", "last", {"newest": "at"}], ids=str)
@settings(max_examples=15, deadline=None)
@given(rows=DUPLICATES, nulls_equal=st.booleans(), size=st.integers(1, 4))
def test_one_row_of_each_key_stays(keep: Any, rows: list[Any], nulls_equal: bool, size: int) -> None:
    frame = pl.DataFrame(rows, schema={"key": pl.String, "at": pl.Int64}, orient="row")
    best: dict[Any, int] = {}
    for number, (key, at) in enumerate(rows):
        name = key if key is not None or nulls_equal else f"null {number}"
        other = best.get(name)
        newer = (
            other is None
            or keep == "last"
            or (isinstance(keep, dict) and (-1 if at is None else at) > (-1 if rows[other][1] is None else rows[other][1]))
        )
        best[name] = number if newer else best[name]
    seen = run(made("deduplicate", columns="key", keep=keep, nulls_equal=nulls_equal), frame, size)
    assert seen.frame[ROW].to_list() == sorted(best.values())


# ── refused before it runs ────────────────────────────────────────────────────────────────────────────────────────────

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


# ── align_columns ──


def test_align_columns_says_what_is_missing_double_and_near() -> None:
    align = made("align_columns", columns={"order_date": ["day"], "amount": []})
    assert problems(align, **{"Order Date": "date", "amount": "int"}) == []
    assert problems(align, OrderDate="date", day="date", amount="int") == [
        "order_date could be OrderDate or day: rename or drop one of them"
    ]
    assert problems(align, order_date="date", Amout="int") == ["there is no amount; Amout is near: name it under amount"]
    assert problems(align, order_date="date", zzz="int") == ["there is no amount"]
    twice = made("align_columns", columns={"a": ["x"], "b": ["x"]})
    assert problems(twice, x="int") == ["x could be a or b"]
    assert problems(made("align_columns", columns={"a": []}, missing={"b": "int", "a": "inte"})) != []


def test_align_columns_gives_the_targets_names_order_and_types() -> None:
    frame = pl.DataFrame({"Größe (cm)": [1], "page": ["x"], "ID": [7]})
    align = made("align_columns", columns={"id": [], "groesse": ["Groesse CM"], "day": []}, missing={"day": "date"})
    aligned = run(align, frame).frame.drop(ROW)
    assert aligned.schema == {"id": pl.Int64, "groesse": pl.Int64, "day": pl.Date}
    assert aligned.row(0) == (7, 1, None)


# ── codes and telephone numbers ──


def test_codes_are_known_by_names_in_other_languages() -> None:
    texts = ["Deutschland", "ALLEMAGNE", " royaume-uni ", "UK", "Côte d\u2019Ivoire", "Narnia", None]
    known = made("standardize_code", columns=["x"], kind="country", languages=["de", "fr"], unknown="keep")
    assert cells(known, texts) == ["DE", "DE", "GB", "GB", "CI", "Narnia", None]
    assert cells(made("standardize_code", columns=["x"], kind="language", languages=["de"]), ["Deutsch", "german"]) == [
        "de",
        "de",
    ]
    assert problems(made("standardize_code", columns=["x"], kind="country", languages=["Deutsch"]), x="string") != []
    with pytest.raises(QpipeError, match="no names are known in 'qqq'"):
        cells(made("standardize_code", columns=["x"], kind="country", languages=["qqq"]), ["x"])


def test_telephone_numbers_are_read_in_the_country_of_their_row() -> None:
    frame = pl.DataFrame(
        {"x": ["020 7946 0958"] * 3 + ["+49 30 123456", None], "land": ["gb", None, "Atlantis", "Atlantis", "DE"]}
    )
    phone = made("standardize_phone", columns=["x"], country="GB", country_column="land")
    assert run(phone, frame).frame["x"].to_list() == ["+442079460958", "+442079460958", "020 7946 0958", "+4930123456", None]
    assert run(phone, frame).failed == [2]


PLACES = [  # city, country, its country, its time zone
    ("Köln", "DEU", "DE", "Europe/Berlin"),
    ("cologne", None, "DE", "Europe/Berlin"),
    ("MÜNCHEN ", "de", "DE", "Europe/Berlin"),
    ("Springfield", "US", "US", "America/Chicago"),
    ("London", "CA", "CA", "America/Toronto"),
    ("London", "XX", None, None),  # of a country that is none
    ("Москва", "", "RU", "Europe/Moscow"),
    ("Nowhere at all", "DE", None, None),
    (None, "DE", None, None),
]


def test_places_are_known_by_any_of_their_names() -> None:
    frame = pl.DataFrame({"town": [p[0] for p in PLACES], "land": [p[1] for p in PLACES]})
    module = made(
        "add_geography", city="town", country="land", parts=["continent", "area_km2"], city_parts=["country", "timezone"]
    )
    seen = run(module, frame).frame
    assert seen.select("town_country", "town_timezone").rows() == [p[2:] for p in PLACES]
    assert seen["land_continent"].to_list() == [
        "Europe",
        None,
        "Europe",
        "North America",
        "North America",
        None,
        None,
        *["Europe"] * 2,
    ]
    assert seen["land_area_km2"][0] == 357_021


GEOGRAPHYS_MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"country": "a"}, "string", "name what is to be added"),
    ({"country": "a", "parts": ["moon"]}, "string", "there is no 'moon'"),
    ({"country": "a", "city_parts": ["timezone"]}, "string", "of which column? name it under city"),
    ({"country": "a", "parts": ["capital"]}, "int", "a is integer, not text"),
]


@pytest.mark.parametrize(("given", "word", "said"), GEOGRAPHYS_MISTAKES)
def test_geographys_mistakes(given: dict[str, Any], word: str, said: str) -> None:
    (told,) = problems(made("add_geography", **given), a=word)
    assert told.startswith(said)
