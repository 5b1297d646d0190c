"""A window on a stream of bytes, and blocks of it that end with a record."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy as np

PIECE = 1 << 20  # bytes looked at together: what is made of them need not be asked of the system anew


class Stream(Protocol):
    def readinto(self, target: memoryview) -> int: ...
    def lines(self, size: int, back: int) -> bytes: ...


class Window:
    """The bytes ahead of the reader, in one buffer that is used again; it looks no further than it was asked to."""

    def __init__(self, stream: Stream, offset: int) -> None:
        self._stream, self.offset = stream, offset
        self._buffer, self._start, self._end = bytearray(), 0, 0
        self.ended = False  # whether what is visible goes to the stream's end

    def fill(self, size: int) -> int:
        """Make at least ``size`` bytes visible, or all that are left; how many are."""
        if len(self._buffer) < size:
            self._see(min(size, PIECE))  # the whole of most files: room for a block costs as much as reading a small one
        self._see(size)
        return self.visible

    def _see(self, size: int) -> None:
        if self.visible < size and not self.ended:
            self._make_room(size)
            with memoryview(self._buffer) as view:
                while self._end < size and (got := self._stream.readinto(view[self._end : size])):
                    self._end += got
            self.ended = self._end < size

    def _make_room(self, size: int) -> None:
        rest = self._buffer[self._start : self._end]
        self._start, self._end = 0, len(rest)
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        self._buffer[: len(rest)] = rest

    @property
    def visible(self) -> int:
        return self._end - self._start

    def look(self, size: int) -> bytes:
        """The next bytes, as far as they are visible."""
        return bytes(memoryview(self._buffer)[self._start : min(self._end, self._start + size)])

    def advance(self, size: int) -> None:
        self._start += size
        self.offset += size

    def give_back(self, blocks: Sequence[bytes]) -> None:
        """Stand before bytes that were taken already."""
        self._hold(b"".join([*blocks, self._buffer[self._start : self._end]]))
        self.offset -= sum(map(len, blocks))

    def ends_with(self, sign: bytes) -> bool:
        """Whether what was taken last ends with the sign."""
        return self._buffer[max(0, self._start - len(sign)) : self._start] == sign

    def take(self, size: int, newline: bytes, quote: bytes) -> tuple[bytes, int]:
        """Whole records of about ``size`` bytes, by the parity of quotes, and how many quotes they have; then stand after them.

        The bytes are empty when no end of a record is in reach.
        """
        if newline == b"\n" and not self.ended and (block := self._stream.lines(size, self.visible)):
            quotes = count_byte(block, quote)
            if quotes % 2:
                self._hold(block)
            else:
                self._hold(block[-1:])
                self._start, self.offset = self._end, self.offset + len(block)
                return block, quotes
        block, quotes = self._block(size, newline, quote)
        self.advance(len(block))
        return block, quotes

    def _hold(self, data: bytes) -> None:
        self._buffer, self._start, self._end = bytearray(data), 0, len(data)

    def _block(self, size: int, newline: bytes, quote: bytes) -> tuple[bytes, int]:
        visible = self.fill(size)
        if self.ended and visible <= size:
            block = self.look(visible)
            return block, count_byte(block, quote)
        end = self._start + min(size, visible)
        if newline == b"\r" and self._buffer[end - 1] == 13:
            end -= 1  # its "\n" may follow
        cut = self._buffer.rfind(newline, self._start, end) + 1
        block = self.look(max(0, cut - self._start))
        quotes = count_byte(block, quote)
        while quotes % 2:  # the cut is inside a quoted cell: go back before the quote that opened it
            last = block.rfind(quote)
            cut = block.rfind(newline, 0, last) + 1
            quotes -= block.count(quote, cut)
            block = block[:cut]
        return block, quotes


def count_byte(block: bytes, sign: bytes) -> int:
    """How often a byte occurs. numpy is twice as fast where they are many, but costs its import."""
    if len(sign) != 1:
        return block.count(sign) if sign else 0
    if "numpy" in sys.modules and len(block) > 65536:
        return sum(int(np.count_nonzero(piece == sign[0])) for _, piece in _pieces(block))
    return block.count(sign)


def places(block: bytes, sign: int) -> np.ndarray:
    """Where a byte occurs."""
    return np.concatenate([np.flatnonzero(piece == sign) + start for start, piece in _pieces(block)])


def _pieces(block: bytes) -> Iterator[tuple[int, np.ndarray]]:
    octets = np.frombuffer(block, np.uint8)
    for start in range(0, len(octets), PIECE):
        yield start, octets[start : start + PIECE]
