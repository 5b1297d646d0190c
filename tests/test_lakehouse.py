"""Delta and Iceberg tables, in and out: suites, real runs, stops around the table's commit, a store that speaks S3."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Killed, Project, files_with, stop_at
from test_cloud import SECRET, bucket

from qpipe.core import effects
from qpipe.testing.outputs import OutputSuite, Place
from qpipe.testing.sources import Given, Rows, SourceSuite
from tests.servers import fixture

deltalake = pytest.importorskip("deltalake", reason="pip install 'qpipe[delta]'")
s3 = fixture("s3")
pytestmark = pytest.mark.servers("lakehouse")


def frame_of(rows: Rows) -> pl.DataFrame:
    known: dict[str, Any] = {"id": pl.Int64, "name": pl.String}
    return pl.DataFrame(rows, schema_overrides=known) if rows else pl.DataFrame(schema=known)


def write(path: Path, frame: pl.DataFrame, mode: str = "append", **more: Any) -> None:
    deltalake.write_deltalake(str(path), frame, mode=mode, **more)


def read(path: Path, **version: Any) -> pl.DataFrame:
    """The rows, file by file in the order of the log."""
    table = deltalake.DeltaTable(str(path), **version)
    added = pl.DataFrame(table.get_add_actions(flatten=True)).sort("modification_time", "path")["path"]
    dataset = table.to_pyarrow_dataset()
    by_path = {f.path: f.to_table(schema=dataset.schema) for f in dataset.get_fragments()}
    return pl.concat([pl.DataFrame(pl.from_arrow(by_path[p])) for p in added] or
                     [pl.DataFrame(pl.from_arrow(dataset.schema.empty_table()))])  # fmt: skip


# ── the published suites ──


class TestDeltaSource(SourceSuite):
    @pytest.fixture
    def given(self, tmp_path: Path) -> Given:
        def make(rows: Rows) -> dict[str, Any]:
            write(tmp_path / "table", frame_of(rows), "overwrite", schema_mode="overwrite")
            return {"type": "delta", "path": str(tmp_path / "table")}

        return make


class TestDeltaOutput(OutputSuite):
    keeps_order = False  # a commit may be several files

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        path = tmp_path / "table"

        def seen() -> Rows:
            return read(path).to_dicts() if path.exists() else []

        return Place({"type": "delta", "path": str(path)}, seen)


# ── out ──

SPEC = """
    sources: {o: {path: o.csv, schema: {id: int, day: date, amount: "decimal(8,2)"}}}
    outputs: {t: {type: delta, path: table, MORE}}
    settings: {batch_size: 2}
