"""Candidate keys: the few columns that tell every row apart, or nearly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from qpipe.analysis.semantic import is_identifier
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

LARGEST = 4  # columns in a key
NEARLY = 0.002  # of the rows may share their key: a key that something broke
_PROBE = 5_000  # rows that a set must tell apart before it is looked at further
_WIDEST = 14  # columns that are combined
_PARTS = ("year", "month", "day", "hour", "minute", "second")


@dataclass(frozen=True)
class Key:
    columns: tuple[str, ...]
    repeated: int  # rows beyond the first of their key
    groups: int  # keys that occur more than once
    score: float  # how much it looks like a key that someone meant, 0 to 1
    exact: bool = True  # all rows were looked at

    @property
    def holds(self) -> bool:
        return self.repeated == 0


def candidate_keys(frame: pl.DataFrame, *, nearly: float = NEARLY, largest: int = LARGEST, most: int = 6) -> list[Key]:
    """Minimal sets of columns without nulls that are unique, or but for a share ``nearly`` of the rows; the likeliest first.

    Found level by level (apriori: what contains a key is not looked at). Measures, free texts and times of measuring seldom
    are part of a key that someone meant, so numbers with decimals and long texts are left out of combinations.
    """
    if frame.height < 2:
        return []
    singles, parts = _columns(frame, nearly)
    found = [_key(frame, (c,), nearly) for c in singles]
    keys = [k for k in found if k is not None]
    probe = frame.head(_PROBE) if frame.height > _PROBE else frame
    for size in range(2, largest + 1):
        for columns in combinations(parts, size):
            if any(set(k.columns) <= set(columns) for k in keys) or not _probably(probe, columns, nearly):
                continue
            made = _key(frame, columns, nearly)
            if made is not None:
                keys.append(made)
    dated = [_with_constant_parts(frame, key) for key in keys]
    return sorted(dated, key=lambda k: (-k.score, k.repeated, k.columns))[:most]


def repeats(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[int, int]:
    """(rows beyond the first of their key, keys that occur more than once)."""
    sizes = frame.lazy().group_by(list(columns)).len("__n").filter(pl.col("__n") > 1).collect(engine="in-memory")["__n"]
    return int(sizes.sum()) - sizes.len(), sizes.len()


def _columns(frame: pl.DataFrame, nearly: float) -> tuple[list[str], list[str]]:
    """(columns that may be a key alone, columns that may be part of one)."""
    distinct = frame.select(pl.all().n_unique()).row(0, named=True)
    singles, parts = [], []
    for name in frame.columns:
        cells = frame[name]
        if cells.null_count() or cells.dtype.is_nested() or cells.dtype == pl.Boolean or distinct[name] < 2:
            continue
        if distinct[name] >= (1 - max(nearly, 0.02 if is_identifier(name) else nearly)) * frame.height:
            singles.append(name)
        elif cells.dtype.is_float() or (cells.dtype == pl.String and float(cells.str.len_chars().mean() or 0) > 25):  # type: ignore[arg-type]
            continue
        else:
            parts.append(name)
    parts.sort(key=lambda c: (-_likely(frame, c), frame.columns.index(c)))
    chosen = set(parts[:_WIDEST])
    return singles, [c for c in frame.columns if c in chosen]


def _probably(probe: pl.DataFrame, columns: Sequence[str], nearly: float) -> bool:
    return probe.select(columns).n_unique() >= (1 - nearly) * probe.height - 2


def _key(frame: pl.DataFrame, columns: tuple[str, ...], nearly: float) -> Key | None:
    allowed = max(nearly, 0.02) if len(columns) == 1 and is_identifier(columns[0]) else nearly
    repeated, groups = repeats(frame, columns)
    if repeated > allowed * frame.height:
        return None
    return Key(columns, repeated, groups, _score(frame, columns, repeated))


def _score(frame: pl.DataFrame, columns: tuple[str, ...], repeated: int) -> float:
    """Few columns, at the left, named like identifiers, never broken."""
    likely = sum(_likely(frame, c) for c in columns) / len(columns)
    broken = 0.1 if repeated else 0.0
    return round(max(0.0, likely - 0.06 * (len(columns) - 1) - broken), 3)


def _likely(frame: pl.DataFrame, column: str) -> float:
    place = frame.columns.index(column) / max(1, frame.width - 1)
    named = is_identifier(column) or column.lower() in _PARTS or bool(re.search(r"date|time_|_at$|^time$", column, re.I))
    kind = frame.schema[column]
    number = 0.25 if kind.is_float() else 0.0
    long = kind == pl.String and float(frame[column].head(1000).str.len_chars().mean() or 0) > 25  # type: ignore[arg-type]
    return 0.6 + 0.3 * named - 0.15 * place - number - 0.3 * long


def _with_constant_parts(frame: pl.DataFrame, key: Key) -> Key:
    """A year that is the same everywhere still belongs to a key of month and day."""
    parts = [c for c in frame.columns if c.lower() in _PARTS and c not in key.columns]
    mine = [_PARTS.index(c.lower()) for c in key.columns if c.lower() in _PARTS]
    more = [c for c in parts if mine and _PARTS.index(c.lower()) < min(mine) and frame[c].n_unique() == 1]
    if not more:
        return key
    every = {*more, *key.columns}
    return Key(tuple(c for c in frame.columns if c in every), key.repeated, key.groups, key.score, key.exact)
