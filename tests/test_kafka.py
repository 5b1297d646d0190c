"""Kafka against a real broker: each message once, whatever is killed when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Killed, Project, files_with, stop_at

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.params import build
from qpipe.sources.kafka import Kafka
from qpipe.testing.sources import SourceSuite
from tests.servers import absent, fixture, folder
from tests.servers import kafka as server

kafka = fixture("kafka")
pytestmark = pytest.mark.servers("kafka")

SPEC = """
    name: events
    sources: {events: {type: kafka, servers: "${env:BROKERS}", topic: TOPIC, group: copy, schema: {n: int}, MORE}}
    outputs: {all: {path: "out/", format: csv, mode: append}, quarantine: {path: bad/, format: ndjson, mode: append}}
    settings: {batch_size: 4, workers: 1}
"""


@pytest.fixture
def events(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("BROKERS", kafka)
    return project(tmp_path)


def project(folder: Path, more: str = "timeout: 10s") -> Project:
    made = Project(folder, SPEC.replace("TOPIC", folder.name).replace("MORE", more))
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": os.environ["BROKERS"]})
    for done in admin.create_topics([NewTopic(folder.name, 3, 1)]).values():
        done.result()
    return made


def send(topic: str | Project, *values: Any, **more: Any) -> None:
    """Numbers are sent as JSON, bytes and None as they are; the partition is the place modulo 3."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": os.environ["BROKERS"], "linger.ms": 0, "log_level": 0})
    name = topic if isinstance(topic, str) else topic.folder.name
    for at, value in enumerate(values):
        data = value if value is None or isinstance(value, bytes) else json.dumps({"n": value}).encode()
        producer.produce(name, data, **{"partition": at % 3, **more})
    assert producer.flush(10) == 0


def numbers(events: Project) -> list[int]:
    texts = [p.read_text() for p in (events.folder / "out").glob("[!.]*.csv")]
    cells = [line.partition(",")[0].strip('"') for text in texts for line in text.splitlines()[1:]]
    return sorted(int(cell) for cell in cells if cell)


def source(topic: str, **given: Any) -> Kafka:
    made: Kafka = build(Kafka, {"servers": os.environ["BROKERS"], "topic": topic, "timeout": 5, **given})
    return made


def rows(found: Any) -> list[tuple[Any, ...]]:
    return [row for chunk in found for row in chunk.frame.rows()]


def test_runs_take_each_message_once_and_the_group_is_moved(events: Project) -> None:
    send(events, *range(10))
    assert events.run().state == "done"
    send(events, *range(10, 13))
    assert events.run().state == "done" and events.journal.run()["rows_in"] == 3
    assert events.run().state == "done" and events.journal.run()["rows_in"] == 0
    assert numbers(events) == list(range(13))
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": os.environ["BROKERS"], "group.id": "copy"})
    kept = consumer.committed([TopicPartition(events.folder.name, n) for n in range(3)], timeout=5)
    assert sorted(each.offset for each in kept) == [4, 4, 5]
    consumer.close()


def test_every_position_restarts_exactly(events: Project) -> None:
    topic = events.folder.name
    send(topic, *range(23))
    read, context = source(topic), Context()
    for size in (1, 4, 100):
        chunks = list(read.read(context, None, size))
        assert rows(chunks) == rows(read.read(context, None, 5))
        for n, chunk in enumerate(chunks):
            position = json.loads(json.dumps(chunk.position))
            if n % 5 == 0:
                assert rows(read.read(context, position, 3)) == rows(chunks[n + 1 :])


def test_what_a_run_reads(events: Project) -> None:
    topic = events.folder.name
    send(topic, *range(20))
    counted = list(source(topic, until={"count": 7}).read(Context(), None, 100))
    assert [r for (r,) in rows(counted)] != [] and len(rows(counted)) == 7
    assert counted[-1].position["at"] == {"0": 3, "1": 2, "2": 2}  # no partition is forgotten
    began = time.time()
    waiting = source(topic, until={"time": 4}, batch_time=0.3).read(Context(started=began), None, 100)
    seen = [next(waiting)]
    send(topic, 20, 21)
    seen += list(waiting)
    assert len(rows(seen)) == 22 and 3.9 < time.time() - began < 30
    assert rows(source(topic, until={"time": 1, "count": 3}).read(Context(started=time.time()), None, 100)) == [
        ("0",),
        ("1",),
        ("2",),
    ]


