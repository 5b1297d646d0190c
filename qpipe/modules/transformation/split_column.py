"""split_column"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param
from qpipe.core.types import DataType
from qpipe.modules.transformation._text import not_text, text

if TYPE_CHECKING:
    import polars as pl


class SplitColumn(Transform):
    """A text is cut at a separator into several columns.

    Parts are named in order; blanks around them go unless `trim: false`. A text with fewer parts gives null for the rest. A
    text with more keeps the rest in the last part (`more: keep`), loses it (`more: drop`), or is an error besides (`more:
    quarantine`). An empty part is an empty text. Null gives nulls. The column itself stays unless `keep: false`.

    Examples:
        ```yaml
        module:
          split_column: {column: name, by: ",", into: [last, first]}
        rows: [{name: "Lovelace, Ada"}, {name: Plato}, {name: null}]
        gives:
          - {name: "Lovelace, Ada", last: Lovelace, first: Ada}
          - {name: Plato, last: Plato, first: null}
          - {name: null, last: null, first: null}
        ```
        ```yaml
        module:
          split_column: {column: pair, by: "-", into: [a, b], more: quarantine, keep: false}
        rows: [{pair: 1-2}, {pair: 1-2-3}]
        failed: [1]
        gives: [{a: "1", b: "2"}, {a: "1", b: 2-3}]
        ```
    """

    like = (
        "split", "str.split", "column split", "field_split", "separate", "split into several columns", "string_split",
    )  # fmt: skip

    column: Column = param(help="the text column to cut")
    by: str = param(help="what separates the parts, plain text", minLength=1)
    into: tuple[str, ...] = param(help="names of the parts, in order", minItems=2)
    trim: bool = param(True, help="leave out blanks around each part")
    more: Literal["keep", "drop", "quarantine"] = param("keep", help="what is left when there are more parts than names")
    keep: bool = param(True, help="the column itself stays")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text((self.column,), types)
        if len(set(self.into)) < len(self.into):
            yield "into", "a name stands twice"

    def output_types(self, types: Types) -> Types:
        left = {name: type for name, type in types.items() if self.keep or name != self.column}
        return {**left, **{name: DataType.parse("string") for name in self.into}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        count = len(self.into)
        cell = text(self.column)
        parts = cell.str.splitn(self.by, count) if self.more != "drop" else cell.str.splitn(self.by, count + 1)
        made = []
        for n, name in enumerate(self.into):
            part = parts.struct.field(f"field_{n}")
            made.append((part.str.strip_chars() if self.trim else part).alias(name))
        frame = frame.with_columns(made)
        return frame if self.keep or self.column in self.into else frame.drop(self.column)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        if self.more != "quarantine":
            return ()
        cell = text(self.column)
        bad = cell.str.count_matches(self.by, literal=True) >= len(self.into)
        return (Rule(bad, (self.column,), f"{len(self.into)} parts at most", cell.is_not_null()),)
