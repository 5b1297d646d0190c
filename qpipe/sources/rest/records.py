"""Records out of an answer: JSON, NDJSON, CSV, XML. Every cell is the text it is written with, nested values as JSON text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from qpipe.core.lazy import pl
from qpipe.sources.rest.pages import search

_MINUS_ZERO = re.compile(r"-0(?![.0-9eE])")


class NotReadable(ValueError):
    """The answer is not what its format says."""


class Number(str):
    """A number as it is written: 1.10 stays 1.10."""

    __slots__ = ()


def decoded(text: str, format: str) -> Any:
    """The answer as JSON has it. NotReadable says what is wrong."""
    try:
        if format == "ndjson":
            return [_json(line) for line in text.splitlines() if line.strip()]
        if format == "xml":
            return _xml(text)
        if format == "csv":
            import csv
            import io

            return [{k: v or None for k, v in row.items() if k is not None} for row in csv.DictReader(io.StringIO(text))]
        return _json(text)
    except (ValueError, RecursionError) as error:
        raise NotReadable(f"the answer is no {format}: {error}") from error


def records_of(data: Any, path: str | None) -> list[dict[str, Any]]:
    """The list of records. A single object is one record; other values are records with a column ``value``."""
    found = search(path, data) if path else data
    if found is None:
        return []
    items = found if isinstance(found, list) else [found]
    return [item if isinstance(item, dict) else {"value": item} for item in items]


def frame_of(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> pl.DataFrame:
    """The records as texts. Columns that the records bring beyond those known come last."""
    first = records[0].keys() if records else {}.keys()
    if all(record.keys() == first for record in records):  # as most answers are
        names = list(dict.fromkeys([*columns, *first]))
        return pl.DataFrame(
            [_column(n, list(map(itemgetter(n), records)) if n in first else [None] * len(records)) for n in names]
        )
    names = list(dict.fromkeys([*columns, *(name for record in records for name in record)]))
    return pl.DataFrame([_column(n, [r.get(n) for r in records]) for n in names])


def _column(name: str, values: list[Any]) -> pl.Series:
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        return pl.Series(name, values, dtype=pl.String)
    if kinds <= {int, Number}:
        return pl.Series(name, list(map(str, values)), dtype=pl.String)
    if kinds <= {int, Number, type(None)}:
        return pl.Series(name, [None if v is None else str(v) for v in values], dtype=pl.String)
    return pl.Series(name, [_text(v) for v in values], dtype=pl.String)


def _json(text: str) -> Any:
    """Numbers with a point as they are written; a whole number is always written alike, but for -0 and very long ones."""
    if not _MINUS_ZERO.search(text):
        try:
            return json.loads(text, parse_float=Number)
        except ValueError:
            pass
    return json.loads(text, parse_int=Number, parse_float=Number)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    return _written(value)


def _written(value: Any) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _xml(text: str) -> Any:
    """Elements as mappings: children by name, attributes as @name, repeated children as lists."""
    from xml.etree import ElementTree

    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a document type is not read: entities could be anything")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    return {root.tag: _element(root)}


def _element(element: Any) -> Any:
    made: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element:
        value = _element(child)
        known = made.get(child.tag)
        made[child.tag] = value if known is None else [*known, value] if isinstance(known, list) else [known, value]
    words = (element.text or "").strip()
    if not made:
        return words or None
    return {**made, **({"#text": words} if words else {})}
