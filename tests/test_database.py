"""Databases in and out, each against the real thing: exact types, exact restart, exactly once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Killed, Project, stop_at

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.errors import QpipeError
from qpipe.core.params import build
from qpipe.core.secrets import Secret
from qpipe.core.sql import bound, database, names_in
from qpipe.core.types import DataType
from qpipe.outputs.database import Database as DatabaseOutput
from qpipe.sources.database import Database as DatabaseSource
from tests.servers import running

KINDS = ("postgres", "mariadb", "sqlite", "duckdb")
pytestmark = pytest.mark.servers("databases")


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """The servers that run so far: each is started by the first test that needs it."""
    started: dict[str, Any] = {}
    yield started
    for generator in started.pop("generators", []):
        next(generator, None)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, servers: dict[str, Any], tmp_path: Path) -> str:
    """A database without tables."""
    kind = request.param
    if kind in ("sqlite", "duckdb"):
        return f"{kind}:///{tmp_path / 'shop.db'}"
    if kind not in servers:
        generator = running(kind)
        servers[kind] = next(generator)
        servers.setdefault("generators", []).append(generator)
    address: str = servers[kind]
    run(address, *[f"drop table if exists {t}" for t in ("orders", "clean", "bad", "_qpipe_commit", "kinds", "customers")])
    return address


def run(url: str, *queries: str) -> None:
    """Statements straight to the server."""
    scheme = url.partition(":")[0]
    if scheme == "postgresql":
        import psycopg

        with psycopg.connect(url) as db:
            for query in queries:
                db.execute(query)  # type: ignore[arg-type]
    elif scheme == "mariadb":
        with database(url, Path.cwd())._connected() as my, my.cursor() as cursor:  # type: ignore[attr-defined]
            for query in queries:
                cursor.execute(query)
            my.commit()
    elif scheme == "sqlite":
        import sqlite3

        with sqlite3.connect(url.partition(":///")[2]) as lite:
            for query in queries:
                lite.execute(query)
        lite.close()
    else:
        import duckdb

        with duckdb.connect(url.partition(":///")[2]) as duck:
            for query in queries:
                duck.execute(query)


def source(url: str, **values: Any) -> DatabaseSource:
    return build(DatabaseSource, {"url": Secret(url), **values})  # type: ignore[no-any-return]


def rows_of(url: str, table: str, order: str) -> list[dict[str, Any]]:
    found = list(source(url, query=f"select * from {table}", key=[order]).read(Context(), None, 1000))
    return pl.concat([chunk.frame for chunk in found]).to_dicts() if found else []


def filled(url: str, rows: int = 100) -> None:
    run(url, "create table orders (id integer primary key, region varchar(10), amount decimal(10,2), changed integer)")
    lines = [f"({n}, '{'ab'[n % 2]}', {n}.50, {n // 10})" for n in range(rows)]
    run(url, f"insert into orders values {', '.join(lines)}")


# ── reading ──


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_the_types_of_postgresql_arrive_exactly(url: str) -> None:
    run(url, "create type mood as enum ('sad', 'ok')", """create table kinds (
        i2 smallint, i8 bigint, n numeric(30,10), free numeric, f double precision, b boolean, t text, d date, ts timestamp,
        tz timestamptz, ti time, j jsonb, a int[], u uuid, by bytea, m mood, iv interval, ip inet)""")  # fmt: skip
    run(url, """insert into kinds values (1, 9223372036854775807, 12345678901234567890.0123456789, 1e-20, 'NaN', true,
        E'a,"b"\\n\\\\N', '2026-11-23', '2026-11-23 01:02:03.456789', '2026-11-23 01:02:03+05', '23:59:59.5',
        '{"a": [1, null]}', '{1,null,3}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\x00ff', 'ok', '1 day 2 hours',
        '10.0.0.1/8')""", "insert into kinds (t) values ('')", "insert into kinds (d) values ('infinity')")  # fmt: skip
    (chunk,) = source(url, table="kinds").read(Context(), None, 10)
    row = next(r for r in chunk.frame.to_dicts() if r["i2"] == 1)
    assert row["i8"] == 2**63 - 1 and row["n"] == Decimal("12345678901234567890.0123456789")
    assert row["free"] == "0.00000000000000000001" and row["f"] != row["f"] and row["b"] is True
    assert row["t"] == 'a,"b"\n\\N' and row["d"] == dt.date(2026, 11, 23)
    assert row["ts"] == dt.datetime(2026, 11, 23, 1, 2, 3, 456789)
    assert row["tz"] == dt.datetime(2026, 11, 22, 20, 2, 3, tzinfo=dt.UTC) and row["ti"] == dt.time(23, 59, 59, 500000)
    assert row["j"] == '{"a": [1, null]}' and row["a"] == "[1,null,3]" and row["by"] == b"\x00\xff"
    assert (row["m"], row["iv"], row["ip"]) == ("ok", "1 day 02:00:00", "10.0.0.1/8")
    assert row["u"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    assert [r["t"] for r in chunk.frame.to_dicts()].count("") == 1, "an empty text is no null"
    assert [(f.code, f.column, f.raw) for f in chunk.faults] == [("not-representable", "d", "infinity")]
    run(url, "drop table kinds", "drop type mood")


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
def test_the_types_of_mariadb_arrive_exactly(url: str) -> None:
    run(url, """create table kinds (u bigint unsigned, n decimal(30,10), f double, t text, d date, ts datetime(6), ti time(3),
        j json, b varbinary(8), e enum('x','y'), y tinyint(1))""")  # fmt: skip
    run(
        url,
        """insert into kinds values (18446744073709551615, 12345678901234567890.0123456789, 0.1, 'é,"', '2026-11-23',
        '2026-11-23 01:02:03.456789', '23:59:59.5', '{"a": 1}', x'00ff', 'y', 1)""",
    )
    (chunk,) = source(url, table="kinds").read(Context(), None, 10)
    (row,) = chunk.frame.to_dicts()
    assert row["u"] == 2**64 - 1 and row["n"] == Decimal("12345678901234567890.0123456789") and row["f"] == 0.1
    assert (row["t"], row["d"], row["e"], row["y"], row["b"]) == ('é,"', dt.date(2026, 11, 23), "y", 1, b"\x00\xff")
    assert row["ts"] == dt.datetime(2026, 11, 23, 1, 2, 3, 456789) and row["j"] == '{"a": 1}' and row["ti"] == "23:59:59.500"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_sqlite_keeps_what_it_likes_in_a_column_and_that_is_told(url: str) -> None:
    run(url, "create table kinds (i integer, r real, t text, b blob, d date)",
        "insert into kinds values (1, 1.5, 'a', x'00', '2026-11-23'), ('x', 2, 3, null, null)")  # fmt: skip
    (chunk,) = source(url, table="kinds").read(Context(), None, 10)
    by_t = {row["t"]: row for row in chunk.frame.to_dicts()}
    assert by_t["a"] == {"i": 1, "r": 1.5, "t": "a", "b": b"\x00", "d": "2026-11-23"}
    assert by_t["3"]["i"] is None and [(f.column, f.raw) for f in chunk.faults] == [("i", "x")]


def test_every_position_restarts_exactly(url: str) -> None:
    filled(url)
    for values in ({"table": "orders"}, {"table": "orders", "key": ["region", "id"]}, {"query": "select * from orders"}):
        whole = list(source(url, **values).read(Context(), None, 7))
        frame = pl.concat([chunk.frame for chunk in whole])
        assert frame.height == 100 and frame["amount"].sum() == Decimal("5000.00")
        for n, chunk in enumerate(whole):
            rest = [c.frame for c in source(url, **values).read(Context(), chunk.position, 11)]
            left = pl.concat(rest) if rest else frame.clear()
            assert left.equals(frame.slice(sum(c.frame.height for c in whole[: n + 1]))), (values, n)


def test_parameters_are_bound_and_never_pasted(url: str) -> None:
    filled(url, 10)
    query = "select * from orders where region = :region and '50% :x' <> region"
    (chunk,) = source(url, query=query, parameters={"region": "b"}, key=["id"]).read(Context(), None, 10)
    assert chunk.frame["id"].to_list() == [1, 3, 5, 7, 9]
    nasty = "b'; drop table orders; --"
    assert not list(source(url, query=query, parameters={"region": nasty}, key=["id"]).read(Context(), None, 10))
    assert len(rows_of(url, "orders", "id")) == 10


def test_names_in_queries() -> None:
    query = "select a::int, ':no', \"x:y\" from t where b = :b and c = :c and c > :b -- :d"
    assert names_in(query) == ["b", "c"]
    assert bound("a = :a and b like '10%'", "pyformat") == "a = %(a)s and b like '10%%'"
    assert bound("a = :a", "dollar") == "a = $a"


def test_incremental_runs_read_each_row_once(url: str, tmp_path: Path) -> None:
    filled(url, 30)
    spec = f"""
        name: copy
        sources: {{orders: {{type: database, url: "{url}", table: orders, incremental: {{column: changed}}}}}}
        outputs: {{clean: {{path: out/, format: csv, mode: append}}}}
        settings: {{batch_size: 7}}
    """
    copy = Project(tmp_path / "p", spec)
    assert copy.run().state == "done" and copy.journal.run()["rows_in"] == 30
    assert copy.run().state == "done" and copy.journal.run()["rows_in"] == 0
    run(url, "insert into orders values (100, 'a', 1.00, 3), (101, 'b', 1.00, 4)")
    assert copy.run().state == "done" and copy.journal.run()["rows_in"] == 2


# ── writing ──

SPEC = """
    name: load
    sources: {orders: {path: orders.csv, schema: {id: int, name: string, amount: "decimal(8,2)", at: datetime, day: date}}}
    modules: [{between: {column: amount, min: 0}}, {unique: {columns: [id], severity: warning}}]
    outputs:
      clean: {type: database, url: "URL", table: clean, mode: MODE, key: [id]}
      quarantine: {type: database, url: "URL", table: bad, mode: append}
    settings: {batch_size: 3, workers: 1}
