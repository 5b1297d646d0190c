"""depends_on"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Columns, param

if TYPE_CHECKING:
    import polars as pl


class DependsOn(Relational):
    """Rows that agree in some columns agree in another one, too: a functional dependency.

    Among rows with the same determinant those are bad whose dependent is not the one that more than half of them have. Where no
    value has more than half, all rows of the group are bad, or none (`undecided: pass`). Rows with a null in any of the columns
    are left out; an empty text is a value like any other. With `where`, only rows for which it is true are compared. Zero rows:
    not evaluated.

    Examples:
        ```yaml
        module:
          depends_on: {determinant: zip, dependent: city}
        rows:
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Born}
          - {zip: "50667", city: null}
        failed: [2]
        ```
        ```yaml
        module:
          depends_on: {determinant: [country, zip], dependent: city}
        rows:
          - {country: DE, zip: "1", city: A}
          - {country: FR, zip: "1", city: B}
          - {country: FR, zip: "1", city: C}
        failed: [1, 2]
        ```
    """

    dimension = "consistency"
    earlier_rows = "before"
    like = ("functional_dependency", "FunctionalDependency", "hasFunctionalDependency", "denial constraint", "fd")

    determinant: Columns = param(help="the columns that tell the other one")
    dependent: Column = param(help="the column that they tell")
    undecided: Literal["fail", "pass"] = param("fail", help="rows of a group in which no value has more than half")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.dependent in self.determinant:
            yield "dependent", f"{self.dependent} cannot tell itself"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        names = {f"k{n}": pl.col(c) for n, c in enumerate(self.determinant)}
        return {**names, "v": pl.col(self.dependent)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        rows = collected.rows(self._query())
        return (RowVerdict(rows, (self.dependent,), f"what {', '.join(self.determinant)} tells"),)

    def _query(self) -> str:
        keys = ", ".join(f"k{n}" for n in range(len(self.determinant)))
        full = " and ".join(f"k{n} is not null" for n in range(len(self.determinant)))
        bad = "v <> usual" if self.undecided == "fail" else "2 * having_ > rows_ and v <> usual"
        torn = " or 2 * having_ <= rows_" if self.undecided == "fail" else ""
        return f"""
            with full_ as (select * from data where v is not null and {full}),
            each_ as (select {keys}, v, count(*) as n from full_ group by {keys}, v),
            usual_ as (select {keys}, arg_max(v, n) as usual, max(n) as having_, sum(n) as rows_ from each_ group by {keys}
                       having count(*) > 1)
            select {ROW} from full_ join usual_ using ({keys}) where {bad}{torn}
        """
