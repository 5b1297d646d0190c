"""unique"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Keys


class Unique(Relational):
    """No two rows of the whole data set have the same key.

    Several columns make one key. Of rows with the same key all are bad (`keep: none`), or all but the first or the last. A
    key with a null is like no other and passes, as in SQL, unless `nulls_equal: true`. NaN equals NaN and 0.0 equals -0.0; an
    empty text is a value like any other. With `where`, only rows for which it is true are compared with each other. Zero
    rows: not evaluated.

    Examples:
        ```yaml
        module:
          unique: [id]
        rows: [{id: 1}, {id: 2}, {id: 1}, {id: null}, {id: null}]
        failed: [0, 2]
        ```
        ```yaml
        module:
          unique: {columns: [city, year], keep: first}
        rows:
          - {city: Bonn, year: 1990}
          - {city: Bonn, year: 1991}
          - {city: Bonn, year: 1990}
        failed: [2]
        ```
    """

    dimension = "uniqueness"
    like = (
        "expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique", "unique_combination_of_columns",
        "isUnique", "isPrimaryKey", "primary_key", "rows_distinct", "duplicate_count", "duplicate", "is_unique",
        "is_composite_key", "hasUniqueValueRatio", "hasDuplicateRowCount", "no_duplicates", "primary-key",
        "duplicate-row", "are_unique", "uniqueness",
    )  # fmt: skip

    columns: Columns = param(help="the columns that make the key together", short=True, alias="column")
    keep: Literal["none", "first", "last"] = param("none", help="which row of those with the same key is good")
    nulls_equal: bool = param(False, help="a null equals another null")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(set(self.columns)) < len(self.columns):
            yield "columns", "a column is named twice"

    @property
    def earlier_rows(self) -> Literal["before", "after"]:  # type: ignore[override]
        return "after" if self.keep == "last" else "before"  # what is delivered stays, so a row that comes back gives way

    @property
    def compared_by(self) -> Columns:
        return self.columns

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {column: pl.col(column) for column in self.columns}

    def collector(self, context: Context, directory: Path) -> Keys:
        from qpipe.core.gather import Keys

        return Keys(directory, nulls_equal=self.nulls_equal)

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        return (RowVerdict(collected.duplicates(self.keep), self.columns, self._words()),)

    def _words(self) -> str:
        key = "value" if len(self.columns) == 1 else f"combination of {', '.join(self.columns)}"
        return {"none": f"a {key} that occurs once", "first": f"a {key} not seen before", "last": f"a {key} not seen again"}[
            self.keep
        ]
