"""Rows enriched from an API: equal requests once, failures as findings, the same again after a stop."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from running import Killed, Project, files_with, interrupted, stop_at

from qpipe.core import effects
from tests.servers.api import Api, Request, Reset

SPEC = """
    name: orders
    sources:
      orders: {{path: orders.csv, schema: {{id: int, city: string}}}}
    modules:
      - api_lookup: {{url: "{url}/cities/{{city}}", take: {{country: country, people: size.people}}, types: {{people: int}},
                      auth: {{type: bearer, token: "t0ken-pa55"}}, retries: 2 {more}}}
    routes: [{{when: failed(error), to: bad}}, {{to: clean}}]
    outputs: {{clean: {{path: out/clean.ndjson}}, bad: {{path: out/bad.ndjson}}}}
    settings: {{batch_size: 10, workers: 2}}
"""
CITIES = {"Bonn": ("DE", 330), "Metz": ("FR", 120), "a/b & c?": ("XX", 1)}


@pytest.fixture(autouse=True)
def answering(api: Api, quick: None) -> None:
    api.answer = answer


def answer(request: Request) -> Any:
    from urllib.parse import unquote

    city = unquote(request.path.rpartition("/")[2])
    if city not in CITIES:
        return 404, {}, {"message": f"no {city}"}
    return 200, {}, {"country": CITIES[city][0], "size": {"people": CITIES[city][1]}}


def project(folder: Path, api: Api, cities: list[str], more: str = "") -> Project:
    lines = "".join(f'{n},"{city}"\n' if city else f"{n},\n" for n, city in enumerate(cities))
    return Project(folder, SPEC.format(url=api.url, more=more), {"orders.csv": "id,city\n" + lines})


def rows(made: Project, name: str = "clean") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (made.folder / f"out/{name}.ndjson").read_text().splitlines()]


def test_equal_requests_are_sent_once_and_rows_keep_their_order(tmp_path: Path, api: Api) -> None:
    cities = ["Bonn", "Metz", "", "a/b & c?"] * 25
    made = project(tmp_path, api, cities)
    assert made.run().state == "done"
    assert len(api.asked) == 3, [r.target for r in api.asked]
    found = rows(made)
    assert [row["id"] for row in found] == list(range(100))
    assert [(row["country"], row["people"]) for row in found[:4]] == [("DE", 330), ("FR", 120), (None, None), ("XX", 1)]


def test_requests_are_on_their_way_side_by_side(tmp_path: Path, api: Api) -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def slow(request: Request) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.05 if request.path.endswith("0") else 0.01)
        with lock:
            inside[0] -= 1
        return 200, {}, {"country": request.path.rpartition("/")[2], "size": {"people": 1}}

    api.answer = slow
    made = project(tmp_path, api, [f"c{n}" for n in range(30)], ", concurrency: 5")
    assert made.run().state == "done"
    assert 2 <= most[0] <= 5
    assert [row["country"] for row in rows(made)] == [f"c{n}" for n in range(30)]


def test_what_fails_is_a_finding_of_its_row(tmp_path: Path, api: Api) -> None:
    def poor(request: Request) -> Any:
        city = request.path.rpartition("/")[2]
        if city == "Kaputt":
            return 500, {}, {}
        if city == "Reset":
            raise Reset
        if city == "Text":
            return 200, {}, b"<html>"
        if city == "Many":
            return 200, {}, {"country": "M", "size": {"people": "many"}}
        return answer(request)

    api.answer = poor
    made = project(tmp_path, api, ["Bonn", "Kaputt", "Reset", "Text", "Many", "Nowhere", "Metz"])
    made.run()
    assert [row["city"] for row in rows(made)] == ["Bonn", "Metz"]
    assert [row["city"] for row in rows(made, "bad")] == ["Kaputt", "Reset", "Text", "Many", "Nowhere"]


def test_what_the_api_does_not_know_may_be_null(tmp_path: Path, api: Api) -> None:
    made = project(tmp_path, api, ["Bonn", "Nowhere"], ', unknown: "null"')
    assert made.run().state == "done"
    assert [row["country"] for row in rows(made)] == ["DE", None]


def test_a_failure_may_stop_the_run_which_resumes(tmp_path: Path, api: Api) -> None:
    api.answer = lambda request: (503, {}, {})
    made = project(tmp_path, api, ["Bonn"], ", on_failure: stop")
    outcome = made.run()
    assert outcome.state != "done" and "503" in str(outcome) and "t0ken" not in str(outcome)
    api.answer = answer
    assert made.resume().state == "done"
    assert rows(made)[0]["country"] == "DE"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_waits_as_the_api_asked_is_interrupted_at_once(tmp_path: Path, api: Api, workers: int) -> None:
    asked = threading.Event()

    def wait(request: Request) -> Any:
        asked.set()
        return 429, {"retry-after": "120"}, {}

    api.answer = wait
    made = project(tmp_path, api, ["Bonn", "Metz"] * 20)
    made.spec.write_text(made.spec.read_text().replace("workers: 2", f"workers: {workers}"))
    assert interrupted(made, asked, after=0.5) == 130
    api.answer = answer
    assert made.resume().state == "done" and len(rows(made)) == 40


def test_refused_authorisation_stops_the_run(tmp_path: Path, api: Api) -> None:
    api.answer = lambda request: (401, {}, {"message": "who are you?"})
    outcome = project(tmp_path, api, ["Bonn"]).run()
    assert outcome.state != "done" and "who are you?" in str(outcome)


def test_a_stopped_run_sees_the_same_answers(tmp_path: Path, api: Api) -> None:
    """Though the API says something else by then, and the failed one would work now."""
    cities = [f"c{n}" for n in range(40)]
    version = [1]

    def changing(request: Request) -> Any:
        city = request.path.rpartition("/")[2]
        return (500, {}, {}) if city == "c3" and version[0] == 1 else (200, {}, {"country": f"v{version[0]}"})

    api.answer = changing
    whole = project(tmp_path / "whole", api, cities)
    listener, names = stop_at(10**9)
    with effects.listening(listener):
        whole.run()
    middle = names.index("output.publish.rename") if "output.publish.rename" in names else len(names) - 4
    made = project(tmp_path / "stopped", api, cities)
    listener, _ = stop_at(middle)
    with effects.listening(listener), pytest.raises(Killed):
        made.run()
    asked, version[0] = len(api.asked), 2
    made.resume()
    assert len(api.asked) == asked, "what was answered is not asked again"
    assert made.outputs() == whole.outputs()


@pytest.mark.parametrize(("ttl", "asks"), [("", 0), (", ttl: 1h", 0), (", ttl: 0", 2)])
def test_later_runs_take_answers_from_the_cache(tmp_path: Path, api: Api, ttl: str, asks: int) -> None:
    made = project(tmp_path, api, ["Bonn", "Metz"], f", cache: .cache/cities.db{ttl}")
    made.run()
    before = len(api.asked)
    made.run()
    assert len(api.asked) - before == asks
    assert [row["country"] for row in rows(made)] == ["DE", "FR"]


def test_the_token_is_nowhere(tmp_path: Path, api: Api) -> None:
    made = project(tmp_path, api, ["Bonn", "Nowhere"], ", cache: cities.db")
    made.run()
    assert all(r.headers["authorization"] == "Bearer t0ken-pa55" for r in api.asked)
    assert files_with(tmp_path, "t0ken-pa55", but=made.spec) == []
