"""Every function that an expression may call: one row each, with its signature, its translation and its line of help.

Signatures are text: ``substr(text, int, int?) -> text``. ``?`` may be left out, ``*`` may be repeated; ``'…'`` must be
written out, because Polars wants it before it sees data; ``same`` is one type for all; ``moment`` is a date or a datetime.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.core.expression.literals import UNITS
from qpipe.core.expression.meaning import Meaning
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Function:
    signature: str
    build: Callable[..., pl.Expr]
    doc: str
    like: tuple[str, ...] = ()  # other names of it

    @functools.cached_property
    def name(self) -> str:
        return self.signature.partition("(")[0]

    @functools.cached_property
    def params(self) -> tuple[str, ...]:
        inside = self.signature.partition("(")[2].rpartition(")")[0]
        return tuple(part.strip() for part in inside.split(",")) if inside.strip() else ()

    @functools.cached_property
    def result(self) -> str:
        return self.signature.rpartition("-> ")[2]

    @functools.cached_property
    def least(self) -> int:
        return sum(not p.endswith("?") for p in self.params)

    @functools.cached_property
    def most(self) -> int | None:
        return None if self.params and self.params[-1].endswith("*") else len(self.params)

    def param(self, position: int) -> str:
        """The kind of an argument, without ? and *."""
        return self.params[min(position, len(self.params) - 1)].rstrip("?*")


def function(name: str) -> Function | None:
    return _BY_NAME.get(name)


def names() -> tuple[str, ...]:
    return tuple(_BY_NAME)


# ── translations that need more than a word ──


def _round(x: Meaning, digits: Meaning | None = None) -> pl.Expr:
    places = digits.value if digits else 0
    if x.type.kind == "integer" and places >= 0:
        return x.expr
    if places < 0:
        unit = 10**-places
        rounded = (x.expr.cast(pl.Float64) / unit).round(0, mode="half_away_from_zero") * unit
        return rounded.cast(x.type.polars(), strict=False)
    return x.expr.round(places, mode="half_away_from_zero")


def _whole(x: Meaning, method: str) -> pl.Expr:
    return x.expr if x.type.kind == "integer" else getattr(x.expr, method)()


def _abs(x: Meaning) -> pl.Expr:
    # the least whole number has no positive twin
    wide = x.expr.cast(pl.Int128) if x.type.kind == "integer" else x.expr
    return wide.abs().cast(pl.Int64, strict=False) if x.type.kind == "integer" else wide.abs()


def _where(x: Meaning, allowed: Callable[[pl.Expr], pl.Expr], compute: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Null where the function has no value."""
    number = x.expr.cast(pl.Float64)
    return pl.when(allowed(number)).then(compute(number))


def _power(x: Meaning, y: Meaning) -> pl.Expr:
    result = x.expr.cast(pl.Float64).pow(y.expr.cast(pl.Float64))
    return pl.when(result.is_not_nan()).then(result)


def _substr(x: Meaning, start: Meaning, length: Meaning | None = None) -> pl.Expr:
    """Letters count from 1; a negative start counts from the end; what lies before the first letter uses up length."""
    count = pl.max_horizontal(length.expr, 0) if length else None
    if start.constant and start.value and start.value > 0:
        return x.expr.str.slice(start.value - 1, count)
    at = start.expr.cast(pl.Int64)
    at = pl.when(at < 0).then(x.expr.str.len_chars().cast(pl.Int64) + at).otherwise(at - 1)
    first = pl.max_horizontal(at, 0)
    left = None if count is None else pl.max_horizontal(at + count - first, 0)
    return pl.when(start.expr.is_not_null()).then(x.expr.str.slice(first, left))


def _replace(x: Meaning, old: Meaning, new: Meaning) -> pl.Expr:
    if old.value == "":
        return x.expr
    return x.expr.str.replace_all(old.value, new.value, literal=True)


