"""Codes, telephone numbers, places, and the columns of a target."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from one_module import cells, made, problems, run

from qpipe.core.batch import ROW
from qpipe.core.errors import QpipeError

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
    called = {  # a name, and its code
        "Russia": "RU", "U.S.A.": "US", "Cote d'Ivoire": "CI", "Ivory Coast": "CI", "The Netherlands": "NL",
        "Turkey": "TR",
        "Türkiye": "TR", "TURKIYE": "TR", "Great Britain": "GB", "Cape Verde": "CV", "Holland": "NL",
        "Kosovo": "Kosovo",
    }  # fmt: skip
    assert cells(made("standardize_code", columns=["x"], kind="country"), [*called]) == [*called.values()]
    known = made("standardize_code", columns=["x"], kind="country", languages=["de", "fr"], unknown="keep")
    assert cells(known, texts) == ["DE", "DE", "GB", "GB", "CI", "Narnia", None]
    assert cells(made("standardize_code", columns=["x"], kind="language", languages=["de"]), ["Deutsch", "german"]) == [
        "de",
        "de",
    ]
    assert problems(made("standardize_code", columns=["x"], kind="country", languages=["Deutsch"]), x="string") != []
    with pytest.raises(QpipeError, match="no names are known in 'qqq'"):
        cells(made("standardize_code", columns=["x"], kind="country", languages=["qqq"]), ["x"])


UNITS = [  # from, to, values, what they become
    ("degF", "degC", [32.0, -40.0, 212.0, 98.6], [0.0, -40.0, 100.0, 37.0]), ("degC", "degF", [37.0, 0.1], [98.6, 32.18]),
    ("lb", "kg", [10.0], [4.5359237]), ("inch", "cm", [1.1], [2.794]), ("K", "degC", [0.0], [-273.15]),
    ("degree", "radian", [180.0], [math.pi]), ("kWh", "J", [1.5], [5_400_000.0]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "to", "values", "become"), UNITS, ids=lambda part: str(part))
def test_units_become_others(given: str, to: str, values: list[float], become: list[float]) -> None:
    assert cells(made("convert_units", **{"columns": ["x"], "from": given, "to": to}), values, pl.Float64) == pytest.approx(
        become, rel=1e-15, abs=0
    )


def test_a_unit_that_is_no_multiple_of_the_other_is_refused() -> None:
    (told,) = problems(made("convert_units", **{"columns": ["x"], "from": "l/km", "to": "mile/gallon"}), x="float")
    assert told.startswith("l/km cannot become mile/gallon")


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
