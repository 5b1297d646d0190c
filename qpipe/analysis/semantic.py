"""What values mean: an e-mail address, a country, an amount of money, a person's name. Told from values, helped by the name."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

ADDRESS = "street address"
ENOUGH = 0.85  # of the values must look so
_NEEDS_NAME = 0.97  # or this share, where the form alone says little and the column's name must say it, too


@dataclass(frozen=True)
class Meaning:
    """A semantic type, how sure it is, and whether such values are personal data."""

    name: str
    share: float
    personal: bool = False
    check: str | None = None  # the kind that the module format_is knows it by


@dataclass(frozen=True)
class _Kind:
    name: str
    pattern: str
    words: str = ""  # names of columns; unset: the form is proof enough
    personal: bool = False
    check: str | None = None
    listed: tuple[str, ...] = ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_COUNTRIES = _words("""
    AD AE AF AG AL AM AO AR AT AU AW AZ BA BB BD BE BF BG BH BI BJ BM BN BO BR BS BT BW BY BZ CA CD CF CG CH CI CL
    CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FM FO FR GA GB GD GE GH GI GL GM GN GQ GR GT
    GU GW GY HK HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS
    LT LU LV LY MA MC MD ME MG MH MK ML MM MN MO MR MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NZ OM PA PE PF
    PG PH PK PL PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SY SZ TD TG TH TJ
    TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WS YE ZA ZM ZW
""")
_STATES = _words("""
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR
    PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR GU VI
""")
_CURRENCIES = _words("""
    USD EUR GBP JPY CHF AUD CAD CNY SEK NOK DKK PLN CZK HUF RON BGN TRY RUB INR BRL MXN ZAR KRW SGD HKD NZD THB
    IDR MYR PHP ILS AED SAR EGP NGN KES UAH ARS CLP COP PEN VND TWD
""")
_LANGUAGES = _words("""
    en de fr es it pt nl pl cs sk hu ro bg el tr ru uk sv no da fi et lv lt sl hr sr zh ja ko ar he hi id ms th vi
    fa
