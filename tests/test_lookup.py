"""lookup: equal keys, as of, in a range, nearly alike; and the index of its keys."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_module import made, problems, run

from qpipe.core.batch import ROW
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.key_index import KeyIndex


def test_a_sample_is_the_same_in_every_version() -> None:
    rows = pl.DataFrame({"c": [f"c{n % 7}" for n in range(24)]})

    def kept(**values: Any) -> list[int]:
        return run(made("sample", share="25%", **values), rows).frame[ROW].to_list()

    assert kept() == [8, 21, 22]
    assert kept(seed=5) == [0, 2, 5, 6, 7, 10, 11, 13, 14, 20, 22]
    assert kept(seed=-2) == [10]
    assert kept(by=["c"], seed=1) == [2, 4, 6, 9, 11, 13, 16, 18, 20, 23]


N = None
TABLE = pl.DataFrame({"k": [1, 2, 3], "v": ["one", "two", None]})


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


LINE = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.one_of(st.none(), st.integers(-9, 9))), max_size=12)


@settings(max_examples=80, deadline=None)
@given(
    theirs=LINE, mine=LINE, direction=st.sampled_from(["earlier", "later", "nearest"]),
    within=st.one_of(st.none(), st.integers(0, 4)),
)  # fmt: skip
def test_as_of_is_the_nearest_of_plain_python(theirs: Any, mine: Any, direction: str, within: int | None) -> None:
    table = pl.DataFrame(theirs, schema={"k": pl.String, "t": pl.Int64}, orient="row").with_row_index("n")
    table = table.unique(["k", "t"], keep="first", maintain_order=True)
    frame = pl.DataFrame(mine, schema={"k": pl.String, "at": pl.Int64}, orient="row")
    module = made("lookup", **{"from": "t", "on": "k", "as_of": {"at": "t"}, "direction": direction, "take": ["n"],
                               **({"within": within} if within is not None else {})})  # fmt: skip
    wanted = []
    for k, at in mine:
        near = [
            (abs(at - t), t > at, n)
            for n, other, t in table.rows()
            if None not in (k, at, t) and other == k
            and {"earlier": t <= at, "later": t >= at, "nearest": True}[direction]
            and (within is None or abs(at - t) <= within)
        ]  # fmt: skip
        wanted.append(min(near)[2] if near else None)
    assert run(module, frame, 3, tables={"t": table}).frame["n"].to_list() == wanted


@settings(max_examples=60, deadline=None)
@given(
    starts=st.lists(st.integers(0, 20), min_size=1, max_size=6, unique=True).map(sorted), opened=st.booleans(),
    closed=st.sampled_from(["left", "right", "none"]), at=st.lists(st.one_of(st.none(), st.integers(-2, 24)), max_size=9),
)  # fmt: skip
def test_range_holds_what_plain_python_says(starts: list[int], opened: bool, closed: str, at: list[Any]) -> None:
    periods: list[tuple[int | None, int | None]] = list(zip(starts, [*starts[1:], 22], strict=True))
    if opened:
        periods[0], periods[-1] = (None, periods[0][1]), (None if len(periods) == 1 else periods[-1][0], None)
    table = pl.DataFrame(periods, schema={"a": pl.Int64, "b": pl.Int64}, orient="row").with_row_index("n")
    frame = pl.DataFrame({"at": pl.Series(at, dtype=pl.Int64)})
    module = made("lookup", **{"from": "t", "range": {"at": ["a", "b"]}, "closed": closed, "take": ["n"]})

    def holds(value: int, a: int | None, b: int | None) -> bool:
        starts_before = a is None or (value >= a if closed == "left" else value > a)
        return starts_before and (b is None or (value <= b if closed == "right" else value < b))

    wanted = [next((n for n, (a, b) in enumerate(periods) if v is not None and holds(v, a, b)), None) for v in at]
    assert run(module, frame, 2, tables={"t": table}).frame["n"].to_list() == wanted


FIRMS = pl.DataFrame({"id": [1, 2, 3, 4], "name": ["Acme Ltd", "Berliner Post AG", "Acne Studios", "Zebra"]})


@pytest.mark.parametrize("value, found, failed", [
    ("Acme Ltd", 1, False), ("ltd. ACME", 1, False), ("Berlner Post AG", 2, False), ("Zébra", 4, False),
    ("Nobody", None, True), (None, None, False), ("", None, True), ("Ac", None, True),
])  # fmt: skip
def test_fuzzy_cells(value: str | None, found: int | None, failed: bool) -> None:
    module = made("lookup", **{"from": "t", "fuzzy": {"x": "name"}, "take": ["id"], "unmatched": "quarantine"})
    seen = run(module, pl.DataFrame({"x": pl.Series([value], dtype=pl.String)}), tables={"t": FIRMS})
    assert (seen.frame["id"].to_list(), bool(seen.failed)) == ([found], failed)


def test_a_fuzzy_lookup_asks_and_takes_the_answer() -> None:
    module = made("lookup", **{"from": "t", "fuzzy": {"x": "name"}, "take": ["id"], "unmatched": "question"})
    frame = pl.DataFrame({"x": ["Acme Limited", "Zebr", "Acme"]})
    assert run(module, frame, tables={"t": FIRMS}).asks["Acme Limited"][0] == "Acme Ltd"
    answers = {("lookup", "Acme Limited"): "Acme Ltd", ("lookup", "Zebr"): "Zebra", ("lookup", "Acme"): "nonsense"}
    seen = run(module, frame, tables={"t": FIRMS}, answers=answers)
    assert (seen.frame["id"].to_list(), seen.failed, dict(seen.asks)) == ([1, 4, None], [2], {})


def test_a_fuzzy_lookup_among_many_is_the_one_among_few() -> None:
    known = [f"{a}{b} {c}" for a in ("north", "south", "upper") for b in ("field", "ham", "bury", "ton") for c in range(200)]
    table = pl.DataFrame({"id": range(len(known)), "name": known})
    frame = pl.DataFrame({"x": [f"{name[:3]}{name[4:]}" for name in known[::97]]})
    module = made("lookup", **{"from": "t", "fuzzy": {"x": "name"}, "take": {"got": "name"}, "threshold": 80})
    seen = run(module, frame, tables={"t": table}).frame["got"].to_list()
    assert seen == known[::97]


@pytest.mark.parametrize("values, said", [
    ({}, "name at least one column"),
    ({"as_of": {"n": "t"}, "fuzzy": "s"}, "not both"),
    ({"as_of": {"s": "t"}}, "no place on a line"),
    ({"fuzzy": "n"}, "not text"),
    ({"range": {"n": ["a"]}}, "write {mine"),
    ({"on": "n", "within": 3}, "only as_of"),
    ({"on": "n", "unmatched": "question"}, "only fuzzy asks"),
])  # fmt: skip
def test_a_lookup_that_cannot_be(values: dict[str, Any], said: str) -> None:
    assert any(said in told for told in problems(made("lookup", **{"from": "t", **values}), n="int", s="string"))


@pytest.mark.parametrize("values, rows, said", [
    ({"as_of": {"n": "a"}}, [(1, 2), (1, 3)], "not unique"),
    ({"range": {"n": ["a", "b"]}}, [(1, 3), (3, 5)], "overlap"),
    ({"range": {"n": ["a", "b"]}, "closed": "left"}, [(1, 4), (3, 5)], "overlap"),
    ({"range": {"n": ["a", "b"]}, "closed": "left"}, [(1, None), (3, 5)], "overlap"),
])  # fmt: skip
def test_a_reference_that_says_two_things_is_refused(values: dict[str, Any], rows: Any, said: str) -> None:
    table = pl.DataFrame(rows, schema={"a": pl.Int64, "b": pl.Int64}, orient="row").with_columns(v=1)
    with pytest.raises(DataRefused, match=said):
        run(made("lookup", **{"from": "t", "take": ["v"], **values}), pl.DataFrame({"n": [1]}), tables={"t": table})
