"""Files in S3, read and written, against a server that speaks its protocol."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from running import Project
from test_crash import Killed, stop_at

from qpipe.core import effects
from tests.servers import fixture

s3 = fixture("s3")
pytestmark = pytest.mark.xdist_group("s3")
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
    assert project.run().state == "done"
    keys = [each["Key"] for each in client.list_objects_v2(Bucket="whole", Prefix="out/")["Contents"]]
    rows = pl.concat(pl.read_parquet(client.get_object(Bucket="whole", Key=key)["Body"].read()) for key in keys)
    assert sorted(rows["id"].to_list()) == [1, 2, 3, 4]
    kept = [f for f in (tmp_path / ".qpipe").rglob("*") if f.is_file()]
    assert kept and not any(SECRET.encode() in f.read_bytes() for f in kept)


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
    stops = [n for n, name in enumerate(seen) if name.startswith(("output.publish", "journal.commit"))]
    assert any("upload" in seen[n] for n in stops)
    for n in stops:
        stopped = project(f"stop-{n}")
        listener, _ = stop_at(n)
        with effects.listening(listener), pytest.raises(Killed):
            stopped.run()
        if stopped.journal.run()["state"] != "done":
            assert stopped.resume().state == "done", seen[n]
        assert rows(f"stop-{n}") == rows("uninterrupted") == [0, 1, 2, 3, 4], seen[n]