def _regexp_replace(x: Meaning, pattern: Meaning, new: Meaning, options: Meaning | None = None) -> pl.Expr:
    flags = options.value if options else ""
    inner = "".join(f for f in flags if f in "ims")
    written = f"(?{inner}){pattern.value}" if inner else pattern.value
    parts = re.split(r"\\(\d|\\)", new.value.replace("$", "$$"))  # \1 is the first group, \\ is \
    filled = "".join(part if n % 2 == 0 else "\\" if part == "\\" else f"${{{part}}}" for n, part in enumerate(parts))
    return x.expr.str.replace_all(written, filled) if "g" in flags else x.expr.str.replace(written, filled)


def _strpos(x: Meaning, sought: Meaning) -> pl.Expr:
    before = x.expr.str.splitn(sought.value, 2).struct.field("field_0").str.len_chars().cast(pl.Int64) + 1
    return (
        pl.when(x.expr.str.contains(sought.value, literal=True))
        .then(before)
        .otherwise(pl.when(x.expr.is_not_null()).then(pl.lit(0, dtype=pl.Int64)))
    )


def _split_part(x: Meaning, separator: Meaning, number: Meaning) -> pl.Expr:
    parts = x.expr.str.split(separator.value)
    index = number.value - 1 if number.value > 0 else number.value
    return pl.when(x.expr.is_not_null()).then(parts.list.get(index, null_on_oob=True).fill_null(""))


def _pad(x: Meaning, length: Meaning, fill: Meaning | None, side: str) -> pl.Expr:
    letters = max(length.value, 0)
    return getattr(x.expr.str, side)(letters, fill.value if fill else " ").str.head(letters)


def _if(condition: Meaning, then: Meaning, otherwise: Meaning | None = None) -> pl.Expr:
    chosen = pl.when(condition.expr).then(then.expr)
    return chosen.otherwise(otherwise.expr) if otherwise else chosen


def _coalesce(*values: Meaning) -> pl.Expr:
    # what follows a constant is never reached; Polars 2.1 fails over coalesce(0, x)
    last = next((n for n, v in enumerate(values) if v.constant and not v.null), len(values))
    return pl.coalesce([v.expr for v in values[: last + 1]]) if last else values[0].expr


def _list_contains(items: Meaning, item: Meaning) -> pl.Expr:
    inner = items.type.inner
    if inner and inner.is_number and item.type.is_number and inner.kind != item.type.kind:
        return items.expr.cast(pl.List(pl.Float64)).list.contains(item.expr.cast(pl.Float64))
    return items.expr.list.contains(item.expr)


_PARTS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "year": lambda e: e.dt.year(), "month": lambda e: e.dt.month(), "day": lambda e: e.dt.day(),
    "hour": lambda e: e.dt.hour(), "minute": lambda e: e.dt.minute(), "second": lambda e: e.dt.second(),
    "quarter": lambda e: e.dt.quarter(), "week": lambda e: e.dt.week(), "dayofweek": lambda e: e.dt.weekday() % 7,
    "isodow": lambda e: e.dt.weekday(), "dayofyear": lambda e: e.dt.ordinal_day(),
    "epoch": lambda e: e.dt.epoch("s"),
}  # fmt: skip
_PARTS |= {"dow": _PARTS["dayofweek"], "doy": _PARTS["dayofyear"]}
_OF_CLOCKS = ("hour", "minute", "second")
_EVERY = {
    "year": "1y", "quarter": "1q", "month": "1mo", "week": "1w", "day": "1d", "hour": "1h", "minute": "1m", "second": "1s",
}  # fmt: skip


def _part(unit: str, x: Meaning) -> pl.Expr:
    if unit in _OF_CLOCKS and x.type.kind == "date":
        return pl.when(x.expr.is_not_null()).then(pl.lit(0, dtype=pl.Int64))
    return _PARTS[unit](x.expr).cast(pl.Int64)


def _truncated(unit: str, x: Meaning) -> pl.Expr:
    return x.expr if x.type.kind == "date" and unit in _OF_CLOCKS else x.expr.dt.truncate(_EVERY[unit])


