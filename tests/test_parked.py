"""A run that waits for a person publishes what is decided; what is answered later is added, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from running import Project

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


class Killed(BaseException):
    pass


def stop_at(number: int) -> tuple[Callable[[str], None], list[str]]:
    seen: list[str] = []

    def listener(name: str) -> None:
        seen.append(name)
        if len(seen) > number:
            raise Killed(name)

    return listener, seen


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
