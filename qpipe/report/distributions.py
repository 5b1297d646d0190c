"""How columns are spread, in the delivered rows against the quarantined ones, from the rows the run kept as its sample.

The sample is fixed by the rows' ordinals: of each class the rows with the lowest hash of ``_row``. The same run therefore
shows the same picture, whatever its batches were. Masked columns show how many values are missing, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from qpipe.core.batch import ROW
from qpipe.core.lazy import pl

ROWS = 5000  # of each class
BINS = 24
VALUES = 6  # texts shown of a column
PATTERNS = 8

Pair = tuple[float, float]  # of the delivered, of the quarantined


@dataclass(frozen=True)
class Bin:
    """A bar: shares among the values that are there, of each class."""

    label: str
    shares: Pair


@dataclass(frozen=True)
class Distribution:
    column: str
    kind: str  # number, time, text, length, masked, empty
    bins: tuple[Bin, ...]
    low: str  # the ends of the axis of a number or a time
    high: str
    nulls: Pair
    shift: float | None  # population stability index of quarantined against delivered; None: one of them has no values


@dataclass(frozen=True)
class Missing:
    """Which cells are missing, and which are missing together."""

    columns: tuple[str, ...] = ()  # those with a missing value, the emptiest first
    shares: tuple[float, ...] = ()  # of all rows, estimated from the sample of each class
    classes: tuple[Pair, ...] = ()
    varying: tuple[str, ...] = ()  # the columns that are missing in some rows, not in all
    together: tuple[tuple[float, ...], ...] = ()  # of two of them: both missing / either missing
    patterns: tuple[tuple[tuple[int, ...], float], ...] = ()  # which of them are missing at once, in what share of rows


@dataclass(frozen=True)
class Shapes:
    """Everything a report draws of the data itself."""

    rows: tuple[int, int]  # in the sample: delivered, quarantined
    missing: Missing
    distributions: tuple[Distribution, ...]


def shapes(sample: Sequence[pl.DataFrame], totals: tuple[int, int], masked: Collection[str] = ()) -> Shapes:
    """``sample``: delivered and quarantined rows; ``totals``: how many there were in the run."""
    delivered, quarantined = sample
    columns = [c for c in delivered.columns if not c.startswith("_")]
    found = [_distribution(c, delivered[c], quarantined[c], c in masked) for c in columns]
    return Shapes((delivered.height, quarantined.height), _missing(delivered, quarantined, columns, totals), tuple(found))


def merged_sample(folder: Path, quarantine: Collection[str], rows: int = ROWS) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """The run's sample as (delivered, quarantined): of the files' rows those with the lowest hashes. None: there is none."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        return None
    every = pl.concat([pl.scan_parquet(f) for f in files], how="diagonal_relaxed")
    # an ordinal below 2^32 times 2654435761 stays below 2^64
    hashed = every.with_columns((pl.col(ROW).cast(pl.UInt64) * 2654435761 % (1 << 32)).alias("_hash"))
    bad = pl.col("_route").is_in(list(quarantine))
    first, second = (hashed.filter(mine).sort("_hash", ROW).head(rows).drop("_hash") for mine in (~bad, bad))
    return first.collect(engine="in-memory"), second.collect(engine="in-memory")


