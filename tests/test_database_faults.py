"""Servers that end a connection, or are killed and come back, in the middle: the place is told, and work goes on exactly."""

from __future__ import annotations

import importlib
import subprocess
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from disks import mount, remount
from running import Project
from test_database import rows_of, run, source

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.errors import Unavailable
from qpipe.core.params import build
from qpipe.core.secrets import Secret
from qpipe.core.types import DataType
from qpipe.outputs.database import Database
from tests.servers import absent, fixture, folder

postgres = fixture("postgres")
pytestmark = pytest.mark.servers("databases apart")
ENDING = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'qpipe' and pid <> pg_backend_pid()"
ROWS = 200_000


@pytest.mark.parametrize("connections", [1, 3])
def test_postgresql_ends_the_connections_in_the_middle_of_a_read(postgres: str, connections: int) -> None:
    run(postgres, "drop table if exists big", "create table big (id integer primary key, name text)",
        f"insert into big select n, repeat('x', 100) from generate_series(1, {ROWS}) n")  # fmt: skip
    big = source(postgres, table="big", pool_size=connections)
    reading = big.read(Context(), None, 1000)
    first = next(reading)
    run(postgres, ENDING)
    seen, position = first.frame.height, first.position
    with pytest.raises(Unavailable) as told:
        for chunk in reading:
            seen, position = seen + chunk.frame.height, chunk.position
    assert seen < ROWS, "the connection was ended before all rows were there"
    assert "127.0.0.1" in str(told.value) and "pa55" not in str(told.value) and told.value.hint
    assert seen + sum(chunk.frame.height for chunk in big.read(Context(), position, 50_000)) == ROWS


def test_postgresql_ends_the_connection_in_the_middle_of_a_load(postgres: str, tmp_path: Path) -> None:
    run(postgres, "drop table if exists loaded", "drop table if exists _qpipe_commit")
    output = build(Database, {"url": Secret(postgres), "table": "loaded"})
    frame = pl.DataFrame({"id": range(30)})
    parts = [output.stage(piece, n, tmp_path, Context()) for n, piece in enumerate(frame.iter_slices(10))]
    seen: list[str] = []

    def listener(name: str) -> None:
        seen.append(name)
        if seen.count("output.sql.load") == 2 and name == "output.sql.load":
            run(postgres, ENDING)

    types = {"id": DataType.parse("int")}
    with effects.listening(listener), pytest.raises(Unavailable) as told:
        output.publish(parts, types, "token-1", Context())
    assert "127.0.0.1" in str(told.value) and "pa55" not in str(told.value) and told.value.hint
    for _ in range(2):
        output.publish(parts, types, "token-1", Context())
    assert [row["id"] for row in rows_of(postgres, "loaded", "id")] == list(range(30))


FULL = """
    name: full
    sources: {wide: {path: in.csv, schema: {id: int, name: string}}}
    outputs: {all: {type: database, url: "${env:SHOP_URL}", table: TABLE}}
    settings: {batch_size: 5000, workers: 1}
"""


def test_the_disk_of_postgresql_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.servers import postgres as module

    if how := module.missing():
        absent("postgres", how)
    with folder("postgres") as place, module.durable(place, fast=True) as server:
        disk = place / "small"
        disk.mkdir()
        mount(disk, "size=2m", f"uid={place.stat().st_uid}", "mode=0700")
        try:
            _autocommit(server.url, f"create tablespace small location '{disk}'", "create table big (id bigint, name text) "
                        "tablespace small")  # fmt: skip
            monkeypatch.setenv("SHOP_URL", server.url)
            _filled(tmp_path, server.url, "No space left", lambda: remount(disk, "size=64m"))
        finally:
            server.kill()
            subprocess.run(["umount", str(disk)], check=True)


def test_the_disk_of_mariadb_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.servers import mariadb as module

    if how := module.missing():
        absent("mariadb", how)
    with folder("mariadb") as place, module.durable(place, fast=True) as server:
        one_file = ["--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M:autoextend:max:"]

        def restart(megabytes: int) -> None:
            server.kill()
            server.start(one_file[0], f"{one_file[1]}{megabytes}M")

        restart(14)
        monkeypatch.setenv("SHOP_URL", server.url)
        run(server.url, "create table big (id bigint, name longtext)")
        _filled(tmp_path, server.url, "is full", lambda: restart(200))