def _date_diff(unit: Meaning, a: Meaning, b: Meaning) -> pl.Expr:
    word = unit.value.lower()
    if word in ("year", "quarter", "month"):
        per = {"year": 1, "quarter": 4, "month": 12}[word]

        def count(x: Meaning) -> pl.Expr:
            return _part("year", x) * per + (_part(word, x) if word != "year" else 0)

        return count(b) - count(a)
    moments = [x.expr.cast(pl.Datetime("us")) if x.type.kind == "date" else x.expr for x in (a, b)]
    one, two = (m.dt.truncate(_EVERY[word]) for m in moments)
    micros = {"week": 7 * 86400, "day": 86400, "hour": 3600, "minute": 60, "second": 1}[word] * 1_000_000
    return (two - one).dt.total_microseconds() // micros


def _make_date(year: Meaning, month: Meaning, day: Meaning) -> pl.Expr:
    parts = [x.expr.cast(pl.Int64, strict=False) for x in (year, month, day)]
    fits = parts[0].is_between(1, 9999) & parts[1].is_between(1, 12) & parts[2].is_between(1, 31)
    texts = [p.cast(pl.String).str.zfill(width) for p, width in zip(parts, (4, 2, 2), strict=True)]
    written = pl.when(fits).then(pl.concat_str(texts, separator="-"))
    return written.str.to_date("%Y-%m-%d", strict=False)


def _to_date(x: Meaning, format: Meaning) -> pl.Expr:
    return x.expr.str.strip_chars().str.to_date(format.value, strict=False)


def _to_timestamp(x: Meaning, format: Meaning) -> pl.Expr:
    return x.expr.str.strip_chars().str.to_datetime(format.value, strict=False, time_unit="us")


def _strftime(x: Meaning, format: Meaning) -> pl.Expr:
    moment = x.expr.cast(pl.Datetime("us")) if x.type.kind == "date" else x.expr
    return moment.dt.strftime(re.sub(r"(%%)|%f", lambda m: m[1] or "%6f", format.value))


def _concat(*parts: Meaning) -> pl.Expr:
    return pl.concat_str([p.expr for p in parts], ignore_nulls=True)


def _concat_ws(separator: Meaning, *parts: Meaning) -> pl.Expr:
    return pl.concat_str([p.expr for p in parts], separator=separator.value, ignore_nulls=True)


