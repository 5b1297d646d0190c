"""Files in S3, read and written, against a server that speaks its protocol."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Killed, Project, files_with, stop_at

from qpipe.core import effects
from qpipe.core.component import Context
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.params import build
from qpipe.sources.file import File
from qpipe.sources.file.parquet_footer import read_footer
from tests.servers import fixture

s3 = fixture("s3")
pytestmark = pytest.mark.servers("s3")
SECRET = "very-secret-key-1234"

SPEC = """
    name: cloud
    sources: {orders: {path: "s3://BUCKET/in/*.csv", schema: {id: int}, storage: STORE}}
    modules: [{not_null: [id]}]
    outputs: {out: {path: "s3://BUCKET/out/", format: parquet, storage: STORE}}
    settings: {batch_size: 2, workers: 1}
"""


def bucket(server: str, name: str, monkeypatch: pytest.MonkeyPatch):
    import boto3

    for key, value in {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(key, value)
    client = boto3.client("s3", endpoint_url=server)
    client.create_bucket(Bucket=name)
    return client


def spec(server: str, name: str) -> str:
    return SPEC.replace("BUCKET", name).replace("STORE", f'{{endpoint_url: "{server}"}}')


def test_a_pattern_in_s3_to_a_directory_in_s3(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = bucket(s3, "whole", monkeypatch)
    client.put_object(Bucket="whole", Key="in/a.csv", Body=b"id,x\n1,a\n2,b\n3,c\n")
    client.put_object(Bucket="whole", Key="in/b.csv", Body=b"id,x\n4,d\n")
    project = Project(tmp_path, spec(s3, "whole"))
    outcome = project.run()
    assert outcome.state == "done", outcome
    keys = [each["Key"] for each in client.list_objects_v2(Bucket="whole", Prefix="out/")["Contents"]]
    rows = pl.concat(pl.read_parquet(client.get_object(Bucket="whole", Key=key)["Body"].read()) for key in keys)
    assert sorted(rows["id"].to_list()) == [1, 2, 3, 4]
    assert files_with(tmp_path / ".qpipe", SECRET) == []


def test_a_missing_bucket_is_told(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket(s3, "other", monkeypatch)
    outcome = Project(tmp_path, spec(s3, "absent")).run()
    assert outcome.state == "failed" and outcome.exit_code == 69, outcome
    assert "s3://absent/in" in str(outcome) and SECRET not in str(outcome)


def test_objects_that_arrive_are_read_once(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = bucket(s3, "arriving", monkeypatch)
    text = spec(s3, "arriving").replace("schema: {id: int}", "schema: {id: int}, only_new: true")
    text = re.sub("out: .*", "out: {path: out/, format: ndjson, mode: append}}", text)
    project = Project(tmp_path, text)
    for name, body, rows in (("b", b"id\n1\n", 1), ("a", b"id\n2\n", 2), ("c", b"id\n1\n", 2), ("b", b"id\n3\n", 3)):
        client.put_object(Bucket="arriving", Key=f"in/{name}.csv", Body=body)
        assert project.run().state == "done"
        assert sum(len(path.read_text().splitlines()) for path in (tmp_path / "out").glob("*.ndjson")) == rows


def test_stopped_at_every_effect_of_publishing_to_s3(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = bucket(s3, "source", monkeypatch)
    client.put_object(Bucket="source", Key="in/a.csv", Body=b"id,x\n" + b"".join(b"%d,x\n" % n for n in range(5)))

    def project(name: str) -> Project:
        client.create_bucket(Bucket=name)
        return Project(tmp_path / name, spec(s3, name).replace(f"s3://{name}/in", "s3://source/in"))

    def rows(name: str) -> list[int]:
        found = client.list_objects_v2(Bucket=name, Prefix="out/").get("Contents", [])
        bodies = [client.get_object(Bucket=name, Key=each["Key"])["Body"].read() for each in found]
        return sorted(n for body in bodies for n in pl.read_parquet(body)["id"])

    seen: list[str] = []
    with effects.listening(seen.append):
        assert project("uninterrupted").run().state == "done"
    around = ("output.publish", "journal.commit.intent", "journal.commit.published")  # test_crash.py stops at all commits
    stops = [n for n, name in enumerate(seen) if name.startswith(around)] + [seen.index("journal.commit.batch.after")]
    assert any("upload" in seen[n] for n in stops)
    for n in stops:
        stopped = project(f"stop-{n}")
        listener, _ = stop_at(n)
        with effects.listening(listener), pytest.raises(Killed):
            stopped.run()
        if stopped.journal.run()["state"] != "done":
            assert stopped.resume().state == "done", seen[n]
        assert rows(f"stop-{n}") == rows("uninterrupted") == [0, 1, 2, 3, 4], seen[n]


ONE = """
    name: one
    sources: {orders: {path: in.csv, schema: {id: int}}}
    outputs: {out: {path: "s3://BUCKET/PATH", format: csv, mode: MODE, storage: STORE}}
    settings: {batch_size: 2, workers: 1}
