"""Rows sent to an endpoint: every row, in order, with keys that tell repeats."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from running import Killed, Project, files_with, interrupted, stop_at

from qpipe.core import effects
from tests.servers.api import Api, Reset

SPEC = """
    name: send
    sources: {orders: {path: orders.csv, schema: {id: int, at: date}}}
    outputs: {hook: {type: http, url: "URL/hook", batch_size: 4, auth: {type: bearer, token: "${env:HOOK_TOKEN}"}, MORE}}
    settings: {batch_size: 6, workers: 1}
"""


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "h00k-t0k3n")


def project(folder: Path, api: Api, more: str = "method: POST") -> Project:
    rows = "id,at\n" + "".join(f"{n},2026-11-{n + 1:02}\n" for n in range(10))
    return Project(folder, SPEC.replace("URL", api.url).replace("MORE", more), {"orders.csv": rows})


def taken(api: Api) -> list[dict[str, Any]]:
    """What a server that honours the keys has taken."""
    seen: dict[str, list[dict[str, Any]]] = {}
    for request in api.asked:
        seen.setdefault(request.headers["idempotency-key"], json.loads(request.body))
    return [row for rows in seen.values() for row in rows]


def test_every_row_is_sent_in_order(tmp_path: Path, api: Api) -> None:
    api.answer = lambda request: (202, {}, {})
    assert project(tmp_path, api).run().state == "done"
    assert taken(api) == [{"id": n, "at": f"2026-11-{n + 1:02}"} for n in range(10)]
    assert [len(json.loads(r.body)) for r in api.asked] == [4, 2, 4]
    assert {r.headers["authorization"] for r in api.asked} == {"Bearer h00k-t0k3n"}
    assert files_with(tmp_path, "h00k-t0k3n") == []


def test_stopped_anywhere_every_row_arrives_and_repeats_have_the_same_key(tmp_path: Path, api: Api) -> None:
    api.answer = lambda request: (202, {}, {})
    listener, seen = stop_at(10_000)
    with effects.listening(listener):
        project(tmp_path / "whole", api).run()
    wanted = taken(api)
    sends = [n for n, name in enumerate(seen) if name == "output.http.send" or "published" in name]
    assert len(sends) == 5
    for at in sends:
        api.asked.clear()
        again = project(tmp_path / str(at), api)
        with pytest.raises(Killed), effects.listening(stop_at(at)[0]):
            again.run()
        assert again.resume().state == "done"
        assert taken(api) == wanted, seen[at]


def test_what_passes_is_tried_again_and_what_does_not_stops_resumably(tmp_path: Path, api: Api) -> None:
    def flaky(request: Any) -> Any:
        if request.number in (1, 3):
            raise Reset
        return 503 if request.number == 2 else 200, {}, {}

    api.answer = flaky
    assert project(tmp_path / "a", api).run().state == "done"
    api.answer = lambda request: (422, {}, {"message": "id is taken"})
    refused = project(tmp_path / "b", api)
    outcome = refused.run()
    assert outcome.exit_code == 69 and "422 id is taken" in outcome.message
    api.answer = lambda request: (200, {}, {})
    api.asked.clear()
    assert refused.resume().state == "done" and len(taken(api)) == 10


@pytest.mark.parametrize("how", ["asks to wait", "does not answer"])
def test_a_run_that_is_kept_waiting_while_it_publishes_is_interrupted_at_once(tmp_path: Path, api: Api, how: str) -> None:
    asked, over = threading.Event(), threading.Event()

    def keep_waiting(request: Any) -> Any:
        asked.set()
        if how == "does not answer":
            over.wait(60)
        return 429, {"retry-after": "120"}, {}

    api.answer = keep_waiting
    made = project(tmp_path, api, "timeout: 60s")
    try:
        assert interrupted(made, asked, after=0.5) == 130
    finally:
        over.set()
    api.answer = lambda request: (202, {}, {})
    assert made.resume().state == "done" and len(taken(api)) == 10


def test_exactly_once_is_refused(tmp_path: Path, api: Api) -> None:
    from qpipe.core.errors import SpecError

    with pytest.raises(SpecError, match="at least once"):
        project(tmp_path, api, "delivery: exactly_once").run()
