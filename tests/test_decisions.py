"""Questions to people: the same whatever the batches, answered once, remembered in files that people edit."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from running import Project
from typer.testing import CliRunner

from qpipe.cli import decisions as commands
from qpipe.core.component import REJECTED, Ask, Transform
from qpipe.core.errors import QpipeError, SpecError, UsageError
from qpipe.core.expression import Expression
from qpipe.core.types import DataType
from qpipe.orchestrator.answers import answers_of, evidence_of, keep, keep_remembered, response_times, settled, why_not_kept
from qpipe.orchestrator.answers_file import apply_answers
from qpipe.orchestrator.decisions import Questions, filled
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.memory import Entry, Memory
from qpipe.orchestrator.program import Asking, Program
from qpipe.orchestrator.router import HELD, ROUTE
from qpipe.spec.plan import Decision, Plan, Route, StepNode

T0 = 1_800_000_000.0
NOTHING: dict[str, Any] = {
    "name": "t",
    "spec_file": "t.yaml",
    "spec_text": "",
    "fingerprint": "",
    "vars": {},
    "argv": [],
    "versions": {},
}
ORDERS = pl.DataFrame(
    {
        "order_id": ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"],
        "country": ["DE", "FR", "DE", None, "NO", "DE", "FR", "DE"],
        "amount": [12000.0, 50000.0, 11000.0, 10001.0, 99999.5, 10500.0, 10600.0, 10700.0],
    }
)


class Known(Transform):
    """Maps known values, asks about others."""

    def asks(self, context: Any) -> tuple[Ask, ...]:
        return (ASK,)


ASK = Ask(pl.lit(True), "country", "what is the {column} '{value}'?", lambda values: {v: ["Germany", "keep"] for v in values})


def plan_of(directory: Path, **decision: Any) -> Plan:
    told = {
        "question": "{rows} big orders from {country}: now?",
        "choices": {"accept": "clean", "reject": "quarantine", "stop": "fail"},
    }
    asked = Decision("big", **{**told, **decision})
    routes = (Route("big", Expression.parse("amount > 10000"), (), "big"), Route("rest", None, ("clean",)))
    return Plan("t", "t.yaml", directory, "", "", (), (StepNode("names", Known(id="names")),), routes, {"big": asked}, {})


def program_of(frame: pl.DataFrame) -> Program:
    types = {name: DataType.of(dtype) for name, dtype in frame.schema.items()}
    return Program(None, asks=[Asking("names", ASK, "__a0", "__v0")], types=types)  # type: ignore[arg-type]


def held_of(frame: pl.DataFrame, route: int = 0, first: int = 0) -> pl.DataFrame:
    """Rows as the engine holds them; with route HELD, every row asks about its country."""
    why = [{"check": "between", "column": "amount", "severity": "warning", "message": "amount is large", "value": None}]
    return frame.with_columns(
        pl.int_range(first, first + frame.height, dtype=pl.Int64).alias("_row"),
        pl.lit(route, dtype=pl.UInt8).alias(ROUTE), pl.lit(True).alias("__a0"), pl.col("country").alias("__v0"),
        pl.lit("orders.csv").alias("_file"), (pl.int_range(frame.height, dtype=pl.Int64) + first + 2).alias("_line"),
        pl.Series("_reasons", [why] * frame.height),
    )  # fmt: skip


def begin(home: Path, started: float = T0) -> tuple[Journal, str]:
    journal = Journal(home)
    return journal, journal.begin(**NOTHING, now=started)


def open_all(
    journal: Journal, run: str, plan: Plan, cuts: Sequence[int] = (), route: int = 0, frame: pl.DataFrame = ORDERS
) -> list[str]:
    """Open the questions of a frame cut into batches; returns what each row waits for."""
    writer, questions, waits = journal.claim(run), Questions(plan, journal, run), []
    bounds = [0, *sorted(cuts), frame.height]
    for seq, (start, stop) in enumerate(pairwise(bounds)):
        if start == stop:
            continue
        opened = questions.open(held_of(frame[start:stop], route, start), program_of(frame), seq=seq, now=T0)
        waits += opened.waits_for.to_list() if opened.waits_for is not None else []
        with writer.commit("batch") as tx:
            opened.record(tx)
            for id, rows in pl.Series("q", waits[start:stop]).value_counts().iter_rows():
                tx.put("held", seq=seq, question=id, route="", path=f"{seq}", rows=rows)
    return waits


def told(journal: Journal, run: str) -> list[tuple[Any, ...]]:
    names = ("id", "group", "text", "rows", "sample", "state", "choice", "candidates")
    return sorted(tuple(json.dumps(q[n]) for n in names) for q in journal.questions(run))


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


# ── memory ──


def remembered(directory: Path, text: str, name: str = "big") -> Path:
    path = directory / "decisions" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def states(journal: Journal, run: str) -> dict[str, tuple[str, str | None, str | None]]:
    return {q["group"] or "all": (q["state"], q["choice"], q["answered_by"]) for q in journal.questions(run)}


def test_a_remembered_answer_is_never_asked_again(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    plan = plan_of(tmp_path, scope="group", by=("country",))
    open_all(journal, run, plan)
    german = next(q["id"] for q in journal.questions(run) if "DE" in q["group"])
    answered = journal.answer(german, "accept", by="ann", via="tty", remember=True, reason="as agreed", now=T0 + 60)
    kept = keep(journal, [answered])
    assert [line for k in kept for line in k.added.splitlines()][:2] == ["- group: {country: DE}", "  answer: accept"]
    assert keep_remembered(journal, run) == []
    again = journal.begin(**NOTHING, now=T0 + 3600)
    waits = open_all(journal, again, plan)
    assert states(journal, again)['{"country": "DE"}'] == ("answered", "accept", "ann")
    assert [s for s, *_ in states(journal, again).values()].count("open") == 3
    assert {s.question for s in settled(journal, again)} == {waits[0]}
    assert len([e for e in journal.events(again) if e.name == "question.opened"]) == 3


REST = {'{"country": "FR"}': "reject", '{"country": "NO"}': "reject", '{"country": null}': "reject"}
MEMORIES: list[tuple[str, str, dict[str, str]]] = [
    ("NO is Norway, null is null", "- {group: {country: NO}, answer: accept}\n- {group: {country: null}, answer: reject}\n",
     {'{"country": "NO"}': "accept", '{"country": null}': "reject"}),
    ("the last entry wins", "- {group: {country: DE}, answer: accept}\n- {group: {country: DE}, answer: reject}\n",
     {'{"country": "DE"}': "reject"}),
    ("no selector: all", "- answer: reject\n- {group: {country: DE}, answer: accept}\n",
     {'{"country": "DE"}': "accept", **REST}),
    ("expired", "- {group: {country: DE}, answer: accept, expires: 2027-01-14}\n", {}),
    ("expires today", "- {group: {country: DE}, answer: accept, expires: 2027-01-15}\n", {'{"country": "DE"}': "accept"}),
    ("expired: the one before holds", "- {group: {country: DE}, answer: reject}\n"
     "- {group: {country: DE}, answer: accept, expires: 2020-01-01 10:00}\n", {'{"country": "DE"}': "reject"}),
    ("another condition", "- {group: {country: DE}, answer: accept, condition: amount > 5}\n", {}),
    ("the same condition", "- {group: {country: DE}, answer: accept, condition: amount > 10000}\n",
     {'{"country": "DE"}': "accept"}),
    ("when", "- {when: amount > 40000, answer: reject, by: bob}\n", {'{"when": "amount > 40000"}': "reject"}),
    ("when, then a later group", "- {when: amount > 10500, answer: reject}\n- {group: {country: DE}, answer: accept}\n",
     {'{"when": "amount > 10500"}': "reject", '{"country": "DE"}': "accept"}),
    ("comments, other line ends, indented", "# ours\r\n  - answer: reject # all\r\n    reason: |\r\n      long\r\n",
     {'{"country": "DE"}': "reject", **REST}),
    ("empty", "# nothing yet\n", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "answered"), [m[1:] for m in MEMORIES], ids=[m[0] for m in MEMORIES])
@pytest.mark.parametrize("cuts", [(), (1, 2, 3, 4, 5, 6, 7)], ids=["one batch", "batches of one"])
def test_memory_files_edited_by_hand(tmp_path: Path, text: str, answered: dict[str, str], cuts: tuple[int, ...]) -> None:
    noon = time.mktime((2027, 1, 15, 12, 0, 0, 0, 0, -1))
    journal, run = begin(tmp_path, noon)
    remembered(tmp_path, text)
    plan = plan_of(tmp_path, scope="group", by=("country",))
    assert Questions(plan, journal, run).problems == []
    open_all(journal, run, plan, cuts)
    assert {group: choice for group, (_, choice, _) in states(journal, run).items() if choice} == answered
    assert sum(q["rows"] for q in journal.questions(run)) == 8


BAD = [
    ("- {group: {contry: DE}, answer: accept}\n", 1, "this decision is not asked by 'contry'", "Did you mean 'country'?"),
    ("# x\n\n- {group: {country: DE}, answer: acept}\n", 3, "'acept' is not a choice", "Did you mean 'accept'?"),
    ("- {answer: accept}\n- {group: {country: DE}}\n", 2, "needs its 'answer'", "answer:"),
    ("- {answer: accept, expire: 2027-01-01}\n", 1, "has no 'expire'", "Did you mean 'expires'?"),
    ("- {answer: accept, expires: soon}\n", 1, "'soon' is not a date", "expires: 2027-01-31"),
    ("- {answer: accept, uses: -1}\n", 1, "not '-1'", "uses: 10"),
    ("- {answer: accept, group: {country: [DE, FR]}}\n", 1, "'country' is one value", ""),
    ("- {answer: accept, group: {country: DE}, when: amount > 3}\n", 1, "either 'group' or 'when'", "two entries"),
    ("- {answer: accept, answer: reject}\n", 1, "stands here twice", "Keep one"),
    ("answer: accept\n", 1, "are a list", "- group:"),
    ("- answer: [\n", 2, "", ""),
    ("- answer: a\x07\n", 1, "may not stand", ""),
    ("- just text\n", 1, "an entry is a mapping", "key: value"),
    ("- {when: '', answer: accept}\n", 1, "'when' is empty", ""),
]


@pytest.mark.parametrize(("text", "line", "message", "hint"), BAD)
def test_bad_memory_is_a_problem_with_its_place(tmp_path: Path, text: str, line: int, message: str, hint: str) -> None:
    journal, run = begin(tmp_path)
    path = remembered(tmp_path, text)
    problem = Questions(plan_of(tmp_path, scope="group", by=("country",)), journal, run).problems[0]
    assert (problem.file.endswith("big.yaml"), problem.line) == (True, line)
    assert message in problem.message
    assert hint in problem.hint
    if "choice" not in message and "asked by" not in message:
        with pytest.raises(QpipeError, match="not added"):
            Memory(path).remember([Entry("accept")])
        assert path.read_text() == text


@pytest.mark.parametrize(("condition", "message"), [("amount >", "when: "), ("amuont > 3", "'amuont'")])
def test_a_condition_that_cannot_be_read_is_a_problem(tmp_path: Path, condition: str, message: str) -> None:
    journal, run = begin(tmp_path)
    remembered(tmp_path, f"- {{answer: accept}}\n- {{when: {condition}, answer: accept}}\n")
    assert len(Questions(plan_of(tmp_path), journal, run).problems) == (message == "when: ")
    with pytest.raises(SpecError) as refused:
        open_all(journal, run, plan_of(tmp_path))
    assert refused.value.problems[0].line == 2
    assert message in refused.value.problems[0].message


def test_an_answer_that_a_module_cannot_use_ends_the_run(tmp_path: Path) -> None:
    """Else its rows would be held, settled and held again for ever."""
    journal, run = begin(tmp_path)
    remembered(tmp_path, "- {value: DE, answer: Germany}\n", "names")
    questions = Questions(plan_of(tmp_path), journal, run)
    questions.known_values()
    with pytest.raises(QpipeError, match="names still asks about 'DE', which was answered 'Germany'"):
        questions.open(held_of(ORDERS, HELD), program_of(ORDERS), seq=0)


def test_uses_are_counted_by_runs(tmp_path: Path) -> None:
    journal, _ = begin(tmp_path)
    remembered(tmp_path, "- {answer: accept, uses: 2}\n")
    runs = [journal.begin(**NOTHING) for _ in range(3)]
    for run in runs:
        open_all(journal, run, plan_of(tmp_path), (2, 5))
    assert [journal.questions(run)[0]["state"] for run in runs] == ["answered", "answered", "open"]


def test_a_row_is_remembered_by_its_cells(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    plan = plan_of(tmp_path, scope="row")
    open_all(journal, run, plan)
    first = next(q for q in journal.questions(run) if json.loads(q["group"])["_row"] == 0)
    keep(journal, [journal.answer(first["id"], "accept", by="ann", via="tty", now=T0)])
    again = journal.begin(**NOTHING)
    open_all(journal, again, plan, frame=ORDERS.reverse())
    assert [q["sample"][0]["cells"]["order_id"] for q in journal.questions(again, "answered")] == ["a1"]


def test_values_are_remembered(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path), (), HELD)
    question = next(q for q in journal.questions(run) if "NO" in q["group"])
    keep(journal, [journal.answer(question["id"], "Norway", by="ann", via="tty", now=T0)])
    later = Questions(plan_of(tmp_path), journal, journal.begin(**NOTHING))
    assert later.known_values() == {("names", "NO"): "Norway"}


def test_an_answer_for_a_batch_is_not_remembered(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    open_all(journal, run, plan_of(tmp_path, scope="batch"))
    assert "one batch" in why_not_kept(journal.questions(run)[0])


def test_open_questions_are_answered_by_an_edited_memory(tmp_path: Path) -> None:
    journal, run = begin(tmp_path)
    plan = plan_of(tmp_path, scope="group", by=("country",))
    open_all(journal, run, plan)
    remembered(tmp_path, "- {group: {country: DE}, answer: accept, by: cleo}\n")
    assert Questions(plan, journal, run).recall(T0 + 9) == 1
    assert Questions(plan, journal, run).recall(T0 + 9) == 0
    assert states(journal, run)['{"country": "DE"}'] == ("answered", "accept", "cleo")


texts = st.text(max_size=20)
groups = st.dictionaries(texts, st.none() | texts, min_size=1, max_size=3)
OLD = ["", "# mine\n", "- answer: x", "  - {answer: y, by: me}  # z\n", "- answer: x\r\n# end\r\n", "\ufeff- answer: x\n"]


@settings(max_examples=60, deadline=None)
@given(
    old=st.sampled_from(OLD),
    entries=st.lists(st.builds(Entry, answer=texts.filter(bool), group=groups, by=texts, reason=texts), max_size=3),
)
def test_what_people_wrote_stays_to_the_byte(tmp_path_factory: Any, old: str, entries: list[Entry]) -> None:
    path = tmp_path_factory.mktemp("memory") / "m.yaml"
    path.write_bytes(old.encode())
    before = Memory.load(path).entries
    added = Memory(path).remember(entries)
    assert path.read_bytes().startswith(old.encode())
    assert len(path.read_bytes()) >= len(old.encode()) + len(added.encode())
    after = Memory.load(path)
    assert after.problems == ()
    for entry in entries:
        found = after.answer_for(dict(entry.group or {}), now=0)
        assert found is not None  # a new entry says so, or one that was there
        assert found in after.entries[len(before) :] or not added or found.answer == entry.answer
    assert [p.name for p in path.parent.iterdir()] == ["m.yaml"]


def test_surrogates_and_odd_characters_are_written_so_that_yaml_reads_them(tmp_path: Path) -> None:
    import yaml

    entry = Entry("accept", group={"a\tb": "yes", "😀": "1e3", "\u2028": "it's: #1", "x": ""})
    Memory(tmp_path / "m.yaml").remember([entry])
    assert Memory.load(tmp_path / "m.yaml").entries[0].group == entry.group
    assert yaml.safe_load((tmp_path / "m.yaml").read_text())[0]["group"] == entry.group


def test_many_processes_remember_into_one_file(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from qpipe.orchestrator.memory import Entry, Memory\n"
        "for n in range(10): Memory(Path(sys.argv[1])).remember([Entry('a', group={'k': sys.argv[2] + str(n)})])"
    )
    path = tmp_path / "m.yaml"
    made = [subprocess.Popen([sys.executable, "-c", script, str(path), str(n)]) for n in range(4)]
    assert [process.wait() for process in made] == [0] * 4
    assert len(Memory.load(path).entries) == 40


# ── answers from a file ──

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
