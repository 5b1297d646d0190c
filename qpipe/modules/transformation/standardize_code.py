"""standardize_code"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.errors import QpipeError
from qpipe.core.extras import needed
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules._by_value import part, parts_by_value
from qpipe.modules._prepared import prepared
from qpipe.modules.transformation._text import not_text, text, text_columns

if TYPE_CHECKING:
    import polars as pl

_FORMS = {
    "country": ("alpha_2", "alpha_3", "numeric", "name"),
    "currency": ("alpha_3", "numeric", "name"),
    "language": ("alpha_2", "alpha_3", "name"),
}


class StandardizeCode(Transform):
    """Countries, currencies and languages are written one way, whichever of their names and codes was used.

    Codes of two and three letters, numbers, English names, official names and common ones are known, in any case, with or
    without accents and dots, from the lists of iso-codes by way of pycountry and from Unicode's CLDR by way of Babel. What is
    not known stays as it is and is an error, unless `unknown: keep`. Each different text is looked up once. Null stays null; a
    text of nothing but blanks becomes null. UK and EL, which are no codes of ISO 3166 but much used, are GB and GR; names that
    a country went by, such as Turkey and Ivory Coast, are known, too. `languages` adds names in other languages.

    Examples:
        ```yaml
        module:
          standardize_code: {column: country, kind: country}
        rows: [{country: Germany}, {country: DEU}, {country: "276"}, {country: Germny}, {country: null}]
        failed: [3]
        gives: [{country: DE}, {country: DE}, {country: DE}, {country: Germny}, {country: null}]
        ```
        ```yaml
        module:
          standardize_code: {column: money, kind: currency, to: name}
        rows: [{money: eur}]
        gives: [{money: Euro}]
        ```
        ```yaml
        module:
          standardize_code: {column: land, kind: country, languages: [de, fr]}
        rows: [{land: Deutschland}, {land: ROYAUME-UNI}, {land: uk}]
        gives: [{land: DE}, {land: GB}, {land: GB}]
        ```
    """

    extra = "standards"
    packages = ("pycountry", "babel")
    like = ("country_converter", "countrycode", "pycountry", "standardize country", "iso code lookup", "currency code")

    columns: Columns = param(help="the columns to change", alias="column")
    kind: Literal["country", "currency", "language"] = param(help="what they hold")
    to: Literal["alpha_2", "alpha_3", "numeric", "name"] | None = param(
        None, help="how it is written; unset: alpha_2 of countries and languages, alpha_3 of currencies"
    )
    languages: tuple[str, ...] = param((), help="languages whose names are known, too: de, fr, pt_BR")
    unknown: Literal["quarantine", "keep"] = param("quarantine", help="what is not known: an error, or left alone")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text(self.columns, types)
        if self.to is not None and self.to not in _FORMS[self.kind]:
            yield "to", f"a {self.kind} is written as {', '.join(_FORMS[self.kind])}"
        yield from (
            ("languages", f"no names are known in '{word}'") for word in self.languages if not _LANGUAGE.fullmatch(word)
        )

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(written.alias(name) for name, written, _ in self._read(context))

    def rules(self, context: Context) -> tuple[Rule, ...]:
        if self.unknown == "keep":
            return ()
        return tuple(
            Rule(known.not_(), (name,), f"a {self.kind}", written.is_not_null()) for name, written, known in self._read(context)
        )

    def _read(self, context: Context) -> Iterator[tuple[str, pl.Expr, pl.Expr]]:
        """Each column, how it is written, and whether it is known; both null where there is nothing but blanks."""
        for name, read in prepared(self, context, self._readings).items():
            yield name, part(read, "written", pl.String()), part(read, "known", pl.Boolean())

    def _readings(self, context: Context) -> dict[str, pl.Expr]:
        form = self.to or _FORMS[self.kind][0]
        read = partial(_written, kind=self.kind, form=form, languages=self.languages)
        parts = {"written": pl.String(), "known": pl.Boolean()}
        return {n: parts_by_value(text(n), read, parts) for n in text_columns(self.columns, context.types)}


_LANGUAGE = re.compile("[a-z]{2,3}(_[A-Za-z]{2,4})*")
_USUAL = {  # codes that others use (the United Kingdom's own, the European Union's), and names that countries go by, or went by
    "country": {
        "uk": "GB", "el": "GR", "great britain": "GB", "britain": "GB", "holland": "NL", "ivory coast": "CI", "burma": "MM",
        "swaziland": "SZ", "macedonia": "MK", "turkey": "TR", "republic of ireland": "IE", "east timor": "TL", "vatican": "VA",
    },
}  # fmt: skip


def _written(value: str, kind: str, form: str, languages: tuple[str, ...]) -> tuple[str | None, bool | None]:
    if not (value := value.strip()):
        return None, None
    code = getattr(_book(kind, languages).get(_folded(value)), form, None)
    return code or value, code is not None


@lru_cache(8)
def _book(kind: str, languages: tuple[str, ...]) -> dict[str, Any]:
    """Every code and name, folded → its entry. A code is never hidden by a name, nor an English name by another."""
    pycountry = needed("pycountry", "know countries, currencies and languages", "standards")
    entries = list({"country": pycountry.countries, "currency": pycountry.currencies, "language": pycountry.languages}[kind])
    book: dict[str, Any] = {}
    for fields in (("alpha_2", "alpha_3", "numeric", "bibliographic"), ("name", "common_name", "official_name")):
        for entry in entries:
            for field in fields:
                if found := getattr(entry, field, None):
                    book.setdefault(_folded(str(found)), entry)
    for code, meant in _USUAL.get(kind, {}).items():
        book.setdefault(code, book[meant.lower()])
    for language in dict.fromkeys(("en", *languages)):
        for code, name in _names(kind, language).items():
            if entry := book.get(_folded(code)):
                book.setdefault(_folded(name), entry)
    return book


def _names(kind: str, language: str) -> Mapping[str, str]:
    """Code → name in a language."""
    babel = needed("babel", "know names in other languages", "standards")
    try:
        locale = babel.Locale.parse(language)
    except (ValueError, babel.UnknownLocaleError) as error:
        raise QpipeError(f"languages: no names are known in '{language}'", hint="say de, fr, es, pt_BR …") from error
    named = {"country": locale.territories, "currency": locale.currencies, "language": locale.languages}[kind]
    return dict(named)


def _folded(text: str) -> str:
    """Without accents, dots and articles: U.S.A. is USA, the Netherlands are Netherlands."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter))
    return " ".join(plain.replace("\u2019", "'").replace(".", "").split()).removeprefix("the ")
