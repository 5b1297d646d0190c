"""Rules between columns of one row: what begins ends later, and parts add up."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qpipe.core.expression.parser import RESERVED
from qpipe.core.lazy import np, pl
from qpipe.profile.relations import Known
from qpipe.profile.rules.seen import ENOUGH, Suggestion, certainty
from qpipe.profile.scan import values_of

if TYPE_CHECKING:
    import numpy
    import polars as pl
    from numpy.typing import NDArray

    Numbers = NDArray[numpy.float64]

COLUMNS = 16  # of dates, and of numbers, that are compared, the left ones
BROKEN = 0.03  # of the rows may break a rule
BY_CHANCE = 0.1  # of the rows, at least, would break an order if two columns had nothing to do with each other
TELLING = 5  # different values, at least, that each number has of which a sum tells something
SCREENED = 500  # rows that a sum is tried on first
_ENDS = (
    ("min", "max"), ("minimum", "maximum"), ("low", "high"), ("lower", "upper"), ("from", "to"), ("start", "end"),
    ("begin", "end"), ("first", "last"),
)  # fmt: skip


def across(table: Known, sample: pl.DataFrame) -> Iterator[Suggestion]:
    """``sample``: rows as the source delivers them."""
    columns = [c for c in table.scan.columns.values() if not (c.dtype.is_nested() or c.dtype == pl.Binary)]
    typed = sample.select([values_of(c).alias(c.name) for c in columns])
    days = [c.name for c in columns if c.reading.kind in ("date", "datetime") or c.dtype.is_temporal()][:COLUMNS]
    numbers = [c.name for c in columns if c.is_number]
    yield from _ordered(table.profile.name, typed, days)
    yield from _named(table.profile.name, typed, numbers)
    yield from _sums(table.profile.name, typed.select(numbers[:COLUMNS]).cast(pl.Float64))


def _ordered(table: str, typed: pl.DataFrame, days: Sequence[str]) -> Iterator[Suggestion]:
    """Dates of which one is hardly ever after the other, though by chance it would be. a, b, c: not a and c, too."""
    found = {}
    for early, late in itertools.permutations(days, 2):
        if typed.schema[early] != typed.schema[late]:
            continue
        both = typed.select(early, late).drop_nulls()
        if both.height < ENOUGH:
            continue
        a, b = (both[name].to_physical().to_numpy() for name in (early, late))
        broken = int((a > b).sum())
        unrelated = float(np.searchsorted(np.sort(b), a).mean()) / len(b)  # how often a would be after any b
        if broken <= BROKEN * len(a) and unrelated >= BY_CHANCE and (a == b).mean() < 0.9:
            found[early, late] = (len(a), broken)
    for (early, late), (rows, broken) in found.items():
        if not any((early, between) in found and (between, late) in found for between in days):
            yield _compared(table, early, late, rows, broken)


def _named(table: str, typed: pl.DataFrame, numbers: Sequence[str]) -> Iterator[Suggestion]:
    """Numbers whose names say that one is the lower end of what the other is the upper end of."""
    for low, high in ((low, re.sub(rf"(?i)(?<![a-z]){a}(?![a-z])", b, low)) for low in numbers for a, b in _ENDS):
        if high == low or high not in numbers:
            continue
        both = typed.select(low, high).drop_nulls()
        broken = int((both[low] > both[high]).sum())
        if both.height >= ENOUGH and broken <= BROKEN * both.height:
            yield _compared(table, low, high, both.height, broken)


def _compared(table: str, early: str, late: str, rows: int, broken: int) -> Suggestion:
    params = {"left": late, "op": ">=", "right": _written(early)}
    reason = f"{late} is never below {early}" if not broken else f"{late} is below {early} in {broken:,} of {rows:,} rows only"
    return Suggestion(table, "compare_columns", params, (late, early), reason, rows, broken, certainty(rows, broken, 0.95))


def _sums(table: str, numbers: pl.DataFrame) -> Iterator[Suggestion]:
    """Two columns, or three and more that stand side by side, whose sum is another one."""
    names = [c for c in numbers.columns if numbers[c].n_unique() >= TELLING]
    cells = {c: numbers[c].to_numpy() for c in names}
    runs = [names[a:b] for a in range(len(names)) for b in range(a + 3, len(names) + 1)]
    for total in names:
        tried = [*itertools.combinations([c for c in names if c != total], 2), *(r for r in runs if total not in r)]
        good = (p for p in tried if _adds_up(cells, p, total, SCREENED) and _adds_up(cells, p, total, numbers.height))
        parts = next(good, None)
        if parts is None:
            continue
        off, slack = _off(cells, parts, total, numbers.height)
        rows, broken = len(off), int((off > slack).sum())
        within = {"within": 0.01} if bool((off[off <= slack] > 1e-9).any()) else {}
        params = {"columns": list(parts), "equals": _written(total), **within}
        reason = f"{' + '.join(parts)} = {total} in {1 - broken / rows:.1%} of {rows:,} rows"
        yield Suggestion(table, "columns_sum_to", params, (*parts, total), reason, rows, broken, certainty(rows, broken, 0.95))


def _adds_up(cells: dict[str, Numbers], parts: Sequence[str], total: str, rows: int) -> bool:
    """Nothing (0) adds nothing: each part must be something in a fifth of the rows."""
    off, slack = _off(cells, parts, total, rows)
    if len(off) < ENOUGH or (off > slack).mean() > BROKEN:
        return False
    return all(float((cells[p][:rows] != 0).mean()) >= 0.2 for p in parts)


def _off(cells: dict[str, Numbers], parts: Sequence[str], total: str, rows: int) -> tuple[Numbers, float]:
    """How far sums are from the total where all are known, and how far they may be: a cent, or nothing among whole numbers."""
    sums = np.sum([cells[p][:rows] for p in parts], axis=0)
    known = np.isfinite(sums) & np.isfinite(cells[total][:rows])
    sums, wanted = sums[known], cells[total][:rows][known]
    whole = bool((sums == np.floor(sums)).all() and (wanted == np.floor(wanted)).all())
    return np.abs(sums - wanted), 0.0 if whole else 0.0100001


def _written(column: str) -> str:
    """A column as an expression names it."""
    plain = re.fullmatch(r"[^\W\d]\w*", column) and column.lower() not in RESERVED
    return column if plain else '"' + column.replace('"', '""') + '"'
