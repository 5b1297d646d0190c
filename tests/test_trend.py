"""Scores over runs: the command, the report, the interval that a score lies in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import history
from hypothesis import given
from hypothesis import strategies as st
from journals import Told, write
from running import Project

from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.reliability import reliability
from qpipe.orchestrator.results import interval
from qpipe.report import report
from qpipe.spec.compile import plan_of


def leave(home: Path, failed: list[int]) -> list[str]:
    """A run a day in which so many of 100 were missing."""
    return [
        write(home, Told(tally=(("filled", "id", 100, n), ("mails", "mail", 0, 0))), now=1_790_000_000.0 + 86_400 * day)
        for day, n in enumerate(failed)
    ]


def told(home: Path, *args: str) -> dict[str, Any]:
    found = json.loads(history(home, "trend", *args, "--json").stdout)
    return found | {"by": {line["dimension"]: line for line in found["lines"]}}


def test_wilsons_interval() -> None:
    assert interval(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)  # as tables have it
    assert interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert interval(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


@given(st.floats(0, 1), st.floats(1, 1e9))
def test_an_interval_holds_its_share_and_shrinks(share: float, count: float) -> None:
    low, high = interval(share, count)
    assert 0 <= low <= share <= high <= 1
    narrow = interval(share, 4 * count)
    assert narrow[1] - narrow[0] <= high - low + 1e-12


@pytest.mark.parametrize(
    ("failed", "direction"),
    [([1, 2, 3, 4, 5, 6], "falling"), ([6, 5, 4, 3, 2, 1], "rising"), ([2, 3, 1, 2, 3, 1, 2], "steady"),
     ([1, 1, 1, 1, 1], "steady"), ([1, 2, 3, 4], "")],
)  # fmt: skip
def test_what_becomes_of_a_score(tmp_path: Path, failed: list[int], direction: str) -> None:
    runs = leave(tmp_path, failed)
    found = told(tmp_path)
    assert [point["run"] for point in found["runs"]] == runs
    overall = found["by"]["overall"]
    assert overall["values"] == [pytest.approx(1 - n / 100) for n in failed]
    assert overall["direction"] == direction
    assert all(
        low < value < high for low, value, high in zip(overall["lows"], overall["values"], overall["highs"], strict=True)
    )


def test_the_runs_up_to_one_and_at_most_so_many(tmp_path: Path) -> None:
    runs = leave(tmp_path, [1, 2, 3, 4, 5, 6])
    assert [point["run"] for point in told(tmp_path, runs[2])["runs"]] == runs[:3]
    assert [point["run"] for point in told(tmp_path, "-n", "2")["runs"]] == runs[-2:]


def test_an_incident_is_shown_but_makes_no_trend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    runs = leave(tmp_path, [1, 2, 3, 4, 5, 0, 6])
    before = told(tmp_path)["by"]["overall"]["chance"]
    history(tmp_path, "incident", runs[5], "--reason", "half a file")
    found = told(tmp_path)
    assert found["by"]["overall"]["chance"] < before
    assert found["by"]["overall"]["direction"] == "falling"
    text = history(tmp_path, "trend").stdout
    assert "incident: half a file" in text
    assert "falling" in text
    assert "99%" in text


def test_reports_have_the_trend(tmp_path: Path) -> None:
    runs = leave(tmp_path, [1, 2, 3, 4, 5, 6])
    journal = Journal(tmp_path)
    made = json.loads(report(journal, journal.run("latest"), "json"))
    assert len(made["trend"]["runs"]) == 6
    assert made["scores"][0]["low"] < made["scores"][0]["value"] < made["scores"][0]["high"]
    page = report(journal, journal.run("latest"), "html")
    assert 'id="trend"' in page
    assert "falling" in page
    assert 'id="trend"' not in report(journal, journal.run(runs[0]), "html")  # one run is no trend


def test_runs_of_before_scores_had_intervals(tmp_path: Path) -> None:
    runs = leave(tmp_path, [1, 2])
    journal = Journal(tmp_path)
    old = {"dimension": "overall", "value": 0.99, "evaluated": 1, "failed": 0, "checks": 1, "not_evaluated": 0}
    kept = json.dumps(journal.run(runs[0])["result"] | {"scores": [old]})
    journal.db.execute("update run set result_json = ? where id = ?", (kept, runs[0]))
    assert told(tmp_path)["by"]["overall"]["lows"][0] is None
    assert 'id="trend"' in report(journal, journal.run("latest"), "html")


def test_a_refused_run_is_shown(tmp_path: Path) -> None:
    spec = """
        version: 1
        name: small
        sources: {rows: {type: file, path: in.csv, schema: {x: int}}}
        modules: [{between: {column: x, min: 0, tolerance: 10%}}]
        outputs: {clean: {type: file, path: clean.parquet}, quarantine: {path: bad.parquet}}
        """
    project = Project(tmp_path, spec)
    for bad in (0, 1, 5):
        (tmp_path / "in.csv").write_text("x\n" + "-1\n" * bad + "1\n" * (10 - bad))
        project.run()
    found = told(tmp_path / ".qpipe")
    assert [point["state"] for point in found["runs"]] == ["done", "done", "refused"]
    assert found["by"]["validity"]["values"] == [1.0, pytest.approx(0.95), pytest.approx(0.75)]  # cells that parse count, too
    assert "refused" in history(tmp_path / ".qpipe", "trend").stdout


TWO = """
    name: two
    sources:
      shops: {path: shops.csv, schema: {id: int, amount: int, city: string}}
      web: {path: web.csv, schema: {id: int, amount: int, city: string}}
    modules:
      - between: {column: amount, min: 0}
      - not_null: {column: city, severity: warning}
      - unique: {columns: [id, amount]}
    outputs: {clean: {path: out/clean.csv}, quarantine: {path: out/bad.csv}}
    settings: {batch_size: BATCH}
