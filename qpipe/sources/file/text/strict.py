"""The fast way: Polars parses a whole block, and a count of bytes proves that it read every one of them rightly.

Polars refuses rows with too many cells, so if

    bytes of the block = bytes of all cells + rows x (width - 1) delimiters + rows x newline + quotes around and inside

holds, no row is short either. Polars drops stray quotes in silence, so an own look at every quote comes first: each one
opens a cell, closes one, or is doubled. A block that fails goes the exact way.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from qpipe.core.batch import Original
from qpipe.core.lazy import np, pl
from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.below import may_hold_names
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.dress import may_be_dressed

MANY_QUOTES = 20_000  # in a block: from here on numpy looks at them, which costs its import
FEW_QUOTES = 500  # up to here numpy is not worth it even when it is there


@dataclass(frozen=True)
class Rows:
    """The rows of a stretch of the file."""

    frame: pl.DataFrame
    size: int  # bytes of the stretch
    next_line: int
    first_line: int
    lines: pl.Series | None = None
    faults: tuple[Fault, ...] = ()
    ended: bool = False  # the table ends here, though the file may go on
    original: Original | None = None  # the text of rows by their offsets, where the frame has values
    let_go: Callable[[], None] | None = None  # frees what is held for that, which is then read again

    def texts(self, row: int) -> tuple[str | None, ...]:
        """A row as it is written."""
        return self.frame.row(row) if self.original is None else self.original(pl.Series([row])).row(0)


def read_strict(block: bytes, quotes_in: int, dialect: Dialect) -> Rows | None:
    """The rows, in lines from 0 on, of a block of whole records with so many quotes; None unless it is proven well-formed."""
    separator = _separator(dialect, block)
    if separator is None or needs_exact(block, dialect):
        return None
    plain, quotes_in = _doubled(block, quotes_in, dialect)
    lines, newline = _unix_lines(plain, quotes_in, dialect)
    found = _prove(lines, newline, quotes_in, separator, dialect)
    if found is None and newline and quotes_in and b"\r" in plain:  # lines that end in both ways
        found = _prove(plain.replace(b"\r\n", b"\n"), 1, quotes_in, separator, dialect, one_line=True)
    if found is None:
        return None
    frame, inside = found
    if may_be_dressed(frame, block, dialect) or may_hold_names(frame, dialect):
        return None
    delivered = _delivered(frame, dialect)
    if delivered is None:
        return None
    return Rows(delivered, len(block), frame.height + inside, 0, _lines(frame) if inside else None)


def _prove(
    block: bytes, newline: int, quotes_in: int, separator: bytes, dialect: Dialect, *, one_line: bool = False
) -> tuple[pl.DataFrame, int] | None:
    """The frame of a block whose bytes balance, and the newlines inside its cells."""
    quotes = _quotes(block, quotes_in, separator, dialect.quote) if newline else None
    if quotes is None or (one_line and quotes.newlines):
        return None
    if len(dialect.delimiter) > 1:
        if quotes.count:
            return None
        block = block.replace(dialect.delimiter.encode(), separator)
    frame = parse(block, dialect.width, separator, dialect.quote)
    if frame is None:
        return None
    cells = sum(frame.select(pl.all().str.len_bytes().sum()).row(0))
    marks = frame.height * (dialect.width - 1 + newline) + quotes.count - quotes.escaped
    return (frame, quotes.newlines) if len(block) == cells + marks else None


def _doubled(block: bytes, quotes: int, dialect: Dialect) -> tuple[bytes, int]:
    """The block with doubled quotes in place of escaped ones, where nothing else is escaped."""
    if not dialect.escape or dialect.escape.encode() not in block:
        return block, quotes
    sign = dialect.quote.encode()
    pair = dialect.escape.encode() + sign
    return block.replace(pair, sign + sign), quotes + block.count(pair)


def _separator(dialect: Dialect, block: bytes) -> bytes | None:
    """The one byte that separates cells; several characters are replaced by a byte that the block does not have."""
    delimiter = dialect.delimiter.encode()
    if len(delimiter) == 1 and dialect.width > 1:
        return delimiter
    return None if b"\x1f" in block else b"\x1f"


def needs_exact(block: bytes, dialect: Dialect) -> bool:
    """Whether there is something that Polars would read in another sense, or that must be told."""
    if b"\x00" in block or dialect.space or not dialect.quote.isascii() or dialect.newline not in "\n\r":
        return True
    if dialect.escape and (escapes := block.count(dialect.escape.encode())):
        pair = (dialect.escape + dialect.quote).encode()
        if not dialect.quote or escapes != block.count(pair):
            return True
        starts = (dialect.delimiter.encode(), b"\n", b"\r")
        if block.startswith(pair) or any(start + pair in block for start in starts):
            return True  # a cell that begins with an escaped quote is not a quoted one
    if dialect.comment and _starts_a_line(dialect.comment.encode(), block):
        return True
    if dialect.width == 1 and (block.startswith((b"\n", b"\r")) or b"\n\n" in block or b"\n\r" in block or b"\r\r" in block):
        return True  # a blank line would become a row
    heads = (*dialect.header, dialect.below) if dialect.below else dialect.header
    return any(_starts_a_line(head.encode("utf-8", "surrogateescape"), block) for head in heads)


def _starts_a_line(text: bytes, block: bytes) -> bool:
    return block.startswith(text) or b"\n" + text in block or (b"\r" in block and b"\r" + text in block)


def _unix_lines(block: bytes, quotes: int, dialect: Dialect) -> tuple[bytes, int]:
    """The block as Polars can read it, and the bytes of its newline there; 0 when its lines end in several ways."""
    if dialect.newline == "\r":
        if b"\n" in block or quotes:
            return block, 0
        block = block.replace(b"\r", b"\n")
    newline = 1
    if b"\r" in block:
        returns = block.count(b"\r\n")
        if block.count(b"\r") != returns:
            return block, 0
        if quotes:
            newline = 2 if block.endswith(b"\r\n") else 1  # if some rows end otherwise, the bytes will not balance
        else:
            block = block.replace(b"\r\n", b"\n")
    return (block if block.endswith(b"\n") else block + b"\r\n"[2 - newline :]), newline


@dataclass(frozen=True)
class _Quotes:
    count: int = 0
    escaped: int = 0  # pairs that stand for one quote inside a cell
    newlines: int = 0  # inside quoted cells


def _quotes(block: bytes, count: int, separator: bytes, quote: str) -> _Quotes | None:
    """The quotes of a block, if each one opens a cell, closes one, or is doubled inside one."""
    if count == 0:
        return _Quotes()
    if count % 2:
        return None
    sign = quote.encode()
    if count > MANY_QUOTES or (count > FEW_QUOTES and "numpy" in sys.modules):
        return _many_quotes(block, separator[0], sign[0])
    return _few_quotes(block, separator, sign, count)


def _few_quotes(block: bytes, separator: bytes, sign: bytes, count: int) -> _Quotes | None:
    seen = escaped = newlines = 0
    for found in _quoted_cells(separator, sign).finditer(block):
        cell = found[0]
        inside = cell.count(sign) - 2
        seen += inside + 2
        escaped += inside // 2
        newlines += cell.count(b"\n")
    return _Quotes(count, escaped, newlines) if seen == count else None


@lru_cache(8)
def _quoted_cells(separator: bytes, sign: bytes) -> re.Pattern[bytes]:
    s, q = re.escape(separator), re.escape(sign)
    return re.compile(rb"%b(?<![^%b\n].)[^%b]*+(?>(?:%b%b[^%b]*+)*)%b(?=[%b\r\n])" % (q, s, q, q, q, q, q, s), re.DOTALL)


def _many_quotes(block: bytes, separator: int, sign: int) -> _Quotes | None:
    octets = np.frombuffer(block, np.uint8)
    places = np.flatnonzero(octets == sign)
    opening, closing = places[0::2], places[1::2]
    doubled = opening[1:] == closing[:-1] + 1
    before, after = octets[opening[1:] - 1], octets[closing[:-1] + 1]
    opens = doubled | (before == separator) | (before == 10)
    closes = doubled | (after == separator) | (after == 10) | (after == 13)
    last = octets[closing[-1] + 1]
    first_opens = opening[0] == 0 or octets[opening[0] - 1] in (separator, 10)
    if not (opens.all() and closes.all() and first_opens and last in (separator, 10, 13)):
        return None
    newlines = np.flatnonzero(octets == 10)
    inside = int((np.searchsorted(places, newlines) % 2).sum())
    return _Quotes(len(places), int(doubled.sum()), inside)


def parse(block: bytes, width: int, separator: bytes, quote: str) -> pl.DataFrame | None:
    try:
        return pl.read_csv(
            block,
            has_header=False,
            schema={str(number): pl.String for number in range(width)},
            separator=separator.decode(),
            quote_char=quote or None,
            missing_columns="insert",
        )
    except (pl.exceptions.PolarsError, OSError):  # too many cells, a stray quote, invalid UTF-8: the exact way tells
        return None


def _delivered(frame: pl.DataFrame, dialect: Dialect) -> pl.DataFrame | None:
    """The frame under its names; None when a column that should be empty is not."""
    names = dialect.columns
    if dialect.width > len(names):
        if any(frame.get_column(name).null_count() < frame.height for name in frame.columns[len(names) :]):
            return None
        frame = frame.select(frame.columns[: len(names)])
    frame = frame.rename(dict(zip(frame.columns, names, strict=False)))
    missing = names[dialect.width :]
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in missing) if missing else frame


def _lines(frame: pl.DataFrame) -> pl.Series:
    """The line each row starts at, counting the newlines inside its cells."""
    inside = frame.select(pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0))).to_series()
    height = (inside + 1).cast(pl.Int64).cum_sum()
    return height.shift(1, fill_value=0).alias("line")
