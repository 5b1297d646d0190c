"""Kafka, Redis and NATS streams to Parquet, beside the bare client: ``python -m benchmarks.streams [--messages 500000]``.

Starts brokers of its own on loopback. Each measure is a process of its own, in turn, start-up and all; what the bare client
does is take the messages, decode their JSON with Polars by the batch, and write a Parquet file: no journal, no contract, no
restart. It has the same settings of the client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.__main__ import Measured, run
from tests.servers import folder, kafka, nats, redis

BARE = {
    "kafka": """
        import sys, polars as pl
        from confluent_kafka import Consumer, TopicPartition
        url, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
        consumer = Consumer({"bootstrap.servers": url, "group.id": "bare", "enable.auto.commit": False,
                             "fetch.queue.backoff.ms": 20, "fetch.wait.max.ms": 20})
        consumer.assign([TopicPartition("bench", n, 0) for n in range(4)])
        kind = pl.Struct({"id": pl.Int64, "customer": pl.Int64, "amount": pl.Float64, "country": pl.String, "note": pl.String})
        frames, seen = [], 0
        while seen < count:
            found = consumer.consume(50_000, timeout=0.5)
            seen += len(found)
            values = pl.Series([message.value() for message in found], dtype=pl.Binary).cast(pl.String)
            frames.append(values.str.json_decode(kind).struct.unnest())
        consumer.commit(offsets=[TopicPartition("bench", 0, 1)], asynchronous=False)
        pl.concat(frames).write_parquet(target)
        """,
    "redis": """
        import sys, polars as pl, redis
        url, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
        client = redis.Redis.from_url(url)
        kind = pl.Struct({"id": pl.Int64, "customer": pl.Int64, "amount": pl.Float64, "country": pl.String, "note": pl.String})
        client.xgroup_create("bench", "bare", "0")
        frames, seen = [], 0
        while seen < count:
            ((_, found),) = client.xreadgroup("bare", "me", {"bench": ">"}, count=10_000)
            seen += len(found)
            values = pl.Series([fields[b"data"] for _, fields in found], dtype=pl.Binary).cast(pl.String)
            frames.append(values.str.json_decode(kind).struct.unnest())
            client.xack("bench", "bare", *(id for id, _ in found))
        pl.concat(frames).write_parquet(target)
        """,
    "nats": """
        import asyncio, sys, nats, polars as pl
        from nats.js.api import AckPolicy, ConsumerConfig
        url, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
        kind = pl.Struct({"id": pl.Int64, "customer": pl.Int64, "amount": pl.Float64, "country": pl.String, "note": pl.String})
        async def main():
            client = await nats.connect(url)
            once = ConsumerConfig(ack_policy=AckPolicy.NONE)
            asked = await client.jetstream().pull_subscribe("", stream="bench", config=once)
            frames, seen = [], 0
            while seen < count:
                found = await asked.fetch(10_000, timeout=1)
                seen += len(found)
                values = pl.Series([message.data for message in found], dtype=pl.Binary).cast(pl.String)
                frames.append(values.str.json_decode(kind).struct.unnest())
            await client.close()
            pl.concat(frames).write_parquet(target)
        asyncio.run(main())
        """,
}
SPEC = """
version: 1
name: bench
sources:
  m: {SOURCE, schema: {id: int, customer: int, amount: float, country: string, note: string}}
outputs:
  clean: {path: out.parquet}
