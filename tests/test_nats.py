"""NATS JetStream against a real server: each message once, whatever is killed when."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from running import Killed, Project, files_with, stop_at

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.params import build
from qpipe.sources.nats import Nats
from qpipe.testing.sources import SourceSuite
from tests.servers import absent, fixture, folder
from tests.servers import nats as server

nats = fixture("nats")
pytestmark = pytest.mark.servers("nats")

SPEC = """
    name: events
    sources:
      events: {type: nats, servers: "${env:NATS}", auth: {token: "${env:WORD}"}, stream: STREAM, durable: copy,
               schema: {n: int}, MORE}
    outputs: {all: {path: "out/", format: csv, mode: append}, quarantine: {path: bad/, format: ndjson, mode: append}}
    settings: {batch_size: 4, workers: 1}
"""


@pytest.fixture
def events(nats: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("NATS", nats)
    monkeypatch.setenv("WORD", server.PASSWORD)
    return project(tmp_path)


def project(folder: Path, more: str = "timeout: 5s") -> Project:
    do(lambda stream: stream.add_stream(name=folder.name, subjects=[f"{folder.name}.*"]))
    return Project(folder, SPEC.replace("STREAM", folder.name).replace("MORE", more))


def do(work: Any) -> Any:
    async def within() -> Any:
        import nats as driver

        connection = await driver.connect(os.environ["NATS"], token=server.PASSWORD)
        try:
            return await work(connection.jetstream())
        finally:
            await connection.close()

    return asyncio.run(within())


def send(events: Project, *values: Any, subject: str = "n", **more: Any) -> None:
    async def all_of_them(stream: Any) -> None:
        for value in values:
            data = value if isinstance(value, bytes) else json.dumps({"n": value}).encode()
            await stream.publish(f"{events.folder.name}.{subject}", data, **more)

    do(all_of_them)


def numbers(events: Project) -> list[int]:
    texts = [p.read_text() for p in (events.folder / "out").glob("[!.]*.csv")]
    return sorted(int(line) for text in texts for line in text.splitlines()[1:] if line)


def source(events: Project, **given: Any) -> Nats:
    values = {"servers": os.environ["NATS"], "stream": events.folder.name, "auth": {"token": server.PASSWORD}, **given}
    made: Nats = build(Nats, {"timeout": 3, **values})
    return made


def rows(found: Any) -> list[tuple[Any, ...]]:
    return [row for chunk in found for row in chunk.frame.rows()]


def test_runs_take_each_message_once_and_the_durable_consumer_acknowledges(events: Project) -> None:
    send(events, *range(10))
    assert events.run().state == "done"
    send(events, *range(10, 13))
    assert events.run().state == "done" and events.journal.run()["rows_in"] == 3
    assert events.run().state == "done" and events.journal.run()["rows_in"] == 0
    assert numbers(events) == list(range(13))
    about = do(lambda stream: stream.consumer_info(events.folder.name, "copy"))
    assert (about.ack_floor.stream_seq, about.num_pending, about.num_ack_pending) == (13, 0, 0)


def test_what_came_after_the_run_is_not_acknowledged(events: Project) -> None:
    send(events, *range(6))
    source(events, durable="other").acknowledge({"at": {"sequence": 4}}, Context())
    about = do(lambda stream: stream.consumer_info(events.folder.name, "other"))
    assert about.ack_floor.stream_seq == 4
    source(events, durable="other").acknowledge({"at": {"sequence": 4}}, Context())
    source(events, durable="other").acknowledge({"at": {"sequence": 6}}, Context())
    assert do(lambda stream: stream.consumer_info(events.folder.name, "other")).ack_floor.stream_seq == 6


def test_every_position_restarts_exactly(events: Project) -> None:
    send(events, *range(23))
    for size, buffer in ((1, 10_000), (4, 3), (100, 7)):
        read = source(events, buffer_size=buffer)
        chunks = list(read.read(Context(), None, size))
        assert rows(chunks) == [(str(n),) for n in range(23)]
        for n, chunk in enumerate(chunks):
            if n % 5 == 0:
                position = json.loads(json.dumps(chunk.position))
                assert rows(read.read(Context(), position, 3)) == rows(chunks[n + 1 :])


def test_some_subjects_a_count_and_columns_beside_the_payload(events: Project) -> None:
    for n in range(4):
        send(events, n, subject="even" if n % 2 == 0 else "odd", headers={"trace": f"ü{n}"})
    name = events.folder.name
    read = source(events, subject=f"{name}.odd", metadata=["subject", "sequence", "timestamp", "headers"])
    found = [row for chunk in read.read(Context(), None, 100) for row in chunk.frame.to_dicts()]
    assert [(row["n"], row["message_subject"], row["message_sequence"]) for row in found] == [
        ("1", f"{name}.odd", 2),
        ("3", f"{name}.odd", 4),
    ]
    assert json.loads(found[0]["message_headers"])["trace"] == "ü1" and found[0]["message_timestamp"].tzinfo
    assert rows(source(events, until={"count": 3}).read(Context(), None, 100)) == [("0",), ("1",), ("2",)]
    assert rows(source(events, subject=f"{name}.none").read(Context(), None, 100)) == []
    new = source(events, start="new")
    (first,) = new.read(Context(), None, 100)
    send(events, 4)
    assert rows(new.read(Context(cursor=new.cursor(first.position, Context())), None, 100)) == [("4",)]


def test_stopped_at_every_effect_nothing_is_lost_or_doubled(events: Project, tmp_path: Path) -> None:
    send(events, *range(9))
    listener, seen = stop_at(10_000)
    with effects.listening(listener):
        events.run()
    for at in range(0, len(seen), 5):
        again = project(tmp_path / f"s{at}")
        send(again, *range(9))
        with pytest.raises(Killed), effects.listening(stop_at(at)[0]):
            again.run()
        send(again, 9)
        if again.journal.runs():
            again.resume()
        again.run()
        assert numbers(again) == list(range(10)), seen[at]


def test_poison_gone_messages_and_a_stream_made_anew(events: Project) -> None:
    name = events.folder.name
    send(events, 1, b"{not json", 2, b"\xff")
    assert events.run().state == "done" and numbers(events) == [1, 2]
    told = "".join(p.read_text() for p in (events.folder / "bad").glob("*.ndjson"))
    assert f"{name} at sequence 2" in told and f"{name} at sequence 4" in told and "{not json" in told
    send(events, 5, 6, 7)
    do(lambda stream: stream.purge_stream(name, keep=1))
    events.run()
    assert numbers(events) == [1, 2, 7]
    (note,) = (event.data for event in events.events if event.name == "source.note")
    assert note["code"] == "trimmed" and "up to 6 are gone" in note["message"]
    do(lambda stream: stream.delete_stream(name))
    do(lambda stream: stream.add_stream(name=name, subjects=[f"{name}.*"]))
    outcome = events.run()
    assert outcome.exit_code == 65 and "has no 7" in outcome.message and "--full-refresh" in outcome.hint


def test_a_server_killed_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how := server.missing():
        absent("nats", how)
    monkeypatch.setenv("WORD", server.PASSWORD)
    with folder("nats") as place, server.durable(place) as killed:
        monkeypatch.setenv("NATS", killed.url)
        stopped: list[str] = []

        def restart(name: str) -> None:
            if "commit" in name and "batch" in name and not stopped:
                stopped.append(name)
                killed.kill()
                if comes_back:
                    killed.start()

        for comes_back in (True, False):
            events = project(tmp_path / f"back-{comes_back}", "timeout: 5s, buffer_size: 4")
            send(events, *range(30))
            stopped.clear()
            with effects.listening(restart):
                outcome = events.run()
            if not comes_back:
                assert outcome.exit_code == 69 and f"{events.folder.name} after sequence" in outcome.message, outcome
                assert "resume" in outcome.hint and server.PASSWORD not in outcome.message
                killed.start()
                send(events, 30)
                assert events.resume().state == "done"
                assert events.run().state == "done"
            assert outcome.state == "done" or not comes_back, outcome
            assert stopped and numbers(events) == list(range(30 if comes_back else 31))


def test_what_cannot_be_reached_is_told_without_secrets(events: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "wr0ng-word")
    outcome = events.run()
    assert outcome.exit_code == 77 and "uthorization" in outcome.message and "wr0ng" not in outcome.message, outcome
    monkeypatch.setenv("NATS", "nats://me:s3cret-word@127.0.0.1:1")
    outcome = Project(events.folder / "shut", events.spec.read_text().replace("timeout: 5s", "timeout: 1s")).run()
    assert outcome.exit_code == 69 and "127.0.0.1:1" in outcome.message and "s3cret" not in outcome.message
    assert files_with(events.folder, "-word") == []


def test_no_such_stream_and_a_work_queue_are_told(events: Project) -> None:
    from qpipe.core.errors import Unavailable

    with pytest.raises(Unavailable, match="stream not found"):
        source(events, stream="nowhere").columns(Context())
    do(lambda stream: stream.add_stream(name="jobs", subjects=["jobs"], retention="workqueue"))
    do(lambda stream: stream.publish("jobs", b"{}"))
    with pytest.raises(Unavailable, match=r"workqueue|ack policy") as told:
        source(events, stream="jobs").columns(Context())
    assert "retention" in told.value.hint


def test_a_missing_package_is_named_when_the_spec_is_checked(events: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from qpipe.core.errors import SpecError

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "nats" else found(name, *a))
    with pytest.raises(SpecError, match=r"pip install 'qpipe\[nats\]'"):
        events.run()


class TestSuite(SourceSuite):
    """The published suite."""

    secrets = (server.PASSWORD,)
    empty_has_columns = False

    @pytest.fixture
    def given(self, nats: str, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("NATS", nats)

        def make(rows: list[dict[str, Any]]) -> dict[str, Any]:
            name = f"suite-{uuid.uuid4().hex}"

            async def filled(stream: Any) -> None:
                await stream.add_stream(name=name, subjects=[name])
                for row in rows:
                    await stream.publish(name, json.dumps(row).encode())

            do(filled)
            return {"type": "nats", "servers": nats, "stream": name, "auth": {"token": server.PASSWORD}, "timeout": 5}

        return make
