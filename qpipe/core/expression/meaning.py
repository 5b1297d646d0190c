"""What a part of an expression means: its type, and the Polars expression that computes it, made when it is asked for.

Types are settled here without Polars. What is added to Polars' own behaviour, so that every row has an answer in SQL's sense
and no row stops a run: whole numbers do not wrap around, a division by zero is null, decimals multiply exactly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from qpipe.core.expression.literals import ANY, BOOL, DATE, DATETIME, DURATION, FLOAT, INT, TEXT, read_text
from qpipe.core.expression.tree import Interval, Node
from qpipe.core.lazy import pl
from qpipe.core.parse import parse_text
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

_DIGITS = 38


@dataclass(frozen=True)
class Meaning:
    node: Node
    type: DataType
    build: Callable[[], pl.Expr]
    constant: bool = False
    value: Any = None  # of a constant

    @property
    def null(self) -> bool:
        """Is it the word null, or something that cannot be anything else?"""
        return self.constant and self.value is None

    @property
    def expr(self) -> pl.Expr:
        return self.build()


def constant(node: Node, value: Any, type: DataType) -> Meaning:
    return Meaning(node, type, lambda: _literal(value, type), True, value)


def _literal(value: Any, type: DataType) -> pl.Expr:
    if value is None:
        return pl.lit(None, dtype=type.polars())
    if isinstance(value, Interval):
        return pl.lit(dt.timedelta(days=value.days, microseconds=value.microseconds), dtype=pl.Duration("us"))
    if type.kind == "float":
        return pl.lit(float(value))
    if type.kind == "decimal":
        return pl.lit(Decimal(value), dtype=type.polars())
    if type.kind == "datetime":
        return pl.lit(value).cast(pl.Datetime("us", "UTC" if value.tzinfo else None)).cast(type.polars())
    return pl.lit(value)


# ── one type for several values ──


def common(parts: Sequence[Meaning]) -> DataType | None:
    """The type that all can have; None where there is none. Text in quotes can be a date; a fraction can be a decimal."""
    types = [p.type for p in parts if p.type.kind != "any"]
    if not types:
        return ANY
    firm = [p.type for p in parts if not (p.constant and p.type.kind == "string") and p.type.kind != "any"]
    kinds = {t.kind for t in firm or types}
    if kinds <= {"integer", "float", "decimal"}:
        return None if any(t.kind == "string" for t in types) else _common_number(parts)
    if kinds <= {"date", "datetime"} or kinds == {"time"}:
        zones = {t.zone for t in firm if t.kind == "datetime"}
        return None if len(zones) > 1 else next((t for t in firm if t.kind == "datetime"), firm[0])
    if any(t.kind == "string" for t in types) and kinds != {"string"}:
        return None
    if kinds == {"string"}:
        return TEXT
    first = (firm or types)[0]
    return first if all(t == first for t in types) else None


def _common_number(parts: Sequence[Meaning]) -> DataType:
    numbers = [p for p in parts if p.type.kind != "any"]
    if any(p.type.kind == "decimal" for p in numbers) and all(_exact(p) is not None for p in numbers):
        shapes = [_exact(p) or (0, 0) for p in numbers]
        scale = max(s for _, s in shapes)
        digits = max(p - s for p, s in shapes) + scale
        return DataType("decimal", (digits, scale)) if digits <= _DIGITS else FLOAT
    if all(p.type.kind == "integer" for p in numbers):
        firm = {p.type for p in numbers if not p.constant}
        return firm.pop() if len(firm) == 1 and len(numbers) == sum(not p.constant for p in numbers) else INT
    return FLOAT


def _exact(part: Meaning) -> tuple[int, int] | None:
    """(digits, scale) of an exact number; None of a float."""
    if part.type.kind == "decimal":
        return part.type.args[0], part.type.args[1]
    if part.constant and isinstance(part.value, Decimal):
        digits, exponent = part.value.as_tuple().digits, int(part.value.as_tuple().exponent)
        return max(len(digits), -exponent) or 1, max(-exponent, 0)
    if part.type.kind == "integer":
        return (len(str(abs(part.value))) if part.constant else 19 if part.type.name != "uint64" else 20), 0
    return None


def same(part: Meaning, type: DataType) -> Meaning:
    """The value in a type that ``common`` found for it. ValueError: a text in quotes that is none."""
    if part.type == type or type.kind == "any":
        return part
    if part.constant:
        value = part.value
        if isinstance(value, str) and type.kind in ("date", "datetime", "time", "duration"):
            value = read_text(value, type)
        elif type.kind == "datetime" and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            value = dt.datetime.combine(value, dt.time())
        return constant(part.node, value, type)
    return replace(part, type=type, build=lambda: part.expr.cast(type.polars(), strict=False))


# ── arithmetic ──


def arithmetic(node: Node, operator: str, left: Meaning, right: Meaning) -> Meaning | None:
    """+ - * / % // ; None where the types do not go together."""
    kinds = (left.type.kind, right.type.kind)
    if left.null or right.null:
        return constant(node, None, FLOAT if operator == "/" else ANY)
    if "any" in kinds:
        return _unknown(node, operator, left, right)
    if left.type.is_number and right.type.is_number:
        return _numbers(node, operator, left, right)
    if operator == "+" and right.type.kind in ("date", "datetime"):
        left, right, kinds = right, left, kinds[::-1]
    if operator in "+-" and kinds[0] in ("date", "datetime") and kinds[1] in ("integer", "duration"):
        return _moved(node, operator, left, right)
    if operator == "-" and kinds == ("date", "date"):
        return Meaning(node, INT, lambda: (left.expr - right.expr).dt.total_days())
    if operator == "-" and set(kinds) <= {"date", "datetime"} and (type := common((left, right))):
        a, b = same(left, type), same(right, type)
        return Meaning(node, DURATION, lambda: a.expr - b.expr)
    if operator in "+-" and kinds == ("duration", "duration"):
        return Meaning(node, DURATION, lambda: left.expr + right.expr if operator == "+" else left.expr - right.expr)
    return None


