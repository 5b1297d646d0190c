"""Rows sent as messages: every row, in order, acknowledged, with ids that tell repeats."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import Killed, Project, files_with, stop_at

from qpipe.core import effects
from tests.servers import fixture, folder
from tests.servers import kafka as kafka_server
from tests.servers import nats as nats_server
from tests.servers import redis as redis_server

kafka, redis, nats = fixture("kafka"), fixture("redis"), fixture("nats")
pytestmark = pytest.mark.servers("kafka")

SPEC = """
    name: send
    sources: {orders: {path: orders.csv, schema: {id: int, name: string, amount: "decimal(8,2)", at: date}}}
    outputs: {hook: OUTPUT}
    settings: {batch_size: 6, workers: 1}
"""
NAMES = ["Ärger", '"quoted"', "", "a,b", "日本", None, "line\u2028end", "tab\t", "ø", "last"]
OUTPUTS = {
    "kafka": '{type: kafka, servers: "${env:KAFKA}", topic: NAME, key: id, timeout: 4s, MORE}',
    "redis": '{type: redis, url: "${env:REDIS}", stream: NAME, key: id, timeout: 3s, MORE}',
    "nats": '{type: nats, servers: "${env:NATS}", auth: {token: "${env:WORD}"}, subject: NAME.a, key: id, timeout: 4s, MORE}',
}
Found = list[tuple[str, str | None, dict[str, Any]]]  # id, key, row


def _kafka(name: str) -> Found:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": os.environ["KAFKA"], "group.id": "x", "enable.partition.eof": True})
    consumer.assign([TopicPartition(name, 0, 0)])
    found: Found = []
    while True:
        message = consumer.poll(10)
        assert message is not None
        if message.error():
            consumer.close()
            return found
        found.append((dict(message.headers())["qpipe-id"].decode(), message.key().decode(), json.loads(message.value())))


def _redis(name: str) -> Found:
    import redis

    entries = redis.Redis.from_url(os.environ["REDIS"], decode_responses=True).xrange(name)
    return [(fields["qpipe-id"], fields["key"], json.loads(fields["data"])) for _, fields in entries]


def _nats(name: str) -> Found:
    async def all_of_them() -> Found:
        import nats

        connection = await nats.connect(os.environ["NATS"], token=nats_server.PASSWORD)
        stream = connection.jetstream()
        count = (await stream.stream_info(name)).state.messages
        taker = await stream.pull_subscribe(f"{name}.>", stream=name)
        given = await taker.fetch(count, timeout=5)
        await connection.close()
        return [(m.headers["qpipe-id"], m.subject.rpartition(".")[2], json.loads(m.data)) for m in given]

    return asyncio.run(all_of_them())


READ: dict[str, Callable[[str], Found]] = {"kafka": _kafka, "nats": _nats, "redis": _redis}


def project(kind: str, folder: Path, name: str, more: str = "delivery: at_least_once") -> Project:
    rows = "id,name,amount,at\n" + "".join(f"{n},{_quoted(text)},{n}.50,2026-11-{n + 1:02}\n" for n, text in enumerate(NAMES))
    spec = SPEC.replace("OUTPUT", OUTPUTS[kind].replace("NAME", name).replace("MORE", more))
    made(kind, name)
    return Project(folder, spec, {"orders.csv": rows})


def _quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def made(kind: str, name: str) -> None:
    """What must be there before anything is sent."""
    if kind == "kafka":
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": os.environ["KAFKA"]})
        admin.create_topics([NewTopic(name, 1, 1)])[name].result()
    if kind == "nats":
        asyncio.run(_stream(name))


async def _stream(name: str) -> None:
    import nats

    connection = await nats.connect(os.environ["NATS"], token=nats_server.PASSWORD)
    await connection.jetstream().add_stream(name=name, subjects=[f"{name}.>"])
    await connection.close()


@pytest.fixture(params=sorted(READ))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("WORD", "pa55-word")
    found: str = request.param
    monkeypatch.setenv(found.upper(), request.getfixturevalue(found))
    return found


def wanted() -> list[dict[str, Any]]:
    return [{"id": n, "name": text, "amount": f"{n}.50", "at": f"2026-11-{n + 1:02}"} for n, text in enumerate(NAMES)]


def once(found: Found) -> list[dict[str, Any]]:
    """What a reader that knows ids has taken."""
    return list({id: row for id, _, row in found}.values())


def test_every_row_is_sent_in_order_with_its_key(kind: str, tmp_path: Path) -> None:
    sent = project(kind, tmp_path, f"plain-{kind}")
    assert sent.run().state == "done"
    found = READ[kind](f"plain-{kind}")
    assert [row for _, _, row in found] == wanted()
    assert [key for _, key, _ in found] == [str(n) for n in range(10)]
    assert len({id for id, _, _ in found}) == 10


def test_stopped_anywhere_every_row_arrives_and_repeats_have_the_same_id(kind: str, tmp_path: Path) -> None:
    listener, seen = stop_at(10_000)
    with effects.listening(listener):
        project(kind, tmp_path / "whole", f"whole-{kind}").run()
    sends = [n for n, name in enumerate(seen) if name.startswith(f"output.{kind}.") or "published" in name]
    assert len(sends) == 5
    for at in sends:
        again = project(kind, tmp_path / str(at), f"again-{kind}-{at}")
        with pytest.raises(Killed), effects.listening(stop_at(at)[0]):
            again.run()
        assert again.resume().state == "done"
        found = READ[kind](f"again-{kind}-{at}")
        assert once(found) == wanted(), seen[at]
        assert kind == "kafka" or len(found) == 10  # others know a repeat


def test_exactly_once_is_refused_and_so_is_a_key_that_is_no_column(kind: str, tmp_path: Path) -> None:
    from qpipe.core.errors import SpecError

    with pytest.raises(SpecError, match="at least once"):
        project(kind, tmp_path, f"refused-{kind}", "delivery: exactly_once").run()
    lost = project(kind, tmp_path, f"lost-{kind}")
    lost.spec.write_text(lost.spec.read_text().replace("key: id", "key: nothing"))
    outcome = lost.run()
    assert outcome.exit_code == 65 and "no column nothing" in outcome.message


SERVERS = {"kafka": kafka_server, "nats": nats_server, "redis": redis_server}


def test_a_broker_killed_while_rows_are_sent(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with folder(kind) as place, SERVERS[kind].durable(place) as broker:  # type: ignore[attr-defined]
        monkeypatch.setenv(kind.upper(), broker.url)

        def kill(name: str) -> None:
            if name == f"output.{kind}.send" and not killed:
                killed.append(name)
                broker.kill()
                if comes_back:
                    broker.start()

        for comes_back in (True, False):
            killed: list[str] = []
            sent = project(kind, tmp_path / str(comes_back), f"back-{comes_back}")
            with effects.listening(kill):
                outcome = sent.run()
            if not comes_back:
                assert outcome.exit_code == 69 and f"back-{comes_back}" in outcome.message, outcome
                assert "resume" in outcome.hint and "pa55" not in outcome.message
                broker.start()
                outcome = sent.resume()
            assert outcome.state == "done" and killed
            assert once(READ[kind](f"back-{comes_back}")) == wanted()


def test_no_secret_is_kept_or_told(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shut = {"kafka": "127.0.0.1:1", "redis": "redis://:pa55-word@127.0.0.1:1/0", "nats": "nats://127.0.0.1:1"}
    more = "auth: {mechanism: plain, username: me, password: '${env:WORD}'}" if kind == "kafka" else "delivery: at_least_once"
    sent = project(kind, tmp_path, f"secret-{kind}", more)
    monkeypatch.setenv(kind.upper(), shut[kind])
    outcome = sent.run()
    assert outcome.exit_code in (69, 77) and "127.0.0.1" in outcome.message and "pa55" not in outcome.message, outcome
    assert files_with(tmp_path, "pa55-word") == []
