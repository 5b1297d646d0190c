"""format_is"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules.validation._codes import POSTCODES
from qpipe.modules.validation._formats import FORMATS, postcode

if TYPE_CHECKING:
    import polars as pl

Kind = Literal[
    "email", "url", "uuid", "ip", "ipv4", "ipv6", "cidr", "mac", "hostname", "phone_e164", "iban", "bic", "card", "isbn",
    "issn", "ean", "vin", "country_code", "country_code_3", "currency_code", "language_code", "date", "datetime", "time",
    "postcode",
]  # fmt: skip


class FormatIs(Check):
    """Every text has a well-known format.

    The whole text is judged, as its standard writes it: no blanks around it, codes in capitals. Check digits are computed
    (card: Luhn; iban: mod 97 and the country's form; isbn, issn, ean, too). `date`, `datetime` and `time` are ISO 8601 and must
    exist in the calendar; `email` is the form in daily use (RFC 5321's dot-string); `phone_e164` is +, country, number; `vin`
    has no check digit outside North America, so none is asked for; `postcode` needs `country`. Null passes; an empty or blank
    text fails. Zero rows, or a column of nulls only: not evaluated.

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
    """

    dimension = "validity"
    accepts = ("string",)
    like = (
        "containsEmail", "containsURL", "containsCreditCardNumber", "is_valid_email", "is_valid_url", "is_valid_ipv4",
        "is_valid_ipv6", "is_valid_uuid", "is_valid_country_code", "is_valid_currency_code", "is_valid_language_code",
        "is_valid_date", "valid_format", "col_vals_within_spec", "valid_email", "valid_uuid", "valid_url",
        "expect_column_values_to_match_strftime_format", "is_email",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    kind: Kind = param(help="the format")
    country: str | None = param(None, help="for postcode: the country's ISO 3166 code", enum=[*POSTCODES, None])
    negate: bool = param(False, help="the text must not have the format")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if self.kind == "postcode" and self.country not in POSTCODES:
            yield "country", f"post codes are known of {', '.join(POSTCODES)}"
        if self.kind != "postcode" and self.country is not None:
            yield "country", f"{self.kind} is the same in every country"

    def bad(self, column: str, context: Context) -> pl.Expr:
        form = postcode(self.country or "") if self.kind == "postcode" else FORMATS[self.kind]
        good = form(pl.col(column))
        return good if self.negate else ~good

    def expected(self, column: str) -> str:
        words = {
            "postcode": f"a post code of {self.country}",
            "card": "a card number",
            "phone_e164": "a phone number such as +4930123456",
        }
        return f"{'not ' if self.negate else ''}{words.get(self.kind) or 'a valid ' + self.kind.replace('_', ' ')}"
