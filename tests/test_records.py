"""Records: duplicates merged, values looked up and brought together, records linked; laws and tables of cases."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from commands import qpipe
from hypothesis import given, settings
from hypothesis import strategies as st

from qpipe.core.batch import ROW
from qpipe.core.component import REJECTED, Context, Module
from qpipe.core.errors import DataRefused
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


def problems(module: Module, **types: str) -> list[str]:
    known = {name: DataType.parse(word) for name, word in types.items()}
    return [message for _, message in module.problems(known)]


# ── deduplicate ───────────────────────────────────────────────────────────────────────────────────────────────────────

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


# ── lookup: as of, range, fuzzy ───────────────────────────────────────────────────────────────────────────────────────

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


# ── cluster_values ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("methods, values, becomes, doubtful", [
    (["fingerprint"], ["A B", "A B", "b, a"], ["A B", "A B", "A B"], {}),
    (["fingerprint"], ["a b", "B A"], ["a b", "a b"], {}),  # as frequent: the first stands
    (["fingerprint"], ["A B", "A BB", "", None, " "], ["A B", "A BB", "", None, " "], {}),
    (["ngram"], ["Haupt strasse", "Hauptstrasse", "Hauptstrasse"], ["Hauptstrasse"] * 3, {}),
    (["phonetic"], ["Smith", "Smith", "Smyth"], ["Smith", "Smith", "Smyth"], {"Smyth": ["Smith"]}),
    (["distance"], ["Main St 10"] * 3 + ["Main St 11"], ["Main St 10"] * 3 + ["Main St 11"], {}),  # another number
    (["distance"], ["Hamburg"] * 3 + ["Hambrug"], ["Hamburg"] * 3 + ["Hambrug"], {"Hambrug": ["Hamburg"]}),
    (["distance"], ["Hamburg Altona"] * 12 + ["Hamburg Altonna"], ["Hamburg Altona"] * 13, {}),
    (["fingerprint", "distance"], ["Hamburg"] * 4 + ["hamburg", "Hambrug"], ["Hamburg"] * 5 + ["Hambrug"],
     {"Hambrug": ["Hamburg"]}),
])  # fmt: skip
def test_clusters(methods: list[str], values: list[Any], becomes: list[Any], doubtful: dict[str, list[str]]) -> None:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.String)})
    seen = run(made("cluster_values", column="x", methods=methods), frame)
    assert (seen.frame["x"].to_list(), dict(seen.asks)) == (becomes, doubtful)
    assert run(made("cluster_values", column="x", methods=methods, unsure="keep"), frame).asks == {}
    strict = run(made("cluster_values", column="x", methods=methods, unsure="quarantine"), frame)
    assert [values[row] for row in strict.failed] == list(doubtful)


@pytest.mark.parametrize("said, becomes, failed", [
    ("Hamburg", "Hamburg", False), ("Hambrug", "Hambrug", False), ("Bremen", "Bremen", False), ("", None, False),
    (REJECTED, None, True),
])  # fmt: skip
def test_what_a_person_says_of_a_spelling_counts(said: str, becomes: str | None, failed: bool) -> None:
    frame = pl.DataFrame({"x": ["Hamburg"] * 3 + ["Hambrug"]})
    seen = run(made("cluster_values", column="x"), frame, answers={("cluster_values", "Hambrug"): said})
    assert (seen.frame["x"][3], bool(seen.failed), dict(seen.asks)) == (becomes, failed, {})


def test_a_run_asks_about_a_spelling_once_and_remembers(tmp_path: Path) -> None:
    rows = ["Hamburg"] * 3 + ["Hambrug", "hamburg", "Bonn"]
    (tmp_path / "in.csv").write_text("n,city\n" + "".join(f"{n},{city}\n" for n, city in enumerate(rows)))
    (tmp_path / "spec.yaml").write_text(
        "sources: {in: {path: in.csv}}\nsettings: {batch_size: 2}\n"
        "modules:\n  - cluster_values: city\n  - one_of: {column: city, values: [Hamburg, Bonn]}\n"
        "outputs: {clean: {path: out.csv}}\n"
    )
    qpipe(tmp_path, "run", "spec.yaml", "--no-ask", code=75)
    assert "Hambrug" in qpipe(tmp_path, "decisions").stdout
    qpipe(tmp_path, "decide", "cluster_values", "Hamburg", "--all", "--remember")
    qpipe(tmp_path, "resume", "latest")
    wanted = ["Hamburg"] * 5 + ["Bonn"]
    assert pl.read_csv(tmp_path / "out.csv").sort("n")["city"].to_list() == wanted
    (tmp_path / "out.csv").unlink()
    qpipe(tmp_path, "run", "spec.yaml", "--no-ask")  # the answer is remembered
    assert pl.read_csv(tmp_path / "out.csv").sort("n")["city"].to_list() == wanted


# ── link_records ──────────────────────────────────────────────────────────────────────────────────────────────────────

FIRST = ["anna", "bert", "carla", "david", "emma", "felix", "greta", "hans", "ida", "jonas", "klara", "lukas", "maria", "nils",
         "olga", "peter", "rosa", "stefan", "tina", "ulrich"]  # fmt: skip
LAST = ["ackermann", "bauer", "claasen", "dietrich", "ebert", "fischer", "graf", "hofmann", "iversen", "jansen", "kaiser",
        "lorenz", "maier", "neumann", "otto"]  # fmt: skip
CITIES = ["bonn", "kiel", "jena", "ulm", "trier", "hamm", "gera", "celle"]


def persons(count: int, seed: int = 1) -> tuple[pl.DataFrame, list[int]]:
    """People, a third of them twice, the second time with slips of the pen; and who each row is."""
    chance = random.Random(seed)
    rows: list[list[Any]] = []
    who = []
    for person in range(count):
        cells = [chance.choice(FIRST), chance.choice(LAST), f"{chance.randint(1930, 2005)}-{chance.randint(1, 12):02}-"
                 f"{chance.randint(1, 28):02}", chance.choice(CITIES)]  # fmt: skip
        rows.append(cells)
        who.append(person)
        if person % 3 == 0:
            slip = list(cells)
            at = chance.randrange(3)
            cut = chance.randrange(1, len(slip[at]))
            slip[at] = slip[at][: cut - 1] + slip[at][cut:]
            if chance.random() < 0.3:
                slip[0], slip[1] = slip[1], slip[0]
            rows.append([None if at != 3 and chance.random() < 0.2 else slip[0], *slip[1:]])
            who.append(person)
    frame = pl.DataFrame(rows, schema=["first", "last", "born", "city"], orient="row").with_row_index("n")
    order = frame["n"].shuffle(seed)
    return frame[order].with_row_index("id").drop("n"), [who[n] for n in order]


def paired(ids: list[Any]) -> set[tuple[int, int]]:
    places: dict[Any, list[int]] = {}
    for at, id in enumerate(ids):
        places.setdefault(id, []).append(at)
    return {(a, b) for found in places.values() for a in found for b in found if a < b}


def test_people_are_found_again() -> None:
    frame, who = persons(900)
    seen = run(made("link_records", key="id", unsure="keep"), frame).frame
    found, truth = paired(seen["entity_id"].to_list()), paired(who)
    assert len(found & truth) / len(found) > 0.99 and len(found & truth) / len(truth) > 0.75
    assert seen.drop(ROW, "entity_id", "match_probability", "match_doubt").equals(frame)
    alone = seen.filter(pl.col("match_probability").is_null())
    assert alone["entity_id"].n_unique() == alone.height, "who is alone has an id of their own"


def test_ids_are_the_same_in_another_order_of_columns_and_batches() -> None:
    frame, _ = persons(200)
    one = run(made("link_records", compare=["first", "last", "born"], unsure="keep"), frame)
    two = run(made("link_records", compare=["first", "last", "born"], unsure="keep"), frame, 7)
    assert one.frame.equals(two.frame)


def test_rows_are_linked_to_a_reference() -> None:
    frame, who = persons(600)
    known = frame.with_columns(who=pl.Series(who)).unique("who", keep="first", maintain_order=True)
    table = known.select(pl.format("P{}", "who").alias("pid"), name="first", family="last", day="born", town="city")
    compare = {"first": "name", "last": "family", "born": "day", "city": "town"}
    module = made("link_records", **{"from": "t", "compare": compare, "key": "pid", "into": "pid", "unsure": "keep"})
    seen = run(module, frame, 100, tables={"t": table}).frame
    right = [got == f"P{person}" for got, person in zip(seen["pid"], who, strict=True)]
    wrong = [got for got, good in zip(seen["pid"], right, strict=True) if got is not None and not good]
    assert sum(right) / len(right) > 0.95 and len(wrong) / len(right) < 0.01
    assert seen.filter(pl.col("pid").is_null())["match_probability"].null_count() == seen["pid"].null_count()


def test_doubtful_pairs_are_asked_and_the_answers_count() -> None:
    frame, _ = persons(300, seed=4)
    values: dict[str, Any] = {"key": "id", "accept": 0.9999, "reject": 0.02}
    before = run(made("link_records", **values), frame)
    assert before.asks and set(map(tuple, before.asks.values())) == {("same", "different")}
    answers = {("link_records", text): "same" if n % 2 else "different" for n, text in enumerate(before.asks)}
    after = run(made("link_records", **values), frame, answers=answers)
    assert (dict(after.asks), after.frame["match_doubt"].null_count()) == ({}, frame.height)
    old = before.frame["entity_id"].n_unique()
    joined = sum(said == "same" for said in answers.values())
    assert after.frame["entity_id"].n_unique() == old - joined
    strict = run(made("link_records", **values, unsure="quarantine"), frame)
    assert len(strict.failed) == before.frame["match_doubt"].count()


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_or_equal_or_empty_rows_are_no_trouble(rows: int) -> None:
    frame = pl.DataFrame({"a": ["x"] * rows, "b": [None] * rows}, schema={"a": pl.String, "b": pl.String})
    assert run(made("link_records"), frame).frame.height == rows


@pytest.mark.parametrize("values, said", [
    ({"accept": 0.3, "reject": 0.4}, "is more than accept"),
    ({"compare": {"a": "b"}}, "is for a reference"),
    ({"from": "t"}, "name the column of the reference"),
    ({"into": "a"}, "a column 'a' already"),
    ({"where": "a = 'x'"}, "for all rows"),
])  # fmt: skip
def test_a_linkage_that_cannot_be(values: dict[str, Any], said: str) -> None:
    assert any(said in told for told in problems(made("link_records", **values), a="string", b="string"))
