"""code_in"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context
from qpipe.core.extras import needed
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

List = Literal[
    "iso3166-1-alpha-2", "iso3166-1-alpha-3", "iso3166-1-numeric", "iso3166-2", "iso4217", "iso4217-numeric", "iso639-1",
    "iso639-2", "iso639-3", "iso15924",
]  # fmt: skip


class CodeIn(Check):
    """Every text is a code of a standard's list: countries, their parts, currencies, languages, scripts.

    The lists are those of the Debian project's iso-codes, by way of pycountry. Codes are as the standard writes them (DE,
    DE-BY, EUR, de) unless `ignore_case: true`. Null passes; an empty text fails. Zero rows, or a column of nulls only: not
    evaluated.

    Examples:
        ```yaml
        module:
          code_in: {column: part, list: iso3166-2}
        rows: [{part: DE-BY}, {part: FR-IDF}, {part: DE-XX}, {part: de-by}, {part: null}]
        failed: [2, 3]
        ```
        ```yaml
        module:
          code_in: {column: language, list: iso639-1, ignore_case: true}
        rows: [{language: de}, {language: FR}, {language: xx}]
        failed: [2]
        ```
    """

    dimension = "validity"
    extra = "standards"
    packages = ("pycountry",)
    accepts = ("string",)
    like = (
        "is_valid_country_code", "is_valid_currency_code", "is_valid_language_code", "is_valid_subdivision_code",
        "iso.iso_3166", "iso.iso_4217", "country_code", "currency_code", "expect_column_values_to_be_valid_country",
        "iso.4217", "iso.3166", "iso.639",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    list_: List = param(help="the standard's list")
    ignore_case: bool = param(False, help="upper and lower case are the same")

    def bad(self, column: str, context: Context) -> pl.Expr:
        known = codes(self.list_)
        if not self.ignore_case:
            return ~pl.col(column).is_in(known)
        return ~pl.col(column).str.to_uppercase().is_in([code.upper() for code in known])

    def expected(self, column: str) -> str:
        return f"a code of {self.list_}"


@lru_cache(16)
def codes(name: str) -> list[str]:
    """All codes of a list. Raises MissingExtra without pycountry."""
    pycountry = needed("pycountry", "know the codes of a standard", "standards")
    book, field = {
        "iso3166-1-alpha-2": (pycountry.countries, "alpha_2"),
        "iso3166-1-alpha-3": (pycountry.countries, "alpha_3"),
        "iso3166-1-numeric": (pycountry.countries, "numeric"),
        "iso3166-2": (pycountry.subdivisions, "code"),
        "iso4217": (pycountry.currencies, "alpha_3"),
        "iso4217-numeric": (pycountry.currencies, "numeric"),
        "iso639-1": (pycountry.languages, "alpha_2"),
        "iso639-2": (pycountry.languages, "alpha_3"),
        "iso639-3": (pycountry.languages, "alpha_3"),
        "iso15924": (pycountry.scripts, "alpha_4"),
    }[name]
    return sorted(
        {code for entry in book if (code := getattr(entry, field, None)) and (name != "iso639-2" or _is_part_2(entry))}
    )


def _is_part_2(language: object) -> bool:
    """Whether ISO 639-2 has the language, too: it lists those with a name of its own or a two-letter code."""
    return hasattr(language, "alpha_2") or hasattr(language, "bibliographic")