"""


@pytest.mark.parametrize("batch", [1, 50_000])
def test_scores_of_columns_and_sources(tmp_path: Path, batch: int) -> None:
    """Worked out by hand: weights 1 (error) and 0.5 (warning); the contract judges id and amount, too."""
    files = {
        "shops.csv": "id,amount,city\n1,5,Bonn\n2,-1,Bonn\n3,7,\n",
        "web.csv": "id,amount,city\n4,5,Bonn\n4,-1,x\n6,-7,\n7,1,x\n",
    }
    project = Project(tmp_path, TWO.replace("BATCH", str(batch)), files)
    project.run()
    made = json.loads(history(tmp_path / ".qpipe", "report", "--json").stdout)
    columns = {s["column"]: (s["value"], s["evaluated"], s["failed"]) for s in made["column_scores"]}
    assert columns == {"city": (5 / 7, 7, 2), "amount": (18 / 21, 21, 3), "id": (1.0, 14, 0)}, "worst first"
    assert [s["column"] for s in made["column_scores"]] == ["city", "amount", "id"]
    sources = {s["source"]: (s["evaluated"], s["failed"], s["value"]) for s in made["source_scores"]}
    assert sources == {"shops": (15, 2, pytest.approx(12 / 13.5)), "web": (20, 3, pytest.approx(15.5 / 18))}
    assert all(s["low"] < s["value"] <= s["high"] for s in made["column_scores"] + made["source_scores"])
    text = history(tmp_path / ".qpipe", "show").stdout
    assert "source web" in text and "column city" in text and "column id" not in text and "35.89% to 91.78%" in text
    trend = told(tmp_path / ".qpipe")
    assert [line["dimension"] for line in trend["columns"]] == ["city", "amount", "id"]
    assert [line["values"] for line in trend["sources"]] == [[pytest.approx(12 / 13.5)], [pytest.approx(15.5 / 18)]]
    assert "web" in history(tmp_path / ".qpipe", "trend", "--of", "source").stdout


def test_a_single_source_has_the_score_of_all(tmp_path: Path) -> None:
    leave(tmp_path, [10])
    found = told(tmp_path)
    assert [line["dimension"] for line in found["columns"]] == ["id", "amount", "mail"]
    assert found["columns"][2]["values"] == [None], "nothing was evaluated there"
    assert found["sources"][0]["values"] == found["lines"][0]["values"]


SCORED = """
    name: scored
    sources: {orders: {path: orders.csv, schema: {id: int, amount: int, city: string}}}
    modules:
      - quality_score: {id: amounts, column: amount, MORE}
      - between: {column: amount, min: 0}
      - not_null: {column: city, severity: warning}
    outputs: {clean: {path: out/clean.csv}, quarantine: {path: out/bad.csv}}
