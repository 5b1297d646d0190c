"""Words and numbers that stand for "nothing": N/A, -, unknown, 1900-01-01, 999."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

_TEXT = """
    n/a na n.a. n.a #n/a #na nan null none nil missing unknown unk undefined unspecified notavailable
    notapplicable noentry - -- --- ? ?? ??? . .. ... * ** *** _ __ / // tbd tba tbc xxx void #ref! #value! #null!
    #div/0! #name? (null) (blank) <na> <null> [null] \\n
"""
WORDS = frozenset(_TEXT.split())  # compared in lower case and without blanks
SENTINELS = frozenset(("-1", "-9", "-99", "-999", "-9999", "-99999", "99", "999", "9999", "99999", "999999", "9999999",
                       "-1.0", "-9.0", "-99.0", "-999.0", "-9999.0", "99.0", "999.0", "9999.0", "99999.0"))  # fmt: skip
DATES = frozenset(("1900-01-01", "1899-12-30", "1899-12-31", "1970-01-01", "0001-01-01", "1901-01-01", "1753-01-01",
                   "9999-12-31", "2099-12-31", "2999-12-31", "9999-01-01", "0000-00-00"))  # fmt: skip
_FAR = 5  # times the spread of the others: so far away lies nothing that was measured


@dataclass(frozen=True)
class Placeholder:
    """A value that probably means nothing, and why."""

    value: str
    count: int
    reason: str
    confidence: float


def is_word(values: pl.Expr) -> pl.Expr:
    """True where a text is a word for nothing, or only blanks."""
    plain = values.str.to_lowercase().str.replace_all(r"\s+", "")
    return plain.is_in(sorted(WORDS)) | (plain == "")


def placeholders(counts: pl.DataFrame, numbers: pl.DataFrame | None, dates: bool) -> list[Placeholder]:
    """Disguised nulls among values with their counts (columns value, count).

    ``numbers``: the same with the column ``number``, where the column's values are numbers: a sentinel must lie apart from
    the others and come more than once. ``dates``: the values are dates.
    """
    every, once = int(counts["count"].sum()) or 1, counts.height > 1 and counts["count"].max() == 1
    found = [
        Placeholder(value, count, "a word for nothing", 0.5 if count > 0.5 * every or (once and _is_code(value)) else 0.9)
        for value, count in counts.filter(is_word(pl.col("value")) & (pl.col("value") != "")).iter_rows()
    ]
    if dates:
        days = counts.filter(pl.col("value").str.slice(0, 10).str.replace_all("/", "-", literal=True).is_in(sorted(DATES)))
        found += [Placeholder(v, n, "a date that programs write for nothing", 0.8) for v, n in days.iter_rows() if n > 1]
    if numbers is not None:
        found += _sentinels(numbers)
    return found


def _is_code(word: str) -> bool:
    """Na is sodium, too, where no value comes twice."""
    return word.isalpha() and len(word) <= 3


def _sentinels(numbers: pl.DataFrame) -> Iterator[Placeholder]:
    """99, 999, -1 …, twice or more, at an end of the range and far from what is next to it."""
    ordered = numbers.filter(pl.col("number").is_finite()).sort("number")
    if ordered.height < 5:
        return
    values, last = ordered["number"], ordered.height - 1
    middle = values.slice(1, last - 1)
    spread = float(middle.quantile(0.95) or 0) - float(middle.quantile(0.05) or 0)
    for at, beside in ((0, 1), (last, last - 1)):
        written, count = ordered["value"][at], int(ordered["count"][at])
        gap = abs(float(values[at]) - float(values[beside]))
        if written in SENTINELS and count > 1 and gap > max(0.5 * spread, 1.5):
            sure = 0.85 if count >= 3 and gap > _FAR * spread > 0 else 0.7
            yield Placeholder(written, count, "a number that programs write for nothing, apart from all others", sure)
