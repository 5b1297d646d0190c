"""clip"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Scalar, param
from qpipe.modules._exact import exact, misfit

if TYPE_CHECKING:
    import polars as pl


class Clip(Transform):
    """Values beyond a bound become the bound.

    For numbers, dates and times; bounds are read as the column's type has them. Null stays null; NaN stays NaN. To have such
    rows told instead of changed, use the check `between` before it.

    Examples:
        ```yaml
        module:
          clip: {column: rating, min: 0, max: 5}
        rows: [{rating: 7}, {rating: -1}, {rating: 3}, {rating: null}]
        gives: [{rating: 5}, {rating: 0}, {rating: 3}, {rating: null}]
        ```
    """

    like = ("clip", "clamp", "winsorize", "cap", "limit values", "greatest least", "bound")

    columns: Columns = param(help="the columns to change", alias="column")
    min: Scalar | None = param(None, help="what smaller values become")
    max: Scalar | None = param(None, help="what greater values become")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.min is None and self.max is None:
            yield "min", "give min, max or both"
        for column in self.columns:
            for name in ("min", "max"):
                value = getattr(self, name)
                if types and column in types and value is not None and (wrong := misfit(value, types[column])):
                    yield name, f"'{column}' is {types[column].describe()}: {wrong}"

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(self._clipped(column, context) for column in self.columns)

    def _clipped(self, column: str, context: Context) -> pl.Expr:
        cell, type_ = pl.col(column), context.types[column]
        low = None if self.min is None else exact(self.min, type_)
        high = None if self.max is None else exact(self.max, type_)
        made = cell
        if low is not None:
            made = pl.when(cell < low).then(low).otherwise(made)
        if high is not None:
            above = cell > high if type_.kind != "float" else (cell > high) & ~cell.is_nan()
            made = pl.when(above).then(high).otherwise(made)
        return made.alias(column)
