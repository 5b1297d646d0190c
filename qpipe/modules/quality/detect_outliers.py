"""detect_outliers"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

_THRESHOLDS = {"mad": 3.5, "iqr": 1.5, "z": 3.0}


class DetectOutliers(Relational):
    """Numbers that lie far from the others of their column, or of their group.

    `mad` measures the distance from the median in median absolute deviations, scaled to standard deviations (the modified
    z-score of Iglewicz and Hoaglin 1993; where more than half of the values are equal, the mean deviation stands in);
    outliers do not move it. `iqr` takes Tukey's fences around the quartiles (1977), `z` the distance from the mean in
    standard deviations (of a sample, as in `aggregate`), which large outliers hide from. The whole data set is looked at, so
    batches do not matter. Nulls, NaN and infinities are left out. Groups of fewer than `min_rows` values, and zero rows: not
    evaluated.

    Examples:
        ```yaml
        module:
          detect_outliers: {column: amount, min_rows: 5}
        rows: [{amount: 10.0}, {amount: 11.0}, {amount: 9.0}, {amount: 10.5}, {amount: 99.0}, {amount: null}]
        failed: [4]
        ```
        ```yaml
        module:
          detect_outliers: {column: n, method: iqr, by: kind, min_rows: 4}
        rows:
          - {kind: a, n: 1}
          - {kind: a, n: 2}
          - {kind: a, n: 3}
          - {kind: a, n: 40}
          - {kind: b, n: 40}
        failed: [3]
        ```
    """

    dimension = "accuracy"
    like = (
        "expect_column_value_z_scores_to_be_less_than", "has_no_outliers", "outlier", "deviated-value", "anomaly", "zscore",
        "expect_column_values_to_be_within_n_stdevs", "expect_column_values_to_be_within_n_moving_stdevs", "is_outlier",
        "mad", "InterquartileRange", "is_inside_interquartile_range", "expect_column_values_to_not_be_outliers",
        "not_be_outliers", "within_n_stdevs", "numeric_outliers",
    )  # fmt: skip

    columns: Columns = param(help="the columns of numbers", short=True, alias="column")
    method: Literal["mad", "iqr", "z"] = param("mad", help="how the distance is measured")
    threshold: float | None = param(
        None, help="the distance allowed; unset: 3.5 for mad, 1.5 for iqr, 3 for z", exclusiveMinimum=0
    )
    by: Columns | None = param(None, help="each group on its own")
    side: Literal["both", "low", "high"] = param("both", help="which side counts")
    min_rows: int = param(20, help="fewer values say nothing", minimum=3)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.columns:
            if types and column in types and types[column].kind not in ("integer", "float", "decimal", "any"):
                yield "columns", f"{column} is {types[column].kind}, not a number"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        cells = {}
        for n, column in enumerate(self.columns):
            cell = pl.col(column).cast(pl.Float64)
            cells[f"v{n}"] = pl.when(cell.is_finite()).then(cell)
        return cells | {f"k{n}": pl.col(column) for n, column in enumerate(self.by or ())}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        found = []
        for n, column in enumerate(self.columns):
            rows = collected.rows(self._query(f"v{n}"))
            found.append(RowVerdict(rows, (column,), self._words()))
        return tuple(found)

    def _query(self, v: str) -> str:
        keys = [f"k{n}" for n in range(len(self.by or ()))]
        group = f"group by {', '.join(keys)}" if keys else ""
        chosen = "".join(f"{key}, " for key in keys)
        same = " and ".join(f"data.{key} is not distinct from s.{key}" for key in keys) or "true"
        reach = self.threshold or _THRESHOLDS[self.method]
        if self.method == "iqr":
            stats = f"""select {chosen} quantile_cont({v}, 0.25) as a, quantile_cont({v}, 0.75) as b
                        from data where {v} is not null {group} having count(*) >= {self.min_rows}"""
            low, high = f"s.a - {reach} * (s.b - s.a)", f"s.b + {reach} * (s.b - s.a)"
            stats = f"with s as ({stats})"
        elif self.method == "z":
            stats = f"""with s as (select {chosen} avg({v}) as m, stddev_samp({v}) as d
                        from data where {v} is not null {group} having count(*) >= {self.min_rows})"""
            low, high = f"s.m - {reach} * s.d", f"s.m + {reach} * s.d"
        else:
            stats = f"""with c as (select {chosen} median({v}) as m from data where {v} is not null {group}
                                   having count(*) >= {self.min_rows}),
                s as (select {"".join(f"data.{key}, " for key in keys)} any_value(c.m) as m,
                             case when median(abs({v} - c.m)) > 0 then 1.4826 * median(abs({v} - c.m))
                                  else 1.2533 * avg(abs({v} - c.m)) end as d
                      from data join c on {same.replace("s.", "c.")} where {v} is not null
                      {"group by " + ", ".join(f"data.{key}" for key in keys) if keys else ""})"""
            low, high = f"s.m - {reach} * s.d", f"s.m + {reach} * s.d"
        tests = {"both": f"{v} < {low} or {v} > {high}", "low": f"{v} < {low}", "high": f"{v} > {high}"}
        return f"{stats} select data.{ROW} from data join s on {same} where {tests[self.side]}"

    def _words(self) -> str:
        reach = self.threshold or _THRESHOLDS[self.method]
        unit = {"mad": "deviations from the median", "iqr": "quartile ranges from the quartiles", "z": "standard deviations"}
        group = f" of its {', '.join(self.by)}" if self.by else ""
        return f"within {reach:g} {unit[self.method]}{group}"
