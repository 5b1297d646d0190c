"""merge_columns"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, NewColumn, param
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


class MergeColumns(Transform):
    """Several columns become one text.

    Nulls and empty texts are left out with their separator; a row that has nothing to merge gets null. Numbers and dates are
    written as SQL casts them. The columns themselves stay unless `keep: false`.

    Examples:
        ```yaml
        module:
          merge_columns: {columns: [street, zip, city], into: address, separator: ", "}
        rows:
          - {street: Am Hof 1, zip: "53113", city: Bonn}
          - {street: null, zip: "", city: Metz}
          - {street: null, zip: null, city: null}
        gives:
          - {street: Am Hof 1, zip: "53113", city: Bonn, address: "Am Hof 1, 53113, Bonn"}
          - {street: null, zip: "", city: Metz, address: Metz}
          - {street: null, zip: null, city: null, address: null}
        ```
        ```yaml
        module:
          merge_columns: {columns: [year, month], into: period, separator: "-", keep: false}
        rows: [{year: 2026, month: 1}]
        gives: [{period: 2026-1}]
        ```
    """

    like = ("concat_ws", "concatenate", "join columns", "str.cat", "field_merge", "unite", "paste", "merge columns")

    columns: Columns = param(help="the columns to merge, in order")
    into: NewColumn = param(help="the new column")
    separator: str = param(" ", help="what stands between the parts")
    keep: bool = param(True, help="the columns themselves stay")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.columns:
            if types and column in types and types[column].kind in ("list", "struct", "binary"):
                yield "columns", f"{column} is {types[column].kind}, which is no text: flatten it first"

    def output_types(self, types: Types) -> Types:
        left = {name: type for name, type in types.items() if self.keep or name not in self.columns}
        return {**left, self.into: DataType.parse("string")}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        texts = [pl.col(column).cast(pl.String) for column in self.columns]
        filled = [pl.when(part != "").then(part) for part in texts]
        merged = pl.concat_str(filled, separator=self.separator, ignore_nulls=True)
        some = pl.any_horizontal([part.is_not_null() for part in filled])
        frame = frame.with_columns(pl.when(some).then(merged).alias(self.into))
        gone = [] if self.keep else [column for column in self.columns if column != self.into]
        return frame.drop(gone) if gone else frame
