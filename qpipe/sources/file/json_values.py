"""Rows out of JSON values: every scalar as the text it is written with, nested values as JSON text.

Whole blocks are decoded by Polars, numbers put in quotes first so that ``1.10`` stays ``1.10``. A block with anything odd
(a broken value, a nested one, a key written twice, one that no column has) goes value by value: exact and strict (RFC 8259).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Fault
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

VALUE = "value"  # the column of rows that are no objects
_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_NUMBER = r"(:[ \t\r\n]*)(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)([ \t\r\n]*[,}])"
_ODD = r"\\u[dD][89a-fA-F]|\}[ \t\r\n]*,[ \t\r\n]*\{"  # halves of signs, and two values where one should be
TRAILING = "a comma, and nothing after it"
_TOO_DEEP = "nested too deeply"


class NotJson(ValueError):
    """What is wrong, and at which sign of the text."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message, self.at = message, at


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_constant, object_pairs_hook=list)


def value_end(text: str, start: int) -> int:
    """Where the value that starts there ends. Raises NotJson."""
    return _decode(text, start)[1]


def string_end(text: str, start: int) -> int:
    """Where the string that starts there ends. Raises NotJson."""
    try:
        return int(json.decoder.scanstring(text, start + 1)[1])  # type: ignore[attr-defined]
    except json.JSONDecodeError as error:
        raise NotJson(error.msg[0].lower() + error.msg[1:], error.pos) from error


def keys_of(texts: Iterable[str]) -> list[str]:
    """The columns that these values need, in the order in which they first appear."""
    found: dict[str, None] = {}
    for text in texts:  # decides about columns, over the head of a file only
        try:
            value, _ = _decode(text, _past_space(text, 0))
        except NotJson:
            continue
        pairs = value if _is_object(text) else ()
        if not pairs:
            found.setdefault(VALUE)
        for key, _ in pairs:
            if _is_text(key):
                found.setdefault(key)
    if VALUE in found and len(found) > 1 and not any(not _is_object(t) for t in texts):
        del found[VALUE]  # it was for empty objects only
    return list(found)


def rows_of(
    texts: pl.Series, columns: Sequence[str], line_of: Callable[[int], int], new_key: str = "warning"
) -> tuple[pl.DataFrame, tuple[Fault, ...]]:
    """A row for each value, and what is to be told. ``line_of`` gives a value's line; ``new_key`` is a severity."""
    frame = _at_once(texts, columns)
    if frame is not None:
        return frame, ()
    if texts.len() > 2048:  # perhaps it is one value of many
        half = texts.len() // 2
        first, told = rows_of(texts[:half], columns, line_of, new_key)
        second, more = rows_of(texts[half:], columns, lambda row: line_of(row + half), new_key)
        moved = (replace(fault, row=(fault.row or 0) + half) for fault in more)
        return pl.concat([first, second]), (*told, *moved)
    return _one_by_one(texts.to_list(), columns, line_of, new_key)


def _at_once(texts: pl.Series, columns: Sequence[str]) -> pl.DataFrame | None:
    """All values by Polars, if it is certain that nothing is lost; else None."""
    if not texts.len() or len(set(columns)) != len(columns) or not columns:
        return None
    if texts.str.contains(_ODD).any() or not texts.str.contains(r"^[ \t\r\n]*\{").all():
        return None
    if VALUE in columns and texts.str.contains(r"^[ \t\r\n]*\{[ \t\r\n]*\}").any():
        return None  # an object without keys is a value of its own
    try:
        decoded = texts.str.replace_all(_NUMBER, '$1"$2"$3').str.json_decode(pl.Struct({name: pl.String for name in columns}))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if decoded.len() != texts.len() or decoded.null_count():
        return None
    frame = decoded.struct.unnest()
    nulls = _nulls(texts)
    # as many keys as cells: none stood twice, none is without a column; and the same for nulls, of which cells tell nothing
    keys = texts.str.count_matches(r'"[ \t\r\n]*:').sum() - nulls.height
    cells = texts.len() * len(columns) - sum(frame.null_count().row(0))
    return frame if keys == cells and _agree(nulls, frame) else None


def _nulls(texts: pl.Series) -> pl.DataFrame:
    """Every key that stands before a null: row, key."""
    held = texts.str.contains(r":[ \t\r\n]*null").arg_true()
    keys = texts.gather(held).str.extract_all(r'"(?:[^"\\]|\\.)*"[ \t\r\n]*:[ \t\r\n]*null')
    rows = pl.DataFrame({"row": held, "key": keys}).explode("key").drop_nulls()
    return rows.with_columns(pl.col("key").str.extract(r'^"((?:[^"\\]|\\.)*)"', 1))


