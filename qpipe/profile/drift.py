"""What changed since an earlier profile: columns, types, rows, missing values, ranges, new values, distributions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qpipe.profile.model import Bin, ColumnProfile, Profile, TableProfile

SHIFT = 0.2  # population stability index that is commonly read as a change


@dataclass(frozen=True)
class Change:
    table: str
    column: str  # "": the table
    what: str
    before: str
    now: str
    grave: bool = True


def drift(before: Profile, now: Profile) -> list[Change]:
    """The changes, tables in order; a table is told by its name, or by being the only one."""
    old = {t.name: t for t in before.tables}
    if len(before.tables) == len(now.tables) == 1:
        old = {now.tables[0].name: before.tables[0]}
    found = [Change(name, "", "table is gone", name, "") for name in old if name not in {t.name for t in now.tables}]
    for table in now.tables:
        found += (
            list(_table(old[table.name], table)) if table.name in old else [Change(table.name, "", "new table", "", table.name)]
        )
    return found


def _table(before: TableProfile, now: TableProfile) -> Iterator[Change]:
    old, new = {c.name: c for c in before.columns}, {c.name: c for c in now.columns}
    if before.rows and abs(now.rows - before.rows) > 0.5 * before.rows:
        yield Change(now.name, "", "rows", f"{before.rows:,}", f"{now.rows:,}")
    for name in old:
        if name not in new:
            yield Change(now.name, name, "column is gone", old[name].type, "")
    for name, column in new.items():
        if name not in old:
            yield Change(now.name, name, "new column", "", column.type)
        else:
            yield from _column(now.name, old[name], column)
    for key in before.keys:
        broken = next((k for k in now.keys if k.columns == key.columns and not k.holds), None)
        if key.holds and broken:
            yield Change(now.name, ", ".join(key.columns), "key is broken", "holds", f"{broken.repeated:,} rows repeat")


def _column(table: str, a: ColumnProfile, b: ColumnProfile) -> Iterator[Change]:
    if _kind(a.type) != _kind(b.type):
        yield Change(table, b.name, "type", a.type, b.type)
    missing = [(c.nulls + c.blanks) / c.rows if c.rows else 0.0 for c in (a, b)]
    if _differs(missing[0], a.rows, missing[1], b.rows):
        yield Change(table, b.name, "missing", f"{missing[0]:.2%}", f"{missing[1]:.2%}")
    if isinstance(a.least, (int, float)) and isinstance(b.least, (int, float)) and a.greatest is not None:
        if b.least < a.least:
            yield Change(table, b.name, "least value", f"{a.least:g}", f"{b.least:g}", grave=False)
        if b.greatest is not None and b.greatest > a.greatest:
            yield Change(table, b.name, "greatest value", f"{a.greatest:g}", f"{b.greatest:g}", grave=False)
    shift = _shift(a, b)
    if shift is not None and shift > SHIFT:
        yield Change(table, b.name, "distribution", "", f"population stability index {shift:.2f}")
    if 0 < a.distinct <= len(a.frequent) and b.distinct <= len(b.frequent) and not b.personal:
        new = sorted({v for v, _ in b.frequent} - {v for v, _ in a.frequent})
        if new:
            yield Change(
                table, b.name, "new values", f"{a.distinct} values", ", ".join(new[:5]) + (" …" if len(new) > 5 else "")
            )


def _differs(p: float, n: int, q: float, m: int) -> bool:
    """Two shares, further apart than chance explains (z-test at 4 deviations) and by more than a hundredth."""
    if not n or not m or abs(p - q) < 0.01:
        return False
    both = (p * n + q * m) / (n + m)
    return abs(p - q) > 4 * math.sqrt(max(both * (1 - both), 1e-12) * (1 / n + 1 / m))


def _shift(a: ColumnProfile, b: ColumnProfile) -> float | None:
    """The population stability index, over the earlier profile's bins or the commonest values."""
    if len(a.bins) > 1 and len(b.bins) > 1:
        return _index([x.count for x in a.bins], _rebinned(b.bins, a.bins))
    if a.bins or not a.frequent or not b.frequent or a.distinct > len(a.frequent):
        return None
    theirs = dict(b.frequent)
    rest = max(0, b.values - sum(theirs.get(v, 0) for v, _ in a.frequent)) if b.distinct <= len(b.frequent) else 0
    return _index([n for _, n in a.frequent] + [0], [theirs.get(v, 0) for v, _ in a.frequent] + [rest])


def _rebinned(ours: Sequence[Bin], edges: Sequence[Bin]) -> list[float]:
    """Counts spread evenly within their bins, put into other edges; the outer bins take what lies beyond."""
    made = [0.0] * len(edges)
    for each in ours:
        width = (each.high - each.low) or 1.0
        for n, edge in enumerate(edges):
            low = -math.inf if n == 0 else edge.low
            high = math.inf if n == len(edges) - 1 else edge.high
            made[n] += each.count * max(0.0, min(each.high, high) - max(each.low, low)) / width
    return made


def _index(a: Sequence[float], b: Sequence[float]) -> float | None:
    if sum(a) < 100 or sum(b) < 100:
        return None
    one, two = [x + 0.5 for x in a], [x + 0.5 for x in b]
    shares = [(x / sum(one), y / sum(two)) for x, y in zip(one, two, strict=True)]
    return sum((x - y) * math.log(x / y) for x, y in shares)


def _kind(type: str) -> str:
    return type.partition("(")[0]
