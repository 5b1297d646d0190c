"""Rows that come back from a quarantine are judged beside what was delivered before, and none is delivered twice."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from commands import qpipe

SPEC = """
version: 1
name: orders
sources: {{s: {{path: s.csv, schema: {{id: int, of: int, kind: string, amount: int}}}}}}
modules:
  - between: {{id: range, column: amount, min: 0}}
  {rule}
routes:
  {route}
  - {{when: failed(error), to: quarantine}}
  - {{to: clean}}
decisions: {{wait: {{question: which way?, choices: {{accept: clean, reject: quarantine}}}}}}
outputs: {{clean: {{path: out/clean.csv}}, quarantine: {{path: out/quarantine.{form}}}}}
settings: {{batch_size: {batch}}}
"""
ROWS = "id,of,kind,amount\n1,,total,5\n2,1,line,5\n3,1,line,-7\n4,1,line,4\n1,1,line,-1\n"


class Shop:
    """A folder with a run behind it: rows 3 and the second 1 are in quarantine."""

    def __init__(self, folder: Path, rule: str = "", *, rows: str = ROWS, route: str = "", form: str = "csv", batch: int = 100):
        self.folder, self.quarantine = folder, folder / "out" / f"quarantine.{form}"
        folder.mkdir(exist_ok=True)
        (folder / "s.csv").write_text(rows)
        (folder / "spec.yaml").write_text(SPEC.format(rule=rule, route=route, form=form, batch=batch))
        self("run", "spec.yaml", "-q")

    def __call__(self, *words: str, code: int = 0) -> str:
        done = qpipe(self.folder, *words, code=code)
        return done.stdout + done.stderr

    def mend(self, name: str, *changes: tuple[str, str]) -> str:
        """A copy of the quarantine with other texts in it; the quarantine itself where the name says so."""
        text = self.quarantine.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.folder / name).write_text(text)
        return name

    def relax(self, least: int = -10) -> None:
        spec = self.folder / "spec.yaml"
        spec.write_text(spec.read_text().replace("min: 0", f"min: {least}"))

    @property
    def ids(self) -> list[str]:
        return [line.partition(",")[0] for line in (self.folder / "out" / "clean.csv").read_text().splitlines()[1:]]

    def refused(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.mark.parametrize("keep", ["none", "first", "last"])
@pytest.mark.parametrize("batch", [1, 100])
def test_a_key_that_was_delivered_is_not_delivered_again(tmp_path: Path, keep: str, batch: int) -> None:
    rows = ROWS.replace("1,1,line,-1", "5,1,line,-1")
    shop = Shop(tmp_path, f"- unique: {{columns: [id], keep: {keep}}}", rows=rows, batch=batch)
    assert shop.ids == ["1", "2", "4"]
    shop.mend("mended.csv", ("3,1,line,-7", "3,1,line,7"), ("5,1,line,-1", "2,1,line,1"))
    shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
    assert shop.ids == ["1", "2", "4", "3"]
    again = shop.refused("mended-again.csv")
    assert "unique(id): id is 2" in again and "delivered before" in again and "\n3," not in again


@pytest.mark.parametrize("rule", ["- unique: {columns: [id, amount]}", "- unique: kind", "- unique: of"])
def test_keys_of_several_columns_and_of_texts(tmp_path: Path, rule: str) -> None:
    rows = "id,of,kind,amount\n1,10,total,5\n2,20,line,-6\n"
    shop = Shop(tmp_path, rule, rows=rows)
    shop.mend("mended.csv", ("2,20,line,-6", "1,10,total,5"))
    shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
    assert shop.ids == ["1"]
    shop.mend("other.csv", ("2,20,line,-6", "2,20,line,6"))
    shop("run", "spec.yaml", "--from-quarantine", "other.csv", "-q")
    assert shop.ids == ["1", "2"]


def test_what_an_earlier_replay_delivered_counts_too(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "- unique: id", rows=ROWS.replace("1,1,line,-1", "5,1,line,-1"))
    first = shop.mend("first.csv", ("3,1,line,-7", "3,1,line,7"))
    shop("run", "spec.yaml", "--from-quarantine", first, "-q")
    shop.mend("second.csv", ("3,1,line,-7", "7,1,line,7"), ("5,1,line,-1", "3,1,line,1"))
    shop("run", "spec.yaml", "--from-quarantine", "second.csv", "-q")
    assert shop.ids == ["1", "2", "4", "3", "7"]
    assert "unique(id): id is 3" in shop.refused("second-again.csv")


@pytest.mark.parametrize("form", ["csv", "parquet", "ndjson"])
@pytest.mark.parametrize("rule", ["", "- unique: [id, amount]"])
def test_the_same_quarantine_twice_delivers_nothing_twice(tmp_path: Path, form: str, rule: str) -> None:
    shop = Shop(tmp_path, rule, form=form)
    shop.relax()
    shop("replay", "latest", "-q")
    assert shop.ids == ["1", "2", "4", "3", "1"]
    told = shop("replay", str(shop.quarantine), "--spec", "spec.yaml")
    assert shop.ids == ["1", "2", "4", "3", "1"]
    assert "2 rows" in told and "delivered" in told


def test_a_quarantine_mended_in_place_step_by_step(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.mend("out/quarantine.csv", ("3,1,line,-7", "3,1,line,7"))
    shop("replay", "out/quarantine.csv", "--spec", "spec.yaml", "-q")
    shop.mend("out/quarantine.csv", ("1,1,line,-1", "5,1,line,1"))
    shop("replay", "out/quarantine.csv", "--spec", "spec.yaml", "-q")
    assert shop.ids == ["1", "2", "4", "3", "5"]


RULES = {
    "hierarchy": ("hierarchy: {key: id, parent: of, severity: error}", ("3,1,line,-7", "3,1,line,7"), True),
    "hierarchy, no such parent": ("hierarchy: {key: id, parent: of}", ("3,1,line,-7", "3,9,line,7"), False),
    "each_group": ("each_group: {by: kind, condition: kind = 'total', max: 1}", ("3,1,line,-7", "3,1,total,7"), False),
    "depends_on": ("depends_on: {determinant: of, dependent: kind}", ("3,1,line,-7", "3,1,other,7"), False),
    "sql": ("sql: {failing: 'select _row from data where (select sum(amount) from data) > 20'}", ("3,1,line,-7", "3,1,line,7"),
            False),
    "ordered sees the file": ("ordered: id", ("3,1,line,-7", "3,1,line,7"), True),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_rules_about_groups_see_what_was_delivered(tmp_path: Path, name: str) -> None:
    rule, change, passes = RULES[name]
    shop = Shop(tmp_path, f"- {rule}", rows="\n".join(ROWS.splitlines()[:-1]) + "\n")
    shop.mend("mended.csv", change)
    shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
    assert shop.ids == ["1", "2", "4", *(["3"] if passes else [])]


def test_a_rule_that_was_another_is_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "- unique: {id: once, columns: id}")
    spec = tmp_path / "spec.yaml"
    spec.write_text(spec.read_text().replace("columns: id", "columns: [id, kind]"))
    assert "once: the rows that come back are judged beside each other" in shop("replay")


@pytest.mark.parametrize("rule", ["ordered: {id: alone, column: id}", "deduplicate: {id: alone, column: id}"])
def test_a_rule_that_saw_only_the_rows_that_came_back_is_told_in_the_report(tmp_path: Path, rule: str) -> None:
    shop = Shop(tmp_path, f"- {rule}")
    report = ("report", "latest", "--format", "markdown")
    assert "judged beside each other" not in shop(*report)
    shop("replay")
    assert "alone: the rows that come back are judged beside each other only" in shop(*report)


def test_a_replay_that_waits_for_an_answer_goes_on_with_the_rows_that_came_back(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "- unique: id", route="- {when: amount > 100, ask: wait}")
    shop.mend("mended.csv", ("3,1,line,-7", "3,1,line,700"))
    shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q", code=75)
    shop("decide", "wait", "accept")
    shop("resume", "-q")
    assert shop.ids == ["2", "4", "3"]
    assert "unique(id): id is 1" in shop.refused("mended-again.csv")


def test_whose_rows_a_file_has_can_be_said(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "- unique: id")
    first = json.loads(shop("runs", "--json"))[0]
    (tmp_path / "s.csv").write_text("id,of,kind,amount\n6,,total,5\n")
    shop("run", "spec.yaml", "-q")
    (tmp_path / "mended.csv").write_text("id,of,kind,amount\n2,1,line,5\n6,1,line,5\n")
    assert first["run"] in shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "--parent", first["run"])
    assert "unique(id): id is 2" in shop.refused("mended-again.csv") and shop.ids == ["6", "6"]
    assert "--from-quarantine" in shop("run", "spec.yaml", "--parent", first["run"], code=2)


@pytest.mark.parametrize("first, second", [("3,1,line,-7", "1,1,line,-1"), ("1,1,line,-1", "3,1,line,-7")])
@pytest.mark.parametrize("read", [1, 50_000])
def test_what_failed_again_comes_back_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: int, first: str, second: str
) -> None:
    """Only what an earlier replay has delivered is left out, whichever rows, however many are read at a time."""
    monkeypatch.setattr("qpipe.orchestrator.replay.ROWS", read)
    shop = Shop(tmp_path)
    shop.mend("mended.csv", (first, first.replace("-", "")))
    shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
    assert shop.ids == ["1", "2", "4", first[0]]
    shop.relax()
    shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
    assert shop.ids == ["1", "2", "4", first[0], second[0]]


def test_what_is_left_when_rows_are_left_out_keeps_its_line_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path, rows="id,of,kind,amount\n3,1,line,-7\n8,1,line,x\n9,1,line,-2\n")
    shop.mend("mended.csv", ("3,1,line,-7", "3,1,line,7"))
    lines = (tmp_path / "mended.csv").read_text().splitlines()
    (tmp_path / "mended.csv").write_text("\n".join([*lines[:3], lines[3] + ",one more"]) + "\n")
    told = []
    for _ in range(2):  # the second time row 3 is left out
        shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
        rows = list(csv.DictReader(io.StringIO(shop.refused("mended-again.csv"))))
        told.append([(row["id"], row["amount"], row["_line"], row["_reasons"]) for row in rows])
    assert shop.ids == ["3"]
    assert told[0] == told[1] and [row[:3] for row in told[1]] == [("8", "x", "3"), ("9", "-2", "4")]
    assert "amount is x" in told[1][0][3] and "cells" in told[1][1][3], told[1]


def test_reasons_that_are_written_otherwise_make_no_other_row(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.relax()
    shop("replay", "latest", "-q")
    shop.mend("mended.csv", ("range", "seen by ann"))
    shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
    assert shop.ids == ["1", "2", "4", "3", "1"]


def test_a_replay_of_a_replay_of_a_replay_sees_what_the_first_run_delivered(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "- unique: id", rows="id,of,kind,amount\n2,1,line,5\n3,1,line,-7\n")
    name = shop.mend("mended.csv", ("3,1,line,-7", "3,1,line,-6"))
    for found, becomes in (("-6", "-5"), ("-5", "4"), ("4", "4")):
        shop("run", "spec.yaml", "--from-quarantine", name, "-q")
        name = name.replace(".csv", "-again.csv")
        text = shop.refused(name)
        (tmp_path / name).write_text(text.replace(f"3,1,line,{found},", f"2,1,line,{becomes},").replace(
            f"2,1,line,{found},", f"2,1,line,{becomes},"))  # fmt: skip
    assert shop.ids == ["2"] and "delivered before" in shop.refused(name)


def test_replays_of_another_run_and_runs_of_another_spec_do_not_count(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "- unique: id", rows="id,of,kind,amount\n2,1,line,5\n3,1,line,-7\n")
    shop.mend("mended.csv", ("3,1,line,-7", "3,1,line,7"))
    shop("run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
    assert shop.ids == ["2", "3"]
    (tmp_path / "s.csv").write_text("id,of,kind,amount\n6,1,line,5\n8,1,line,-7\n")
    shop("run", "spec.yaml", "-q")
    other = (tmp_path / "spec.yaml").read_text().replace("name: orders", "name: others").replace("out/", "other/")
    other = other.replace("s.csv", "o.csv")
    (tmp_path / "o.csv").write_text("id,of,kind,amount\n20,1,line,5\n21,1,line,-7\n")
    (tmp_path / "other.yaml").write_text(other)
    shop("run", "other.yaml", "-q")
    (tmp_path / "more.csv").write_text("id,of,kind,amount\n3,1,line,5\n6,1,line,5\n")
    shop("run", "spec.yaml", "--from-quarantine", "more.csv", "-q")
    assert shop.ids == ["6", "3"]
    assert "unique(id): id is 6" in shop.refused("more-again.csv")
