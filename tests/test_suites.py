"""The published suites over connectors of ours. One more connector is one more class."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import fastavro
import polars as pl
import pytest

from qpipe.testing.outputs import LoadingSuite, OutputSuite, Place
from qpipe.testing.sources import Given, Rows, SourceSuite
from tests.servers import fixture
from tests.servers.api import Api, Request

redis = fixture("redis")
postgres = fixture("postgres")
mariadb = fixture("mariadb")


def names_of(rows: Rows) -> list[str]:
    return list(dict.fromkeys(["id", "name", *(name for row in rows for name in row)]))


# ── files ──


def _ndjson(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _xml(path: Path, rows: Rows) -> None:
    root = ElementTree.Element("rows")
    for row in rows:
        made = ElementTree.SubElement(root, "row")
        for name, value in row.items():
            cell = ElementTree.SubElement(made, name)
            cell.text = None if value is None else str(value)
    ElementTree.ElementTree(root).write(path, "utf-8", xml_declaration=True)


def _avro(path: Path, rows: Rows) -> None:
    fields = [
        {"name": name, "type": ["null", "long", "string"] if name != "id" else ["null", "long"]} for name in names_of(rows)
    ]
    records = [{name: None for name in names_of(rows)} | row for row in rows]
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "row", "fields": fields}, records, sync_interval=100)


def _frame(rows: Rows) -> pl.DataFrame:
    known: dict[str, Any] = {"id": pl.Int64, "name": pl.String}
    return pl.DataFrame(rows, schema_overrides=known) if rows else pl.DataFrame(schema=known)


FILES: dict[str, Callable[[Path, Rows], object]] = {
    "rows.csv": lambda path, rows: _frame(rows).write_csv(path, quote_style="non_numeric"),
    "rows.ndjson": _ndjson,
    "rows.json": lambda path, rows: path.write_text(json.dumps(rows), encoding="utf-8"),
    "rows.parquet": lambda path, rows: _frame(rows).write_parquet(path, row_group_size=8),
    "rows.arrow": lambda path, rows: _frame(rows).write_ipc(path),
    "rows.xml": _xml,
    "rows.avro": _avro,
    "rows.xlsx": lambda path, rows: _frame(rows).write_excel(path),
}


class Files(SourceSuite):
    file = ""

    @pytest.fixture
    def given(self, tmp_path: Path) -> Given:
        def make(rows: Rows) -> dict[str, Any]:
            FILES[self.file](tmp_path / self.file, rows)
            return {"path": str(tmp_path / self.file)}

        return make


class TestCsv(Files):
    file = "rows.csv"


class TestNdjson(Files):
    file, empty_has_columns = "rows.ndjson", False


class TestJson(Files):
    file, empty_has_columns = "rows.json", False


class TestParquet(Files):
    file = "rows.parquet"


class TestArrow(Files):
    file = "rows.arrow"


class TestXml(Files):
    file, empty_has_columns, tells_empty, tells_lines = "rows.xml", False, False, False


class TestAvro(Files):
    file = "rows.avro"


class TestExcel(Files):
    file, tells_empty = "rows.xlsx", False


# ── databases ──


def _tables(url: str, rows: Rows) -> None:
    """The rows as a table, by the database's own statements."""
    from test_database import run

    texts = {name: "text" for name in names_of(rows)} | {"id": "integer primary key"}
    quote = "`" if url.startswith("mariadb") else '"'
    columns = ", ".join(f"{quote}{name}{quote} {word}" for name, word in texts.items())
    filled = [f"insert into suite ({', '.join(r)}) values ({', '.join(_literal(v, url) for v in r.values())})" for r in rows]
    run(url, "drop table if exists suite", f"create table suite ({columns})", *filled)


def _literal(value: Any, url: str) -> str:
    if value is None:
        return "null"
    text = str(value).replace("'", "''")
    text = text.replace("\\", "\\\\") if url.startswith("mariadb") else text
    return str(value) if isinstance(value, int) else f"'{text}'"


class Databases(SourceSuite):
    secrets = ("pa55-word",)

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def given(self, url: str) -> Given:
        def make(rows: Rows) -> dict[str, Any]:
            _tables(url, rows)
            return {"type": "database", "url": url, "table": "suite"}

        return make


class TestSqlite(Databases):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/suite.db"


class TestDuckdb(Databases):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"duckdb:///{tmp_path}/suite.db"