def test_the_first_run_may_begin_now_or_where_a_group_stands(events: Project) -> None:
    topic = events.folder.name
    send(topic, *range(6))
    late = Project(events.folder / "late", events.spec.read_text().replace("group: copy", "start: latest"))
    assert late.run().state == "done" and numbers(late) == []
    send(topic, 6, 7)
    assert late.run().state == "done" and numbers(late) == [6, 7]
    source(topic, group="other").acknowledge({"at": {"0": 2, "1": 2, "2": 1}}, Context())
    assert rows(source(topic, group="other", start="group").read(Context(), None, 100)) == [("6",), ("7",), ("5",)]


def test_stopped_at_every_effect_nothing_is_lost_or_doubled(events: Project, tmp_path: Path) -> None:
    send(events, *range(9))
    listener, seen = stop_at(10_000)
    with effects.listening(listener):
        events.run()
    for at in range(0, len(seen), 5):
        again = project(tmp_path / f"{tmp_path.name}-{at}")
        send(again, *range(9))
        with pytest.raises(Killed), effects.listening(stop_at(at)[0]):
            again.run()
        send(again, 9)
        if again.journal.runs():
            again.resume()
        again.run()
        assert numbers(again) == list(range(10)), seen[at]


def test_poison_messages_go_to_quarantine_with_their_places(events: Project) -> None:
    send(events, 1, b"{not json", b'"seven"', b'{"n": "\xff"}', None, 2, b'{"n": 3, "n": 4}')
    assert events.run().state == "done"
    topic = events.folder.name
    told = [json.loads(line) for p in (events.folder / "bad").glob("*.ndjson") for line in p.read_text().splitlines()]
    said = sorted(json.dumps(row["_reasons"]) for row in told)
    assert numbers(events) == [1, 2]
    assert len(told) == 4, said
    for place, raw in (("1 at offset 0", "{not json"), ("2 at offset 0", "seven"), ("0 at offset 1", "xff")):
        assert any(f"{topic}/{place}" in text and raw in text for text in said), (place, said)
    assert any("stands twice" in text for text in said)


def test_keys_headers_and_times_may_be_columns(events: Project) -> None:
    topic = events.folder.name
    send(topic, 1, key="Ärger", headers=[("a", b"1"), ("b", None)], timestamp=1_700_000_000_123)
    send(topic, '"', None)
    read = source(topic, metadata=["key", "timestamp", "headers", "partition", "offset"])
    types = read.columns(Context())
    assert types["message_timestamp"].kind == "datetime"
    first, quoted, nothing = (row for chunk in read.read(Context(), None, 1) for row in chunk.frame.to_dicts())
    assert first["message_key"] == "Ärger" and json.loads(first["message_headers"]) == {"a": "1", "b": None}
    assert first["message_timestamp"].timestamp() == 1_700_000_000.123
    assert (first["message_partition"], first["message_offset"]) == (0, 0)
    assert quoted["n"] == '"' and nothing["n"] is None and nothing["message_key"] is None


SPEC_OF_TWO = """
    name: both
    sources:
      events: {type: kafka, servers: "${env:BROKERS}", topic: TOPIC, group: copy, schema: {n: int}, timeout: 4s, MORE}
    outputs:
      all: {path: "out/", format: csv, mode: append}
      table: {type: database, url: "sqlite:///rows.db", table: rows, from: all}
    settings: {batch_size: 10, workers: 1}
"""


def both(folder: Path, topic: str, more: str) -> Project:
    return Project(folder, SPEC_OF_TWO.replace("TOPIC", topic).replace("MORE", more))


def in_table(events: Project) -> list[int]:
    import sqlite3

    with sqlite3.connect(events.folder / "rows.db") as db:
        return [n for (n,) in db.execute("select n from rows order by n")]


def qpipe(events: Project, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "qpipe", *words, "--quiet", "--home", str(events.folder / ".qpipe")],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


