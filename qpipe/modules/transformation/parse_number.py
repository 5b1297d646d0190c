"""parse_number"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, TypeWord, param
from qpipe.core.types import DataType
from qpipe.modules.transformation._converting import Conversion, Converting
from qpipe.modules.transformation._numbers import BLANKS, LOCALES, Style, read_numbers
from qpipe.modules.transformation._text import Answers, answered, not_text, text, text_columns

if TYPE_CHECKING:
    import polars as pl


class ParseNumber(Converting):
    """Text becomes numbers, whatever way they are written.

    Name the marks: `decimal` and `thousands`, or a `locale` for both: en 1,234.50 · de 1.234,50 · fr 1 234,50 · ch 1'234.50 ·
    in 12,34,567.50. Groups must be where they belong: 12,34 is no number in en. Thousands may also be written without marks.
    `currency: true` takes a sign (€, $) or a code (EUR) before or after away, a list takes only those; `percent: true` reads
    12.5 % as 0.125; `accounting: true` reads (12.50) and 12.50- as -12.50. Blanks around do not matter. Digits may be those of
    any script, Arabic with its own marks. Exponents are read for type float. No digit is lost: 1.005 is no
    decimal(12,2), and 1.50 is no int, but 1.00 is.

    Null stays null. An empty text is no number, nor are nan and inf. A cell that cannot be read is null afterwards and, by
    `on_error`, an error (`quarantine`), a warning (`null`) or a question to a person.

    Examples:
        ```yaml
        module:
          parse_number: {column: price, locale: de, currency: true, type: "decimal(12,2)"}
        rows: [{price: "1.234,50 €"}, {price: "EUR 7"}, {price: "1,234.50"}, {price: null}]
        failed: [2]
        gives: [{price: 1234.50}, {price: 7.00}, {price: null}, {price: null}]
        ```
        ```yaml
        module:
          parse_number: {columns: [share, result], percent: true, accounting: true, thousands: ","}
        rows: [{share: "12.5 %", result: "(1,200)"}, {share: "-3%", result: "1,20"}]
        failed: [1]
        gives: [{share: 0.125, result: -1200.0}, {share: -0.03, result: null}]
        ```
    """

    like = ("to_number", "parse_float", "value.toNumber()", "locale number", "convert_currency_to_number", "numeric parse")

    columns: Columns = param(help="the text columns to read", short=True, alias="column")
    locale: Literal["en", "de", "fr", "ch", "in"] | None = param(None, help="the marks that are usual there")
    decimal: Literal[".", ","] | None = param(None, help="what stands before the fraction: . without a locale")
    thousands: str | None = param(None, help="what stands between thousands; unset: nothing does", minLength=1, maxLength=1)
    currency: bool | tuple[str, ...] = param(False, help="take currencies away: any, or those of a list")
    percent: bool = param(False, help="12 % is 0.12")
    accounting: bool = param(False, help="(12) and 12- are -12")
    type: TypeWord = param("float", help="float, int, or decimal(12,2) and the like")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text(self.columns, types)
        style = self._style()
        if style.decimal in style.thousands:
            yield "thousands", f"'{style.decimal}' cannot stand both between thousands and before the fraction"
        if self.thousands is not None and (self.thousands.isalnum() or self.thousands in "+-()%"):
            yield "thousands", f"'{self.thousands}' cannot stand between thousands"
        try:
            wanted = DataType.parse(self.type)
        except ValueError as error:
            yield "type", str(error)
            return
        if not wanted.is_number:
            yield "type", f"{self.type} is no type of numbers"
        elif wanted.kind == "integer" and self.percent:
            yield "percent", "a share is no whole number: write type: float or decimal(9,4)"

    def new_types(self, types: Types) -> dict[str, DataType]:
        return dict.fromkeys(text_columns(self.columns, types), DataType.parse(self.type))

    def conversions(self, context: Context, answers: Answers) -> Iterator[Conversion]:
        wanted, style = DataType.parse(self.type), self._style()
        for name in text_columns(self.columns, context.types):
            yield Conversion(name, _read(name, style, wanted, answers), f"{wanted.describe()} written like {style.example()}")

    def _style(self) -> Style:
        decimal, thousands = LOCALES[self.locale] if self.locale else (".", "")
        if self.thousands is not None:
            thousands = BLANKS if self.thousands.isspace() else self.thousands
        currency = self.currency if isinstance(self.currency, bool) else tuple(self.currency)
        return Style(self.decimal or decimal, thousands, self.locale == "in", currency, self.percent, self.accounting)


def _read(column: str, style: Style, wanted: DataType, answers: Answers) -> pl.Expr:
    read = functools.partial(read_numbers, style=style, wanted=wanted)
    return answered(text(column), answers).map_batches(read, return_dtype=wanted.polars(), is_elementwise=True)
