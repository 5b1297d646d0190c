"""What data tells about itself: types, patterns, words for nothing, outliers, misspellings, keys, dependencies, sketches."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpipe.analysis.association import companions, parts
from qpipe.analysis.correlation import correlations
from qpipe.analysis.dependencies import dependencies, essential, minorities
from qpipe.analysis.inclusion import Side, confidence
from qpipe.analysis.keys import candidate_keys
from qpipe.analysis.kinds import counted, infer, read
from qpipe.analysis.missing import placeholders
from qpipe.analysis.order import out_of_order
from qpipe.analysis.outliers import fences, limits, rounded
from qpipe.analysis.patterns import patterns, regex_of
from qpipe.analysis.semantic import meaning
from qpipe.analysis.sketch import Counts, Distinct, Moments, RowSample, Unrepeated
from qpipe.analysis.typos import typos


def series(*values: object) -> pl.Series:
    return pl.Series("x", values, strict=False)


TYPES = [
    (["1", "22", "-3"], "int", None),
    (["1.5", "2", "-0.25"], "decimal(18,2)", None),
    (["1.5", "2e9", "3"], "float", None),
    (["007", "012", "155"], "string", None),  # codes
    (["true", "false", "true"], "bool", None),
    (["2026-01-31", "1999-12-01"], "date", "%Y-%m-%d"),
    (["31.01.2026", "01.12.1999"], "date", "%d.%m.%Y"),
    (["31/01/2026", "01/12/1999"], "date", "%d/%m/%Y"),
    (["1/31/2026", "12/1/1999"], "date", "%m/%d/%Y"),
    (["2026-01-31 10:00:00", "1999-12-01 23:59:59"], "datetime", "%Y-%m-%d %H:%M:%S"),
    (["Bonn", "Köln"], "string", None),
    (["1", "2", "N/A", "3", "-", "4"], "int", None),  # words for nothing do not count
    ([], "string", None),
]


@pytest.mark.parametrize(("texts", "type", "format"), TYPES, ids=lambda v: str(v)[:30])
def test_the_type_of_texts(texts: list[str], type: str, format: str | None) -> None:
    found = infer(counted(pl.Series("x", texts * 10, dtype=pl.String)))
    assert (found.type, found.format) == (type, format)


def test_texts_are_read_as_their_type() -> None:
    cells = pl.Series("x", ["1/31/2026", "2/30/2026", "x"] + ["12/1/1999"] * 10)
    found = infer(counted(cells))
    values = cells.to_frame().select(read(pl.col("x"), found)).to_series()
    assert values[:3].is_null().to_list() == [False, True, True]


PATTERNS = [
    (["DE-12345", "FR-99887"], r"^[A-Z]{2}-\d{5}$"),
    (["a1", "b22", "c333"], r"^[a-z]\d{1,3}$"),
    (["A.B", "A.C"], r"^A\.[A-Z]$"),
    (["12:30", "01:59"], r"^\d{2}:\d{2}$"),
]


@pytest.mark.parametrize(("texts", "regex"), PATTERNS, ids=lambda v: str(v)[:24])
def test_a_pattern_is_learnt_from_examples(texts: list[str], regex: str) -> None:
    assert regex_of(texts) == regex
    assert pl.Series(texts).str.contains(regex).all()


def test_patterns_have_shares_and_leave_exceptions_out_when_tight() -> None:
    counts = counted(pl.Series([f"{n:05d}" for n in range(10_000, 10_098)] + ["123", "x"]))
    assert patterns(counts)[0].regex == r"^\d{3,5}$"
    first = patterns(counts, tight=0.02)[0]
    assert (first.regex, first.share) == (r"^\d{5}$", 0.99)


NOTHING = [
    (["a", "N/A", "n/a", "b"], {"N/A", "n/a"}),
    (["a", "-", "b", "nope"], {"-"}),
    (["a", "b"], set()),
]


@pytest.mark.parametrize(("texts", "found"), NOTHING)
def test_words_for_nothing(texts: list[str], found: set[str]) -> None:
    assert {p.value for p in placeholders(counted(pl.Series(texts)), None, False)} == found


def test_a_sentinel_lies_apart_and_comes_more_than_once() -> None:
    def found(values: list[int]) -> list[str]:
        counts = counted(pl.Series([str(v) for v in values]))
        return [
            p.value for p in placeholders(counts, counts.with_columns(pl.col("value").cast(pl.Float64).alias("number")), False)
        ]

    assert found([*range(20, 60), 999, 999]) == ["999"]
    assert found([*range(980, 1020), 999]) == []  # among others
    assert found([*range(20, 60), 999]) == []  # once


def test_dates_that_stand_for_nothing() -> None:
    counts = counted(pl.Series(["2024-05-01", "1900-01-01", "1900-01-01", "2024-06-01"]))
    assert [p.value for p in placeholders(counts, None, True)] == ["1900-01-01"]


RNG = random.Random(3)
MONTHS = [min(70_000, max(30_000, RNG.gauss(50_000, 8_000))) for _ in range(200)]
STREWN = [*[RNG.uniform(8_000, 18_000) for _ in range(12)], *[RNG.uniform(90_000, 110_000) for _ in range(12)]]
NUMBERS = [
    ("two far out", [RNG.gauss(100, 5) for _ in range(500)], [1000.0, -400.0]),
    ("a tenth strewn on both sides", MONTHS, STREWN),
    ("strewn on one side of small whole numbers", [n % 77 + 1 for n in range(900)], RNG.sample(range(90, 200), 60)),
    ("few numbers", [2011, 2012, 2013, 2015, 2016], [2908, 1404]),
    ("a long tail is a tail", [RNG.lognormvariate(3, 1) for _ in range(500)], []),
    ("waiting times", [max(-20, RNG.gauss(-3, 4)) + (RNG.expovariate(1 / 40) if n % 3 == 0 else 0) for n in range(900)], []),
    ("a group of its own", [*[RNG.gauss(100, 5) for _ in range(300)], *[RNG.gauss(900, 3) for _ in range(12)]], []),
    ("what comes again and again is meant", [*[n % 7 for n in range(400)], *[12, 15, 21] * 9], []),
    ("an even spread", list(range(1, 300)), []),
    ("one number", [1.0] * 100, []),
    (
        "few numbers that are not very clearly a core",
        [50.2, 46.9, 49.8, 53.6, 45.7, 53.0, 48.9, 53.2, 44.3, 46.7, 47.6, 49.9, 50.2, 45.8, 50.1, 181.9, 196.6],
        [],
    ),
    ("most are nought, the others have a core", [0.0] * 300 + [RNG.gauss(100, 5) for _ in range(200)], [1000.0, -400.0]),
    (
        "as much about a core as in it",
        [*[RNG.gauss(100, 2) for _ in range(60)], *[RNG.uniform(-1e3, 1e3) for _ in range(40)]],
        [],
    ),
    ("one number, and others that are no core", [0.0] * 400 + [round(RNG.expovariate(10), 2) for _ in range(40)], []),
]


@pytest.mark.parametrize(("usual", "strewn"), [n[1:] for n in NUMBERS], ids=[n[0] for n in NUMBERS])
def test_limits_part_what_is_strewn_about_a_core(usual: list[float], strewn: list[float]) -> None:
    found = limits(pl.Series([*usual, *strewn], strict=False))
    outside = [x for x in (*usual, *strewn) if found is not None and not found.low <= x <= found.high]
    assert sorted(outside) == sorted(strewn)


def test_fences_reach_up_to_a_gap() -> None:
    tail = pl.Series([*range(1000), *range(1000, 9000, 400), 90_000])
    apart = fences(tail, 0.5)
    assert apart is not None and apart.outside == 1, "what no gap parts from the usual is let in"
    repeated = [fences(pl.Series([*range(1000), *[90_000] * times]), 0.5) for times in (2, 3)]
    assert [found and found.outside for found in repeated] == [2, 0], "what comes three times is meant"


def test_limits_are_rounded_outward_but_not_over_the_next_number() -> None:
    assert rounded(-3.21, 1234.5) == (-3.3, 1300.0)
    assert rounded(-3.21, 1234.5, -3.25, 1240.0) == (-3.21, 1235.0)


TYPOS = [
    (["Louisville"] * 40 + ["Louisvlile", "Louisvile"], {"Louisvlile": "Louisville", "Louisvile": "Louisville"}),
    (["room 101"] * 40 + ["room 102"], {}),  # another number
    (["CA"] * 30 + ["CO"] * 20 + ["CT"] * 2, {}),  # codes
    (["N152DL"] * 40 + ["N152UA", "N3LFAA"] + ["N3CFAA"] * 20, {}),  # other codes
    (["PA"] * 60 + ["P"] * 9 + ["AP", "PPA", "OH"], {"P": "PA", "AP": "PA", "PPA": "PA"}),  # slips of what nearly all have
    (["yes"] * 90 + ["yess", "no", "no"], {"yess": "yes"}),  # one value dominates
    (["Bonn", "Born"], {}),  # which one?
    (["Wilson"] + ["Dillon"] * 6, {}),  # two edits are another word, unless it is far more frequent
    (["PITTSBURGH"] * 40 + ["E PITTSBURGH", "PITTSBURGHH"], {"PITTSBURGHH": "PITTSBURGH"}),  # another part of it
    (["block A west"] * 40 + ["block B west"], {}),
]


@pytest.mark.parametrize(("texts", "found"), TYPOS, ids=lambda v: str(v)[:24])
def test_misspelt_values(texts: list[str], found: dict[str, str]) -> None:
    assert {t.value: t.meant for t in typos(counted(pl.Series(texts)))} == found


MEANINGS = [
    ("contact", ["a@b.example", "c.d@e.example"], "email", True),
    ("phone", ["030 123456", "0221-998877"], "phone", True),
    ("country", ["DE", "FR", "GB"], "country code", False),
    ("zip", ["53111", "50667"], "post code", False),
    ("first_name", ["Ada", "Grace"], "person's name", True),
    ("ip", ["10.0.0.1", "192.168.1.20"], "ip address", True),
    ("remark", ["DE", "FR", "GB"], None, False),  # the form alone says too little
]


@pytest.mark.parametrize(("name", "values", "expected", "personal"), MEANINGS)
def test_what_values_mean(name: str, values: list[str], expected: str | None, personal: bool) -> None:
    found = meaning(name, counted(pl.Series(values)))
    assert (found.name if found else None, bool(found and found.personal)) == (expected, personal)


def test_keys_are_minimal_and_nearly_keys_are_told() -> None:
    frame = pl.DataFrame(
        {"year": [2013] * 400, "month": [n // 40 for n in range(400)], "day": [n % 40 for n in range(400)], "note": ["x"] * 400}
    )
    found = candidate_keys(frame)
    assert found[0].columns == ("year", "month", "day") and found[0].holds
    broken = pl.concat([pl.DataFrame({"id": range(1000)}), pl.DataFrame({"id": [7, 7]})])
    assert [(k.columns, k.repeated, k.groups) for k in candidate_keys(broken)] == [(("id",), 2, 1)]


def test_dependencies_and_who_breaks_them() -> None:
    rng = random.Random(5)
    city = {z: f"city {z % 7}" for z in range(40)}
    rows = [(z, city[z], rng.randrange(50)) for z in (rng.randrange(40) for _ in range(2000))]
    rows[17] = (rows[17][0], "Nowhere", 3)
    frame = pl.DataFrame(rows, schema=["zip", "city", "noise"], orient="row")
    found = dependencies(frame)
    assert [(d.determinant, d.dependent, d.broken) for d in found] == [(("zip",), "city", 1)]
    bad = minorities(frame, ["zip"], "city")
    assert bad["_at"].to_list() == [17] and bad["usual"].to_list() == [city[rows[17][0]]]


def test_what_follows_from_other_dependencies_is_left_out() -> None:
    frame = pl.DataFrame(
        {"a": [n % 60 for n in range(600)], "b": [n % 60 // 3 for n in range(600)], "c": [n % 60 // 15 for n in range(600)]}
    )
    every = {(d.determinant[0], d.dependent) for d in dependencies(frame)}
    assert every == {("a", "b"), ("b", "c"), ("a", "c")}
    assert {(d.determinant[0], d.dependent) for d in essential(dependencies(frame))} == {("a", "b"), ("b", "c")}


def test_numbers_that_go_together() -> None:
    rng = random.Random(1)
    a = [rng.random() for _ in range(200)]
    frame = pl.DataFrame({"a": a, "b": [x * x for x in a], "c": [rng.random() for _ in a]})
    assert [(c.a, c.b, c.value) for c in correlations(frame)] == [("a", "b", 1.0)]


INCLUSIONS = [
    (Side("orders", "customer_id", False, 50), Side("customers", "id", False, 60), 1.0, True),
    (Side("orders", "quantity", False, 50), Side("customers", "id", False, 60), 1.0, False),  # numbers by accident
    (Side("flights", "dest", True, 100, 3.0), Side("airports", "faa", True, 1458, 3.0), 0.96, True),
    (Side("flights", "flag", True, 2, 1.0), Side("airports", "faa", True, 20, 1.0), 1.0, False),  # short codes
    (Side("flights", "tailnum", True, 4000, 6.0), Side("planes", "tailnum", True, 3300, 6.0), 0.82, True),
    (Side("flights", "tailnum", True, 4000, 6.0), Side("planes", "tailnum", True, 3300, 6.0), 0.3, False),
]


@pytest.mark.parametrize(("child", "parent", "share", "proposed"), INCLUSIONS)
def test_which_columns_mean_keys_of_another_table(child: Side, parent: Side, share: float, proposed: bool) -> None:
    assert bool(confidence(child, parent, share, child.distinct)) is proposed


def hashes(values: pl.Series):  # type: ignore[no-untyped-def]
    return values.hash(17).to_numpy()


def test_distinct_values_are_exact_while_few_and_close_when_many() -> None:
    few, many = Distinct(), Distinct()
    few.add(hashes(pl.Series([1, 2, 3, 3])))
    assert (few.is_exact, few.count) == (True, 3)
    for start in range(0, 300_000, 50_000):
        many.add(hashes(pl.int_range(start, start + 50_000, eager=True)))
    assert not many.is_exact and abs(many.count - 300_000) < 0.06 * 300_000
    half = Distinct()
    half.add(hashes(pl.int_range(0, 150_000, eager=True)))
    assert half.share_in(many)[0] == 1.0
    assert abs(many.share_in(half)[0] - 0.5) < 0.05


def test_chunks_give_the_same_figures_as_the_whole() -> None:
    values = pl.Series([random.Random(2).gauss(5, 3) for _ in range(1)] + [float(n % 97) for n in range(5000)])
    apart, counts, keys = Moments(), Counts(), Unrepeated()
    for part in (values[:1000], values[1000:1001], values[1001:]):
        apart.add(part.len(), part.mean(), part.var(0))  # type: ignore[arg-type]
        counts.add(part)
    assert apart.mean == pytest.approx(values.mean()) and apart.deviation == pytest.approx(values.std())
    assert dict(counts.top(3)) == dict(values.value_counts(sort=True).head(3).iter_rows()) or counts.top(1)[0][1] == 52
    for part in (pl.Series(range(1000)), pl.Series([5, 1001])):
        keys.add(hashes(part))
    assert keys.repeated() == 1


def test_a_sample_is_the_same_again_and_as_large_as_asked() -> None:
    frames = [pl.DataFrame({"x": range(start, start + 1000)}) for start in range(0, 20_000, 1000)]

    def drawn() -> pl.DataFrame:
        sample = RowSample(3000)
        for frame in frames:
            sample.add(frame)
        return sample.frame()

    first = drawn()
    assert first.height == 3000 and first["x"].is_sorted() and first["x"].to_list() == first["_row"].to_list()
    assert first.equals(drawn()) and 9_000 < float(first["x"].mean() or 0) < 11_000  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-4, 9), max_size=9), st.booleans())
def test_the_fewest_rows_break_an_order(values: list[int], strict: bool) -> None:
    from itertools import combinations, pairwise

    def ordered(kept: list[int]) -> bool:
        return all(a < b if strict else a <= b for a, b in pairwise(kept))

    bad = out_of_order(np.array(values, dtype=np.int64), strict=strict)
    assert ordered([v for v, b in zip(values, bad, strict=True) if not b])
    best = max(k for k in range(len(values) + 1) for some in combinations(values, k) if ordered(list(some)))
    assert len(values) - int(bad.sum()) == best


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ([2012, 2012, 2012, 2014, 2015], [0, 2]),
        ([8, 10, 10, 11, 12], [1]),
        ([8, 9, 9, 11, 12], [2]),
        ([1, 2, 3, 4, 4], [4]),
        ([1, 9, 2, 3], [1]),
    ],
)
def test_of_two_rows_the_one_stays_that_rises_evenly(values: list[int], wrong: list[int]) -> None:
    assert np.flatnonzero(out_of_order(np.array(values), strict=True)).tolist() == wrong


def test_order_of_many_is_quick() -> None:
    values = np.arange(300_000)
    values[[5, 1000, 299_000]] = [299_999, 3, 0]
    assert np.flatnonzero(out_of_order(values, strict=True)).tolist() == [5, 1000, 299_000]


def test_marked_rows_that_keep_together() -> None:
    groups = parts(pl.Series([n // 30 for n in range(600)]))
    together, apart = (pl.Series([n in rows for n in range(600)]) for rows in (range(60, 75), range(0, 600, 40)))
    nobody = np.zeros(600, dtype=bool)
    assert companions(together, [("a", groups, nobody), ("b", groups[::-1].copy(), nobody)]) == ["a", "b"]
    assert companions(apart, [("a", groups, nobody)]) == []
    assert companions(together, [("a", groups, together.to_numpy())]) == [], "rows that are left out do not count"
    assert companions(together.head(0), [("a", groups[:0], nobody[:0])]) == []
    assert companions(pl.Series(~nobody), [("a", groups, nobody)]) == [], "all rows"
    assert parts(pl.Series([None, 1.0, 1.0, None])).tolist() == [0, 1, 1, 0]
    assert set(parts(pl.Series(range(1000))).tolist()) == set(range(1, 21))
