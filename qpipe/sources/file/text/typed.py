"""The fastest way: a block's cells parsed as the contract's types at once.

It is taken only where a look at the delimiters, newlines and quotes proves that each row has its number of cells, and a column
only where every cell that is not empty parsed. Polars' parser of numbers is never kinder than a contract, but for numbers too
big to be finite. Other columns stay text, for the contract to judge. The text of any row can still be had from its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from qpipe.core.lazy import np, pl
from qpipe.core.texts import reader
from qpipe.core.types import DataType
from qpipe.sources.file.text.below import may_hold_names
from qpipe.sources.file.text.blocks import PIECE, places
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.dress import may_be_dressed
from qpipe.sources.file.text.strict import Rows, needs_exact, parse

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

LEAST = 1 << 18  # bytes of a block below which numpy is not worth its import
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a text: some of its columns (None: all), and the types a contract gives them."""

    columns: Sequence[str] | None = None
    types: Mapping[str, DataType] = field(default_factory=dict)

    def of(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if self.columns is None or name in self.columns]


def read_typed(block: bytes, dialect: Dialect, wanted: Wanted, anew: Callable[[], bytes]) -> Rows | None:
    """The rows, in lines from 0 on, of a block that ends with a record; None unless proven regular, which is no reproach.

    ``anew`` reads the block once more, for the text of its rows.
    """
    if len(block) < LEAST or dialect.width < 2 or dialect.width != len(dialect.columns) or needs_exact(block, dialect):
        return None
    lines = _plain_lines(block, dialect)
    names = wanted.of(dialect.columns)
    if lines is None or not names:
        return None
    cells = _Cells(lines, dialect, anew)
    frame = cells.typed(names, wanted.types) if cells.regular() else None
    if frame is None or frame.height != cells.rows:
        return None
    return Rows(frame, len(block), frame.height, 0, original=cells.texts, let_go=cells.let_go)


def _plain_lines(block: bytes, dialect: Dialect) -> bytes | None:
    """The block with "\\n" after each line; None where that is not simply so."""
    if dialect.newline != "\n" or dialect.escape or len(dialect.delimiter) != 1 or not dialect.delimiter.isascii():
        return None
    if b"\r" in block:
        if block.count(b"\r") != block.count(b"\r\n"):
            return None
        block = block.replace(b"\r\n", b"\n")  # a line's end inside a cell fails the proof
    return block if block.endswith(b"\n") else block + b"\n"


