"""hierarchy"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param

if TYPE_CHECKING:
    import polars as pl


class Hierarchy(Relational):
    """Every parent exists, nothing is above itself, and there is one root if that is said.

    A row with a null parent is a root. A row fails when its parent is the id of no row, when it stands in a circle or below
    one, and, with `one_root`, when it is a root that is not the first. Rows with a null id fail only as parents of nobody.
    An id that occurs twice counts as one. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          hierarchy: {id: part, parent: within}
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
          hierarchy: {id: part, parent: within, one_root: true}
        rows: [{part: car, within: null}, {part: boat, within: null}]
        failed: [1]
        ```
    """

    dimension = "integrity"
    holds_of_parts = False
    like = ("hierarchy", "parent_child", "tree", "no cycles", "self reference", "recursive relationship", "orphans")

    id_: Column = param(help="the column of ids")
    parent: Column = param(help="the column that names the id above")
    one_root: bool = param(False, help="only one row may be without a parent")

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {"i": pl.col(self.id_), "p": pl.col(self.parent)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        orphans = f"select {ROW} from data where p is not null and p not in (select i from data where i is not null)"
        # from the roots, and from orphans, who are told already, down: what is not reached is in a circle or below one
        circles = f"""
            with recursive reached as (
                select i from data where i is not null
                    and (p is null or p not in (select i from data where i is not null))
                union
                select data.i from data join reached on data.p = reached.i where data.i is not null
            )
            select {ROW} from data where p is not null and p in (select i from data where i is not null)
                and (i not in (select i from reached) or p not in (select i from reached))
        """
        roots = f"select {ROW} from data where p is null qualify row_number() over (order by {ROW}) > 1"
        found = [
            RowVerdict(collected.rows(orphans), (self.parent,), f"a {self.id_} that exists"),
            RowVerdict(collected.rows(circles), (self.parent, self.id_), "nothing above itself"),
        ]
        if self.one_root:
            found.append(RowVerdict(collected.rows(roots), (self.parent,), "one root"))
        return tuple(found)
