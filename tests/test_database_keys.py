"""Tables read in the order of their keys: of every type, from every place, by several connections."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Killed, Project, stop_at
from test_database import run, source

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.errors import DataRefused
from tests.servers import fixture

postgres = fixture("postgres")
mariadb = fixture("mariadb")
pytestmark = pytest.mark.servers("databases")

MIXED = ["'a'", "'B'", "'c'", "'D'", "'ä'", "'_x'", "'aa'", "'Ab'", "''"]
CASELESS = ["'a'", "'B'", "'c'", "'D'", "'_x'", "'Ab'"]
TIMES = [f"'2026-01-0{n + 1} 00:00:00.00000{n}'" for n in range(3)]
IDS = [f"'{uuid.uuid5(uuid.NAMESPACE_DNS, str(n))}'" for n in range(4)]
KEYS = {
    "postgres": {
        "integer": ["3", "-1", "2"], "uuid": IDS, "bytea": [rf"'\x{n * 37 % 256:02x}ff'" for n in range(4)], "text": MIXED,
        "timestamptz": TIMES, "timestamp": TIMES, "date": ["'2026-01-01'", "'0044-01-02'"], "numeric": ["1.5", "1e20", "1e-20"],
        "numeric(30,10)": ["1.5", "2", "-3"], "float8": ["0.1", "0.2", "1e300", "-5"], "boolean": ["true", "false"],
        "time": ["'00:00'", "'23:59:59.999999'"], "interval": ["'1 day'", "'2 hours'"], "inet": ["'10.0.0.1'", "'9.0.0.1'"],
    },
    "mariadb": {
        "integer": ["3", "-1", "2"], "varchar(9) collate utf8mb4_bin": MIXED, "varchar(9) collate utf8mb4_unicode_ci": CASELESS,
        "binary(2)": ["x'00ff'", "x'ff00'", "x'2725'"], "datetime(6)": TIMES, "timestamp(6)": TIMES,
        "decimal(30,10)": ["1.5", "2", "-3"], "bigint unsigned": ["18446744073709551615", "1", "2"], "year": ["2001", "1999"],
        "date": ["'2026-01-01'", "'2026-01-02'"], "time(3)": ["'00:00:01.5'", "'-10:00:00'", "'100:00:00'"], "uuid": IDS,
        "enum('z','a','m')": ["'z'", "'a'", "'m'"], "double": ["0.1", "1e300"], "inet6": ["'::1'", "'::2'"],
    },
    "sqlite": {
        "integer": ["3", "-1", "2"], "text": MIXED, "blob": ["x'00'", "x'ff'", "x'0a'"], "real": ["0.1", "2.0"],
        "decimal(10,2)": ["1.5", "2", "10.25"],
    },
    "duckdb": {
        "integer": ["3", "-1", "2"], "uuid": IDS, "blob": [r"'\xAA'", r"'\xAB'", r"'\x00'"], "varchar": MIXED,
        "timestamptz": TIMES, "decimal(20,3)": ["1.5", "2", "10.25"], "hugeint": [str(2**127 - 1), "1", "2"],
        "timestamp_ns": TIMES, "enum('z','a')": ["'z'", "'a'"], "interval": ["interval 1 day", "interval 2 hour"],
        "time": ["'00:00'", "'23:59:59.999999'"],
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_type_restart_exactly(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """One row at a time, and from each on: the database's order, collations included, and its comparing are one."""
    url = request.getfixturevalue(kind) if kind in ("postgres", "mariadb") else f"{kind}:///{tmp_path / 'shop.db'}"
    for type, values in KEYS[kind].items():
        rows = ", ".join(f"({value}, {n})" for n, value in enumerate(values))
        run(url, "drop table if exists keyed", f"create table keyed (k {type}, n integer)", f"insert into keyed values {rows}")
        keyed = source(url, table="keyed", key=["k"])
        chunks = list(keyed.read(Context(), None, 1))
        order = [chunk.frame["n"][0] for chunk in chunks]
        assert sorted(order) == list(range(len(values))), type
        for n, chunk in enumerate(chunks[:3]):
            rest = [value for each in keyed.read(Context(), chunk.position, 2) for value in each.frame["n"]]
            assert rest == order[n + 1 :], (type, chunk.position)


# ── several connections ──

ROWS = 3000


