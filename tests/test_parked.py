"""A run that waits for a person publishes what is decided; what is answered later is added, once."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from running import Killed, Project, stop_at

from qpipe.core import effects

SPEC = """
    sources: {{o: {{path: o.csv, schema: {{id: int, amount: float}}}}}}
    routes:
      - {{when: amount > 10, ask: big}}
      - {{to: clean}}
    decisions:
      big: {{question: "{{rows}} big", choices: {{accept: clean, reject: drop}}, scope: row}}
    outputs: {{clean: {{path: "{path}", {more}}}}}
    settings: {{batch_size: 2}}
"""
DATA = {"o.csv": "id,amount\n1,1\n2,20\n3,3\n4,40\n5,5\n"}
KINDS = [
    ("out/c.csv", "mode: replace"),
    ("out/c.csv", "mode: append"),
    ("out/c.parquet", "mode: replace"),
    ("out/c/", "format: csv"),
    ("out/c/", "format: parquet"),
    ("out/c/", "format: parquet, mode: append"),
    ("out/c/", "format: parquet, partition_by: [amount]"),
    ("out/c.ndjson", "mode: replace"),
]


def ids(project: Project) -> list[int]:
    found: list[int] = []
    for path in sorted((project.folder / "out").rglob("*.*")):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(project.folder).parts):
            continue
        if path.suffix == ".csv":
            found += pl.read_csv(path)["id"].to_list()
        elif path.suffix == ".parquet":
            found += pl.read_parquet(path, hive_partitioning=False)["id"].to_list()
        elif path.suffix == ".ndjson":
            found += pl.read_ndjson(path)["id"].to_list()
    return sorted(found)


def answer(project: Project, choice: str) -> None:
    question = project.journal.questions(state="open")[0]
    project.journal.answer(question["id"], choice, by="ann", via="cli")


@pytest.mark.parametrize(("path", "more"), KINDS)
def test_parked_twice(tmp_path: Path, path: str, more: str) -> None:
    project = Project(tmp_path, SPEC.format(path=path, more=more), DATA)
    assert project.run().exit_code == 75
    assert ids(project) == [1, 3, 5]
    answer(project, "accept")
    assert project.resume().exit_code == 75
    assert len(ids(project)) == 4
    answer(project, "accept")
    assert project.resume().state == "done"
    assert ids(project) == [1, 2, 3, 4, 5]
    assert project.journal.run()["result"]["outputs"][0]["rows"] == 5
    assert project.hidden() == []


@pytest.mark.parametrize(("path", "more"), [KINDS[0], KINDS[1], KINDS[5]])
def test_stopped_anywhere_after_an_answer(tmp_path: Path, path: str, more: str) -> None:
    """Between the stop and the resume the second question is answered, too: the intended parts are not published twice."""
    for number in range(200):
        project = Project(tmp_path / str(number), SPEC.format(path=path, more=more), DATA)
        assert project.run().exit_code == 75
        answer(project, "accept")
        listener, _ = stop_at(number)
        try:
            with effects.listening(listener):
                project.resume()
        except Killed:
            answer(project, "accept")
            assert project.resume().state == "done"
            assert ids(project) == [1, 2, 3, 4, 5], number
            continue
        break
    assert number > 10


# ── what else is told of each row ──

TOLD = """
    sources: {o: {path: "in/*.csv", schema: {id: int, amount: float}}}
    modules:
      - derive: {amount: amount * 2}
      - between: {column: amount, max: 50, severity: warning}
    routes:
      - {when: id = 3, ask: odd}
      - {to: clean}
    decisions: {odd: {question: odd?, choices: {accept: clean, reject: drop}}}
    outputs:
      clean: {path: out/c.ndjson, provenance: [file, line, confidence, row, source, reasons]}
      copy: {from: clean, path: out/d.csv, provenance: [line]}
    settings: {batch_size: BATCH}
