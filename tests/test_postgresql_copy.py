"""What is loaded into PostgreSQL in its own binary form is what its texts would be; what has no such form goes as text."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_database import run, source
from test_database_types import EDGES, WRITTEN, publish, rows_of

from qpipe.core.component import Context
from qpipe.core.errors import QpipeError
from qpipe.core.types import DataType
from tests.servers import fixture

postgres = fixture("postgres")
pytestmark = pytest.mark.servers("databases")
ROWS = 10_007  # more than are sent at a time


@pytest.fixture
def url(postgres: str) -> str:
    run(postgres, *[f"drop {each}" for each in ("table if exists typed", "table if exists _qpipe_commit",
                                                "type if exists mood", 'domain if exists public."text"')])  # fmt: skip
    return postgres


def texts(url: str, column: str = "x") -> list[Any]:
    """As the server writes them."""
    return [row[0] for row in rows_of(url, f"select {column}::text from typed order by n")]


EACH = {name: values for name, values in EDGES.items() if name != "int128"} | {
    "int16": [-(2**15), 2**15 - 1, None], "int32": [2**31 - 1, -(2**31), None], "uint32": [2**32 - 1, 0, None],
    "decimal(4,2)": [Decimal("99.99"), Decimal("-0.01"), None], "decimal(9,0)": [Decimal(10_000), Decimal(9999), None],
    "decimal(18,16)": [Decimal("-99.9999999999999999"), Decimal("0.0000000000000001"), None],
    "decimal(18,18)": [Decimal("0." + "9" * 18), Decimal("-0." + "0" * 17 + "1"), None],
    "decimal(38,2)": [Decimal("-92233720368547758.07"), Decimal("100000000.10"), None],
    "decimal(38,9)": [Decimal("9" * 29 + ".000000001"), Decimal(-1), None],
}  # fmt: skip


@pytest.mark.parametrize("name", EACH)
def test_a_column_that_is_loaded_alone_comes_back(url: str, tmp_path: Path, name: str) -> None:
    given = pl.Series("x", EACH[name], dtype=DataType.parse(name).polars())
    publish(url, tmp_path, pl.DataFrame({"n": [0, 1, 2], "x": given}))
    (chunk,) = source(url, table="typed", key=["n"]).read(Context(), None, 10)
    found = chunk.frame["x"].cast(given.dtype)
    assert not chunk.faults and found.to_list() == given.to_list()


@pytest.mark.parametrize("name", WRITTEN)
def test_what_becomes_a_text_of_the_server(url: str, tmp_path: Path, name: str) -> None:
    values, told, _ = WRITTEN[name]
    wanted = told.get("postgres", ["2026-01-01 00:00:00.123456", "1970-01-01 00:00:00", None])
    publish(url, tmp_path, pl.DataFrame({"n": [0, 1, 2], "x": pl.Series(values, dtype=DataType.parse(name).polars())}))
    assert texts(url) == wanted


def test_many_rows_with_nulls_anywhere(url: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    zone = dt.timezone(dt.timedelta(0))
    made: dict[str, tuple[str, Any]] = {
        "i": ("int", lambda: chance.randrange(-(2**63), 2**63)), "f": ("float", lambda: chance.gauss(0, 1e200)),
        "s": ("string", lambda: chance.choice(["", "\\N", "ä\n\"x", "a" * chance.randrange(99)])),
        "b": ("bool", lambda: chance.random() < 0.5),
        "d": ("date", lambda: dt.date.fromordinal(chance.randrange(1, 3_652_059))),
        "t": ("datetime(UTC)", lambda: dt.datetime.fromtimestamp(chance.randrange(-(10**10), 10**10), zone)),
        "m": ("decimal(18,3)", lambda: Decimal(chance.randrange(-(10**18), 10**18)).scaleb(-3)),
        "y": ("binary", lambda: chance.randbytes(chance.randrange(9))),
    }  # fmt: skip
    columns = {
        name + str(nulls): pl.Series(
            [None if chance.random() < nulls else make() for _ in range(ROWS)], dtype=DataType.parse(type).polars()
        )
        for name, (type, make) in made.items()
        for nulls in (0, 0.1, 1)
    }
    given = pl.DataFrame({"n": range(ROWS), **columns})
    publish(url, tmp_path, given)
    found = pl.concat([chunk.frame for chunk in source(url, table="typed", key=["n"]).read(Context(), None, 5000)])
    assert found.cast(dict(given.schema)).equals(given)


OTHERS = {  # the column that is there: what it gets, and what the server makes of it
    "integer": (pl.Series([5, -7, None]), ["5", "-7", None]),
    "smallint": (pl.Series([5, -7, None]), ["5", "-7", None]),
    "numeric(6,1)": (pl.Series([Decimal("1.25"), Decimal("-99999.94"), None]), ["1.3", "-99999.9", None]),
    "numeric": (pl.Series([5, -(10**17), None]), ["5", "-100000000000000000", None]),
    "real": (pl.Series([0.1, -1e30, None]), ["0.1", "-1e+30", None]),
    "double precision": (pl.Series([0.1, 1.5, None], dtype=pl.Float32), ["0.1", "1.5", None]),
    "text": (pl.Series([5, -7, None]), ["5", "-7", None]),
    "varchar(3)": (pl.Series(["abc", "", None]), ["abc", "", None]),
    "char(3)": (pl.Series(["ab", "", None]), ["ab", "", None]),
    "date": (pl.Series(["2026-02-03", "2024-02-29", None]), ["2026-02-03", "2024-02-29", None]),
    "timestamptz": (pl.Series([dt.datetime(2026, 1, 1), None, None]), ["2026-01-01 00:00:00+00", None, None]),
    "json": (pl.Series(['{"a":  1}', "[]", None]), ['{"a":  1}', "[]", None]),
    "jsonb": (pl.Series([[1, None], [], None]), ["[1, null]", "[]", None]),
    "uuid": (pl.Series(["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", None, None]),
             ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None, None]),
    "uuid[]": (pl.Series(["{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "{}", None]),
               ["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "{}", None]),
    "mood": (pl.Series(["sad", "ok", None]), ["sad", "ok", None]),
    'public."text"': (pl.Series(["7", "08", None]), ["7", "8", None]),
    "uuid null": (pl.Series(["{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", None]),
                  ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"] * 2 + [None]),
    "interval": (pl.Series(["1 day", "2 hours", None]), ["1 day", "02:00:00", None]),
    "integer[]": (pl.Series(["{1,2}", "{}", None]), ["{1,2}", "{}", None]),
    "boolean": (pl.Series(["t", "no", None]), ["true", "false", None]),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_a_column_of_another_type_takes_what_the_server_makes_of_it(url: str, tmp_path: Path, kind: str) -> None:
    given, wanted = OTHERS[kind]
    own = {"mood": "type mood as enum ('sad', 'ok')", 'public."text"': 'domain public."text" as integer'}.get(kind)
    run(url, *([f"create {own}"] if own else []))
    run(url, f"create table typed (x {kind}, n bigint, more text default 'm')")
    publish(url, tmp_path, pl.DataFrame({"n": [0, 1, 2], "x": given}))
    assert texts(url) == wanted and texts(url, "more") == ["m"] * 3


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("integer", pl.Series([2**31]), "out of range"), ("smallint", pl.Series([-(2**15) - 1]), "out of range"),
        ("bigint", pl.Series([2**63], dtype=pl.UInt64), "out of range"), ("numeric(3,2)", pl.Series([10]), "overflow"),
        ("varchar(3)", pl.Series(["abcd"]), "too long"), ("text", pl.Series(["a\0b"]), "0x00"),
        ("date", pl.Series([-(2**31)], dtype=pl.Int32).cast(pl.Date), "date out of range"),
        ("timestamp", pl.Series([-(2**63) + 2]).cast(pl.Datetime("us")), "timestamp out of range"),
        ("timestamptz", pl.Series([2**63 - 1]).cast(pl.Datetime("ms", "UTC")), "timestamp out of range"),
        ("jsonb", pl.Series(["{"]), "json"), ("uuid", pl.Series(["a0eebc99"]), "uuid"),
    ],
)  # fmt: skip
def test_a_value_that_a_column_cannot_hold_is_refused(
    url: str, tmp_path: Path, kind: str, given: pl.Series, words: str
) -> None:
    run(url, f"create table typed (n bigint, x {kind})")
    with pytest.raises(QpipeError, match=words):
        publish(url, tmp_path, pl.DataFrame({"n": [0], "x": given}))
    assert texts(url) == []
