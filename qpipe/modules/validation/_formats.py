"""How each format is recognised: a pattern over the whole text, and a checksum where the standard has one.

Each entry takes an expression of texts and gives one that is true where the text has the format. All in Polars expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from string import ascii_uppercase
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl
from qpipe.modules.validation._codes import COUNTRIES, COUNTRIES_3, CURRENCIES, IBANS, LANGUAGES, POSTCODES

if TYPE_CHECKING:
    import polars as pl

Format = Callable[["pl.Expr"], "pl.Expr"]


def _whole(pattern: str) -> Format:
    return partial(_matches, pattern=f"^(?:{pattern})$")


def _matches(cell: pl.Expr, pattern: str) -> pl.Expr:
    return cell.str.contains(pattern)


# ── addresses of the net ──────────────────────────────────────────────────────────────────────────────────────────────

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # RFC 1123
_TOP = r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])"  # RFC 3696: a top-level domain is not all digits
_HOST = rf"(?:{_LABEL}\.)*(?:{_TOP}|[A-Za-z])"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_HEX = r"[0-9A-Fa-f]{1,4}"


def _ipv6() -> str:
    """RFC 4291: eight groups, or fewer with one `::`; the last two may be an IPv4 address."""
    forms = [rf"(?:{_HEX}:){{7}}{_HEX}", rf"(?:{_HEX}:){{6}}{_IPV4}"]
    for left in range(8):
        before = rf"{_HEX}(?::{_HEX}){{{left - 1}}}" if left else ""
        forms.append(rf"{before}::" + (rf"(?:{_HEX}(?::{_HEX}){{0,{6 - left}}})?" if left < 7 else ""))
        if left < 6:
            forms.append(rf"{before}::(?:{_HEX}:){{0,{5 - left}}}{_IPV4}")
    return "|".join(forms)


_IPV6 = _ipv6()
_CIDR = rf"(?:{_IPV4})/(?:3[0-2]|[12]?[0-9])|(?:{_IPV6})/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9])"
_AUTHORITY = rf"(?:[^\s@/?#<>]*@)?(?:{_HOST}|{_IPV4}|\[(?:{_IPV6})\])(?::[0-9]{{1,5}})?"
_URL = rf'[A-Za-z][A-Za-z0-9+.-]*://{_AUTHORITY}(?:[/?#][^\s<>"{{}}|\\^`]*)?'


def _email(cell: pl.Expr) -> pl.Expr:
    """RFC 5321's dot-string form: no quoted local part, no address literal; 64 characters before the @, 254 in all."""
    shape = cell.str.contains(rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_TOP}$")
    return shape & (cell.str.len_bytes() <= 254) & (cell.str.find("@", literal=True) <= 64)


def _hostname(cell: pl.Expr) -> pl.Expr:
    return cell.str.contains(f"^{_HOST}$") & (cell.str.len_bytes() <= 253)


# ── dates and times (ISO 8601 as in RFC 3339) ─────────────────────────────────────────────────────────────────────────

_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:[.,][0-9]{1,9})?)?"
_OFFSET = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"


