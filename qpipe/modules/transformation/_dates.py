"""Reads texts as dates or datetimes, format after format, each on what the formats before it left."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import or_
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType


_SAMPLE = 16
DOUBTFUL = -(1 << 63)  # stands for a value that two rival formats read as two different dates


@dataclass(frozen=True)
class How:
    """How texts are read."""

    formats: tuple[str, ...]  # tried in order
    wanted: DataType
    pivot: int  # the last year of two digits that is 20xx
    rivals: tuple[tuple[str, str], ...] = ()  # pairs of formats that may read the same text as different dates
    exclusive: bool = False  # but for rivals, no two formats do: the order makes no difference


def read_dates(texts: pl.Series, how: How) -> pl.Series:
    """The values, null where no format fits. Blanks around a text do not matter."""
    return _again_without_blanks(texts, _Reading(texts, how).values(), lambda bare: read_dates(bare, how))


def read_numbered(texts: pl.Series, how: How) -> pl.Series:
    """The same as the numbers that dates are stored as, with DOUBTFUL among them.

    One column says all, so that Polars computes it once for values and findings.
    """
    reading = _Reading(texts, how)
    values = reading.values().to_physical().cast(pl.Int64)
    doubtful = reading.doubtful()
    if doubtful is not None and doubtful.any():
        values = values.set(doubtful, DOUBTFUL)
    return _again_without_blanks(texts, values, lambda bare: read_numbered(bare, how))


def _again_without_blanks(texts: pl.Series, values: pl.Series, read: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """What could not be read, read again where there are blanks around it."""
    if values.null_count() == texts.null_count():
        return values
    left = (values.is_null() & texts.is_not_null()).arg_true()
    bare = texts.gather(left).str.strip_chars()
    changed = bare.str.len_bytes() != texts.gather(left).str.len_bytes()
    return values.scatter(left.filter(changed), read(bare.filter(changed))) if changed.any() else values


class _Reading:
    """Texts, and what came of them in the formats tried so far."""

    def __init__(self, texts: pl.Series, how: How) -> None:
        self.texts, self.how = texts, how
        self._known: dict[str, pl.Series] = {}

    def values(self) -> pl.Series:
        """Each format on what those before it left."""
        values = self._whole(self.how.formats[0])
        for format in self._likely_first(values, self.how.formats[1:]):
            if values.null_count() == self.texts.null_count():
                break
            if values.null_count() == len(values):
                values = self._whole(format)  # nothing fitted so far: no need to pick
                continue
            left = (values.is_null() & self.texts.is_not_null()).arg_true()
            found = self._known[format].gather(left) if format in self._known else self._part(left, format)
            hits = found.is_not_null()
            if hits.any():
                values = values.scatter(left.filter(hits), found.filter(hits))
        return values

    def doubtful(self) -> pl.Series | None:
        """True where two rivals read two different dates; None where nothing looks like it."""
        rivals = self.how.rivals
        others = set(self.how.formats) - {format for pair in rivals for format in pair}
        if others and not self.texts.str.contains(r"^\d{1,2}\D\d{1,2}\D").any():
            return None
        return functools.reduce(or_, ((self._whole(one) != self._whole(other)).fill_null(False) for one, other in rivals))

    def _likely_first(self, values: pl.Series, formats: Sequence[str]) -> Sequence[str]:
        """The formats, those that fit the first texts before the others.

        The result is the same where formats exclude one another, but for rivals, and what those read differently is doubtful.
        """
        if not self.how.exclusive or values.null_count() == self.texts.null_count():
            return formats
        some = self.texts.filter(values.is_null() & self.texts.is_not_null()).head(_SAMPLE)
        hits = {format: _read(some, format, self.how).count() for format in formats}
        return sorted(formats, key=lambda format: -hits[format])

    def _whole(self, format: str) -> pl.Series:
        if format not in self._known:
            self._known[format] = _read(self.texts, format, self.how)
        return self._known[format]

    def _part(self, places: pl.Series, format: str) -> pl.Series:
        return _read(self.texts.gather(places), format, self.how)


def _read(texts: pl.Series, format: str, how: How) -> pl.Series:
    wanted, pivot = how.wanted, how.pivot
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
    numbers = values.to_physical()
    a_day = 1 if values.dtype == pl.Date else 86_400_000_000
    if "%y" not in format:
        low, high = numbers.min(), numbers.max()
        if low is None or (low >= _YEAR_1000 * a_day and high < _YEAR_10000 * a_day):  # type: ignore[operator]
            return values
        return values.set(~numbers.is_between(_YEAR_1000 * a_day, _YEAR_10000 * a_day - 1).fill_null(True), None)
    years = values.dt.year()
    for wrong, shift in ((years > 2000 + pivot, "-100y"), (years <= 1900 + pivot, "100y")):
        if wrong.any():
            values = values.scatter(wrong.arg_true(), values.filter(wrong).dt.offset_by(shift))
    return values


_YEAR_1000, _YEAR_10000 = -354_285, 2_932_897  # their first days, in days since 1970
_HAS_TIME = re.compile(r"%[-_0]?(?:[HIMSpPklTRrXcs+]|\.?\d*f)")
_HAS_ZONE = re.compile(r"%(?:[:#]*z|\+|Z|s)")
