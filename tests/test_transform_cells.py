"""What transforms make of cells: numbers, dates, types, placeholders, names, tables of values."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from one_module import cells, made, problems, run

from qpipe.core.batch import ROW
from qpipe.core.component import REJECTED, Context
from qpipe.core.errors import SpecError, Unavailable
from qpipe.core.types import DataType

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
    # digits of other scripts, with the Arabic marks
    (
        {},
        {
            "\u0663\u0664\u0665": 345.0,
            "\u0967\u0968.\u096b": 12.5,
            "\u2212\uff11\uff12\uff13": -123.0,
            "\u0663\u066b\u0665": 3.5,
            "\u0661\u066c\u0662\u0663\u0664": N,
            "\u00b2": N,
        },
    ),
    (
        {"locale": "de", "type": "decimal(9,2)"},
        {
            "\u0661\u066c\u0662\u0663\u0664\u066b\u0665\u0660": Decimal("1234.50"),
            "\u0661.\u0662\u0663\u0664,\u0665": Decimal("1234.50"),
        },
    ),
    ({"currency": ["kr"]}, {"5 kr": 5.0, "$5": N}),
    ({"percent": True}, {"12 %": 0.12, "-3%": -0.03, "5": 5.0, "0.5%": 0.005, "%": N}),
    ({"accounting": True}, {"(12.5)": -12.5, "12-": -12.0, " ( 3 ) ": -3.0, "(-5)": N, "(12": N}),
    ({"percent": True, "type": "decimal(6,4)"}, {"12 %": Decimal("0.1200"), "12.345%": N, ".5%": Decimal("0.0050")}),
    ({"locale": "en", "type": "int"}, {"1,000.00": 1000, " 1,000.00 ": 1000, "1.50": N, "7": 7}),
    ({"type": "decimal(5,2)"}, {"1.005": N, "1.5": Decimal("1.50"), "1234.5": N}),
]


def reads_as(name: str, values: dict[str, Any], table: dict[str, Any]) -> None:
    """The module gives these values for these texts, and says of each that has none that it failed."""
    module = made(name, columns="x", **values)
    assert dict(zip(table, cells(module, list(table)), strict=True)) == table
    failed = run(module, pl.DataFrame({"x": list(table)})).failed
    assert failed == [place for place, value in enumerate(table.values()) if value is None]


@pytest.mark.parametrize(("values", "table"), NUMBERS, ids=lambda part: str(part)[:40])
def test_parse_number(values: dict[str, Any], table: dict[str, Any]) -> None:
    reads_as("parse_number", values, table)


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
    reads_as("parse_date", values, table)


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
