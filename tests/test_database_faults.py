"""Connections that a server ends in the middle: the place is told, and reading goes on from the last position."""

from __future__ import annotations

import pytest
from test_database import run, source

from qpipe.core.component import Context
from qpipe.core.errors import Unavailable
from tests.servers import fixture

postgres = fixture("postgres")
mariadb = fixture("mariadb")
pytestmark = pytest.mark.xdist_group("databases")
ENDING = {
    "postgresql": "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'qpipe' and pid <> pg_backend_pid()",
}
ROWS = 200_000


def test_postgresql_ends_the_connection_in_the_middle_of_a_read(postgres: str) -> None:
    run(postgres, "drop table if exists big", "create table big (id integer primary key, name text)",
        f"insert into big select n, repeat('x', 100) from generate_series(1, {ROWS}) n")  # fmt: skip
    big = source(postgres, table="big")
    reading = big.read(Context(), None, 1000)
    first = next(reading)
    run(postgres, ENDING["postgresql"])
    seen, position = first.frame.height, first.position
    with pytest.raises(Unavailable) as told:
        for chunk in reading:
            seen, position = seen + chunk.frame.height, chunk.position
    assert seen < ROWS, "the connection was ended before all rows were there"
    assert "127.0.0.1" in str(told.value) and "pa55" not in str(told.value) and told.value.hint
    assert seen + sum(chunk.frame.height for chunk in big.read(Context(), position, 50_000)) == ROWS
