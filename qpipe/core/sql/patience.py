"""Connecting to a server that may be back in a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def retried(make: Callable[[], T], passing: Callable[[Exception], bool]) -> T:
    """Some tries, ever later, while the error is one that passes. Nothing is told of them: the last error is."""
    import stamina
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks(())  # else the library logs each try
    for attempt in stamina.retry_context(on=passing, attempts=4, wait_initial=0.2, timeout=20):
        with attempt:
            return make()
    raise AssertionError("unreachable")