def _autocommit(url: str, *queries: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as db:
        for query in queries:
            db.execute(query)  # type: ignore[arg-type]


def _filled(folder: Path, url: str, words: str, make_room: Any) -> None:
    text = "id,name\n" + "".join(f"{n},{'x' * 200}\n" for n in range(20_000))
    project = Project(folder, FULL.replace("TABLE", "big"), {"in.csv": text})
    outcome = project.run()
    assert outcome.exit_code == 73 and words in outcome.message and "127.0.0.1" in outcome.message, outcome
    assert "room" in outcome.hint and rows_of(url, "big", "id") == []
    make_room()
    outcome = project.resume()
    assert outcome.state == "done", outcome
    assert [row["id"] for row in rows_of(url, "big", "id")] == list(range(20_000))


KILLED = """
    name: copy
    sources: {big: {SOURCE}}
    outputs: {all: {OUTPUT}}
    settings: {batch_size: 5000, workers: 1, RETRY}
"""
COPIED = 60_000


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_server_that_is_killed_in_the_middle(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a read, in a load, in an early load; back within the patience of settings.retry, or only when the run has given up."""
    module = importlib.import_module(f"tests.servers.{kind}")
    if how := module.missing():
        absent(kind, how)
    with folder(kind) as place, module.durable(place) as server:
        monkeypatch.setenv("SHOP_URL", server.url)
        numbers = f"generate_series(1, {COPIED}) n" if kind == "postgres" else f"(select seq n from seq_1_to_{COPIED}) s"
        run(server.url, "create table big (id integer primary key, name varchar(700))",
            f"insert into big select n, repeat('x', 700) from {numbers}")  # fmt: skip
        for where in ("read", "load", "early") if kind == "postgres" else ("read", "load"):
            for comes_back in (True, False):
                _killed(tmp_path / f"{where}-{comes_back}", server, where, comes_back)


def _killed(folder: Path, server: Any, where: str, comes_back: bool) -> None:
    table = 'type: database, url: "${env:SHOP_URL}", table: '
    target = folder.name.replace("-", "_").lower()
    parts = {
        "SOURCE": f"{table}big" if where == "read" else "path: in.csv, schema: {id: int, name: string}",
        "OUTPUT": "path: out/, format: csv" if where == "read" else f"{table}{target}, early: {str(where == 'early').lower()}",
        "RETRY": "retry: {max_retries: 99, initial_delay: 0.3, backoff: constant}" if comes_back else "buffer_size: 3",
    }
    spec = KILLED
    for name, text in parts.items():
        spec = spec.replace(name, text)
    rows = "id,name\n" + "".join(f"{n},{'x' * 200}\n" for n in range(1, COPIED + 1))
    project = Project(folder, spec, {"in.csv": rows} if where != "read" else {})
    effect, times = ("journal.commit.batch.after", 2) if where == "read" else (f"output.sql.{where}", 2)
    seen: list[str] = []

    def listener(name: str) -> None:
        seen.append(name)
        if name == effect and seen.count(effect) == times and not project_killed:
            project_killed.append(name)
            server.kill()
            if comes_back:
                back.start()

    back = threading.Timer(1.0, server.start)
    project_killed: list[str] = []
    with effects.listening(listener):
        outcome = project.run()
    assert project_killed, sorted(set(seen))
    if comes_back:
        back.join()
    if comes_back and where != "early":  # its end is heard of by nobody, if the server is back when all is through
        assert [event for event in project.events if event.name == "run.retrying"], "the kill was not noticed"
    elif not comes_back:
        assert outcome.exit_code == 69 and "127.0.0.1" in outcome.message and "resume" in outcome.hint, outcome
        assert "pa55" not in str(outcome)
        server.start()
        outcome = project.resume()
    assert outcome.state == "done", outcome
    if where == "read":
        lines = [line for part in project.outputs().values() for line in part.decode().split()[1:]]
        found = [int(line.partition(",")[0]) for line in lines]
    else:
        found = [row["id"] for row in rows_of(server.url, target, "id")]
    assert sorted(found) == list(range(1, COPIED + 1))
