"""The type words of a contract, and what a text must look like to be a value of one.

    order_id: int          amount: decimal(12,2)       seen: datetime(UTC)       tags: list(string)

``DataType.parse`` reads a word, ``DataType.of`` names a Polars type, ``parse_text`` is the cast from text under a contract:
it never rewrites a value, so what does not fit exactly is null and becomes a finding.
"""

from __future__ import annotations

import functools
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
            return cls(name, format=format)
        return cls(name, format=format, **_WITH_ARGS[name](args))

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


# ── text → value ──────────────────────────────────────────────────────────────────────────────────────────────────────

Reader = Callable[["pl.Series", DataType], "pl.Series"]  # null where a text is no value of the type


def parse_text(column: pl.Expr, type: DataType, format: str | None = None) -> pl.Expr:
    """A text column as values of a type; null where a text is not exactly one. Blanks around a value do not matter.

    integer   007  +5  -3, not 1.0, 1e3, 1,000 or 1_000          float     1.5  1e3  NaN  inf, not 1e999
    decimal   1.50  .5, all digits kept, no exponent             bool      true t yes y 1, false f no n 0, any case
    date      2026-01-31                                         datetime  2026-01-31T12:00:00  2026-01-31 12:00:00.5
    time      12:30  12:30:59.5                                  duration  36:00:00  PT36H  P1DT12H
    json      any valid JSON text, kept as it is                 binary    the bytes of the text, as UTF-8

    ``format`` says how dates and times are written. A datetime with a zone takes ``Z`` or an offset and is converted; without
    either it is wall-clock time there. A datetime without a zone refuses both. Years are 1 to 9999. Use one such expression
    as often as you like, Polars computes it once; two equal ones it computes twice.
    """
    if type.kind == "any" or type.name == "string":
        return column
    wanted = DataType(type.name, type.args, format or type.format, type.inner, type.fields)
    return column.map_batches(_reader(wanted), return_dtype=wanted.polars(), is_elementwise=True)


@functools.cache
def _reader(type: DataType) -> Callable[[pl.Series], pl.Series]:
    return functools.partial(_read, type=type)


def _read(texts: pl.Series, type: DataType) -> pl.Series:
    """Everything at once; then, only where that failed, again without the blanks around."""
    if texts.dtype == pl.Null:
        return texts.cast(type.polars())
    read = _READERS[type.kind if type.name != "json" else "json"]
    values = read(texts, type)
    failed = values.is_null() & texts.is_not_null() if values.null_count() > texts.null_count() else None
    if failed is None:
        return values
    padded = (failed & texts.str.contains(r"^\s|\s$")).arg_true()
    if not padded.len():
        return values
    again = texts.gather(padded)
    return _put(values, padded, again if type.name == "json" else read(again.str.strip_chars(), type))


def _put(values: pl.Series, where: pl.Series, others: pl.Series) -> pl.Series:
    """``values`` with some replaced. (Series.scatter cannot do lists.)"""
    if where.len() == values.len():
        return others
    if values.dtype.is_nested():
        rows = pl.DataFrame({"at": where.cast(pl.UInt32), "new": others})
        found = pl.DataFrame({"at": pl.int_range(values.len(), dtype=pl.UInt32, eager=True), "old": values})
        return found.join(rows, on="at", how="left", maintain_order="left").select(pl.coalesce("new", "old")).to_series()
    return values.scatter(where, others)


def _integers(texts: pl.Series, type: DataType) -> pl.Series:
    return texts.cast(type.polars(), strict=False)


def _floats(texts: pl.Series, type: DataType) -> pl.Series:
    values = texts.cast(type.polars(), strict=False)
    if values.is_infinite().any():  # 1e999 is no infinity
        values = _only(values, ~values.is_infinite() | texts.str.contains("(?i)inf"))
    return values


def _decimals(texts: pl.Series, type: DataType) -> pl.Series:
    # Polars cuts off what is beyond the scale, and takes exponents: neither is exact
    inexact = texts.str.contains(rf"[.][0-9]{{{type.args[1]}}}[0-9]*[1-9]|[eE]")
    return _only(texts.cast(type.polars(), strict=False), ~inexact)


def _bools(texts: pl.Series, type: DataType) -> pl.Series:
    low = texts.str.to_lowercase()
    return low.replace_strict(_TRUTH, default=None, return_dtype=pl.Boolean)


_TRUTH = {**dict.fromkeys(("true", "t", "yes", "y", "1"), True), **dict.fromkeys(("false", "f", "no", "n", "0"), False)}
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-5][0-9]"  # Polars would make 12:00:60 into 12:01:00
_FRACTION = r"[.][0-9]{1,6}0*"  # finer than a microsecond would be cut off
_OFFSET = r"(?:Z|z|[+-][0-9]{2}:?[0-9]{2})"


def _dates(texts: pl.Series, type: DataType) -> pl.Series:
    if type.format:
        return _in_our_era(texts.str.to_date(type.format, strict=False))
    # the cache of to_date costs more than reading the date does
    return _in_our_era(_only(texts.str.to_date("%Y-%m-%d", strict=False, cache=False), texts.str.contains(f"^{_DATE}$")))


