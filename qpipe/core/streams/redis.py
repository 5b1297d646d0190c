"""Redis: a client that tries again, and what it says when something is wrong."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from qpipe.core.errors import MissingExtra, NotPermitted, QpipeError, Unavailable
from qpipe.core.secrets import RAW, reveal, written_raw
from qpipe.core.sql import masked, shown


def client(url: str, timeout: float) -> Any:
    """Connections are tried again a few times. Answers are bytes."""
    try:
        import redis
        from redis.backoff import ExponentialWithJitterBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise MissingExtra("speak with Redis", extra="redis") from error

    class Patient(Retry):
        """A refused password is refused each time."""

        def call_with_retry(self, do: Any, fail: Any, is_retryable: Any = None, with_failure_count: bool = False) -> Any:
            def worth(error: Exception) -> bool:
                passing = not isinstance(error, (redis.AuthenticationError, redis.exceptions.AuthorizationError))
                return passing and "CERTIFICATE_VERIFY" not in str(error) and (is_retryable is None or is_retryable(error))

            return super().call_with_retry(do, fail, worth, with_failure_count)

    retry = Patient(ExponentialWithJitterBackoff(base=0.1, cap=2), 5)
    try:
        return redis.Redis.from_url(reveal(url), retry=retry, socket_connect_timeout=timeout, socket_timeout=timeout)
    except ValueError:  # its words may repeat the password
        raise Unavailable(f"{shown(url)}: this is no address", hint="write redis://:password@host:6379/0") from None


def problems(url: str) -> Iterator[tuple[str, str]]:
    """What is wrong before anything is asked."""
    if not reveal(url).startswith(("redis://", "rediss://", "unix://")):
        yield "url", "this is no address that begins with redis:// or rediss://"
    if written_raw(reveal(url)):
        yield "url", RAW
    if importlib.util.find_spec("redis") is None:
        yield "url", "to speak with Redis, qpipe[redis] is needed: pip install 'qpipe[redis]'"


class told:
    """What the driver says, as our errors, without the password."""

    def __init__(self, url: str, at: str = "") -> None:
        self._url, self._at = url, at

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, QpipeError):
            return
        import redis

        words = f"{shown(self._url)}{', ' if self._at else ''}{self._at}: {masked(self._url, str(error))}"
        if isinstance(error, redis.AuthenticationError) or "NOPERM" in words or "NOAUTH" in words:
            raise NotPermitted(words, hint="check the password and what this user may do") from error
        if isinstance(error, redis.RedisError):
            raise Unavailable(words, hint="is the server running and reachable?") from error
