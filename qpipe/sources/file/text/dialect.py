"""What a delimited file was found to be; everything a reader must know before the first row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.grammar import Grammar
from qpipe.sources.file.text.looks import Looks


@dataclass(frozen=True)
class Dialect:
    delimiter: str = ","
    quote: str = '"'  # "": no cell is quoted
    escape: str = ""  # "": a quote inside quotes is doubled
    space: bool = False  # blanks may stand before a quote
    newline: str = "\n"  # "\n" also takes "\r\n"
    encoding: str = "utf-8"
    mark: int = 0  # bytes of the byte order mark
    wrapped: bool = False  # whether its lines are quoted as a whole
    compression: str | None = None
    columns: tuple[str, ...] = ()  # the names delivered
    width: int = 0  # cells in a row as they stand; more than columns: the last ones are always empty
    kinds: tuple[str | None, ...] = ()  # number, date or None, of each cell
    looks: Looks = ()  # of the columns; none where the rows are too few to tell
    dressed: bool = False  # whether it is this file's habit to put blanks after delimiters or other quotes around cells
    header: tuple[str, ...] = ()  # the header's line, as it stands and without quotes: repeated, it is no row
    opening: tuple[tuple[str | None, ...], ...] = ()  # the first rows: after a repeated header, the same table again
    plain: tuple[int, ...] = ()  # columns where every number or date begins with a digit or sign: a letter there is looked at
    below: str = ""  # the line where another table of the same width begins, seen in the file's beginning
    start: int = 0  # bytes of UTF-8 before the first row
    line: int = 1  # the line of the first row
    comment: str | None = None
    fixed: frozenset[str] = frozenset()  # options that the user gave: no repair may bend them
    tables: bool = True  # footnotes and further tables are looked for
    faults: tuple[Fault, ...] = ()

    @cached_property
    def grammar(self) -> Grammar:
        return Grammar(self.delimiter, self.quote, self.escape, self.space)
