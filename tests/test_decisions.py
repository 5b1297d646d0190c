"""Questions to people: the same whatever the batches, answered once, time-outs, which rows they let go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from questions import ASK, NOTHING, ORDERS, T0, begin, held_of, open_all, plan_of, program_of, told

from qpipe.core.component import REJECTED
from qpipe.core.errors import QpipeError, UsageError
from qpipe.orchestrator.answers import answers_of, evidence_of, response_times, settled
from qpipe.orchestrator.decisions import Questions
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.program import Asking
from qpipe.orchestrator.router import HELD
from qpipe.orchestrator.wording import filled

# ── opening ──


@pytest.mark.parametrize(
    ("decision", "route", "rows", "text"),
    [
        ({"scope": "run"}, 0, [8], "8 big orders from {country}: now?"),
        ({"scope": "group", "by": ("country",)}, 0, [4, 2, 1, 1], "4 big orders from DE: now?"),
        ({"scope": "row"}, 0, [1] * 8, "1 big orders from DE: now?"),
        ({"scope": "batch"}, 0, [5, 3], "5 big orders from {country}: now?"),
        ({}, HELD, [4, 2, 1, 1], "what is the country 'DE'?"),
    ],
    ids=["run", "group", "row", "batch", "value"],
)
def test_scopes(tmp_path: Path, decision: dict[str, Any], route: int, rows: list[int], text: str) -> None:
    journal, run = begin(tmp_path)
    waits = open_all(journal, run, plan_of(tmp_path, **decision), (5,), route)
    found = journal.questions(run)
    assert sorted((q["rows"] for q in found), reverse=True) == rows
    assert text in {q["text"] for q in found}
    assert {q["id"]: q["rows"] for q in found} == dict(pl.Series(waits).value_counts().iter_rows())
    assert len([e for e in journal.events(run) if e.name == "question.opened"]) == len(rows)


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 8), max_size=8),
    shape=st.sampled_from(
        [({"scope": "run"}, 0), ({"scope": "group", "by": ("country",)}, 0), ({"scope": "row"}, 0), ({}, HELD)]
    ),
)
def test_questions_do_not_depend_on_batches(tmp_path_factory: Any, cuts: list[int], shape: tuple[dict[str, Any], int]) -> None:
    directory = tmp_path_factory.mktemp("cuts")
    journal, run = begin(directory)
    plan = plan_of(directory, **shape[0])
    whole = (open_all(journal, run, plan, (), shape[1]), told(journal, run))
    journal.db.execute("delete from question")
    assert (open_all(journal, run, plan, cuts, shape[1]), told(journal, run)) == whole


def test_samples_show_where_and_why(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path), (2, 4))
    question = journal.questions(run)[0]
    assert [row["row"] for row in question["sample"]] == [0, 1, 2, 3, 4]
    first = question["sample"][0]
    assert first["cells"] == {"order_id": "a1", "country": "DE", "amount": "12000.0"}
    assert (first["file"], first["line"], first["marked"]) == ("orders.csv", 2, ["amount"])
    assert first["reasons"] == ["between: amount is large"]


def test_what_was_found_is_marked_beside_what_is_asked_about(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path), (), HELD)
    assert {tuple(row["marked"]) for q in journal.questions(run) for row in q["sample"]} == {("country", "amount")}


def test_masked_cells_stay_masked(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    plan = plan_of(tmp_path, scope="row", question="what of {order_id}, {country}?")
    opened = Questions(plan, journal, run, masked=["order_id"]).open(held_of(ORDERS), program_of(ORDERS), seq=0)
    assert {row["cells"]["order_id"] for q in opened.questions for row in q["sample_json"]} == {"***"}
    assert opened.questions[0]["text"] == "what of ***, DE?"
    with pytest.raises(QpipeError, match="masked"):
        evidence_of({"scope": "row", "sample": opened.questions[0]["sample_json"]})


def test_ids_differ_between_runs_and_decisions(tmp_path: Path) -> None:
    journal, first = begin(tmp_path)
    second = journal.begin(**NOTHING)
    ids = [open_all(journal, run, plan_of(tmp_path, scope="group", by=("country",))) for run in (first, second)]
    assert not set(ids[0]) & set(ids[1])


@pytest.mark.parametrize(
    ("template", "fields", "text"),
    [
        ("{rows} of {country}?", {"country": "DE"}, "{rows} of DE?"),
        ("{nothing} {x", {"x": "1"}, "{{nothing}} {{x"),
        ("{x}", {"x": "{rows}"}, "{{rows}}"),
        ("{x}", {"x": None}, "nothing"),
    ],
)
def test_words_of_a_question(template: str, fields: Mapping[str, Any], text: str) -> None:
    assert filled(template, fields) == text


# ── answering ──


def test_the_first_answer_wins_and_the_second_is_told(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path))
    answered = journal.answer("big-", "accept", by="ann", via="tty", reason="seen", now=T0 + 60)
    assert (answered["choice"], answered["answered_by"], answered["reason"]) == ("accept", "ann", "seen")
    with pytest.raises(UsageError, match="'accept' by ann"):
        journal.answer(answered["id"], "reject", by="bob", via="cli", now=T0 + 61)
    events = [e.data for e in journal.events(run) if e.name == "question.answered"]
    assert [(e["by"], e["choice"]) for e in events] == [("ann", "accept")]


def test_only_choices_are_answers(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path))
    with pytest.raises(UsageError, match="'yes' is not a choice") as refused:
        journal.answer("big", "yes", by="ann", via="cli", now=T0)
    assert "accept, reject, stop" in refused.value.hint
    with pytest.raises(UsageError, match="no question is called 'x%'"):
        journal.answer("x%", "accept", by="ann", via="cli", now=T0)


RACE = """
import sys
from pathlib import Path
from qpipe.core.errors import UsageError
from qpipe.orchestrator.journal import Journal
journal, me = Journal(Path(sys.argv[1])), sys.argv[2]
ids = [q["id"] for q in journal.questions(state="open")]
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
won = 0
for id in ids:
    try:
        journal.answer(id, "accept", by=me, via="cli")
        won += 1
    except UsageError:
        pass
