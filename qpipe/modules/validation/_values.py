"""Values written in a spec, read as a column's type has them: ``min: "2024-01-01"`` against a date column is a date."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Types
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import read_duration

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType


def typed(value: Any, column: DataType) -> Any:
    """The value as a Python object of the column's type; ValueError says what it should look like."""
    read, example = _READERS.get(column.kind, (lambda v: v, ""))
    try:
        return read(value)
    except (ValueError, TypeError, InvalidOperation) as error:
        raise ValueError(f"{shown(value)} is no {column.kind}{f' such as {example}' if example else ''}") from error


def literal(value: Any, column: DataType) -> pl.Expr:
    """The value as an expression that can be compared with the column."""
    made = _fitting(value, column)
    if column.kind != "datetime":
        return pl.lit(made)
    utc, zone = _in_utc(made), column.zone
    return pl.lit(utc).dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else pl.lit(utc)


def series(values: Iterable[Any], column: DataType) -> pl.Series:
    """The values as a series that a column of this type can be looked up in; a value that cannot occur is left out."""
    made = [_fitting(value, column) for value in values]
    if column.kind == "integer":
        return pl.Series([m for m in made if isinstance(m, int)], dtype=pl.Int128)
    if column.kind != "datetime":
        return pl.Series(made)
    utc, zone = pl.Series([_in_utc(m) for m in made], dtype=pl.Datetime("us")), column.zone
    return utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else utc


def _fitting(value: Any, column: DataType) -> Any:
    """At run time a misfit is told as an error: the column's type was not known before."""
    try:
        return typed(value, column)
    except ValueError as error:
        raise QpipeError(
            f"{error}, and the column is {column}", hint="give the column a type in the source's schema"
        ) from error


def _in_utc(moment: dt.datetime) -> dt.datetime:
    """Without an offset a moment is in UTC."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment


def unreadable(written: Mapping[str, Any], columns: Iterable[str], types: Types | None) -> Iterator[tuple[str, str]]:
    """Problems of parameters (name → value or list of values) that are no values of the columns' types."""
    for column in columns if types is not None else ():
        for name, value in written.items():
            for item in value if isinstance(value, (list, tuple)) else [value]:
                if item is not None and column in (types or {}):
                    try:
                        typed(item, (types or {})[column])
                    except ValueError as error:
                        yield name, f"{error}: {column} is {types[column].kind}"  # type: ignore[index]


def shown(value: Any) -> str:
    """A value as a report has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}" if value != int_or_none(value) else f"{value:.0f}"
    return str(value)


def listed(values: Iterable[Any], most: int = 8) -> str:
    """a, b, c … (12 values)"""
    all_ = [shown(value) for value in values]
    return ", ".join(all_) if len(all_) <= most else f"{', '.join(all_[:most])} … ({len(all_)} values)"


def int_or_none(value: float) -> int | None:
    return int(value) if math.isfinite(value) and value == int(value) else None


def range_words(low: Any, high: Any, *, open_low: bool = False, open_high: bool = False) -> str:
    """between 0 and 10 · at least 0 · below 10 · above 0 and at most 10"""
    if low is not None and high is not None and not open_low and not open_high:
        return f"between {shown(low)} and {shown(high)}"
    parts = []
    if low is not None:
        parts.append(f"{'above' if open_low else 'at least'} {shown(low)}")
    if high is not None:
        parts.append(f"{'below' if open_high else 'at most'} {shown(high)}")
    return " and ".join(parts)


# ── one reader a kind ─────────────────────────────────────────────────────────────────────────────────────────────────


def _number(value: Any) -> int | float:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, str):
        value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
    if isinstance(value, float) and math.isnan(value):
        raise ValueError
    return value


def _integer(value: Any) -> int | float:
    """A bound of a whole number may have a fraction; one that has none is kept exact."""
    number = _number(value)
    return number if isinstance(number, int) else int_or_none(number) or number


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError
    return Decimal(str(value))


def _text(value: Any) -> str:
    if isinstance(value, (bool, float)):
        raise ValueError  # true, 1.0 and 1e3 lose their spelling: they must be quoted
    return str(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[str(value).lower()] if str(value).lower() in ("true", "false") else _refuse()


def _refuse() -> Any:
    raise ValueError


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.datetime) or not isinstance(value, (dt.date, str)):
        raise ValueError
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)


def _datetime(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    return dt.datetime.combine(value, dt.time()) if isinstance(value, dt.date) else dt.datetime.fromisoformat(value)


_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "integer": (_integer, "42"),
    "float": (lambda value: float(_number(value)), "0.5"),
    "decimal": (_decimal, "12.50"),
    "string": (_text, '"abc" (in quotes)'),
    "bool": (_boolean, "true"),
    "date": (_date, "2026-01-31"),
    "datetime": (_datetime, "2026-01-31T12:00:00"),
    "time": (dt.time.fromisoformat, "12:30:00"),
    "duration": (lambda value: dt.timedelta(seconds=read_duration(value)), "4h"),
}