def _datetimes(texts: pl.Series, type: DataType) -> pl.Series:
    if type.format:
        instants = bool(re.search(r"%(?:[:#]*z|\+|Z)", type.format))
        return _in_our_era(_zoned(_timestamps(texts, type.format), type, instants))
    values = pl.Series(texts.name, [None], dtype=type.polars()).new_from_index(0, texts.len())
    rest = pl.int_range(texts.len(), dtype=pl.UInt32, eager=True).filter(texts.is_not_null())
    for pattern, format, zoned in _DATETIMES:
        if not rest.len() or (zoned and type.zone is None):
            break
        left = texts.gather(rest)
        fits = left.str.contains(pattern)
        if fits.any():
            found = _timestamps(left.filter(fits), format)
            values = _put(values, rest.filter(fits), _zoned(found, type, zoned).cast(values.dtype))
            rest = rest.filter(~fits)
    return _in_our_era(values)


_DATETIMES = [
    (f"^{_DATE}{gap}{_TIME}{fraction}{offset}$", f"%Y-%m-%d{gap}%H:%M:%S{'%.f' if fraction else ''}{zone}", bool(zone))
    for offset, zone in (("", ""), (_OFFSET, "%#z"))
    for fraction in ("", _FRACTION)
    for gap in ("T", " ")
] + [(f"^{_DATE}{gap}[0-9]{{2}}:[0-9]{{2}}$", f"%Y-%m-%d{gap}%H:%M", False) for gap in ("T", " ")]
_DATETIMES.sort(key=lambda row: row[2])  # without an offset first: a type without a zone stops there


def _timestamps(texts: pl.Series, format: str) -> pl.Series:
    return texts.str.to_datetime(format, strict=False, time_unit="us", cache=False)


def _zoned(values: pl.Series, type: DataType, zoned: bool) -> pl.Series:
    """Instants (UTC) or wall-clock times as the type wants them."""
    if zoned:
        nothing = values.dt.replace_time_zone(None).clear(values.len())
        return values.dt.convert_time_zone(type.zone) if type.zone else nothing
    if type.zone is None:
        return values
    return values.dt.replace_time_zone(type.zone, ambiguous="null", non_existent="null")


def _in_our_era(values: pl.Series) -> pl.Series:
    """Years that Python, SQL and ISO 8601 can write: 1 to 9999."""
    years = values.dt.year()
    low, high = years.min(), years.max()
    return values if low is None or (low >= 1 and high <= 9999) else _only(values, years.is_between(1, 9999))  # type: ignore[operator]


def _times(texts: pl.Series, type: DataType) -> pl.Series:
    if type.format:
        return texts.str.to_time(type.format, strict=False)
    short = texts.str.contains("^[0-9]{2}:[0-9]{2}$")
    full = pl.select(pl.when(short).then(texts + ":00").otherwise(texts)).to_series() if short.any() else texts
    exact = full.str.contains(f"^{_TIME}(?:{_FRACTION})?$")
    return _only(full.str.to_time("%H:%M:%S%.f", strict=False), exact)


def _durations(texts: pl.Series, type: DataType) -> pl.Series:
    clock = texts.str.extract_groups(r"^(?<sign>[+-]?)(?<h>[0-9]{1,6}):(?<m>[0-5][0-9]):(?<s>[0-5][0-9](?:[.][0-9]{1,6})?)$")
    iso = texts.str.extract_groups(
        r"^(?<sign>[+-]?)P(?:(?<d>[0-9]{1,6})D)?(?:T(?:(?<h>[0-9]{1,6})H)?(?:(?<m>[0-9]{1,6})M)?"
        r"(?:(?<s>[0-9]{1,6}(?:[.][0-9]{1,6})?)S)?)?$"
    )
    found = pl.DataFrame({"clock": clock, "iso": iso})
    parts = {p: pl.col("iso").struct[p] for p in "dhms"}
    figures = {p: pl.coalesce(pl.col("clock").struct[p], parts[p]) if p != "d" else parts[p] for p in "dhms"}
    weights = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000}
    micros = pl.sum_horizontal((figures[p].cast(pl.Float64) * w).round() for p, w in weights.items())
    sign = pl.coalesce(pl.col("clock").struct["sign"], pl.col("iso").struct["sign"])
    given = pl.any_horizontal(figures[p].is_not_null() for p in "dhms")
    signed = pl.when(sign == "-").then(-micros).otherwise(micros)
    return found.select(pl.when(given).then(signed).cast(pl.Int64).cast(pl.Duration("us"))).to_series()


def _jsons(texts: pl.Series, type: DataType) -> pl.Series:
    valid = texts.str.json_path_match("$").is_not_null() | (texts.str.strip_chars() == "null")
    return _only(texts, valid)


def _nested(texts: pl.Series, type: DataType) -> pl.Series:
    """Lists and structs are written as JSON."""
    texts = _jsons(texts, type)
    try:
        return texts.str.json_decode(type.polars())
    except pl.exceptions.PolarsError:
        # one misfit spoils the whole column: row by row only then
        return pl.Series(texts.name, [_nested_one(text, type) for text in texts], dtype=type.polars(), strict=False)


def _nested_one(text: str | None, type: DataType) -> Any:
    try:
        return pl.Series([text]).str.json_decode(type.polars()).to_list()[0] if text is not None else None
    except pl.exceptions.PolarsError:
        return None


def _only(values: pl.Series, keep: pl.Series) -> pl.Series:
    """Null where ``keep`` is not true."""
    return values if keep.all() else values.set(~keep.fill_null(False), None)


_READERS: dict[str, Reader] = {
    "integer": _integers,
    "float": _floats,
    "decimal": _decimals,
    "bool": _bools,
    "date": _dates,
    "datetime": _datetimes,
    "time": _times,
    "duration": _durations,
    "binary": lambda texts, type: texts.cast(pl.Binary),
    "json": _jsons,
    "list": _nested,
    "struct": _nested,
}