def _unknown(node: Node, operator: str, left: Meaning, right: Meaning) -> Meaning:
    type = FLOAT if operator == "/" else ANY
    if operator == "/":
        return Meaning(node, type, lambda: _float(left) / _nonzero(_float(right)))
    return Meaning(node, type, lambda: _raw(operator, left.expr, right.expr))


def _numbers(node: Node, operator: str, left: Meaning, right: Meaning) -> Meaning:
    if operator == "/":
        return Meaning(node, FLOAT, lambda: _float(left) / _nonzero(_float(right)))
    if left.type.kind == right.type.kind == "integer":
        return Meaning(node, INT, lambda: _integers(operator, left, right))
    one, two = _exact(left), _exact(right)
    if "decimal" in (left.type.kind, right.type.kind) and one and two and operator != "//":
        return _decimals(node, operator, left, right, one, two)
    return Meaning(node, FLOAT, lambda: _raw(operator, _float(left), _float(right)))


def _integers(operator: str, left: Meaning, right: Meaning) -> pl.Expr:
    """In 64 bits; in 128 and back where 64 might not do: what is too large is null, never another number."""
    if operator in ("%", "//"):
        return _raw(operator, left.expr.cast(pl.Int64, strict=False), right.expr.cast(pl.Int64, strict=False))
    if _narrow(left) and _narrow(right):
        return _raw(operator, left.expr.cast(pl.Int64), right.expr.cast(pl.Int64))
    return _raw(operator, left.expr.cast(pl.Int128), right.expr.cast(pl.Int128)).cast(pl.Int64, strict=False)


def _narrow(part: Meaning) -> bool:
    if part.constant:
        return abs(part.value or 0) < 2**31
    return part.type.name in ("int8", "int16", "int32", "uint8", "uint16")


def _decimals(node: Node, operator: str, left: Meaning, right: Meaning, one: tuple[int, int], two: tuple[int, int]) -> Meaning:
    """Exact, with SQL's digits: a product has those of both. Where 38 are not enough it is a float."""
    scale = one[1] + two[1] if operator == "*" else max(one[1], two[1])
    whole = max(one[0] - one[1], two[0] - two[1]) + 1
    digits = one[0] + two[0] if operator == "*" else whole + scale
    if digits > _DIGITS:
        return Meaning(node, FLOAT, lambda: _raw(operator, _float(left), _float(right)))
    type = DataType("decimal", (digits, scale))
    wide = DataType("decimal", (_DIGITS, scale))  # Polars keeps the larger scale of the two, and rounds to it
    return Meaning(node, type, lambda: _raw(operator, same(left, wide).expr, same(right, wide).expr).cast(type.polars()))


def _moved(node: Node, operator: str, moment: Meaning, by: Meaning) -> Meaning:
    """A date or datetime ± days or an interval. A date stays a date unless hours are added to it."""
    sign = 1 if operator == "+" else -1
    if by.type.kind == "integer":
        return Meaning(node, moment.type, lambda: moment.expr + pl.duration(days=by.expr * sign))
    if not by.constant:
        type = DATETIME if moment.type.kind == "date" else moment.type
        at = same(moment, type)
        return Meaning(node, type, lambda: at.expr + by.expr if sign > 0 else at.expr - by.expr)
    type = DATETIME if moment.type.kind == "date" and by.value.microseconds else moment.type
    at = same(moment, type)
    parts = ((by.value.months, "mo"), (by.value.days, "d"), (by.value.microseconds, "us"))
    steps = [f"{'-' if sign * n < 0 else ''}{abs(n)}{unit}" for n, unit in parts if n]

    def build() -> pl.Expr:
        expr = at.expr
        for step in steps:
            expr = expr.dt.offset_by(step)
        return expr

    return Meaning(node, type, build)


