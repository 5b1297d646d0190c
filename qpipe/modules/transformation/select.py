"""select"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class Select(Transform):
    """Some columns stay, in the order given; or some go.

    Write the columns that stay, or `drop:` and those that go.

    Examples:
        ```yaml
        module:
          select: [id, amount]
        rows: [{amount: 5, note: x, id: 1}]
        gives: [{id: 1, amount: 5}]
        ```
        ```yaml
        module:
          select: {drop: [note]}
        rows: [{amount: 5, note: x, id: 1}]
        gives: [{amount: 5, id: 1}]
        ```
    """

    like = ("select_columns", "drop_columns", "keep columns", "field_filter", "field_remove", "reorder columns")

    columns: Columns | None = param(None, help="the columns that stay, in this order", short=True)
    drop: Columns | None = param(None, help="the columns that go; all others stay as they are")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if (self.columns is None) == (self.drop is None):
            yield "columns", "give the columns that stay or, with drop, those that go: one of them"
        for name, count in Counter(self.columns or ()).items():
            if count > 1:
                yield "columns", f"'{name}' stands there {count} times"
        if types and self.drop and not set(types) - set(self.drop):
            yield "drop", "no column would be left"

    def output_types(self, types: Types) -> Types:
        if self.columns is not None:
            return {name: types[name] for name in self.columns if name in types}
        return {name: type_ for name, type_ in types.items() if name not in (self.drop or ())}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        # what is no column of the data (_row, flags of checks before) goes along
        return frame.select(*self.output_types(context.types), pl.exclude(list(context.types)))
