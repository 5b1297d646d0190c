"""standardize_phone"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.extras import needed
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Columns, param
from qpipe.modules._by_value import by_value
from qpipe.modules.transformation._text import not_text, text, text_columns

if TYPE_CHECKING:
    import polars as pl


class StandardizePhone(Transform):
    """Telephone numbers are written one way: +493012345678.

    They are read and judged by Google's libphonenumber (the library phonenumbers), in the country given where they have no
    country code. A number that cannot be one stays as it is and is an error, unless `invalid: keep`. Each different text is
    read once. Null stays null; a text of nothing but blanks becomes null.

    Examples:
        ```yaml
        module:
          standardize_phone: {column: phone, country: DE}
        rows: [{phone: 030/123456}, {phone: "+44 20 7946 0958"}, {phone: "12"}, {phone: null}]
        failed: [2]
        gives: [{phone: "+4930123456"}, {phone: "+442079460958"}, {phone: "12"}, {phone: null}]
        ```
        ```yaml
        module:
          standardize_phone: {column: phone, country: DE, country_column: land}
        rows: [{phone: 020 7946 0958, land: GB}, {phone: 030/123456, land: null}, {phone: 030/123456, land: Berlin}]
        failed: [2]
        gives: [{phone: "+442079460958", land: GB}, {phone: "+4930123456", land: null}, {phone: 030/123456, land: Berlin}]
        ```
    """

    extra = "standards"
    packages = ("phonenumbers",)
    like = ("phone number", "phonenumbers", "format phone", "e164", "standardize phone", "libphonenumber")

    columns: Columns = param(help="the columns of telephone numbers", alias="column")
    country: str | None = param(None, help="of numbers without a country code: DE, GB", pattern="^[A-Z]{2}$")
    country_column: Column | None = param(None, help="a column with each row's country, as DE, GB; null: the one of country")
    format: Literal["e164", "international", "national"] = param("e164", help="how they are written")
    invalid: Literal["quarantine", "keep"] = param("quarantine", help="what cannot be a number: an error, or left alone")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text(self.columns, types)

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        names = text_columns(self.columns, context.types)
        return frame.with_columns(self._formatted(name).fill_null(_filled(name)).alias(name) for name in names)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        if self.invalid == "keep":
            return ()
        names = text_columns(self.columns, context.types)
        where = f" of {self.country_column or self.country}" if self.country_column or self.country else ""
        return tuple(
            Rule(
                _filled(n).is_not_null() & self._formatted(n).is_null(),
                (n,),
                f"a telephone number{where}",
                _filled(n).is_not_null(),
            )
            for n in names
        )

    def _formatted(self, name: str) -> pl.Expr:
        default = self.country or ""
        country = pl.col(self.country_column).fill_null(default) if self.country_column else pl.lit(default)
        read = partial(_written, form=self.format)
        return pl.concat_str(country, _filled(name), separator=_BETWEEN).map_batches(
            partial(by_value, make=read, dtype=pl.String()), return_dtype=pl.String(), is_elementwise=True
        )


_BETWEEN = "\x1f"


def _filled(name: str) -> pl.Expr:
    cell = text(name).str.strip_chars()
    return pl.when(cell != "").then(cell)


@lru_cache(1 << 18)  # rules and values ask for the same numbers, batch by batch, and one takes as long as a thousand rows
def _written(value: str, form: str) -> str | None:
    """A number, given after its country."""
    phonenumbers = needed("phonenumbers", "read telephone numbers", "standards")
    country, _, written = value.partition(_BETWEEN)
    try:
        number = phonenumbers.parse(written, country.strip().upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, form.upper())))