def test_killed_while_messages_arrive_each_is_there_once(events: Project) -> None:
    """kill -9 of the process while another one sends."""
    topic, sent = events.folder.name, 0
    copy = both(events.folder / "copy", topic, "until: {time: 12s}, batch_time: 200ms")
    process = qpipe(copy, "run", str(copy.spec))
    end = time.monotonic() + 60
    while time.monotonic() < end and not (sent and _batches(copy) > 3):
        send(topic, *range(sent, sent + 25))
        sent += 25
        time.sleep(0.2)
    process.kill()
    process.wait()
    assert copy.journal.run()["state"] == "running"
    send(topic, sent)
    assert qpipe(copy, "resume", "latest").wait(60) == 0
    copy.spec.write_text(copy.spec.read_text().replace("until: {time: 12s}, ", ""))
    assert copy.run().state == "done"
    assert numbers(copy) == list(range(sent + 1)) == in_table(copy)


def _batches(events: Project) -> int:
    """Of the run that goes on."""
    if not (events.folder / ".qpipe" / "journal.db").exists():
        return 0
    held = "select count(*) as n from batch where run in (select id from run where state = 'running')"
    return int(events.journal.rows(held)[0]["n"])


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[server.Broker]:
    if how := server.missing() or server.s3.missing():
        absent("kafka", how)
    with folder("kafka") as place, server.durable(place) as found:
        monkeypatch.setenv("BROKERS", found.url)
        yield found


def test_a_broker_killed_in_the_middle(broker: server.Broker, tmp_path: Path) -> None:
    made = project(tmp_path)
    send(made, *range(60))
    back = both(tmp_path / "back", tmp_path.name, "start: earliest")

    def restart(name: str) -> None:
        """Between the first batch and the second."""
        if "commit" in name and "batch" in name and not stopped:
            stopped.append(name)
            broker.kill()
            if comes_back:
                broker.start()

    stopped: list[str] = []
    comes_back = True
    with effects.listening(restart):
        assert back.run().state == "done"
    assert stopped and numbers(back) == list(range(60)) == in_table(back)
    stopped.clear()
    comes_back, gone = False, both(tmp_path / "gone", tmp_path.name, "start: earliest")
    with effects.listening(restart):
        outcome = gone.run()
    assert outcome.exit_code == 69 and stopped
    assert broker.url in outcome.message and f"{tmp_path.name}/" in outcome.message and "resume" in outcome.hint
    broker.start()
    send(made, *range(60, 63))
    assert gone.resume().state == "done"
    assert gone.run().state == "done"
    assert numbers(gone) == list(range(63)) == in_table(gone)


