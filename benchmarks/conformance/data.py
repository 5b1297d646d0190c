"""A case's data as a table with types."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from benchmarks.conformance.expectations import NotMapped, moment

_DTYPES = {
    "int": pl.Int64, "int64": pl.Int64, "Int64Dtype": pl.Int64, "float": pl.Float64, "float64": pl.Float64, "str": pl.String,
    "bool": pl.Boolean, "datetime": pl.Datetime("us"), "datetime64": pl.Datetime("us"), "datetime64[ns]": pl.Datetime("us"),
    "timestamp": pl.Datetime("us", "UTC"), "date": pl.Date,
}  # fmt: skip


def frame_of(case: Mapping[str, Any]) -> pl.DataFrame:
    """As a contract would type it. A column of several kinds of value is text, as it would be in a feed."""
    numbers = re.search("_(mean|median|min|max|sum|stdev|z_score|quantile)", case["expectation_type"])
    compared = re.search("_(values_to_be_between|set|contain_set)", case["expectation_type"])
    empty = pl.Float64 if numbers or (compared and _asks_for_numbers(case["kwargs"])) else pl.String
    texts = _read_as_moments(case)
    return pl.DataFrame(
        [_series(n, c, "datetime" if n in texts else case["schema"].get(n), empty) for n, c in case["data"].items()]
    )


def _asks_for_numbers(kwargs: Mapping[str, Any]) -> bool:
    """A column of nulls only has no type of its own: it has that of what it is compared with."""
    given = [kwargs.get("min_value"), kwargs.get("max_value"), *(kwargs.get("value_set") or ())]
    kinds = {type(value) for value in given if value is not None}
    return bool(kinds) and kinds <= {int, float}


def _read_as_moments(case: Mapping[str, Any]) -> set[str]:
    """Columns of texts that the case wants read as dates and times."""
    kwargs = case["kwargs"]
    if not kwargs.get("parse_strings_as_datetimes"):
        return set()
    named = {kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs} & set(case["data"])
    return {n for n in named if all(cell is None or isinstance(cell, str) for cell in case["data"][n]) and any(case["data"][n])}


def _series(name: str, cells: list[Any], word: str | None, empty: Any) -> pl.Series:
    dtype: Any = _DTYPES.get(word or "")
    kinds = {type(cell) for cell in cells if cell is not None}
    if not kinds and not (dtype and word):
        return pl.Series(name, cells, dtype=empty)
    if dtype is not None and dtype.is_temporal():
        return _moments(name, cells, dtype)
    if kinds <= {int, float} and kinds:
        whole = kinds == {int} and dtype != pl.Float64
        return pl.Series(name, cells, dtype=pl.Int64 if whole else pl.Float64, strict=False)
    if len(kinds) > 1:
        return pl.Series(name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)
    if kinds & {dict, list}:
        raise NotMapped(f"{name} holds nested values of no fixed shape")
    return pl.Series(name, cells)


def _moments(name: str, cells: list[Any], dtype: Any) -> pl.Series:
    read = [None if cell is None else moment(cell) for cell in cells]
    if dtype == pl.Datetime("us", "UTC"):
        read = [m if m is None or m.tzinfo else m.replace(tzinfo=dt.UTC) for m in read]
    if dtype == pl.Date and any(moment and moment.time() != dt.time() for moment in read):
        dtype = pl.Datetime("us")
    return pl.Series(name, [m.date() if m and dtype == pl.Date else m for m in read], dtype=dtype)
