"""What is found by looking through gathered rows: the same in memory, on disk and in DuckDB, in batches of any size."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import polars as pl
import pytest

from qpipe.core.component import Context
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.testing.alone import run_alone
from qpipe.testing.examples import types_of

NAN = math.nan
ROOMS = [256 << 20, 0]  # bytes: all rows are held, and none


@pytest.mark.parametrize("room", ROOMS, ids=["memory", "disk"])
@pytest.mark.parametrize("by", [None, ["g"], ["g", "h"]], ids=["all", "group", "groups"])
def test_rows_that_break_the_order_of_their_group(by: list[str] | None, room: int) -> None:
    chance = random.Random(7)
    kinds: list[list[Any]] = [[1, 2, 3, None], [1.0, NAN, -0.0, 0.0, None], ["a", "", "b", None], [True, False, None]]
    for values in kinds * 5:
        columns = {"a": values, "b": [1, 2, None], "g": [1.5, NAN, None, 0.0, -0.0], "h": ["x", None, "y"]}
        frame = pl.DataFrame({name: [chance.choice(some) for _ in range(30)] for name, some in columns.items()}, strict=False)
        for names, strict in ((["a"], False), (["b", "a"], True)):
            written = {"columns": names, "strict": strict, "direction": chance.choice(["asc", "desc"])}
            found = failed("ordered", written | ({"by": by} if by else {}), frame, room)
            assert found == out_of_order(frame, names, by or [], strict, written["direction"] == "desc")


def test_categories_have_the_order_of_their_texts() -> None:
    texts = pl.DataFrame({"a": ["b", "c", "a", None, "b"], "g": [1, 1, 1, 1, 2]})
    for dtype in (pl.Categorical(), pl.Enum(["c", "b", "a"])):
        frame = texts.with_columns(pl.col("a").cast(dtype))
        for room in ROOMS:
            assert [failed("ordered", {"columns": ["a"], **by}, frame, room) for by in ({}, {"by": ["g"]})] == [[2], [2]]


def test_lists_have_an_order_too() -> None:
    frame = pl.DataFrame({"a": [[1], [1, 2], [0, 9], None, [3]], "g": [1, 1, 1, 1, 2]})
    assert [failed("ordered", {"columns": ["a"], **by}, frame) for by in ({}, {"by": ["g"]})] == [[2], [2]]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt8, pl.Int64, pl.UInt64])
def test_gaps_in_numbers_of_any_width_and_order(dtype: Any) -> None:
    chance = random.Random(3)
    for step in (1, 2, 300):
        numbers = [chance.choice([None, *range(0, 120, 3)]) for _ in range(30)]
        for some in (numbers, sorted(n for n in numbers if n is not None)):
            there = sorted((n, row) for row, n in enumerate(some) if n is not None)
            expected = sorted(row for (n, _), (m, row) in itertools.pairwise(there) if m > n + step)
            frame = pl.DataFrame({"a": some}, schema={"a": dtype})
            assert [failed("no_gaps", {"column": "a", "step": step}, frame, room) for room in ROOMS] == [expected] * 2


@pytest.mark.parametrize("kinds", [40, 60_000], ids=["few", "many"])
@pytest.mark.parametrize("room", ROOMS, ids=["memory", "disk"])
def test_values_are_counted_the_same_whether_they_are_few_or_many(kinds: int, room: int) -> None:
    texts = [f"berlin {chr(97 + n % 26)}{n}" for n in range(kinds)]
    frame = pl.DataFrame({"t": [*texts, *texts, *["hamburg"] * 9, "hambrug", None, None]})
    size = frame.height // 3
    assert failed("most_common", {"column": "t", "values": ["x"]}, frame, room, size) == list(range(2 * kinds, 2 * kinds + 9))
    assert failed("detect_typos", {"columns": ["t"]}, frame, room, size) == [2 * kinds + 9]
    rare = {"columns": ["t"], "share": 3 / frame.height, "times": 1, "most": 1.0, "min_rows": 2}
    assert failed("detect_rare_values", rare, frame, room, size) == [2 * kinds + 9]
    both = frame.with_columns(n=pl.col("t").str.len_chars() % 2)
    assert failed("detect_rare_values", rare | {"columns": ["t", "n"]}, both, room, size) == [2 * kinds + 9]


def failed(name: str, written: dict[str, Any], frame: pl.DataFrame, room: int = ROOMS[0], size: int = 4) -> list[int]:
    module: Any = Registry().get("module", name)
    return run_alone(build(module, written), frame, Context(types=types_of(frame), memory_limit=room), size).failed


def out_of_order(frame: pl.DataFrame, columns: list[str], by: list[str], strict: bool, down: bool) -> list[int]:
    """One by one, in Python."""
    last: dict[Any, Any] = {}
    bad = []
    for row, cells in enumerate(frame.to_dicts()):
        group = tuple("NaN" if cells[name] != cells[name] else cells[name] for name in by)
        place = [(cells[name] != cells[name], cells[name]) for name in columns]
        place = [(True, 0) if nan else (nan, cell) for nan, cell in place]
        if None in (cell for _, cell in place):
            continue
        above = last.get(group, place if not strict else None)
        if above is not None and ((place > above if down else place < above) or (strict and place == above)):
            bad.append(row)
        last[group] = place
    return bad
