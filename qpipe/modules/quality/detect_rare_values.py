"""detect_rare_values"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.lazy import pl
from qpipe.core.look_through import counted, rows_with
from qpipe.core.params import Columns, param
from qpipe.modules._share import share_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from qpipe.core.rowset import RowSet


class DetectRareValues(Relational):
    """Values, or combinations of values, that hardly ever occur in a column of categories.

    A row is found when its values occur in fewer than `share` of the rows, and at most `times`. A column in which more than
    `most` of the values are different is none of categories, and is not evaluated. Several columns are looked at together.
    Nulls are left out. Zero rows, or fewer than `min_rows`: not evaluated.

    Examples:
        ```yaml
        module:
          detect_rare_values: {columns: unit, share: "20%", min_rows: 5}
        rows: [{unit: kg}, {unit: kg}, {unit: kg}, {unit: kg}, {unit: kq}, {unit: kg}, {unit: null}]
        failed: [4]
        ```
    """

    dimension = "validity"
    like = ("rare values", "rare categories", "categorical outlier", "infrequent", "top_values", "frequency anomaly")

    columns: Columns = param(help="the columns, looked at together", short=True, alias="column")
    share: float | str = param("1%", help="what is rarer than this is found")
    times: int = param(10, help="what comes more often is not rare", minimum=1)
    most: float = param(0.2, help="different values, as a share of the rows, in a column of categories", minimum=0, maximum=1)
    min_rows: int = param(100, help="fewer rows say nothing", minimum=2)

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {f"v{n}": pl.col(column) for n, column in enumerate(self.columns)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        keys = [f"v{n}" for n in range(len(self.columns))]
        counts = counted(collected, keys)
        rows = self._rare(collected, keys) if counts is None else rows_with(collected, self._rarest(counts).select(keys))
        return (RowVerdict(rows, self.columns, f"a value that is not rarer than {self.share}"),)

    def _rarest(self, counts: pl.DataFrame) -> pl.DataFrame:
        rows, n = int(counts["n"].sum()), pl.col("n")
        if rows < self.min_rows or counts.height > max(self.most * rows, 2):
            return counts.clear()
        return counts.filter((n < self._part * rows) & (n <= self.times))

    def _rare(self, collected: Any, keys: Sequence[str]) -> RowSet:
        """The same in DuckDB, where there are very many values."""
        full = " and ".join(f"{key} is not null" for key in keys)
        same = " and ".join(f"data.{key} = rare.{key}" for key in keys)
        return collected.rows(f"""
            with counted as (select {", ".join(keys)}, count(*) as n from data where {full} group by all),
            every_ as (select sum(n) as rows_, count(*) as kinds from counted),
            rare as (select counted.* from counted, every_ where rows_ >= {self.min_rows}
                     and (kinds <= {self.most} * rows_ or kinds <= 2) and n < {self._part} * rows_ and n <= {self.times})
            select data.{ROW} from data join rare on {same}
        """)

    @property
    def _part(self) -> float:
        return share_of(self.share)
