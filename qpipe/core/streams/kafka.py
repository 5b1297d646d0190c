"""Kafka: how a client is configured, and what it says when something is wrong."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qpipe.core.errors import MissingExtra, NotPermitted, QpipeError, Unavailable
from qpipe.core.secrets import Redactor, reveal
from qpipe.core.streams import hidden

MECHANISMS = ("plain", "scram-sha-256", "scram-sha-512", "oauthbearer")
_AUTH = ("mechanism", "username", "password", "token_url", "client_id", "client_secret", "scope")
_TLS = {"ca": "ssl.ca.location", "cert": "ssl.certificate.location", "key": "ssl.key.location",
        "key_password": "ssl.key.password", "verify": "enable.ssl.certificate.verification"}  # fmt: skip
_OAUTH = {"token_url": "sasl.oauthbearer.token.endpoint.url", "client_id": "sasl.oauthbearer.client.id",
          "client_secret": "sasl.oauthbearer.client.secret", "scope": "sasl.oauthbearer.scope"}  # fmt: skip
_LISTENING = 5.0  # seconds after which brokers that refuse connections, or who asks, are taken to go on so
_FINAL = ("Connection refused", "are down", "Failed to resolve", "SASL", "SSL")  # words of what will not change soon
_QUIET = logging.getLogger("qpipe.kafka")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


@dataclass(frozen=True)
class Cluster:
    """Where a cluster is, and who asks."""

    servers: str  # host:port,host:port
    auth: Mapping[str, Any] = field(default_factory=dict)
    tls: bool | Mapping[str, Any] = False
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 30.0
    directory: Path = field(default_factory=Path.cwd)  # relative paths of certificates start here

    @property
    def redactor(self) -> Redactor:
        return hidden(self.auth, self.tls if isinstance(self.tls, Mapping) else None, self.options)

    def config(self, errors: list[str], **more: Any) -> dict[str, Any]:
        """What the client is given. What it has to say beside its answers is put in ``errors``."""
        made: dict[str, Any] = {
            "bootstrap.servers": self.servers, "client.id": "qpipe", "log_level": 0, "logger": _QUIET,
            "socket.connection.setup.timeout.ms": _ms(min(self.timeout, 10)),
            "socket.timeout.ms": _ms(min(max(self.timeout, 1), 300)),
            "reconnect.backoff.max.ms": 1000, "error_cb": lambda error: errors.append(_words(error)), **more,
        }  # fmt: skip
        made["security.protocol"] = ("SASL_" if self.auth else "") + ("SSL" if self.tls else "PLAINTEXT")
        for name, value in self.tls.items() if isinstance(self.tls, Mapping) else ():
            path = name in ("ca", "cert", "key")
            made[_TLS[name]] = str(self.directory / reveal(value)) if path else reveal(value)
        made |= _sasl(self.auth)
        return made | {name: reveal(value) for name, value in self.options.items()}

    def client(self, kind: str, errors: list[str], **more: Any) -> Any:
        """A Producer or a Consumer."""
        try:
            import confluent_kafka
        except ImportError as error:
            raise MissingExtra("speak with Kafka", extra="kafka") from error
        try:
            return getattr(confluent_kafka, kind)(self.config(errors, **more))
        except (confluent_kafka.KafkaException, TypeError, ValueError) as error:
            words = self.redactor(_words(error))
            raise Unavailable(f"Kafka at {self.servers}: {words}", hint="check `auth`, `tls` and `options`") from error

    def partitions(self, client: Any, topic: str, errors: list[str]) -> list[int]:
        """The numbers of a topic's partitions. Unavailable: no broker answers, or there is no such topic."""
        import confluent_kafka

        with self.told(errors):
            found = self._metadata(client, topic, errors).topics[topic]
            if found.error is not None:
                raise confluent_kafka.KafkaException(found.error)
        return sorted(found.partitions)

    def _metadata(self, client: Any, topic: str, errors: list[str]) -> Any:
        """What the brokers say of a topic. One that is silent is waited for; that all refuse is soon told."""
        import confluent_kafka

        begun = time.monotonic()
        while True:
            left = begun + self.timeout - time.monotonic()
            try:
                return client.list_topics(topic, timeout=max(0.01, min(left, _LISTENING)))
            except confluent_kafka.KafkaException:
                for _ in range(10):  # gives the client's own words on why, one at a time
                    client.poll(0)
                final = all(any(each in said for each in _FINAL) for said in errors) and bool(errors)
                if left <= _LISTENING or final:
                    raise

    def told(self, errors: list[str], at: str = "") -> Told:
        return Told(self, errors, at)

    def refused(self, words: str, errors: list[str], at: str = "") -> QpipeError:
        """The error for what a client said."""
        others = [said for said in reversed(errors) if said != words]
        last = next((said for said in others if "are down" not in said), next(iter(others), ""))  # why they are
        place = f"Kafka at {self.servers}{', ' if at else ''}{at}"
        text = f"{place}: {self.redactor(words)}" + (f" ({self.redactor(last)})" if last else "")
        low = text.lower()
        if "authentication" in low or "authorization" in low or "sasl" in low:
            return NotPermitted(text, hint="check `auth`, and what this user may do with the topic")
        if "unknown topic" in low:
            return Unavailable(text, hint="check the topic's name, or create it")
        if "ssl" in low or "certificate" in low:
            return NotPermitted(text, hint="check `tls`: its ca, cert and key")
        return Unavailable(text, hint="are the brokers running and reachable?")