"""
ORDERS = "id,amount,city\n1,5,Bonn\n2,-1,Bonn\n3,7,\n4,1,Ulm\n"
WHOSE = [
    ("min: 0.87", 0, {"score": 7 / 8}),  # the contract judges amount, too
    ("min: 0.88", 65, {"score": 7 / 8}),
    ("min: 0.6, sure: true", 65, {"low": pytest.approx(0.5291, abs=1e-4)}),
    ("min: 0.88, severity: warning", 0, {"score": 7 / 8}),
]


@pytest.mark.parametrize(("more", "code", "observed"), WHOSE, ids=[w[0] for w in WHOSE])
def test_a_score_that_is_too_low_refuses(tmp_path: Path, more: str, code: int, observed: dict[str, Any]) -> None:
    project = Project(tmp_path, SCORED.replace("MORE", more), {"orders.csv": ORDERS})
    outcome = project.run()
    assert outcome.exit_code == code
    judged = [e.data for e in project.journal.events(project.journal.run()["id"]) if e.name == "gate.judged"][-1]
    assert {name: judged["observed"][name] for name in observed} == observed


@pytest.mark.parametrize(
    ("whose", "score"), [("of: completeness", 3 / 4), ("source: orders", 12.5 / 14), ("severity: error", 12.5 / 14)]
)
def test_whose_score_it_is(tmp_path: Path, whose: str, score: float) -> None:
    spec = SCORED.replace("column: amount, MORE", f"{whose}, min: 0.1")
    project = Project(tmp_path, spec, {"orders.csv": ORDERS})
    assert project.run().exit_code == 0
    judged = [e.data for e in project.journal.events(project.journal.run()["id"]) if e.name == "gate.judged"][-1]
    assert judged["observed"]["score"] == pytest.approx(score)


def test_a_score_that_falls_is_seen(tmp_path: Path) -> None:
    good = "id,amount,city\n1,5,Bonn\n2,1,Bonn\n3,7,Ulm\n4,1,Ulm\n"
    project = Project(tmp_path, SCORED.replace("MORE", "max_drop: 0.05"), {"orders.csv": good})
    assert [project.run().exit_code for _ in range(2)] == [0, 0], "the first has nothing to compare with"
    (tmp_path / "orders.csv").write_text(ORDERS)
    assert project.run().exit_code == 65


def test_a_sources_reliability_rests_on_its_own_rows(tmp_path: Path) -> None:
    files = {"shops.csv": "id,amount,city\n1,5,Bonn\n2,x,Bonn\n", "web.csv": "id,amount,city\n4,5,Bonn\n5,1,x\n"}
    project = Project(tmp_path, TWO.replace("BATCH", "50"), files)
    project.run()
    plan = plan_of(project.spec)
    shares = {source: reliability(plan, project.journal, source).parts["well-formed"] for source in ("shops", "web")}
    assert shares == {"shops": pytest.approx(5 / 6, abs=1e-4), "web": 1.0}
