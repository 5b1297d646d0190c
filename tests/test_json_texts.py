"""JSON in a column of many texts, where DuckDB is asked, is what it is in a column of few, where Polars is."""

from __future__ import annotations

import itertools
import json
import random

import polars as pl
import pytest

from qpipe.core import json_texts
from qpipe.core.json_texts import read_json, surely_with_keys, valid_json

VALUES = r"""7 -7 0 -0 -0.0 7.0 7.50 1e3 1E3 1.5e-7 0.00000015 1e-400 12345678901234567890 -12345678901234567890 0.1 1e16 1e22
9223372036854775808 18446744073709551616 123456789012345678901234567890 123456789.123456789 123456789012345680.0 1.0E+2 5e-324
1.7976931348623157e308 1e999 true false null "null" "x" "7" "" NaN -Infinity nan inf 01 +1 .5 5. tru "a_b" "é" [] {} 1.10 100
[1,2] [1,] {"a":1} {"b":1,"a":2} {"b":1,"b":2} [{"id":3}] "-0" "1e5" ",]" "\u00e9\n\"q" "\ud83d\ude00" "\ud83d" "\uDE00"
[1e3,-0,7.0] {"a":[null,{"id":5}]} "a,}" 1e0 0e1 0.30000000000000004 2.50"""
FORMS = ('{"id": %s, "city": "B"}', '{"x": {"id": %s}}', "[%s]", "%s", ' {"id":%s } ', '{"id": "%s"}')
TEXTS = [
    *(form % value.replace("_", "\t") for form in FORMS for value in VALUES.split()),
    '{"id": 1, "id": 2}', '{"id": 1, "\\u0069d": 2}', '{"\\u0069d": 5}', '{"id":1} x', '{"id":1}{"id":2}', '{"id":1}\n{"id":2}',
    "", "  ", "{", "{'id':1}", '\ufeff{"id":1}', '{"id":1,"a":"\x01"}', '{"ID":1}', '{"x":{"id":1,"id":2}}', "{broken", "null ",
    '{"x":' * 130 + "1" + "}" * 130, "[" * 127 + "]" * 127, "[" * 128 + "]" * 128, '{"a": "' + "[" * 300 + '", "id": 4}',
    '{"a.b": 1, "a": {"b": 2}}', '{"a\\"b": 1}', '{"it\'s": 3}',
]  # fmt: skip
PATHS = [
    "$",
    "$.id",
    "$['id']",
    "$.x.id",
    "$['x']['id']",
    "$[0]",
    "$.x[0]",
    "$['a.b']",
    "$['a b']",
    "$.a.b",
    "$[0].id",
    "$['it']",
]


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_texts, "_MANY", 1)


def test_valid_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert different(TEXTS, valid_json(pl.Series(TEXTS)), monkeypatch, valid_json) == []


@pytest.mark.parametrize("path", PATHS)
def test_found_as_one_by_one(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_json(pl.Series(TEXTS), [path, "$.city"])[1]
    assert different(TEXTS, found, monkeypatch, lambda texts: read_json(texts, [path])[1]) == []


def test_what_is_sure_is_so() -> None:
    sure = surely_with_keys(pl.Series(TEXTS), ["id", "city"])
    assert sure.sum() > 10
    for text in itertools.compress(TEXTS, sure):
        assert {"id", "city"} <= json.loads(text).keys()
    assert not surely_with_keys(pl.Series(["[1]", '"id"', '{"id": 1}', "{"]), ["id", "city"]).any()


def test_each_alone_as_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every text is JSON, DuckDB reads each once: it must say the same then."""
    alone = [read_json(pl.Series([text]), ["$.id", "$.city"]) for text in TEXTS]
    monkeypatch.setattr(json_texts, "_MANY", 1 << 40)
    exact = read_json(pl.Series(TEXTS), ["$.id", "$.city"])
    assert [pl.concat(each).to_list() for each in zip(*alone, strict=True)] == [each.to_list() for each in exact]


def test_nulls_stay() -> None:
    texts = pl.Series(["[1]", None, "["], dtype=pl.String)
    assert valid_json(texts).to_list() == [True, None, False]
    assert read_json(texts, ["$[0]"])[1].to_list() == ["1", None, None]


def test_any_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    texts = []
    for _ in range(20_000):
        letters = list(chance.choice(TEXTS[:200]))
        for _ in range(chance.randint(0, 3)):
            letters.insert(chance.randint(0, len(letters)), chance.choice(list('{}[],:"0-.eE+ \\u\n19antrf')))
        texts.append("".join(letters))
    assert different(texts, valid_json(pl.Series(texts)), monkeypatch, valid_json) == []
    found = read_json(pl.Series(texts), ["$.id"])[1]
    assert different(texts, found, monkeypatch, lambda some: read_json(some, ["$.id"])[1]) == []


def different(texts: list[str], answers: pl.Series, monkeypatch: pytest.MonkeyPatch, ask: object) -> list[object]:
    """What many texts got that they do not get when they are few."""
    monkeypatch.setattr(json_texts, "_MANY", 1 << 40)
    exact = ask(pl.Series(texts))  # type: ignore[operator]
    told = zip(texts, answers.to_list(), exact.to_list(), strict=True)
    return [(text, many, few) for text, many, few in told if many != few][:20]


@pytest.mark.parametrize("count", [1, 3000])
def test_numbers_as_they_are_written(count: int) -> None:
    """1.10 is a price and no 1.1, wherever it stands."""
    numbers = ["1.10", "0.1000", "1e5", "1E5", "1.5e-3", "-0", "-0.0", "0.00000015", "123456789012345678901234567890", "1e400",
               "1234567890123456.10", "1e-400", "18446744073709551616", "0.1234567890123456789", "[1.10,-0,1e5]", '{"x":1.10}',
               '[1e400,"1.10",1.10]']  # fmt: skip
    found = read_json(pl.Series([f'{{"a":{number}}}' for number in numbers] * count), ["$.a"])[1]
    assert found.to_list() == numbers * count
