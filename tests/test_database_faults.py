"""Connections that a server ends in the middle: the place is told, and reading goes on from the last position."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from test_database import rows_of, run, source

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.errors import Unavailable
from qpipe.core.params import build
from qpipe.core.secrets import Secret
from qpipe.core.types import DataType
from qpipe.outputs.database import Database
from tests.servers import fixture

postgres = fixture("postgres")
pytestmark = pytest.mark.xdist_group("databases")
ENDING = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'qpipe' and pid <> pg_backend_pid()"
ROWS = 200_000


def test_postgresql_ends_the_connection_in_the_middle_of_a_read(postgres: str) -> None:
    run(postgres, "drop table if exists big", "create table big (id integer primary key, name text)",
        f"insert into big select n, repeat('x', 100) from generate_series(1, {ROWS}) n")  # fmt: skip
    big = source(postgres, table="big")
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