FUNCTIONS: tuple[Function, ...] = (
    # numbers
    Function("abs(number) -> number", _abs, "the value without its sign"),
    Function("round(number, 'int'?) -> first", _round, "rounded to that many places, halves away from zero"),
    Function("floor(number) -> first", lambda x: _whole(x, "floor"), "the next whole number below"),
    Function("ceil(number) -> first", lambda x: _whole(x, "ceil"), "the next whole number above", ("ceiling",)),
    Function("sign(number) -> int", lambda x: x.expr.sign().cast(pl.Int64, strict=False), "-1, 0 or 1"),
    Function("sqrt(number) -> float", lambda x: _where(x, lambda e: e >= 0, lambda e: e.sqrt()), "square root; null below 0"),
    Function("power(number, number) -> float", _power, "the first to the power of the second", ("pow",)),
    Function("exp(number) -> float", lambda x: x.expr.cast(pl.Float64).exp(), "e to the power of the number"),
    Function("ln(number) -> float", lambda x: _where(x, lambda e: e > 0, lambda e: e.log()), "natural logarithm; null up to 0"),
    Function("log10(number) -> float", lambda x: _where(x, lambda e: e > 0, lambda e: e.log10()), "logarithm to base 10",
             ("log",)),
    Function("is_nan(number) -> bool", lambda x: x.expr.cast(pl.Float64).is_nan(), "not a number, as floats have it",
             ("isnan",)),
    Function("is_finite(number) -> bool", lambda x: x.expr.cast(pl.Float64).is_finite(), "neither NaN nor infinite",
             ("isfinite",)),
    # choices
    Function("greatest(same*) -> same", lambda *x: pl.max_horizontal([e.expr for e in x]), "the largest that is not null"),
    Function("least(same*) -> same", lambda *x: pl.min_horizontal([e.expr for e in x]), "the smallest that is not null"),
    Function("coalesce(same*) -> same", _coalesce, "the first that is not null"),
    Function("ifnull(same, same) -> same", _coalesce, "the second where the first is null",
             ("nvl",)),
    Function("nullif(same, same) -> same",
             lambda x, y: pl.when((x.expr == y.expr).fill_null(False)).then(None).otherwise(x.expr),
             "null where both are equal, else the first"),
    Function("if(bool, same, same?) -> same", _if, "the second where the first is true, else the third", ("iff",)),
    # text
    Function("lower(text) -> text", lambda x: x.expr.str.to_lowercase(), "in small letters", ("lcase",)),
    Function("upper(text) -> text", lambda x: x.expr.str.to_uppercase(), "in capital letters", ("ucase",)),
    Function("initcap(text) -> text", lambda x: x.expr.str.to_titlecase(), "each word with a capital letter"),
    Function("trim(text, 'text'?) -> text", lambda x, c=None: x.expr.str.strip_chars(c.value if c else " "),
             "without blanks, or these letters, on both sides"),
    Function("ltrim(text, 'text'?) -> text", lambda x, c=None: x.expr.str.strip_chars_start(c.value if c else " "),
             "without them on the left"),
    Function("rtrim(text, 'text'?) -> text", lambda x, c=None: x.expr.str.strip_chars_end(c.value if c else " "),
             "without them on the right"),
    Function("length(text) -> int", lambda x: x.expr.str.len_chars().cast(pl.Int64), "how many letters",
             ("char_length", "character_length", "len")),
    Function("octet_length(text) -> int", lambda x: x.expr.str.len_bytes().cast(pl.Int64), "how many bytes as UTF-8"),
    Function("substr(text, int, int?) -> text", _substr, "from that letter (the first is 1), that many", ("substring",)),
    Function("left(text, int) -> text", lambda x, n: x.expr.str.head(n.expr), "the first letters; all but the last -n"),
    Function("right(text, int) -> text", lambda x, n: x.expr.str.tail(n.expr), "the last letters; all but the first -n"),
    Function("replace(text, 'text', 'text') -> text", _replace, "every second by the third"),
    Function("regexp_replace(text, 'regex', 'text', 'flags'?) -> text", _regexp_replace,
             r"the first match by the third, \1 being its first group; all with 'g'"),
    Function("regexp_like(text, 'regex') -> bool", lambda x, p: x.expr.str.contains(p.value), "does it match anywhere",
             ("regexp_matches",)),
    Function("regexp_extract(text, 'regex', 'group'?) -> text",
             lambda x, p, n=None: x.expr.str.extract(p.value, n.value if n else 0),
             "the match, or a group of it; null where nothing matches"),
    Function("starts_with(text, text) -> bool", lambda x, y: x.expr.str.starts_with(y.expr), "does it start so", ("prefix",)),
    Function("ends_with(text, text) -> bool", lambda x, y: x.expr.str.ends_with(y.expr), "does it end so", ("suffix",)),
    Function("contains(text, text) -> bool", lambda x, y: x.expr.str.contains(y.expr, literal=True), "is the second within"),
    Function("strpos(text, 'sought') -> int", _strpos, "where the second starts, from 1; 0: nowhere", ("instr", "position")),
    Function("lpad(text, 'int', 'letter'?) -> text", lambda x, n, c=None: _pad(x, n, c, "pad_start"),
             "to that length, on the left"),
    Function("rpad(text, 'int', 'letter'?) -> text", lambda x, n, c=None: _pad(x, n, c, "pad_end"),
             "to that length, on the right"),
    Function("concat(string*) -> text", _concat, "one after the other; nulls are left out"),
    Function("concat_ws('text', string*) -> text", _concat_ws, "with the first in between; nulls are left out"),
    Function("split_part(text, 'sought', 'int') -> text", _split_part, "that part between separators, from 1; '' beyond"),
    Function("reverse(text) -> text", lambda x: x.expr.str.reverse(), "backwards"),
    # dates and times
    *(Function(f"{unit}(moment) -> int", functools.partial(_part, unit), f"the {unit}")
      for unit in ("year", "month", "day", "quarter")),
    *(Function(f"{unit}(clock) -> int", functools.partial(_part, unit), f"the {unit}") for unit in _OF_CLOCKS),
    Function("week(moment) -> int", functools.partial(_part, "week"), "the ISO week", ("weekofyear",)),
    Function("dayofweek(moment) -> int", functools.partial(_part, "dayofweek"), "0 is Sunday, 6 Saturday", ("weekday",)),
    Function("isodow(moment) -> int", functools.partial(_part, "isodow"), "1 is Monday, 7 Sunday"),
    Function("dayofyear(moment) -> int", functools.partial(_part, "dayofyear"), "from 1"),
    Function("date_part('part', moment) -> int", lambda p, x: _part(p.value.lower(), x), "a part: extract(year from x)",
             ("datepart", "extract")),
    Function("date_trunc('unit', moment) -> first", lambda u, x: _truncated(u.value.lower(), x), "the start of its unit"),
    Function("date_diff('unit', moment, moment) -> int", _date_diff, "how many borders of units lie between", ("datediff",)),
    Function("date_add(moment, interval) -> sum", lambda x: x.expr, "x + interval"),
    Function("make_date(int, int, int) -> date", _make_date, "from year, month, day; null where there is none"),
    Function("to_date(text, 'format') -> date", _to_date, "read as written: to_date(x, '%d.%m.%Y'); null where it is not"),
    Function("to_timestamp(text, 'format') -> datetime", _to_timestamp, "the same with a time"),
    Function("strftime(moment, 'format') -> text", _strftime, "written so: strftime(x, '%d.%m.%Y')"),
    # lists
    Function("list_length(list) -> int", lambda x: x.expr.list.len().cast(pl.Int64), "how many items", ("array_length",)),
    Function("list_contains(list, item) -> bool", _list_contains, "is it among the items",
             ("array_contains",)),
)  # fmt: skip
_BY_NAME = {name: f for f in FUNCTIONS for name in (f.name, *f.like)}


