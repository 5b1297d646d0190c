"""Reading delimited text: chunks of text cells that restart anywhere, every repair told, nothing lost in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from qpipe.core.batch import Original
from qpipe.core.errors import ChangedInput, DataRefused
from qpipe.core.lazy import pl
from qpipe.sources.file.chunk import Chunk, Fault
from qpipe.sources.file.text.ahead import Ahead
from qpipe.sources.file.text.blocks import Window
from qpipe.sources.file.text.compression import members, open_bytes
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.encoding import Encoding, Utf8Stream
from qpipe.sources.file.text.exact import read_exact
from qpipe.sources.file.text.options import DelimitedOptions, Opener
from qpipe.sources.file.text.parsed import Parsed
from qpipe.sources.file.text.sniff import sniff
from qpipe.sources.file.text.stretch import AHEAD, NeedMore
from qpipe.sources.file.text.strict import Rows
from qpipe.sources.file.text.typed import Wanted

BLOCK = 16 << 20  # bytes parsed at once: fewer blocks cost less beside their rows, larger ones need more memory
PIECE = 1 << 18  # bytes that go the exact way together when a block is not well-formed
LONGEST = 64 << 20  # bytes of one record

ROWS_PER_CHUNK = 50_000


def read_delimited(
    opener: Opener,
    options: DelimitedOptions | None = None,
    position: dict[str, Any] | None = None,
    rows_per_chunk: int = ROWS_PER_CHUNK,
    *,
    name: str = "input",
    block_size: int = BLOCK,
    wanted: Wanted | None = None,
) -> Iterator[Chunk]:
    """The rows of a delimited file as text, in its order, from a chunk's ``position`` or from the start.

    ``wanted`` allows some columns only, and typed ones: a chunk then has its rows as text in ``original``.
    Neither ``rows_per_chunk`` nor ``block_size`` nor a restart changes what is read. Memory is bounded by the block.
    Raises DataRefused where the file is no delimited text, is empty, or a record has no end.
    """
    options = options or DelimitedOptions()
    parts: list[str | None] = [*members(opener, name, options.member)] or [None]
    first = (position or {}).get("member", 0)
    columns: tuple[str, ...] | None = None
    for number, member in enumerate(parts):
        place = name if member is None or len(parts) == 1 else f"{name}/{member}"
        dialect = sniff(opener, options, name=place, member=member)
        columns = columns or dialect.columns
        if dialect.columns != columns:
            raise DataRefused(f"the columns are not those of {parts[0]}", hint="choose one with member", file=place)
        if number >= first:
            start = position if position and number == first else None
            reader = _Reader(opener, dialect, options, place, member, start, block_size, wanted)
            several = len(parts) > 1
            for chunk in reader.chunks(rows_per_chunk, {"member": number} if several else {}):
                yield replace(chunk, file=place) if several else chunk


@dataclass(frozen=True)
class Preview:
    """The head of a file: what it was found to be, its first rows, and what is to be told of them."""

    dialect: Dialect
    frame: pl.DataFrame
    faults: tuple[Fault, ...]


def preview(opener: Opener, options: DelimitedOptions | None = None, rows: int = 20, *, name: str = "input") -> Preview:
    """The first rows of a file and its dialect."""
    options = options or DelimitedOptions()
    found = members(opener, name, options.member)
    dialect = sniff(opener, options, name=name, member=found[0] if found else None)
    chunk = next(read_delimited(opener, options, rows_per_chunk=rows, name=name, block_size=PIECE))
    return Preview(dialect, chunk.frame, chunk.faults)


class _Reader:
    """One stream from a position on."""

    def __init__(
        self,
        opener: Opener,
        dialect: Dialect,
        options: DelimitedOptions,
        name: str,
        member: str | None,
        position: dict[str, Any] | None,
        block_size: int,
        wanted: Wanted | None = None,
    ) -> None:
        self.dialect, self.options, self.name = dialect, options, name
        self.block_size, self.piece = block_size, min(PIECE, block_size)
        start = position or {"offset": dialect.start, "skip": 0, "line": dialect.line}
        self.skip, self.line, self.ended = start["skip"], start["line"], start.get("ended", False)
        self.fresh = position is None
        self._open = lambda: Utf8Stream(
            open_bytes(opener, name, member), Encoding(dialect.encoding, dialect.mark, wrapped=dialect.wrapped)
        )
        self.stream = self._open()
        self.stream.skip(start["offset"])
        self.window = Window(self.stream, start["offset"])
        typed = wanted if not options.nulls else None  # which cells mean nothing is said of texts
        self.ahead = Ahead(self.window, block_size, dialect, typed, self._anew, side_by_side=block_size >= BLOCK)
        self.pieces = Ahead(self.window, self.piece, dialect, None, self._anew, side_by_side=False)
        self.careful_until = 0  # up to here a block was not well-formed: piece by piece

    def chunks(self, rows_per_chunk: int, base: dict[str, Any]) -> Iterator[Chunk]:
        """The rows in chunks; at least one chunk at a file's beginning, so that its columns are known."""
        faults = self.dialect.faults if self.fresh else ()
        try:
            pending: Chunk | None = None
            while not self.ended and not self.ahead.ended:
                before = {**base, "offset": self.ahead.offset, "line": self.line}
                rows = self._finish(self._next())
                after = {**base, "offset": self.ahead.offset, "skip": 0, "line": self.line}
                if self.ended:
                    after["ended"] = True
                for chunk in self._slices(rows, rows_per_chunk, before, after):
                    if chunk.frame.height or not pending:
                        if pending:
                            yield pending
                        pending = replace(chunk, faults=faults + chunk.faults)
                    else:  # what is told of skipped lines goes with the rows before
                        pending = replace(pending, position=chunk.position, faults=pending.faults + faults + chunk.faults)
                    faults = ()
            if pending:
                yield pending
            elif self.fresh:
                end = {**base, "offset": self.ahead.offset, "skip": 0, "line": self.line, "ended": True}
                yield Chunk(_empty(self.dialect), end, self.line, faults=faults)
        finally:
            self.ahead.close()
            self.stream.close()

    def _next(self) -> Rows:
        """The rows of the next stretch: a whole block if it is proven well-formed, else a piece, perhaps record by record."""
        careful = self.ahead.offset < self.careful_until
        rows = (self.pieces if careful else self.ahead).rows(self.line)
        if rows is None and not careful and self.window.visible > self.piece:
            self.careful_until = self.window.offset + self.block_size
            return self._next()
        if rows is None:
            rows = self._exact()
            self.window.advance(rows.size)
        self.line = rows.next_line
        return rows

    def _exact(self) -> Rows:
        reach = self.piece + 4 * AHEAD  # in bytes, of which a character has at most four
        while True:
            data = self.window.look(min(self.window.fill(reach), reach))
            whole = self.window.ended and len(data) == self.window.visible
            text = data.decode("utf-8", "surrogateescape")
            limit = len(data[: self.piece].decode("utf-8", "surrogateescape"))
            try:
                parsed = read_exact(text, limit, whole, self.dialect, self.line)
                break
            except NeedMore:
                if reach >= LONGEST:
                    raise self._endless() from None
                reach = min(8 * reach, LONGEST)
        size = len(text[: parsed.end].encode("utf-8", "surrogateescape"))
        return Rows(
            _frame(parsed, self.dialect),
            size,
            parsed.line,
            parsed.lines[0] if parsed.lines else parsed.line,
            pl.Series("line", parsed.lines, pl.Int64),
            tuple(parsed.faults),
            parsed.ended,
        )

    def _anew(self, offset: int, size: int) -> bytes:
        """A stretch of the text that was read before."""
        with closing(self._open()) as stream:
            stream.skip(offset)
            found = stream.read(size)
        if len(found) != size:
            raise ChangedInput(
                "the file became shorter while it was read", file=self.name, hint="run again, when nobody writes it"
            )
        return found

    def _endless(self) -> DataRefused:
        return DataRefused(
            f"a record that starts here or soon after has no end within {LONGEST >> 20} MB",
            hint="is this delimited text? is a quote not closed?",
            file=self.name,
            line=self.line,
        )

    def _finish(self, rows: Rows) -> Rows:
        """Nulls as the user names them; and at the file's end, what is to be told of it."""
        if self.options.nulls:
            named = pl.all().is_in(list(self.options.nulls))
            rows = replace(rows, frame=rows.frame.with_columns(pl.when(~named.fill_null(False)).then(pl.all())))
        if rows.ended:
            self.ended = True
            return replace(rows, faults=(*rows.faults[:-1], self._with_extent(rows.faults[-1])))
        if self.ahead.ended:
            return replace(rows, faults=rows.faults + self._at_the_end(rows))
        return rows

    def _with_extent(self, fault: Fault) -> Fault:
        """A fault about the rest of the file, which says how far it goes."""
        newline, count, last = self.dialect.newline.encode(), 0, b""
        while size := self.window.fill(1 << 20):
            data = self.window.look(size)
            count += data.count(newline)
            last = data
            self.window.advance(size)
        end = fault.line + count - (1 if last.endswith(newline) else 0)
        lines = f"line {fault.line}" if end <= fault.line else f"lines {fault.line} to {end}"
        return replace(fault, message=f"{fault.message} ({lines})")

    def _at_the_end(self, rows: Rows) -> tuple[Fault, ...]:
        """A total in place of a last row; a file that ends in the middle."""
        told: list[Fault] = []
        last = rows.frame.height - 1
        line = rows.next_line - 1 if rows.lines is None else (rows.lines[-1] if last >= 0 else rows.first_line)
        if last >= 0 and self.dialect.tables and _is_total(rows.texts(last)):
            told.append(Fault(last, line, "totals-row", "the last row is a total, not a record of its own"))
        if self.stream.torn:
            told.append(Fault(None, self.line, "torn-file", f"{self.stream.torn}; it could be read up to line {self.line}"))
            if last >= 0 and not self.window.ends_with(self.dialect.newline.encode()):
                told.append(Fault(last, line, "cut-off-row", "the file was cut off in this row"))
        return tuple(told)

    def _slices(self, rows: Rows, most: int, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Chunk]:
        """A stretch in chunks of at most so many rows, from the row a restart is at."""
        height, skip = rows.frame.height, self.skip
        self.skip = 0
        for start in range(skip, height, most) if height > skip else [skip]:
            stop = min(start + most, height)
            last = stop >= height
            yield Chunk(
                rows.frame.slice(start, max(0, stop - start)),
                after if last else {**before, "skip": stop},
                *_places(rows, start, stop),
                faults=_faults(rows, start, stop, first=start == 0, last=last),
                original=_shifted(rows.original, start),
                let_go=rows.let_go,
            )


