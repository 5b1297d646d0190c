"""round"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class Round(Transform):
    """Numbers are rounded to so many decimals.

    `half_away_from_zero` is what bookkeepers do (2.5 → 3, -2.5 → -3), `half_even` what statisticians do (2.5 → 2). A float
    is rounded as the double that it is: 2.675 is a little less than that, and becomes 2.67; decimals are exact. Types stay
    as they are. Null, NaN and infinities stay.

    Examples:
        ```yaml
        module:
          round: {column: price, decimals: 1}
        schema: {price: "decimal(6,2)"}
        rows: [{price: 1.25}, {price: -1.25}, {price: null}]
        gives: [{price: 1.30}, {price: -1.30}, {price: null}]
        ```
        ```yaml
        module:
          round: {column: x, mode: half_even}
        rows: [{x: 2.5}, {x: 3.5}]
        gives: [{x: 2.0}, {x: 4.0}]
        ```
    """

    like = ("round", "ROUND", "numeric precision", "toFixed", "quantize", "round half even")

    columns: Columns = param(help="the columns of numbers", short=True, alias="column")
    decimals: int = param(0, help="digits after the point", minimum=0, maximum=30)
    mode: Literal["half_away_from_zero", "half_even"] = param("half_away_from_zero", help="where a half goes")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.columns:
            if types and column in types and types[column].kind not in ("integer", "float", "decimal", "any"):
                yield "columns", f"{column} is {types[column].kind}, not a number: parse_number first"

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        mode: Literal["half_away_from_zero", "half_to_even"] = "half_to_even" if self.mode == "half_even" else self.mode
        return frame.with_columns(
            pl.col(column).round(self.decimals, mode=mode).cast(context.types[column].polars())
            for column in self.columns
            if context.types[column].kind in ("float", "decimal")
        )
