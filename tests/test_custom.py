"""The steps with a user's own code: what SQL may not do, and how Python tells what went wrong."""

from __future__ import annotations

import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Project

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Module
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.gather import Table
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.core.types import DataType
from qpipe.testing.alone import run_alone

REGISTRY = Registry()
FRAME = pl.DataFrame({"id": [1, 2, 3], "city": ["Bonn", None, "Metz"]})


def made(name: str, **values: Any) -> Module:
    return build(REGISTRY.get("module", name), values)


def context(frame: pl.DataFrame = FRAME, **values: Any) -> Context:
    return Context(types={name: DataType.of(dtype) for name, dtype in frame.schema.items()}, **values)


def run(module: Module, frame: pl.DataFrame = FRAME, batch_size: int | None = None, **values: Any) -> pl.DataFrame:
    return run_alone(module, frame, context(frame, **values), batch_size).frame


# ── sql ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

ESCAPES = [
    "select * from read_csv('{file}')",
    "select * from read_csv_auto('{file}')",
    "select * from read_text('{file}')",
    "select * from read_blob('{file}')",
    "select * from read_json('{file}')",
    "select * from read_parquet('{file}')",
    "select * from parquet_metadata('{file}')",
    "select * from sniff_csv('{file}')",
    "select * from glob('/*')",
    "select * from '{file}'",
    'select * from "{file}"',
    "with x as (select * from '{file}') select * from x",
    "select id from data where city in (select content from read_text('{file}'))",
    "select * from query('select * from read_text(''{file}'')')",
    "select * from query_table('{file}')",
    "select getenv('HOME') as id from data",
    "select * from duckdb_secrets()",
    "select * from duckdb_settings()",
    "select * from pragma_database_list()",
    "copy data to '{file}.out'",
    "copy (select 1) to '{file}.out'",
    "attach '{file}' as other",
    "install httpfs",
    "load httpfs",
    "set enable_external_access=true",
    "reset enable_external_access",
    "pragma enable_profiling",
    "export database '{file}.out'",
    "import database '{file}.out'",
    "create table t as select * from data",
    "drop view data",
    "insert into data select * from data",
    "select 1 as id; copy data to '{file}.out'",
    "call pragma_version()",
    "explain analyze select * from data",
    "checkpoint",
    "use memory",
    "select * from 'https://example.com/x.csv'",
    "summarize data",
]


