"""Remembered answers: files that people edit, asked by every run, never rewritten."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from questions import NOTHING, ORDERS, T0, begin, held_of, open_all, plan_of, program_of, states

from qpipe.core.errors import QpipeError, SpecError
from qpipe.orchestrator.answers import keep, keep_remembered, settled, why_not_kept
from qpipe.orchestrator.decisions import Questions
from qpipe.orchestrator.memory import Entry, Memory
from qpipe.orchestrator.remembered import Remembered
from qpipe.orchestrator.router import HELD


def remembered(directory: Path, text: str, name: str = "big") -> Path:
    path = directory / "decisions" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


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
    ("when of all, then a later group", "- {when: amount > 10000, answer: reject}\n- {group: {country: DE}, answer: accept}\n",
     {'{"when": "amount > 10000"}': "reject", '{"country": "DE"}': "accept"}),
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
    assert Remembered(plan).problems == []
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
    path = remembered(tmp_path, text)
    problem = Remembered(plan_of(tmp_path, scope="group", by=("country",))).problems[0]
    assert (problem.file.endswith("big.yaml"), problem.line) == (True, line)
    assert message in problem.message
    assert hint in problem.hint
    if "choice" not in message and "asked by" not in message:
        with pytest.raises(QpipeError, match="not added"):
            Memory(path).remember([Entry("accept")])
        assert path.read_text() == text


def test_an_entry_of_a_module_says_its_value(tmp_path: Path) -> None:
    remembered(tmp_path, "- {value: DE, answer: keep}\n- {group: {country: DE}, answer: keep}\n", "names")
    (problem,) = Remembered(plan_of(tmp_path)).problems
    assert (problem.line, problem.code, problem.message) == (2, "missing-key", "this entry says no value.")
    assert "value:" in problem.hint


@pytest.mark.parametrize(("condition", "message"), [("amount >", "when: "), ("amuont > 3", "'amuont'")])
def test_a_condition_that_cannot_be_read_is_a_problem(tmp_path: Path, condition: str, message: str) -> None:
    journal, run = begin(tmp_path)
    remembered(tmp_path, f"- {{answer: accept}}\n- {{when: {condition}, answer: accept}}\n")
    assert len(Remembered(plan_of(tmp_path)).problems) == (message == "when: ")
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


def test_a_run_uses_an_entry_for_all_its_questions(tmp_path: Path) -> None:
    journal, _ = begin(tmp_path)
    remembered(tmp_path, "- {answer: accept, uses: 1}\n")
    runs = [journal.begin(**NOTHING) for _ in range(2)]
    for run in runs:
        open_all(journal, run, plan_of(tmp_path, scope="group", by=("country",)), range(1, 8))
    assert [{q["state"] for q in journal.questions(run)} for run in runs] == [{"answered"}, {"open"}]


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
