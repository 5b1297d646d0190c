"""link_records: rows that mean the same thing, within one source and to a reference."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest
from one_module import made, problems, run

from qpipe.core.batch import ROW

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


def test_streets_that_are_counted_in_words_are_those_counted_in_digits() -> None:
    from qpipe.analysis.linkage import link

    names = [f"{a} {b}" for a in ("blue", "old", "green", "little", "royal") for b in ("mill", "anchor", "lantern", "harvest")]
    streets = [f"{n * 7 + 100} {('3rd', '5th', '9th')[n % 3]} ave" for n in range(20)]
    words = [s.replace("3rd", "Third").replace("5th", "Fifth").replace("9th", "Ninth") for s in streets]
    in_digits, in_words = (pl.DataFrame({"name": names * 2, "street": streets + again}) for again in (streets, words))
    assert link(in_words).probability.tolist() == link(in_digits).probability.tolist()