"""


def writer(s3: str, bucket: str, folder: Path, path: str, mode: str, ids: Sequence[int]) -> Project:
    text = ONE.replace("BUCKET", bucket).replace("PATH", path).replace("MODE", mode)
    rows = "id\n" + "".join(f"{n}\n" for n in ids)
    return Project(folder, text.replace("STORE", f'{{endpoint_url: "{s3}"}}'), {"in.csv": rows})


def written(client: Any, bucket: str, prefix: str) -> list[int]:
    found = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    bodies = [client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in found]
    return sorted(int(line) for body in bodies for line in body.decode().split()[1:])


def meanwhile(effect: str, other: Callable[[], Any]) -> Callable[[str], None]:
    """A listener that does something else at the first such moment."""
    done: list[str] = []

    def listener(name: str) -> None:
        if name == effect and not done:
            done.append(name)
            other()

    return listener


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize("path, effect", [("one.csv", "output.publish.upload"), ("all/", "output.publish.manifest")])
def test_two_writers_of_one_place_are_noticed(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, effect: str, mode: str
) -> None:
    """The second to come is refused, or finds a way to add to what the first has written; nothing is lost unnoticed."""
    name = f"writers-{mode}-{path[:3]}"
    client = bucket(s3, name, monkeypatch)
    assert writer(s3, name, tmp_path / "before", path, mode, [1]).run().state == "done"
    first, second = (writer(s3, name, tmp_path / f"w{n}", path, mode, [n]) for n in (2, 3))
    with effects.listening(meanwhile(effect, lambda: second.run())):
        outcome = first.run()
    assert second.journal.run()["state"] == "done"
    if (path, mode) == ("all/", "append"):
        assert outcome.state == "done" and written(client, name, path) == [1, 2, 3], outcome
        manifest = json.loads(client.get_object(Bucket=name, Key=".all.manifest.json")["Body"].read())
        assert len(manifest["tokens"]) == len(manifest["files"]) == 3
    else:
        assert (outcome.state, outcome.exit_code) == ("failed", 73) and "another run" in outcome.message, outcome
        assert written(client, name, path) == ([1, 3] if mode == "append" else [3])


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_stopped_at_every_effect_of_publishing_one_object(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    client = bucket(s3, f"one-{mode}", monkeypatch)
    seen: list[str] = []
    with effects.listening(seen.append):
        assert writer(s3, f"one-{mode}", tmp_path / "whole", "whole.csv", mode, range(5)).run().state == "done"
    for n in [n for n, name in enumerate(seen) if name.startswith("output.publish")]:
        stopped = writer(s3, f"one-{mode}", tmp_path / f"stop-{n}", f"stop-{n}.csv", mode, range(5))
        with effects.listening(stop_at(n)[0]), pytest.raises(Killed):
            stopped.run()
        if "upload" in seen[n]:  # what a kill in the middle of an upload in parts leaves
            client.create_multipart_upload(Bucket=f"one-{mode}", Key=f"stop-{n}.csv")
        assert stopped.resume().state == "done", seen[n]
        assert written(client, f"one-{mode}", f"stop-{n}.csv") == list(range(5)), seen[n]
    assert not client.list_multipart_uploads(Bucket=f"one-{mode}").get("Uploads")


def test_an_object_that_changes_while_it_is_read_refuses_the_run(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = bucket(s3, "changing", monkeypatch)
    client.put_object(Bucket="changing", Key="in/a.csv", Body=b"id\n" + b"".join(b"%08d\n" % n for n in range(100_000)))
    other = b"id\n" + b"".join(b"%08d\n" % (n + 1) for n in range(100_000))
    project = Project(tmp_path, spec(s3, "changing").replace("batch_size: 2", "batch_size: 1000"))
    change = meanwhile("journal.commit.open.before", lambda: client.put_object(Bucket="changing", Key="in/a.csv", Body=other))
    with effects.listening(change):
        outcome = project.run()
    assert outcome.exit_code == 65 and "changed while it was read" in outcome.message, outcome
    assert not client.list_objects_v2(Bucket="changing", Prefix="out/").get("Contents")


SLOW = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'


FULL = SLOW.replace(b"SlowDown", b"XMinioStorageFull").replace(b"Please reduce your request rate.", b"There is no room.")


class Faulty(http.server.ThreadingHTTPServer):
    """Stands before the server, and spoils some of the answers to reads of objects and to writes."""

    def __init__(self, server: str, fault: str, times: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server, self.fault, self.times, self.spoilt = server, fault, times, 0
        self.lock, self.given, self.asked = threading.Lock(), 0, 0  # bytes of answers to GET, requests
        self.agents: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spoils(self, method: str, path: str) -> bool:
        with self.lock:
            about = "/in/" in path and self.fault != "full" if method == "GET" else method in ("PUT", "POST")
            if not about or self.spoilt >= self.times:
                return False
            self.spoilt += 1
            return True


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        front: Faulty = self.server  # type: ignore[assignment]
        body = self._body()
        front.asked += 1
        front.agents.add(self.headers.get("user-agent", "").partition("/")[0])
        spoilt = front.spoils(self.command, self.path)
        if spoilt and front.fault == "slow down":
            return self._send(503, {"content-type": "application/xml"}, SLOW)
        if spoilt and front.fault == "full":
            return self._send(507, {"content-type": "application/xml"}, FULL)
        if spoilt and front.fault == "reset":
            self.close_connection = True
            return self.connection.close()
        given = {name: value for name, value in self.headers.items() if name.lower() not in ("transfer-encoding", "expect")}
        given.setdefault("Content-Type", "application/octet-stream")
        request = urllib.request.Request(front.server + self.path, body or None, given, method=self.command)
        try:
            with urllib.request.urlopen(request) as answer:
                status, headers, data = answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            status, headers, data = error.code, dict(error.headers), error.read()
        if spoilt and front.fault == "truncated" and self.command == "GET":
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return self.connection.close()
        return self._send(status, headers, data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
        if self.command == "GET":
            self.server.given += len(data)  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(data))
        self.send_header("content-length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def faulty(s3: str):
    opened: list[Faulty] = []

    def start(fault: str, times: int) -> Faulty:
        front = Faulty(s3, fault, times)
        opened.append(front)
        threading.Thread(target=front.serve_forever, daemon=True).start()
        return front

    yield start
    for front in opened:
        front.shutdown()
        front.server_close()


PLAIN = {"key": "id", "secret": SECRET, "region": "us-east-1"}


@pytest.mark.parametrize("key, storage, environment, agents", [
    ("in/a.csv", PLAIN, {}, {"object_store"}),
    ("in/x=1/a b_ü.csv", {}, PLAIN, {"object_store"}),  # as AWS' variables
    ("in/*.csv", PLAIN, {}, {"object_store"}),
    ("in/", PLAIN, {}, {"object_store"}),
    ("*.csv", PLAIN, {}, {"object_store"}),
    ("in/100%20~#.csv", PLAIN, {}, {"object_store"}),
    ("/in/a.csv", PLAIN, {}, {"aiobotocore"}),  # a key that begins with a slash: the other would leave it out
    ("in/a.csv", {"profile": "mine"}, {"AWS_SHARED_CREDENTIALS_FILE": "keys"}, {"aiobotocore"}),
    ("in/a.csv", {}, {"AWS_SHARED_CREDENTIALS_FILE": "keys", "AWS_PROFILE": "mine"}, {"aiobotocore"}),
    ("in/a.csv", {**PLAIN, "default_block_size": 100_000}, {}, {"aiobotocore"}),
])  # fmt: skip
def test_objects_are_read_by_the_client_that_is_there_at_once_or_else_by_s3fs(
    s3: str, faulty: Callable[[str, int], Faulty], key: str, storage: dict[str, Any], environment: dict[str, str],
    agents: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    name = f"clients-{uuid.uuid4().hex}"
    client = bucket(s3, name, monkeypatch)
    place = key.replace("*", "a") + ("a.csv" if key.endswith("/") else "")
    client.put_object(Bucket=name, Key=place, Body=b"id\n" + b"".join(b"%d\n" % n for n in range(100_000)))
    (tmp_path / "keys").write_text(f"[mine]\naws_access_key_id = id\naws_secret_access_key = {SECRET}\n")
    monkeypatch.chdir(tmp_path)
    names = {"key": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY", "region": "AWS_DEFAULT_REGION"}
    for variable in names.values():
        monkeypatch.delenv(variable)
    for variable, value in environment.items():
        monkeypatch.setenv(names.get(variable, variable), value)
    front = faulty("none", 0)
    source = build(File, {"path": f"s3://{name}/{key}", "storage": {"endpoint_url": front.url, **storage}})
    rows = pl.concat([chunk.frame for chunk in source.read(Context(), None, 30_000)])
    assert rows["id"].to_list() == [str(n) for n in range(100_000)]
    assert front.agents == agents


NAMES = ("a.csv", ".hidden.csv", "_SUCCESS", "b-1.csv", "x=1/a.csv", "x=1/y=2/a.csv", "ab/a.csv")
PATHS = (
    "in",
    "in/",
    "in/*.csv",
    "in/?.csv",
    "in/[a-b]*",
    "in/x=*",
    "in/**/*.csv",
    "in/x=1",
    "in/a.csv",
    "*.csv",
    "i*/a.csv",
    "/in/a.csv",
    "/in/*.csv",
    "/in/",
)


@pytest.mark.parametrize("more", ["a.csv", "", "sub/", "x=1/", "empty.csv", "100%.csv", "x=1//a.csv", "x=1/../a.csv", "/a.csv"])
def test_both_clients_find_the_same_objects(s3: str, more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"names-{uuid.uuid4().hex}"
    client = bucket(s3, name, monkeypatch)
    for each in (*(f"in/{each}" for each in (*NAMES, more)), "int/a.csv", "/in/c.csv"):
        client.put_object(Bucket=name, Key=each, Body=b"" if each.endswith(("/", "empty.csv")) else b"id\n1\n")
    for path in PATHS:
        found, other = (
            _found(build(File, {"path": f"s3://{name}/{path}", "storage": {"endpoint_url": s3, **option}}))
            for option in ({}, {"default_block_size": 100_000})
        )
        assert found == other, path


def _found(source: File) -> Any:
    try:
        return source.identity(Context())
    except QpipeError as error:
        return str(error)


@pytest.mark.parametrize("fault, times", [("slow down", 2), ("reset", 2), ("truncated", 1)])
def test_bad_days_of_a_store(
    s3: str, faulty: Callable[[str, int], Faulty], fault: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "bad-" + fault.replace(" ", "-")
    client = bucket(s3, name, monkeypatch)
    client.put_object(Bucket=name, Key="in/a.csv", Body=b"id\n" + b"".join(b"%d\n" % n for n in range(1000)))
    front = faulty(fault, times)
    project = Project(tmp_path, spec(front.url, name).replace("batch_size: 2", "batch_size: 400"))
    outcome = project.run()
    while outcome.state != "done":  # a torn answer may stop the run: with a word, and resumable
        assert (outcome.exit_code, front.spoilt) == (69, times), outcome
        assert "s3://" in str(outcome) and "resume" in outcome.hint and SECRET not in str(outcome)
        outcome = project.resume()
    assert front.spoilt == times
    keys = [each["Key"] for each in client.list_objects_v2(Bucket=name, Prefix="out/")["Contents"]]
    rows = [n for key in keys for n in pl.read_parquet(client.get_object(Bucket=name, Key=key)["Body"].read())["id"]]
    assert sorted(rows) == list(range(1000))


def test_a_store_that_is_full(
    s3: str, faulty: Callable[[str, int], Faulty], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = bucket(s3, "full", monkeypatch)
    client.put_object(Bucket="full", Key="in/a.csv", Body=b"id\n" + b"".join(b"%d\n" % n for n in range(1000)))
    front = faulty("full", 1_000_000)
    project = Project(tmp_path, spec(front.url, "full").replace("batch_size: 2", "batch_size: 400"))
    outcome = project.run()
    assert (outcome.state, outcome.exit_code) == ("failed", 73), outcome
    assert "s3://full/out" in str(outcome) and "room" in outcome.hint and SECRET not in str(outcome)
    front.times = 0
    assert project.resume().state == "done"
    keys = [each["Key"] for each in client.list_objects_v2(Bucket="full", Prefix="out/")["Contents"]]
    rows = [n for key in keys for n in pl.read_parquet(client.get_object(Bucket="full", Key=key)["Body"].read())["id"]]
    assert sorted(rows) == list(range(1000))


def test_a_store_that_is_away_is_told_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": SECRET}.items():
        monkeypatch.setenv(key, value)
    began = time.monotonic()
    outcome = Project(tmp_path, spec("http://127.0.0.1:9", "away")).run()
    assert (outcome.exit_code, time.monotonic() - began < 30) == (69, True)
    assert "s3://away/" in str(outcome) and "qpipe resume" in outcome.hint


KEYS = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=aGVsbG8=;"
NOBODY = {
    "gs://shop": "endpoint_url: 'http://127.0.0.1:9', token: anon",
    "az://shop": f"connection_string: '{KEYS}BlobEndpoint=http://127.0.0.1:9/a;'",
    "az://shop/in": f"connection_string: '{KEYS}BlobEndpoint=http://no-such-host.invalid/a;'",
    "s3://shop": "endpoint_url: 'http://127.0.0.1:9', key: a, secret: b",
}  # fmt: skip


@pytest.mark.parametrize("place", NOBODY)
def test_where_nobody_listens_the_client_is_not_left_to_ask_for_a_minute(place: str, tmp_path: Path) -> None:
    """Its own words would be others: only who looks before says that the connection was refused, or that there is no host."""
    given = f"storage: {{{NOBODY[place]}}}"
    reading = f"sources: {{a: {{path: '{place}/a.csv', {given}}}}}\noutputs: {{b: {{path: b.csv}}}}"
    writing = f"sources: {{a: {{path: a.csv}}}}\noutputs: {{b: {{path: '{place}/b.csv', {given}}}}}"
    for name, text in {"read": reading, "written": writing}.items():
        outcome = Project(tmp_path / name, f"name: t\n{text}", {"a.csv": "id\n1\n"}).run()
        assert outcome.exit_code == 69 and "qpipe resume" in outcome.hint
        assert "refused" in outcome.message or "no-such-host.invalid: Name or service not known" in outcome.message
        assert place.rstrip("/") in outcome.message and "aGVsbG8" not in str(outcome)


@pytest.mark.parametrize("endpoint", ["", "localhost:9000", "http://"])
def test_an_endpoint_that_is_no_address_is_told(tmp_path: Path, endpoint: str) -> None:
    outcome = Project(tmp_path, spec(endpoint, "nowhere")).run()
    assert (outcome.exit_code, outcome.message) == (69, "s3://nowhere/out/: endpoint_url under storage is no address"), outcome
    assert "https://host" in outcome.hint, outcome


def test_row_groups_of_a_parquet_file_are_read_while_the_next_are_fetched(
    s3: str, faulty: Callable[[str, int], Faulty], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first rows come before all is there; every position restarts, and fetches only what lies behind it."""
    monkeypatch.setattr("qpipe.sources.file.parquet_parts._PORTION", 100_000)
    client = bucket(s3, "long", monkeypatch)
    rows = 80_000
    long = pl.DataFrame(
        {"n": range(rows), "t": [f"{i * 7919 % 1_000_003}" for i in range(rows)], "l": [[i, 1] for i in range(rows)]}
    )
    long.write_parquet(tmp_path / "long.parquet", row_group_size=10_000, compression="uncompressed")
    data = (tmp_path / "long.parquet").read_bytes()
    client.put_object(Bucket="long", Key="in/long.parquet", Body=data)
    front = faulty("none", 0)
    source = build(File, {"path": "s3://long/in/long.parquet", "storage": {"endpoint_url": front.url}})
    read = source.read(Context(work=made(tmp_path / "whole")), None, 7_000)
    chunks = [next(read)]
    assert front.given < len(data) * 0.6, f"{front.given:,} of {len(data):,} bytes were fetched before the first rows"
    chunks += read
    assert pl.concat([chunk.frame for chunk in chunks]).equals(long)
    for number, chunk in enumerate(chunks[:-1]):
        before, work = front.given, made(tmp_path / f"again-{number}")
        rest = pl.concat([after.frame for after in source.read(Context(work=work), chunk.position, 7_000)])
        at = chunk.position["at"]["row"]
        assert rest.equals(long[at:])
        assert front.given - before < len(data) * (1 - at / rows) + 500_000

    start = read_footer(tmp_path / "long.parquet").groups[6].columns[1].start
    client.put_object(Bucket="long", Key="in/spoilt.parquet", Body=data[:start] + b"\xff" * 20 + data[start + 20 :])
    source = build(File, {"path": "s3://long/in/spoilt.parquet", "storage": {"endpoint_url": front.url}})
    with pytest.raises(DataRefused, match="column t, row group 7"):
        list(source.read(Context(work=made(tmp_path / "spoilt")), None, 7_000))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_of_a_parquet_file_only_the_columns_that_are_read_are_fetched(
    s3: str, faulty: Callable[[str, int], Faulty], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two columns of twenty cost about a tenth of the bytes; all of them, and the footer once."""
    client = bucket(s3, "wide", monkeypatch)
    rows = 40_000
    wide = pl.DataFrame({f"c{n}": [f"{(i * 7919 + n) % 1_000_003}" for i in range(rows)] for n in range(20)})
    wide.write_parquet(tmp_path / "wide.parquet", row_group_size=10_000, compression="uncompressed", statistics=False)
    size = (tmp_path / "wide.parquet").stat().st_size
    client.upload_file(str(tmp_path / "wide.parquet"), "wide", "in/wide.parquet")
    for take, most in ((["c3", "c17"], 0.2), (None, 1.2)):
        front = faulty("none", 0)
        project = Project(tmp_path / f"take-{len(take or ())}", f"""
            sources: {{w: {{path: "s3://wide/in/wide.parquet", {f"take: [{', '.join(take)}]," if take else ""}
                           storage: {{endpoint_url: "{front.url}"}}}}}}
            outputs: {{out: {{path: out/, format: parquet}}}}
            settings: {{batch_size: 15000}}
        """)  # fmt: skip
        outcome = project.run()
        assert outcome.state == "done", outcome
        made = pl.read_parquet(sorted((project.folder / "out").glob("*.parquet")))
        assert made.equals(wide.select(take or pl.all()))
        assert front.given < size * most, f"{front.given:,} of {size:,} bytes were fetched"
        assert front.asked <= 14, "what an object is, and how it begins, is asked once in a run"
