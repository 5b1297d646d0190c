"""Columns that are not those of the contract: refused, told, or asked about before anything is published."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Project

SPEC = """
    sources:
      o:
        path: "in/*.csv"
        schema: {{id: int, amount: float, note: {{type: string, optional: true}}}}
        {policy}
    outputs: {{clean: {{path: out/c.csv}}}}
    settings: {{batch_size: 1}}
"""
WHOLE = "id,amount,note\n1,2,x\n"
WITHOUT_AMOUNT = "id,note\n2,y\n"
WITHOUT_NOTE = "id,amount\n3,4\n"
WITH_MORE = "id,amount,note,more\n5,6,z,!\n"


def project(folder: Path, policy: str, *files: str) -> Project:
    return Project(folder, SPEC.format(policy=policy), {f"in/{n}.csv": text for n, text in enumerate(files)})


def questions(made: Project) -> dict[str, tuple[str, str]]:
    return {q["decision"]: (q["id"], q["text"]) for q in made.journal.questions(state="open")}


def told(made: Project) -> list[str]:
    return [e.data["message"] for e in made.journal.events(made.journal.run()["id"]) if e.name == "source.note"]


CASES = {
    "missing, only file": ("on_missing_column: question", (WITHOUT_AMOUNT,), "without amount: read as null"),
    "missing, first": ("on_missing_column: question", (WITHOUT_AMOUNT, WHOLE), "without amount: read as null (in/0.csv)"),
    "missing, later": ("on_missing_column: question", (WHOLE, WITHOUT_AMOUNT), "without amount: read as null (in/1.csv)"),
    "new": ("on_new_column: question", (WHOLE, WITH_MORE), "more is not in the schema: kept as it comes"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("answer", ["publish", "refuse"])
def test_a_person_is_asked_before_anything_is_published(case: str, answer: str, tmp_path: Path) -> None:
    policy, files, words = CASES[case]
    made = project(tmp_path, policy, *files)
    published = tmp_path / "out/c.csv"
    assert made.run().exit_code == 75 and not published.exists()
    ((decision, (id, text)),) = questions(made).items()
    assert (decision, text) == ("o-columns", f"o-columns: o: {words}. Publish all the same?")
    assert made.resume().exit_code == 75  # nobody has answered
    made.journal.answer(id, answer, by="ann", via="cli")
    outcome = made.resume()
    if answer == "refuse":
        assert outcome.exit_code == 65 and words in outcome.message and not published.exists()
    else:
        assert outcome.exit_code == 0 and len(published.read_text().splitlines()) == 1 + len(files)


def test_an_answers_file_answers_for_the_columns(tmp_path: Path) -> None:
    made = project(tmp_path, "on_missing_column: question", WITHOUT_AMOUNT)
    (tmp_path / "answers.yaml").write_text("- {decision: o-columns, answer: publish}\n")
    assert made.run(answers=tmp_path / "answers.yaml").exit_code == 0


def test_a_missing_column_is_told_wherever_it_is_missing(tmp_path: Path) -> None:
    for name, files in {"a": (WITHOUT_AMOUNT,), "b": (WHOLE, WITHOUT_AMOUNT)}.items():
        made = project(tmp_path / name, "on_missing_column: warn", *files)
        assert made.run().exit_code == 0 and told(made) == ["without amount: read as null"]


@pytest.mark.parametrize("policy", ["fail", "question", "warn"])
def test_an_optional_column_may_be_absent_from_any_file(policy: str, tmp_path: Path) -> None:
    for name, files in {"a": (WITHOUT_NOTE,), "b": (WITHOUT_NOTE, WHOLE), "c": (WHOLE, WITHOUT_NOTE)}.items():
        made = project(tmp_path / name, f"on_missing_column: {policy}", *files)
        assert made.run().exit_code == 0 and not told(made)
        assert b"3,4.0," in made.outputs()["c.csv"]


def test_refused_wherever_it_is_missing(tmp_path: Path) -> None:
    for name, files in {"a": (WITHOUT_AMOUNT,), "b": (WHOLE, WITHOUT_AMOUNT)}.items():
        outcome = project(tmp_path / name, "on_missing_column: fail", *files).run()
        assert outcome.exit_code == 65 and "the column amount of its schema is missing" in outcome.message
