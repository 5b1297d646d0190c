"""deduplicate: which row of a key stays, and what makes no difference in a key."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_module import made, problems, run

from qpipe.core.batch import ROW

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


CELLS = st.tuples(
    st.sampled_from(["a", "A", " a", "á", "b", "b.", None]),
    st.sampled_from([None, "x", "yy", "zz"]),
    st.one_of(st.none(), st.integers(0, 3)),
    st.one_of(st.none(), st.integers(0, 2)),
)


def best_of(rule: str, rows: list[tuple[int, Any, Any]]) -> Any:
    """The survivor among (row, cell, worth), in plain Python."""
    given = [(row, cell, worth) for row, cell, worth in rows if cell is not None]
    if not given:
        return None
    cells = [cell for _, cell, _ in given]
    if rule == "newest":
        return min(given, key=lambda g: (g[2] is None, -(g[2] or 0), g[0]))[1]
    if rule == "most_common":
        counts = Counter(cells)
        return max(cells, key=lambda cell: counts[cell])
    return {"first": cells[0], "last": cells[-1], "min": min(cells), "max": max(cells),
            "sum": sum(cells) if rule == "sum" else None, "longest": max(cells, key=lambda c: len(str(c))),
            "all": "; ".join(sorted(set(map(str, cells))))}[rule]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(CELLS, max_size=9),
    rules=st.tuples(
        st.sampled_from(["first", "last", "newest", "longest", "most_common", "min", "max", "all"]),
        st.sampled_from(["first", "last", "newest", "most_common", "min", "max", "sum"]),
    ),
    nulls=st.booleans(), size=st.integers(1, 4),
)  # fmt: skip
def test_survivors_are_those_of_plain_python(
    rows: list[tuple[Any, ...]], rules: tuple[str, str], nulls: bool, size: int
) -> None:
    frame = pl.DataFrame(rows, schema={"k": pl.String, "t": pl.String, "n": pl.Int64, "w": pl.Int64}, orient="row")
    module = made(
        "deduplicate", columns=["k"], ignore=["case", "whitespace", "accents", "punctuation"], keep={"newest": "w"},
        nulls_equal=nulls, survivorship={"t": rules[0], "n": rules[1]},
    )  # fmt: skip
    groups: dict[Any, list[tuple[int, tuple[Any, ...]]]] = {}
    for at, row in enumerate(rows):
        key = at if row[0] is None and not nulls else {"á": "a", " a": "a", "A": "a", "b.": "b"}.get(row[0], row[0])
        groups.setdefault(key, []).append((at, row))
    wanted = []
    for members in groups.values():
        at, lasting = min(members, key=lambda m: (m[1][3] is None, -(m[1][3] or 0), m[0]))
        t = best_of(rules[0], [(a, r[1], r[3]) for a, r in members]) if len(members) > 1 else lasting[1]
        n = best_of(rules[1], [(a, r[2], r[3]) for a, r in members]) if len(members) > 1 else lasting[2]
        wanted.append((at, lasting[0], t, n, lasting[3]))
    seen = run(module, frame, size).frame
    assert seen.select(ROW, *frame.columns).rows() == sorted(wanted)


@pytest.mark.parametrize("ignore, same", [
    ((), []), (["case"], [1]), (["whitespace"], [2]), (["accents"], [3]), (["punctuation"], [2, 4]),
    (["case", "whitespace", "accents", "punctuation"], [1, 2, 3, 4]),
])  # fmt: skip
def test_what_makes_no_difference_in_a_key(ignore: list[str], same: list[int]) -> None:
    frame = pl.DataFrame({"k": ["Jo Roe", "jo roe", " Jo  Roe", "Jo Roé", "Jo-Roe.", "Jo Rae"]})
    assert list(run(made("deduplicate", columns=["k"], ignore=ignore), frame).dropped) == same


@pytest.mark.parametrize("values, said", [
    ({"survivorship": {"k": "first"}}, "part of the key"),
    ({"survivorship": {"t": "newest"}}, "needs to know by what"),
    ({"survivorship": {"t": "sum"}}, "has no sum"),
    ({"survivorship": {"n": "longest"}}, "is for texts"),
    ({"survivorship": {"n": "sum"}, "where": "n > 0"}, "for all rows"),
])  # fmt: skip
def test_survivorship_that_cannot_be(values: dict[str, Any], said: str) -> None:
    (told,) = problems(made("deduplicate", columns=["k"], **values), k="string", t="string", n="int")
    assert said in told