"""


@pytest.mark.parametrize("batch", [1, 100])
def test_an_output_tells_where_each_row_came_from_and_how_sure_it_is(tmp_path: Path, batch: int) -> None:
    project = Project(tmp_path, TOLD.replace("BATCH", str(batch)),
                      {"in/a.csv": "id,amount\n1,10\n2,30\n", "in/b.csv": "id,amount\n3,40\n4,1\n"})  # fmt: skip
    assert project.run().exit_code == 75
    answer(project, "accept")
    assert project.resume().exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "out/c.ndjson").read_text().splitlines()]
    assert [list(row) for row in rows] == [["id", "amount", "_file", "_line", "_confidence", "_row", "_source", "_reasons"]] * 4
    told = {row["id"]: (row["_file"], row["_line"], row["_confidence"], row["_row"], row["_source"]) for row in rows}
    assert told == {1: ("in/a.csv", 2, 1.0, 0, "o"), 2: ("in/a.csv", 3, 0.8, 1, "o"), 3: ("in/b.csv", 2, 0.8, 2, "o"),
                    4: ("in/b.csv", 3, 1.0, 3, "o")}  # fmt: skip
    reasons = {row["id"]: [(r["check"], r["column"], r["value"]) for r in row["_reasons"]] for row in rows}
    assert reasons == {1: [], 2: [("between", "amount", "30")], 3: [("between", "amount", "40"), ("odd", None, None)], 4: []}
    (let_through,) = [r["message"] for row in rows for r in row["_reasons"] if r["check"] == "odd"]
    assert "'accept' was answered by" in let_through
    lines = (tmp_path / "out/d.csv").read_text().splitlines()
    assert sorted(lines) == [
        "1,20.0,2",
        "2,60.0,3",
        "3,80.0,2",
        "4,2.0,3",
        "id,amount,_line",
    ]


# ── failures of the whole data set that a person may let pass ──

DOUBTFUL = """
    sources: {o: {path: o.csv, schema: {id: int, amount: float}}}
    modules:
      - row_count: {min: 10, on_fail: question}
      - between: {column: amount, max: 10, tolerance: 1, on_fail: question}
      - aggregate: {function: max, column: amount, max: 1000}
    outputs: {clean: {path: out/c.csv}, quarantine: {path: out/q.csv}}
    settings: {SETTINGS}
"""


def doubtful(folder: Path, settings: str = "batch_size: 2") -> Project:
    return Project(folder, DOUBTFUL.replace("SETTINGS", settings), DATA)


def questions(project: Project) -> dict[str, str]:
    return {q["decision"]: q["id"] for q in project.journal.questions(state="open")}


def test_what_a_person_lets_pass_is_published_and_told(tmp_path: Path) -> None:
    project = doubtful(tmp_path)
    outcome = project.run()
    assert (outcome.state, outcome.exit_code) == ("waiting", 75) and not ids(project)
    asked = {q["decision"]: q["text"] for q in project.journal.questions(state="open")}
    assert asked == {"row_count": "row_count: there are 3 rows, expected at least 10. Publish all the same?",
                     "between": "between: 2 of 5 rows failed. Publish all the same?"}  # fmt: skip
    project.journal.answer(questions(project)["row_count"], "publish", by="ann", via="cli")
    assert project.resume().exit_code == 75 and not ids(project)  # the other one is still open
    project.journal.answer(questions(project)["between"], "publish", by="bob", via="cli")
    assert project.resume().exit_code == 0
    assert ids(project) == [1, 2, 3, 4, 5]
    gates = {g["gate"]: (g["outcome"], g["message"]) for g in project.journal.run()["result"]["gates"]}
    assert gates["row_count"] == ("warn", "there are 3 rows, expected at least 10; let pass by ann")
    assert gates["aggregate"][0] == "pass"


def test_what_a_person_refuses_is_not_published(tmp_path: Path) -> None:
    project = doubtful(tmp_path)
    project.run()
    for id in questions(project).values():
        project.journal.answer(id, "refuse", by="ann", via="cli")
    outcome = project.resume()
    assert (outcome.state, outcome.exit_code) == ("refused", 65) and not ids(project)
    assert "row_count: there are 3 rows" in outcome.message


def test_nobody_answers_in_time_so_nothing_is_published(tmp_path: Path) -> None:
    project = doubtful(tmp_path, "decision_timeout: 1s")
    assert project.run().exit_code == 75
    project.journal.db.execute("update question set due_at = opened_at - 1")
    assert project.resume().exit_code == 65 and not ids(project)


def test_an_answers_file_lets_pass(tmp_path: Path) -> None:
    project = doubtful(tmp_path)
    answers = tmp_path / "answers.yaml"
    answers.write_text("- {decision: row_count, answer: publish}\n- {decision: between, answer: publish}\n")
    assert project.run(answers=answers).exit_code == 0
    assert ids(project) == [1, 2, 3, 4, 5]


def test_stopped_anywhere_around_such_a_question(tmp_path: Path) -> None:
    """Whatever is asked is asked once, nothing is published before the answer, and all of it after."""
    for place in range(200):
        project = doubtful(tmp_path / str(place))
        listener, seen = stop_at(place)
        with effects.listening(listener), suppress(Killed):
            project.run()
        begun = project.journal.rows("select state from run")
        if not begun or begun[0]["state"] != "waiting":
            assert (project.resume() if begun else project.run()).exit_code == 75
        assert not ids(project) and len(questions(project)) == 2
        for id in questions(project).values():
            project.journal.answer(id, "publish", by="ann", via="cli")
        again, _ = stop_at(place // 2)
        with effects.listening(again), suppress(Killed):
            project.resume()
        if project.journal.run()["state"] != "done":
            assert project.resume().exit_code == 0
        assert ids(project) == [1, 2, 3, 4, 5]
        if len(seen) <= place:
            return
    raise AssertionError("the run has no end")
