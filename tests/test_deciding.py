"""Answers from a file and by command."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from questions import T0, begin, open_all, plan_of
from running import Project
from typer.testing import CliRunner

from qpipe.cli import decisions as commands
from qpipe.core.errors import UsageError
from qpipe.orchestrator.answers_file import apply_answers

FILES = {
    "a.yaml": "- {decision: big, group: {country: NO}, answer: accept, reason: known}\n"
    "- {decision: big, group: {country: XX}, answer: accept}\n",
    "a.json": '[{"decision": "big", "group": {"country": "NO"}, "answer": "accept", "reason": "known"}, '
    '{"decision": "big", "group": {"country": "XX"}, "answer": "accept"}]',
    "a.csv": "decision,country,answer,reason\nbig,NO,accept,known\nbig,XX,accept,\n",
}


@pytest.mark.parametrize("name", FILES)
def test_answers_file(tmp_path: Path, name: str) -> None:
    journal, run = begin(tmp_path / "home")
    open_all(journal, run, plan_of(tmp_path, scope="group", by=("country",)))
    file = tmp_path / name
    file.write_text(FILES[name])
    report = apply_answers(journal, run, file, "ann", now=T0 + 1)
    assert [(q["choice"], q["answered_by"], q["answered_via"], q["reason"]) for q in report.answered] == [
        ("accept", "ann", "file", "known")
    ]
    assert (len(report.unmatched), report.refused) == (1, ())
    again = apply_answers(journal, run, file, "ann", now=T0 + 2)
    assert (again.answered, len(again.already), again.refused) == ((), 1, ())


def test_a_short_file_answers_every_question_of_a_decision(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path, scope="row"))
    file = tmp_path / "a.yaml"
    file.write_text("big: reject\n")
    assert len(apply_answers(journal, run, file, now=T0).answered) == 8


def test_other_answers_from_a_file_are_refused(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path))
    id = journal.answer("big", "accept", by="ann", via="tty", now=T0)["id"]
    file = tmp_path / "a.yaml"
    file.write_text(f"\n- {{question: {id}, answer: reject}}\n")
    assert [r for r in apply_answers(journal, run, file, now=T0).refused if "by ann" in r and "a.yaml:2" in r]


@pytest.mark.parametrize(
    ("name", "text", "place", "message"),
    [
        ("a.yaml", "- {decision: big, anser: x}\n", "a.yaml:1", "has no 'anser'"),
        ("a.yaml", "- {answer: x}\n", "a.yaml:1", "which question"),
        ("a.yaml", "- {decision: big}\n", "a.yaml:1", "needs its 'answer'"),
        ("a.yaml", "text\n", "a.yaml:1:1", "a list, or a mapping"),
        ("a.yaml", "- {decision: [\n", "a.yaml:", ""),
        ("a.json", '[{"decision": "big",\n]', "a.json:2", "not JSON"),
        ("a.json", '["x"]', "a.json:1", "an object"),
        ("a.csv", "decision,choice\nbig,accept\n", "a.csv:1", "no column 'answer'"),
        ("a.csv", "decision,answer\nbig,accept,more\n", "a.csv:2", "more cells"),
        ("b.csv", None, "b.csv", "cannot be read"),
    ],
)
def test_bad_answers_files(tmp_path: Path, name: str, text: str | None, place: str, message: str) -> None:
    journal, run = begin(tmp_path)
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as refused:
        apply_answers(journal, run, tmp_path / name)
    assert place in str(refused.value)
    assert message in str(refused.value)


# ── commands ──


def call(*words: str) -> Any:
    app = typer.Typer()
    commands.register(app)
    return CliRunner().invoke(app, words, standalone_mode=False)


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPIPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USER", "dora")
    journal, run = begin(tmp_path / "home")
    open_all(journal, run, plan_of(tmp_path, scope="group", by=("country",), timeout=1e6, default="reject"))
    journal.db.execute("update question set due_at = ?", (time.time() + 3630,))
    journal.db.execute("update run set state = 'waiting'")
    listed = call("decisions")
    assert "4 big orders from DE: now?  (country = DE)" in listed.stdout
    assert "accept → clean · reject → quarantine · stop → the run stops" in listed.stdout
    assert "the time-out answers 'reject' in 1 h" in listed.stdout
    german = next(q["id"] for q in journal.questions(run) if "DE" in q["group"])
    shown = call("decisions", german)
    assert "row 0 (orders.csv:2)" in shown.stdout
    assert "amount=»12000.0«" in shown.stdout
    told = json.loads(call("decisions", run, "--json").stdout)
    assert {q["id"]: q["rows"] for q in told} == {q["id"]: q["rows"] for q in journal.questions(run)}
    assert 3500 < told[0]["due_in"] <= 3630
    done = call("decide", german[-6:], "accept", "--remember", "--reason", "as agreed")
    assert "'accept' by dora (cli)" in done.stdout
    assert "+ - group: {country: DE}" in done.stderr
    assert "3 questions are open" in done.stderr
    assert (tmp_path / "decisions" / "big.yaml").exists()
    assert isinstance(call("decide", german, "reject").exception, UsageError)
    assert "next: `qpipe resume" in call("decide", "big", "stop", "--all").stderr
    assert call("decisions").stdout == "no open questions\n"
    assert "1 of" not in call("decisions", "--stats").stdout
    assert json.loads(call("decisions", "--stats", "--json").stdout)[0]["by_people"] == 4
    assert "as agreed" in call("decisions", "--all").stdout


def test_deciding_many_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPIPE_HOME", str(tmp_path / "home"))
    journal, run = begin(tmp_path / "home")
    open_all(journal, run, plan_of(tmp_path, scope="group", by=("country",)))
    file = tmp_path / "a.csv"
    file.write_text(FILES["a.csv"])
    first = call("decide", "--answers", str(file))
    assert (first.return_value, "no question fits" in first.stderr) == (0, True)
    file.write_text("decision,country,answer\nbig,FR,never\n")
    assert call("decide", "--answers", str(file), "--run", "latest").return_value == 2


@pytest.mark.parametrize("words", [("decide",), ("decide", "big"), ("decide", "nothing", "accept"), ("decisions", "nothing")])
def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("QPIPE_HOME", str(tmp_path))
    begin(tmp_path)
    found = call(*words).exception
    assert isinstance(found, UsageError)
    assert found.hint


def test_validate_shows_what_is_wrong_in_a_file_of_answers_and_leaves_such_files_out(tmp_path: Path) -> None:
    project = Project(tmp_path, RUN_SPEC, {"s.csv": "id,amount\n1,5\n", "decisions/big.yaml": "- {answer: maybe}\n"})
    from qpipe.cli.spec import validate

    assert validate([project.spec]) == 78
    (tmp_path / "decisions" / "big.yaml").write_text("- {answer: accept}\n")
    assert validate([project.spec, tmp_path / "decisions" / "big.yaml"]) == 0


RUN_SPEC = """
    sources: {s: {path: s.csv, schema: {id: int, amount: int}}}
    modules: [{not_null: id}]
    routes: [{when: amount > 10, ask: big}, {to: clean}]
    decisions: {big: {question: what now?, choices: {accept: clean, stop: fail}}}
    outputs: {clean: {path: out/clean.csv}}
"""
