"""cardinality"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param
from qpipe.modules.validation._statistics import STATISTICS

if TYPE_CHECKING:
    import polars as pl


class Cardinality(Gate):
    """How many different values a column has, as a number or as a share of its values.

    `max: 1` is a constant column, `min: 2` one that is not. Counted exactly up to 16,383 different values, and from there
    within about 1 %; a bound within that error is kept. Nulls are left out; an empty text is a value; NaN is one value.
    Zero rows, or nothing but nulls: not evaluated.

    Examples:
        ```yaml
        module:
          cardinality: {column: status, min: 2, max: 5}
        rows: [{status: new}, {status: new}, {status: null}]
        outcome: fail
        ```
        ```yaml
        module:
          cardinality: {column: id, min_share: 0.9}
        rows: [{id: 1}, {id: 2}, {id: 3}, {id: 3}]
        outcome: fail
        ```
    """

    dimension = "uniqueness"
    like = (
        "expect_column_unique_value_count_to_be_between", "expect_column_proportion_of_unique_values_to_be_between",
        "hasUniqueValueRatio", "hasDistinctness", "hasUniqueness", "not_constant", "ConstantColumns",
        "distinct_count_to_equal", "has_cardinality", "duplicate_percent", "UniqueValueRatio", "CountDistinct",
        "cardinality_equality", "distinct_number_in_range", "nunique", "distinct_percent", "CONSTANT", "has_infogain",
    )  # fmt: skip

    column: Column = param(help="the column to look at")
    min: int | None = param(None, help="the least number of different values", minimum=0)
    max: int | None = param(None, help="the greatest number of different values", minimum=0)
    min_share: float | None = param(None, help="the least share of different values among all values", minimum=0, maximum=1)
    max_share: float | None = param(None, help="the greatest share", minimum=0, maximum=1)
    exclusive: bool | Literal["min", "max"] = param(False, help="the bounds (true), or one side of them, are not allowed")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if all(bound is None for bound in (self.min, self.max, self.min_share, self.max_share)):
            yield "min", "give min, max, min_share or max_share"
        if self.min is not None and self.max is not None and self.min > self.max:
            yield "min", "min is above max"

    def measures(self, context: Context) -> dict[str, Measure]:
        cell = pl.col(self.column)
        return STATISTICS["count_distinct"].measures(cell, context.types[self.column]) | {"values": Measure(cell.count())}

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        count = values["values"] if values["rows"] else 0
        if not count:
            return Verdict("not evaluated", {}, self._words())
        distinct = STATISTICS["count_distinct"].value(values, context.types[self.column])
        above = operator.gt if self.exclusive in (True, "min") else operator.ge
        below = operator.lt if self.exclusive in (True, "max") else operator.le
        share, slack = min(1.0, distinct / count), 0.0 if distinct < 16_384 else 0.01
        good = (
            (self.min is None or above(distinct, self.min * (1 - slack)))
            and (self.max is None or below(distinct, self.max * (1 + slack)))
            and (self.min_share is None or above(share, self.min_share - slack))
            and (self.max_share is None or below(share, self.max_share + slack))
        )
        told = f"{self.column} has {distinct:,.0f} different values of {count:,} ({share:.2%})"
        observed = {"distinct": distinct, "share": share}
        return Verdict("pass" if good else "fail", observed, self._words(), "" if good else f"{told}, expected {self._words()}")

    def _words(self) -> str:
        least = "more than" if self.exclusive in (True, "min") else "at least"
        most = "less than" if self.exclusive in (True, "max") else "at most"
        parts = [] if self.min is None else [f"{least} {self.min:,}"]
        parts += [] if self.max is None else [f"{most} {self.max:,}"]
        parts += [] if self.min_share is None else [f"a share of {least} {self.min_share:g}"]
        parts += [] if self.max_share is None else [f"a share of {most} {self.max_share:g}"]
        return " and ".join(parts)
