"""Stands in for qpipe.core.types until it lands. To be deleted then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from qpipe.core.lazy import pl


@dataclass(frozen=True)
class DataType:
    kind: str
    dtype: Any

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "float", "decimal")

    def polars(self) -> Any:
        return self.dtype


def parse_type(word: str) -> DataType:
    if m := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", word):
        return type_of(pl.Decimal(int(m[1]), int(m[2])))
    if m := re.fullmatch(r"list<(.*)>", word):
        return type_of(pl.List(parse_type(m[1]).dtype))
    words = {
        "int": pl.Int64,
        "integer": pl.Int64,
        "float": pl.Float64,
        "number": pl.Float64,
        "string": pl.String,
        "bool": pl.Boolean,
        "date": pl.Date,
        "datetime": pl.Datetime("us"),
        "time": pl.Time,
        "duration": pl.Duration("us"),
        "binary": pl.Binary,
    }
    dtype = words[word]
    return type_of(dtype() if isinstance(dtype, type) else dtype)


def type_of(dtype: Any) -> DataType:
    tests = [
        ("integer", dtype.is_integer()),
        ("float", dtype.is_float()),
        ("decimal", dtype.is_decimal()),
        ("string", dtype == pl.String),
        ("bool", dtype == pl.Boolean),
        ("date", dtype == pl.Date),
        ("datetime", dtype == pl.Datetime),
        ("time", dtype == pl.Time),
        ("duration", dtype == pl.Duration),
        ("binary", dtype == pl.Binary),
        ("list", dtype == pl.List),
        ("struct", dtype == pl.Struct),
    ]
    return DataType(next((kind for kind, hit in tests if hit), "any"), dtype)
