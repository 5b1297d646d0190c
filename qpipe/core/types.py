"""The type words of a contract, and what a text must look like to be a value of one.

    order_id: int          amount: decimal(12,2)       seen: datetime(UTC)       tags: list(string)

``DataType.parse`` reads a word, ``DataType.of`` names a Polars type, ``parse_text`` of ``core/parse.py`` is the cast from text
under a contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

Kind = Literal[
    "integer", "float", "decimal", "string", "bool", "date", "datetime", "time", "duration", "binary", "list", "struct", "any"
]

_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64, 128))
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("int", *_INTEGERS), "integer"),
    **dict.fromkeys(("float", "float32", "float64"), "float"),
    "decimal": "decimal", "string": "string", "json": "string", "bool": "bool", "date": "date", "datetime": "datetime",
    "time": "time", "duration": "duration", "binary": "binary", "list": "list", "struct": "struct", "any": "any",
}  # fmt: skip
_ALIASES = {
    "integer": "int", "bigint": "int", "smallint": "int16", "tinyint": "int8", "number": "float", "double": "float",
    "real": "float32", "numeric": "decimal", "text": "string", "str": "string", "varchar": "string", "boolean": "bool",
    "timestamp": "datetime", "array": "list",
}  # fmt: skip
_UNITS = ("ms", "us", "ns")
_MOST_DIGITS = 38


@dataclass(frozen=True)
class DataType:
    """A type as a contract names it. ``str()`` gives the word back."""

    name: str
    args: tuple[Any, ...] = ()  # decimal: (precision, scale); datetime: (unit, time zone or None)
    format: str | None = None  # how dates and times are written: "%d.%m.%Y"
    inner: DataType | None = None  # of a list
    fields: tuple[tuple[str, DataType], ...] = ()  # of a struct

    @classmethod
    def parse(cls, word: str, format: str | None = None) -> DataType:
        """The type a word stands for: ``decimal(12,2)``, ``list(int)``. ValueError says what is wrong with it."""
        found = re.fullmatch(r"\s*([A-Za-z]\w*)\s*(?:[(<](.*)[)>])?\s*", str(word), re.S)
        if not found:
            raise ValueError(f"'{word}' is no type word")
        name, inside = found[1].lower(), found[2]
        name = _ALIASES.get(name, name)
        if name not in _KINDS:
            raise ValueError(f"no type is named '{found[1]}'.{did_you_mean(name, [*_KINDS, *_ALIASES])}")
        args = [part.strip() for part in _split(inside)] if inside is not None else []
        if name not in _WITH_ARGS:
            if args and not (found[1].lower() == "varchar" and inside and inside.strip().isdigit()):
                raise ValueError(f"{name} takes nothing in parentheses")
            return cls(name, format=format)._readable()
        return cls(name, format=format, **_WITH_ARGS[name](args))._readable()

    def _readable(self) -> DataType:
        from qpipe.core.date_formats import unreadable

        if self.format and self.kind in ("date", "datetime", "time") and (why := unreadable(self.format, self.kind)):
            raise ValueError(f"the format '{self.format}' {why}")
        return self

    @classmethod
    def of(cls, dtype: Any) -> DataType:
        """The type of a Polars column."""
        base = dtype.base_type()
        if base == pl.Decimal:
            return cls("decimal", (dtype.precision or _MOST_DIGITS, dtype.scale))
        if base == pl.Datetime:
            return cls("datetime", (dtype.time_unit or "us", dtype.time_zone))
        if base == pl.List or base == pl.Array:
            return cls("list", inner=cls.of(dtype.inner))
        if base == pl.Struct:
            return cls("struct", fields=tuple((field.name, cls.of(field.dtype)) for field in dtype.fields))
        name = str(base).lower()
        return cls(_FROM_POLARS.get(name, name if name in _KINDS else "any"))

    @property
    def kind(self) -> Kind:
        return _KINDS[self.name]

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "float", "decimal")

    @property
    def zone(self) -> str | None:
        """The time zone of a datetime; None for wall-clock time and for everything else."""
        return self.args[1] if self.name == "datetime" and self.args else None

    def polars(self) -> Any:
        """The Polars type of such a column."""
        if self.name in _INTEGERS:
            return getattr(pl, self.name.title().replace("Ui", "UI"))()
        if self.name == "decimal":
            return pl.Decimal(*self.args)
        if self.name == "datetime":
            return pl.Datetime(self.args[0] if self.args else "us", self.zone)
        if self.name == "list":
            return pl.List(self.inner.polars() if self.inner else pl.Null())
        if self.name == "struct":
            return pl.Struct([pl.Field(name, type.polars()) for name, type in self.fields])
        return getattr(pl, _TO_POLARS[self.name])()

    def describe(self) -> str:
        """For people: ``date written %d.%m.%Y``."""
        return f"{self} written {self.format}" if self.format else str(self)

    def __str__(self) -> str:
        if self.name == "datetime" and self.args:
            shown = [part for part in (self.args[0] if self.args[0] != "us" else None, self.zone) if part]
            return f"datetime({', '.join(shown)})" if shown else "datetime"
        if self.name == "list":
            return f"list({self.inner or 'any'})"
        if self.name == "struct" and self.fields:
            return f"struct({', '.join(f'{name}: {type}' for name, type in self.fields)})"
        return f"{self.name}({','.join(map(str, self.args))})" if self.args else self.name


def comparable(a: DataType, b: DataType) -> bool:
    """Can ``a < b`` have an answer? A number with a number, like with like, a date with a datetime, ``any`` with anything."""
    if "any" in (a.kind, b.kind) or (a.is_number and b.is_number):
        return True
    if {a.kind, b.kind} <= {"date", "datetime"}:
        return a.kind != b.kind or (a.zone is None) == (b.zone is None)
    return a.kind == b.kind


def did_you_mean(word: str, known: list[str]) -> str:
    """`` Did you mean 'decimal'?`` or nothing."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6) or [name for name in known if name.lower() == word.lower()]
    return f" Did you mean '{near[0]}'?" if near else ""


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside parentheses."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "(<") - (char in ")>")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _decimal_args(args: list[str]) -> dict[str, Any]:
    numbers = args or ["38", "10"]
    if len(numbers) > 2 or not all(re.fullmatch(r"[0-9]{1,3}", number) for number in numbers):
        raise ValueError("decimal takes its digits and those after the point: decimal(12,2)")
    precision, scale = int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0
    if not 1 <= precision <= _MOST_DIGITS:
        raise ValueError(f"decimal has 1 to {_MOST_DIGITS} digits, not {precision}")
    if scale > precision:
        raise ValueError(f"decimal({precision},{scale}): more digits after the point than digits")
    return {"args": (precision, scale)}


