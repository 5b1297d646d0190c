"""Reads texts as dates or datetimes, format after format, each on what the formats before it left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType


def read_dates(texts: pl.Series, formats: Sequence[str], wanted: DataType, pivot: int) -> pl.Series:
    """The values; null where no format fits. Blanks around a text do not matter."""
    values = _read(texts, formats[0], wanted, pivot)
    left = (values.is_null() & texts.is_not_null()).arg_true()
    if not left.len():
        return values
    rest = texts.gather(left).str.strip_chars()
    for format in formats if rest.ne(texts.gather(left)).any() else formats[1:]:
        found = _read(rest, format, wanted, pivot)
        hits = found.is_not_null()
        if hits.any():
            values = values.scatter(left.filter(hits), found.filter(hits))
            left, rest = left.filter(~hits), rest.filter(~hits)
        if not left.len():
            break
    return values


def doubtful_dates(texts: pl.Series, rivals: Sequence[tuple[str, str]], wanted: DataType, pivot: int) -> pl.Series:
    """True where two rival formats read the same text as two different dates."""
    doubtful = pl.repeat(False, texts.len(), dtype=pl.Boolean, eager=True).alias(texts.name)
    maybe = texts.str.contains(r"^\s*\d{1,2}\D\s*\d{1,2}\D").arg_true()
    if not maybe.len():
        return doubtful
    rest = texts.gather(maybe).str.strip_chars()
    found = pl.repeat(False, rest.len(), dtype=pl.Boolean, eager=True)
    for one, other in rivals:
        found |= (_read(rest, one, wanted, pivot) != _read(rest, other, wanted, pivot)).fill_null(False)
    return doubtful.scatter(maybe.filter(found), True)


def _read(texts: pl.Series, format: str, wanted: DataType, pivot: int) -> pl.Series:
    if wanted.kind == "date":
        return _in_century(texts.str.to_date(format, strict=False, cache=False), format, pivot)
    if not _HAS_TIME.search(format):
        values = texts.str.to_date(format, strict=False, cache=False).cast(pl.Datetime("us"))
    else:
        values = texts.str.to_datetime(format, strict=False, time_unit="us", cache=False)
        late = texts.str.contains(":60", literal=True)
        values = values.set(late, None) if late.any() else values  # Polars would make 12:00:60 into 12:01:00
    if wanted.zone and not _HAS_ZONE.search(format):
        values = values.dt.replace_time_zone(wanted.zone, ambiguous="null", non_existent="null")
    elif wanted.zone:
        values = values.dt.convert_time_zone(wanted.zone)
    return _in_century(values, format, pivot).cast(wanted.polars())


def _in_century(values: pl.Series, format: str, pivot: int) -> pl.Series:
    """Years of two digits in the hundred years that end with 20``pivot``; with %Y only years of four digits."""
    years = values.dt.year()
    if "%y" not in format:
        low, high = years.min(), years.max()
        if low is None or (low >= 1000 and high <= 9999):  # type: ignore[operator]
            return values
        return values.set(~years.is_between(1000, 9999).fill_null(True), None)
    if (years > 2000 + pivot).any():
        values = values.scatter((years > 2000 + pivot).arg_true(), values.filter(years > 2000 + pivot).dt.offset_by("-100y"))
    if (years <= 1900 + pivot).any():
        values = values.scatter((years <= 1900 + pivot).arg_true(), values.filter(years <= 1900 + pivot).dt.offset_by("100y"))
    return values


_HAS_TIME = re.compile(r"%[-_0]?(?:[HIMSpPklTRrXcs+]|\.?\d*f)")
_HAS_ZONE = re.compile(r"%(?:[:#]*z|\+|Z|s)")
