"""Cells that broke the contract: they are null, yet no value is missing. One fault, one reason: no check judges such a null.

What a step makes of such a cell, and is null, is as little known: it is not judged either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from qpipe.core.component import Module, Rule, Types
from qpipe.core.expression import Expression
from qpipe.core.lazy import pl
from qpipe.orchestrator.lineage import made_from


@dataclass(frozen=True)
class Unread:
    """``flags``: column → hidden columns, each true where a cell that it was made of broke the contract."""

    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def but(self, rule: Rule, where: str | None = None) -> Rule:
        """The rule, which does not apply where one of the cells it looks at could not be read."""
        looked_at = {*rule.columns, *rule.bad.meta.root_names(), *(Expression.parse(where).columns if where else ())}
        read = self._read(column for column in looked_at if not _speaks_of_values(rule, column))
        if read is None:
            return rule
        return replace(rule, bad=rule.bad & read, applies=read if rule.applies is None else rule.applies & read)

    def dropped(self, kept: pl.Expr) -> pl.Expr:
        """The rows that a condition does not keep. One that looks at a cell that could not be read goes on, to be routed."""
        dropped, read = ~kept.fill_null(False), self._read(kept.meta.root_names())
        return dropped if read is None else dropped & read

    def _read(self, columns: Iterable[str]) -> pl.Expr | None:
        """True where each cell of the columns could be read; None: all can."""
        doubtful = [pl.col(flag) & pl.col(name).is_null() for name in sorted(set(columns)) for flag in self.flags.get(name, ())]
        return ~pl.any_horizontal(doubtful) if doubtful else None

    def after(self, module: Module, before: Types, after: Types) -> Unread:
        """The same after a step that changes columns."""
        if not self.flags:
            return self
        made = {
            column: tuple(dict.fromkeys(flag for each in sorted(origins) for flag in self.flags.get(each, ())))
            for column, origins in made_from(module, before, after).items()
        }
        return Unread({column: flags for column, flags in {**self.flags, **made}.items() if flags and column in after})


def _speaks_of_values(rule: Rule, column: str) -> bool:
    """Whether it leaves rows alone where the column is null."""
    return rule.applies is not None and rule.applies.meta.eq(pl.col(column).is_not_null())
