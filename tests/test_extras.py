"""A connector whose package is not installed says what to install when the spec is checked, and where it stands in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from qpipe.core.errors import SpecError
from qpipe.spec.compile import plan_of

LACKING = {  # the extra: the packages that are not there, and what needs them
    "kafka": (["confluent_kafka"], "type: kafka, servers: 'a:1', topic: t", True),
    "avro": (["fastavro"], "type: redis, url: 'redis://a', stream: s, field: d, format: avro, avro: a.avsc", False),
    "redis": (["redis"], "type: redis, url: 'redis://a', stream: s", True),
    "nats": (["nats"], "type: nats, servers: 'nats://a', stream: s", False),
    "postgres": (["psycopg", "adbc_driver_postgresql"], "type: database, url: 'postgresql://a/b', table: t", True),
    "mysql": (["pymysql", "asyncmy"], "type: database, url: 'mysql://a/b', table: t", True),
    "delta": (["deltalake"], "type: delta, path: t", True),
    "iceberg": (["pyiceberg"], "type: iceberg, table: a.b, catalog: {type: sql, uri: 'sqlite:///c.db'}", True),
    "gcs": (["gcsfs"], "path: 'gs://b/a.csv'", True),
    "azure": (["adlfs"], "path: 'az://b/a.csv'", True),
    "sftp": (["paramiko"], "path: 'sftp://a/a.csv'", True),
}
FAMILIES = {
    "source": "sources:\n  one:\n    {GIVEN}\noutputs: {all: {path: out.csv}}\n",
    "output": "sources: {one: {path: in.csv}}\noutputs:\n  all:\n    {GIVEN}\n",
}


@pytest.mark.parametrize(
    ("extra", "family"), [(e, f) for e, (_, _, both) in LACKING.items() for f in FAMILIES if both or f == "source"]
)
def test_what_is_not_installed_is_told_with_its_place(
    extra: str, family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages, given, _ = LACKING[extra]
    found = importlib.util.find_spec
    hidden = lambda name, *more: None if name.partition(".")[0] in packages else found(name, *more)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "spec.yaml").write_text("version: 1\nname: it\n" + FAMILIES[family].replace("GIVEN", given))
    with pytest.raises(SpecError) as refused:
        plan_of(tmp_path / "spec.yaml")
    told = [(problem.line, problem.message) for problem in refused.value.problems if "pip install" in problem.message]
    line = 5 if family == "source" else 6
    assert told and all(at == line and f"qpipe[{extra}]" in said for at, said in told), refused.value.problems
