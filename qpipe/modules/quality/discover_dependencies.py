"""discover_dependencies"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from qpipe.core.component import Types

SAMPLE = 50_000  # rows that dependencies are looked for in


class DiscoverDependencies(Relational):
    """Rows that break a dependency nobody wrote down: where one column tells another for nearly all rows.

    Looked for between each two of the columns, in at most 50,000 rows; then all rows are judged. A dependency counts from a
    strength of `strength` on: μ+ (Parciak et al. 2024), how much better one column tells the other than chance would, corrected
    for the number of groups. Bad are the rows whose value is not the one that more than half of their group have; a group in
    which no value has more than half says nothing. Rows with a null in either column are left out; an empty text is a value
    like any other. Zero rows: not evaluated. Where the dependency is known, `depends_on` says it.

    Examples:
        ```yaml
        module:
          discover_dependencies: {columns: [zip, city], strength: 0.5}
        rows:
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Born}
          - {zip: "50667", city: Köln}
          - {zip: "50667", city: Köln}
          - {zip: "50667", city: Köln}
          - {zip: "50667", city: Köln}
          - {zip: "50667", city: Köln}
          - {zip: "50667", city: null}
        failed: [4]
        ```
    """

    dimension = "consistency"
    like = (
        "discover_dependencies",
        "functional dependency discovery",
        "approximate functional dependencies",
        "raha rule violation",
    )

    columns: Columns = param(help="the columns that may tell each other", short=True)
    strength: float = param(0.8, help="how well one column must tell the other, from 0 to 1", minimum=0, maximum=1)
    most: float = param(0.25, help="the largest share of rows that may break it", minimum=0, maximum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(self.columns) < 2:
            yield "columns", "a dependency needs two columns"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {f"v{n}": pl.col(column) for n, column in enumerate(self.columns)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        found = []
        for left, right in self._found(collected):
            told = f"what {self.columns[left]} tells in most rows"
            found.append(RowVerdict(collected.rows(_breaking(left, right)), (self.columns[right],), told))
        return tuple(found)

    def _found(self, collected: Any) -> list[tuple[int, int]]:
        from qpipe.analysis.dependencies import dependencies

        if not collected.has_rows:
            return []
        connection = collected.connect()
        try:
            values = ", ".join(f"v{n}" for n in range(len(self.columns)))
            sample = connection.sql(f"select {values} from data order by hash({ROW}), {ROW} limit {SAMPLE}").pl()
        finally:
            connection.close()
        return [(int(d.determinant[0][1:]), int(d.dependent[1:])) for d in dependencies(sample, None, self.strength, self.most)]


def _breaking(left: int, right: int) -> str:
    return f"""
        with full_ as (select {ROW}, v{left} as k, v{right} as v from data where v{left} is not null and v{right} is not null),
        each_ as (select k, v, count(*) as n from full_ group by k, v),
        usual_ as (select k, arg_max(v, n) as usual from each_ group by k having count(*) > 1 and 2 * max(n) > sum(n))
        select {ROW} from full_ join usual_ using (k) where v <> usual order by {ROW}
    """
