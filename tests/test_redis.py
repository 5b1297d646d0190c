"""Redis streams against a real server: each message once, whatever is killed when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import Project
from test_crash import Killed, stop_at

from qpipe.core import effects
from tests.servers import fixture

redis = fixture("redis")
pytestmark = pytest.mark.xdist_group("redis")

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
    import os

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
    monkeypatch.setenv("EVENTS_URL", client_url_with("wr0ng-word"))
    outcome = events.run()
    assert outcome.exit_code in (69, 77) and "wr0ng" not in outcome.message
    for file in events.folder.rglob("*"):
        assert not file.is_file() or b"-word" not in file.read_bytes(), file


def client_url_with(password: str) -> str:
    import os

    host = os.environ.get("EVENTS_URL", "").rpartition("@")[2]
    return f"redis://:{password}@{host}"