@dataclass
class Told:
    """What the client raises, as our errors, without what is secret."""

    cluster: Cluster
    errors: list[str]
    at: str = ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, QpipeError):
            return
        import confluent_kafka

        if isinstance(error, (confluent_kafka.KafkaException, BufferError)):
            raise self.cluster.refused(_words(error), self.errors, self.at) from error


def problems(auth: Mapping[str, Any] | None, tls: bool | Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """What is wrong before anything is asked."""
    if importlib.util.find_spec("confluent_kafka") is None:
        yield "servers", "to speak with Kafka, qpipe[kafka] is needed: pip install 'qpipe[kafka]'"
    if auth:
        mechanism = str(auth.get("mechanism", "plain")).lower()
        needs = ("token_url", "client_id", "client_secret") if mechanism == "oauthbearer" else ("username", "password")
        if mechanism not in MECHANISMS:
            yield "auth", f"there is no mechanism {mechanism}: say {', '.join(MECHANISMS)}"
        elif missing := [name for name in needs if name not in auth]:
            yield "auth", f"auth with {mechanism} needs {', '.join(missing)}"
        yield from (("auth", f"auth has no {name}: it has {', '.join(_AUTH)}") for name in auth if name not in _AUTH)
    if isinstance(tls, Mapping):
        yield from (("tls", f"tls has no {name}: it has {', '.join(_TLS)}") for name in tls if name not in _TLS)


def _sasl(auth: Mapping[str, Any]) -> dict[str, Any]:
    if not auth:
        return {}
    mechanism = str(auth.get("mechanism", "plain")).upper()
    if mechanism == "OAUTHBEARER":
        made = {_OAUTH[name]: reveal(value) for name, value in auth.items() if name in _OAUTH}
        return {"sasl.mechanism": mechanism, "sasl.oauthbearer.method": "oidc", **made}
    return {"sasl.mechanism": mechanism, "sasl.username": reveal(auth["username"]), "sasl.password": reveal(auth["password"])}


def _words(error: Any) -> str:
    """What a KafkaError says; its numbers are of no use to anyone."""
    inner = error.args[0] if getattr(error, "args", None) else error
    said: Callable[[], str] | None = getattr(inner, "str", None)
    return said() if callable(said) else str(inner)


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
