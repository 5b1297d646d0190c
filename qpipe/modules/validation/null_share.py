"""null_share"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Tolerance, param

if TYPE_CHECKING:
    import polars as pl


class NullShare(Gate):
    """The share of missing cells in a column lies in a range.

    Null is missing; with `blank: true` so is a text that is empty or only blanks. NaN is a value. Every column must keep the
    range. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          null_share: {column: note, max: 50%}
        rows: [{note: a}, {note: null}, {note: null}, {note: ""}]
        outcome: pass
        ```
        ```yaml
        module:
          null_share: {column: note, max: 50%, blank: true}
        rows: [{note: a}, {note: null}, {note: null}, {note: ""}]
        outcome: fail
        ```
    """

    dimension = "completeness"
    like = (
        "missing_percent", "expect_column_proportion_of_non_null_values_to_be_between", "not_null_proportion",
        "hasCompleteness", "Completeness", "col_pct_null", "col_pct_missing", "null_percentage", "null_percentage_below",
        "nulls_percent", "MissingValueShare", "max_nulls", "null_ratio", "empty-column-found", "at_least_one", "EMPTY",
        "MissingValueCount", "invalid_percent",
    )  # fmt: skip

    columns: Columns = param(help="the columns to measure", alias="column")
    min: Tolerance | None = param(None, help="the least share: 0.05 or 5%")
    max: Tolerance | None = param(None, help="the greatest share: 0.05 or 5%")
    blank: bool = param(False, help="texts that are empty or only blanks count as missing, too")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.min is None and self.max is None:
            yield "max", "a share needs min, max or both"
        for name in ("min", "max"):
            if (getattr(self, name) or 0) > 1:
                yield name, "a share is written 0.05 or 5%: it is at most 1"
        if self.min is not None and self.max is not None and self.min > self.max:
            yield "min", f"no share lies {self._words()}: min is above max"

    def measures(self, context: Context) -> dict[str, Measure]:
        return {column: Measure(self._missing(column, context)) for column in self.columns}

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        if not values["rows"]:
            return Verdict("not evaluated", {}, self._words())
        shares = {column: values[column] / values["rows"] for column in self.columns}
        bad = {c: s for c, s in shares.items() if s < (self.min or 0) or s > (1 if self.max is None else self.max)}
        message = "; ".join(f"{column} is {share:.4g} null, expected {self._words()}" for column, share in bad.items())
        return Verdict("fail" if bad else "pass", shares, self._words(), message)

    def _missing(self, column: str, context: Context) -> pl.Expr:
        cell = pl.col(column)
        if self.blank and context.types[column].kind == "string":
            return (cell.is_null() | (cell.str.strip_chars() == "")).sum()
        return cell.null_count()

    def _words(self) -> str:
        low, high = (None if share is None else f"{share:.4g}" for share in (self.min, self.max))
        if low is not None and high is not None:
            return f"between {low} and {high}"
        return f"at most {high}" if low is None else f"at least {low}"
