"""Rows that are loaded while others are still read: seen by nobody before the run is through, and each once after it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from running import Killed, Project, stop_at
from test_database import rows_of, run

from qpipe.core import effects
from qpipe.outputs.database import early
from tests.servers import fixture, until

postgres = fixture("postgres")
pytestmark = pytest.mark.servers("databases")
SPEC = """
    name: early
    sources: {{rows: {{path: in.csv, schema: {{id: int, name: string}}}}}}
    modules: [{{row_count: {{min: {least}}}}}]
    outputs:
      first: {{type: database, url: "{url}", table: {first}, MORE}}
      second: {{type: database, url: "{url}", table: {second}, from: first, MORE}}
    settings: {{batch_size: 10, workers: 1}}
"""
ROWS = 95


@pytest.fixture
def url(postgres: str) -> str:
    run(postgres, *[f"drop table if exists {name}" for name in ("one", "two", "_qpipe_commit")])
    return postgres


def project(folder: Path, url: str, more: str = "mode: append", tables: str = "one two", least: int = 1) -> Project:
    first, second = tables.split()
    text = SPEC.format(url=url, least=least, first=first, second=second).replace("MORE", more)
    return Project(folder, text, {"in.csv": "id,name\n" + "".join(f"{n},name {n}\n" for n in range(ROWS))})


def ids(url: str, table: str) -> list[int]:
    return [row["id"] for row in rows_of(url, table, "id")]


def tables(url: str) -> list[str]:
    return [row["id"] for row in rows_of(url, "(select tablename as id from pg_tables where schemaname = 'public') t", "id")]


def watched(project: Project, at: str = "", do: Any = None, state: str = "done") -> list[str]:
    """The effects of a run; ``do`` is called just before the first of that name. It is through when rows are on their way."""
    seen: list[str] = []

    def listener(name: str) -> None:
        seen.append(name)
        if name == "journal.commit.pass-done.before":
            until(lambda: "output.sql.early" in seen)
        if name == at and do and seen.count(at) == 1:
            do()

    with effects.listening(listener):
        outcome = project.run()
    assert outcome.state == state, outcome
    return seen


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize("there", [False, True])
def test_rows_are_loaded_while_others_are_read(url: str, tmp_path: Path, mode: str, there: bool) -> None:
    if there:
        for name in ("one", "two"):
            run(url, f"create table {name} (id bigint, name text)", f"insert into {name} values (-1, 'old')")
    before, seen_meanwhile = [-1] if there else [], list[list[int]]()

    def look() -> None:
        seen_meanwhile.append(ids(url, "one") if "one" in tables(url) else [])

    seen = watched(project(tmp_path, url, f"mode: {mode}"), "output.first.publish", look)
    assert seen_meanwhile == [before]
    assert [seen.count(f"output.sql.{what}") for what in ("claim", "commit")] == [2, 2], "one transaction for each output"
    wanted = [*(before if mode == "append" else []), *range(ROWS)]
    assert ids(url, "one") == ids(url, "two") == wanted
    assert tables(url) == ["_qpipe_commit", "one", "two"]


def test_a_run_that_is_refused_leaves_nothing(url: str, tmp_path: Path) -> None:
    watched(project(tmp_path, url, least=1000), state="refused")
    assert tables(url) == []


@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
@pytest.mark.parametrize("key", ["", ", key: [id]"])
@pytest.mark.parametrize("there", [False, True])
def test_two_outputs_of_one_table(url: str, tmp_path: Path, mode: str, key: str, there: bool) -> None:
    """As without it: the second adds, replaces, or breaks the key."""
    if mode == "upsert" and not key:
        return
    if there:
        run(url, f"create table one (id bigint{' primary key' if key else ''}, name text)")
    found = {}
    for when in ("false", "true"):
        outcome = project(tmp_path / when, url, f"mode: {mode}{key}, early: {when}", "one one").run()
        found[when] = (outcome.state, outcome.message, sorted(ids(url, "one")))
        run(url, "delete from one" if there else "drop table one")
    assert found["true"] == found["false"]
    assert found["true"][0] == ("refused" if key and mode == "append" else "done")


def test_a_table_that_others_make_or_hold_meanwhile(url: str, tmp_path: Path) -> None:
    made = lambda: run(url, "create table one (id bigint, name text)", "insert into one values (-1, 'theirs')")  # noqa: E731
    watched(project(tmp_path / "made", url), "output.first.publish", made)
    assert ids(url, "one") == [-1, *range(ROWS)] and tables(url) == ["_qpipe_commit", "one", "two"]

    import psycopg

    with psycopg.connect(url) as other:  # it holds a row that is to be replaced, until the run is through
        other.execute("update one set name = 'held' where id = -1")
        held = watched(project(tmp_path / "held", url, "mode: replace"), "output.first.publish", other.rollback)
    assert held.count("output.sql.committed") == 2 and ids(url, "one") == list(range(ROWS))


def test_nobody_is_kept_waiting_by_rows_on_their_way(url: str, tmp_path: Path) -> None:
    """Another program makes, fills and reads the tables while the run has rows for them on their way."""
    seen = []

    def other() -> None:
        run(url, "set lock_timeout = '1s'", "create table one (id bigint, name text)", "insert into one values (-1, 'theirs')")
        seen.append(ids(url, "one"))

    watched(project(tmp_path, url), "output.first.publish", other)
    assert seen == [[-1]]


def test_one_that_gets_no_rows_is_given_up(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "_IDLE", 1.5)

    def given_up() -> None:
        until(lambda: not any(thread.name == "qpipe-load" for thread in threading.enumerate()))

    seen = watched(project(tmp_path, url), "output.first.publish", given_up)
    assert seen.count("output.sql.load") == 20 and ids(url, "one") == ids(url, "two") == list(range(ROWS))


def test_stopped_at_every_effect_of_an_early_load(url: str, tmp_path: Path) -> None:
    names = watched(project(tmp_path / "whole", url, "mode: append, key: [id]"))
    chosen = [n for n, name in enumerate(names) if name.startswith("output") or ".batch." in name]
    for number in chosen[:: max(1, len(chosen) // 24)] + chosen[-8:]:
        run(url, *[f"drop table if exists {name}" for name in ("one", "two", "_qpipe_commit")])
        stopped = project(tmp_path / str(number), url, "mode: append, key: [id]")
        with pytest.raises(Killed), effects.listening(stop_at(number)[0]):
            stopped.run()
        assert stopped.resume().state == "done", names[number]
        assert ids(url, "one") == ids(url, "two") == list(range(ROWS)), names[number]
        assert tables(url) == ["_qpipe_commit", "one", "two"], names[number]
