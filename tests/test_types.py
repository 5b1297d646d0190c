"""The words of a contract, and exactly which texts are values of which type."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
import zoneinfo
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qpipe.core.parse import parse_text
from qpipe.core.types import DataType, comparable

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def parsed(texts: list[str | None], word: str, format: str | None = None) -> list:
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    out = frame.lazy().select(parse_text(pl.col("t"), DataType.parse(word), format)).collect(engine="in-memory")
    assert out.schema["t"] == DataType.parse(word).polars()
    return out["t"].to_list()


WORDS = [
    ("int", "integer", pl.Int64()), ("INTEGER", "integer", pl.Int64()), ("int8", "integer", pl.Int8()),
    ("uint64", "integer", pl.UInt64()), ("bigint", "integer", pl.Int64()), ("float", "float", pl.Float64()),
    ("double", "float", pl.Float64()), ("float32", "float", pl.Float32()), ("decimal(12,2)", "decimal", pl.Decimal(12, 2)),
    ("decimal( 12 , 2 )", "decimal", pl.Decimal(12, 2)), ("numeric(5)", "decimal", pl.Decimal(5, 0)),
    ("text", "string", pl.String()), ("varchar(20)", "string", pl.String()), ("boolean", "bool", pl.Boolean()),
    ("date", "date", pl.Date()), ("timestamp", "datetime", pl.Datetime("us")),
    ("datetime(Europe/Berlin)", "datetime", pl.Datetime("us", "Europe/Berlin")),
    ("datetime(ms)", "datetime", pl.Datetime("ms")),
    ("time", "time", pl.Time()), ("duration", "duration", pl.Duration("us")), ("binary", "binary", pl.Binary()),
    ("json", "string", pl.String()), ("list(int)", "list", pl.List(pl.Int64)),
    ("list(decimal(5,1))", "list", pl.List(pl.Decimal(5, 1))), ("any", "any", pl.Null()),
    ("struct(a: int, b: list(text))", "struct", pl.Struct({"a": pl.Int64, "b": pl.List(pl.String)})),
]  # fmt: skip


@pytest.mark.parametrize("word, kind, dtype", WORDS)
def test_word(word: str, kind: str, dtype: pl.DataType) -> None:
    type = DataType.parse(word)
    assert (type.kind, type.polars()) == (kind, dtype)
    assert DataType.parse(str(type)) == type
    assert DataType.of(dtype).polars() == dtype


@pytest.mark.parametrize(
    "word, message",
    [
        ("decimel(12,2)", "no type is named 'decimel'. Did you mean 'decimal'?"),
        ("strng", "no type is named 'strng'. Did you mean 'string'?"),
        ("qqq", "no type is named 'qqq'."),
        ("", "'' is no type word"),
        ("int(4)", "int takes nothing in parentheses"),
        ("decimal(2,12)", "decimal(2,12): more digits after the point than digits"),
        ("decimal(50,2)", "decimal has 1 to 38 digits, not 50"),
        ("decimal(a)", "decimal takes its digits and those after the point: decimal(12,2)"),
        ("datetime(Europe/Berln)", "no time zone is named 'Europe/Berln'. Did you mean 'Europe/Berlin'?"),
        ("list(itn)", "no type is named 'itn'. Did you mean 'int'?"),
    ],
)
def test_wrong_word(word: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        DataType.parse(word)
    assert str(caught.value) == message


def test_comparable() -> None:
    def can(a: str, b: str) -> bool:
        return comparable(DataType.parse(a), DataType.parse(b))

    assert can("int", "decimal(5,2)") and can("date", "datetime") and can("any", "json") and can("json", "text")
    assert not can("int", "text") and not can("date", "text") and not can("datetime", "datetime(UTC)")


D, T, DT = dt.date, dt.time, dt.datetime
CASES = [
    ("int", {"007": 7, "+5": 5, "-3": -3, " 12": 12, "12\t": 12, "9223372036854775807": 2**63 - 1},
     ["1.0", "1e3", "1,000", "1_000", "", " ", "9223372036854775808", "٣", "0x1", "+-1", "1 2", "true"]),
    ("int8", {"127": 127, " -128 ": -128}, ["128", "-129"]),
    ("uint8", {"255": 255}, ["-1", "256"]),
    ("float", {"1.5": 1.5, "1e3": 1000.0, ".5": 0.5, "-2E-2": -0.02, "inf": math.inf, " -Infinity": -math.inf, "5": 5.0},
     ["1e999", "-1e999", "1,5", "", "abc", "1_0", "0x1p3"]),
    ("decimal(12,2)", {"1.5": Decimal("1.50"), "1.500": Decimal("1.50"), " -.5 ": Decimal("-0.50"), "+7": Decimal(7),
                       "1234567890.00": Decimal("1234567890.00")},
     ["1.505", "1.0001", "1e3", "1E2", "1e-9", "12345678901", "NaN", "inf", "1,5", "", "."]),
    ("decimal(5,0)", {"12": Decimal(12), "12.00": Decimal(12)}, ["12.5", "123456", "1e2"]),
    ("bool", {**dict.fromkeys(["true", "T", "YES", "y", "1", " True "], True),
              **dict.fromkeys(["false", "F", "No", "n", "0"], False)}, ["2", "", "oui", "tru", "on"]),
    ("date", {"2026-01-02": D(2026, 1, 2), " 2026-01-02 ": D(2026, 1, 2), "0001-01-01": D(1, 1, 1),
              "9999-12-31": D(9999, 12, 31)},
     ["2026-1-2", "2026- 1-02", "+2026-1-02", "2026-02-30", "0000-01-01", "2026/01/02", "2026-01-02T00:00:00",
      "", "12026-01-02"]),
    ("datetime", {"2026-01-02T03:04:05": DT(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05": DT(2026, 1, 2, 3, 4, 5),
                  "2026-01-02T03:04:05.5": DT(2026, 1, 2, 3, 4, 5, 500000), "2026-01-02 03:04": DT(2026, 1, 2, 3, 4),
                  " 2026-01-02 03:04:05.123456000": DT(2026, 1, 2, 3, 4, 5, 123456)},
     ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05+02:00", "2026-01-02T3:4:5", "2026-01-02", "2026-01-02T03:04:60",
      "2026-01-02T24:00:00", "2026-01-02T03:04:05.1234567", "2026-01-02T03:04:05.", ""]),
    ("datetime(UTC)", {"2026-01-02T03:04:05Z": DT(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
                       "2026-01-02T03:04:05+0200": DT(2026, 1, 2, 1, 4, 5, tzinfo=dt.UTC),
                       "2026-01-02 03:04:05.5-01:00": DT(2026, 1, 2, 4, 4, 5, 500000, tzinfo=dt.UTC),
                       "2026-01-02T03:04:05": DT(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)}, ["2026-01-02T03:04:05+25:00", "x"]),
    ("datetime(Europe/Berlin)", {"2026-07-01T12:00:00Z": DT(2026, 7, 1, 14, tzinfo=BERLIN),
                                 "2026-07-01T12:00:00": DT(2026, 7, 1, 12, tzinfo=BERLIN)}, ["2026-03-29T02:30:00"]),
    ("time", {"12:30": T(12, 30), "12:30:59.5": T(12, 30, 59, 500000), " 00:00:00": T(0)},
     ["24:00:00", "1:30", "12:30:60", ""]),
    ("duration", {"36:00:00": dt.timedelta(hours=36), "PT36H": dt.timedelta(hours=36),
                  "-P1DT0.5S": -dt.timedelta(days=1, seconds=.5)},
     ["36", "P", "PT", "1:60:00", ""]),
    ("json", {'{"a": 1}': '{"a": 1}', "null": "null", " [1] ": " [1] ", '"x"': '"x"'},
     ["{a: 1}", "[1,]", "", "nul", "{'a': 1}", " {broken", "nul ", " "]),
    ("json", {"1e400": "1e400", '{"a": 12345678901234567890123}': '{"a": 12345678901234567890123}', "-0": "-0"}, []),
    ("list(int)", {"[1, 2]": [1, 2], "[]": [], '["5", null]': [5, None]},
     ["[1", "x", "", "[1.5]", "1", '{"a": 1}', "[true]", "[9223372036854775808]"]),
    ("list(string)", {'["a", 1.10, true]': ["a", "1.10", "true"],  "[12345678901234567890]": ["12345678901234567890"],
                      "[1e400, -0, 1E5]": ["1e400", "-0", "1E5"],
                      '["a, 1.10 b", "\\"2\\\\", 2.50]': ["a, 1.10 b", '"2\\', "2.50"],
                      '["x", {"y": [1.10]}]': ["x", '{"y":[1.10]}'], "[null]": [None]}, ["1", '"abc"', "{}", "[1,]"]),
    ("list(decimal(5,2))", {"[1.10, 2]": [Decimal("1.10"), Decimal(2)]}, ["[1.505]", "[1e1]", "[1.10, true]"]),
    ("list(date)", {'["2026-01-02"]': [dt.date(2026, 1, 2)]}, ['["2026-1-2"]', "[20260102]"]),
    ("list(duration)", {'["PT1H"]': [dt.timedelta(hours=1)]}, ['["x"]']),
    ("list(list(string))", {"[[1.10], []]": [["1.10"], []]}, ["[1.10]"]),
    ("list(json)", {'["a", 1.10, {"b": [1.0]}]': ['"a"', "1.10", '{"b":[1.0]}']}, ['["a"']),
    ("struct(a: string, b: list(string))", {'{"b": [1.10], "a": -0}': {"a": "-0", "b": ["1.10"]}, "{}": {"a": None, "b": None}},
     ['{"a": 1, "b": 1.10}', "[]", "1"]),
    ("struct(a: struct(b: list(struct(c: decimal(9,3)))))",
     {'{"a": {"b": [{"c": 1.100}, null]}}': {"a": {"b": [{"c": Decimal("1.100")}, None]}}},
     ['{"a": {"b": [{"c": 1.1004}]}}', '{"a": {"b": {"c": 1}}}']),
    ("binary", {"a": b"a"}, []),
    ("string", {" a ": " a "}, []),
]  # fmt: skip


@pytest.mark.parametrize("word, good, bad", CASES, ids=[case[0] for case in CASES])
def test_texts(word: str, good: dict, bad: list[str]) -> None:
    assert dict(zip(good, parsed(list(good), word), strict=True)) == good
    assert dict(zip(bad, parsed(bad, word), strict=True)) == dict.fromkeys(bad)
    mixed = [None, *bad, *good, None]  # good ones are read beside bad ones, too
    assert parsed(mixed, word) == [None, *[None] * len(bad), *good.values(), None]
    assert parsed([], word) == [] and parsed([None, None], word) == [None, None]


LETTERS = st.text(alphabet="0123456789-+T :.ZeE\t\xa0_", max_size=20)
NEARLY = st.sampled_from(
    ["2026- 1-02", "+2026-1-02", "+026-01-02", "-026-01-02", "2026-01- 2", "  26-01-02", "2026-01-02", "0000-01-01",
     "2026--1-02",
     "2026-01-02T03:04:05", "2026-01-02 03:04:05", "2026-01-02T 3:04:05", "2026-01-02  3:04:05", "+026-01-02 03:04:05",
     "2026-01-02T03:04:60", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05Z", "2026-01-02T03:04:60Z", "2026-01-02T-3:04:05",
     "1.50", "1.505", "1.5000", "12", ".5", "12.", "1e3", "-0.01", "+7.125", "", "1.5.05", "99999999999999999999.1"]
)  # fmt: skip


@settings(max_examples=30, deadline=None)  # of 20,000 rows each
@given(st.lists(NEARLY | LETTERS | st.none(), min_size=1, max_size=4))
@example(["2024-02-29", None, "2023-02-29", "1900-02-29", "2000-02-29"])
@example(["0000-12-31", "0001-01-01", "9999-12-31", "2023-00-10", "2023-13-01", "2023-04-31", "2023-04-00"])
def test_many_rows_are_read_like_few(texts: list) -> None:
    """Long columns are read by looking at all their letters at once; the answers must be the same."""
    few = 20_000 // len(texts) + 1
    for word in ("date", "datetime", "datetime(UTC)", "datetime(ms)", "datetime(ns)", "decimal(12,2)", "decimal(9,0)"):
        type = DataType.parse(word)
        frame = pl.DataFrame({"t": texts * few}, schema={"t": pl.String})
        many = frame.select(parse_text(pl.col("t"), type))["t"]
        one_by_one = pl.concat([frame.head(len(texts)).select(parse_text(pl.col("t"), type))["t"]] * few)
        assert many.equals(one_by_one, null_equal=True), (word, texts)


NANOSECONDS = ["2026-01-01 00:00:00.123456789", "2026-01-01T00:00:00.1", "2262-04-11 23:47:16.854", "1677-09-21 00:12:44"]


def test_no_figure_of_a_second_is_cut_off_and_no_day_turned_round() -> None:
    """64 bits of nanoseconds end in 1677 and 2262."""
    wanted = [1_767_225_600_123_456_789, 1_767_225_600_100_000_000, 9_223_372_036_854_000_000, -9_223_372_036_000_000_000]
    beyond = ["2262-04-12 00:00:00", "1677-09-21 00:12:43", "1000-01-01 00:00:00", "2262-04-11 23:47:16.854776",
              "2026-01-01 00:00:00.1234567891"]  # fmt: skip
    for word, zone in (("datetime(ns)", ""), ("datetime(ns, UTC)", "Z")):
        type = DataType.parse(word)
        found = pl.select(parse_text(pl.lit(pl.Series([text + zone for text in NANOSECONDS + beyond])), type)).to_series()
        assert found.to_physical().to_list() == wanted + [None] * len(beyond)
        assert found.dtype == type.polars()
    whole = pl.DataFrame({"t": ["2026-01-01 00:00:00", *beyond[:3]] * 10_000})
    assert whole.select(parse_text(pl.col("t"), DataType.parse("datetime(ns)")))["t"].null_count() == 30_000
    assert parsed(["2026-01-01 00:00:00.1234", "2026-01-01 00:00:00.1230"], "datetime(ms)") == [
        None,
        DT(2026, 1, 1, 0, 0, 0, 123000),
    ]
    assert parsed(["01.01.2026 00:00:00.123456789"], "datetime(ns)", "%d.%m.%Y %H:%M:%S%.f")[0].microsecond == 123456
    assert parsed(["01.01.1000"], "datetime(ns)", "%d.%m.%Y") == [None]


def test_nan_is_a_float_only() -> None:
    assert math.isnan(parsed(["NaN"], "float")[0])
    assert parsed(["NaN"], "int") == parsed(["NaN"], "decimal(5,2)") == [None]


@pytest.mark.parametrize(
    "word, format, texts, values",
    [
        ("date", "%d.%m.%Y", ["31.12.2025", "2025-12-31", " 01.02.2026"], [D(2025, 12, 31), None, D(2026, 2, 1)]),
        ("datetime", "%d/%m/%Y %H:%M", ["31/12/2025 23:59", "x"], [DT(2025, 12, 31, 23, 59), None]),
        ("datetime", "%Y-%m-%dT%H:%M:%S%z", ["2025-12-31T23:59:00+0100"], [None]),
        ("datetime(UTC)", "%Y-%m-%dT%H:%M:%S%z", ["2025-12-31T23:59:00+0100"], [DT(2025, 12, 31, 22, 59, tzinfo=dt.UTC)]),
        ("datetime(ms)", "%d/%m/%Y %H:%M", ["31/12/2025 23:59", "x"], [DT(2025, 12, 31, 23, 59), None]),
        ("time", "%H.%M", ["23.59", "x"], [T(23, 59), None]),
    ],
)
def test_formats(word: str, format: str, texts: list[str], values: list) -> None:
    assert parsed(texts, word, format) == values


@pytest.mark.parametrize(
    "word, format, why",
    [
        ("date", "DD.MM.YYYY", "no letters of strftime"),
        ("date", "%d.%m", "does not say which year"),
        ("date", "%Q", "%Q"),
        ("date", "%Y-%m-%d %H", "not hours with minutes"),
        ("datetime", "%Y-%m-%d %M", "not hours with minutes"),
        ("datetime(UTC)", "%Y-%m-%d %S", "not hours with minutes"),
        ("datetime", "%Y-%m-%d %I:%M", "no %p"),
        ("time", "%H", "not hours with minutes"),
        ("time", "%Y-%m-%d", "does not say a time of day"),
    ],
)
def test_a_format_that_no_text_could_have_is_refused(word: str, format: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        DataType.parse(word, format)


def test_format_of_the_type_itself() -> None:
    type = DataType.parse("date", format="%d.%m.%Y")
    assert pl.select(parse_text(pl.lit("31.12.2025"), type)).item() == D(2025, 12, 31)
    assert type.describe() == "date written %d.%m.%Y" and type != DataType.parse("date")


def test_a_cast_used_twice_is_computed_once() -> None:
    frame = pl.DataFrame({"t": ["1", "x"]})
    value = parse_text(pl.col("t"), DataType.parse("int"))
    plan = frame.lazy().select(value.alias("a"), (pl.col("t").is_not_null() & value.is_null()).alias("b"))
    assert "__POLARS_CSER" in plan.explain()
    assert plan.collect(engine="in-memory").rows() == [(1, False), (None, True)]


@settings(deadline=None)  # its first call imports
@given(st.lists(st.dates()), st.lists(st.decimals(-(10**9), 10**9, places=2)), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_what_is_written_is_read_back(dates: list, decimals: list, integers: list) -> None:
    assert parsed([d.isoformat() for d in dates], "date") == dates
    assert parsed([str(d) for d in decimals], "decimal(12,2)") == decimals
    assert parsed([str(i) for i in integers], "int") == integers


@settings(deadline=None)  # its first call imports
@given(st.datetimes())
def test_datetimes_are_read_back(moment: dt.datetime) -> None:
    assert parsed([moment.isoformat(), moment.isoformat(" ")], "datetime") == [moment] * 2


@settings(deadline=None)  # its first call imports
@given(st.text(alphabet='0123456789-+T :.Zeaf_,[]{}"', max_size=20))
def test_no_text_breaks_a_reader(text: str) -> None:
    for word in (
        "int",
        "float",
        "decimal(5,2)",
        "date",
        "datetime",
        "datetime(UTC)",
        "time",
        "duration",
        "bool",
        "json",
        "list(string)",
    ):
        parsed([text, "x"], word)


def test_words_need_no_polars() -> None:
    code = (
        "import sys; from qpipe.core.types import DataType; DataType.parse('list(int)').kind; "
        "assert 'polars' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
