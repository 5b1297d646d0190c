"""Avro as it stands in Kafka: behind the id of a schema, which a registry knows. Written by Confluent's own serializer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Project
from test_kafka import project, send

from qpipe.core.errors import SpecError
from tests.servers import fixture, folder, registry
from tests.servers.api import Reset

kafka = fixture("kafka")
pytestmark = pytest.mark.servers("kafka")

FIRST = {"type": "record", "name": "Order", "fields": [{"name": "n", "type": "int"}, {"name": "town", "type": "string"}]}
NEXT = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "city", "type": "string", "aliases": ["town"]},
        {"name": "amount", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}],
         "default": None},
    ],
}  # fmt: skip
MORE = "format: avro, timeout: 10s, schema_registry: {url: '${env:REGISTRY}', retry: {initial_delay: 10ms}WITH}"

Serialized = Callable[..., bytes]


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[registry.Registry]:
    with folder("registry") as place, registry.start(place) as server:
        monkeypatch.setenv("REGISTRY", server.url)
        yield server


@pytest.fixture
def orders(kafka: str, schemas: registry.Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("BROKERS", kafka)
    return made(tmp_path)


def made(folder: Path, more: str = "") -> Project:
    project_ = project(folder, MORE.replace("WITH", more))
    project_.spec.write_text(project_.spec.read_text().replace("schema: {n: int}, ", ""))
    return project_


def serialized(server: registry.Registry, topic: str, schema: Any, *records: dict[str, Any], **more: Any) -> list[bytes]:
    """As Confluent's serializer writes them: it registers the schema and puts its id before each record."""
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    user = next(iter(server.users.items()), None)
    client = SchemaRegistryClient({"url": server.url, **({"basic.auth.user.info": ":".join(user)} if user else {})})
    given = Schema(json.dumps(schema), "AVRO", **more) if more else json.dumps(schema)
    write = AvroSerializer(client, given)
    return [write(record, SerializationContext(topic, MessageField.VALUE)) for record in records]


def rows(project: Project) -> list[str]:
    """All rows that were published, and the header of the last file."""
    files = sorted((project.folder / "out").glob("*.csv"), key=lambda file: file.stat().st_mtime_ns)
    lines = [file.read_text().splitlines() for file in files]
    return [lines[-1][0], *sorted(line for each in lines for line in each[1:])]


def bad(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for file in (project.folder / "bad").glob("*.ndjson") for line in file.read_text().splitlines()]


def test_records_of_all_schemas_are_read_into_the_latest(orders: Project, schemas: registry.Registry) -> None:
    from decimal import Decimal

    topic = orders.folder.name
    old = serialized(schemas, topic, FIRST, {"n": 1, "town": "Ulm"}, {"n": 2, "town": "Bern"})
    new = serialized(schemas, topic, NEXT, {"n": 3, "city": "Köln", "amount": Decimal("1.50")})
    send(topic, *old, *new, *old, partition=0)
    assert orders.run().exit_code == 0
    assert rows(orders) == ["n,city,amount", "1,Ulm,", "1,Ulm,", "2,Bern,", "2,Bern,", "3,Köln,1.50"]
    asked = [request.path for request in schemas.api.asked if request.method == "GET" and "/ids/" in request.path]
    assert asked.count("/schemas/ids/1") == 1  # however many messages name it


def test_a_schema_may_refer_to_others(orders: Project, schemas: registry.Registry) -> None:
    from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient

    client, topic = SchemaRegistryClient({"url": schemas.url}), orders.folder.name
    client.register_schema("zip", Schema(json.dumps({"type": "fixed", "name": "Zip", "size": 2}), "AVRO"))
    place = {"type": "record", "name": "Place", "fields": [{"name": "zip", "type": "Zip"}]}
    client.register_schema("place", Schema(json.dumps(place), "AVRO", [SchemaReference("Zip", "zip", 1)]))
    order = {"type": "record", "name": "Order", "fields": [{"name": "n", "type": "int"}, {"name": "to", "type": "Place"}]}
    sent = serialized(
        schemas, topic, order, {"n": 1, "to": {"zip": b"\1\2"}}, references=[SchemaReference("Place", "place", 1)]
    )
    send(topic, *sent)
    assert orders.run().exit_code == 0 and rows(orders) == ["n,to", '1,"{""zip"": ""0102""}"']


def test_what_cannot_be_read_is_quarantined_with_its_place(orders: Project, schemas: registry.Registry) -> None:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

    topic = orders.folder.name
    (good,) = serialized(schemas, topic, FIRST, {"n": 1, "town": "Ulm"})
    protobuf = SchemaRegistryClient({"url": schemas.url}).register_schema("p", Schema('syntax = "proto3";', "PROTOBUF"))
    (other,) = serialized(schemas, "other", {"type": "record", "name": "O", "fields": []}, {})
    poison = [
        b"\0\0\0\0\x63no",
        b'{"n": 1}',
        b"\0\0",
        good[:-1],
        good + b"!",
        b"\0" + protobuf.to_bytes(4, "big") + b"x",
        other,
    ]
    said = ["written with schema 99, which the registry does not know", "no id of a schema before it", "no id of a schema",
            "no record of this schema", "bytes after the record", "written with schema 2, which is PROTOBUF, not Avro",
            "no record of this schema"]  # fmt: skip
    send(topic, good, *poison, None, partition=0)
    assert orders.run().exit_code == 0
    assert rows(orders) == ["n,town", ",", "1,Ulm"]
    told = sorted(reason["message"] for row in bad(orders) for reason in row["_reasons"])
    assert len(told) == len(poison)
    for n, words in enumerate(said, 1):
        assert words in told[n - 1] and f"{topic}/0 at offset {n}: " in told[n - 1]


