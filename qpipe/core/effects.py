"""The moments at which a run touches the world, by name, so that a test can stop a run at each of them.

``effect("output.publish.rename")`` is called just before the thing happens. In a normal run it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listener: Callable[[str], None] | None = None


def effect(name: str) -> None:
    """About to change something that outlives the process."""
    if _listener is not None:
        _listener(name)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Call ``listener`` with every effect's name; it may raise, or end the process."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
