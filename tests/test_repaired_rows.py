"""Rows that are read as meant only where nothing else could be meant; what could be two things goes to quarantine."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Project

SPEC = """
    sources: {s: {path: s.csv}}
    outputs: {clean: {path: out/clean.csv}, quarantine: {path: out/quarantine.csv}}
"""


def split(folder: Path, text: str) -> tuple[list[str], list[str]]:
    """The lines of both outputs but their headers; of the quarantine, what begins with the row's texts."""
    project = Project(folder, SPEC, {"s.csv": text})
    assert project.run().state == "done"
    outputs = project.outputs()
    return outputs["clean.csv"].decode().splitlines()[1:], outputs.get("quarantine.csv", b"").decode().splitlines()[1:]


SHOPS = """name,town,region,contact
Alfred,Berlin,,Ann Lee
Bottom,Tsawassen,BC,Bo Roe
Cactus,Lima,,Cem Kaya
Drachen,Aachen,NW,Dana Vogt
Ernst,Graz,,Eva Sanz
"""


@pytest.mark.parametrize("last", ["x", ""])
def test_an_empty_cell_is_not_the_surplus_one_where_all_fit_without_the_last(tmp_path: Path, last: str) -> None:
    clean, quarantine = split(tmp_path, SHOPS + f"Gala,Porto,,Rui Dias,{last}\n")
    assert [*clean, *quarantine][5].startswith("Gala,Porto,,Rui Dias")
    assert len(quarantine) == bool(last)


def test_two_texts_without_their_delimiter_are_not_parted(tmp_path: Path) -> None:
    people = [
        "id,first,last,born",
        *(f"{n},{first},Lee,19{n}0-01-0{n}" for n, first in enumerate(["Ann", "", "Cem", "Eva"], 1)),
    ]
    clean, quarantine = split(tmp_path, "\n".join([*people, "5,FinnMoe,1950-01-05"]) + "\n")
    assert len(clean) == 4 and len(quarantine) == 1 and "the row has 3 of 4 cells" in quarantine[0]


def test_a_number_right_after_a_date_is_parted_from_it(tmp_path: Path) -> None:
    days = ["day,seen,place", *(f"2026-01-0{n},{n}:30,Lyon" for n in range(1, 7))]
    clean, quarantine = split(tmp_path, "\n".join([*days, "2026-01-077:30,Oslo"]) + "\n")
    assert clean[-1] == "2026-01-07,7:30,Oslo" and not quarantine


def test_a_line_that_is_no_row_is_not_parted_in_a_table_of_two_columns(tmp_path: Path) -> None:
    codes = "code,name\nAA,American\nB6,JetBlue\nDL,Delta\nEV,Express\nFL,AirTran\nHA,Hawaiian\nOO,SkyWest\n"
    clean, quarantine = split(tmp_path, codes + "EOF\n")
    assert len(clean) == 7 and quarantine[0].startswith("EOF,,")


def test_a_sign_before_the_one_quote_that_is_not_escaped_is_no_escape(tmp_path: Path) -> None:
    days = ["id,day,what", *(f"{n},{n}/1/2026,sold" for n in range(1, 6))]
    clean, _ = split(tmp_path, "\n".join([*days, '6,"6/"1/2026",sold']) + "\n")
    assert clean[-1] == '6,"6/""1/2026",sold'


@pytest.mark.parametrize("title", ["Quarterly report", "# made by hand\n# date: 2026-01-01", "sep=,", '"sep=,"'])
def test_a_title_of_two_words_is_no_header_of_two_columns(tmp_path: Path, title: str) -> None:
    table = "code,name\nAA,American Airlines\nAS,Alaska Airlines\nB6,JetBlue\nDL,Delta\nOO,SkyWest\n"
    project = Project(tmp_path, SPEC, {"s.csv": f"{title}\n{table}"})
    assert project.run().state == "done"
    assert project.outputs()["clean.csv"].decode() == table


def test_cells_in_quotes_are_parted_by_whatever_stands_between_them(tmp_path: Path) -> None:
    clean, _ = split(tmp_path, '"code"#"name"\n"AA"#"American Airlines"\n"AS"#"Alaska # Airlines"\n"DL"#"Delta"\n')
    assert clean == ["AA,American Airlines", "AS,Alaska # Airlines", "DL,Delta"]


@pytest.mark.parametrize("first, second", [(",", ";"), (";", ","), ("\t", "|")])
def test_rows_under_another_delimiter_are_no_preamble(tmp_path: Path, first: str, second: str) -> None:
    """Two exports in one file: each of the rows that are read in another way is named."""
    rows = [[f"P{n}", f"item {n}", f"{n}.5", f"2026-01-{n + 10}"] for n in range(12)]
    lines = [first.join(row) for row in [["code", "name", "price", "day"], *rows[:6]]] + [second.join(row) for row in rows[6:]]
    project = Project(tmp_path, SPEC, {"s.csv": "\n".join(lines) + "\n"})
    assert project.run().state == "done"
    assert project.outputs()["clean.csv"].decode().splitlines() == ["code,name,price,day", *map(",".join, rows)]
    assert [(note["code"], note["times"]) for note in project.journal.run()["result"]["notes"]] == [("other-delimiter", 6)]