ORDER = {
    "type": "record", "name": "Order", "fields": [
        {"name": "n", "type": "long"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}  # fmt: skip
OLD = {**ORDER, "fields": ORDER["fields"][:2]}
INT_FINGERPRINT = 0x7275D51A3F395C8F  # of "int", as the specification's reference gives it


@pytest.mark.parametrize("framing", ["none", "confluent", "single_object"])
def test_avro_records(events: Project, framing: str) -> None:
    import datetime as dt
    import io
    from decimal import Decimal

    import fastavro
    import fastavro.schema

    assert fastavro.schema.fingerprint('"int"', "CRC-64-AVRO") == INT_FINGERPRINT.to_bytes(8, "little").hex()

    def written(record: dict[str, Any], schema: dict[str, Any], id: int) -> bytes:
        mark = fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO")
        heads = {"none": b"", "confluent": b"\0" + id.to_bytes(4, "big"), "single_object": b"\xc3\x01" + bytes.fromhex(mark)}
        body = io.BytesIO(heads[framing])
        body.seek(0, 2)
        fastavro.schemaless_writer(body, schema, record)
        return body.getvalue()

    when = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
    topic = events.folder.name
    (events.folder / "old.avsc").write_text(json.dumps(OLD))
    (events.folder / "new.avsc").write_text(json.dumps(ORDER))
    whole = {"n": 1, "amount": Decimal("1.10"), "at": when, "tags": ["ä"], "note": "ø"}
    sent = [written(whole, ORDER, 7)]
    if framing != "none":
        sent += [
            written({"n": 2, "amount": Decimal("-3.00")}, OLD, 3),
            written(whole, ORDER, 7)[:-1],
            b"\x00\x00\x00\x00\x63...",
        ]
    send(topic, *sent, b"\xff", None, partition=0)
    files = "new.avsc" if framing == "none" else {"3": "old.avsc", "7": "new.avsc"}
    read = source(topic, format="avro", framing=framing, avro=files)
    context = Context(directory=events.folder)
    assert [str(t) for t in read.columns(context).values()] == [
        "int64",
        "decimal(10,2)",
        "datetime(ms, UTC)",
        "string",
        "string",
    ]
    (chunk,) = (c for c in read.read(context, None, 100) if c.frame.height)
    assert chunk.frame.row(0) == (1, Decimal("1.10"), when, '["ä"]', "ø")
    if framing != "none":
        assert chunk.frame.row(1) == (2, Decimal("-3.00"), None, "[]", None)
    bad = [fault.row for fault in chunk.faults]
    assert bad == ([1] if framing == "none" else [2, 3, 4]) and {f.code for f in chunk.faults} == {"poison-message"}
    assert all(f"{topic}/0 at offset {fault.row}" in fault.message for fault in chunk.faults)
    assert chunk.frame.row(-1) == (None,) * 5


def test_csv_lines(events: Project) -> None:
    topic = events.folder.name
    send(topic, b"1;a;", b'2;"b;\nc";x', b"3;only", b'4;"open;x', None, "ü;é;ß".encode(), partition=0)
    read = source(topic, format="csv", delimiter=";", names=["n", "text", "rest"])
    (chunk,) = (c for c in read.read(Context(), None, 100) if c.frame.height)
    nothing = (None, None, None)
    assert chunk.frame.rows() == [("1", "a", None), ("2", "b;\nc", "x"), nothing, nothing, nothing, ("ü", "é", "ß")]
    assert [(f.row, f.raw) for f in chunk.faults] == [(2, "3;only"), (3, '4;"open;x')]


@pytest.mark.parametrize("more, said", [
    ("until: soon", "caught-up"),
    ("until: {count: 0}", "whole number"),
    ("until: {time: long}", "duration"),
    ("format: avro", "name its file"),
    ("format: avro, framing: confluent, avro: a.avsc", "schemas by id"),
    ("auth: {mechanism: magic, username: a, password: b}", "no mechanism magic"),
    ("auth: {mechanism: plain, username: a}", "needs password"),
    ("tls: {cafile: x}", "has no cafile"),
    ("start: group", None),
])  # fmt: skip
def test_what_is_wrong_is_told_before_anything_is_read(events: Project, more: str, said: str | None) -> None:
    from qpipe.core.errors import SpecError

    text = SPEC.replace("TOPIC", "t").replace("MORE", more)
    made = Project(events.folder / "wrong", text)
    if said is None:
        made.conductor()
    else:
        with pytest.raises(SpecError, match=said):
            made.run()


def test_a_missing_package_is_named_when_the_spec_is_checked(events: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from qpipe.core.errors import SpecError

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "confluent_kafka" else found(name, *a))
    with pytest.raises(SpecError, match=r"pip install 'qpipe\[kafka\]'"):
        events.run()


def test_no_broker_no_topic_and_no_secret_in_what_is_said(events: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    none = Project(events.folder / "none", SPEC.replace("TOPIC", "nowhere").replace("MORE", "timeout: 3s"))
    outcome = none.run()
    assert outcome.exit_code == 69 and "nknown topic" in outcome.message
    monkeypatch.setenv("BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("WORD", "s3cret-word")
    more = (
        "timeout: 1h, auth: {mechanism: plain, username: me, password: '${env:WORD}'}, options: {ssl.key.password: s3cret-word}"
    )
    for name in ("kafka", "127.0.0.1:1"):
        shut = Project(events.folder / name, SPEC.replace("TOPIC", "t").replace("MORE", more))
        outcome = shut.run()
        assert outcome.exit_code in (69, 77) and "127.0.0.1:1" in outcome.message and "t" in outcome.message
        assert "s3cret" not in outcome.message + outcome.hint
        assert files_with(shut.folder, "s3cret-word", but=shut.spec) == []


def test_messages_that_are_gone_and_a_topic_made_anew_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.forgetful(tmp_path) as url:
        monkeypatch.setenv("BROKERS", url)
        text = SPEC.replace("TOPIC", "short").replace("MORE", "timeout: 5s")
        events = Project(tmp_path, text.replace("schema: {n: int}", "schema: {n: int}, on_new_column: accept"))
        send("short", 1, 2, 3, partition=0)
        assert events.run().state == "done" and numbers(events) == [1, 2, 3]
        for n in range(8):  # it keeps a few megabytes of a partition
            send("short", json.dumps({"n": n, "pad": "x" * 900_000}).encode(), partition=0)
        assert events.run().state == "done"
        (note,) = (event.data for event in events.events if event.name == "source.note")
        assert note["code"] == "trimmed" and "the last one read was 2" in note["message"]
        assert numbers(events)[-1] == 7
    with server.forgetful(tmp_path) as url:
        monkeypatch.setenv("BROKERS", url)
        send("short", 1, partition=0)
        outcome = events.run()
        assert outcome.exit_code == 65 and "short/0" in outcome.message and "--full-refresh" in outcome.hint


def test_a_run_that_waits_is_interrupted_at_once_and_goes_on(events: Project) -> None:
    topic = events.folder.name
    send(topic, *range(5))
    copy = both(events.folder / "copy", topic, "until: {time: 10m}, batch_time: 200ms")
    process = qpipe(copy, "run", str(copy.spec))
    end = time.monotonic() + 60
    while time.monotonic() < end and not _batches(copy):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.wait(30) == 130 and time.monotonic() - began < 8
    assert copy.journal.run()["state"] == "interrupted"
    send(topic, 5)
    copy.spec.write_text(copy.spec.read_text().replace("until: {time: 10m}, ", ""))
    assert copy.run().state == "done"
    assert numbers(copy) == list(range(6)) == in_table(copy)


def test_a_wrong_password_is_told(broker: server.Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project(tmp_path)
    send(made, 1)
    broker.kill()
    broker.start("--authentication")
    monkeypatch.setenv("WORD", "wr0ng-word")
    more = "timeout: 1h, auth: {mechanism: scram-sha-512, username: me, password: '${env:WORD}'}"
    outcome = Project(tmp_path / "shut", SPEC.replace("TOPIC", tmp_path.name).replace("MORE", more)).run()
    assert outcome.exit_code == 77 and broker.url in outcome.message and "SASL" in outcome.message, outcome
    assert "`auth`" in outcome.hint and "wr0ng" not in outcome.message


def test_quarantine_keeps_numbers_as_they_were_written(events: Project) -> None:
    topic = events.folder.name
    text = events.spec.read_text().replace("schema: {n: int}", "schema: {n: int, x: float}")
    made = Project(events.folder / "typed", text + "modules: [between: {column: x, max: 1}]\n")
    send(topic, b'{"n": 1, "x": 0.50}', b'{"n": 2, "x": 1.10}', b'{"n": 3, "x": 1e0}', partition=0)
    assert made.run().state == "done"
    assert numbers(made) == [1, 3]
    (row,) = (json.loads(line) for p in (made.folder / "bad").glob("*.ndjson") for line in p.read_text().splitlines())
    assert (row["n"], row["x"]) == ("2", "1.10") and row["_file"] == f"{topic}/0" and row["_line"] == 1


def test_a_look_shows_the_first_messages_and_watching_sees_new_ones(events: Project) -> None:
    from qpipe.orchestrator.connect import look_at
    from qpipe.spec.compile import plan_of

    send(events, *range(5))
    plan = plan_of(events.spec)
    look = look_at(plan, plan.streams[0], 3, None)
    assert not look.error and [row["n"] for row in look.rows] == ["0", "3", "1"] and look.inputs == [events.folder.name]
    watched, context = source(events.folder.name), Context()
    assert watched.pending(context)
    cursor = watched.cursor(list(watched.read(context, None, 100))[-1].position, context)
    assert not watched.pending(Context(cursor=cursor))
    send(events, 5)
    assert watched.pending(Context(cursor=cursor))


class TestSuite(SourceSuite):
    """The published suite; one partition, since rows are told by their order."""

    empty_has_columns = False

    @pytest.fixture
    def given(self, kafka: str, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("BROKERS", kafka)

        def make(rows: list[dict[str, Any]]) -> dict[str, Any]:
            from confluent_kafka.admin import AdminClient, NewTopic

            topic, admin = f"suite-{uuid.uuid4().hex}", AdminClient({"bootstrap.servers": kafka})
            admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
            send(topic, *(json.dumps(row).encode() for row in rows), partition=0)
            return {"type": "kafka", "servers": kafka, "topic": topic, "timeout": 5}

        return make
