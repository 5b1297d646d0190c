"""What arguments and results of functions may be, in types and in words; and functions that only the caller knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.core.expression.literals import ANY, BOOL, DATE, DATETIME, FLOAT, INT, TEXT
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ContextFunction:
    """A function that only the caller knows: ``failed(error, 'amount')``. Its arguments are words, not expressions.

    ``build`` gets the words as text and gives the expression; ``check`` says what is wrong with them, or None.
    """

    build: Callable[..., pl.Expr]
    type: DataType = ANY
    check: Callable[..., str | None] = lambda *words: None


Extra = Mapping[str, "ContextFunction | Callable[..., pl.Expr]"]

ARTICLES = {
    "integer": "a number", "float": "a number", "decimal": "a number", "string": "text", "bool": "true or false",
    "date": "a date", "datetime": "a datetime", "time": "a time", "duration": "an interval", "binary": "bytes",
    "list": "a list", "struct": "a struct",
}  # fmt: skip
ALLOWED: dict[str, tuple[str, ...]] = {
    "text": ("string",), "string": ("string", "integer", "float", "decimal", "bool", "date", "datetime", "time"),
    "number": ("integer", "float", "decimal"), "int": ("integer",), "bool": ("bool",), "moment": ("date", "datetime"),
    "clock": ("datetime", "time", "date"), "interval": ("duration",), "list": ("list",),
}  # fmt: skip
WORDS = {
    "text": "text", "string": "a value", "number": "a number", "int": "a whole number", "bool": "true or false",
    "moment": "a date or datetime", "clock": "a time or datetime", "interval": "an interval", "list": "a list",
}  # fmt: skip
NULLS = {
    "text": TEXT, "string": TEXT, "number": FLOAT, "int": INT, "bool": BOOL, "moment": DATETIME, "clock": DATETIME,
    "list": DataType("list", inner=INT),
}  # fmt: skip
RESULTS = {"text": TEXT, "int": INT, "float": FLOAT, "bool": BOOL, "date": DATE, "datetime": DATETIME}
