"""kafka"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from qpipe.core.batch import Json
from qpipe.core.component import Context, Types
from qpipe.core.params import Duration, param
from qpipe.core.streams import ID_HEADER
from qpipe.core.streams.kafka import Cluster, problems
from qpipe.outputs._messages import Messages, Row


class Kafka(Messages):
    """A topic of Kafka: each row a message, a JSON object with the header `qpipe-id`, and a key made of columns.

    At least once: a run that is stopped while it publishes sends its messages again, with the same ids, by which a reader knows
    them. The producer is idempotent and waits for all replicas, so that nothing is doubled or put out of order while the run
    lives.
    """

    extra = "kafka"

    servers: str = param(help="the brokers: host:9092, or several with commas between")
    topic: str = param(help="the topic; it must be there")
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = param("none", help="how batches of messages are packed")
    auth: dict[str, Any] | None = param(
        None, help="{mechanism: plain, scram-sha-256 or scram-sha-512, username, password}, or oauthbearer with its token_url"
    )
    tls: bool | dict[str, Any] = param(False, help="true, or {ca, cert, key, key_password, verify}")
    options: dict[str, Any] | None = param(None, help="anything else of the client, by librdkafka's names")
    timeout: Duration = param(30.0, help="how long to wait for a broker that does not answer")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from problems(self.auth, self.tls)
        yield from super().problems(types)

    @contextmanager
    def _sender(self, context: Context) -> Iterator[Callable[[Sequence[Row]], None]]:
        cluster = Cluster(self.servers, self.auth or {}, self.tls, self.options or {}, self.timeout, context.directory)
        said: list[str] = []
        producer = cluster.client("Producer", said, **{
            "enable.idempotence": True, "acks": "all", "linger.ms": 5, "compression.type": self.compression,
            "delivery.timeout.ms": max(1000, int(self.timeout * 1000)), "delivery.report.only.error": True,
        })  # fmt: skip
        cluster.partitions(producer, self.topic, said)
        failed: list[str] = []
        try:
            yield lambda rows: self._send(producer, cluster, rows, said, failed)
        finally:
            producer.purge()

    def _send(self, producer: Any, cluster: Cluster, rows: Sequence[Row], said: list[str], failed: list[str]) -> None:
        """Until every one is acknowledged. Refused: one is not, within the time-out."""

        def heard(error: Any, message: Any) -> None:
            if error:
                failed.append(error.str())

        with cluster.told(said, self.topic):
            for row in rows:
                while not failed:
                    try:
                        producer.produce(self.topic, row.value, row.key, headers=[(ID_HEADER, row.id)], on_delivery=heard)
                        break
                    except BufferError:
                        producer.poll(0.1)
            left = producer.flush(self.timeout + 5)
        if failed or left:
            raise cluster.refused(failed[0] if failed else f"no answer for {self.timeout:g} s", said, self.topic)

    def _place(self) -> Json:
        return {"servers": self.servers, "topic": self.topic}