"""
ROWS = "id,day,amount\n1,2026-01-01,1.50\n2,2026-01-02,2.50\n3,2026-01-01,\n"


def project(folder: Path, more: str = "mode: append", rows: str = ROWS) -> Project:
    return Project(folder, SPEC.replace("MORE", more), {"o.csv": rows})


def ids(made: Project) -> list[int]:
    return sorted(read(made.folder / "table")["id"].to_list())


def test_a_run_is_one_commit_with_its_token_and_exact_types(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert made.run().exit_code == 0
    table = deltalake.DeltaTable(str(tmp_path / "table"))
    assert (table.version(), len(table.history())) == (0, 1)
    frame = read(tmp_path / "table")
    assert frame.schema == {"id": pl.Int64, "day": pl.Date, "amount": pl.Decimal(8, 2)}
    assert frame.sort("id").row(0) == (1, dt.date(2026, 1, 1), Decimal("1.50"))
    assert made.journal.run()["result"]["outputs"][0]["rows"] == 3
    assert made.run().exit_code == 0 and ids(made) == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("more", "second", "expected"),
    [
        ("mode: replace", "id,day,amount\n9,2026-01-01,1\n", {9: "1.00"}),
        ("mode: replace", "id,day,amount\n", {}),
        ("mode: upsert, key: id", "id,day,amount\n2,2026-01-02,7\n4,2026-01-02,8\n4,2026-01-02,9\n",
         {1: "1.50", 2: "7.00", 3: None, 4: "9.00"}),
        ("mode: append, partition_by: [day]", "id,day,amount\n4,2026-01-02,8\n", {1: "1.50", 2: "2.50", 3: None, 4: "8.00"}),
    ],
)  # fmt: skip
def test_modes(tmp_path: Path, more: str, second: str, expected: dict[int, str | None]) -> None:
    made = project(tmp_path, more)
    assert made.run().exit_code == 0
    (tmp_path / "o.csv").write_text(second)
    assert made.run().exit_code == 0
    found = {row["id"]: None if row["amount"] is None else str(row["amount"]) for row in read(tmp_path / "table").to_dicts()}
    assert found == expected
    assert sorted(read(tmp_path / "table", version=0)["id"]) == [1, 2, 3]  # the version before is still there


@pytest.mark.parametrize("more", ["mode: append", "mode: replace", "mode: upsert, key: id"])
def test_stopped_anywhere_and_resumed_each_row_is_there_once(tmp_path: Path, more: str) -> None:
    for place in range(0, 200, 2 if more == "mode: append" else 5):
        made = project(tmp_path / str(place), more)
        schema: Any = {"id": pl.Int64, "day": pl.Date, "amount": pl.Decimal(8, 2)}
        write(made.folder / "table", pl.DataFrame([(0, dt.date(2026, 1, 1), Decimal(0))], schema=schema, orient="row"))
        listener, seen = stop_at(place)
        with effects.listening(listener), suppress(Killed):
            made.run()
        begun = made.journal.rows("select state from run")
        if not begun or begun[0]["state"] != "done":
            assert (made.resume() if begun else made.run()).exit_code == 0
        assert ids(made) == ([1, 2, 3] if "replace" in more else [0, 1, 2, 3]), seen[-1]
        if len(seen) <= place:
            return
    raise AssertionError("the run has no end")


def test_columns_the_table_does_not_have(tmp_path: Path) -> None:
    made = project(tmp_path)
    write(tmp_path / "table", pl.DataFrame({"id": [0]}))
    outcome = made.run()
    assert outcome.exit_code == 65 and "the table has no column day" in outcome.message
    assert ids(made) == [0]
    added = project(tmp_path, "new_columns: add")
    assert added.run().exit_code == 0 and ids(added) == [0, 1, 2, 3]
    other = project(tmp_path / "other")
    write(other.folder / "table", pl.DataFrame({"id": [[1]], "day": ["x"], "amount": ["x"]}))
    outcome = other.run()
    assert outcome.exit_code == 65 and "the table's column id is list<element: int64>, the rows' is int64" in outcome.message
    narrow = project(tmp_path / "narrow", rows="id,day,amount\n300,2026-01-01,1\n")
    write(narrow.folder / "table", pl.DataFrame({"id": [1], "day": [None], "amount": [None]},
          schema={"id": pl.Int8, "day": pl.Date, "amount": pl.Decimal(8, 2)}))  # fmt: skip
    outcome = narrow.run()
    assert outcome.exit_code == 65 and "a value does not fit the table's column" in outcome.message, outcome
    assert ids(narrow) == [1]


def test_types_that_delta_does_not_have(tmp_path: Path) -> None:
    spec = """
    sources: {o: {path: o.parquet}}
    outputs: {t: {type: delta, path: table}}
    """
    made = Project(tmp_path, spec, {})
    zone = pl.Series([dt.datetime(2026, 1, 1, 12)]).dt.replace_time_zone("Europe/Berlin")
    pl.DataFrame({"u": pl.Series([200], dtype=pl.UInt8), "z": zone, "t": [dt.time(1, 2)], "d": [dt.timedelta(hours=1)],
                  "l": [[1, 2]], "s": [{"a": 1}], "b": [b"x"]}).write_parquet(tmp_path / "o.parquet")  # fmt: skip
    assert made.run().exit_code == 0
    row = read(tmp_path / "table").to_dicts()[0]
    assert row == {"u": 200, "z": dt.datetime(2026, 1, 1, 11, tzinfo=dt.UTC), "t": "01:02:00", "d": "PT1H", "l": [1, 2],
                   "s": {"a": 1}, "b": b"x"}  # fmt: skip


# ── in ──

IN = """
    sources: {t: {type: delta, path: table, MORE}}
    outputs: {o: {path: out/o.ndjson, mode: append}}
    settings: {batch_size: 2}