def negative(node: Node, operand: Meaning) -> Meaning | None:
    if operand.null:
        return constant(node, None, operand.type)
    if operand.type.kind == "integer":
        return arithmetic(node, "-", constant(node, 0, INT), operand)
    if operand.type.kind in ("float", "decimal", "duration", "any"):
        return Meaning(node, operand.type, lambda: -operand.expr)
    return None


def _float(part: Meaning) -> pl.Expr:
    if part.constant and part.value is not None:
        return pl.lit(float(part.value))
    return part.expr if part.type.name in ("float", "float64") else part.expr.cast(pl.Float64, strict=False)


def _nonzero(expr: pl.Expr) -> pl.Expr:
    return pl.when(expr != 0).then(expr)


def _raw(operator: str, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    if operator in "+-*":
        return a + b if operator == "+" else a - b if operator == "-" else a * b
    # Polars rounds quotients down; SQL cuts them off, and the remainder has the sign of what is divided
    b = _nonzero(b)
    rest = a % b
    crooked = (rest != 0) & ((a < 0) != (b < 0))
    if operator == "%":
        return pl.when(crooked & ((rest < 0) == (b < 0))).then(rest - b).otherwise(rest)
    return pl.when(crooked).then(a // b + 1).otherwise(a // b)


# ── casts ──

_SCALARS = ("integer", "float", "decimal", "bool")


def cast(node: Node, operand: Meaning, type: DataType) -> Meaning | None:
    """The value in another type, null where it has none there. None: there is no way from one type to the other."""
    build = _way(operand, type)
    return Meaning(node, type, build) if build else None


def _way(operand: Meaning, type: DataType) -> Callable[[], pl.Expr] | None:
    source, target, dtype = operand.type.kind, type.kind, type.polars
    if operand.type == type or target == "any":
        return operand.build
    if operand.null:
        return lambda: pl.lit(None, dtype=dtype())
    if source == "string":
        return lambda: parse_text(operand.expr, type)
    if target == "string":
        return _text_of(operand)
    if source == "any":
        return lambda: operand.expr.cast(dtype(), strict=False)
    if source in ("float", "decimal") and target == "integer":
        mode = "half_to_even" if source == "float" else "half_away_from_zero"
        return lambda: operand.expr.round(0, mode=mode).cast(dtype(), strict=False)  # type: ignore[arg-type]
    if source in ("float", "decimal", "integer") and target == "bool":
        return lambda: operand.expr != 0
    if source == "bool" and target == "decimal":
        return lambda: operand.expr.cast(pl.Int64).cast(dtype(), strict=False)
    if source in _SCALARS and target in _SCALARS:
        return lambda: operand.expr.cast(dtype(), strict=False)
    if source == "datetime" and target in ("date", "time"):
        return lambda: operand.expr.dt.date() if target == "date" else operand.expr.dt.time()
    if source == "datetime" and target == "datetime":
        return lambda: _zoned(operand, type)
    if source == "date" and target == "datetime":
        return lambda: _zoned(replace(operand, type=DATETIME, build=lambda: operand.expr.cast(pl.Datetime("us"))), type)
    if source == target and source in ("list", "struct", "duration", "binary", "date", "time"):
        return lambda: operand.expr.cast(dtype(), strict=False)
    return None


def _zoned(operand: Meaning, type: DataType) -> pl.Expr:
    if operand.type.zone and type.zone:
        return operand.expr.dt.convert_time_zone(type.zone).cast(type.polars())
    if not type.zone:
        return operand.expr.dt.replace_time_zone(None).cast(type.polars())
    return operand.expr.dt.replace_time_zone(type.zone, ambiguous="null", non_existent="null").cast(type.polars())


def _text_of(operand: Meaning) -> Callable[[], pl.Expr] | None:
    kind, zoned = operand.type.kind, operand.type.zone
    if kind == "datetime":
        return lambda: _clock_text(operand, "%Y-%m-%d %H:%M:%S%.f") + (operand.expr.dt.strftime("%:z") if zoned else "")
    if kind == "time":
        return lambda: _clock_text(operand, "%H:%M:%S%.f")
    return (lambda: operand.expr.cast(pl.String)) if kind in (*_SCALARS, "date", "any", "string") else None


def _clock_text(operand: Meaning, format: str) -> pl.Expr:
    """12:00:00.25, not .250"""
    return operand.expr.dt.strftime(format).str.replace(r"([.]\d*[1-9])0+$", "$1")


def text(part: Meaning) -> Meaning | None:
    """The value as text, for || and concat."""
    if part.type.kind == "string":
        return part
    return cast(part.node, part, TEXT)


def truth(expr: Callable[[], pl.Expr], node: Node) -> Meaning:
    return Meaning(node, BOOL, expr)


__all__ = ["DATE", "Meaning", "arithmetic", "cast", "common", "constant", "negative", "same", "text", "truth"]
