"""format_is"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context, Types
from qpipe.core.extras import lacking
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules.validation import _identifiers
from qpipe.modules.validation._codes import POSTCODES
from qpipe.modules.validation._formats import FORMATS, checked_vin, postcode

if TYPE_CHECKING:
    import polars as pl

Kind = Literal[
    "email", "url", "uuid", "ip", "ipv4", "ipv6", "cidr", "mac", "hostname", "phone_e164", "iban", "bic", "card", "isbn",
    "issn", "ean", "vin", "country_code", "country_code_3", "currency_code", "language_code", "date", "datetime", "time",
    "postcode", "national_id", "tax_id", "phone", "vat", "bitcoin", "cas_number", "cfi", "container", "creditor_reference",
    "cusip", "figi", "imei", "imo", "imsi", "isil", "isin", "ismn", "isni", "isrc", "lei",
]  # fmt: skip


class FormatIs(Check):
    """Every text has a well-known format.

    The whole text is judged, as its standard writes it: no blanks around it, codes in capitals. Check digits are computed
    (card: Luhn; iban: mod 97 and the country's form; isbn, issn, ean, too). `date`, `datetime` and `time` are ISO 8601 and must
    exist in the calendar; `email` is the form in daily use (RFC 5321's dot-string); `phone_e164` is +, country, number; `vin`
    has a check digit in North America only, so it is asked for with `country: US` or `CA`; `postcode`, `national_id` (a
    person's) and `tax_id` need `country`.

    `phone` is a number that a country's numbering plan has, as people write it; without `country` it begins with +. It rests on
    phonenumbers; the kinds from `national_id` on rest on python-stdnum, and blanks, dots and hyphens in them do not matter.
    Both come with `pip install 'qpipe[standards]'`. Null passes; an empty or blank text fails. Zero rows, or a column of nulls
    only: not evaluated.

    Examples:
        ```yaml
        module:
          format_is: {column: email, kind: email}
        rows: [{email: a.b@example.com}, {email: a.b@example}, {email: ""}, {email: null}]
        failed: [1, 2]
        ```
        ```yaml
        module:
          format_is: {column: account, kind: iban}
        rows: [{account: GB82 WEST 1234 5698 7654 32}, {account: GB83WEST12345698765432}]
        failed: [1]
        ```
        ```yaml
        module:
          format_is: {column: zip, kind: postcode, country: US}
        rows: [{zip: "02134"}, {zip: "2134"}]
        failed: [1]
        ```
        ```yaml
        module:
          format_is: {column: phone, kind: phone, country: DE}
        rows: [{phone: 030 123456}, {phone: +44 20 7946 0958}, {phone: "12"}]
        failed: [2]
        ```
    """

    dimension = "validity"
    accepts = ("string",)
    like = (
        "containsEmail", "containsURL", "containsCreditCardNumber", "is_valid_email", "is_valid_url", "is_valid_ipv4",
        "is_valid_ipv6", "is_valid_uuid", "is_valid_country_code", "is_valid_currency_code", "is_valid_language_code",
        "is_valid_date", "valid_format", "col_vals_within_spec", "valid_email", "valid_uuid", "valid_url",
        "expect_column_values_to_match_strftime_format", "is_email", "is_valid_national_id", "containsSSN",
        "valid_phone_number", "is_phone", "expect_column_values_to_be_valid_iban", "valid_credit_card_number",
        "containsSocialSecurityNumber", "expect_column_values_to_be_valid_email", "is_valid_ipv4_address",
        "is_valid_ipv6_address", "is_ipv4_address_in_cidr", "isbn", "vin", "mac_address",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    kind: Kind = param(help="the format")
    country: str | None = param(None, help="for numbers that differ by country: its ISO 3166 code")
    negate: bool = param(False, help="the text must not have the format")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        known = self._countries()
        if known is None and self.country is not None:
            yield "country", f"{self.kind} is the same in every country"
        elif known is not None and self.country not in (known if self.kind in _OPTIONAL else {*known} - {None}):
            yield "country", f"{_NAMES.get(self.kind, self.kind)} are known of {', '.join(c for c in known if c)}"
        if self.kind in _identifiers.KINDS and (absent := lacking([_identifiers.package(self.kind)])):
            yield "kind", f"{absent[0]} is not installed: pip install 'qpipe[standards]'"

    def bad(self, column: str, context: Context) -> pl.Expr:
        good = self._good(pl.col(column))
        return good if self.negate else ~good

    def expected(self, column: str) -> str:
        words = {
            "postcode": f"a post code of {self.country}",
            "national_id": f"a national number of {self.country}",
            "tax_id": f"a tax number of {self.country}",
            "phone": "a telephone number" + (f" as dialled in {self.country}" if self.country else " that begins with +"),
            "card": "a card number",
            "phone_e164": "a phone number such as +4930123456",
        }
        return f"{'not ' if self.negate else ''}{words.get(self.kind) or 'a valid ' + self.kind.replace('_', ' ')}"

    def _good(self, cell: pl.Expr) -> pl.Expr:
        if self.kind == "postcode":
            return postcode(self.country or "")(cell)
        if self.kind == "vin" and self.country:
            return checked_vin(cell)
        if self.kind in _identifiers.KINDS:
            return _identifiers.has_format(cell, self.kind, self.country)
        return FORMATS[self.kind](cell)

    def _countries(self) -> tuple[str | None, ...] | None:
        """Of which countries the kind is known, None for no country; None: it does not depend on one."""
        if self.kind == "postcode":
            return tuple(POSTCODES)
        if self.kind == "vin":
            return (None, "US", "CA")
        if self.kind in ("phone", "vat"):
            return (None, *_identifiers.regions(self.kind))
        known = _identifiers.countries(self.kind)
        return None if known is None else tuple(known)


_OPTIONAL = ("phone", "vat", "vin")  # these are judged without a country, too
_NAMES = {"postcode": "post codes", "national_id": "national numbers", "tax_id": "tax numbers", "phone": "telephone numbers",
          "vat": "VAT numbers", "vin": "check digits"}  # fmt: skip