def _datetime_args(args: list[str]) -> dict[str, Any]:
    unit = args.pop(0) if args and args[0] in _UNITS else "us"
    if len(args) > 1:
        raise ValueError("datetime takes a time zone: datetime(UTC)")
    if not args:
        return {"args": (unit, None)}
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(args[0].strip("'\""))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(args[0], sorted(zoneinfo.available_timezones()))
        raise ValueError(f"no time zone is named '{args[0]}'.{near}") from None
    return {"args": (unit, args[0].strip("'\""))}


def _list_args(args: list[str]) -> dict[str, Any]:
    if len(args) > 1:
        raise ValueError("list takes the type of its items: list(int)")
    return {"inner": DataType.parse(args[0]) if args else DataType("any")}


def _struct_args(args: list[str]) -> dict[str, Any]:
    fields = []
    for arg in args:
        name, _, word = arg.partition(":")
        if not name.strip() or not word:
            raise ValueError("struct takes its fields: struct(city: string, zip: string)")
        fields.append((name.strip(), DataType.parse(word)))
    return {"fields": tuple(fields)}


_WITH_ARGS: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "decimal": _decimal_args,
    "datetime": _datetime_args,
    "list": _list_args,
    "struct": _struct_args,
}
_TO_POLARS = {
    "int": "Int64", "float": "Float64", "float32": "Float32", "float64": "Float64", "string": "String", "json": "String",
    "bool": "Boolean", "date": "Date", "time": "Time", "duration": "Duration", "binary": "Binary", "any": "Null",
}  # fmt: skip
_FROM_POLARS = {
    "int64": "int", "float64": "float", "boolean": "bool", "categorical": "string", "enum": "string", "null": "any",
}  # fmt: skip

parse_type, type_of = DataType.parse, DataType.of