"""
SOURCES = {
    "kafka": "type: kafka, servers: 'URL', topic: bench",
    "redis": "type: redis, url: 'URL', stream: bench, field: data",
    "nats": "type: nats, servers: 'URL', stream: bench",
}
REPEAT = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--only", nargs="*", default=["kafka", "redis", "nats"])
    asked = parser.parse_args()
    servers: dict[str, tuple[Any, Callable[[str, int], None]]] = {
        "kafka": (kafka, to_kafka), "redis": (redis, to_redis), "nats": (nats, to_nats)}  # fmt: skip
    for kind in asked.only:
        server, fill = servers[kind]
        if how := server.missing():
            print(f"no {kind} here: {how}")
            continue
        count = asked.messages if kind == "kafka" else asked.messages // (2 if kind == "redis" else 5)
        with folder(kind) as place, server.start(place) as url, tempfile.TemporaryDirectory() as work:
            url = url.replace("nats://", f"nats://{nats.PASSWORD}@")
            fill(url, count)
            compare(kind, url, count, Path(work))


def compare(kind: str, url: str, count: int, work: Path) -> None:
    """qpipe and the bare client in turn, each afresh."""
    seen: dict[str, list[Measured]] = {"qpipe": [], "bare": []}
    for turn in range(REPEAT):
        place = work / str(turn)
        place.mkdir()
        (place / "spec.yaml").write_text(SPEC.replace("SOURCE", SOURCES[kind].replace("URL", url)))
        seen["qpipe"].append(run([sys.executable, "-m", "qpipe", "run", str(place / "spec.yaml"), "--quiet",
                                  "--home", str(place / ".qpipe")]))  # fmt: skip
        seen["bare"].append(
            run([sys.executable, "-c", textwrap.dedent(BARE[kind]), url, str(place / "bare.parquet"), str(count)])
        )
        if kind == "redis":
            subprocess.run([sys.executable, "-c", FORGET, url], check=True)
        check(place)
    ratio = statistics.median(a.wall / b.wall for a, b in zip(seen["qpipe"], seen["bare"], strict=True))
    print(f"\n{kind}, {count:,} messages")
    for name, found in seen.items():
        best = min(found, key=lambda measured: measured.wall)
        print(
            f"  {name:6} wall {best.wall:6.2f} s   cpu {best.cpu:6.2f} s   {best.memory:5.0f} MiB   {count / best.wall:9,.0f}/s"
        )
    cpu = statistics.median(a.cpu / b.cpu for a, b in zip(seen["qpipe"], seen["bare"], strict=True))
    print(f"  qpipe / bare: wall {ratio:.2f}, cpu {cpu:.2f}")


FORGET = "import sys, redis; redis.Redis.from_url(sys.argv[1]).xgroup_destroy('bench', 'bare')"


def check(place: Path) -> None:
    """Both have written the same rows."""
    import polars as pl

    ours, theirs = (pl.scan_parquet(place / name).select(pl.len(), pl.col("id").sum()).collect() for name in
                    ("out.parquet", "bare.parquet"))  # fmt: skip
    assert ours.equals(theirs), (ours, theirs)


def message(n: int) -> bytes:
    row = {
        "id": n,
        "customer": n * 7919 % 50_000,
        "amount": n % 10_000 / 100,
        "country": ("DE", "FR", "IT")[n % 3],
        "note": f"n{n}",
    }
    return json.dumps(row).encode()


def to_kafka(url: str, count: int) -> None:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": url})
    admin.create_topics([NewTopic("bench", 4, 1)])["bench"].result()
    producer = Producer({"bootstrap.servers": url, "queue.buffering.max.messages": 1_000_000, "linger.ms": 20})
    for n in range(count):
        while True:
            try:
                producer.produce("bench", message(n), partition=n % 4)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def to_redis(url: str, count: int) -> None:
    import redis as driver

    with driver.Redis.from_url(url).pipeline(transaction=False) as pipe:
        for n in range(count):
            pipe.xadd("bench", {"data": message(n)})
            if n % 5000 == 4999:
                pipe.execute()
        pipe.execute()


def to_nats(url: str, count: int) -> None:
    import nats as driver

    async def send() -> None:
        client = await driver.connect(url)
        stream = client.jetstream(publish_async_max_pending=1000)
        await stream.add_stream(name="bench", subjects=["bench"])
        for n in range(count):
            await stream.publish_async("bench", message(n), wait_stall=10)
        await stream.publish_async_completed()
        await client.close()

    asyncio.run(send())


if __name__ == "__main__":
    main()