def _shifted(original: Original | None, start: int) -> Original | None:
    return None if original is None else lambda offsets: original(offsets + start)


_TOTAL = re.compile(r"\W*(?:(?:grand|sub)[ -]?)?(?:totals?|sum|summe|gesamt|somme|suma|totale)\b\W*", re.IGNORECASE)


def _is_total(row: tuple[str | None, ...]) -> bool:
    """Whether a row says so in its first cell and leaves another empty."""
    filled = [cell for cell in row if cell]
    return len(row) > 2 and bool(filled) and len(filled) < len(row) and bool(_TOTAL.fullmatch(filled[0]))


def _places(rows: Rows, start: int, stop: int) -> tuple[int | None, pl.Series | None]:
    """The line of the first row, or the lines of all where a row may be several."""
    if rows.lines is None:
        return rows.first_line + start, None
    lines = rows.lines.slice(start, max(0, stop - start))
    if not len(lines):
        return rows.first_line, None
    if lines[-1] - lines[0] == len(lines) - 1:
        return lines[0], None
    return None, lines


def _faults(rows: Rows, start: int, stop: int, *, first: bool, last: bool) -> tuple[Fault, ...]:
    if not rows.faults:
        return ()
    lines = rows.lines
    low = 0 if first or lines is None else lines[start]
    high = None if last or lines is None else lines[stop]
    told = []
    for fault in rows.faults:
        if fault.row is None:
            if fault.line >= low and (high is None or fault.line < high):
                told.append(fault)
        elif start <= fault.row < stop:
            told.append(replace(fault, row=fault.row - start))
    return tuple(told)


def _frame(parsed: Parsed, dialect: Dialect) -> pl.DataFrame:
    names = dialect.columns
    columns = list(zip(*parsed.rows, strict=True)) if parsed.rows else [()] * dialect.width
    filled = [*columns[: len(names)], *[(None,) * len(parsed.rows)] * (len(names) - len(columns))]
    return pl.DataFrame([pl.Series(n, list(c), pl.String) for n, c in zip(names, filled, strict=True)])


def _empty(dialect: Dialect) -> pl.DataFrame:
    return pl.DataFrame(schema={column: pl.String for column in dialect.columns})
