"""JSON objects read into types at once: never another value than the text would have given."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from qpipe.core.texts import reader
from qpipe.core.types import DataType
from qpipe.sources._json_typed import at_once, decoded_list, proven_lists
from qpipe.sources.file.json_values import rows_of

WORDS = {"n": "int", "x": "float", "b": "bool", "s": "string", "i8": "int8"}
CONTRACT = {name: DataType.parse(word) for name, word in WORDS.items()}
NUMBERS = some.one_of(
    some.integers(-(2**70), 2**70).map(str), some.integers(-200, 200).map(str),
    some.floats(allow_nan=False, allow_infinity=False).map(repr),
    some.sampled_from(["1.10", "1e3", "-0", "12.0", "1E-400", "0.1", "123456789012345678901234567890"]),
)  # fmt: skip
OTHERS = some.sampled_from(['"a: 5"', '": true"', '"12"', '"ü"', '""', "true", "false", "null", "[1]", '{"n": 1}', '"\\u0041"'])
VALUES = some.one_of(NUMBERS, OTHERS)
FITTING = {"n": some.integers(-(2**63), 2**63 - 1).map(str), "x": some.floats(allow_nan=False, allow_infinity=False).map(repr),
           "b": some.sampled_from(["true", "false"]), "s": some.text().map(lambda t: json.dumps(t, ensure_ascii=False)),
           "i8": some.integers(-128, 127).map(str)}  # fmt: skip
OBJECTS = some.one_of(
    some.fixed_dictionaries({}, optional=FITTING),
    some.dictionaries(some.sampled_from([*CONTRACT, "new"]), VALUES),
)


@settings(max_examples=150, deadline=None)
@given(some.lists(OBJECTS.map(lambda found: "{" + ", ".join(f'"{k}": {v}' for k, v in found.items()) + "}"), min_size=1))
@example(['{"n": true, "s": "a: 5"}'])
@example(['{"n": 12.5}', '{"s": 1}'])
@example(['{"n": 1, "n": 2}', '{"x": 1}'])
@example(['{"i8": 300}', '{"s": "b: 1"}'])
def test_it_gives_the_values_of_the_texts_or_nothing(objects: list[str]) -> None:
    texts = pl.Series(objects)
    typed = at_once(texts, list(CONTRACT), CONTRACT)
    if typed is None:
        return
    plain, faults = rows_of(texts, list(CONTRACT), int)
    assert not faults
    for name, kind in CONTRACT.items():
        read = reader(kind)(plain[name]) if kind.polars() != pl.String else plain[name]
        assert read.null_count() == plain[name].null_count()
        assert typed[name].equals(read, null_equal=True), (name, typed[name], read)


@settings(max_examples=150, deadline=None)
@given(some.lists(OBJECTS.map(lambda found: "{" + ", ".join(f'"{k}": {v}' for k, v in found.items()) + "}")))
@example(['{"n": 1, "s": "a"}', '{"n": true}'])
@example(['{"s": "x", "n": 1}'])
@example(["[1]", "null"])
@example(["{}", "1"])
def test_a_list_gives_the_same_where_it_is_proven(objects: list[str]) -> None:
    text = f"[{', '.join(objects)}]"
    frame = decoded_list(text, list(CONTRACT), CONTRACT)
    assert frame is None or frame.height == len(objects)
    if frame is not None and proven_lists([text], list(CONTRACT), CONTRACT) == [True] and objects:
        one_by_one = at_once(pl.Series(objects), list(CONTRACT), CONTRACT)
        assert one_by_one is not None and frame.equals(one_by_one, null_equal=True)


def test_plain_objects_are_taken() -> None:
    """In the order of the fullest one; keys may be absent, values null."""
    texts = pl.Series(['{"n": 1, "b": true, "s": "ü"}', '{"n":-3, "x": 1.10, "b": null, "s": "", "i8": 7}', " { } "])
    typed = at_once(texts, list(CONTRACT), CONTRACT)
    assert typed is not None
    assert typed.rows() == [(1, None, True, "ü", None), (-3, 1.1, None, "", 7), (None, None, None, None, None)]


@pytest.mark.parametrize("text", [
    '{"n": 1, "n": 2}', '{"n": 1}, {"n": 2}', '{"n": 1}}', '{"n": 1,}', '{"n": 1', '{"n": 1}"s": "a"}', '{"n": 01}',
    '{"n": 1.0}', '{"n": [1]}', '{"new": 1}', '{"s": "a\\u0041"}', '{"s": "a\nb"}', '{"s": 1}', '{"i8": 999}', '{"x": 1e999}',
    "[]", "", "null",
])  # fmt: skip
def test_what_is_not_proven_is_not_taken(text: str) -> None:
    assert at_once(pl.Series(['{"n": 1, "s": "a"}', text]), list(CONTRACT), CONTRACT) is None
    assert at_once(pl.Series([text, '{"n": 1, "s": "a"}']), list(CONTRACT), CONTRACT) is None


def test_more_columns_than_a_pattern_can_hold() -> None:
    wide = {f"c{n}": DataType.parse("float") for n in range(3_000)}
    text = json.dumps(dict.fromkeys(wide, 1.5))
    assert at_once(pl.Series([text]), list(wide), wide) is None
    assert proven_lists([f"[{text}]"], list(wide), wide) == [False]
