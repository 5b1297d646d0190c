"""unpivot"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Step, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, NewColumn, param
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


class Unpivot(Step):
    """Columns become rows: one for each row and column, with the column's name and its value.

    All other columns are repeated. Rows whose value is null are left out unless `keep_nulls: true`. The columns must have one
    type. The rows that come out of one stand together, in the order of the columns.

    Examples:
        ```yaml
        module:
          unpivot: {columns: [q1, q2], names_to: quarter, values_to: sales}
        rows: [{shop: a, q1: 5, q2: 7}, {shop: b, q1: null, q2: 1}]
        gives:
          - {shop: a, quarter: q1, sales: 5}
          - {shop: a, quarter: q2, sales: 7}
          - {shop: b, quarter: q2, sales: 1}
        ```
    """

    like = ("melt", "unpivot", "gather", "wide to long", "pivot_longer", "table_melt", "stack")

    columns: Columns = param(help="the columns that become rows")
    names_to: NewColumn = param("name", help="the new column of names")
    values_to: NewColumn = param("value", help="the new column of values")
    keep_nulls: bool = param(False, help="nulls become rows, too")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kinds = {str(types[column]) for column in self.columns if types and column in types}
        if len(kinds) > 1:
            yield "columns", f"they are {' and '.join(sorted(kinds))}: cast them to one type first"

    def output_types(self, types: Types) -> Types:
        left = {name: type for name, type in types.items() if name not in self.columns}
        given = next((types[column] for column in self.columns if column in types), DataType.parse("string"))
        return {**left, self.names_to: DataType.parse("string"), self.values_to: given}

    def process(self, frame: pl.DataFrame, context: Context) -> pl.DataFrame:
        left = [name for name in frame.columns if name not in self.columns]
        made = frame.unpivot(on=list(self.columns), index=left, variable_name=self.names_to, value_name=self.values_to).sort(
            ROW, maintain_order=True
        )
        return made if self.keep_nulls else made.filter(pl.col(self.values_to).is_not_null())