def _agree(nulls: pl.DataFrame, frame: pl.DataFrame) -> bool:
    """Whether each null is the only value under its key, and its key a column."""
    if nulls.is_duplicated().any():
        return False
    for (key,), rows in nulls.group_by("key"):
        if key not in frame.columns or frame[str(key)].gather(rows["row"]).null_count() != rows.height:
            return False
    return True


def _one_by_one(
    texts: Sequence[str], columns: Sequence[str], line_of: Callable[[int], int], new_key: str
) -> tuple[pl.DataFrame, tuple[Fault, ...]]:
    known = {name: n for n, name in enumerate(columns)}
    cells: list[list[str | None]] = [[None] * len(texts) for _ in columns]
    faults: list[Fault] = []
    for row, text in enumerate(texts):  # only blocks with something odd in them come here
        try:
            pairs = _pairs(text)
        except NotJson as error:
            line = line_of(row) + text.count("\n", 0, error.at)
            column = error.at - text.rfind("\n", 0, error.at)
            faults.append(Fault(row, line, "not-json", f"not JSON at column {column}: {error.message}", None, text))
            continue
        faults += _fill(cells, known, row, pairs, line_of(row), text, new_key)
    return pl.DataFrame([pl.Series(n, c, pl.String) for n, c in zip(columns, cells, strict=True)]), tuple(faults)


def _fill(
    cells: list[list[str | None]],
    known: dict[str, int],
    row: int,
    pairs: list[tuple[str, str | None]],
    line: int,
    text: str,
    new: str,
) -> list[Fault]:
    faults, seen = [], set()
    for key, cell in pairs:
        if key in seen:
            said = f"the key {key!r} stands twice: the last value is taken"
            faults.append(Fault(row, line, "duplicate-key", said, key if key in known else None, text))
        seen.add(key)
        if key in known:
            cells[known[key]][row] = cell
        elif key == VALUE and not _is_object(text):
            faults.append(Fault(row, line, "no-object", "the value is no object: it has no columns", None, text))
        elif not (key == VALUE and text.strip() == "{}"):
            said = f"the key {key!r} is new: it is no column"
            faults.append(Fault(row, line, "new-key", said, None, text, new))  # type: ignore[arg-type]
    return faults


def _pairs(text: str) -> list[tuple[str, str | None]]:
    """Key and cell of one row. Raises NotJson."""
    start = _past_space(text, 0)
    value, end = _decode(text, start)
    if _past_space(text, end) != len(text):
        raise NotJson("text after the value", _past_space(text, end))
    if text[start] != "{" or not value:
        cells = [(VALUE, _cell(value, text[start:end]))]
    elif any(isinstance(item, list) for _, item in value):
        cells = _sliced(text, start)
    else:
        cells = [(key, _cell(item, "")) for key, item in value]
    for key, cell in cells:
        if not (_is_text(key) and (cell is None or _is_text(cell))):
            raise NotJson("half of a surrogate pair", text.lower().find("\\ud"))
    return cells


def _sliced(text: str, start: int) -> list[tuple[str, str | None]]:
    """The same where values are nested: they are cut out as they stand. The text is known to be JSON."""
    cells, at = [], _past_space(text, start + 1)
    while text[at] != "}":
        key, at = json.decoder.scanstring(text, at + 1)  # type: ignore[attr-defined]
        at = _past_space(text, _past_space(text, at) + 1)
        value, end = _decode(text, at)
        cells.append((key, _cell(value, text[at:end])))
        at = _past_space(text, end)
        if text[at] == ",":
            at = _past_space(text, at + 1)
    return cells


def _cell(value: Any, text: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    return text


def _decode(text: str, start: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        trailing = text[error.pos : error.pos + 1] in ("}", "]") and text[: error.pos].rstrip(" \t\r\n").endswith(",")
        said = TRAILING if trailing else error.msg[0].lower() + error.msg[1:]
        raise NotJson(said, error.pos) from error
    except RecursionError as error:
        raise NotJson(_TOO_DEEP, start) from error
    except ValueError as error:
        raise NotJson(str(error), max(start, text.find(str(error).split(" ")[0], start))) from error


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found
    return found.end()


def _is_object(text: str) -> bool:
    return text.startswith("{", _past_space(text, 0))


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)
