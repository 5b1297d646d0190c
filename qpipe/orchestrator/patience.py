"""Trying again what is out of reach: a source from the position it has come to, an output with its token.

Connectors have a patience of their own for single requests; this one is the spec's ``settings.retry``, for a server that is
away for longer. Progress starts the count anew: a source that fails once an hour is read for days.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from qpipe.core.batch import Chunk, Json
from qpipe.core.errors import MissingExtra, Unavailable
from qpipe.core.retry import Retry

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How often and how long to wait for what is out of reach."""

    retry: Retry = field(default_factory=Retry)
    pause: Callable[[float], None] = time.sleep  # may raise, to stop
    tell: Callable[[Unavailable, float], None] = lambda error, wait: None

    def through(self, call: Callable[[], T]) -> T:
        """What a call gives, sooner or later. The last Unavailable is raised."""
        waits = self.retry.waits()
        while True:
            try:
                return call()
            except Unavailable as error:
                self._wait(error, waits)

    def reading(self, read: Callable[[Json | None], Iterator[Chunk]], position: Json | None) -> Iterator[Chunk]:
        """The chunks of a source that can be read from any position, each once."""
        waits = self.retry.waits()
        while True:
            try:
                for chunk in read(position):
                    position, waits = chunk.position, self.retry.waits()
                    yield chunk
                return
            except Unavailable as error:
                self._wait(error, waits)

    def _wait(self, error: Unavailable, waits: Iterator[float]) -> None:
        wait = next(waits, None)
        if wait is None or isinstance(error, MissingExtra):
            raise error
        self.tell(error, wait)
        self.pause(wait)
