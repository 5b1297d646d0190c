"""Foreign keys between tables that were scanned: proposed from sketches, counted exactly where it matters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.analysis.inclusion import Side, confidence, same_name
from qpipe.analysis.sketch import distinct
from qpipe.core.component import Context, Source
from qpipe.core.lazy import np, pl
from qpipe.profile.model import ForeignKeyFound, KeyFound, TableProfile
from qpipe.profile.scan import ROWS, Scan

if TYPE_CHECKING:
    import polars as pl

_KEY = 0.4  # a key must look like one that someone meant
_COMPOSITE = 0.6


@dataclass(frozen=True)
class Known:
    """A table with all that is known of it."""

    source: Source
    context: Context
    scan: Scan
    profile: TableProfile


def foreign_keys(tables: Mapping[str, Known]) -> tuple[ForeignKeyFound, ...]:
    """The foreign keys that the data and the names suggest, the surest first."""
    found = [f for name, child in tables.items() for other, parent in tables.items() if other != name
             for f in (*_single(name, child, other, parent), *_composite(name, child, other, parent))]  # fmt: skip
    best: dict[tuple[str, tuple[str, ...]], ForeignKeyFound] = {}
    for each in found:
        place = (each.table, each.columns)
        if place not in best or _rank(each) > _rank(best[place]):
            best[place] = each
    return tuple(sorted(best.values(), key=lambda f: (-f.confidence, f.table, f.columns)))


def _rank(found: ForeignKeyFound) -> tuple[float, int]:
    same = found.columns == found.key
    return found.confidence - (0.2 if not found.holds else 0.0), int(not same)


def _single(name: str, child: Known, other: str, parent: Known) -> Iterator[ForeignKeyFound]:
    nearly = 0.002 * parent.profile.rows
    keys = [k for k in parent.profile.keys if len(k.columns) == 1 and k.score >= _KEY and k.repeated <= nearly]
    for rank, key in enumerate(keys[:3]):
        theirs = _side(other, parent, key.columns[0])
        for column in child.profile.columns:
            mine = _side(name, child, column.name)
            if column.distinct < 1 or (_is_key(child, column.name) and child.profile.rows >= parent.profile.rows):
                continue
            if rank and not same_name(mine, theirs):
                continue
            included, seen = child.scan.columns[column.name].distinct.share_in(parent.scan.columns[key.columns[0]].distinct)
            sure = confidence(mine, theirs, included, seen)
            if sure:
                yield _counted(name, child, (column.name,), other, parent, key.columns, sure)


def _is_key(table: Known, column: str) -> bool:
    return any(k.columns == (column,) and k.holds for k in table.profile.keys)


def _composite(name: str, child: Known, other: str, parent: Known) -> Iterator[ForeignKeyFound]:
    """Keys of several columns, where the other table has columns of the same names."""
    for key in [k for k in parent.profile.keys if len(k.columns) > 1 and k.score >= _KEY]:
        if all(c in child.scan.columns for c in key.columns) and not _shares_key(child, key):
            made = _counted(name, child, key.columns, other, parent, key.columns, 0.0)
            share = 1 - made.missing / made.rows if made.rows else 0.0
            if share >= _COMPOSITE:
                yield _counted_with(made, round(0.5 + 0.45 * (share - _COMPOSITE) / (1 - _COMPOSITE), 3))


def _shares_key(child: Known, key: KeyFound) -> bool:
    """The same columns are the key of both: two parts of one thing, not a reference, unless the child is smaller."""
    return any(set(k.columns) == set(key.columns) for k in child.profile.keys)


def _counted_with(found: ForeignKeyFound, sure: float) -> ForeignKeyFound:
    return ForeignKeyFound(**{**vars(found), "confidence": sure})


def _counted(
    name: str, child: Known, columns: Sequence[str], other: str, parent: Known, key: Sequence[str], sure: float
) -> ForeignKeyFound:
    """How many rows have a key that is not there: all rows are looked at, by hashes, in bounded memory."""
    there = distinct(np.concatenate([_hashes(f) for f in _rows(parent, key)] or [np.empty(0, dtype=np.uint64)]))
    missing, rows = 0, 0
    gone: list[Any] = []
    lost = pl.DataFrame()
    for frame in _rows(child, columns):
        rows += frame.height
        bad = ~np.isin(_hashes(frame), there)
        if bad.any():
            lost = pl.concat([lost, frame.filter(pl.Series(bad)).group_by(list(columns)).len("__n")]) if lost.width else (
                frame.filter(pl.Series(bad)).group_by(list(columns)).len("__n"))  # fmt: skip
            lost = lost.group_by(list(columns)).agg(pl.col("__n").sum())
            missing += int(bad.sum())
    if lost.width:
        first = lost.sort(["__n", *columns], descending=[True] + [False] * len(columns)).head(5)
        gone = [", ".join(map(str, row[:-1])) for row in first.iter_rows()]
    return ForeignKeyFound(name, tuple(columns), other, tuple(key), missing, lost.height, rows, sure, tuple(gone))


def _rows(table: Known, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The columns of all rows without nulls, from the sample where it has all rows."""
    if table.scan.sample.is_whole:
        yield table.scan.sample.frame().select(columns).drop_nulls()
        return
    for chunk in table.source.read(table.context, None, ROWS, list(columns)):
        yield chunk.frame.select(columns).drop_nulls()


def _hashes(frame: pl.DataFrame) -> Any:
    wide = frame.with_columns(pl.col(c).cast(pl.Int64) for c, t in frame.schema.items() if t.is_integer() and t != pl.UInt64)
    return (wide.to_series(0) if wide.width == 1 else wide.to_struct("key")).hash(17).to_numpy()


def _side(name: str, table: Known, column: str) -> Side:
    c, told = table.scan.columns[column], table.profile.column(column)
    digits = c.is_text and all(value.isdigit() for value, _ in told.frequent[:5])
    text = c.is_text and c.reading.type == "string"
    return Side(name, column, text, told.distinct, told.length or 0.0, alphabet=10 if digits else 26)
