"""Records out of an answer: JSON, NDJSON, CSV, XML. Every cell is the text it is written with, nested values as JSON text.

Numbers and bools of JSON that a contract wants as such are taken as they are: reading their text would give the same. Python
does not keep how a number with a point was written, so where one stands elsewhere the answer is decoded once more, as text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Original
from qpipe.core.json_written import Inexact, Number, written
from qpipe.core.lazy import pl
from qpipe.core.paths import search
from qpipe.core.xml_elements import document

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

_VALUES: dict[str, set[type]] = {"int": {int}, "int64": {int}, "float": {int, float}, "float64": {int, float}, "bool": {bool}}
_MINUS_ZERO = re.compile(r"-0(?![.0-9eE])")


class NotReadable(ValueError):
    """The answer is not what its format says."""


def decoded(text: str, format: str, *, exact: bool = True) -> Any:
    """The answer as JSON has it; not ``exact``: with plain floats. NotReadable says what is wrong."""
    try:
        if format == "ndjson":
            return [_json(line, exact) for line in text.splitlines() if line.strip()]
        if format == "xml":
            return document(text)
        if format == "csv":
            import csv
            import io

            return [{k: v or None for k, v in row.items() if k is not None} for row in csv.DictReader(io.StringIO(text))]
        return _json(text, exact)
    except (ValueError, RecursionError) as error:
        raise NotReadable(f"the answer is no {format}: {error}") from error


def records_of(data: Any, path: str | None) -> list[dict[str, Any]]:
    """The list of records. A single object is one record; other values are records with a column ``value``."""
    found = search(path, data) if path else data
    if found is None:
        return []
    items = found if isinstance(found, list) else [found]
    return [item if isinstance(item, dict) else {"value": item} for item in items]


@dataclass(frozen=True)
class Answer:
    """The text of an answer, and how it is read."""

    text: str
    format: str
    path: str | None  # where its records are

    def decoded(self, exact: bool) -> tuple[Any, list[dict[str, Any]]]:
        """All of it, and its records. NotReadable."""
        data = decoded(self.text, self.format, exact=exact)
        return data, records_of(data, self.path)

    def rows(self, start: int, stop: int, columns: Sequence[str]) -> Original:
        """Some of its records as they are written."""
        return lambda offsets: texts_of(self.decoded(True)[1][start:stop], columns)[offsets]


def frame_of(
    records: Sequence[dict[str, Any]], columns: Sequence[str], contract: Mapping[str, DataType] | None = None
) -> pl.DataFrame | None:
    """The records as texts, or as the contract's numbers and bools. Columns that they bring beyond those known come last.

    None: a float stands where its text is needed.
    """
    made = [_column(name, values, (contract or {}).get(name)) for name, values in _cells(records, columns)]
    return None if any(column is None for column in made) else pl.DataFrame(made)


def _cells(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """Every column's name and values."""
    first = records[0] if records else {}
    if set(map(len, records)) <= {len(first)}:
        try:  # as most answers are: all records have the same keys
            held = {name: list(map(itemgetter(name), records)) for name in first}
            nothing: list[Any] = [None] * len(records)
            return [(name, held.get(name, nothing)) for name in dict.fromkeys([*columns, *first])]
        except KeyError:
            pass
    names = dict.fromkeys([*columns, *(name for record in records for name in record)])
    return [(name, [record.get(name) for record in records]) for name in names]


def texts_of(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> pl.DataFrame:
    """The records of an answer that was decoded exactly, as texts."""
    frame = frame_of(records, columns)
    assert frame is not None
    return frame


def _column(name: str, values: list[Any], wanted: DataType | None) -> pl.Series | None:
    kinds = set(map(type, values)) - {type(None)}
    if wanted is not None and kinds <= _VALUES.get(wanted.name, set()) and (found := _typed(name, values, wanted)) is not None:
        return found
    if kinds <= {str}:
        return pl.Series(name, values, dtype=pl.String)
    if kinds <= {int, Number}:
        return pl.Series(name, [None if v is None else str(v) for v in values], dtype=pl.String)
    try:
        return pl.Series(name, [_text(v) for v in values], dtype=pl.String)
    except Inexact:
        return None


def _typed(name: str, values: list[Any], wanted: DataType) -> pl.Series | None:
    """None where a number is too great for its type: what is said of it needs its text."""
    try:
        made = pl.Series(name, values, dtype=wanted.polars())
    except (OverflowError, TypeError, pl.exceptions.PolarsError):
        return None
    return None if {math.inf, -math.inf} & {made.min(), made.max()} else made


def _json(text: str, exact: bool) -> Any:
    """Numbers with a point as they are written; a whole number is always written alike, but for -0 and very long ones."""
    if not _MINUS_ZERO.search(text):
        try:
            return json.loads(text, parse_float=Number, parse_constant=Number) if exact else json.loads(text)
        except ValueError:
            pass
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    return written(value)
