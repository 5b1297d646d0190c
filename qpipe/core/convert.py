"""The cast of typed columns: what a file, a database, a query or a user's code gave in one type as values of another."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl
from qpipe.core.parse import parse_text
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

_NUMBERS = ("integer", "float", "decimal")
_POSSIBLE = {
    **{number: {*_NUMBERS, "string", "bool"} for number in _NUMBERS},
    "bool": {"bool", "string", *_NUMBERS},
    "date": {"date", "datetime", "string"},
    "datetime": {"datetime", "date", "time", "string"},
    "time": {"time", "string"},
    "duration": {"duration", "string"},
    "binary": {"binary", "string"},
    "list": {"list"},
    "struct": {"struct"},
}
_NOISE = 2e-15  # of a float: some units in its last place


def possible(given: DataType, wanted: DataType) -> bool:
    """Whether a value of one type can be meant by another; a text, and a column of nulls, by any."""
    return given.kind in ("string", "any") or given == wanted or wanted.kind in _POSSIBLE[given.kind]


def exactly(cell: pl.Expr, given: DataType, wanted: DataType) -> pl.Expr:
    """The same value in another type; null where there is none. Nothing is cut off, nothing rounded but a float's own noise.

    1.5 is no integer, 2026-01-31 05:00 no date, 9007199254740993 no float. 0.1 + 0.2 is the decimal 0.30, and 1.255 none of two
    digits. A text is read as ``parse_text`` reads it. Raises nothing where the pair of types is ``possible``.
    """
    if given.kind == "string":
        return parse_text(cell, wanted)
    if given.polars() == wanted.polars():
        return cell
    made = convert(cell, given, wanted)
    if _is_lossless(given, wanted):
        return made
    if given.kind == "float" and wanted.kind == "decimal":
        noise = 10.0 ** -(wanted.args[1] + 6) + cell.abs() * _NOISE
        return pl.when((made.cast(pl.Float64) - cell).abs() <= noise).then(made)
    return pl.when(convert(made, wanted, given).eq_missing(cell)).then(made)


def convert(cell: pl.Expr, given: DataType, wanted: DataType) -> pl.Expr:
    """A typed cell in another type, as a cast is meant: a float is rounded to a decimal's digits, a date has no time of day.

    Null where a value does not fit; what is no text must be ``possible``.
    """
    if given.kind == "string":
        return parse_text(cell, wanted)
    if wanted.kind == "string":
        return _as_text(cell, given)
    if given.is_number and wanted.kind == "bool":
        return pl.when(cell == 0).then(False).when(cell == 1).then(True)
    if wanted.kind == "datetime":
        return _as_datetime(cell, given, wanted)
    if given.kind == "datetime" and wanted.kind == "date":
        return cell.dt.date()  # where it is: a plain cast takes the day of UTC
    return _as_decimal(cell, given, wanted) if wanted.kind == "decimal" else cell.cast(wanted.polars(), strict=False)


def _is_lossless(given: DataType, wanted: DataType) -> bool:
    """Whether ``convert`` keeps each value that it does not make null."""
    if wanted.kind == "float":
        return given.kind == "bool" or (given.kind == "float" and wanted.name != "float32")
    if given.kind == wanted.kind == "datetime":
        return given.args[0] == wanted.args[0]
    lossless = {"integer": ("integer", "bool"), "decimal": ("integer", "bool"), "datetime": ("date",), "bool": _NUMBERS}
    return "any" in (given.kind, wanted.kind) or wanted.kind == "string" or given.kind in lossless.get(wanted.kind, ())


def _as_decimal(cell: pl.Expr, given: DataType, wanted: DataType) -> pl.Expr:
    """Polars raises where a value has too many digits before the point, so those are taken out, before and after rounding."""
    digits, scale = wanted.args
    if given.kind == "float":
        cell = pl.when(cell.abs() < 10.0 ** (digits - scale)).then(cell)
    wide = cell.cast(pl.Decimal(38, scale), strict=False)
    if digits == 38:
        return wide
    limit = pl.lit(Decimal(10) ** (digits - scale)).cast(pl.Decimal(38, 0))
    return pl.when(wide.abs() < limit).then(wide).cast(wanted.polars())


def _as_text(cell: pl.Expr, given: DataType) -> pl.Expr:
    if given.kind == "datetime":
        return cell.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("%:z" if given.zone else ""))
    if given.kind == "duration":
        return cell.dt.to_string("iso")
    if given.kind == "binary":
        return cell.map_batches(_decoded, return_dtype=pl.String, is_elementwise=True)
    return cell.cast(pl.String)


def _decoded(column: pl.Series) -> pl.Series:
    """Bytes as UTF-8; null where they are none, for which Polars would raise."""
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:
        texts = [None if cell is None else cell.decode("utf-8", "replace") for cell in column]
        made = pl.Series(column.name, texts, pl.String)
        return made.zip_with(made.cast(pl.Binary) == column, pl.Series([None], dtype=pl.String))


def _as_datetime(cell: pl.Expr, given: DataType, wanted: DataType) -> pl.Expr:
    """Without a zone, a time is wall-clock time: in the zone it gets, of the zone it loses."""
    dtype, zone = wanted.polars(), wanted.zone
    if given.zone and zone:
        return cell.dt.convert_time_zone(zone).cast(dtype)
    if given.zone:
        return cell.dt.replace_time_zone(None).cast(dtype)
    moment = cell.cast(type(dtype)(dtype.time_unit))
    return moment.dt.replace_time_zone(zone, ambiguous="null", non_existent="null") if zone else moment
