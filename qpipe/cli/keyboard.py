"""The keyboard of a person who is asked: lines, Ctrl-C, and the world that goes on meanwhile."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

TICK = 0.5  # seconds between two looks at the clock and at the journal


class Keyboard:
    """Lines from the terminal, with a look at the world while nobody types."""

    def __init__(self) -> None:
        self.stopping = False  # a signal said so
        self._listening = False
        self._interrupted = False

    def interrupt(self, number: int, frame: Any) -> None:
        """Ctrl-C: at once where a line is awaited, else when the next one is: nothing is torn while it is shown or kept."""
        if self._listening:
            raise KeyboardInterrupt
        self._interrupted = True

    def forget(self) -> None:
        """What was typed before the question was there is no answer to it. Called before the prompt shows, not after."""
        if os.name != "nt":
            import termios

            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)

    def line(self, overtaken: Callable[[], bool]) -> str | None:
        """A line without its end; None when ``overtaken`` came true first. EOFError at the end of input."""
        self._listening = True
        try:
            if self._interrupted:
                raise KeyboardInterrupt
            return self._typed(overtaken)
        finally:
            self._listening = self._interrupted = False

    def _typed(self, overtaken: Callable[[], bool]) -> str | None:
        if os.name == "nt":
            return input()
        descriptor = sys.stdin.fileno()
        while not overtaken():
            if select.select([descriptor], [], [], TICK)[0]:
                typed = os.read(descriptor, 65536)
                if not typed:
                    raise EOFError
                return typed.decode(errors="replace").rstrip("\r\n")
        return None


@contextmanager
def listening() -> Iterator[Keyboard]:
    """While asking, Ctrl-C means the question, not the run; a request to end the process still reaches the run."""
    keyboard = Keyboard()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: Any) -> None:
        keyboard.stopping = True
        handler = before[signal.SIGTERM]
        if callable(handler):
            handler(number, frame)

    try:
        signal.signal(signal.SIGINT, keyboard.interrupt)
        signal.signal(signal.SIGTERM, end)
        yield keyboard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
