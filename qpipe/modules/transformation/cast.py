"""cast"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Types
from qpipe.core.convert import convert, exactly, possible
from qpipe.core.lazy import pl
from qpipe.core.params import TypeWords, param
from qpipe.core.parse import parse_text
from qpipe.core.types import DataType
from qpipe.modules.transformation._converting import Conversion, Converting
from qpipe.modules.transformation._text import Answers, answered, text

if TYPE_CHECKING:
    import polars as pl


class Cast(Converting):
    """Columns get another type, and no value changes on the way.

    Text is read strictly: "12.50" is a decimal(12,2), "12.505" and "1,000" are not; parse_number and parse_date read what is
    written otherwise. Numbers become whole numbers, or decimals of fewer digits, only where nothing is lost; but a float is
    rounded to a decimal's digits. 0 and 1 become false and true. A datetime becomes a date without its time of day. Null stays
    null. An empty text is a value only of type string: normalize_nulls makes it null beforehand. A cell that does not fit is
    null afterwards and, by `on_error`, an error (`quarantine`), a warning (`null`) or a question to a person.

    Examples:
        ```yaml
        module:
          cast: {amount: "decimal(12,2)", day: date}
        schema: {amount: string, day: string}
        rows:
          - {amount: "12.50", day: "2026-01-31"}
          - {amount: "1,000", day: null}
          - {amount: " 7", day: 31.1.2026}
        failed: [1, 2]
        gives:
          - {amount: 12.50, day: 2026-01-31}
          - {amount: null, day: null}
          - {amount: 7, day: null}
        ```
        ```yaml
        module:
          cast: {columns: {n: int, id: string}, on_error: question}
        rows: [{n: 2.0, id: 7}, {n: 2.5, id: 8}]
        gives: [{n: 2, id: "7"}, {n: null, id: "8"}]
        asks: {"2.5": []}
        ```
    """

    like = ("astype", "coerce", "convert type", "to_type", "coerce=True", "type conversion", "try_cast", "safe_cast")

    columns: TypeWords = param(help="column: type", short=True)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for name, word in self.columns.items():
            try:
                wanted = DataType.parse(word)
            except ValueError as error:
                yield "columns", f"'{name}': {error}"
                continue
            if types is not None and name in types and not possible(types[name], wanted):
                yield "columns", f"'{name}' is {types[name].describe()}; that cannot become {wanted.describe()}"

    def new_types(self, types: Types) -> dict[str, DataType]:
        return {name: DataType.parse(word) for name, word in self.columns.items()}

    def conversions(self, context: Context, answers: Answers) -> Iterator[Conversion]:
        for name, wanted in self.new_types(context.types).items():
            if name in context.types:
                yield Conversion(name, cast(name, context.types[name], wanted, answers), wanted.describe())


def cast(column: str, given: DataType, wanted: DataType, answers: Answers = ()) -> pl.Expr:
    """The column in its new type, null where a value does not fit."""
    if given.kind == "string":
        return parse_text(answered(text(column), answers), wanted)
    values = _cast(pl.col(column), given, wanted)
    if not answers:
        return values
    said = parse_text(answered(text(column), answers), wanted)
    return pl.coalesce(values, said).cast(wanted.polars())


def _cast(cell: pl.Expr, given: DataType, wanted: DataType) -> pl.Expr:
    """A float may be rounded to a decimal's digits, and a datetime lose what is not asked for: that is what a cast means."""
    meant = (given.kind, wanted.kind) in (("float", "decimal"), ("datetime", "date"), ("datetime", "time"))
    return (convert if meant else exactly)(cell, given, wanted)
