"""correlation"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

PAIRS = 100_000  # different pairs of categories that are counted


class Correlation(Gate):
    """How strongly two columns go together lies in a range.

    `pearson` is for numbers, from -1 to 1. `cramers_v` is for categories, from 0 to 1, with the bias correction of Bergsma
    (2013); it counts at most 100,000 different pairs. Rows with a null or NaN in one of the columns are left out. Fewer than
    three rows, or a column with a single value: not evaluated.

    Examples:
        ```yaml
        module:
          correlation: {columns: [net, gross], min: 0.99}
        rows: [{net: 1.0, gross: 1.2}, {net: 2.0, gross: 2.4}, {net: 3.0, gross: 3.6}, {net: 4.0, gross: null}]
        outcome: pass
        ```
        ```yaml
        module:
          correlation: {columns: [a, b], method: cramers_v, max: 0.3}
        rows: [{a: x, b: k}, {a: x, b: k}, {a: y, b: l}, {a: y, b: l}, {a: x, b: k}, {a: y, b: l}]
        outcome: fail
        ```
    """

    dimension = "consistency"
    like = (
        "hasCorrelation", "Correlation", "has_correlation", "expect_column_pair_cramers_phi_value_to_be_less_than",
        "column_correlation", "pearson", "cramers_phi", "HIGH_CORRELATION", "hasMutualInformation", "mutual_information",
        "association",
    )  # fmt: skip

    columns: Columns = param(help="the two columns")
    method: Literal["pearson", "cramers_v"] = param("pearson", help="how they are compared")
    min: float | None = param(None, help="the least value allowed", minimum=-1, maximum=1)
    max: float | None = param(None, help="the greatest value allowed", minimum=-1, maximum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(self.columns) != 2:
            yield "columns", "name two columns"
        if self.min is None and self.max is None:
            yield "min", "give min, max or both"
        for column in self.columns:
            kind = types[column].kind if types and column in types else "any"
            if self.method == "pearson" and kind not in ("integer", "float", "decimal", "any"):
                yield "columns", f"{column} is {kind}, not a number: say method: cramers_v"

    def measures(self, context: Context) -> dict[str, Measure]:
        if self.method == "cramers_v":
            texts = [pl.col(column).cast(pl.String) for column in self.columns]
            full = pl.all_horizontal([text.is_not_null() for text in texts])
            pair = pl.concat_str(texts, separator="\x1f").filter(full)
            return {
                "pairs": Measure(pair.value_counts(name="count").struct.rename_fields(["value", "count"]).implode(), "counts")
            }
        x, y = (pl.col(column).cast(pl.Float64) for column in self.columns)
        both = pl.all_horizontal(_given(column, context.types[column]) for column in self.columns)
        x, y = x.filter(both), y.filter(both)
        return {"n": Measure(both.sum()), "x": Measure(x.sum()), "y": Measure(y.sum()), "xx": Measure((x * x).sum()),
                "yy": Measure((y * y).sum()), "xy": Measure((x * y).sum())}  # fmt: skip

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        value = self._pearson(values) if self.method == "pearson" else self._cramers_v(values["pairs"] or {})
        words = " and ".join(
            ([] if self.min is None else [f"at least {self.min:g}"]) + ([] if self.max is None else [f"at most {self.max:g}"])
        )
        if value is None:
            return Verdict("not evaluated", {}, words)
        good = (self.min is None or value >= self.min) and (self.max is None or value <= self.max)
        told = f"{self.method} of {' and '.join(self.columns)} is {value:.4f}, expected {words}"
        return Verdict("pass" if good else "fail", {self.method: value}, words, "" if good else told)

    def _pearson(self, values: Mapping[str, Any]) -> float | None:
        n = values["n"] or 0
        if n < 3:
            return None
        vx, vy = values["xx"] - values["x"] ** 2 / n, values["yy"] - values["y"] ** 2 / n
        if vx <= 1e-12 * values["xx"] or vy <= 1e-12 * values["yy"]:
            return None
        return max(-1.0, min(1.0, (values["xy"] - values["x"] * values["y"] / n) / math.sqrt(vx * vy)))

    def _cramers_v(self, pairs: Mapping[str, int]) -> float | None:
        rows: dict[str, int] = {}
        columns: dict[str, int] = {}
        for pair, count in pairs.items():
            a, _, b = pair.partition("\x1f")
            rows[a], columns[b] = rows.get(a, 0) + count, columns.get(b, 0) + count
        n, r, k = sum(rows.values()), len(rows), len(columns)
        if n < 3 or r < 2 or k < 2:
            return None
        chi2 = n * (sum(c * c / (rows[p.partition("\x1f")[0]] * columns[p.partition("\x1f")[2]]) for p, c in pairs.items()) - 1)
        phi2 = max(0.0, chi2 / n - (k - 1) * (r - 1) / (n - 1))
        least = min(k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)) - 1
        return math.sqrt(phi2 / least) if least > 0 else None


def _given(column: str, type_: DataType) -> pl.Expr:
    """True where there is a number; null or false elsewhere."""
    return pl.col(column).is_not_nan() if type_.kind == "float" else pl.col(column).is_not_null()
