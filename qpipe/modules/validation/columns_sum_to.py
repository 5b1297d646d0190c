"""columns_sum_to"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.expression import Expression as Parsed
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Expression, param

if TYPE_CHECKING:
    import polars as pl

_NUMBERS = ("integer", "float", "decimal", "any")


class ColumnsSumTo(Check):
    """The sum of several columns of a row is a number, or what an expression over the row gives.

    A null among the columns counts as 0 with `nulls: zero`, and fails with `nulls: fail`; else the row passes and is not
    evaluated, as it does where `equals` is null. With floats, and with
    `within`, the sum may differ by that much; decimals and integers add up exactly. NaN fails. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          columns_sum_to: {columns: [net, tax], equals: gross, within: 0.005}
        rows: [{net: 10.0, tax: 1.9, gross: 11.9}, {net: 10.0, tax: 1.9, gross: 12.0}, {net: 10.0, tax: null, gross: 1.0}]
        failed: [1]
        ```
        ```yaml
        module:
          columns_sum_to: {columns: [a, b, c], equals: 100, nulls: zero}
        rows: [{a: 50, b: 50, c: null}, {a: 50, b: 40, c: 9}]
        failed: [1]
        ```
    """

    dimension = "consistency"
    like = ("expect_multicolumn_sum_to_equal", "multicolumn_sum", "sum of columns", "col_sum_row", "row_sum")

    columns: Columns = param(help="the columns to add")
    equals: Expression = param(help="a number, another column, or an expression over the row")
    within: float = param(0.0, help="how far the sum may be off", minimum=0)
    nulls: Literal["skip", "zero", "fail"] = param("skip", help="a null among them: skip the row, count it as zero, or fail")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.columns:
            if types and column in types and types[column].kind not in _NUMBERS:
                yield "columns", f"{column} is {types[column].kind}, which cannot be added"
        if len(self.columns) < 2:
            yield "columns", "a sum needs two columns"

    def rules(self, context: Context) -> tuple[Rule, ...]:
        kinds = {context.types[name].kind for name in self.columns}
        floats = "float" in kinds
        cells = [pl.col(name).fill_null(0) if self.nulls == "zero" else pl.col(name) for name in self.columns]
        cells = [cell.cast(pl.Int128) for cell in cells] if kinds == {"integer"} else cells  # small ones would wrap around
        total = cells[0].cast(pl.Float64) if floats else cells[0]
        for cell in cells[1:]:
            total = total + cell
        wanted = Parsed.parse(self.equals).compile(context.types)
        off = (total - wanted).cast(pl.Float64).abs()
        bad = off > self.within
        if floats:
            bad = pl.map_batches([off, total], partial(_beyond, within=self.within), pl.Boolean(), is_elementwise=True)
        given = [pl.col(name).is_not_null() for name in self.columns]
        if self.nulls == "fail":
            bad = ~pl.all_horizontal(given) | bad
        applies = pl.all_horizontal([*(given if self.nulls == "skip" else ()), wanted.is_not_null()])
        return (Rule(bad, self.columns, f"{' + '.join(self.columns)} = {self.equals}", applies),)


def _beyond(given: Sequence[pl.Series], within: float) -> pl.Series:
    """Whether a sum is further off than it may be and than its size, in floats, explains: asked of the few that are off."""
    off, total = given
    bad = off > within
    rows = bad.arg_true()
    if not rows.len():
        return bad
    beyond = off.gather(rows) - 1e-9 * total.gather(rows).abs()  # NaN where the sum is infinite: above every number
    return bad.scatter(rows, beyond > within)
