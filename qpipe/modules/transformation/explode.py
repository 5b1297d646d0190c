"""explode"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Step, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


class Explode(Step):
    """Each item of a list becomes a row of its own; all other columns are repeated.

    A text is cut at `by` into a list first. An empty list and null give one row with null, unless `keep_empty: false`, which
    drops the row. The rows that come out of one stand together, in the order of the items.

    Examples:
        ```yaml
        module:
          explode: {column: tags}
        rows: [{id: 1, tags: [a, b]}, {id: 2, tags: []}, {id: 3, tags: null}]
        gives: [{id: 1, tags: a}, {id: 1, tags: b}, {id: 2, tags: null}, {id: 3, tags: null}]
        ```
        ```yaml
        module:
          explode: {column: codes, by: "|", keep_empty: false}
        rows: [{codes: A|B}, {codes: null}]
        gives: [{codes: A}, {codes: B}]
        dropped: [1]
        ```
    """

    like = ("explode", "unnest", "flatten", "split multi-valued cells", "lateral view", "unwind", "row_split")

    column: Column = param(help="the column of lists, or of texts to cut", short=True)
    by: str | None = param(None, help="what separates the items of a text", minLength=1)
    keep_empty: bool = param(True, help="a row without items stays, with null")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kind = types[self.column].kind if types and self.column in types else "any"
        if kind == "string" and self.by is None:
            yield "by", f"{self.column} is text: say what separates its items"
        elif kind not in ("list", "string", "any"):
            yield "column", f"{self.column} is {kind}, which has no items"

    def output_types(self, types: Types) -> Types:
        given = types.get(self.column)
        item = given.inner if given is not None and given.kind == "list" and given.inner else DataType.parse("string")
        return {name: item if name == self.column else type for name, type in types.items()}

    def process(self, frame: pl.DataFrame, context: Context) -> pl.DataFrame:
        cell = pl.col(self.column)
        if self.by is not None and frame.schema[self.column] == pl.String:
            frame = frame.with_columns(cell.str.split(self.by).list.eval(pl.element().str.strip_chars()))
        if not self.keep_empty:
            frame = frame.filter(cell.list.len().fill_null(0) > 0)
        return frame.explode(self.column, empty_as_null=True, keep_nulls=True)
