"""Where a table begins and ends in a text: preamble, header rows, footnotes, further tables."""

from __future__ import annotations

from qpipe.sources.file.text.dialect import Dialect


def table_end(ahead: str, whole: bool, dialect: Dialect, *, blank: bool) -> tuple[str, str] | None:
    return None
