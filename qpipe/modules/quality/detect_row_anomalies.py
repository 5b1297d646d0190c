"""detect_row_anomalies"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import np, pl
from qpipe.core.params import Columns, param
from qpipe.core.rowset import RowSet
from qpipe.modules._share import share_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

SAMPLE = 100_000  # rows that are learnt from
_ROWS = 100_000  # judged at a time
_WORDS = 50  # categories of a text column that count by their frequency


class DetectRowAnomalies(Relational):
    """Rows that are unlike the others in several columns together, though each cell may be usual.

    Four views are added, each scaled to what is usual: an isolation forest (Liu, Ting and Zhou 2008; scikit-learn), the mean
    robust distance from the medians, the distance to the tenth nearest of a sample, and the Mahalanobis distance. They learn
    from at most 100,000 rows, chosen evenly, with a fixed seed: the same data gives the same rows, in bounded memory. Numbers
    count as they are, dates as days, texts and truths by how rare they are; a null counts as the median. Those rows are found
    that stand out most, `share` of all at most, and only where all views together pass `threshold`. The message names the
    column in which a row is furthest from the median. Fewer than `min_rows` rows, and zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          detect_row_anomalies: {columns: [height, weight], share: "10%", min_rows: 10}
        rows:
          - {height: 180.0, weight: 80.0}
          - {height: 170.0, weight: 70.0}
          - {height: 175.0, weight: 75.0}
          - {height: 182.0, weight: 82.0}
          - {height: 168.0, weight: 68.0}
          - {height: 177.0, weight: 77.0}
          - {height: 173.0, weight: 73.0}
          - {height: 179.0, weight: 79.0}
          - {height: 171.0, weight: 71.0}
          - {height: 60.0, weight: 190.0}
        failed: [9]
        ```
    """

    dimension = "accuracy"
    extra = "statistics"
    packages = ("sklearn",)
    like = (
        "isolation forest", "row anomaly", "multivariate outlier", "anomaly detection", "has_no_anomalies", "pyod",
        "has_no_row_anomalies", "isoforest",
    )  # fmt: skip

    columns: Columns = param(help="the columns that are looked at together")
    share: float | str = param("1%", help="how many rows may be found at most")
    threshold: float = param(2.5, help="how unusual, from 0 (as the others) to 6 (in every view)", minimum=0, maximum=6)
    min_rows: int = param(100, help="fewer rows say nothing", minimum=10)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.columns:
            if types and column in types and types[column].kind in ("list", "struct", "binary"):
                yield "columns", f"{column} is {types[column].kind}: flatten it first"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        made: dict[str, pl.Expr] = {}
        for n, column in enumerate(self.columns):
            cell, kind = pl.col(column), context.types[column].kind
            if kind in ("integer", "float", "decimal"):
                number = cell.cast(pl.Float64)
                made[f"v{n}"] = pl.when(number.is_finite()).then(number)
            elif kind in ("date", "datetime"):
                made[f"v{n}"] = cell.cast(pl.Date).to_physical().cast(pl.Float64)
            else:
                made[f"v{n}"] = cell.cast(pl.String)
        return made

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        found: dict[int, list[int]] = {}
        if collected.has_rows:
            connection = collected.connect()
            try:
                found = self._found(connection, context)
            finally:
                connection.close()
        verdicts = []
        for n, column in enumerate(self.columns):
            rows = RowSet()
            rows.add(np.array(sorted(found.get(n, ())), dtype=np.int64))
            verdicts.append(RowVerdict(rows, (column, *(c for c in self.columns if c != column)), "a row like the others"))
        return tuple(verdicts)

    def _found(self, connection: Any, context: Context) -> dict[int, list[int]]:
        """Column → rows in which it is the furthest away."""
        from qpipe.analysis.unusual import Unusual

        height = connection.sql("select count(*) from data").fetchall()[0][0]
        if height < self.min_rows:
            return {}
        self._numbers(connection, context)
        step = max(1, -(-height // SAMPLE))
        learnt = _matrix(connection.sql(f"select * exclude ({ROW}) from numbers_ where {ROW} % {step} = 0 order by {ROW}").pl())
        model = Unusual(learnt)
        scores, rows, worst = [], [], []
        reader = connection.sql(f"select * from numbers_ order by {ROW}").to_arrow_reader(_ROWS)
        for batch in reader:
            frame = pl.DataFrame(pl.from_arrow(batch))
            numbers = _matrix(frame.drop(ROW))
            scores.append(model.score(numbers))
            worst.append(model.column(numbers))
            rows.append(frame[ROW].to_numpy())
        return self._furthest(np.concatenate(scores), np.concatenate(rows), np.concatenate(worst))

    def _furthest(self, scores: np.ndarray, rows: np.ndarray, worst: np.ndarray) -> dict[int, list[int]]:
        most = int(share_of(self.share) * len(scores))
        order = np.lexsort((rows, -scores))[:most]
        order = order[scores[order] >= self.threshold]
        found: dict[int, list[int]] = {}
        for at in order.tolist():
            found.setdefault(int(worst[at]), []).append(int(rows[at]))
        return found

    def _numbers(self, connection: Any, context: Context) -> None:
        """A view of numbers: texts as the logarithm of their share, nulls as the median."""
        chosen = []
        for n, column in enumerate(self.columns):
            kind = context.types[column].kind
            if kind in ("integer", "float", "decimal", "date", "datetime"):
                chosen.append(f"coalesce(v{n}, (select median(v{n}) from data), 0) as v{n}")
            else:
                chosen.append(f"ln(count(*) over (partition by v{n}))::double as v{n}")
        connection.execute(f"create temp table numbers_ as select {ROW}, {', '.join(chosen)} from data")


def _matrix(frame: pl.DataFrame) -> np.ndarray:
    return frame.cast(pl.Float64).to_numpy()