"""


def reading(folder: Path, more: str = "version: null") -> Project:
    return Project(folder, IN.replace(", MORE", f", {more}" if more != "version: null" else ""), {})


def out(made: Project) -> list[int]:
    path = made.folder / "out/o.ndjson"
    return [json.loads(line)["id"] for line in path.read_text().splitlines()] if path.exists() else []


def test_an_older_version(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        write(tmp_path / "table", pl.DataFrame({"id": [n]}))
    assert reading(tmp_path, "version: 1").run().exit_code == 0
    assert out(reading(tmp_path)) == [1, 2]
    missing = reading(tmp_path, "version: 9").run()
    assert missing.exit_code == 65 and "there is no version 9: the newest is 2" in missing.message
    nothing = reading(tmp_path / "nothing").run()
    assert nothing.exit_code == 69 and "there is no Delta table" in nothing.message


def test_what_is_written_meanwhile_belongs_to_the_next_run(tmp_path: Path) -> None:
    """Stopped, added to, resumed: the run reads the version it began with, to its end."""
    write(tmp_path / "table", pl.DataFrame({"id": [1, 2, 3, 4, 5]}))
    made = reading(tmp_path)
    listener, _ = stop_at(14)
    with effects.listening(listener), suppress(Killed):
        made.run()
    write(tmp_path / "table", pl.DataFrame({"id": [6]}))
    assert made.journal.run()["state"] != "done"
    assert made.resume().exit_code == 0
    assert out(made) == [1, 2, 3, 4, 5]


def test_only_what_was_added_since_the_last_run(tmp_path: Path) -> None:
    made = reading(tmp_path, "incremental: true")
    write(tmp_path / "table", pl.DataFrame({"id": [1, 2]}))
    assert made.run().exit_code == 0 and out(made) == [1, 2]
    assert made.run().exit_code == 0 and out(made) == [1, 2]
    write(tmp_path / "table", pl.DataFrame({"id": [3]}))
    write(tmp_path / "table", pl.DataFrame({"id": [4]}))
    assert made.run().exit_code == 0 and out(made) == [1, 2, 3, 4]
    deltalake.DeltaTable(str(tmp_path / "table")).delete("id = 1")
    refused = made.run()
    assert refused.exit_code == 65 and "is a DELETE: rows that were read up to version" in refused.message
    assert out(made) == [1, 2, 3, 4]


def test_partitions_and_bounded_batches(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": range(1000), "part": [f"p{n % 3}" for n in range(1000)]})
    write(tmp_path / "table", frame, partition_by=["part"])
    made = reading(tmp_path)
    assert made.run().exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "out/o.ndjson").read_text().splitlines()]
    assert {row["id"]: row["part"] for row in rows} == dict(frame.iter_rows())


# ── in a store ──


def test_a_table_in_a_store_that_speaks_s3(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket(s3, "lake", monkeypatch)
    spec = SPEC.replace("path: table, MORE", f'path: "s3://lake/orders", storage: {{endpoint_url: {s3}}}')
    made = Project(tmp_path, spec, {"o.csv": ROWS})
    assert made.run().exit_code == 0 and made.run().exit_code == 0
    back = Project(
        tmp_path / "back", IN.replace("path: table, MORE", f'path: "s3://lake/orders", storage: {{endpoint_url: {s3}}}')
    )
    assert back.run().exit_code == 0 and sorted(out(back)) == [1, 1, 2, 2, 3, 3]
    assert files_with(tmp_path, SECRET) == []


def test_a_store_that_is_away_or_refuses_is_told(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket(s3, "guarded", monkeypatch)
    spec = SPEC.replace("path: table, MORE", 'path: "s3://guarded/t", storage: {endpoint_url: "http://127.0.0.1:1"}')
    outcome = Project(tmp_path, spec, {"o.csv": ROWS}).run()
    assert outcome.exit_code == 69 and "s3://guarded/t" in str(outcome) and SECRET not in str(outcome)


# ── Iceberg ──


def catalog(folder: Path) -> dict[str, str]:
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/lake"}


def opened(folder: Path) -> Any:
    from pyiceberg.catalog import load_catalog

    (folder / "lake").mkdir(parents=True, exist_ok=True)
    return load_catalog("default", **catalog(folder))


def ice_write(folder: Path, frame: pl.DataFrame, *, anew: bool = False) -> None:
    there = opened(folder)
    there.create_namespace_if_not_exists("shop")
    rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    if anew and there.table_exists("shop.rows"):
        there.drop_table("shop.rows")
    there.create_table_if_not_exists("shop.rows", schema=rows.schema).append(rows)


def ice_read(folder: Path) -> list[dict[str, Any]]:
    there = opened(folder)
    return (
        pl.DataFrame(pl.from_arrow(there.load_table("shop.rows").scan().to_arrow())).to_dicts()
        if there.table_exists("shop.rows")
        else []
    )


class TestIcebergSource(SourceSuite):
    @pytest.fixture
    def given(self, tmp_path: Path) -> Given:
        def make(rows: Rows) -> dict[str, Any]:
            ice_write(tmp_path, frame_of(rows), anew=True)
            return {"type": "iceberg", "catalog": catalog(tmp_path), "table": "shop.rows"}

        return make


class TestIcebergOutput(OutputSuite):
    keeps_order = False

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        opened(tmp_path)
        return Place({"type": "iceberg", "catalog": catalog(tmp_path), "table": "shop.rows"}, lambda: ice_read(tmp_path))


CATALOG = 'catalog: {type: sql, uri: "sqlite:///catalog.db", warehouse: "file://lake"}'
ICE = """
    sources: {o: {path: o.csv, schema: {id: int, day: date, amount: "decimal(8,2)"}}}
    outputs: {t: {type: iceberg, CATALOG, table: shop.rows, MORE}}
    settings: {batch_size: 2}