"""
DATA = ('id,name,amount,at,day\n1,"é ""x"", y",1.50,2026-11-23 01:02:03,2026-11-23\n2,,0,,\n3,"",7.25,,2026-01-01\n'
        "4,bad,-1,,\n5,\\N,2.00,2026-11-23 00:00:00.123456,\n")  # fmt: skip
WANTED = [
    (1, 'é "x", y', Decimal("1.50"), dt.datetime(2026, 11, 23, 1, 2, 3), dt.date(2026, 11, 23)),
    (2, None, Decimal("0.00"), None, None),
    (3, "", Decimal("7.25"), None, dt.date(2026, 1, 1)),
    (5, "\\N", Decimal("2.00"), dt.datetime(2026, 11, 23, 0, 0, 0, 123456), None),
]


def project(folder: Path, url: str, mode: str = "append", data: str = DATA) -> Project:
    return Project(folder, SPEC.replace("URL", url).replace("MODE", mode), {"orders.csv": data})


def told(url: str) -> list[tuple[Any, ...]]:
    """The rows of the table; SQLite keeps decimals and times as texts."""
    rows = rows_of(url, "clean", "id")
    plain = [dt.datetime, dt.date]
    return [(r["id"], r["name"], Decimal(str(r["amount"])), _read(r["at"], plain[0]), _read(r["day"], plain[1])) for r in rows]


def _read(value: Any, kind: Any) -> Any:
    return kind.fromisoformat(value) if isinstance(value, str) else value


def test_rows_and_reasons_arrive_as_they_are(url: str, tmp_path: Path) -> None:
    assert project(tmp_path / "p", url).run().state == "done"
    assert told(url) == WANTED
    (bad,) = rows_of(url, "bad", "id")
    assert bad["amount"] == "-1" and "expected at least 0" in str(bad["_reasons"])


def test_replace_and_upsert(url: str, tmp_path: Path) -> None:
    load = project(tmp_path / "p", url, "upsert")
    assert load.run().state == "done"
    (load.folder / "orders.csv").write_text("id,name,amount,at,day\n2,new,9,,\n9,more,1,,\n9,most,2,,\n")
    assert load.run().state == "done"
    assert [(r[0], r[1]) for r in told(url)] == [(1, 'é "x", y'), (2, "new"), (3, ""), (5, "\\N"), (9, "most")]
    other = project(tmp_path / "q", url, "replace", "id,name,amount,at,day\n7,only,1,,\n")
    assert other.run().state == "done" and [r[0] for r in told(url)] == [7]


def test_stopped_at_every_effect_the_rows_are_there_once(url: str, tmp_path: Path) -> None:
    load = project(tmp_path / "whole", url)
    listener, seen = stop_at(10_000)
    with effects.listening(listener):
        load.run()
    chosen = ("output.sql", "journal.commit.intent", "journal.commit.published")  # test_crash.py stops at all others
    last = [n for n, name in enumerate(seen) if name.startswith(chosen)]
    assert len([n for n in last if "output.sql" in seen[n]]) >= 8
    for at in last:
        run(url, "drop table if exists clean", "drop table if exists bad", "drop table if exists _qpipe_commit")
        again = project(tmp_path / str(at), url)
        with pytest.raises(Killed), effects.listening(stop_at(at)[0]):
            again.run()
        assert again.resume().state == "done"
        assert told(url) == WANTED and len(rows_of(url, "bad", "id")) == 1, seen[at]


def test_a_key_that_is_there_already_is_told_and_nothing_is_changed(url: str, tmp_path: Path) -> None:
    assert project(tmp_path / "p", url, "append").run().state == "done"
    again = project(tmp_path / "q", url, "append").run()
    assert again.state == "refused" and "upsert" not in again.message, again.message
    assert told(url) == WANTED


# ── bad days ──


@pytest.mark.parametrize("url", ["postgres", "mariadb"], indirect=True)
def test_what_goes_wrong_is_told_without_the_password(url: str, tmp_path: Path) -> None:
    filled(url, 5)
    wrong = {
        "password": (source(url.replace("pa55-word", "wr0ng-word"), table="orders"), "check user and password"),
        "host": (
            source(url.replace("127.0.0.1", "127.0.0.1").rpartition(":")[0] + ":1/shop", table="orders", timeout=1),
            "running",
        ),
        "table": (source(url, table="nothing"), "check"),
        "column": (source(url, query="select nope from orders"), "check"),
    }
    for name, (broken, hint) in wrong.items():
        with pytest.raises(QpipeError) as refused:
            broken.columns(Context())
        assert refused.value.exit_code == 69 and hint in refused.value.hint, (name, str(refused.value))
        assert "word" not in str(refused.value).replace("password", ""), name


@pytest.mark.parametrize("url", ["postgres", "mariadb"], indirect=True)
def test_no_secret_in_what_a_run_leaves(url: str, tmp_path: Path) -> None:
    load = project(tmp_path / "p", url)
    load.run()
    load.run()  # refused: the key is there
    for file in load.folder.rglob("*"):
        if file.is_file() and file.name != "spec.yaml":
            content = file.read_bytes()
            assert b"pa55-word" not in content.replace(load.spec.read_bytes(), b""), file


def test_a_missing_driver_is_named_when_the_spec_is_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for kind, extra in (("postgresql", "postgres"), ("mysql", "mysql")):
        problems = [*source(f"{kind}://h/d", table="t").problems(None)]
        made: Any = build(DatabaseOutput, {"url": f"{kind}://h/d", "table": "t"})
        assert all(f"pip install 'qpipe[{extra}]'" in text for _, text in [*problems, *made.problems(None)]) and problems


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
def test_rows_are_written_to_mariadb_as_they_are(url: str, tmp_path: Path) -> None:
    """Texts that would end a literal, more bytes than a packet holds, and numbers that it does not know."""
    texts = [
        "",
        "'",
        "\\",
        "\\'",
        "''; drop table x; --",
        "%s %(a)s %",
        'a"b',
        "\0\x1a\b\n\r\t",
        "ü日😀",
        "null",
        None,
        "x" * 5_000_000,
    ]
    frame = pl.DataFrame(
        {"id": range(len(texts) * 5), "text": texts * 5, "raw": [b"\0'\\\xff", b"", None] * (len(texts) * 5 // 3)}
    )
    output = build(DatabaseOutput, {"url": Secret(url), "table": "odd"})
    types = {name: DataType.of(dtype) for name, dtype in frame.schema.items()}
    output.publish([output.stage(frame, 0, tmp_path, Context())], types, "token-odd", Context())
    found = rows_of(url, "odd", "id")
    assert [(row["text"], row["raw"]) for row in found] == list(frame.select("text", "raw").rows())
    broken = build(DatabaseOutput, {"url": Secret(url), "table": "nan"})
    parts = [broken.stage(pl.DataFrame({"x": [1.0, float("nan")]}), 0, tmp_path, Context())]
    with pytest.raises(QpipeError, match="x has NaN"):
        broken.publish(parts, {"x": DataType.parse("float")}, "token-nan", Context())
