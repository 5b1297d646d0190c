"""hierarchy"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qpipe.analysis.trees import reached
from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.lazy import np, pl
from qpipe.core.params import Column, param
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


class Hierarchy(Relational):
    """Every parent exists, nothing is above itself, and there is one root if that is said.

    A row with a null parent is a root. A row fails when its parent is the id of no row, when it stands in a circle or below
    one, and, with `one_root`, when it is a root that is not the first. Rows with a null id fail only as parents of nobody.
    An id that occurs twice counts as one. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          hierarchy: {key: part, parent: within}
        rows:
          - {part: car, within: null}
          - {part: wheel, within: car}
          - {part: wing, within: plane}
          - {part: a, within: b}
          - {part: b, within: a}
        failed: [2, 3, 4]
        ```
        ```yaml
        module:
          hierarchy: {key: part, parent: within, one_root: true}
        rows: [{part: car, within: null}, {part: boat, within: null}]
        failed: [1]
        ```
    """

    dimension = "integrity"
    holds_of_parts = False
    earlier_rows = "before"
    like = ("hierarchy", "parent_child", "tree", "no cycles", "self reference", "recursive relationship", "orphans")

    key: Column = param(help="the column of ids")
    parent: Column = param(help="the column that names the id above")
    one_root: bool = param(False, help="only one row may be without a parent")

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {"i": pl.col(self.key), "p": pl.col(self.parent)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        rows, own, above, roots = self._numbered(collected)
        orphans = (above < 0) & ~roots
        inside = (own >= 0) & (above >= 0)
        # from the roots, and from orphans, who are told already, down: what is not reached is in a circle or below one
        tops = own[(own >= 0) & (above < 0)]
        held = reached(tops, above[inside], own[inside], int(max(own.max(initial=-1), above.max(initial=-1))) + 1)
        held = np.append(held, True)  # the last is for rows without an id, or without a parent
        circles = (above >= 0) & ~(held[own] & held[above])
        found = [
            RowVerdict(RowSet.of(rows[orphans]), (self.parent,), f"a {self.key} that exists"),
            RowVerdict(RowSet.of(rows[circles]), (self.parent, self.key), "nothing above itself"),
        ]
        if self.one_root:
            others = rows[roots]
            found.append(RowVerdict(RowSet.of(others[others > others.min(initial=1 << 62)]), (self.parent,), "one root"))
        return tuple(found)

    def _numbered(self, collected: Any) -> list[np.ndarray]:
        """For each row: its own number, that of its id and that of its parent's (-1: no such id), whether it has no parent."""
        query = f"""
            with ids as (select i, row_number() over () - 1 as number from (select distinct i from data where i is not null))
            select {ROW}, coalesce(own.number, -1)::integer, coalesce(above.number, -1)::integer, data.p is null
            from data left join ids own on data.i = own.i left join ids above on data.p = above.i
        """
        parts = list(collected.arrays(query))
        return [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0, dtype=int)] * 4
