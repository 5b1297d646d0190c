"""sort"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from qpipe.core.component import Context, Types
from qpipe.core.params import Columns, param
from qpipe.modules.transformation._reshaping import IN_PLACE, Reshaping, name


class Sort(Reshaping):
    """All rows are put in order.

    Equal rows keep the order they had. Nulls come last, whichever the direction; NaN is above every number. Texts are
    compared by code point. The rows are numbered anew: what comes after this step knows them by their new numbers.

    Examples:
        ```yaml
        module:
          sort: {by: [day, n], direction: desc}
        rows: [{day: 1, n: 5}, {day: 2, n: 1}, {day: null, n: 9}, {day: 2, n: 7}]
        gives: [{day: 2, n: 7}, {day: 2, n: 1}, {day: 1, n: 5}, {day: null, n: 9}]
        ```
    """

    like = ("order by", "sort", "sort_values", "arrange", "table_sort", "orderBy")

    by: Columns = param(help="the columns to sort by, the chief one first", short=True)
    direction: Literal["asc", "desc"] = param("asc", help="upwards or downwards")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.by:
            if types and column in types and types[column].kind in ("list", "struct"):
                yield "by", f"{column} is {types[column].kind}, which has no order"

    def query(self, context: Context) -> str:
        keys = [f"{name(column)} {self.direction} nulls last" for column in self.by]
        columns = ", ".join(name(column) for column in context.types)
        return f"select {columns} from {IN_PLACE} order by {', '.join(keys)}, __place"