""")

_POSTCODE = r"^\d{5}(?:-\d{4})?$|^\d{4}$|^[A-Z]\d[A-Z] ?\d[A-Z]\d$|^[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$"
_WHO = "first|last|middle|sur|full|given|family|fore|person|customer|patient|employee|contact|student|member"
_PERSON = rf"^({_WHO})[_ ]?name$|^surname$|^(vor|nach|zu)name$|^pr[eé]nom$|^apellidos?$|^cognome$|^(voor|achter)naam$"
_ROLE = (
    "^(employee|manager|supervisor|boss|patient|student|teacher|doctor|physician|nurse|contact|contact[_ ]person|attendee"
    "|mitarbeiter(in)?|ansprechpartner(in)?|vorgesetzter?)$"
)
_SOMEONE = re.compile("name|nom|nombre|nome|naam", re.I)  # a person's where persons are told of, else a thing's
_OF_PERSONS = ("email", "birth date", "social security number")

# in this order: the first that fits is taken
_KINDS = (
    _Kind("email", r"^[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+$", personal=True, check="email"),
    _Kind("uuid", r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$", check="uuid"),
    _Kind("url", r"^(?:https?|ftp)://\S+$", check="url"),
    _Kind("ip address", r"^\d{1,3}(?:\.\d{1,3}){3}$", personal=True, check="ipv4"),
    _Kind("mac address", r"^[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}$", personal=True, check="mac"),
    _Kind("iban", r"^[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?$", personal=True, check="iban"),
    _Kind("card number", r"^\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}$", "card|pan|credit", personal=True, check="card"),
    _Kind("social security number", r"^\d{3}-\d{2}-\d{4}$", personal=True),
    _Kind("phone", r"^\+\d[\d ()./-]{6,20}$|^\(?\d{3}\)?[ .-]?\d{3}[ .-]\d{4}$", personal=True),
    _Kind("phone", r"^\+?[\d ()./-]{7,20}$", "phone|tel|mobile|fax|cell", personal=True),
    _Kind("time of day", r"^(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?: ?[AaPp]\.?[Mm]\.?)?$"),
    _Kind("amount of money", r"^(?:[$€£¥]|USD|EUR|GBP) ?-?[\d.,]+$|^-?[\d.,]+ ?(?:[$€£¥]|USD|EUR|GBP)$"),
    _Kind("percentage", r"^-?\d+(?:[.,]\d+)? ?%$"),
    _Kind("post code", _POSTCODE, "zip|post_?code|postal|plz"),
    _Kind("country code", r"^[A-Z]{2}$", "country|nation|land$", check="country_code", listed=_COUNTRIES),
    _Kind("state code (US)", r"^[A-Z]{2}$", "state|region|province", listed=_STATES),
    _Kind("currency code", r"^[A-Z]{3}$", check="currency_code", listed=_CURRENCIES),
    _Kind("language code", r"^[a-z]{2}$", "lang|locale", check="language_code", listed=_LANGUAGES),
    _Kind("latitude", r"^-?(?:[0-8]?\d(?:\.\d+)?|90(?:\.0+)?)$", r"^lat(itude)?$|[_ ]lat$"),
    _Kind("longitude", r"^-?(?:1[0-7]\d|\d?\d|180)(?:\.\d+)?$", r"^(lon|lng|long|longitude)$|[_ ](lon|lng)$"),
    _Kind("year", r"^(?:19|20)\d{2}(?:\.0)?$", r"year|jahr|^yr$|vintage"),
    _Kind("birth date", r"^\d{1,4}[./-]\d{1,2}[./-]\d{1,4}", "birth|born|dob", personal=True),
    _Kind("person's name", r"^[\p{L}][\p{L} .,'’-]+$", _PERSON, personal=True),  # noqa: RUF001
    _Kind("person's name", r"^[\p{L}][\p{L}.'’-]+,?(?: [\p{L}.'’-]+)+$", _ROLE, personal=True),  # noqa: RUF001
    _Kind(ADDRESS, r"\d.*\p{L}|\p{L}.*\d", r"address|street|addr$|strasse|straße", personal=True),
)  # fmt: skip
_IDENTIFIER = re.compile(
    r"(?i)(^|[_ .-])(id|key|no|nr|num|number|code|uuid|guid|isbn|ean|sku|ref)$|id$|^(id|key)[_ ]|Id$"
    r"|(?<!phone)(?<!fax)(?<!mobile)number$|\w(nr|nummer|kennung)$|^(num[eé]ro|n[uú]mero|c[oó]digo|codice)"
)


def meaning(name: str, counts: pl.DataFrame, *, unique: bool = False) -> Meaning | None:
    """What the values of a column mean, given distinct texts with their counts (columns value, count). None: nothing known."""
    every = int(counts["count"].sum())
    if not every:
        return None
    cell, weight = pl.col("value").str.strip_chars(), pl.col("count")
    tests = [
        weight.filter(cell.str.contains(k.pattern) & (cell.is_in(list(k.listed)) if k.listed else True)).sum() for k in _KINDS
    ]
    shares = counts.select([(t / every).alias(str(n)) for n, t in enumerate(tests)]).row(0)
    for kind, share in zip(_KINDS, shares, strict=True):
        if kind.words and not re.search(kind.words, name, re.I):
            continue
        if share >= (ENOUGH if kind.words or not kind.listed else _NEEDS_NAME) and (not kind.listed or counts.height > 1):
            return Meaning(kind.name, share, kind.personal, kind.check)
    return Meaning("identifier", 1.0) if unique and is_identifier(name) else None


def named_person(name: str, values: pl.DataFrame, others: Collection[str | None]) -> Meaning | None:
    """What a column called name is: a person's name where ``others``, the meanings of the columns beside it, are of persons."""
    if not _SOMEONE.fullmatch(name) or not any(other in _OF_PERSONS for other in others):
        return None
    return meaning("person_name", values)


def forms(meaning: str) -> tuple[str, ...]:
    """The regular expressions that values of a meaning have; empty where none is known."""
    return tuple(kind.pattern for kind in _KINDS if kind.name == meaning)


def listed(meaning: str) -> tuple[str, ...]:
    """The codes that there are, where values of a meaning are codes."""
    return next((kind.listed for kind in _KINDS if kind.name == meaning and kind.listed), ())


def is_identifier(name: str) -> bool:
    """Whether a column's name says that it tells things apart: id, order_no, ProductCode."""
    return bool(_IDENTIFIER.search(name))
