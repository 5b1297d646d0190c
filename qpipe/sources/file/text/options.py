"""What a user may say about a delimited file. Whatever is said is obeyed strictly; the rest is found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

Opener = Callable[[], BinaryIO]  # opens the file anew, from its first byte


@dataclass(frozen=True)
class DelimitedOptions:
    """``None`` means: find out. An explicit value wins and is never second-guessed."""

    delimiter: str | None = None  # may have several characters
    quote: str | None = None  # "" for: no cell is quoted
    escape: str | None = None  # "" for: a quote is doubled, nothing else is escaped
    encoding: str | None = None
    newline: str | None = None  # "\n" also takes "\r\n"
    header: bool | int | None = None  # a number: so many header rows, joined
    skip_rows: int | None = None  # physical lines before the header
    comment: str | None = None  # lines that start so are left out
    nulls: tuple[str, ...] = ()  # cells that mean "nothing", beside the empty one
    columns: tuple[str, ...] | None = None  # names that replace the header's
    member: str | None = None  # of a ZIP archive; a name or a pattern