def test_a_schema_that_is_registered_while_a_run_goes_on_is_told(orders: Project, schemas: registry.Registry) -> None:
    topic = orders.folder.name
    send(topic, *serialized(schemas, topic, FIRST, *[{"n": n, "town": "Ulm"} for n in range(4)]), partition=0)
    wider = {**FIRST, "fields": [*FIRST["fields"], {"name": "zip", "type": ["null", "int"], "default": None}]}
    late = serialized(schemas, "other", wider, {"n": 9, "town": "Bern", "zip": 3000})
    send(topic, *late, partition=0)
    assert orders.run().exit_code == 0 and "9,Bern" in rows(orders)
    (note,) = (event.data for event in orders.events if event.name == "source.note")
    assert note["code"] == "new-column" and "zip is new" in note["message"]


def test_a_file_may_say_what_columns_there_are(orders: Project, schemas: registry.Registry, tmp_path: Path) -> None:
    (orders.folder / "mine.avsc").write_text(json.dumps({**NEXT, "fields": NEXT["fields"][:2]}))
    orders.spec.write_text(orders.spec.read_text().replace("format: avro,", "format: avro, avro: mine.avsc,"))
    send(orders.folder.name, *serialized(schemas, "elsewhere", FIRST, {"n": 1, "town": "Ulm"}))
    assert orders.run().exit_code == 0 and rows(orders) == ["n,city", "1,Ulm"]


def failing(kind: str) -> Callable[..., Any]:
    def answer(request: Any) -> Any:
        if kind == "reset":
            raise Reset
        return {"503": (503, {}, {"message": "no leader"}), "page": (200, {"content-type": "text/html"}, b"<html>login</html>"),
                "elsewhere": (404, {}, {"error_code": 404, "message": "HTTP 404 Not Found"})}[kind]  # fmt: skip

    return answer


@pytest.mark.parametrize("kind, said", [("503", "503 no leader, 6 times"), ("reset", "6 times"),
                                        ("page", "no answer of a schema registry"), ("elsewhere", "404")])  # fmt: skip
def test_a_registry_that_fails_in_the_middle_stops_the_run_which_goes_on(
    orders: Project, schemas: registry.Registry, kind: str, said: str
) -> None:
    topic = orders.folder.name
    old = serialized(schemas, topic, FIRST, *[{"n": n, "town": "Ulm"} for n in range(8)])
    send(topic, *old, *serialized(schemas, topic, NEXT, {"n": 9, "city": "Bern", "amount": None}), partition=0)
    well, broken = schemas.answer, failing(kind)
    schemas.api.answer = lambda request: broken(request) if request.path == "/schemas/ids/1" else well(request)
    outcome = orders.run()
    assert outcome.exit_code == 69 and "events" in outcome.message and f"{topic}/0 at offset 0" in outcome.message
    assert f"schema registry: GET {schemas.url}/schemas/ids/1" in outcome.message and said in outcome.message
    assert "registry" in outcome.hint and "qpipe resume" in outcome.hint
    schemas.api.answer = well
    assert orders.resume().exit_code == 0
    assert [row.split(",")[0] for row in rows(orders)[1:]] == [*map(str, range(8)), "9"]


def test_who_asks_is_told_to_the_registry(schemas: registry.Registry, kafka: str, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("BROKERS", kafka)
    schemas.users = {"ann": "s3cret"}
    for word, code in (("s3cret", 0), ("wr0ng", 77)):
        auth = f", auth: {{type: basic, username: ann, password: {word}}}"
        orders = made(tmp_path / word, auth)
        send(word, *serialized(schemas, word, FIRST, {"n": 1, "town": "Ulm"}))
        outcome = orders.run()
        assert outcome.exit_code == code, outcome
        assert word == "s3cret" or ("401 Unauthorized" in outcome.message and schemas.url in outcome.message)


def test_no_registry_and_no_subject_are_told(orders: Project, schemas: registry.Registry,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    outcome = orders.run()
    assert outcome.exit_code == 69 and f"subject {orders.folder.name}-value" in outcome.message
    monkeypatch.setenv("REGISTRY", "http://127.0.0.1:1")
    outcome = orders.run()
    assert outcome.exit_code == 69 and "127.0.0.1:1/subjects" in outcome.message and "registry running" in outcome.hint


@pytest.mark.parametrize("more, said", [
    ("schema_registry: 'ftp://x'", "begins with http"),
    ("schema_registry: {url: 'http://x', user: ann}", "has no user"),
    ("schema_registry: {url: 'http://x', auth: {type: basic}}", "needs username, password"),
    ("schema_registry: {url: 'http://x', retry: {often: 1}}", "retry has no often"),
    ("schema_registry: {url: 'http://x', timeout: soon}", "duration"),
    ("schema_registry: 'http://x', framing: single_object", "by their ids"),
    ("schema_registry: 'http://x', avro: {1: a.avsc}", "name one file"),
])  # fmt: skip
def test_what_is_wrong_is_told_before_anything_is_asked(orders: Project, more: str, said: str) -> None:
    text = orders.spec.read_text()
    orders.spec.write_text(text.replace("schema_registry: {url: '${env:REGISTRY}', retry: {initial_delay: 10ms}}", more))
    with pytest.raises(SpecError, match=said):
        orders.run()
