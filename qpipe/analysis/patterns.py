r"""Patterns of texts, learnt from examples: ``DE-12345`` and ``FR-99`` are both ``[A-Z]{2}-\d{2,5}``.

Each text becomes a row of runs (digits, capitals, small letters, blanks, one sign); texts with the same row share a shape.
Runs that are the same text everywhere stay that text, the others become a class with the lengths seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

_RUNS = re.compile(r"\d+|[^\W\d_]+|\s+|.", re.S)
_WORD = re.compile(r"(\\p\{L\}|\\.|\[[^]]*\])|[^\W\d_]{3,}")
_EXAMPLES = 200  # texts of a shape that are looked into for what they share


@dataclass(frozen=True)
class Pattern:
    """A regular expression for the whole text, and how many texts have it."""

    regex: str
    count: int
    share: float
    example: str


def shape(values: pl.Expr) -> pl.Expr:
    """The shape of a text, computed without a loop: 9 for digits, A for capitals, a for small letters, w for mixed words."""
    return (
        values.str.replace_all(r"[0-9]+", "9")
        .str.replace_all(r"\p{Lu}{2,}|\p{Lu}\b", "A")
        .str.replace_all(r"\p{Lu}?\p{Ll}+|[\p{Lo}\p{Lm}\p{Lt}]+", "a")
        .str.replace_all(r"\p{Lu}", "A")
        .str.replace_all(r"[Aa]{2,}", "w")
        .str.replace_all(r"\s+", " ")
    )


def patterns(counts: pl.DataFrame, most: int = 8, tight: float = 0.0) -> list[Pattern]:
    """The commonest patterns of texts with their counts (columns value, count); the commonest first.

    ``tight``: lengths of a run that fewer than this share of a shape's texts have do not widen the pattern: a rule is learnt
    from the many, not from its exceptions.
    """
    every = int(counts["count"].sum())
    if not every:
        return []
    grouped = (
        counts.with_columns(shape(pl.col("value")).alias("shape"))
        .group_by("shape")
        .agg(pl.col("count").sum().alias("total"), 
             pl.col("value", "count").sort_by("count", "value", descending=[True, False]).head(_EXAMPLES))
        .sort(["total", "shape"], descending=[True, False])
        .head(most)
    )  # fmt: skip
    made: dict[str, Pattern] = {}
    for row in grouped.iter_rows(named=True):
        regex = regex_of(row["value"], row["count"], tight)
        known = made.get(regex)
        total = row["total"] + (known.count if known else 0)
        made[regex] = Pattern(regex, total, total / every, known.example if known else row["value"][0])
    return sorted(made.values(), key=lambda p: -p.count)


def regex_of(examples: list[str], weights: list[int] | None = None, tight: float = 0.0) -> str:
    """A regular expression (anchored) that the examples match; they should be of one shape."""
    rows = [_RUNS.findall(text) for text in examples]
    if len({len(row) for row in rows}) != 1:
        return "^.*$"
    weights = weights or [1] * len(rows)
    columns = [[row[n] for row in rows] for n in range(len(rows[0]))]
    classes = [_class(runs, weights, tight, places=_places(columns, n)) for n, runs in enumerate(columns)]
    signed = len(classes) > 3 and classes[0] == "-" and _places(columns, 1) == "whole"
    return "^" + ("-?" if signed else classes[0]) + "".join(classes[1:]) + "$"


def _places(columns: list[list[str]], n: int) -> str:
    """Which places of a number with decimals a run of digits is: "whole", "decimal", or "" where it is in none (12.5.2024)."""
    points = [at for at in range(1, len(columns) - 1) if columns[at][0] == "." and _all_digits(columns, at - 1, at + 1)]
    if any(at + 2 in points for at in points):
        return ""
    return "whole" if n + 1 in points else "decimal" if n - 1 in points else ""


def _all_digits(columns: list[list[str]], *places: int) -> bool:
    return all(run.isdigit() for at in places for run in columns[at])


def _class(runs: list[str], weights: list[int], tight: float, places: str = "") -> str:
    """A class for runs. Of noughts at the end that are not written there may be one more than usual."""
    most, every = _commonest(runs, weights)
    same = len(every) == 1 or (tight and not most.isdigit() and every[most] >= (1 - tight) * sum(weights) and len(every) < 5)
    if same and (len(runs) > 1 or not most[0].isalnum()):
        return escaped(most)
    _, lengths = _commonest([len(run) for run in runs], weights)
    least = max(tight * sum(weights), 3 * tight * max(lengths.values()))
    usual = [n for n, weight in lengths.items() if weight >= least] or list(lengths)
    kind, low, high = _kind({run for run in runs if len(run) in usual}), min(usual), max(usual)
    if places == "whole" and any(run[0] == "1" for run in runs if len(run) == low):
        low = 1  # where there are tens, there may be ones
    elif places == "decimal" and low < high:
        low = max(1, low - 1)
    if low == high:
        return kind if low == 1 else f"{kind}{{{low}}}"
    return f"{kind}{{{low},{high}}}" if kind == r"\d" and high <= 20 else f"{kind}+"


def _commonest(things: list[Any], weights: list[int]) -> tuple[Any, dict[Any, int]]:
    every: dict[Any, int] = {}
    for thing, weight in zip(things, weights, strict=True):
        every[thing] = every.get(thing, 0) + weight
    return max(every, key=lambda thing: every[thing]), every


def _kind(runs: set[str]) -> str:
    if all(run.isdigit() for run in runs):
        return r"\d"
    if all(run.isspace() for run in runs):
        return r"\s"
    if all(run.isascii() for run in runs):
        upper, lower = any(run.upper() == run for run in runs), any(run.lower() == run for run in runs)
        mixed = any(run not in (run.upper(), run.lower()) for run in runs)
        return "[A-Z]" if upper and not lower and not mixed else "[a-z]" if lower and not upper and not mixed else "[A-Za-z]"
    return r"\p{L}" if all(run.isalpha() for run in runs) else "."


def without_words(regex: str) -> str:
    """A learnt pattern, any word in place of one that all examples share: it may be somebody's."""
    return _WORD.sub(lambda m: m[1] or r"\p{L}+", regex)


def escaped(text: str) -> str:
    return "".join(rf"\{c}" if c in r"\.^$|?*+()[]{}" else c for c in text)
