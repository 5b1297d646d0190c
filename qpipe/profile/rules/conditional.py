"""Dependencies whose exceptions go with another column: there both together tell, or nothing is told at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qpipe.analysis.association import FEW, companions, parts
from qpipe.analysis.dependencies import dependency, minorities
from qpipe.core.lazy import np, pl
from qpipe.profile.model import TableProfile
from qpipe.profile.rules.meant import DOUBTED
from qpipe.profile.rules.relations import sureness
from qpipe.profile.rules.seen import Suggestion

if TYPE_CHECKING:
    import polars as pl

    from qpipe.analysis.association import Groups


def completed(found: Sequence[Suggestion], table: TableProfile, rows: pl.DataFrame) -> list[Suggestion]:
    """The dependencies; where exceptions go with a column of few values, with that column beside the determinant.

    The average of a measure is told by the measure in one state only: what breaks the rule comes from another state, which
    is no slip. Where that other column does not help, a rule with two such columns is doubted.
    """
    groups: dict[str, Groups] = {}
    for c in table.columns:
        if 2 <= c.distinct <= FEW and not c.stored.startswith(("List", "Struct", "Binary")):
            groups[c.name] = parts(rows[c.name].cast(pl.String))
    alone = {s.columns for s in found}
    return [_completed(s, rows, groups, alone) if s.broken > 1 else s for s in found]


def _completed(s: Suggestion, rows: pl.DataFrame, groups: dict[str, Groups], alone: set[tuple[str, ...]]) -> Suggestion:
    *determinant, dependent = s.columns
    bad = np.zeros(rows.height, dtype=bool)
    bad[minorities(rows, determinant, dependent)["_at"].to_numpy()] = True
    none = np.zeros(rows.height, dtype=bool)
    others = [(name, g, none) for name, g in groups.items() if name not in s.columns]
    beside = companions(pl.Series(bad), others)
    for name in beside:
        if (name, dependent) in alone:
            continue  # it tells without the other one
        both = (*determinant, name)
        made = dependency(rows, both, dependent)
        if made is not None and made.broken <= 0.75 * s.broken and made.support >= 0.5 * s.support:
            reason = f"{', '.join(both)} tell {dependent} in {1 - made.share:.1%} of {made.support:,} rows; without {name} not"
            return dataclasses.replace(
                s, params={**s.params, "determinant": list(both)}, columns=(*both, dependent), reason=reason,
                support=made.support, broken=made.broken, confidence=sureness(made),
            )  # fmt: skip
    if len(beside) > 1 and s.confidence > DOUBTED:
        return dataclasses.replace(s, confidence=DOUBTED, reason=f"{s.reason}; they go with {' and '.join(beside[:3])}")
    return s