@pytest.fixture(params=["postgres", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with a table whose numbers have gaps."""
    address: str = request.getfixturevalue(request.param)
    numbers, seq = (f"generate_series(1, {ROWS}) n", "n") if request.param == "postgres" else (f"seq_1_to_{ROWS}", "seq")
    run(address, "drop table if exists big", "create table big (id integer primary key, word varchar(40), part integer)",
        f"insert into big select {seq} * 3 + {seq} div 1000 * 100000, md5({seq}), {seq} % 7 from {numbers}"
        if request.param == "mariadb"
        else f"insert into big select n * 3 + n / 1000 * 100000, md5(n::text), n % 7 from {numbers}")  # fmt: skip
    yield address
    run(address, "drop table big")


def whole(chunks: Any) -> pl.DataFrame:
    return pl.concat([chunk.frame for chunk in chunks])


@pytest.mark.parametrize("key", [["id"], ["word"], ["part", "id"]])
def test_several_connections_read_what_one_reads(url: str, key: list[str]) -> None:
    alone = list(source(url, table="big", key=key).read(Context(), None, 250))
    for size in (2, 5):
        pooled = source(url, table="big", key=key, pool_size=size)
        chunks = list(pooled.read(Context(), None, 250))
        assert [chunk.position for chunk in chunks] == [chunk.position for chunk in alone]
        assert whole(chunks).equals(whole(alone))
        rest = whole(pooled.read(Context(), alone[4].position, 100))
        assert rest.equals(whole(alone).slice(5 * 250))
    some = source(url, query="select * from big where part < :most", parameters={"most": 3}, key=key, pool_size=3)
    assert whole(some.read(Context(), None, 100)).height == whole(alone).filter(pl.col("part") < 3).height
    few = source(url, query="select * from big where id < 0", key=key, pool_size=3)
    assert list(few.read(Context(), None, 100)) == []


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_several_connections_to_postgresql_see_one_state(url: str) -> None:
    reading = source(url, table="big", pool_size=3).read(Context(), None, 100)
    first = next(reading)
    run(url, "delete from big where id > 5000", "insert into big values (1000000, 'late', 0)")
    assert first.frame.height + whole(reading).height == ROWS


def test_a_run_with_several_connections_is_stopped_and_resumed(url: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SHOP_URL", url)
    spec = """
        name: pooled
        sources: {big: {type: database, url: "${env:SHOP_URL}", table: big, pool_size: 4}}
        outputs: {all: {path: out/, format: csv}}
        settings: {batch_size: 170, workers: 1}
    """
    seen: list[str] = []
    whole = Project(tmp_path / "whole", spec)
    with effects.listening(seen.append):
        assert whole.run().state == "done"
    batches = [n for n, name in enumerate(seen) if name == "journal.commit.batch.after"]
    for at in (3, 11):
        project = Project(tmp_path / str(at), spec)
        with effects.listening(stop_at(batches[at])[0]), pytest.raises(Killed):
            project.run()
        assert project.resume().state == "done"
        assert project.outputs() == whole.outputs()
    assert sum(part.count(b"\n") - 1 for part in whole.outputs().values()) == ROWS


def test_reading_that_is_broken_off_ends_all_connections(url: str) -> None:
    before = threading.active_count()
    reading = source(url, table="big", pool_size=3).read(Context(), None, 10)
    next(reading)
    assert threading.active_count() == before + 3
    reading.close()
    assert threading.active_count() == before


def test_what_pools_cannot_do_is_told(url: str, tmp_path: Path) -> None:
    problems = list(source(f"sqlite:///{tmp_path}/x.db", table="t", pool_size=2).problems(None))
    assert [name for name, _ in problems] == ["pool_size"] and "one connection" in problems[0][1]
    with pytest.raises(DataRefused, match="no key"):
        next(source(url, query="select word from big", pool_size=2).read(Context(), None, 10))
    run(url, "update big set word = null where id = 3")
    with pytest.raises(DataRefused, match="1 rows have no word"):
        next(source(url, table="big", key=["word"], pool_size=2).read(Context(), None, 10))


def test_a_key_that_does_not_tell_every_row_is_noticed(url: str) -> None:
    with pytest.raises(DataRefused, match=r"does not tell every row: \d is there twice"):
        list(source(url, table="big", key=["part"]).read(Context(), None, 100))
