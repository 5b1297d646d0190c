"""Blocks are parsed side by side while the rows before them are used; they come out in the file's order.

A block that is not well-formed, and all that were taken after it, go back to the window: what follows it may have been cut
where no record ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from qpipe.sources.file.text.blocks import Window
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.strict import Rows, read_strict
from qpipe.sources.file.text.typed import Wanted, read_typed

Anew = Callable[[int, int], bytes]  # reads so many bytes from an offset on, once more
WORKERS = 3
AHEAD = 4  # blocks in memory that are parsed or wait for it


class Ahead:
    """The well-formed rows of a window, a block at a time."""

    def __init__(
        self, window: Window, size: int, dialect: Dialect, wanted: Wanted | None, anew: Anew, *, side_by_side: bool
    ) -> None:
        self._window, self._size, self._dialect, self._wanted, self._anew = window, size, dialect, wanted, anew
        self._most = self._depth = AHEAD if side_by_side else 1
        self._blocks: deque[tuple[bytes, Future[Rows | None]]] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._error: Exception | None = None  # met while reading ahead: what was read before comes first

    @property
    def offset(self) -> int:
        """Where the rows that come next begin."""
        return self._window.offset - sum(len(block) for block, _ in self._blocks)

    @property
    def ended(self) -> bool:
        return not self._blocks and not self._error and not self._window.fill(1)

    def rows(self, line: int) -> Rows | None:
        """The rows of the next block, which begin in this line; None, and the window at its beginning, if it is no good."""
        while len(self._blocks) < self._depth and not self._error and self._take():
            pass
        if not self._blocks:
            if self._error:
                raise self._error
            return None
        block, parsed = self._blocks.popleft()
        rows = parsed.result()
        if rows is None:
            self._window.give_back([block, *(block for block, _ in self._blocks)])
            self._blocks.clear()
        self._depth = self._most if rows else 1  # one by one until a block is good again
        return rows and _from(rows, line)

    def _take(self) -> bool:
        try:
            offset = self._window.offset
            block, quotes = self._window.take(self._size, self._dialect.newline.encode(), self._dialect.quote.encode())
            if block:
                self._blocks.append((block, self._parsed(block, quotes, offset)))
            return bool(block)
        except Exception as error:
            if not self._blocks:
                raise
            self._error = error
            return False

    def _parsed(self, block: bytes, quotes: int, offset: int) -> Future[Rows | None]:
        anew = partial(self._anew, offset, len(block))
        if self._depth > 1 and (self._blocks or self._window.fill(1)):
            self._pool = self._pool or ThreadPoolExecutor(WORKERS, thread_name_prefix="parse")
            return self._pool.submit(_parse, block, quotes, self._dialect, self._wanted, anew)
        done: Future[Rows | None] = Future()
        done.set_result(_parse(block, quotes, self._dialect, self._wanted, anew))
        return done

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _parse(block: bytes, quotes: int, dialect: Dialect, wanted: Wanted | None, anew: Callable[[], bytes]) -> Rows | None:
    return (read_typed(block, dialect, wanted, anew) if wanted else None) or read_strict(block, quotes, dialect)


def _from(rows: Rows, line: int) -> Rows:
    lines = None if rows.lines is None else rows.lines + line
    return replace(rows, first_line=line, next_line=rows.next_line + line, lines=lines)