def shift(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The population stability index of two histograms of counts: the sum of (a - b) × ln(a / b) over shares.

    Half a value is added to each bin, so that an empty one does not make it infinite. Below 0.1 is commonly read as no
    shift, above 0.25 as a large one; small samples alone give about (bins - 1) × (1/n + 1/m).
    """  # noqa: RUF002
    if not sum(ours) or not sum(theirs):
        return None
    one, two = [a + 0.5 for a in ours], [b + 0.5 for b in theirs]
    return sum((a / sum(one) - b / sum(two)) * math.log(a / sum(one) * sum(two) / b) for a, b in zip(one, two, strict=True))


# ── one column ──


def _distribution(name: str, ours: pl.Series, theirs: pl.Series, masked: bool) -> Distribution:
    nulls = (_share(ours.null_count(), ours.len()), _share(theirs.null_count(), theirs.len()))
    a, b = _values(ours), _values(theirs)
    if masked or not (a.len() + b.len()):
        return Distribution(name, "masked" if masked else "empty", (), "", "", nulls, None)
    kind, bins, ends = _binned(a, b)
    counts = [(int(x), int(y)) for _, x, y in bins]
    made = tuple(Bin(label, (_share(x, a.len()), _share(y, b.len()))) for label, x, y in bins)
    return Distribution(name, kind, made, *ends, nulls, shift([x for x, _ in counts], [y for _, y in counts]))


def _values(values: pl.Series) -> pl.Series:
    """Those that are there, as a number, a time's number, or a text."""
    kind = values.dtype
    if kind.is_nested() or kind == pl.Binary:
        values = pl.Series(values.name, [None if v is None else str(v) for v in values.to_list()], dtype=pl.String)
    elif kind == pl.Boolean or kind in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    elif kind.is_numeric():
        values = values.cast(pl.Float64)
        values = values.filter(values.is_finite().fill_null(False))
    return values.drop_nulls()


Counted = tuple[str, list[tuple[str, float, float]], tuple[str, str]]


def _binned(a: pl.Series, b: pl.Series) -> Counted:
    if a.dtype.is_temporal():
        return _histogram(a.to_physical().cast(pl.Float64), b.to_physical().cast(pl.Float64), "time", a.dtype)
    if a.dtype.is_numeric():
        return _histogram(a, b, "number", None)
    a, b = a.cast(pl.String), b.cast(pl.String)
    every = pl.concat([a, b])
    if every.n_unique() > max(50, 0.5 * every.len()):  # nearly every value its own: keys, free text
        return _histogram(a.str.len_chars().cast(pl.Float64), b.str.len_chars().cast(pl.Float64), "length", None)
    return _top(a, b)


def _histogram(a: pl.Series, b: pl.Series, kind: str, dtype: Any) -> Counted:
    """Equal bins between the 1st and the 99th hundredth of both classes; what lies outside counts in the outer bins."""
    lows = [v.quantile(0.01) for v in (a, b) if v.len()]
    highs = [v.quantile(0.99) for v in (a, b) if v.len()]
    low, high = min(float(v or 0) for v in lows), max(float(v or 0) for v in highs)
    whole = all(v.len() == 0 or bool((v == v.round()).all()) for v in (a, b))
    low, step, bins = _grid(low, high, whole and kind != "time")
    edges = [low + step * n for n in range(bins + 1)]
    ours, theirs = _counts(a, low, step, bins), _counts(b, low, step, bins)
    told = [(_edge(x, whole, dtype, up=True), _edge(y, whole, dtype)) for x, y in pairwise(edges)]
    labels = [one if one == other else f"{one} to {other}" for one, other in told]
    beyond = [
        any(v.len() and bool(test(v)) for v in (a, b)) for test in (lambda v: v.min() < low, lambda v: v.max() > edges[-1])
    ]
    ends = ("≤ " * beyond[0]) + told[0][0], ("≥ " * beyond[1]) + told[-1][1]
    return kind, list(zip(labels, ours, theirs, strict=True)), ends


def _counts(values: pl.Series, low: float, step: float, bins: int) -> list[int]:
    if not values.len():
        return [0] * bins
    numbers = ((values - low) / step).floor().clip(0, bins - 1).cast(pl.Int32)
    found = dict(zip(*numbers.value_counts().get_columns(), strict=True))
    return [int(found.get(n, 0)) for n in range(bins)]


def _grid(low: float, high: float, whole: bool) -> tuple[float, float, int]:
    """(first edge, width, number of bins); between whole numbers lie the edges, so that a bin holds as many as the next."""
    if whole:
        step = math.ceil((high - low + 1) / BINS)
        return low - 0.5, step, math.ceil((high - low + 1) / step)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return low, (high - low) / BINS, BINS


def _edge(value: float, whole: bool, dtype: Any, up: bool = False) -> str:
    if dtype is not None:
        stored = pl.Int32 if dtype == pl.Date else pl.Int64
        told = pl.Series([round(value)], dtype=stored).cast(dtype)[0]
        if dtype.base_type() == pl.Datetime:
            return str(told.strftime("%Y-%m-%d %H:%M")).removesuffix(" 00:00")
        return str(told).partition(".")[0]
    if whole:
        number = math.ceil(value) if up else math.floor(value)
        return f"{number:,}" if abs(number) >= 10_000 else str(number)  # years read better as 2013
    return f"{value:,.4g}"


def _top(a: pl.Series, b: pl.Series) -> Counted:
    ours, theirs = (dict(zip(*v.value_counts().get_columns(), strict=True)) for v in (a, b))
    weight = {v: _share(ours.get(v, 0), a.len()) + _share(theirs.get(v, 0), b.len()) for v in {**ours, **theirs}}
    names = sorted(weight, key=lambda v: (-weight[v], v))[:VALUES]
    bins = [(name, float(ours.get(name, 0)), float(theirs.get(name, 0))) for name in names]
    rest = len(weight) - len(names)
    if rest:
        told = [sum(n for v, n in found.items() if v not in names) for found in (ours, theirs)]
        bins.append((f"{rest:,} others", *map(float, told)))  # type: ignore[arg-type]
    return "text", bins, ("", "")


# ── missing values ──


def _missing(delivered: pl.DataFrame, quarantined: pl.DataFrame, columns: list[str], totals: tuple[int, int]) -> Missing:
    """Each sampled row stands for as many rows of its class as there are; so shares are of all rows."""
    parts = [
        (frame, total / frame.height) for frame, total in zip((delivered, quarantined), totals, strict=True) if frame.height
    ]
    if not parts:
        return Missing()
    nulls = pl.concat([
        f.select([pl.col(c).is_null() for c in columns]).with_columns(pl.lit(weight).alias("_weight")) for f, weight in parts
    ])  # fmt: skip
    every = float(nulls["_weight"].sum()) or 1.0
    sums = nulls.select([(pl.col(c) * pl.col("_weight")).sum() for c in columns]).row(0) if columns else ()
    order = sorted((c for c, s in zip(columns, sums, strict=True) if s), key=lambda c: -sums[columns.index(c)])
    classes = tuple(tuple(_share(f[c].null_count(), f.height) for f in (delivered, quarantined)) for c in order)
    varying = [c for c in order if sums[columns.index(c)] < every]
    return Missing(
        tuple(order), tuple(float(sums[columns.index(c)]) / every for c in order), classes,  # type: ignore[arg-type]
        tuple(varying), _together(nulls, varying), _patterns(nulls, varying, every),
    )  # fmt: skip


def _together(nulls: pl.DataFrame, columns: list[str]) -> tuple[tuple[float, ...], ...]:
    weight = pl.col("_weight")
    pairs = [(a, b) for a in range(len(columns)) for b in range(a)]
    asked = [e for a, b in pairs for e in (
        ((pl.col(columns[a]) & pl.col(columns[b])) * weight).sum().alias(f"{a} {b} both"),
        ((pl.col(columns[a]) | pl.col(columns[b])) * weight).sum().alias(f"{a} {b} either"))]  # fmt: skip
    told = nulls.select(asked).row(0, named=True) if asked else {}
    made = [[1.0] * len(columns) for _ in columns]
    for a, b in pairs:
        made[a][b] = made[b][a] = _share(told[f"{a} {b} both"], told[f"{a} {b} either"])
    return tuple(tuple(row) for row in made)


def _patterns(nulls: pl.DataFrame, columns: list[str], every: float) -> tuple[tuple[tuple[int, ...], float], ...]:
    if not columns:
        return ()
    found = (
        nulls.group_by(columns)
        .agg(pl.col("_weight").sum())
        .sort("_weight", *columns, descending=[True] + [False] * len(columns))
    )
    return tuple(
        (tuple(n for n, gone in enumerate(row[:-1]) if gone), row[-1] / every) for row in found.head(PATTERNS).iter_rows()
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def column_shift(ours: pl.Series, theirs: pl.Series) -> float | None:
    """The population stability index of a column between two samples; None where one has no values or the types differ."""
    if ours.dtype != theirs.dtype:
        return None
    return _distribution(ours.name, ours, theirs, masked=False).shift
