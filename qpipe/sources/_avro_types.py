"""What Avro's types are here: exact decimals, times in UTC; maps, unions of several types, lists, records are JSON text."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

_WORDS = {"boolean": "bool", "int": "int32", "long": "int64", "float": "float32", "double": "float64", "bytes": "binary",
          "fixed": "binary", "string": "string", "enum": "string", "null": "string"}  # fmt: skip
_LOGICAL = {"date": "date", "time-millis": "time", "time-micros": "time", "uuid": "string",
            "timestamp-millis": "datetime(ms, UTC)", "timestamp-micros": "datetime(us, UTC)",
            "local-timestamp-millis": "datetime(ms)", "local-timestamp-micros": "datetime(us)"}  # fmt: skip


def missing() -> Iterator[tuple[str, str]]:
    if importlib.util.find_spec("fastavro") is None:
        yield "format", "to read Avro, fastavro is needed: pip install 'qpipe[avro]'"


def columns_of(schema: Mapping[str, Any]) -> dict[str, DataType]:
    """The columns of a record's schema."""
    from qpipe.core.types import DataType

    return {field["name"]: DataType.parse(_word(field["type"])) for field in schema["fields"]}


def series(name: str, type: DataType, records: Sequence[Mapping[str, Any]]) -> pl.Series:
    """One column of these records, null where one has none."""
    cells = [record.get(name) for record in records]
    if type.name == "string":
        cells = [_text(cell) for cell in cells]
    return pl.Series(name, cells, dtype=type.polars())


def said(error: Exception) -> str:
    """The library's words, or the error's name."""
    words = str(error).strip().partition("\n")[0]
    return words or type(error).__name__


def _word(kind: Any) -> str:
    """The type word of a field's type. What is no scalar is JSON text."""
    if isinstance(kind, list):
        rest = [each for each in kind if each != "null"]
        return _word(rest[0]) if len(rest) == 1 else "string"
    if isinstance(kind, str):
        return _WORDS.get(kind, "string")
    logical = kind.get("logicalType")
    if logical == "decimal":
        return f"decimal({min(kind['precision'], 38)},{kind.get('scale', 0)})"
    if logical in _LOGICAL:
        return _LOGICAL[logical]
    return _word(kind["type"]) if kind["type"] not in ("array", "map", "record", "error") else "string"


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False, default=_plain) if isinstance(cell, (dict, list, bool)) else str(cell)


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else str(value)