class _Cells:
    """The bytes of a block, and what they are made of."""

    def __init__(self, lines: bytes, dialect: Dialect, anew: Callable[[], bytes]) -> None:
        self.lines, self.dialect, self._anew = lines, dialect, anew
        self._marks = _counted(lines, ord(dialect.delimiter))
        self.rows = self._marks.newlines
        self._empty = 0  # cells with nothing in them, once it is known what quotes enclose

    @cached_property
    def lines(self) -> bytes:
        return _plain_lines(self._anew(), self.dialect) or b""

    @cached_property
    def ends(self) -> np.ndarray:
        """Where the newlines are."""
        return places(self.lines, _NEWLINE)

    def let_go(self) -> None:
        """Free the bytes; they are read again when they are wanted."""
        for name in ("lines", "ends"):
            self.__dict__.pop(name, None)

    def regular(self) -> bool:
        """Whether quotes enclose cells, no cell has a newline, and there are as many delimiters as there should be.

        Then every row has its number of cells, as Polars refuses a row with too many when it parses all columns.
        """
        enclosed = self._enclosed()
        if enclosed is None or enclosed.newlines:
            return False
        self._empty = self._marks.empty - enclosed.empty
        return self._marks.delimiters - enclosed.delimiters == self.rows * (self.dialect.width - 1)

    def typed(self, names: Sequence[str], types: Mapping[str, DataType]) -> pl.DataFrame | None:
        """The named columns, each in its type where all its cells have it, else as text; None where Polars refuses it."""
        every = self.dialect.columns
        numbers = {name: types[name].polars() for name in every if name in types and _is_number(types[name])}
        frame, kind = self._parsed(numbers), False
        if frame is None and numbers:
            frame, kind = self._parsed(numbers, kind=True), True  # being kind costs a quarter more
        if frame is None or may_be_dressed(frame, self.lines, self.dialect):
            return None
        plain = not kind and sum(column.null_count() for column in frame) == self._empty
        doubtful = [name for name in numbers if name in names and not self._sure(frame[name], plain=plain)]
        if doubtful:
            texts = self._parsed({})
            if texts is None or may_be_dressed(texts, self.lines, self.dialect):
                return None
            frame = frame.with_columns(texts[doubtful])
        if may_hold_names(frame, self.dialect):
            return None
        others = [name for name in names if name in types and frame.schema[name] == pl.String]
        return frame.select(names).with_columns(_read(frame[name], types[name]) for name in others)

    def texts(self, rows: pl.Series) -> pl.DataFrame:
        """Rows as they are written, by their offsets."""
        chosen = rows.cast(pl.Int64).to_numpy()
        starts = np.where(chosen > 0, self.ends[chosen - 1] + 1, 0).tolist()
        lines = b"".join([self.lines[s : e + 1] for s, e in zip(starts, self.ends[chosen].tolist(), strict=True)])
        frame = parse(lines, self.dialect.width, self.dialect.delimiter.encode(), self.dialect.quote) if lines else None
        if frame is None:
            return pl.DataFrame(schema={name: pl.String for name in self.dialect.columns})
        return frame.rename(dict(zip(frame.columns, self.dialect.columns, strict=True)))

    def _enclosed(self) -> _Marks | None:
        """What quotes enclose; None unless each one opens a cell, closes one or is doubled inside one."""
        if not self.dialect.quote or self.dialect.quote.encode() not in self.lines:
            return _Marks()
        octets, quotes = np.frombuffer(self.lines, np.uint8), places(self.lines, ord(self.dialect.quote))
        if len(quotes) % 2:
            return None
        opening, closing = quotes[0::2], quotes[1::2]
        before, after = octets[opening - 1], octets[closing + 1]  # before the first byte: the last one, a newline
        delimiter = ord(self.dialect.delimiter)
        opens, closes = (before == delimiter) | (before == _NEWLINE), (after == delimiter) | (after == _NEWLINE)
        doubled = opening[1:] == closing[:-1] + 1
        opens[1:] |= doubled
        closes[:-1] |= doubled
        return _counted_in(octets, opening, closing, delimiter) if opens.all() and closes.all() else None

    def _parsed(self, numbers: Mapping[str, pl.DataType], *, kind: bool = False) -> pl.DataFrame | None:
        """All columns, some as numbers; None if a text is none, unless ``kind`` makes it null."""
        with suppress(pl.exceptions.PolarsError, OSError):
            return pl.read_csv(
                self.lines,
                has_header=False,
                schema={name: numbers.get(name, pl.String()) for name in self.dialect.columns},
                separator=self.dialect.delimiter,
                quote_char=self.dialect.quote or None,
                ignore_errors=kind,
            )
        return None

    def _sure(self, numbers: pl.Series, *, plain: bool) -> bool:
        """Whether only empty cells are null, which ``plain`` says already, and no number was too big."""
        if numbers.dtype == pl.Float64 and numbers.is_infinite().any():
            return False
        if plain or not numbers.null_count():
            return True
        texts = self.texts(numbers.is_null().arg_true())
        return texts[numbers.name].null_count() == numbers.null_count()


@dataclass(frozen=True)
class _Marks:
    """How many there are of each in a block."""

    newlines: int = 0
    delimiters: int = 0
    empty: int = 0  # places between two of them, or before the first, with nothing there


def _counted(lines: bytes, delimiter: int) -> _Marks:
    octets = np.frombuffer(lines, np.uint8)
    newlines = delimiters = empty = 0
    before = True  # the block begins like a line
    for start in range(0, len(octets), PIECE):
        piece = octets[start : start + PIECE]
        ends, parts = piece == _NEWLINE, piece == delimiter
        newlines += int(np.count_nonzero(ends))
        delimiters += int(np.count_nonzero(parts))
        ends |= parts
        empty += int(np.count_nonzero(ends[1:] & ends[:-1])) + int(before and ends[0])
        before = bool(ends[-1])
    return _Marks(newlines, delimiters, empty)


def _counted_in(octets: np.ndarray, opening: np.ndarray, closing: np.ndarray, delimiter: int) -> _Marks:
    """The marks between quotes, each of which ends with the one that closes it."""
    sizes = closing - opening
    ends = np.cumsum(sizes)
    total = _Marks()
    for first, last in _stretches(ends):
        begins = ends[first:last] - sizes[first:last]
        where = np.arange(begins[0], ends[last - 1]) + np.repeat(opening[first:last] + 1 - begins, sizes[first:last])
        inside = octets[where]
        parts = inside == delimiter
        total = _Marks(
            total.newlines + int(np.count_nonzero(inside == _NEWLINE)),
            total.delimiters + int(np.count_nonzero(parts)),
            total.empty + int(np.count_nonzero(parts[1:] & parts[:-1])),
        )
    return total


def _stretches(ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Which follow each other and have about a piece of bytes together, by where each one ends."""
    first = 0
    while first < len(ends):
        start = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, start + PIECE, side="right")))
        yield first, last
        first = last


def _is_number(type: DataType) -> bool:
    return type.polars() in (pl.Int64, pl.Float64)


def _read(texts: pl.Series, type: DataType) -> pl.Series:
    """The column in its type, if every text is one."""
    if type.kind == "any" or type.polars() == pl.String:
        return texts
    values = reader(type)(texts)
    return values if values.null_count() == texts.null_count() else texts