"""


def ice_project(folder: Path, more: str = "mode: append", rows: str = ROWS) -> Project:
    made = Project(folder, ICE.replace("MORE", more).replace("CATALOG", CATALOG), {"o.csv": rows})
    opened(folder)
    return made


@pytest.mark.parametrize(
    ("more", "second", "expected"),
    [
        ("mode: append, partition_by: [day]", "id,day,amount\n4,2026-01-02,8\n", {1: "1.50", 2: "2.50", 3: None, 4: "8.00"}),
        ("mode: replace", "id,day,amount\n9,2026-01-01,1\n", {9: "1.00"}),
        ("mode: replace", "id,day,amount\n", {}),
        ("mode: upsert, key: id", "id,day,amount\n2,2026-01-02,7\n4,2026-01-02,8\n4,2026-01-02,9\n",
         {1: "1.50", 2: "7.00", 3: None, 4: "9.00"}),
    ],
)  # fmt: skip
def test_iceberg_modes(tmp_path: Path, more: str, second: str, expected: dict[int, str | None]) -> None:
    made = ice_project(tmp_path, more)
    assert made.run().exit_code == 0
    assert pl.DataFrame(ice_read(tmp_path)).sort("id").row(0) == (1, dt.date(2026, 1, 1), Decimal("1.50"))
    (tmp_path / "o.csv").write_text(second)
    assert made.run().exit_code == 0
    assert {row["id"]: None if row["amount"] is None else str(row["amount"]) for row in ice_read(tmp_path)} == expected


@pytest.mark.parametrize("more", ["mode: append", "mode: replace", "mode: upsert, key: id"])
def test_iceberg_stopped_anywhere_and_resumed(tmp_path: Path, more: str) -> None:
    for place in range(0, 200, 3):
        made = ice_project(tmp_path / str(place), more)
        listener, seen = stop_at(place)
        with effects.listening(listener), suppress(Killed):
            made.run()
        begun = made.journal.rows("select state from run")
        if not begun or begun[0]["state"] != "done":
            assert (made.resume() if begun else made.run()).exit_code == 0
        assert sorted(row["id"] for row in ice_read(made.folder)) == [1, 2, 3], seen[-1]
        if len(seen) <= place:
            return
    raise AssertionError("the run has no end")


def test_iceberg_columns_and_values_that_do_not_fit(tmp_path: Path) -> None:
    made = ice_project(tmp_path)
    ice_write(tmp_path, pl.DataFrame({"id": [0]}))
    outcome = made.run()
    assert outcome.exit_code == 65 and "the table has no column day" in outcome.message
    assert ice_project(tmp_path, "new_columns: add").run().exit_code == 0
    assert sorted(row["id"] for row in ice_read(tmp_path)) == [0, 1, 2, 3]
    narrow = ice_project(tmp_path / "narrow", rows="id,day,amount\n3000000000,2026-01-01,1\n")
    schema: Any = {"id": pl.Int32, "day": pl.Date, "amount": pl.Decimal(8, 2)}
    ice_write(tmp_path / "narrow", pl.DataFrame([(1, None, None)], schema=schema, orient="row"))
    outcome = narrow.run()
    assert outcome.exit_code == 65 and "a value does not fit the table's column" in outcome.message, outcome


ICE_IN = """
    sources: {t: {type: iceberg, CATALOG, table: shop.rows, MORE}}
    outputs: {o: {path: out/o.ndjson, mode: append}}
    settings: {batch_size: 2}
"""


def test_iceberg_what_was_appended_since_and_older_snapshots(tmp_path: Path) -> None:
    ice_write(tmp_path, pl.DataFrame({"id": [1, 2, 3]}))
    made = Project(tmp_path, ICE_IN.replace("MORE", "incremental: true").replace("CATALOG", CATALOG), {})
    assert made.run().exit_code == 0 and made.run().exit_code == 0
    assert out(made) == [1, 2, 3]
    first = opened(tmp_path).load_table("shop.rows").current_snapshot().snapshot_id
    ice_write(tmp_path, pl.DataFrame({"id": [4]}))
    assert made.run().exit_code == 0 and out(made) == [1, 2, 3, 4]
    there = CATALOG.replace("sqlite:///", f"sqlite:///{tmp_path}/").replace("file://", f"file://{tmp_path}/")
    older = Project(tmp_path / "older", ICE_IN.replace("MORE", f"snapshot: {first}").replace("CATALOG", there), {})
    assert older.run().exit_code == 0 and out(older) == [1, 2, 3]
    opened(tmp_path).load_table("shop.rows").delete("id = 1")
    refused = made.run()
    assert refused.exit_code == 65 and "rows that were read before may be others now" in refused.message
    absent = Project(tmp_path / "absent", ICE_IN.replace(", MORE", "").replace("CATALOG", CATALOG), {}).run()
    assert absent.exit_code == 69 and "there is no such Iceberg table" in absent.message, absent
