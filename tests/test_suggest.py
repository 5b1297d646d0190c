"""qpipe profile --suggest: a spec that validates and runs, with rules that find what is wrong and answers that last."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest
import yaml
from commands import qpipe

from qpipe.core.component import Context
from qpipe.core.registry import Registry
from qpipe.profile.answers import choose, keep_answer, read_answers
from qpipe.profile.profile import profile
from qpipe.profile.rules import Suggestion, suggestions

DATA = Path(__file__).parent / "data" / "profile"


def suggested(path: Path) -> list[Suggestion]:
    cls = Registry().get("source", "file")
    found = profile({path.stem: cls(path=str(path))}, Context())  # type: ignore[call-arg,dict-item]
    return suggestions(found.tables[path.stem], found.profile.foreign_keys)


def rows(path: Path, header: str, lines: list[str]) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_what_tdda_finds_in_the_elements_is_suggested_too() -> None:
    truth = json.loads((DATA / "elements92.tdda").read_text())["fields"]
    found = suggested(DATA / "elements92.csv")

    def of(column: str, module: str) -> list[Suggestion]:
        return [s for s in found if s.columns == (column,) and s.module == module]

    for column, fact in truth.items():
        assert bool(of(column, "not_null")) == (fact.get("max_nulls") == 0), column
        kinds = [s.params["type"] for s in of(column, "type")]
        assert bool(kinds) == (fact["type"] != "string"), column
        if "min" in fact:
            for s in of(column, "between"):
                assert s.params["min"] <= fact["min"] or s.broken, column
        if "allowed_values" in fact:
            assert set(fact["allowed_values"]) == set(of(column, "one_of")[0].params["values"])
    assert {s.columns[0] for s in found if s.module == "unique"} <= {c for c, f in truth.items() if f.get("no_duplicates")}
    assert ("Z",) in {s.columns for s in found if s.module == "unique"}


def test_rules_learnt_on_one_file_find_what_is_new_in_another(tmp_path: Path) -> None:
    (tmp_path / "elements.csv").write_bytes((DATA / "elements92.csv").read_bytes())
    qpipe(tmp_path, "profile", "elements.csv", "--suggest", "--confidence", "0.8", "-o", "e.yaml")
    qpipe(tmp_path, "validate", "e.yaml", "--connect")
    qpipe(tmp_path, "run", "e.yaml", "--quiet")
    assert len((tmp_path / "out" / "quarantine.csv").read_text().splitlines()) <= 12
    (tmp_path / "elements.csv").write_bytes((DATA / "elements118.csv").read_bytes())
    qpipe(tmp_path, "run", "e.yaml", "--quiet")
    assert len((tmp_path / "out" / "quarantine.csv").read_text().splitlines()) >= 20


def test_rules_learnt_on_a_clean_file_find_slips_in_the_next(tmp_path: Path) -> None:
    chance = random.Random(9)
    towns = [f"{a}{b}" for a in ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Linden", "Maple", "Rowan") for b in ("ton", "bury",
             "field", "wick", "ford", "haven", "stead", "worth", "mouth")]  # fmt: skip
    kinds = ("Station Road", "Market Street", "Orchard Avenue")

    def feed(path: Path, *more: str) -> None:
        told = [f"{chance.choice(towns)},Shop {chance.randrange(1000, 9999)} {chance.choice(kinds)},{2011 + n % 6}-0{n % 9 + 1}"
                f"-10,{chance.choice('ABC')} {chance.choice(towns).upper()}" for n in range(900)]  # fmt: skip
        rows(path, "town,place,day,site", [*told, *more])

    feed(tmp_path / "t.csv")
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.8", "-o", "s.yaml")
    feed(tmp_path / "t.csv")
    qpipe(tmp_path, "run", "s.yaml", "--quiet")  # nothing to report of another good file
    slips = ["Aldertno,Shop 7007 Station Road,2012-01-10,A ELMTON", "Elmton,Shop 7007 Sttaion Road,2012-01-10,A ELMTON",
             "Elmton,Shop 7007 Station Road***,2012-01-10,A ELMTON", "Elmton,Shop 7007 Station Road,0212-01-10,A ELMTON",
             "Elmton,Shop 7007 Station Road,2012-01-10,A ELMtON"]  # fmt: skip
    feed(tmp_path / "t.csv", *slips)
    qpipe(tmp_path, "run", "s.yaml", "--quiet", "--fail-on", "never")
    kept = (tmp_path / "out" / "quarantine.csv").read_text().splitlines()[1:]
    assert [line for line in kept if not line.startswith(tuple(slips))] == []
    assert len(kept) == len(slips)


CASES = [
    # what is wrong, the lines of a good column, the wrong ones, the module that must find them
    ("misspelt", ["Louisville", "Lexington", "Frankfort"], ["Louisvlile", "Lexingtonn"], "one_of"),
    ("pattern", [f"{n}" for n in range(40000, 40100)], ["4o123", "401x"], "type"),
    ("shape", [f"A-{n}" for n in range(100, 200)], ["A_101", "B101x"], "matches"),
    ("unit", ["12.0 oz", "16 oz.", "12.0 ounce", "8 OZ"], [], "matches"),
    (
        "case",
        ["ELM STREET", "OAK LANE", "MAIN ROAD", "PARK AVENUE"] * 3 + [f"{c} HILL" for c in "ABCDEFGHIJ"],
        ["ELm STREET X"],
        None,
    ),
    ("far", [f"{n % 50 + 20}" for n in range(100)], ["5000", "-900"], "between"),
    ("nothing", [f"name {chr(97 + n % 26)}{chr(97 + n % 7)}" for n in range(60)], ["N/A", "-"], "one_of"),
]


def test_a_running_number_is_suggested_to_rise(tmp_path: Path) -> None:
    lines = [f"{n * 3 + 100},{n % 7}" for n in range(60)]
    lines[20], lines[41] = "103,1", "103,2"  # copied from the row above
    path = rows(tmp_path / "t.csv", "no,x", lines)
    found = suggested(path)
    rule = next(s for s in found if s.module == "ordered")
    assert (rule.columns, rule.broken, rule.params["direction"]) == (("no",), 2, "asc")
    assert not any(s.module in ("unique", "between") and s.columns == ("no",) for s in found), "it says more than they do"
    assert not any(
        s.module == "ordered" for s in suggested(rows(tmp_path / "u.csv", "n", [f"{n * 7919 % 61}" for n in range(60)]))
    )
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.9", "-o", "t.yaml")
    qpipe(tmp_path, "run", "t.yaml", "--quiet")
    bad = (tmp_path / "out" / "quarantine.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0:2] for line in bad] == [["103", "1"], ["103", "2"]]


def test_seven_rows_are_enough_for_numbers_that_rise_by_one(tmp_path: Path) -> None:
    years = [
        ("copied", [2012, 2012, 2012, 2014, 2015, 2016, 2017], [0, 2]),
        ("far", [2011, 2012, 2013, 2908, 2015, 2016, 1404], [3, 6]),
    ]
    for name, values, wrong in years:
        rows(tmp_path / f"{name}.csv", "year,sold", [f"{y}.0,{n}" for n, y in enumerate(values)])
        qpipe(tmp_path, "profile", f"{name}.csv", "--suggest", "--confidence", "0.8", "-o", f"{name}.yaml")
        qpipe(tmp_path, "run", f"{name}.yaml", "--quiet")
        assert pl.read_csv(tmp_path / "out" / "quarantine.csv")["_row"].to_list() == wrong
    other = suggested(rows(tmp_path / "any.csv", "n", ["5", "9", "12", "3", "40", "41", "77"]))
    assert "ordered" not in {s.module for s in other}


def test_numbers_in_texts_may_be_smaller_and_end_in_a_nought(tmp_path: Path) -> None:
    shares = [f"{n * 1.37 + 10:.2f}%" for n in range(60)] + ["5.43%", "0.94%"]
    places = [f"({35 + n / 997:.6f}, -{97 - n / 991:.{5 + n % 2}f})" for n in range(57)] + ["(35.513912, -97.4788)"]
    for name, cells in (("shares", shares), ("places", places)):
        found = [s for s in suggested(rows(tmp_path / f"{name}.csv", "x", [f'"{c}"' for c in cells])) if s.module == "matches"]
        assert [s.broken for s in found if not s.about] in ([], [0]), name


def test_codes_written_alike_again_and_again_are_meant(tmp_path: Path) -> None:
    codes = [f"{n % 40 + 10000}" for n in range(300)] + [f"{n % 20 + 10000}-{n % 10 + 100}" for n in range(100)]
    codes += ["WA1 1DP", "S-844 67", "1203-A", "Q 77"] * 7
    assert "matches" not in {s.module for s in suggested(rows(tmp_path / "codes.csv", "code", codes)) if not s.about}


def test_what_comes_twice_by_chance_was_not_copied(tmp_path: Path) -> None:
    drawn = [str(9_000_000 + n * 37 % 301) for n in range(300)] + [str(9_000_000 + n * 9) for n in range(12)]
    copied = [str(9_000_000 + n * 37 % 301) for n in range(300)] + ["9000007"] * 6
    found = {
        name: suggested(rows(tmp_path / f"{name}.csv", "track_id", v)) for name, v in (("drawn", drawn), ("copied", copied))
    }
    assert {n: [s.broken for s in f if s.module == "unique"] for n, f in found.items()} == {"drawn": [], "copied": [7]}


def test_nearly_all_numbers_have_one_unit(tmp_path: Path) -> None:
    lines = [f"{n % 12 + 1}PM" for n in range(70)] + ["5MP", "5PvM"]
    found = [s for s in suggested(rows(tmp_path / "t.csv", "x", lines)) if s.about in ("one unit", "number alone")]
    assert [(s.about, s.broken) for s in found] == [("one unit", 2)]


def test_long_numbers_are_hardly_ever_equal(tmp_path: Path) -> None:
    lines = [f"{n * 7907.5371 % 977:.6f},{n * 7919 % 97}" for n in range(90)]
    lines[50] = lines[51] = lines[3]
    found = [s for s in suggested(rows(tmp_path / "t.csv", "x,y", lines)) if s.module == "unique"]
    assert [(s.columns, s.broken) for s in found] == [(("x",), 3)]


@pytest.mark.parametrize(("what", "good", "bad", "module"), CASES, ids=[c[0] for c in CASES])
def test_errors_of_each_kind_are_found_in_dirty_data_alone(
    tmp_path: Path, what: str, good: list[str], bad: list[str], module: str
) -> None:
    lines = [*(good * (600 // len(good))), *bad]
    rows(tmp_path / "t.csv", "id,x", [f"{n},{value}" for n, value in enumerate(lines)])
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.7", "-o", "s.yaml")
    spec = (tmp_path / "s.yaml").read_text().replace("out/quarantine.csv", "out/quarantine.parquet")
    (tmp_path / "s.yaml").write_text(spec)
    qpipe(tmp_path, "run", "s.yaml", "--quiet", "--fail-on", "never")
    caught = pl.read_parquet(tmp_path / "out" / "quarantine.parquet")["x"].to_list()
    assert set(bad) <= set(caught)
    assert set(caught) - set(bad) == (set(good) if what == "unit" else set())
    if module:
        assert f"{module}:" in spec or module == "type"


def test_a_dependency_is_suggested_with_its_violations(tmp_path: Path) -> None:
    lines = [f"{n},{n % 40},city {chr(97 + n % 40 % 26)}{n % 40 % 7}" for n in range(800)]
    lines[13] = "13,13,nowhere"
    found = suggested(rows(tmp_path / "t.csv", "id,zip,city", lines))
    rule = next(s for s in found if s.module == "depends_on" and s.columns == ("zip", "city"))
    assert rule.broken == 1 and "nowhere" in rule.reason and rule.confidence > 0.8


def test_a_foreign_key_makes_the_other_table_a_reference(tmp_path: Path) -> None:
    rows(tmp_path / "customers.csv", "id,name", [f"{n},name {n}" for n in range(100, 150)])
    rows(tmp_path / "orders.csv", "order_id,customer_id", [f"{n},{n % 50 + 100 if n != 9 else 999}" for n in range(300)])
    qpipe(tmp_path, "profile", "customers.csv", "orders.csv", "--suggest", "--confidence", "0.7", "-o", "s.yaml")
    spec = yaml.safe_load((tmp_path / "s.yaml").read_text())
    assert spec["sources"]["customers"]["role"] == "reference"
    rule = next(m["foreign_key"] for m in spec["modules"] if "foreign_key" in m)
    assert (rule["columns"], rule["references"]) == (["customer_id"], "customers.id")
    qpipe(tmp_path, "run", "s.yaml", "--quiet", "--fail-on", "never")
    assert "999" in (tmp_path / "out" / "quarantine.csv").read_text()


def test_awkward_names_and_values_still_make_a_valid_spec(tmp_path: Path) -> None:
    header = '"no(long)","yes","a: b","{x}","${y}","naïve "'
    rows(
        tmp_path / "1 odd name.csv", header, [f'{n},"it\'s #{n % 3}",[{n % 2}],{{}},${{z{n % 3}}},é{n % 2}' for n in range(100)]
    )
    qpipe(tmp_path, "profile", "1 odd name.csv", "--suggest", "--confidence", "0", "-o", "s.yaml")
    qpipe(tmp_path, "validate", "s.yaml", "--connect")


def test_a_number_too_long_to_be_meant_still_makes_a_valid_spec(tmp_path: Path) -> None:
    rows(tmp_path / "seats.csv", "seats", [str(n % 90) for n in range(200)] + ["7e39"])
    qpipe(tmp_path, "profile", "seats.csv", "--suggest", "--confidence", "0", "-o", "s.yaml")
    qpipe(tmp_path, "validate", "s.yaml")


def test_a_spec_is_not_written_over_unless_asked(tmp_path: Path) -> None:
    rows(tmp_path / "t.csv", "a", ["1", "2"])
    (tmp_path / "s.yaml").write_text("mine")
    assert "exists already" in qpipe(tmp_path, "profile", "t.csv", "--suggest", "-o", "s.yaml", code=73).stderr
    assert (tmp_path / "s.yaml").read_text() == "mine"


def test_answers_last_and_are_not_asked_again(tmp_path: Path) -> None:
    rules = [Suggestion("t", "not_null", {"column": c}, (c,), "why", 10, 0, 0.5) for c in "abc"]
    path, asked = tmp_path / "s.suggestions.yaml", []

    def ask(rule: Suggestion):  # type: ignore[no-untyped-def]
        asked.append(rule.columns[0])
        answer = {"a": "accept", "b": "reject", "c": None}[rule.columns[0]]
        if answer:
            keep_answer(path, rule, answer)  # type: ignore[arg-type]
        return answer

    assert [s.columns for s in choose(rules, read_answers(path), 0.9, ask)] == [("a",)]
    assert [s.columns for s in choose(rules, read_answers(path), 0.9, ask)] == [("a",)]
    assert asked == ["a", "b", "c", "c"]
    assert [s.columns[0] for s in choose(rules, read_answers(path), 0.4, None)] == ["a", "c"]  # b was rejected
    assert read_answers(path) == {"t: not_null(a)": "accept", "t: not_null(b)": "reject"}


def test_numbers_that_are_one_nearly_everywhere(tmp_path: Path) -> None:
    years = ["2020"] * 40 + ["1891", "1963", "2524", "2058", "1031"]
    fees = ["0"] * 40 + ["1.5", "2.25", "7", "3", "12"]  # nothing, and what is not nothing
    path = rows(tmp_path / "t.csv", "year,fee,same,none", [f"{y},{f},7,0" for y, f in zip(years, fees, strict=True)])
    allowed = {s.columns[0]: (s.params["values"], s.broken) for s in suggested(path) if s.module == "one_of"}
    assert allowed == {"year": ([2020], 5), "same": ([7], 0)}


def test_a_few_texts_among_numbers_still_make_a_valid_spec(tmp_path: Path) -> None:
    ids, prices = [str(n) for n in range(100, 200)], ["0.99"] * 95  # one number alone
    marked = ["$6", "$6", "6 USD", "~6", "#6"]
    shares = [f"{n % 7}.25" if n % 25 else "NaN" for n in range(100)]
    lines = [f"{a},{b},{c}" for a, b, c in zip(ids[:95] + marked, prices + marked, shares, strict=True)]
    rows(tmp_path / "t.csv", "id,price,share", lines)
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.8", "-o", "s.yaml")
    qpipe(tmp_path, "run", "s.yaml", "--quiet", "--fail-on", "never")
    bad = pl.read_csv(tmp_path / "out" / "quarantine.csv")["_row"].to_list()
    assert bad == [0, 25, 50, 75, *range(95, 100)], "NaN, and what is no number"


def test_exceptions_that_go_with_other_columns_are_meant(tmp_path: Path) -> None:
    """A film costs more, which goes with its kind and its place in the file. Slips fall anywhere."""
    chance = random.Random(2)
    film = [100 <= n < 120 for n in range(300)]
    slip = set(chance.sample(range(300), 20))
    lines = [
        f"{n},{'film' if f else chance.choice(['song', 'talk'])},{1.99 if f else 0.99},{1.99 if n in slip else 0.99}"
        for n, f in enumerate(film)
    ]
    found = suggested(rows(tmp_path / "t.csv", "id,kind,price,price_typed", lines))
    sure = {s.columns[0]: s for s in found if s.broken == 20 and s.module in ("one_of", "between")}
    assert sure["price"].confidence < 0.8 <= sure["price_typed"].confidence
    assert "go with" in sure["price"].reason


def test_a_word_that_is_most_of_a_column_is_how_the_file_writes_null(tmp_path: Path) -> None:
    lines = [f"{n},{2000 + n % 9 if n % 20 else 'NA'},{100 + n if n % 10 == 1 else 'NA'}" for n in range(100)]
    rows(tmp_path / "t.csv", "id,year,speed", lines)
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.8", "-o", "s.yaml")
    spec = yaml.safe_load((tmp_path / "s.yaml").read_text())
    assert spec["sources"]["t"]["nulls"] == ["NA"]
    assert spec["sources"]["t"]["schema"]["speed"] == "int"
    qpipe(tmp_path, "run", "s.yaml", "--quiet")
    assert not (tmp_path / "out" / "quarantine.csv").exists() or not pl.read_csv(tmp_path / "out" / "quarantine.csv").height


def test_numbers_with_a_long_tail_of_decimals_among_short_ones(tmp_path: Path) -> None:
    short = [f"{20 + n % 9}.{n % 10}" for n in range(40)]
    mixed = short[:32] + [f"{20 + n / 7}" for n in range(1, 9) if n != 7]
    even = [f"{n / 7}" for n in range(1, 40)]
    lines = [f"{a},{b},{c}" for a, b, c in zip(short, mixed, even, strict=False)]
    found = [s for s in suggested(rows(tmp_path / "t.csv", "short,mixed,even", lines)) if s.module == "precision"]
    assert [(s.columns, s.params["max_decimals"], s.broken) for s in found] == [(("mixed",), 1, 7)]


def test_what_many_rows_have_is_no_slip(tmp_path: Path) -> None:
    """Another form of code, a long tail, rain on some days: nothing that is taken unasked."""
    chance = random.Random(4)
    codes = [f"{chr(65 + n % 26)}{chr(65 + n // 26 % 26)}{chr(65 + n % 7)}" for n in range(1100)]
    codes[::36] = [f"{n % 90 + 10}{chr(65 + n % 26)}" for n in range(len(codes[::36]))]
    codes[7::36] = [f"{n % 9}{chr(65 + n % 26)}{n % 7}" for n in range(len(codes[7::36]))]
    codes[9::36] = [f"{chr(65 + n % 26)}{n % 90 + 10}" for n in range(len(codes[9::36]))]
    rain = [round(chance.random(), 2) if n % 14 == 0 else 0 for n in range(1100)]
    height = [round(chance.lognormvariate(5, 1.6)) for _ in range(1100)]
    lines = [f"{code},{wet},{high}" for code, wet, high in zip(codes, rain, height, strict=True)]
    found = suggested(rows(tmp_path / "t.csv", "code,rain,height", lines))
    unsure = [s for s in found if s.broken > 0.03 * len(lines)]
    assert {s.columns for s in unsure} >= {("code",), ("rain",)}, "they are told, for a person to judge"
    assert all(s.confidence < 0.8 for s in unsure), [(s.module, s.columns, s.broken, s.confidence) for s in unsure]


PLACES = [f"{n} {street} {kind}" for n in range(1, 60) for street, kind in (("Forest", "Avenue"), ("Station", "Street"))]
SLIPS = [
    # values of a column                                          rule and column         what it finds, and not
    ([*["PA"] * 90, *["P"] * 6, *["AP"] * 5, "PPA"], "one_of", ["P", "AP", "PPA"]),
    ([*["JAN", "FEB", "MAR", "APR"] * 25, "JN", "FBE", "APR"], "one_of", ["JN", "FBE"]),
    ([*["2/28/2017"] * 90, "2/2/2017", "2/28/0217", "/228/2017", "2/8/2017"], "one_of", ["2/2/2017", "2/28/0217"]),
    ([*PLACES, "7 Forest Avneue", "9 Sttion Street", "9 Station Streetx"], "matches", ["7 Forest Avneue", "9 Sttion Street"]),
    ([f"2026/0{n % 9 + 1}/1{n % 9} 04:00:00" for n in range(90)] + ["2026/1/12 04:00:00", "206/01/12 04:00:00"], "matches",
     ["2026/1/12 04:00:00", "206/01/12 04:00:00"]),
]  # fmt: skip


@pytest.mark.parametrize("cells, module, wrong", SLIPS, ids=lambda value: None)
def test_slips_are_found_in_the_dirty_file_alone(cells: list[str], module: str, wrong: list[str], tmp_path: Path) -> None:
    rows(tmp_path / "t.csv", "n,x", [f"{n},{cell}" for n, cell in enumerate(cells)])
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.8", "-o", "s.yaml")
    qpipe(tmp_path, "run", "s.yaml", "--quiet", "--fail-on", "never")
    kept = (tmp_path / "out" / "quarantine.csv").read_text()
    found = {line.split(",")[1] for line in kept.splitlines()[1:]}
    assert set(wrong) <= found, kept
    assert len(found) <= len(wrong) + 2, kept
    assert f"{module}-x" in kept


def test_what_ran_together_and_what_was_copied(tmp_path: Path) -> None:
    cities = [("Austin", "TX"), ("Boston", "MA"), ("Denver", "CO"), ("Salem", "OR")]
    lines = [f"{cities[n % 4][0]},{cities[n % 4][1]},{7_000_000 + 37 * (n * 77 % 100)},{2000 + n % 20}" for n in range(100)]
    lines[10:15] = [f"{city} {state},,{8_000_000 + n},2001" for n, (city, state) in enumerate([*cities, cities[0]])]
    lines[20:23] = [f"Austin,TX,7000000,{year}" for year in (2003, 20, 2005)]
    found = {(s.module, s.columns, s.about): s for s in suggested(rows(tmp_path / "t.csv", "city,state,number,year", lines))}
    assert found["not_null", ("state",), "run together"].broken == 5
    assert found["matches", ("city",), "run together"].broken == 5
    assert found["unique", ("number",), ""].broken == 4  # all rows of the one value
    assert found["between", ("year",), "by name"].broken == 1


def test_where_sources_disagree_most_are_right(tmp_path: Path) -> None:
    chance = random.Random(3)
    lines = []
    for flight in range(40):
        leaves, lands = f"{chance.randint(1, 12)}:{chance.randint(10, 59)}", f"{chance.randint(1, 12)}:{chance.randint(10, 59)}"
        for source in range(9):
            off = f"{chance.randint(1, 12)}:{chance.randint(10, 59)}" if chance.random() < 0.35 else leaves
            lines.append(f"F{flight},s{source},{off},{'' if source == flight % 9 else lands}")
    found = {(s.module, s.columns): s for s in suggested(rows(tmp_path / "t.csv", "flight,source,leaves,lands", lines))}
    assert found["depends_on", ("flight", "leaves")].confidence >= 0.8
    assert found["not_null", ("lands",)].broken == 40
    assert ("depends_on", ("source", "leaves")) not in found


def test_no_value_of_a_person_is_written_into_a_spec(tmp_path: Path) -> None:
    chance = random.Random(3)
    named = [
        f"{first} {last}" for first in ("Ada", "Bruno", "Clara", "Dario", "Elio") for last in ("Rossini", "Verdini", "Luccini")
    ]
    people = [(name, name.lower().replace(" ", ".") + "@firm.example") for name in named]
    told = []
    for n in range(240):
        name, mail = people[n % 15]
        manager = people[n % 4][0] if n % 80 else people[n % 4][0][:-1]
        phone = f"+39 06 55501{n % 15:02}"
        street = f"{n % 15 + 1} Via Garibaldi"
        told.append(
            f"{n + 1},{name},{mail if n % 60 else mail.replace('@', ' at ')},{phone},{street},{manager},{chance.choice('xyz')}"
        )
    rows(tmp_path / "staff.csv", "id,name,email,phone,address,manager,site", told)
    done = qpipe(tmp_path, "profile", "staff.csv", "--suggest", "--confidence", "0", "-o", "staff.yaml")
    spec = (tmp_path / "staff.yaml").read_text()
    assert not [
        word for word in ("Ross", "Verd", "Luccin", "Ada", "Bruno", "firm.ex", "555", "Garib") if word in spec + done.stderr
    ]
    assert not [word for word in ("Ross", "Ada", "555", "Garib") if word in qpipe(tmp_path, "profile", "staff.csv").stdout]
    wanted = {("name", "matches"), ("email", "format_is"), ("phone", "matches"), ("manager", "detect_typos")}
    made = yaml.safe_load(spec)
    held = {(v.get("column") or v["columns"][0], m) for entry in made["modules"] for m, v in entry.items() if m != "depends_on"}
    assert held >= wanted
    assert all(made["sources"]["staff"]["schema"][c]["pii"] for c in ("name", "email", "phone", "address", "manager"))
    qpipe(tmp_path, "run", "staff.yaml", "--quiet", "--fail-on", "never")
    failed = pl.read_csv(tmp_path / "out" / "quarantine.csv", infer_schema=False)
    assert failed.filter(~pl.col("email").str.contains("@")).height == 4
    assert failed.filter(~pl.col("manager").str.contains("ini$")).height == 3


def test_two_that_share_a_group_are_no_exceptions_to_it(tmp_path: Path) -> None:
    told = [f"{n},city {n % 40},customer {n % 40 if n % 40 > 4 or n % 80 < 40 else n % 40 + 100}" for n in range(480)]
    found = suggested(rows(tmp_path / "invoices.csv", "id,city,customer", told))
    sure = {s.columns: s.confidence for s in found if s.module == "depends_on"}
    assert sure[("customer", "city")] > 0.8 > sure[("city", "customer")], "five cities have two customers, six invoices each"


def test_exceptions_that_go_with_another_column_make_it_part_of_the_rule(tmp_path: Path) -> None:
    chance = random.Random(4)
    told = []
    for n in range(900):
        measure, state = n % 18, "north" if n % 45 else "south"
        slip = "x" if n in (100, 401) else ""
        told.append(
            f"m{measure},{state},{measure * 3 + 1 if state == 'north' else measure * 5 + 2}{slip} points,{chance.random():.4f}"
        )
    found = suggested(rows(tmp_path / "measures.csv", "measure,state,average,value", told))
    rule = next(s for s in found if s.module == "depends_on" and s.columns[0] == "measure" and s.columns[-1] == "average")
    assert rule.params["determinant"] == ["measure", "state"] and rule.broken == 2 and rule.confidence > 0.8
    assert "without state not" in rule.reason


def test_codes_of_another_length_that_many_have_break_no_rule(tmp_path: Path) -> None:
    chance = random.Random(5)

    def tail() -> str:
        (digits,) = chance.choices((3, 5, 4, 2), (70, 20, 3, 3))
        letters = "".join(chance.choice("ABCDEFGH") for _ in range({3: 2, 4: 1, 2: 2}.get(digits, 0)))
        return f"N{chance.randrange(10 ** (digits - 1), 10**digits)}{letters}"

    found = suggested(rows(tmp_path / "planes.csv", "code,n", [f"{tail()},{n}" for n in range(1200)]))
    rules = [s for s in found if s.module == "matches" and s.columns == ("code",) and s.broken]
    assert len(rules) == 1 and rules[0].broken > 50
    assert rules[0].confidence < 0.8


def test_what_a_steward_would_not_want_to_read(tmp_path: Path) -> None:
    chance = random.Random(8)
    told = []
    for n in range(600):
        heat = "-999" if n % 60 == 7 else f"{20 + 5 * chance.random():.2f}"
        born = f"19{60 + chance.randrange(40)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        town = "MÜNCHEN" if n in (5, 50, 500) else ("München", "Köln", "Genève")[n % 3]
        money = "€" if n in (9, 99, 199) else ("EUR", "CHF")[n % 2]
        text = f"Zürich {n}" if n not in (30, 300) else f"ZÃ¼rich {n}"
        number = f"RE-{n if n % 100 else n + 1:04}"
        told.append(f"{number},{heat},{born},{town},{money},{text}")
    path = rows(tmp_path / "sheet.csv", "Rechnungsnr,heat,day,Größe,currency,text", told)
    found = {(s.module, s.columns[0], s.about): s for s in suggested(path) if s.confidence >= 0.8}
    limits = found["between", "heat", ""]
    assert limits.params["min"] > 0 and limits.broken == 10, "what stands for nothing is no limit"
    assert ("one_of", "heat", "not -999") in found
    assert ("unique", "day", "") not in found, "days are shared"
    assert found["one_of", "Größe", ""].params["values"] == ["Genève", "Köln", "München"]
    assert found["one_of", "currency", ""].params["values"] == ["CHF", "EUR"]
    assert found["matches", "text", "odd writing"].broken == 2
    assert ("unique", "Rechnungsnr", "") in found
    assert all(not s.reason.endswith(": ") for s in found.values())
    qpipe(tmp_path, "profile", "sheet.csv", "--suggest", "-o", "sheet.yaml")
    assert "one_of-Grosse" in (tmp_path / "sheet.yaml").read_text()


def test_rules_between_columns_of_a_row(tmp_path: Path) -> None:
    chance = random.Random(10)

    def local(number: float) -> str:
        return '"' + f"{number:,.2f}".translate(str.maketrans(",.", ".,")) + '"'

    told = []
    for n in range(400):
        first, net = 1 + chance.randrange(28), chance.randint(500, 90_000) / 100
        begun, ended = f"2024-{n % 12 + 1:02}-{first:02}", f"2024-{n % 12 + 1:02}-{min(28, first + chance.randrange(9)):02}"
        begun, ended = (ended, "2023-12-31") if n == 77 else (begun, ended)
        tax = round(net * (0.07, 0.19)[n % 2], 2)
        low = chance.randrange(50)
        total = net + tax + (3 if n == 99 else 0)
        told.append(f"{begun},{ended},{net},{tax},{total:.2f},{local(net * 3)},{low},{low + chance.randrange(9)},"
                    f"{chance.randrange(100)}")  # fmt: skip
    path = rows(tmp_path / "t.csv", "begun,ended,net,tax,end,amount,min_age,max_age,other", told)
    found = {(s.module, s.columns): s for s in suggested(path)}
    assert {s: found[s].broken for s in found if s[0] in ("compare_columns", "columns_sum_to", "parse_number")} == {
        ("compare_columns", ("ended", "begun")): 1, ("compare_columns", ("max_age", "min_age")): 0,
        ("columns_sum_to", ("net", "tax", "end")): 1, ("parse_number", ("amount",)): 0,
    }  # fmt: skip
    assert not [s for s in found if s == ("matches", ("amount",))], "what is read as a number is written like one"
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.9", "-o", "s.yaml")
    qpipe(tmp_path, "run", "s.yaml", "--quiet", "--fail-on", "never")
    kept = pl.read_csv(tmp_path / "out" / "quarantine.csv", infer_schema=False)
    assert sorted(kept["_row"].cast(pl.Int64).to_list()) == [77, 99]
    assert pl.read_parquet(tmp_path / "out" / "t.parquet")["amount"].dtype == pl.Decimal(18, 2)


NUMBERS = [
    (["1.234,50", "12,00", "7,25", "-3.000,00"], {"locale": "de", "type": "decimal(18,2)"}),
    (["1,234.50", "12.00", "7.25", "1,000,000.00"], {"locale": "en", "type": "decimal(18,2)"}),
    (["1'234.50", "12.00", "7.25"], {"locale": "ch", "type": "decimal(18,2)"}),
    (["1 234,50 €", "12,00 €", "7,25 €"], {"locale": "fr", "currency": True, "type": "decimal(18,2)"}),
    (["1,234", "12,345", "7,250"], None),  # thousands, or three decimals?
    (["$12.50", "$7.25", "$3.10"], None),  # no mark but the point
    (["A1,5", "B2,5", "C3,5"], None),
]


@pytest.mark.parametrize(("texts", "wanted"), NUMBERS, ids=lambda v: str(v)[:24])
def test_numbers_of_other_countries(texts: list[str], wanted: dict[str, object] | None, tmp_path: Path) -> None:
    lines = [f'{n},"{texts[n % len(texts)].replace("25", str(25 + n // 9))}"' for n in range(60)]
    found = [s for s in suggested(rows(tmp_path / "t.csv", "n,x", lines)) if s.module == "parse_number"]
    assert [{k: v for k, v in s.params.items() if k != "column"} for s in found] == ([wanted] if wanted else [])


def test_columns_that_tell_each_other_are_a_class_of_which_one_speaks(tmp_path: Path) -> None:
    places = [("DE", "Germany", "DEU", "EUR"), ("CH", "Switzerland", "CHE", "CHF"), ("GB", "Britain", "GBR", "GBP"),
              ("US", "America", "USA", "USD")]  # fmt: skip
    lines = [f"{n}," + ",".join(places[n * n % 7 % 4]) + f",{'north' if n * n % 7 % 4 < 2 else 'south'}" for n in range(300)]
    rows(tmp_path / "t.csv", "id,code,name,iso3,money,part", lines)
    told = [s.columns for s in suggested(tmp_path / "t.csv") if s.module == "depends_on"]
    assert len(told) == 5, "each of four is told, and what they tell besides"
    assert {c[-1] for c in told} == {"code", "name", "iso3", "money", "part"}
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.9", "-o", "s.yaml")
    wrong = ["900,CH,Germany,DEU,EUR,north", "901,DE,Germany,USA,EUR,north", "902,DE,Germany,DEU,EUR,south"]
    rows(tmp_path / "t.csv", "id,code,name,iso3,money,part", [*lines, *wrong])
    qpipe(tmp_path, "run", "s.yaml", "--quiet", "--fail-on", "never")
    kept = pl.read_csv(tmp_path / "out" / "quarantine.csv", infer_schema=False)
    assert kept.filter(pl.col("_reasons").str.contains("depends_on"))["id"].to_list() == ["900", "901", "902"]


def test_similar_surnames_are_two_persons(tmp_path: Path) -> None:
    names = ["Hansen"] * 40 + ["Hanson"] * 3 + ["Meier"] * 30 + ["Meyer"] * 2 + ["Schmidt"] * 25 + ["Schmitt"]
    path = rows(tmp_path / "t.csv", "id,surname", [f"{n},{name}" for n, name in enumerate(names)])
    assert [s.confidence for s in suggested(path) if s.module == "detect_typos"] == [0.5]
    assert "misspelt" not in qpipe(tmp_path, "profile", "t.csv").stdout


def test_a_format_that_many_values_do_not_have_is_not_sure(tmp_path: Path) -> None:
    def mails(*odd: str) -> Path:
        return rows(tmp_path / "t.csv", "n,mail", [f"{n},{m}" for n, m in enumerate([f"a{n}@b.example" for n in range(60)])]
                    + [f"{n},{m}" for n, m in enumerate(odd)])  # fmt: skip

    (slip,) = (s for s in suggested(mails("a b@b.example", "ab.example")) if s.module == "format_is")
    (meant,) = (s for s in suggested(mails(*(f"m\u00fcller{n}@b.example" for n in range(9)))) if s.module == "format_is")
    assert (slip.broken, slip.confidence) == (2, 0.9)
    assert meant.broken == 9 and meant.confidence < 0.8