print(won)
"""


def test_many_processes_one_winner_each(tmp_path: Path) -> None:
    """Four processes answer the same hundred questions at once."""
    journal, run = begin(tmp_path)
    journal.db.execute("pragma synchronous=off")
    with journal.claim(run).commit("open") as tx:
        for n in range(100):
            tx.question(
                id=f"q-{n:03d}", decision="q", scope="row", text="?", rows=1, choices_json={"accept": "clean"}, opened_at=T0
            )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen([sys.executable, "-c", RACE, str(tmp_path), f"p{n}"], **pipes) for n in range(4)]
    for racer in racers:
        assert racer.stdout and racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = {f"p{n}": int(racer.communicate()[0]) for n, racer in enumerate(racers)}
    by = [q["answered_by"] for q in journal.questions(run, "answered")]
    assert sum(won.values()) == 100
    assert {name: by.count(name) for name in won} == won
    assert len([e for e in journal.events(run) if e.name == "question.answered"]) == 100


# ── time-outs ──


def test_an_answer_just_before_the_time_out_wins(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path, timeout=10.0, default="reject"))
    assert journal.questions(run)[0]["due_at"] == T0 + 10
    assert journal.expire(T0 + 9.999) == 0
    assert journal.answer("big", "accept", by="ann", via="cli", now=T0 + 9.999)["choice"] == "accept"
    assert journal.expire(T0 + 1000) == 0


def test_an_answer_at_the_time_out_is_too_late(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path, timeout=10.0, default="reject"))
    with pytest.raises(UsageError, match=r"'reject' by time-out \(timeout\)"):
        journal.answer("big", "accept", by="ann", via="cli", now=T0 + 10)
    question = journal.questions(run)[0]
    assert (question["choice"], question["answered_via"], question["answered_at"]) == ("reject", "timeout", T0 + 10)
    assert [e.data["via"] for e in journal.events(run) if e.name == "question.answered"] == ["timeout"]


def test_time_outs_survive_a_restart_and_need_a_default(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path, timeout=10.0, default="reject"))
    other = journal.begin(**NOTHING)
    open_all(journal, other, plan_of(tmp_path, timeout=10.0))
    journal.close()
    again = Journal(tmp_path)
    assert again.expire(T0 + 3600) == 1
    assert [q["state"] for q in again.questions(other)] == ["open"]
    assert again.answer(again.questions(other)[0]["id"], "stop", by="ann", via="ui", now=T0 + 7200)["choice"] == "stop"


def test_response_times(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path, scope="row", timeout=100.0, default="reject"))
    ids = [q["id"] for q in journal.questions(run)]
    for id, seconds in zip(ids[:5], (1, 2, 3, 4, 50), strict=True):
        journal.answer(id, "accept", by="ann", via="tty", now=T0 + seconds)
    journal.expire(T0 + 100)
    assert response_times(journal, run) == [
        {"decision": "big", "questions": 8, "open": 0, "by_people": 5, "by_default": 3, "remembered": 0, "median_seconds": 3.0,
         "p90_seconds": 50.0, "share_by_default": 0.375}
    ]  # fmt: skip


# ── settling ──


def test_rows_go_when_all_their_questions_are_answered(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path, scope="group", by=("country",)), (3,))
    assert settled(journal, run) == []
    german = next(q["id"] for q in journal.questions(run) if "DE" in q["group"])
    journal.answer(german, "reject", by="ann", via="cli", now=T0)
    free = settled(journal, run)
    assert [(s.seq, s.rows, s.to, s.questions) for s in free] == [
        (0, 2, "quarantine", (german,)),
        (1, 2, "quarantine", (german,)),
    ]
    with journal.claim(run).commit("settle") as tx:
        for each in free:
            each.record(tx, now=T0 + 5)
    assert settled(journal, run) == []
    assert journal.question(german)["applied_at"] == T0 + 5


def test_a_row_with_two_questions_waits_for_both(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    frame = held_of(ORDERS, HELD).with_columns(pl.lit("x").alias("__v1"), (pl.col("order_id") == "a1").alias("__a1"))
    program = program_of(ORDERS)
    program.asks.append(Asking("units", ASK, "__a1", "__v1"))
    opened = Questions(plan_of(tmp_path), journal, run).open(frame, program, seq=0, now=T0)
    assert opened.waits_for is not None
    both = opened.waits_for[0]
    with journal.claim(run).commit("batch") as tx:
        opened.record(tx)
        tx.put("held", seq=0, question=both, path="0", rows=1)
    first, second = both.split()
    journal.answer(first, "keep", by="ann", via="cli", now=T0)
    assert settled(journal, run) == []
    journal.answer(second, "Germany", by="ann", via="cli", now=T0)
    assert [(s.to, s.questions) for s in settled(journal, run)] == [(None, (first, second))]


def test_answers_about_values(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path), (), HELD)
    ids = {q["text"]: q["id"] for q in journal.questions(run)}
    for value, choice in {"DE": "Germany", "FR": "keep", "NO": "=keep", "": "reject"}.items():
        journal.answer(ids[f"what is the country '{value}'?"], choice, by="ann", via="cli", now=T0)
    meant = {("names", "DE"): "Germany", ("names", "FR"): "FR", ("names", "NO"): "keep", ("names", ""): REJECTED}
    assert answers_of(journal, run) == meant
    assert Questions(plan_of(tmp_path), journal, run).known_values() == meant


def test_without_other_texts_only_known_values_are_answers(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    with journal.claim(run).commit("open") as tx:
        tx.question(id="v-1", decision="v", scope="value", group='{"value": "x"}', text="?", rows=1, opened_at=T0,
                    choices_json={"keep": "", "reject": ""}, candidates_json=["Germany"])  # fmt: skip
    with pytest.raises(UsageError, match="not a choice"):
        journal.answer("v-1", "Atlantis", by="ann", via="cli", now=T0)
    assert journal.answer("v-1", "Germany", by="ann", via="cli", now=T0)["choice"] == "Germany"
