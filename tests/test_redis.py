"""Redis streams against a real server: each message once, whatever is killed when."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from running import Killed, Project, files_with, stop_at

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.params import build
from qpipe.sources.redis import Redis
from tests.servers import absent, fixture, folder
from tests.servers import redis as server

redis = fixture("redis")
pytestmark = pytest.mark.servers("redis")

SPEC = """
    name: events
    sources: {events: {type: redis, url: "${env:EVENTS_URL}", stream: STREAM, json: data, group: copy, schema: {n: int}}}
    outputs: {all: {path: "out/", format: csv, mode: append}, quarantine: {path: bad/, format: ndjson, mode: append}}
    settings: {batch_size: 4, workers: 1}
"""


@pytest.fixture
def events(redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("EVENTS_URL", redis)
    return project(tmp_path)


def project(folder: Path) -> Project:
    return Project(folder, SPEC.replace("STREAM", folder.name))


def client() -> Any:
    import redis as driver

    return driver.Redis.from_url(os.environ["EVENTS_URL"], decode_responses=True)


def send(events: Project, *numbers: Any) -> None:
    for n in numbers:
        client().xadd(events.folder.name, {"data": f'{{"n": {n}}}'})


def numbers(events: Project) -> list[int]:
    texts = [p.read_text() for p in (events.folder / "out").glob("[!.]*.csv")]
    return sorted(int(line) for text in texts for line in text.splitlines()[1:] if line)


def test_runs_take_each_message_once_and_the_group_is_moved(events: Project) -> None:
    send(events, *range(10))
    assert events.run().state == "done"
    send(events, *range(10, 13))
    assert events.run().state == "done" and events.journal.run()["rows_in"] == 3
    assert events.run().state == "done" and events.journal.run()["rows_in"] == 0
    assert numbers(events) == list(range(13))
    (group,) = client().xinfo_groups(events.folder.name)
    assert group["name"] == "copy" and group["last-delivered-id"] == client().xrevrange(events.folder.name, count=1)[0][0]


def test_a_poison_message_goes_to_quarantine_with_its_id(events: Project) -> None:
    send(events, 1)
    bad = client().xadd(events.folder.name, {"data": "{not json"})
    client().xadd(events.folder.name, {"other": "x"})
    send(events, '"seven"', 2)
    assert events.run().state == "done"
    assert numbers(events) == [1, 2]
    told = "".join(p.read_text() for p in (events.folder / "bad").glob("*.ndjson"))
    assert told.count("\n") == 3 and f"message {bad}" in told and "has no field data" in told and "seven" in told


def test_stopped_at_every_effect_nothing_is_lost_or_doubled(events: Project, tmp_path: Path) -> None:
    send(events, *range(9))
    listener, seen = stop_at(10_000)
    with effects.listening(listener):
        events.run()
    for at in range(0, len(seen), 2):
        again = project(tmp_path / f"s{at}")
        send(again, *range(9))
        with pytest.raises(Killed), effects.listening(stop_at(at)[0]):
            again.run()
        send(again, 9)
        if again.journal.runs():
            again.resume()
        again.run()
        assert numbers(again) == list(range(10)), seen[at]


def test_messages_that_were_trimmed_away_are_told(events: Project) -> None:
    send(events, 1, 2)
    events.run()
    send(events, 3, 4, 5)
    client().xtrim(events.folder.name, maxlen=1, approximate=False)
    client().xdel(events.folder.name, "0-1")
    events.run()
    assert numbers(events) == [1, 2, 5]


def test_a_server_that_is_not_there_is_told_without_the_password(events: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTS_URL", "redis://:s3cret-word@127.0.0.1:1/0")
    outcome = events.run()
    assert outcome.exit_code == 69 and "127.0.0.1:1" in outcome.message and "s3cret" not in outcome.message
    assert files_with(events.folder, "-word") == []


def test_an_address_without_a_password_is_told(tmp_path: Path) -> None:
    spec = "sources: {s: {type: redis, url: 'redis://127.0.0.1:1/0', stream: s, timeout: 1s}}\noutputs: {o: {path: o.csv}}"
    assert "redis://127.0.0.1:1/0, s: " in Project(tmp_path, f"name: away\n{spec}").run().message


@pytest.mark.parametrize("kind", ["source", "output"])
def test_a_wrong_password_is_told_at_once(events: Project, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A client that asks again would be refused again, and perhaps locked out."""
    server, name = client(), events.folder.name
    refused = errors(server)
    monkeypatch.setenv("EVENTS_URL", f"redis://:wr0ng-word@{os.environ['EVENTS_URL'].rpartition('@')[2]}")
    (events.folder / "one.csv").write_text("id\n1\n")
    outcome = events.run() if kind == "source" else Project(events.folder / "out", f"""
        name: out
        sources: {{one: {{path: ../one.csv}}}}
        outputs: {{all: {{type: redis, url: "${{env:EVENTS_URL}}", stream: {name}}}}}
    """).run()  # fmt: skip
    assert outcome.exit_code == 77 and "wr0ng" not in outcome.message and "password" in outcome.hint
    assert errors(server) - refused == 1
    assert files_with(events.folder, "wr0ng-word") == []


