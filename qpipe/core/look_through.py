"""What is found by looking through gathered rows once, part by part, in the order in which they came.

Cheaper than a query where nothing has to be sorted, and as bounded in memory: a part is what was gathered of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qpipe.core.batch import ROW
from qpipe.core.lazy import pl
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Table

FEW = 50_000  # different values, that are counted in memory


def rows_where(table: Table, bad: pl.Expr) -> RowSet:
    """The rows for which an expression over a row is true."""
    found = RowSet()
    for part in table.parts():
        found.add(part.lazy().filter(bad).select(ROW).collect(engine="in-memory").to_series())
    return found


def rows_with(table: Table, values: pl.DataFrame) -> RowSet:
    """The rows that hold one of these combinations of values, none of them null. NaN is a value."""
    if not values.height:
        return RowSet()
    if values.width == 1:
        only = values.to_series()
        cell = pl.col(only.name)
        return rows_where(table, cell == only[0] if only.len() == 1 and only.dtype == pl.String else cell.is_in(only.implode()))
    found = RowSet()
    for part in table.parts():
        found.add(part.join(values, on=values.columns, how="semi")[ROW])
    return found


def rows_after(
    parts: Iterable[pl.DataFrame], columns: Sequence[str], claims: Sequence[pl.Expr], by: Sequence[str] = ()
) -> list[RowSet]:
    """The rows that break each claim about a row and the one above it, ``pl.col(…).shift()``, of the same group.

    Rows with a null in one of the columns are left out; null is a group of its own.
    """
    found, last = [RowSet() for _ in claims], pl.DataFrame()
    within = [pl.col(name).eq_missing(pl.col(name).shift()) for name in by]
    broken = [pl.all_horizontal(claim, *within).alias(str(n)) for n, claim in enumerate(claims)]
    for part in parts:
        full = part.drop_nulls(columns) if any(part[name].null_count() for name in columns) else part
        if not full.height:
            continue
        for seen in (full, pl.concat([last, full.head(1)]) if last.height else last):
            flags = seen.lazy().select(broken).collect(engine="in-memory") if seen.height > 1 else pl.DataFrame()
            for rows, bad in zip(found, flags.iter_columns(), strict=False):
                if bad.any():
                    rows.add(seen[ROW].filter(bad))
        last = full.tail(1)
    return found


def counted(table: Table, columns: Sequence[str], most: int = FEW) -> pl.DataFrame | None:
    """How often each combination of values occurs (``n``), in any order; without those that have a null.

    None where there are more than so many, or where values are lists or structures: ask DuckDB, which needs no room for them.
    """
    counts: pl.DataFrame | None = None
    for part in table.parts():
        if any(part.schema[column].is_nested() for column in columns):
            return None
        new = _counts(part, columns)
        if counts is not None and new.height <= most:
            both = pl.concat([counts, new]).lazy().group_by(columns).agg(pl.col("n").sum())
            new = both.collect(engine="in-memory")
        if new.height > most:
            return None
        counts = new
    return counts


def _counts(part: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    if len(columns) == 1:
        counts = part[columns[0]].value_counts(name="n").drop_nulls()
    else:
        counts = part.lazy().drop_nulls(columns).group_by(columns).agg(n=pl.len()).collect(engine="in-memory")
    return counts.with_columns(pl.col("n").cast(pl.Int64))
