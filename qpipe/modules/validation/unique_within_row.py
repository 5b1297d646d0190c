"""unique_within_row"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class UniqueWithinRow(Check):
    """No two of several columns hold the same value in a row.

    Nulls are like nothing and are left out; a row with fewer than two values is not evaluated. With `nulls_equal: true` two
    nulls are the same value. An empty text is a value; NaN equals NaN. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          unique_within_row: [home, work, mobile]
        rows:
          - {home: "1", work: "2", mobile: null}
          - {home: "1", work: "2", mobile: "1"}
          - {home: null, work: null, mobile: null}
        failed: [1]
        ```
    """

    dimension = "uniqueness"
    like = ("expect_select_column_values_to_be_unique_within_record", "select_column_values_to_be_unique_within_record")

    columns: Columns = param(help="the columns that differ from each other", short=True)
    nulls_equal: bool = param(False, help="two nulls are the same value")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(self.columns) < 2:
            yield "columns", "name at least two columns"
        kinds = {types[c].kind for c in self.columns if types and c in types} - {"any"}
        if len(kinds - {"integer", "float", "decimal"}) > (0 if kinds & {"integer", "float", "decimal"} else 1):
            yield "columns", f"{', '.join(sorted(kinds))} cannot be compared: cast them to one type"

    def rules(self, context: Context) -> tuple[Rule, ...]:
        cells = [pl.col(column) for column in self.columns]
        pairs = list(itertools.combinations(cells, 2))
        same = [one.eq_missing(other) if self.nulls_equal else one == other for one, other in pairs]
        given = pl.any_horizontal([one.is_not_null() & other.is_not_null() for one, other in pairs])
        judged = None if self.nulls_equal else given
        return (Rule(pl.any_horizontal(same), self.columns, f"different values in {', '.join(self.columns)}", judged),)
