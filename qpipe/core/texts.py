"""Columns of texts, read as the types of a contract: fast where all is well, exact everywhere.

Polars reads a column at once but more kindly than a contract is: ``2026-1-2`` is a date to it, ``1.505`` a decimal(12,2). So
its answer is taken where the letters of the whole column prove that no text needed that kindness, which costs a few
milliseconds a million; only else does a regular expression look at each text, and only at what failed a second time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import np, pl
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

Reader = Callable[["pl.Series", DataType], "pl.Series"]  # null where a text is no value of the type
_MANY = 20_000  # rows from which looking at the letters of a column is worth its imports


@functools.cache
def reader(type: DataType) -> Callable[[pl.Series], pl.Series]:
    """What reads a column of texts as a type. ``parse_text`` says what is a value of which."""
    return functools.partial(_read, type=type)


def _read(texts: pl.Series, type: DataType) -> pl.Series:
    """Everything at once; then, only where that failed, again without the blanks around."""
    if texts.dtype == pl.Null:
        return texts.cast(type.polars())
    if texts.dtype != pl.String:  # its source has read it already
        return texts
    read = _READERS[type.kind if type.name != "json" else "json"]
    values = read(texts, type)
    if values.null_count() == texts.null_count() or type.name == "json":  # JSON may have blanks around
        return values
    failed = (values.is_null() & texts.is_not_null()).arg_true()
    again = texts.gather(failed)
    if _without_blanks(again):
        return values
    bare = again.str.strip_chars()
    padded = bare != again
    if not padded.any():
        return values
    return _put(values, failed.filter(padded), read(bare.filter(padded), type))


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
    """Polars cuts off what is beyond the scale, and takes exponents: neither is exact."""
    values, scale = texts.cast(type.polars(), strict=False), type.args[1]
    pattern = rf"[.][0-9]{{{scale}}}[0-9]*[1-9]|[eE]"
    letters = _letters(texts)
    if letters is None or (letters[0] > ord("9")).any():
        return _only(values, ~texts.str.contains(pattern))
    data, ends = letters
    if not (data == ord(".")).any():
        return values
    # a point right before the last digits of the scale: no more digits than that
    doubtful = pl.Series(np.flatnonzero(data[np.maximum(ends - (scale + 1), 0)] != ord(".")), dtype=pl.UInt32)
    wrong = doubtful.filter(texts.gather(doubtful).str.contains(pattern).fill_null(False))
    return values.scatter(wrong, values.clear(wrong.len())) if wrong.len() else values


def _letters(texts: pl.Series) -> tuple[np.ndarray, np.ndarray] | None:
    """All bytes of a column one after the other, and where each text ends; None where looking is not worth it."""
    if texts.len() < _MANY:
        return None
    array = texts.cast(pl.Binary).to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    if data is None or not data.size:
        return None
    ends = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]], ends[1:] - ends[0]


def _without_blanks(texts: pl.Series) -> bool:
    """Whether surely no text has a blank: seen at once for all, where a look at each takes longer than to read it did."""
    letters = _letters(texts)
    return letters is not None and letters[0].min() > ord(" ") and letters[0].max() < 128


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
    alike = _written_alike(texts)
    if alike is not None:
        return alike
    values = texts.str.to_date("%Y-%m-%d", strict=False, cache=False)  # its cache costs more than reading a date does
    return _in_our_era(_only(values, texts.str.contains(f"^{_DATE}$")))


def _written_alike(texts: pl.Series) -> pl.Series | None:
    """The usual case, all of them four, two and two digits: eight signs at a time, then read from a table of months."""
    if texts.len() < _MANY:
        return None
    views, there = _short_views(texts), texts.is_not_null().to_numpy() if texts.null_count() else True
    if not ((views["size"] == 10) | ~np.asarray(there)).all():
        return None
    signs, days = (views["eight"] ^ _NONE_YET) * there, _two_digits()[views["two"]] * there
    if ((signs + _BEYOND | signs) & _HIGH).any() or days.min() < 0:
        return None
    pairs = signs * np.uint64(10) + (signs >> np.uint64(8))  # two digits each: in the bytes 0, 2 and 5
    century, year, month = ((pairs >> np.uint64(8 * byte)).astype(np.uint8).astype(np.int32) for byte in (0, 2, 5))
    starts, lengths = _months()
    months = (century * 100 + year) * 12 + month
    there = (days > 0) & (days <= lengths[months]) & (month > 0) & (month < 13) & (months > 12)
    dates = pl.Series(texts.name, starts[months] + days, pl.Int32).cast(pl.Date)
    return dates if there.all() else dates.set(pl.Series(~there), None)


@functools.cache
def _months() -> tuple[np.ndarray, np.ndarray]:
    """The day from 1970 before the first one of each month, and its days, by twelve times the year and the month from 1 on."""
    first = -1970 * 12 - 1
    starts = np.arange(first, first + 12 * 10_000 + 101).astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)
    return starts[:-1] - 1, np.diff(starts).astype(np.int16)


# "0000-00-" taken from eight signs of a date leaves digits and nothing; and what, added, sets the high bit of any other byte
_NONE_YET = int.from_bytes(b"0000-00-", "little")
_BEYOND = int.from_bytes(bytes(0x7F if sign == ord("-") else 0x7F - 9 for sign in b"0000-00-"), "little")
_HIGH = int.from_bytes(b"\x80" * 8, "little")


def _short_views(texts: pl.Series) -> np.ndarray:
    """The views of a column's texts as Arrow keeps them: a text's size, and, where that is at most 12, the text itself."""
    array = texts.to_arrow(compat_level=pl.CompatLevel.newest())
    parts = np.dtype(
        {"names": ["size", "eight", "two"], "formats": ["<u4", "<u8", "<u2"], "offsets": [0, 4, 12], "itemsize": 16}
    )
    return np.ndarray(len(array), parts, buffer=array.buffers()[1], offset=16 * array.offset)


@functools.cache
def _two_digits() -> np.ndarray:
    """The number that two bytes write, by the two bytes read as one number; -1 where they are no digits."""
    table = np.full(1 << 16, -1, dtype=np.int16)
    table[np.frombuffer(b"".join(b"%02d" % number for number in range(100)), np.uint16)] = np.arange(100)
    return table


def _rigid(texts: pl.Series, width: int, gap: str = "T") -> bool:
    """Have all texts this many bytes, no signs, no blanks but the gap? Then what Polars could read has two digits throughout:
    it is kind only about signs, blanks and missing zeros."""
    letters = _letters(texts) if (texts.str.len_bytes() == width).all() else None
    if letters is None:
        return False
    data, blanks = letters[0], len(letters[0]) // width if gap == " " else 0
    plain = data.min() >= ord(" ") and data.max() <= ord("Z") and not (data == ord("+")).any()
    seconds = data.reshape(-1, width)[:, 17] if width > 17 else data[:0]  # 12:00:60 would become 12:01:00
    return bool(plain and (data == ord(" ")).sum() == blanks and (seconds <= ord("5")).all())


def _datetimes(texts: pl.Series, type: DataType) -> pl.Series:
    if type.format:
        instants = bool(re.search(r"%(?:[:#]*z|\+|Z)", type.format))
        return _in_our_era(_zoned(_timestamps(texts, type.format, type), type, instants).cast(type.polars()))
    alike = _alike(texts, type)
    if alike is not None:
        return _in_our_era(alike)
    values = pl.Series(texts.name, [None], dtype=type.polars()).new_from_index(0, texts.len())
    rest = pl.int_range(texts.len(), dtype=pl.UInt32, eager=True).filter(texts.is_not_null())
    for pattern, format, zoned in _ways(_unit(type)):
        if not rest.len() or (zoned and type.zone is None):
            break
        left = texts.gather(rest)
        fits = left.str.contains(pattern)
        if fits.any():
            found = _timestamps(left.filter(fits), format, type)
            values = _put(values, rest.filter(fits), _zoned(found, type, zoned).cast(values.dtype))
            rest = rest.filter(~fits)
    return _in_our_era(values)


@functools.cache
def _ways(unit: str) -> list[tuple[str, str, bool]]:
    """Pattern, format, and whether there is an offset. Those without come first: a type without a zone stops there."""
    fine = f"[.][0-9]{{1,{_FIGURES[unit]}}}0*"  # finer would be cut off
    ways = [
        (f"^{_DATE}{gap}{_TIME}{fraction}{offset}$", f"%Y-%m-%d{gap}%H:%M:%S{'%.f' if fraction else ''}{zone}", bool(zone))
        for offset, zone in (("", ""), (_OFFSET, "%#z"))
        for fraction in ("", fine)
        for gap in ("T", " ")
    ] + [(f"^{_DATE}{gap}[0-9]{{2}}:[0-9]{{2}}$", f"%Y-%m-%d{gap}%H:%M", False) for gap in ("T", " ")]
    return sorted(ways, key=lambda way: way[2])


_REACH = (1 << 63) // 1000 - 1  # microseconds from 1970 that 64 bits of nanoseconds hold: 1677 to 2262
_FIGURES = {"ms": 3, "us": 6, "ns": 9}  # after the point of a second


def _unit(type: DataType) -> Any:
    return type.polars().time_unit


def _alike(texts: pl.Series, type: DataType) -> pl.Series | None:
    """The usual case, all written alike to the second: no text needs a look of its own."""
    first = texts[texts.is_not_null().arg_max() or 0] if texts.len() >= _MANY else None
    if not isinstance(first, str) or len(first) not in (19, 20):
        return None
    gap, end = first[10], first[19:]
    if gap not in "T " or end not in ("", "Z") or (end and not type.zone) or not _rigid(texts, len(first), gap):
        return None
    values = _timestamps(texts, f"%Y-%m-%d{gap}%H:%M:%S{end}", type)
    if values.null_count() > texts.null_count():
        return None
    return _zoned(values.dt.replace_time_zone("UTC") if end else values, type, bool(end)).cast(type.polars())


def _timestamps(texts: pl.Series, format: str, type: DataType) -> pl.Series:
    values = texts.str.to_datetime(format, strict=False, time_unit=_unit(type), cache=False)
    if _unit(type) != "ns":
        return values
    coarse = texts.str.to_datetime(format, strict=False, time_unit="us", cache=False).to_physical()
    return _only(values, coarse.is_between(-_REACH, _REACH))  # Polars wraps around beyond


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
    per_second = {"ms": 10**3, "us": 10**6, "ns": 10**9}
    day = 1 if values.dtype == pl.Date else 86_400 * per_second[values.dtype.time_unit]  # type: ignore[attr-defined]
    ticks = values.to_physical()
    first, last = _FIRST_DAY * day, (_LAST_DAY + 1) * day - 1
    low, high = ticks.min(), ticks.max()
    return values if low is None or (low >= first and high <= last) else _only(values, ticks.is_between(first, last))  # type: ignore[operator]


_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, as days from 1970


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


def _binaries(texts: pl.Series, type: DataType) -> pl.Series:
    return texts.str.decode("base64", strict=False) if type.format == "base64" else texts.cast(pl.Binary)


def _jsons(texts: pl.Series, type: DataType) -> pl.Series:
    from qpipe.core.json_texts import valid_json

    return _only(texts, valid_json(texts))


def _nested(texts: pl.Series, type: DataType) -> pl.Series:
    """Lists and structs are written as JSON."""
    from qpipe.core.nested_texts import read_nested

    return read_nested(_jsons(texts, type), type, _read)


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
    "binary": _binaries,
    "json": _jsons,
    "list": _nested,
    "struct": _nested,
}