@pytest.mark.parametrize("statement", ESCAPES)
def test_no_way_out_of_the_data(tmp_path: Path, statement: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("id\nthe secret\n")
    before = sorted(tmp_path.rglob("*"))
    for values in (
        {"query": statement.format(file=secret), "columns": {"id": "string"}},
        {"failing": statement.format(file=secret)},
    ):
        module = made("sql", **values)
        with pytest.raises(QpipeError) as refused:
            run(module)
        assert "the secret" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("statement", ESCAPES)
def test_the_lock_holds_without_the_parser(tmp_path: Path, statement: str) -> None:
    """The second wall on its own: what would happen if our reading of the query were wrong."""
    import duckdb

    harmless = (
        "insert",
        "create",
        "drop view",
        "explain",
        "checkpoint",
        "use memory",
        "summarize",
        "duckdb_s",
        "pragma_",
        "pragma ",
    )
    if any(word in statement for word in harmless) and "copy" not in statement:
        return  # inside its own memory, the connection may do this
    secret = tmp_path / "secret.csv"
    secret.write_text("id\nthe secret\n")
    table = Table(tmp_path / "gathered", 256 << 20)
    table.add(FRAME.with_row_index(ROW))
    connection = table.connect(locked=True)
    with pytest.raises(duckdb.Error) as refused:
        connection.sql(statement.format(file=secret)).fetchall()
    assert "the secret" not in str(refused.value)
    assert not list(tmp_path.glob("*.out"))
    connection.close()


def test_sql_keeps_rows_that_keep_their_number() -> None:
    module = made("sql", query="select _row, id * 2 as id from data where id <> 2", columns={"id": "int"})
    for size in (None, 1, 2):
        assert run(module, batch_size=size).to_dict(as_series=False) == {ROW: [0, 2], "id": [2, 6]}


def test_sql_makes_new_rows() -> None:
    module = made("sql", query="select unnest([2, 1]) as id", columns={"id": "int"})
    assert run(module).to_dict(as_series=False) == {"id": [1, 2]}, "in the order of their values"
    module = made("sql", query="select unnest([1, 2]) as id order by id desc -- newest first\n;", columns={"id": "int"})
    assert run(module)["id"].to_list() == [2, 1]


def test_sql_sees_references_and_no_rows() -> None:
    query = "select r.name as name, count(data.id) as n from r left join data using (id) group by all"
    module = made("sql", query=query, columns={"name": "string", "n": "int"})
    assert module.references() == ("r",)
    tables = {"r": pl.DataFrame({"id": [1, 9], "name": ["one", "nine"]})}
    assert run(module, tables=tables).rows() == [("nine", 0), ("one", 1)]
    assert run(module, FRAME.clear(), tables=tables).rows() == [("nine", 0), ("one", 0)]


def test_sql_over_a_source_without_a_single_batch(tmp_path: Path) -> None:
    module = made("sql", query="select id from data", columns={"id": "int"})
    folder = module.replace(Table(tmp_path, 256 << 20), context())  # type: ignore[attr-defined]
    assert pl.read_parquet(folder / "*.parquet").schema == {"id": pl.Int64}


SQL_FAILURES: list[tuple[dict[str, Any], str]] = [
    (
        {"query": "select nme as id from data", "columns": {"id": "int"}},
        'the query fails: Binder Error: Referenced column "nme"',
    ),
    ({"query": "select * from dta", "columns": {"id": "int"}}, "Table with name dta does not exist"),
    ({"query": "select id from data", "columns": {"n": "int"}}, "no column 'n'; it gives id"),
    ({"query": "select id, city from data", "columns": {"id": "int"}}, "a column 'city', which columns: does not name"),
    ({"query": "select city as id from data", "columns": {"id": "int"}}, "'id' is string, and not all of it fits int"),
    ({"query": "select 1.5::double as id", "columns": {"id": "int"}}, "'id' is float, and not all of it fits int"),
    ({"query": "select 1.25::decimal(9,2) as id", "columns": {"id": "decimal(9,1)"}}, "'id' is decimal(9,2), and not all of"),
    ({"query": "select interval 1 day as id", "columns": {"id": "duration"}}, "is an interval"),
    ({"query": "select 7 as _row, id from data", "columns": {"id": "int"}}, "a _row that no row of data has"),
    ({"failing": "select 1000000000000 as _row"}, "a _row that no row of data has"),
    ({"failing": "select id from data"}, "gives id, but not _row"),
]


@pytest.mark.parametrize(("values", "message"), SQL_FAILURES, ids=lambda part: str(part)[:40])
def test_sql_tells_what_is_wrong(values: dict[str, Any], message: str) -> None:
    with pytest.raises(QpipeError) as refused:
        run(made("sql", **values))
    assert message in str(refused.value)


SQL_PROBLEMS: list[tuple[dict[str, Any], str]] = [
    ({}, "one of them"),
    ({"query": "select 1 as x"}, "name the columns that come out"),
    ({"query": "select 1 as x", "columns": {"x": "itn"}}, "no type is named 'itn'"),
    ({"failing": "select _row from data", "columns": {"x": "int"}}, "changes no columns"),
    ({"failing": "select _row\nfrom data wehre id > 1"}, "line 2, column"),
    ({"failing": "select 1; select 2"}, "one query, not 2"),
    ({"failing": " "}, "empty"),
    ({"failing": "delete from data"}, "only a select"),
    ({"failing": "select _row from read_csv('x')"}, "read_csv(…) is not allowed"),
    ({"failing": "summarize data"}, "are no queries"),
]


@pytest.mark.parametrize(("values", "message"), SQL_PROBLEMS, ids=lambda part: str(part)[:40])
def test_sql_problems(values: dict[str, Any], message: str) -> None:
    found = [told for _, told in made("sql", **values).problems(context().types)]
    assert len(found) == 1, found
    assert message in found[0]


def test_sql_is_stopped_in_time() -> None:
    query = "select sum(a.range * b.range % 7) as n from range(1000000) a, range(1000000) b"
    started = time.monotonic()
    with pytest.raises(QpipeError, match=r"longer than 0\.3 s"):
        run(made("sql", query=query, columns={"n": "float"}, timeout=0.3))
    assert time.monotonic() - started < 5


def test_sql_out_of_memory_is_told() -> None:
    query = "select list(a.range) as n from range(50000000) a"
    with pytest.raises(QpipeError, match="memory_limit"):
        run(made("sql", query=query, columns={"n": "list(int)"}), memory_limit=1 << 27)


# ── python ────────────────────────────────────────────────────────────────────────────────────────────────────────────

RULES = """
import polars as pl
from qpipe import BaseModule


class Loyalty(BaseModule):
    def validate(self, data):
        if "id" not in data.columns:
            yield "there is no id"

    def process(self, data, context):
        self.seen = getattr(self, "seen", 0) + data.height
        return data.with_columns(tier=pl.lit(self.options["tier"]))


class Asking(BaseModule):
    def process(self, data, context):
        self.rows = data.filter(pl.col("city") == "Metz")["_row"]
        return data

    def get_decisions(self):
        return [(self.options.get("row", row), "is Metz right?") for row in self.rows]


class Numbered:
    def __init__(self, start):
        self.next = start

    def __call__(self, data):
        numbers = pl.int_range(self.next, self.next + data.height, eager=True)
        self.next += data.height
        return data.with_columns(number=numbers)


class Picky:
    def validate(self, data):
        return ["too small"] if data.height < 9 else []

    def process(self, data):
        return data


def upper(data, column="city"):
    return data.with_columns(pl.col(column).str.to_uppercase())


def strict(data):
    for city in data["city"]:
        city.upper()
    return data


def nothing(data):
    data.height


def halved(data):
    return data.filter(pl.col("id") > 1)


def unnumbered(data):
    return data.filter(pl.col("id") > 1).drop("_row")


def grown(data):
    return data.with_columns(extra=pl.lit(1))


def renamed(data):
    return data.rename({"city": "town"})


def foreign(data):
    return data.with_columns(_row=pl.col("_row") + 100)


def worded(data):
    return data.with_columns(id=pl.lit("x"))


def broken_up(data):
    return data.with_columns(id=pl.col("id") / 2)


not_code = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.py").write_text(RULES)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "more.py").write_text("def same(data):\n    return data\n")
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "raises.py").write_text("x = 1\ny = 1 / 0\n")
    (tmp_path / "lacks.py").write_text("import a_package_that_is_not_there\n")
    return tmp_path


WORKS: list[tuple[dict[str, Any], dict[str, list[Any]]]] = [
    ({"class": "rules.py:Loyalty", "with": {"tier": "gold"}, "output": {"tier": "string"}}, {"tier": ["gold"] * 3}),
    ({"class": "rules.py:Numbered", "with": {"start": 5}, "output": {"number": "int"}}, {"number": [5, 6, 7]}),
    ({"class": "rules.py:upper"}, {"city": ["BONN", None, "METZ"]}),
    ({"class": "rules.py:upper", "with": {"column": "city"}}, {"city": ["BONN", None, "METZ"]}),
    ({"class": "rules.py:halved"}, {"id": [2, 3], ROW: [1, 2]}),
    ({"class": "shop.more:same"}, {"id": [1, 2, 3]}),
    ({"class": "rules.py:Asking", "asks": "doubt"}, {"id": [1, 2, 3], "doubt": [None, None, "is Metz right?"]}),
]


@pytest.mark.parametrize(("values", "columns"), WORKS, ids=lambda part: str(part)[:50])
def test_python_runs(folder: Path, values: dict[str, Any], columns: dict[str, list[Any]]) -> None:
    for size in (None, 2):
        after = run(made("python", **values), batch_size=size, directory=folder)
        assert {name: after[name].to_list() for name in columns} == columns


FAILS: list[tuple[dict[str, Any], str]] = [
    (
        {"class": "rules.py:strict"},
        "rules.py:49: rules.py:strict fails: AttributeError: 'NoneType' object has no attribute 'upper' (first at row 1)",
    ),
    ({"class": "rules.py:strict", "side_effects": True}, "has no attribute 'upper'\n  at: city.upper()"),
    (
        {"class": "rules.py:Loyalty", "output": {"tier": "string"}},
        "rules.py:13: rules.py:Loyalty.process fails: KeyError: 'tier'",
    ),
    ({"class": "rules.py:Numbered"}, "missing a required argument: 'start'\n  with: must fit Numbered(start)"),
    ({"class": "rules.py:Loyality"}, "rules.py has no 'Loyality'\n  did you mean 'Loyalty'?"),
    ({"class": "rules.py:not_code"}, "has no method process(data, context), and cannot be called"),
    ({"class": "rules.py:nothing"}, "gave nothing back"),
    ({"class": "rules.py:Asking"}, "get_decisions() asks 'is Metz right?', and no column keeps it\n  say asks: doubt"),
    ({"class": "rules.py:Asking", "with": {"row": 17}, "asks": "doubt"}, "asks about a row that is not in the batch"),
    ({"class": "rules.py:Asking", "with": {"row": "x"}, "asks": "doubt"}, "get_decisions() gave ('x', 'is Metz right?')"),
    ({"class": "rules.py:unnumbered"}, "gave 2 rows back for 3, without _row"),
    ({"class": "rules.py:grown"}, "a column 'extra' that output: does not name\n  output: {extra: int32}"),
    ({"class": "rules.py:renamed"}, "the column 'city' is gone"),
    ({"class": "rules.py:foreign"}, "rows back that never went in"),
    ({"class": "rules.py:worded"}, "'id' is string, and not all of it fits int"),
    ({"class": "rules.py:broken_up"}, "'id' is float, and not all of it fits int"),
    ({"class": "rule.py:Loyalty"}, "there is no file rule.py beside the spec"),
    ({"class": "shop.mor:same"}, "no module is named 'shop.mor'"),
    ({"class": "broken.py:f"}, "broken.py:2: broken.py is no Python"),
    ({"class": "raises.py:f"}, "raises.py:2: raises.py:f.import fails: ZeroDivisionError"),
    ({"class": "lacks.py:f"}, "lacks.py:1: lacks.py:f.import fails: ModuleNotFoundError"),
]


@pytest.mark.parametrize(("values", "message"), FAILS, ids=lambda part: str(part)[:50])
def test_python_tells_what_is_wrong(folder: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(QpipeError) as refused:
        run(made("python", **values), directory=folder)
    assert message in str(refused.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("batch", [1, 100])
def test_what_a_class_asks_is_asked_of_people(folder: Path, batch: int) -> None:
    spec = f"""
        sources: {{s: {{path: s.csv, schema: {{id: int, city: string}}}}}}
        modules: [{{python: {{class: "rules.py:Asking", asks: doubt}}}}]
        routes: [{{when: doubt is not null, ask: what-now}}, {{to: clean}}]
        decisions:
          what-now: {{question: "{{doubt}} (rows: {{rows}})", scope: group, by: [doubt], choices: {{yes: clean, no: drop}}}}
        outputs: {{clean: {{path: out/clean.csv}}}}
        settings: {{batch_size: {batch}}}
    """
    project = Project(folder, spec, {"s.csv": "id,city\n1,Bonn\n2,Metz\n3,Metz\n"})
    assert project.run().exit_code == 75
    (question,) = project.journal.questions()
    assert (question["text"], question["rows"]) == ("is Metz right? (rows: 2)", 2)
    assert project.resume(given={"what-now": "yes"}).exit_code == 0
    assert project.outputs()["clean.csv"].splitlines()[1:] == [b"1,Bonn,", b"2,Metz,is Metz right?", b"3,Metz,is Metz right?"]


@pytest.mark.parametrize("place", [0, 1, 61, 99])
def test_python_finds_the_first_row_that_fails(folder: Path, place: int) -> None:
    cities = ["Bonn"] * place + [None] + ["Metz", None] * 50
    with pytest.raises(QpipeError, match=rf"\(first at row {place}\)"):
        run(made("python", **{"class": "rules.py:strict"}), pl.DataFrame({"city": cities[:100]}), directory=folder)


def test_python_may_refuse_the_data(folder: Path) -> None:
    with pytest.raises(DataRefused, match="Picky refuses the data: too small"):
        run(made("python", **{"class": "rules.py:Picky"}), directory=folder)


def test_python_is_read_again_when_it_changed(folder: Path) -> None:
    import os

    assert run(made("python", **{"class": "rules.py:upper"}), directory=folder)["city"][0] == "BONN"
    (folder / "rules.py").write_text(RULES.replace("to_uppercase", "to_lowercase"))
    os.utime(folder / "rules.py", ns=(1, 1))
    assert run(made("python", **{"class": "rules.py:upper"}), directory=folder)["city"][0] == "bonn"


def test_python_leaves_the_import_path_as_it_was(folder: Path) -> None:
    before = list(sys.path)
    run(made("python", **{"class": "shop.more:same"}), directory=folder)
    assert sys.path == before


# ── the guide ─────────────────────────────────────────────────────────────────────────────────────────────────────────

GUIDE = Path(__file__).parent.parent / "docs" / "writing-a-module.md"


def blocks(language: str) -> list[str]:
    found, inside = [], False
    for line in GUIDE.read_text().splitlines():
        if line.startswith("```"):
            inside = line == f"```{language}" and not inside
            if inside:
                found.append("")
        elif inside:
            found[-1] += line + "\n"
    return found


def test_the_guide_is_true(tmp_path: Path) -> None:
    """Its plugin file passes the published suite, and is what a spec names."""
    from qpipe.testing import modules

    source = blocks("python")[0]
    (tmp_path / "my_checks.py").write_text(source)
    registry = Registry(("my_checks.py",), tmp_path)
    mine = [cls for cls in registry.all("module") if cls.__module__ == "my_checks"]
    assert sorted(cls.name for cls in mine) == ["known_share", "mask_digits", "vat_id"]
    for cls in mine:
        for rule in modules.RULES:
            rule(cls)


def test_the_guides_spec_is_a_spec(tmp_path: Path) -> None:
    from qpipe.spec.check import check
    from qpipe.spec.load import Spec

    (tmp_path / "my_checks.py").write_text(blocks("python")[0])
    (tmp_path / "rules.py").write_text(textwrap.dedent(blocks("python")[1]))
    (tmp_path / "spec.yaml").write_text(blocks("yaml")[-1])
    problems, _ = check(Spec.load(tmp_path / "spec.yaml"))
    assert [str(problem) for problem in problems] == []
