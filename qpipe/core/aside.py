"""Work in threads that nobody has to wait for: who is stopped leaves a server's answer be.

They are daemons, unlike those of ``concurrent.futures``, so that a process ends although a server still keeps one waiting.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

T = TypeVar("T")

_LOOK = 0.1  # seconds between two looks at whether to go on waiting


def aside(work: Callable[[], T], check: Callable[[], None]) -> T:
    """What ``work`` gives. ``check`` is called now and then meanwhile: what it raises ends the waiting."""
    return waited(begun(work, "qpipe-aside"), check)


def begun(work: Callable[[], T], name: str) -> Future[T]:
    """What ``work``, in a thread that is called so, is going to give."""
    future: Future[T] = Future()
    threading.Thread(target=_do, args=(future, work), name=name, daemon=True).start()
    return future


def waited(future: Future[T], check: Callable[[], None]) -> T:
    """The result of what was begun, awaited in the same way."""
    while not future.done():
        check()
        wait([future], _LOOK)
    return future.result()


def pause(seconds: float, check: Callable[[], None]) -> None:
    """Wait so long, unless ``check`` raises meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, _LOOK))


class Crew:
    """At most so many threads, which do what they are given in its order; without any, it is done by who gives it.

    When the crew is left, what has not begun never will.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name, self._threads = size, name, 0
        self._given: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._given.get_nowait()
        for _each in range(self._threads):
            self._given.put(None)

    def begin(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        if not self._size:
            _do(future, work)
            return future
        self._given.put((future, work))
        if self._threads < self._size:
            self._threads += 1
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return future

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            _do(*given)
            del given  # a thread that waits holds nothing


def _do(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
