"""What changed between two runs: rows, failures, columns, and how the delivered values are spread."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.orchestrator.results import Balance, Summary
from qpipe.report.block import Block
from qpipe.report.words import count, percent

if TYPE_CHECKING:
    import polars as pl

SOME, LARGE = 0.1, 0.25  # a shift from which a column is said to have changed


@dataclass(frozen=True)
class Change:
    """A number, before and after; None where it was not there."""

    name: str
    before: float | None
    after: float | None

    @property
    def changed(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class Comparison:
    before: str  # run ids
    after: str
    rows: tuple[Change, ...]
    failed: tuple[Change, ...]  # per check and column, shares of what was evaluated
    counts: tuple[Change, ...]  # the same as rows
    schema: tuple[str, ...]  # in words
    shifts: tuple[tuple[str, float], ...]  # column, population stability index; the largest first

    @property
    def same(self) -> bool:
        moved = any(c.changed for c in (*self.rows, *self.counts)) or any(s > LARGE for _, s in self.shifts)
        return not moved and not self.schema

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"same": self.same}


def compare(one: Summary, two: Summary, samples: tuple[pl.DataFrame | None, pl.DataFrame | None] = (None, None)) -> Comparison:
    """``samples``: the delivered rows that each run kept."""
    checks = [{c.title: c for c in s.checks} for s in (one, two)]
    titles = dict.fromkeys([*checks[0], *checks[1]])
    shares = tuple(Change(t, *(c[t].share if t in c else None for c in checks)) for t in titles)
    counts = tuple(Change(t, *(c[t].failed if t in c else None for c in checks)) for t in titles)
    before, after = _amounts(one.balance), _amounts(two.balance)
    rows = tuple(Change(n, before.get(n), after.get(n)) for n in dict.fromkeys([*before, *after]))
    return Comparison(one.run.id, two.run.id, rows, shares, counts, tuple(_schema(one, two)), _shifts(one, two, *samples))


def blocks(found: Comparison) -> list[Block]:
    """For the terminal. Only what changed, but always the rows."""
    failed = {c.name: c for c in found.failed}
    moved = [c for c in found.counts if c.changed]
    verdict = "nothing changed" if found.same else "changed"
    head = Block("", rows=((f"{found.before} → {found.after}: {verdict}",),), tones=("strong",))
    rows = tuple((c.name, count(c.before), count(c.after), _delta(c)) for c in found.rows)
    checks = tuple((c.name, count(c.before), count(c.after), _delta(c), *_shares(failed[c.name])) for c in moved)
    told = [(name, shift) for name, shift in found.shifts if shift >= SOME]
    shifts = tuple((name, f"{shift:.3f}", "very different" if shift > LARGE else "different") for name, shift in told)
    made = [
        head,
        Block("Rows", ("", "before", "after", "change"), rows, frozenset({1, 2, 3})),
        Block("Failures", ("check", "before", "after", "change", "share before", "after"), checks, frozenset({1, 2, 3, 4, 5})),
        Block("Schema", rows=tuple((line,) for line in found.schema)),
        Block("Delivered values", ("column", "shift", ""), shifts, frozenset({1})),
    ]
    return [block for block in made if block.rows]


def _shares(change: Change) -> tuple[str, str]:
    return percent(change.before), percent(change.after)


def _delta(change: Change) -> str:
    if change.before is None or change.after is None:
        return "new" if change.before is None else "gone"
    moved = change.after - change.before
    return f"{'+' if moved > 0 else ''}{count(moved)}" if moved else "same"


def _amounts(balance: Balance) -> dict[str, int]:
    found = {"in": balance.rows_in, "delivered": balance.delivered, "quarantined": balance.quarantined}
    found |= {f"in from {a.id}": a.rows for a in balance.sources} if len(balance.sources) > 1 else {}
    found |= {f"to {r.id}": r.rows for r in balance.routes}
    found |= {f"dropped by {a.id}": a.rows for a in balance.dropped}
    return found | {f"held for {a.id}": a.rows for a in balance.held}


def _schema(one: Summary, two: Summary) -> list[str]:
    before, after = ({(s.id, c.name): c.type for s in x.sources for c in s.columns} for x in (one, two))
    told = [f"{source}.{name}: gone (was {kind})" for (source, name), kind in before.items() if (source, name) not in after]
    told += [f"{source}.{name}: new, {kind}" for (source, name), kind in after.items() if (source, name) not in before]
    return told + [
        f"{s}.{n}: {kind} → {after[s, n]}" for (s, n), kind in before.items() if (s, n) in after and after[s, n] != kind
    ]


def _shifts(
    one: Summary, two: Summary, ours: pl.DataFrame | None, theirs: pl.DataFrame | None
) -> tuple[tuple[str, float], ...]:
    if ours is None or theirs is None:
        return ()
    from qpipe.report.distributions import column_shift

    both = [c for c in ours.columns if c in theirs.columns and not c.startswith("_")]
    found = [(c, column_shift(ours[c], theirs[c])) for c in both if c not in one.masked | two.masked]
    return tuple(sorted(((c, s) for c, s in found if s is not None), key=lambda pair: -pair[1]))