def _date(cell: pl.Expr, rest: str = "") -> pl.Expr:
    day = cell.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    shape = cell.str.contains(rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{rest}$")
    return shape & (day.is_not_null() | cell.is_null())  # null stays null


# ── numbers with a checksum ───────────────────────────────────────────────────────────────────────────────────────────


def _digits(cell: pl.Expr, count: int) -> list[pl.Expr]:
    """The last ``count`` digits as numbers, the last one first; 0 beyond the first, null where it is no number."""
    number = cell.cast(pl.UInt64, strict=False)
    return [number // 10**k % 10 for k in range(count)]


def _sum(terms: list[pl.Expr]) -> pl.Expr:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _card(cell: pl.Expr) -> pl.Expr:
    """ISO/IEC 7812: 12 to 19 digits, perhaps in groups, with Luhn's check digit."""
    plain = cell.str.replace_all(r"[ -]", "")
    doubled = [d if k % 2 == 0 else d * 2 - 9 * (d > 4).cast(pl.UInt64) for k, d in enumerate(_digits(plain, 19))]
    shape = cell.str.contains(r"^[1-9](?:[ -]?[0-9]){11,18}$")
    return shape & (_sum(doubled) % 10 == 0)


def _ean(cell: pl.Expr, lengths: str = "8|12|13|14") -> pl.Expr:
    """GS1: weights 3 and 1 in turn; also ISBN-13."""
    shape = cell.str.contains("^(?:" + "|".join(f"[0-9]{{{n}}}" for n in lengths.split("|")) + ")$")
    return shape & (_sum([d * (3 if k % 2 else 1) for k, d in enumerate(_digits(cell, 14))]) % 10 == 0)


def _modulo_11(cell: pl.Expr, length: int) -> pl.Expr:
    """ISBN-10 and ISSN: weights from the right, 1, 2, 3 …; X stands for 10 as the check digit."""
    last = cell.str.slice(length - 1)
    check = pl.when(last == "X").then(pl.lit(10, dtype=pl.UInt64)).otherwise(last.cast(pl.UInt64, strict=False))
    body = [d * (k + 2) for k, d in enumerate(_digits(cell.str.slice(0, length - 1), length - 1))]
    return cell.str.contains(f"^[0-9]{{{length - 1}}}[0-9X]$") & ((check + _sum(body)) % 11 == 0)


def _isbn(cell: pl.Expr) -> pl.Expr:
    plain = cell.str.replace_all(r"[ -]", "")
    shape = cell.str.contains(r"^[0-9](?:[ -]?[0-9])*[ -]?[0-9X]$")
    return shape & (_modulo_11(plain, 10) | (plain.str.contains("^97[89]") & _ean(plain, "13")))


def _issn(cell: pl.Expr) -> pl.Expr:
    return cell.str.contains(r"^[0-9]{4}-[0-9]{3}[0-9X]$") & _modulo_11(cell.str.replace("-", "", literal=True), 8)


def _iban(cell: pl.Expr) -> pl.Expr:
    """ISO 13616: each country's own form, and ISO 7064 mod 97-10; printed in groups of four or not."""
    plain = cell.str.replace_all(" ", "", literal=True)
    kinds = {"n": "[0-9]", "a": "[A-Z]", "c": "[A-Z0-9]"}
    forms = [c + "[0-9]{2}" + re.sub(r"(\d+)([nac])", lambda m: f"{kinds[m[2]]}{{{m[1]}}}", bban) for c, bban in IBANS.items()]
    shape = plain.str.contains(f"^(?:{'|'.join(forms)})$") & cell.str.contains(r"^\S+$|^\S{4}(?: \S{4})*(?: \S{1,4})?$")
    numbers = {letter: str(n) for n, letter in enumerate(ascii_uppercase, start=10)}
    digits = (plain.str.slice(4) + plain.str.slice(0, 4)).str.replace_many(numbers).str.zfill(66)
    rest = digits.str.slice(0, 18).cast(pl.Int64, strict=False) % 97
    for start in range(18, 66, 16):  # 30 characters and 4, two digits each at most; 18 digits fit 64 bits
        rest = (rest * 10**16 + digits.str.slice(start, 16).cast(pl.Int64, strict=False)) % 97
    return shape & (rest == 1)


def checked_vin(cell: pl.Expr) -> pl.Expr:
    """49 CFR 565: the ninth character of a North American number is a check digit, modulo 11; X stands for 10."""
    letters = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
    digits = cell.str.replace_many(list(letters), list(letters.values()))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    rest = _sum([digits.str.slice(k, 1).cast(pl.UInt64, strict=False) * weight for k, weight in enumerate(weights)]) % 11
    check = pl.when(rest == 10).then(pl.lit("X")).otherwise(rest.cast(pl.String))
    return cell.str.contains("^[A-HJ-NPR-Z0-9]{17}$") & (cell.str.slice(8, 1) == check)


def _bic(cell: pl.Expr) -> pl.Expr:
    """ISO 9362; XK is Kosovo's, which ISO 3166 has not."""
    return cell.str.contains(r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$") & cell.str.slice(4, 2).is_in(
        [*COUNTRIES, "XK"]
    )


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────────────────────

FORMATS: dict[str, Format] = {
    "email": _email,
    "url": _whole(_URL),
    "uuid": _whole(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    "ip": _whole(f"{_IPV4}|{_IPV6}"),
    "ipv4": _whole(_IPV4),
    "ipv6": _whole(_IPV6),
    "cidr": _whole(_CIDR),
    "mac": _whole(r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"),
    "hostname": _hostname,
    "phone_e164": _whole(r"\+[1-9][0-9]{6,14}"),
    "iban": _iban,
    "bic": _bic,
    "card": _card,
    "isbn": _isbn,
    "issn": _issn,
    "ean": _ean,
    "vin": _whole("[A-HJ-NPR-Z0-9]{17}"),
    "country_code": lambda cell: cell.is_in(COUNTRIES),
    "country_code_3": lambda cell: cell.is_in(COUNTRIES_3),
    "currency_code": lambda cell: cell.is_in(CURRENCIES),
    "language_code": lambda cell: cell.is_in(LANGUAGES),
    "date": _date,
    "datetime": partial(_date, rest=f"[Tt ]{_TIME}{_OFFSET}?"),
    "time": _whole(f"{_TIME}{_OFFSET}?"),
}


def postcode(country: str) -> Format:
    return _whole(POSTCODES[country])
