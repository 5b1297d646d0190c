"""Numbers that go together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Correlation:
    a: str
    b: str
    value: float  # Spearman's rank correlation
    rows: int


def correlations(numbers: pl.DataFrame, least: float = 0.5, most: int = 30) -> list[Correlation]:
    """Pairs of number columns whose rank correlation is at least ``least`` in size, the strongest first."""
    names = numbers.columns[:most]
    asked = [(a, b) for a, b in combinations(names, 2)]
    if not asked or numbers.height < 10:
        return []
    both = [numbers.select(pl.col(a), pl.col(b)).drop_nulls() for a, b in asked]
    found = []
    for (a, b), rows in zip(asked, both, strict=True):
        if rows.height >= 10:
            value = rows.select(pl.corr(pl.col(a), pl.col(b), method="spearman")).item()
            if value is not None and abs(value) >= least:
                found.append(Correlation(a, b, round(float(value), 4), rows.height))
    return sorted(found, key=lambda c: -abs(c.value))