# ── what may be written out ──

_SPECIFIERS = re.compile(r"%(?:[-_0]?[YmdHMSyjIeklpPbBaAUWuVGgCsFTDRcxXhZnt%]|:?z|f|\.?[369]?f|\.f)")


def flaw(kind: str, value: Any) -> str | None:
    """What is wrong with an argument that is written out, or None."""
    if kind in ("part", "unit"):
        known = tuple(_PARTS if kind == "part" else _EVERY)
        return None if value.lower() in known else f"'{value}' is no part of a date: {', '.join(known)}"
    if kind == "sought" and value == "":
        return "an empty text is everywhere: give at least one letter"
    if kind == "letter" and len(value) != 1:
        return f"'{value}' is not one letter"
    if kind == "group" and not 0 <= value <= 99:
        return f"there is no group {value}"
    if kind == "flags" and not set(value) <= set("gims"):
        return f"'{value}': the flags are g, i, m and s"
    if kind == "int" and abs(value) > 100_000:
        return f"{value} is too large here"
    if kind == "format":
        rest = _SPECIFIERS.sub("", value)
        if "%" in rest:
            return f"'{value}' holds a %-letter that is not known: %Y %m %d %H %M %S %f %b %B %a %A %j %p %y %z"
    if kind == "regex":
        from qpipe.core.expression.regex import check_regex

        wrong = check_regex(value)
        return f"the regular expression cannot be used: {wrong}" if wrong else None
    return None


assert set(_EVERY) <= set(UNITS)
