"""The documentation's tables of types, held against real servers; values at the edges of every type, in both directions."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_database import run, source

from qpipe.core.component import Context
from qpipe.core.errors import DataRefused
from qpipe.core.params import build
from qpipe.core.secrets import Secret
from qpipe.core.sql import database
from qpipe.core.types import DataType
from qpipe.outputs.database import Database
from tests.servers import fixture

postgres = fixture("postgres")
mariadb = fixture("mariadb")
pytestmark = pytest.mark.servers("databases")
KINDS = ("postgres", "mariadb", "sqlite", "duckdb")
PAGE = (Path(__file__).parents[1] / "docs/databases-and-apis.md").read_text()
DECLARED = {
    "postgres": "select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'typed'::regclass "
    "and attnum > 0",
    "mariadb": "select column_name, replace(column_type, 'bigint(20)', 'bigint') from information_schema.columns "
    "where table_name = 'typed'",
    "sqlite": "select name, lower(type) from pragma_table_info('typed')",
    "duckdb": "select column_name, lower(data_type) from duckdb_columns() where table_name = 'typed'",
}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """(kind, address)"""
    kind: str = request.param
    url = request.getfixturevalue(kind) if kind in ("postgres", "mariadb") else f"{kind}:///{tmp_path / 'shop.db'}"
    run(url, "drop table if exists typed", "drop table if exists _qpipe_commit")
    return kind, url


def table_of(heading: str) -> list[list[str]]:
    """The cells of a table of the page, below its heading."""
    lines = PAGE[PAGE.index(heading) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def rows_of(url: str, query: str) -> list[tuple[Any, ...]]:
    with database(url, Path.cwd()).session() as session:
        db = session._db  # type: ignore[attr-defined]
        found = db.cursor()
        found.execute(query)
        return [tuple(row) for row in found.fetchall()]


def publish(url: str, folder: Path, frame: pl.DataFrame) -> None:
    output = build(Database, {"url": Secret(url), "table": "typed"})
    types = {name: DataType.of(dtype) for name, dtype in frame.schema.items()}
    output.publish([output.stage(frame, 0, folder, Context())], types, f"token-{len(frame.columns)}", Context())


def test_the_columns_of_a_new_table_are_those_of_the_page(place: tuple[str, str], tmp_path: Path) -> None:
    kind, url = place
    wanted: dict[str, str] = {}
    for row in table_of("| type | PostgreSQL |"):
        types, told = words(row[0]), words(row[1 + KINDS.index(kind)])
        wanted |= {type: told[n] if len(told) > 1 else told[0] for n, type in enumerate(types)}
    frame = pl.DataFrame({f"c{n}": pl.Series([None], dtype=DataType.parse(type).polars()) for n, type in enumerate(wanted)})
    publish(url, tmp_path, frame)
    found = dict(rows_of(url, DECLARED[kind]))
    assert [found[f"c{n}"] for n in range(len(wanted))] == list(wanted.values())


def test_columns_arrive_as_the_page_says(place: tuple[str, str]) -> None:
    kind, url = place
    wanted: dict[str, str] = {}
    for name, columns, arrives in table_of("| database | column |"):
        if name.lower().startswith(kind):
            wanted |= dict.fromkeys(words(columns), words(arrives)[0])
    assert len(wanted) > 5
    columns = ", ".join(f"c{n} {column}{' null' if column == 'timestamp' else ''}" for n, column in enumerate(wanted))
    run(url, f"create table typed ({columns})")
    found = source(url, table="typed").columns(Context())
    assert [str(found[f"c{n}"]) for n in range(len(wanted))] == list(wanted.values())


EDGES = {
    "int": [-(2**63), 2**63 - 1, None], "uint64": [0, 2**63 - 1, None], "float": [0.1, 5e-324, None],
    "float32": [0.10000000149011612, 3.4028234663852886e38, None], "bool": [True, False, None],
    "decimal(30,10)": [Decimal("12345678901234567890.0123456789"), Decimal("-1E-10"), None],
    "decimal(38,38)": [Decimal("0." + "9" * 38), Decimal("-0.1"), None], "string": ["", "a'\"\\\n\t,\\N😀", None],
    "date": [dt.date(1, 1, 1), dt.date(9999, 12, 31), None], "time": [dt.time(0), dt.time(23, 59, 59, 999999), None],
    "datetime": [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None],
    "datetime(UTC)": [dt.datetime(1960, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None],
    "binary": [b"", b"\0'\\\xff", None], "int128": [2**100, -(2**100), None],
}  # fmt: skip
WRITTEN = {
    "duration": ([dt.timedelta(days=-1, microseconds=5), dt.timedelta(hours=1), None],
                 {"postgres": ["-23:59:59.999995", "01:00:00", None], "duckdb": ["-23:59:59.999995", "01:00:00", None]},
                 ["-PT23H59M59.999995S", "PT1H", None]),
    "list(int)": ([[1, None], [], None], {"postgres": ["[1, null]", "[]", None]}, ["[1,null]", "[]", None]),
    "datetime(ns)": ([1_767_225_600_123_456_789, 0, None], {}, None),
}  # fmt: skip


def test_values_at_the_edges_come_back(place: tuple[str, str], tmp_path: Path) -> None:
    """Each under its contract: where a database keeps a type as text, the text is exactly the value."""
    from qpipe.core.parse import parse_text

    kind, url = place
    series = {name: pl.Series(values, dtype=DataType.parse(name).polars()) for name, values in EDGES.items()}
    series |= {name: pl.Series(given, dtype=DataType.parse(name).polars()) for name, (given, *_) in WRITTEN.items()}
    publish(url, tmp_path, pl.DataFrame({"n": [0, 1, 2], **{f"c{n}": each for n, each in enumerate(series.values())}}))
    (chunk,) = source(url, table="typed", key=["n"]).read(Context(), None, 10)
    assert not chunk.faults
    for n, (name, given) in enumerate(series.items()):
        found = chunk.frame[f"c{n}"]
        if told := WRITTEN[name][1].get(kind, WRITTEN[name][2]) if name in WRITTEN else None:
            assert found.to_list() == told, name
            continue
        type = DataType.parse(name)
        if found.dtype == pl.String and type.kind != "string":
            found = pl.select(parse_text(pl.lit(found), type)).to_series()
        if name == "datetime(UTC)" and found.dtype == pl.Datetime("us"):
            found = found.dt.replace_time_zone("UTC")
        if name == "datetime(ns)" and found.dtype == pl.Datetime("us"):
            given = given.cast(pl.Datetime("us"))
        assert found.cast(given.dtype).to_list() == given.to_list(), name


REFUSED = {
    "mariadb": {"NaN": [float("nan")], "infinity": [float("-inf")]},
    "sqlite": {"NaN": [float("nan")], "numbers beyond": pl.Series([2**64 - 1], dtype=pl.UInt64)},
}


BEYOND = {"0001-12-31 BC": (pl.Date, -719_163), "294247-01-10 04:00:54.775807": (pl.Datetime, 2**63 - 1),
          "292275056-05-16 16:47:04.193 BC": (pl.Datetime("ms"), -(2**63) + 1)}  # fmt: skip


@pytest.mark.parametrize("place", ["postgres", "mariadb", "sqlite"], indirect=True)
@pytest.mark.parametrize("day", BEYOND)
def test_days_beyond_the_calendar_are_refused_where_they_are_written_as_texts(
    place: tuple[str, str], day: str, tmp_path: Path
) -> None:
    kind, url = place
    run(url, f"create table typed (x {'timestamp' if kind == 'postgres' else 'datetime'}, number integer)")
    dtype, number = BEYOND[day]
    with pytest.raises(DataRefused, match=f"x has {day}.*: years are 1 to 9999"):
        publish(url, tmp_path, pl.DataFrame({"x": pl.Series([None, number]).cast(dtype), "number": ["1", "2"]}))
    assert rows_of(url, "select * from typed") == []


@pytest.mark.parametrize("place", REFUSED, indirect=True)
def test_values_that_a_database_does_not_know_are_refused(place: tuple[str, str], tmp_path: Path) -> None:
    kind, url = place
    for words, values in REFUSED[kind].items():
        with pytest.raises(DataRefused, match=words):
            publish(url, tmp_path, pl.DataFrame({"x": values}))


ODD = {  # column, values as SQL → what arrives, and what is told of what does not
    "postgres": [
        ("numeric(10,2)", "'NaN'", None, "NaN"), ("numeric", "'Infinity'", "Infinity", None),
        ("time", "'24:00'", None, "24:00:00"), ("char(4)", "'ab'", "ab  ", None),
        ("timestamptz", "'-infinity'", None, "-infinity"),
        ("timestamptz", "'4713-01-02 BC'", None, "4713-01-02 00:00:00 BC"),
        ("date", "'0044-01-01 BC'", None, "0044-01-01 BC"),
        ("timestamp", "'294276-01-01 00:00:00.5'", None, "294276-01-01 00:00:00.5"),
        ("float8", "'-Infinity'", float("-inf"), None),
        ("jsonb", "'null'", "null", None), ("int[]", "'{{1,2},{3,4}}'", "[[1,2],[3,4]]", None),
    ],
    "mariadb": [
        ("date", "'0000-00-00'", None, "0000-00-00"), ("datetime", "'2026-01-00'", None, "2026-01-00 00:00:00"),
        ("timestamp", "0", None, "0000-00-00 00:00:00"), ("float", "0.1", 0.10000000149011612, None),
        ("float", "16777215", 16777215.0, None), ("time", "'-838:59:59'", "-838:59:59", None), ("set('a','b')", "''", "", None),
        ("bit(12)", "b'101'", b"\0\5", None), ("point", "point(1,2)", "POINT(1 2)", None),
        ("varchar(9) charset latin1", "'é'", "é", None),
    ],
    "sqlite": [
        ("integer", "1.5", None, "1.5"), ("integer", "9223372036854775807", 2**63 - 1, None), ("integer", "'x'", None, "x"),
        ("boolean", "2", None, "2"), ("decimal(10,2)", "1.239", None, "1.239"), ("decimal(10,2)", "1.1", Decimal("1.10"), None),
        ("numeric", "9007199254740993", "9007199254740993", None), ("numeric", "0.1", "0.1", None),
        ("numeric", "0.1 + 0.2", "0.30000000000000004", None), ("numeric", "'x'", "x", None),
        ("numeric", "x'0f'", "0f", None), ("decimal", "5.0", "5", None),
        ("real", "9e999", float("inf"), None), ("", "x'00ff'", "00ff", None),
    ],
    "duckdb": [
        ("date", "'infinity'", None, "infinity"), ("timestamp", "'-infinity'", None, "-infinity"),
        ("time", "'24:00'", None, "24:00"),
        ("timestamptz", "'290000-01-01 01:02:03'", None, "290000-01-01 01:02:03"),
        ("uhugeint", str(2**128 - 1), str(2**128 - 1), None),
        ("union(a int, b varchar)", "'x'", '{"b":"x"}', None), ("double", "'inf'", float("inf"), None),
    ],
}  # fmt: skip


def test_odd_values_arrive_as_they_are_or_are_told(place: tuple[str, str]) -> None:
    """Each beside a plain one, as a column may hold both."""
    kind, url = place
    columns = [f"x{n} {type}{' null' if type == 'timestamp' else ''}" for n, (type, *_) in enumerate(ODD[kind])]
    values, nulls = (", ".join(each) for each in zip(*((value, "null") for _, value, *_ in ODD[kind]), strict=True))
    loose = ["set sql_mode = ''"] if kind == "mariadb" else []
    run(url, *loose, f"create table typed (n integer, {', '.join(columns)})",
        f"insert into typed values (0, {values}), (1, {nulls})")  # fmt: skip
    (chunk,) = source(url, table="typed", key=["n"]).read(Context(), None, 10)
    faults = {fault.column: fault for fault in chunk.faults}
    for n, (type, value, arrives, told) in enumerate(ODD[kind]):
        assert chunk.frame[f"x{n}"].to_list() == [arrives, None], (type, value)
        fault = faults.pop(f"x{n}", None)
        assert (fault is None) == (told is None), (type, value)
        assert fault is None or (fault.row == 0 and fault.raw.startswith(told)), (type, value, fault)
    assert not faults


def test_what_a_sqlite_column_holds_is_the_same_whatever_stands_beside_it(tmp_path: Path) -> None:
    """Integers, floats and texts in one column, alone in a batch or together."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    given = ["9007199254740993", "0.1", "5", "0.1 + 0.2", "'12.50'", "1e300", "'n/a'", "-7"]
    rows = ", ".join(f"({n}, {value}, {value})" for n, value in enumerate(given))
    run(url, "create table typed (n integer primary key, x numeric, y)", f"insert into typed values {rows}")
    wanted = ["9007199254740993", "0.1", "5", "0.30000000000000004", "12.5", "1.0e+300", "n/a", "-7"]
    for most in (1, 3, 100):
        for query, column in {"select n, x from typed": "x", "select n, y * 1 as z from typed where n <> 6": "z"}.items():
            found = [
                c for chunk in source(url, query=query, key=["n"]).read(Context(), None, most) for c in chunk.frame[column]
            ]
            assert found == [w for w in wanted if column == "x" or w != "n/a"], (column, most)
    first, *_ = source(url, table="typed", key=["x"]).read(Context(), None, 3)
    rest = [x for chunk in source(url, table="typed", key=["x"]).read(Context(), first.position, 3) for x in chunk.frame["x"]]
    assert first.frame["x"].to_list() + rest == [
        "-7",
        "0.1",
        "0.30000000000000004",
        "5",
        "12.5",
        "9007199254740993",
        "1.0e+300",
        "n/a",
    ]