@pytest.mark.servers("databases apart")
class TestPostgres(Databases):
    @pytest.fixture
    def url(self, postgres: str) -> str:
        return postgres


@pytest.mark.servers("databases apart")
class TestMariadb(Databases):
    @pytest.fixture
    def url(self, mariadb: str) -> str:
        return mariadb


# ── the rest ──


class TestRest(SourceSuite):
    secrets = ("t0ken-pa55",)
    empty_has_columns = False

    @pytest.fixture
    def given(self, api: Api) -> Given:
        return lambda rows: self._served(api, rows)

    def _served(self, api: Api, rows: Rows) -> dict[str, Any]:
        def answer(request: Request) -> Any:
            start = (int(request.params["page"]) - 1) * 10
            return 200, {}, {"data": rows[start : start + 10]}

        api.answer = answer
        auth = {"type": "bearer", "token": "t0ken-pa55"}
        return {
            "type": "rest",
            "url": f"{api.url}/rows",
            "records": "data",
            "pagination": {"type": "page", "size": 10},
            "auth": auth,
        }


@pytest.mark.servers("databases apart")
class TestRedis(SourceSuite):
    secrets = ("pa55-word",)
    empty_has_columns = False

    @pytest.fixture
    def given(self, redis: str) -> Given:
        import redis as driver

        def make(rows: Rows) -> dict[str, Any]:
            server = driver.Redis.from_url(redis)
            server.delete("suite")
            for row in rows:
                server.xadd("suite", {"json": json.dumps(row)})
            return {"type": "redis", "url": redis, "stream": "suite", "field": "json"}

        return make


# ── outputs ──


class FilesOut(OutputSuite):
    file = ""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        path = tmp_path / "out" / self.file
        return Place({"path": str(path)}, lambda: READ[path.suffix](path) if path.exists() else [])


READ: dict[str, Callable[[Path], Rows]] = {
    ".csv": lambda path: pl.read_csv(path, infer_schema=False).to_dicts(),
    ".ndjson": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
    ".parquet": lambda path: pl.read_parquet(path).to_dicts(),
    ".arrow": lambda path: pl.read_ipc(path.read_bytes()).to_dicts(),
    "": lambda path: pl.concat([pl.read_parquet(p) for p in sorted(path.rglob("*.parquet"))] or [pl.DataFrame()]).to_dicts(),
}


class TestCsvOut(FilesOut):
    file = "rows.csv"


class TestNdjsonOut(FilesOut):
    file = "rows.ndjson"


class TestParquetOut(FilesOut):
    file = "rows.parquet"


class TestArrowOut(FilesOut):
    file = "rows.arrow"


class DatabasesOut(OutputSuite):
    secrets = ("pa55-word",)
    keeps_order = False

    @pytest.fixture
    def place(self, url: str) -> Place:
        from test_database import run

        run(url, "drop table if exists suite", "drop table if exists _qpipe_commit")
        return Place({"type": "database", "url": url, "table": "suite"}, lambda: _seen(url))


def _seen(url: str) -> Rows:
    from test_database import source

    from qpipe.core.component import Context
    from qpipe.core.errors import QpipeError

    try:
        return [row for chunk in source(url, table="suite").read(Context(), None, 1000) for row in chunk.frame.to_dicts()]
    except QpipeError:
        return []  # there is no table


class TestSqliteOut(DatabasesOut):
    url = TestSqlite.url


class TestDuckdbOut(DatabasesOut):
    url = TestDuckdb.url


@pytest.mark.servers("databases apart")
class TestPostgresOut(LoadingSuite, DatabasesOut):
    url = TestPostgres.url


@pytest.mark.servers("databases apart")
class TestMariadbOut(DatabasesOut):
    url = TestMariadb.url


class TestHttpOut(OutputSuite):
    secrets = ("t0ken-pa55",)

    @pytest.fixture
    def place(self, api: Api) -> Place:
        taken: dict[str, Rows] = {}

        def answer(request: Request) -> Any:
            taken[request.headers["idempotency-key"]] = json.loads(request.body)
            return 200, {}, {}

        api.answer = answer
        auth = {"type": "bearer", "token": "t0ken-pa55"}
        seen = lambda: [row for rows in taken.values() for row in rows]  # noqa: E731
        return Place({"type": "http", "url": f"{api.url}/in", "auth": auth}, seen)
