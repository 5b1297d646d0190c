"""The list of records in an answer, parted from what stands around it, without reading the records."""

from __future__ import annotations

import re
from typing import Any

from qpipe.core.paths import search
from qpipe.sources.rest.records import NotReadable, decoded

_NAMES = re.compile(r"(?:\$\.)?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
LONGEST_GAP = 100  # characters between the last record and the bracket that closes the list
_STAND_IN = "\ue000"
_BLANKS = " \t\r\n"


def is_plain(path: str) -> bool:
    """Whether a path is names alone, as ``data.items``."""
    return bool(_NAMES.fullmatch(path))


def is_apart(path: str, records: str) -> bool:
    """Whether a path of an answer leads to something beside its records."""
    one, other = path.removeprefix("$."), records.removeprefix("$.")
    return is_plain(path) and one != other and not one.startswith(f"{other}.")


def parted(text: str, path: str) -> tuple[Any, str] | None:
    """The answer with an empty list for its records, and their text; None where a quick look does not find it.

    If the text found is a list of JSON, this is what decoding all of it would give: a stand-in was read at its place.
    """
    start = re.search(rf'"{path.rpartition(".")[2]}"[ \t\r\n]*:[ \t\r\n]*(?=\[)', text)
    if start is None or _STAND_IN in text:
        return None
    begin, stop = start.end(), _end(text, start.end())
    try:
        around = decoded(f'{text[:begin]}["{_STAND_IN}"]{text[stop:]}', "json")
    except NotReadable:
        return None
    found = search(path, around)
    if found != [_STAND_IN]:
        return None
    found.clear()
    return around, text[begin:stop]


def _end(text: str, start: int) -> int:
    """Where a list of objects seems to end: after the first bracket that closes behind an object, or behind nothing."""
    stop = start
    while (stop := text.find("]", stop) + 1) > 0:
        if text[max(start, stop - LONGEST_GAP) : stop - 1].rstrip(_BLANKS)[-1:] in ("}", "["):
            return stop
    return start
