"""From a scan to a profile: what the sample shows is put beside what was counted over all rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qpipe.analysis.correlation import correlations
from qpipe.analysis.dependencies import dependencies, essential, examples
from qpipe.analysis.keys import candidate_keys
from qpipe.analysis.kinds import counted
from qpipe.analysis.missing import placeholders
from qpipe.analysis.outliers import fences, limits
from qpipe.analysis.patterns import patterns
from qpipe.analysis.semantic import meaning, named_person
from qpipe.analysis.typos import typos
from qpipe.core.lazy import pl
from qpipe.profile.model import Bin, ColumnProfile, CorrelationFound, DependencyFound, KeyFound, TableProfile
from qpipe.profile.scan import ColumnScan, Scan, values_of

if TYPE_CHECKING:
    import polars as pl

LOOKED = 100_000  # rows that texts, dependencies and correlations are looked for in
DEPENDENT = 50_000  # rows that dependencies are looked for in
TOP = 20
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 20


def table(found: Scan, *, quick: bool = False) -> TableProfile:
    """The profile of one table. ``quick``: only what the one pass tells."""
    sample = found.sample.frame()
    small = sample if sample.height <= LOOKED else sample.sample(LOOKED, seed=7)
    columns = _persons(tuple(_column(found, c, sample, small, quick=quick) for c in found.columns.values()))
    if quick or not sample.height:
        return TableProfile(found.name, found.rows, sample.height, columns, faults=found.faults)
    typed = sample.select([values_of(c).alias(c.name) for c in found.columns.values()])
    part = small.select([values_of(c).alias(c.name) for c in found.columns.values()])
    return TableProfile(
        found.name, found.rows, sample.height, columns, _keys(found, typed), _dependencies(found, part, columns),
        _correlations(found, part), found.faults,
    )  # fmt: skip


def _persons(columns: tuple[ColumnProfile, ...]) -> tuple[ColumnProfile, ...]:
    """What one column means may hang on those beside it."""
    others = [c.meaning for c in columns]
    made = []
    for c in columns:
        values = pl.DataFrame(list(c.frequent), schema={"value": pl.String, "count": pl.Int64}, orient="row")
        known = named_person(c.name, values, others) if c.meaning is None and c.type == "string" else None
        made.append(dataclasses.replace(c, meaning=known.name, personal=known.personal) if known else c)
    return tuple(made)


def _column(found: Scan, c: ColumnScan, sample: pl.DataFrame, small: pl.DataFrame, *, quick: bool) -> ColumnProfile:
    whole = found.sample.is_whole
    estimated = [] if c.distinct.is_exact or c.unrepeated.is_followed else ["distinct"]
    repeated = c.unrepeated.repeated()
    distinct = c.distinct.count if repeated is None else c.rows - c.nulls - repeated
    told: dict[str, Any] = {}
    nested = c.dtype.is_nested() or c.dtype == pl.Binary
    if sample.height and not nested:
        told |= _spread(c, sample)
        if not quick:
            told |= _values(c, small, unique=bool(repeated == 0 and c.rows > 1))
        if not whole:
            estimated += ["quantiles", "patterns", "typos", "outliers"] + ([] if c.counts.is_followed else ["frequent", "rare"])
    return ColumnProfile(
        name=c.name, stored=str(c.dtype), type=c.reading.type, format=c.reading.format, rows=found.rows, nulls=c.nulls,
        blanks=c.blanks, unfit=c.unfit, distinct=distinct, repeated=repeated,
        least=_plain(c.least), greatest=_plain(c.greatest),
        mean=c.moments.mean if c.moments.count else None, deviation=c.moments.deviation, shortest=c.shortest, longest=c.longest,
        length=c.letters / max(1, c.rows - c.nulls) if c.is_text else None, estimated=tuple(estimated), looked=sample.height,
        **told,
    )  # fmt: skip


def _spread(c: ColumnScan, sample: pl.DataFrame) -> dict[str, Any]:
    """Quantiles and a histogram, from the sample."""
    if not c.is_ordered or c.reading.kind == "time":
        return {}
    values = sample.select(values_of(c).alias("x")).to_series().drop_nulls()
    if values.dtype.is_float():
        values = values.filter(values.is_finite())
    if not values.len():
        return {}
    numbers = values.cast(pl.Float64) if values.dtype.is_numeric() else values.to_physical().cast(pl.Float64)
    at = numbers.sort()
    found = {f"{q:g}": float(at[min(at.len() - 1, int(q * at.len()))]) for q in _QUANTILES}

    def back(number: float) -> Any:
        if values.dtype.is_numeric():
            return number
        return _plain(pl.Series([int(number)], dtype=numbers_as).cast(values.dtype)[0])

    numbers_as = values.to_physical().dtype
    return {"quantiles": {q: back(v) for q, v in found.items()}, "bins": _bins(at, back)}


def _bins(ordered: pl.Series, back: Any) -> tuple[Bin, ...]:
    """Equal bins between the 1st and the 99th hundredth; what lies outside counts in the outer ones."""
    low, high = float(ordered[int(0.01 * ordered.len())]), float(ordered[min(ordered.len() - 1, int(0.99 * ordered.len()))])
    if low == high:
        return (Bin(str(back(low)), low, high, ordered.len()),)
    step = (high - low) / _BINS
    places = ((ordered - low) / step).floor().clip(0, _BINS - 1).cast(pl.Int32).value_counts()
    counts = dict(zip(places.to_series(0), places.to_series(1), strict=True))
    edges = [low + step * n for n in range(_BINS + 1)]
    told = [str(back(e)) if not isinstance(back(e), float) else f"{e:.4g}" for e in edges]
    return tuple(Bin(f"{told[n]} to {told[n + 1]}", edges[n], edges[n + 1], int(counts.get(n, 0))) for n in range(_BINS))


def _values(c: ColumnScan, small: pl.DataFrame, *, unique: bool) -> dict[str, Any]:
    """What distinct values tell: meaning, patterns, words for nothing, misspellings, limits."""
    cells = small[c.name]
    counts = counted(cells)
    if not counts.height:
        return {}
    top = [(_text(v), n) for v, n in c.counts.top(TOP)] or list(
        counts.sort(["count", "value"], descending=[True, False]).head(TOP).iter_rows()
    )
    known = meaning(c.name, counts.head(20_000), unique=unique)
    told: dict[str, Any] = {
        "frequent": tuple(top), "rare": tuple(counts.filter(pl.col("count") == 1).sort("value").head(5).iter_rows()),
        "meaning": known.name if known else None, "personal": bool(known and known.personal),
        "check": known.check if known else None,
    }  # fmt: skip
    numbers = None
    if c.is_number:
        numbers = counts.with_columns(pl.col("value").str.strip_chars().cast(pl.Float64, strict=False).alias("number"))
        written = small.select(values_of(c).alias("x")).to_series()
        gone = [p.value for p in placeholders(counts, numbers, False)]
        usual = limits(written.filter(~cells.cast(pl.String).is_in(gone)) if gone else written)
        if usual is not None:
            told |= {"low": usual.low, "high": usual.high, "outside": usual.outside, "clear": usual.clear}
    elif c.reading.kind in ("date", "datetime"):
        days = small.select(values_of(c).alias("x")).to_series()
        usual = fences(days.to_physical(), reach=6.0)
        if usual is not None and usual.outside:
            low, high = (_moment(x, days) for x in (usual.low, usual.high))
            told |= {"earliest": low, "latest": high, "outside": usual.outside}
    nothing = placeholders(counts, numbers, c.reading.kind in ("date", "datetime"))
    told["placeholders"] = tuple((p.value, p.count, p.reason, p.confidence) for p in nothing)
    if c.is_text:
        told["patterns"] = tuple((p.regex, p.count, p.share, p.example) for p in patterns(counts))
    if c.is_text and c.reading.type == "string":
        gone = [p.value for p in nothing]
        told["typos"] = tuple(
            (t.value, t.count, t.meant, t.meant_count, t.confidence) for t in typos(counts) if t.value not in gone
        )
    return told


def _moment(number: float, days: pl.Series) -> str | None:
    """A limit as a date; None beyond the calendar."""
    try:
        return str(pl.Series([int(number)], dtype=days.to_physical().dtype).cast(days.dtype).dt.date()[0])
    except (pl.exceptions.PolarsError, OverflowError, ValueError):
        return None


def _keys(found: Scan, typed: pl.DataFrame) -> tuple[KeyFound, ...]:
    keys = candidate_keys(typed) if typed.height else []
    whole, made = found.sample.is_whole, []
    for key in keys:
        repeated, exact = key.repeated, whole
        if not whole and len(key.columns) == 1:
            over_all = found.columns[key.columns[0]].unrepeated.repeated()
            if over_all is None:
                continue
            repeated, exact = over_all, True
        made.append(KeyFound(key.columns, repeated, key.groups, key.score, exact))
    return tuple(_meant([k for k in made if k.score >= 0.3]))


def _meant(keys: list[KeyFound]) -> list[KeyFound]:
    """Keys that hold, and the broken one that someone most probably meant; none beside a good key of one column."""
    sure = any(k.holds and len(k.columns) == 1 and k.score >= 0.75 for k in keys)
    broken = [] if sure else sorted((k for k in keys if not k.holds), key=lambda k: (k.repeated, -k.score))
    alone = [k for k in broken if len(k.columns) == 1]
    return [k for k in keys if k.holds or k in alone[:1] or (k in broken[:1] and not alone)]


def _dependencies(found: Scan, part: pl.DataFrame, columns: Sequence[ColumnProfile]) -> tuple[DependencyFound, ...]:
    measures = [c.name for c in found.columns.values() if c.dtype.is_nested() or c.dtype == pl.Binary or _is_measure(c, part)]
    names = [c.name for c in columns if c.name not in measures and c.distinct > 1]
    rows = part.head(DEPENDENT)
    return tuple(
        DependencyFound(
            d.determinant,
            d.dependent,
            round(d.strength, 4),
            d.broken,
            d.support,
            d.groups,
            round(d.lonely, 3),
            examples(rows, d),
        )
        for d in essential(dependencies(rows, names))
    )


def _is_measure(c: ColumnScan, part: pl.DataFrame) -> bool:
    """Numbers with decimals are measured, not told by another column."""
    if c.reading.kind not in ("float", "decimal"):
        return False
    values = part[c.name].cast(pl.Float64).drop_nulls()
    return bool((values != values.floor()).any())


def _correlations(found: Scan, part: pl.DataFrame) -> tuple[CorrelationFound, ...]:
    names = [c.name for c in found.columns.values() if c.is_number and c.distinct.count > 2]
    return tuple(CorrelationFound(c.a, c.b, c.value, c.rows) for c in correlations(part.select(names)))


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, str, bool)) else str(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
