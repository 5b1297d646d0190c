"""Rules for several columns, and for several tables: keys, dependencies, foreign keys."""

from __future__ import annotations

from collections.abc import Iterator

from qpipe.profile.model import ForeignKeyFound, TableProfile
from qpipe.profile.rules.seen import Suggestion


def unique_keys(table: TableProfile) -> Iterator[Suggestion]:
    for key in table.keys[:3]:
        if table.rows < 2 or key.score < 0.42:
            continue
        reason = "no two rows have the same" if key.holds else f"only {key.groups:,} keys come more than once"
        yield Suggestion(table.name, "unique", {"columns": list(key.columns)}, key.columns, reason, table.rows, key.repeated,
                         round(min(0.99, 0.5 + 0.5 * key.score) if key.holds else 0.4 + 0.5 * key.score, 3))  # fmt: skip


def dependent(table: TableProfile) -> Iterator[Suggestion]:
    for d in table.dependencies:
        params = {"determinant": list(d.determinant), "dependent": d.dependent, "undecided": "pass"}
        shown = f"; {d.examples[0][1]!r} beside {d.examples[0][2]!r} for {d.examples[0][0]!r}" if d.examples else ""
        reason = f"{', '.join(d.determinant)} tells {d.dependent} in {1 - d.share:.1%} of {d.support:,} rows{shown}"
        sure = min(0.98, d.strength) * min(1.0, 0.6 + d.support / max(1, d.groups) / 10) * (0.5 + 0.5 * d.lonely)
        yield Suggestion(table.name, "depends_on", params, (*d.determinant, d.dependent), reason, d.support, d.broken,
                         round(sure, 3))  # fmt: skip


def foreign(table: str, f: ForeignKeyFound) -> Suggestion:
    references = [f"{f.references}.{c}" for c in f.key]
    params = {"columns": list(f.columns), "references": references if len(references) > 1 else references[0]}
    reason = f"{1 - f.missing / max(1, f.rows):.1%} of {f.rows:,} keys are in {f.references}"
    return Suggestion(table, "foreign_key", params, f.columns, reason, f.rows, f.missing, f.confidence, f"in {f.references}")