def errors(server: Any) -> int:
    """How often a password was refused."""
    return int(server.info("errorstats").get("errorstat_WRONGPASS", {}).get("count", 0))


def source(events: Project, **given: Any) -> Redis:
    made: Redis = build(Redis, {"url": os.environ["EVENTS_URL"], "stream": events.folder.name, **given})
    return made


def rows(found: Any) -> list[tuple[Any, ...]]:
    return [row for chunk in found for row in chunk.frame.rows()]


def test_every_position_restarts_exactly(events: Project) -> None:
    send(events, *range(23))
    for size, buffer in ((1, 10_000), (4, 3), (100, 7)):
        read = source(events, field="data", buffer_size=buffer)
        chunks = list(read.read(Context(), None, size))
        assert rows(chunks) == [(str(n),) for n in range(23)]
        send(events, "later")
        for n, chunk in enumerate(chunks):
            position = json.loads(json.dumps(chunk.position))
            assert rows(read.read(Context(), position, 3)) == rows(chunks[n + 1 :])
        client().xdel(events.folder.name, client().xrevrange(events.folder.name, count=1)[0][0])


def test_fields_are_columns_and_what_is_no_text_is_poison(events: Project) -> None:
    name = events.folder.name
    client().xadd(name, {"n": "1", "ü": "é"})
    bad = client().xadd(name, {"n": b"\xff"})
    client().xadd(name, {"n": "", "other": "x"})
    (chunk,) = (c for c in source(events, metadata=["id", "timestamp"]).read(Context(), None, 100) if c.frame.height)
    assert chunk.frame.select("n", "ü", "other").rows() == [("1", "é", None), (None, None, None), ("", None, "x")]
    assert chunk.frame["message_id"][1] == bad and chunk.frame["message_timestamp"].dtype.time_zone == "UTC"
    assert [(f.row, f.code) for f in chunk.faults] == [(1, "poison-message")] and bad in chunk.faults[0].message


def test_a_run_may_begin_now_and_take_so_many(events: Project) -> None:
    send(events, 1, 2)
    late = Project(events.folder / "late", events.spec.read_text().replace("group: copy", 'start: "$", until: {count: 2}'))
    assert late.run().state == "done" and numbers(late) == []
    send(events, 3, 4, 5)
    assert late.run().state == "done" and numbers(late) == [3, 4]
    assert late.run().state == "done" and numbers(late) == [3, 4, 5]


def test_a_server_killed_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how := server.missing():
        absent("redis", how)
    with folder("redis") as place, server.durable(place) as killed:
        monkeypatch.setenv("EVENTS_URL", killed.url)
        stopped: list[str] = []

        def restart(name: str) -> None:
            if "commit" in name and "batch" in name and not stopped:
                stopped.append(name)
                killed.kill()
                if comes_back:
                    killed.start()

        for comes_back in (True, False):
            events = project(tmp_path / f"back-{comes_back}")
            events.spec.write_text(events.spec.read_text().replace("group: copy", "buffer_size: 4"))
            send(events, *range(30))
            stopped.clear()
            with effects.listening(restart):
                outcome = events.run()
            if not comes_back:
                assert outcome.exit_code == 69 and f"{events.folder.name} after" in outcome.message, outcome
                assert "resume" in outcome.hint and server.PASSWORD not in outcome.message
                killed.start()
                send(events, 30)
                assert events.resume().state == "done"
                assert events.run().state == "done"
            assert stopped and numbers(events) == list(range(30 if comes_back else 31))
