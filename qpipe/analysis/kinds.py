"""What type the texts of a column are meant to have, and how their dates are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.analysis.missing import is_word
from qpipe.core.lazy import pl
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

ENOUGH = 0.9  # of the values must fit a type
_DATED = 0.75  # of them a way to write dates, which texts do not have by chance
_INT = r"^[+-]?\d{1,18}$"
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$"
_LOCAL = r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$|^[+-]?\d{1,3}(?:\.\d{3})+,\d+$"
_CODE = r"^[+-]?0\d"  # 007 is a code, not seven
_DAYS = (
    (r"^\d{4}-\d{1,2}-\d{1,2}$", ("%Y-%m-%d",)),
    (r"^\d{4}/\d{1,2}/\d{1,2}$", ("%Y/%m/%d",)),
    (r"^\d{1,2}\.\d{1,2}\.\d{4}$", ("%d.%m.%Y",)),
    (r"^\d{1,2}/\d{1,2}/\d{4}$", ("%m/%d/%Y", "%d/%m/%Y")),
    (r"^\d{1,2}/\d{1,2}/\d{2}$", ("%m/%d/%y", "%d/%m/%y")),
    (r"^\d{1,2}-\d{1,2}-\d{4}$", ("%m-%d-%Y", "%d-%m-%Y")),
    (r"^\d{1,2}[ -][A-Za-z]{3}[ -]\d{4}$", ("%d-%b-%Y", "%d %b %Y")),
    (r"^[A-Za-z]{3} \d{1,2}, \d{4}$", ("%b %d, %Y",)),
    (r"^[A-Za-z]{4,9} \d{1,2}, \d{4}$", ("%B %d, %Y",)),
    (r"^(?:19|20)\d{6}$", ("%Y%m%d",)),
)
_HOURS = ((r"[T ]\d{1,2}:\d{2}:\d{2}$", "%H:%M:%S"), (r"[T ]\d{1,2}:\d{2}$", "%H:%M"),
          (r"[T ]\d{1,2}:\d{2}:\d{2}\.\d+$", "%H:%M:%S%.f"), (r"[T ]\d{1,2}:\d{2}:\d{2} [AP]M$", "%I:%M:%S %p"))  # fmt: skip
_ZONED = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})$"
_BOOL = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"))


@dataclass(frozen=True)
class Reading:
    """A type, how it is written, and the share of the values that fit."""

    type: str = "string"  # a contract's type word
    format: str | None = None
    share: float = 1.0
    values: int = 0  # looked at

    @property
    def kind(self) -> str:
        return DataType.parse(self.type).kind

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "float", "decimal")


def infer(counts: pl.DataFrame) -> Reading:
    """The type of texts with their counts (columns value, count). Words for nothing are left out of the reckoning."""
    known = counts.filter(~is_word(pl.col("value"))).with_columns(pl.col("value").str.strip_chars())
    every = int(known["count"].sum())
    if not every:
        return Reading(values=0)
    cell, weight = pl.col("value"), pl.col("count")
    asked = {"int": cell.str.contains(_INT), "number": cell.str.contains(_NUMBER), "code": cell.str.contains(_CODE)}
    asked |= {f"bool{n}": cell.str.to_lowercase().is_in(list(pair)) for n, pair in enumerate(_BOOL)}
    shares = known.select([(weight.filter(test).sum() / every).alias(name) for name, test in asked.items()]).row(0, named=True)
    for n in range(len(_BOOL)):
        if shares[f"bool{n}"] >= ENOUGH and known.height >= 2:
            return Reading("bool", None, shares[f"bool{n}"], every)
    day = _day(known, every)
    if day is not None and (day.format != "%Y%m%d" or day.share > 0.99):
        return day
    if shares["code"] > 0.02:
        return Reading("string", None, 1.0, every)
    if shares["int"] >= ENOUGH and shares["number"] - shares["int"] < 0.005:
        return Reading("int", None, shares["int"], every)
    if shares["number"] >= ENOUGH:
        return Reading(_decimal(known) or "float", None, shares["number"], every)
    return Reading("string", None, 1.0, every)


def _decimal(known: pl.DataFrame) -> str | None:
    """decimal(18,s) where no value has an exponent and all have at most four digits behind the point."""
    numbers = known.filter(pl.col("value").str.contains(_NUMBER))
    exponent = numbers["value"].str.contains("[eE]").any()
    digits = numbers["value"].str.replace_all(r"\D", "").str.len_chars().max()
    scale = numbers["value"].str.extract(r"\.(\d+)$").str.len_chars().fill_null(0).max()
    if exponent or int(scale or 0) > 4 or int(digits or 0) > 15:  # type: ignore[arg-type]
        return None
    return f"decimal(18,{max(int(scale or 0), 1)})"  # type: ignore[arg-type]


def _day(known: pl.DataFrame, every: int) -> Reading | None:
    """Dates and moments: the form that most have, then the order of day and month that fits best."""
    zoned = known.filter(pl.col("value").str.contains(_ZONED))
    if zoned["count"].sum() >= _DATED * every:
        good = zoned.filter(_moment(pl.col("value")).is_not_null())["count"].sum()
        return Reading("datetime(UTC)", None, float(good) / every, every)
    for regex, formats in _DAYS:
        for ending, hours in (("$", ""), *_HOURS):
            full = regex.removesuffix("$") + ending
            fitting = known.filter(pl.col("value").str.contains(full))
            if fitting["count"].sum() < _DATED * every:
                continue
            between = "T" if hours and bool(fitting["value"].str.contains(r"\dT\d").mean() > 0.5) else " "  # type: ignore[operator]
            best = max((_written(fitting, f + (between + hours if hours else ""), bool(hours), every) for f in formats),
                       key=lambda r: r.share)  # fmt: skip
            if best.share >= _DATED:
                return best
    return None


def _written(fitting: pl.DataFrame, format: str, moment: bool, every: int) -> Reading:
    good = fitting.filter(_parsed(pl.col("value"), format, moment).is_not_null())["count"].sum()
    return Reading("datetime" if moment else "date", format, float(good) / every, every)


def _parsed(cell: pl.Expr, format: str, moment: bool) -> pl.Expr:
    if moment:
        return cell.str.to_datetime(format, strict=False, ambiguous="null", time_unit="us")
    return cell.str.to_date(format, strict=False)


def _moment(cell: pl.Expr) -> pl.Expr:
    """ISO 8601 with Z or an offset, as the time in UTC."""
    return cell.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC").dt.replace_time_zone(None)


def read(cell: pl.Expr, reading: Reading) -> pl.Expr:
    """The texts as values of the type, null where they do not fit: for statistics, not for a contract."""
    if reading.type == "bool":
        word = cell.str.strip_chars().str.to_lowercase()
        return pl.when(word.is_in([w for pair in _BOOL for w in pair])).then(word.is_in([pair[0] for pair in _BOOL]))
    if reading.type == "datetime(UTC)":
        return _moment(cell)
    if reading.kind in ("date", "datetime"):
        return _parsed(cell, reading.format or "%Y-%m-%d", reading.kind == "datetime")
    if reading.is_number:
        return cell.cast(pl.Int64 if reading.kind == "integer" else pl.Float64, strict=False)
    return cell


def counted(values: pl.Series) -> pl.DataFrame:
    """Distinct texts and how often each occurs: columns value, count; nulls left out."""
    return values.alias("value").cast(pl.String).drop_nulls().value_counts(name="count")
