"""Tables as others have made them: their names, columns that qpipe does not fill, and what refuses a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import Project
from test_database import run
from test_database_types import rows_of

from tests.servers import fixture

postgres = fixture("postgres")
mariadb = fixture("mariadb")
pytestmark = pytest.mark.servers("databases")
KINDS = ("postgres", "mariadb", "sqlite", "duckdb")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    kind: str = request.param
    url: str = request.getfixturevalue(kind) if kind in ("postgres", "mariadb") else f"{kind}:///{tmp_path / 'shop.db'}"
    run(url, "drop table if exists made")
    return url


def write(folder: Path, url: str, more: str, table: str = "made") -> Any:
    spec = f"""
        name: write
        sources: {{orders: {{path: orders.csv, schema: {{id: int, name: string}}}}}}
        outputs: {{made: {{type: database, url: "{url}", table: '{table}', {more}}}}}
    """
    return Project(folder, spec, {"orders.csv": "id,name\n1,a\n2,bbbb\n"}).run()


@pytest.mark.parametrize("name, quoted", [("Mixed", "Mixed"), ("two words", "two words"), ("order", "order"), ('"a.b"', "a.b")])
def test_a_table_is_called_as_it_is_written_out_and_in(url: str, name: str, quoted: str, tmp_path: Path) -> None:
    sign = "`" if url.startswith("mariadb") else '"'
    run(url, f"drop table if exists {sign}{quoted}{sign}")
    for n in range(2):
        assert write(tmp_path / f"out{n}", url, "mode: upsert, key: [id]", name).state == "done"
    assert len(rows_of(url, f"select * from {sign}{quoted}{sign}")) == 2
    spec = f"""
        name: read
        sources: {{made: {{type: database, url: "{url}", table: '{name}'}}}}
        outputs: {{all: {{path: all.csv}}}}
    """
    project = Project(tmp_path / "in", spec)
    assert project.run().state == "done"
    assert (project.folder / "all.csv").read_text() == "id,name\n1,a\n2,bbbb\n"
    run(url, f"drop table {sign}{quoted}{sign}")


def test_postgresql_takes_a_name_written_large_for_the_small_one_that_is_there(postgres: str, tmp_path: Path) -> None:
    run(postgres, "drop table if exists made", "create table made (id integer, name text)")
    assert write(tmp_path, postgres, "mode: append", "Made").state == "done"
    assert len(rows_of(postgres, "select * from made")) == 2


@pytest.mark.parametrize("url", ["postgres", "duckdb"], indirect=True)
def test_a_table_of_another_schema(url: str, tmp_path: Path) -> None:
    run(url, "create schema if not exists sales", "drop table if exists sales.made")
    for n in range(2):
        assert write(tmp_path / str(n), url, "mode: append", "sales.made").state == "done"
    assert len(rows_of(url, "select * from sales.made")) == 4


def test_columns_that_are_not_written_keep_what_they_have_or_get_their_defaults(url: str, tmp_path: Path) -> None:
    made = "virtual" if url.startswith("duckdb") else "stored"
    columns = "more varchar(9) default 'new', name varchar(9), id integer primary key"
    run(url, f"create table made ({columns}, twice integer generated always as (id * 2) {made})")
    run(url, "insert into made (more, name, id) values ('old', 'x', 1)")
    assert write(tmp_path, url, "mode: upsert, key: [id]").state == "done"
    found = rows_of(url, "select id, name, more, twice from made order by id")
    assert [[str(cell) for cell in row] for row in found] == [["1", "a", "old", "2"], ["2", "bbbb", "new", "4"]]


SHORT = "create table made (id integer, name varchar(3))"
REFUSED = {  # the table, mode → words of the hint, and the databases that refuse it
    "check": ("create table made (id integer primary key, name varchar(9), check (id < 2))", "append", "", KINDS),
    "no default": ("create table made (id integer, name varchar(9), more integer not null)", "append", "", KINDS),
    "too long": (SHORT, "append", "does not fit its column", ("postgres", "mariadb")),
    "no number": ("create table made (id integer, name integer)", "append", "does not fit", ("postgres", "mariadb", "duckdb")),
    "generated": ("create table made (id integer, name integer generated always as (id) STORED)", "append",
                  "makes this column itself", ("postgres", "mariadb", "duckdb")),
    "no key": ("create table made (id integer, name varchar(9))", "upsert, key: [id]", "primary key, or a unique one", KINDS),
}  # fmt: skip


@pytest.mark.parametrize("url, why", [(kind, why) for why, (*_, kinds) in REFUSED.items() for kind in kinds], indirect=["url"])
def test_what_refuses_a_row_is_told_with_what_to_do(url: str, why: str, tmp_path: Path) -> None:
    made, mode, hint, _ = REFUSED[why]
    run(url, made.replace("STORED", "virtual" if url.startswith("duckdb") else "stored"))
    outcome = write(tmp_path, url, f"mode: {mode}")
    assert (outcome.state, outcome.exit_code) == ("refused", 65), outcome
    assert hint in outcome.hint and "reachable" not in outcome.hint
    assert rows_of(url, "select * from made") == []


def test_a_user_who_may_only_insert_needs_no_permission_to_make_tables(postgres: str, tmp_path: Path) -> None:
    run(postgres, "drop table if exists _qpipe_commit", "drop table if exists made", "drop role if exists lowly",
        "create role lowly login password 'low-word'", "create table made (id integer, name text)")  # fmt: skip
    low = f"postgresql://lowly:low-word@{postgres.rpartition('@')[2]}"
    outcome = write(tmp_path / "no", low, "mode: append")
    assert outcome.exit_code == 77 and "permission denied" in outcome.message and "_qpipe_commit" in outcome.hint
    run(postgres, "create table _qpipe_commit (token text primary key, at timestamptz default now())",
        "grant insert, select on made, _qpipe_commit to lowly")  # fmt: skip
    assert write(tmp_path / "yes", low, "mode: append").state == "done"
    assert len(rows_of(postgres, "select * from made")) == 2
    run(postgres, "drop owned by lowly", "drop role lowly", "drop table _qpipe_commit")
