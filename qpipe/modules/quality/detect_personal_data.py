"""detect_personal_data"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Rule
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

_KINDS = {
    "email": r"(?i)\b[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b",
    "phone": r"(?:^|[^\w.])(?:\+|00)[1-9][0-9](?:[ ()/.-]?[0-9]){6,12}(?:$|[^\w])",
    "iban": r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
    "card": r"\b(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|3[47][0-9]{2}|6(?:011|5[0-9]{2}))"
    r"(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{3,4}\b",
    "ssn": r"\b(?:[1-578][0-9]{2}|0[0-9]{2}|6[0-57-9][0-9]|66[0-57-9])-[0-9]{2}-[0-9]{4}\b",
    "ip": r"\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b",
}


class DetectPersonalData(Check):
    """Texts that hold an email address, a telephone number, an account or card number where none belongs.

    Looks for `kinds` anywhere in the text: email, phone (with its country's code), iban, card (with its check digit), ssn
    (of the United States), ip. What it finds is told without the value. Patterns find forms, not meanings: names and
    addresses are not found. Null passes. Zero rows, or a column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          detect_personal_data: {columns: [note]}
        rows:
          - {note: call back on Monday}
          - {note: "write to ann@example.com, please"}
          - {note: "card 4111 1111 1111 1111"}
          - {note: "order 4111 1111 1111 1112"}
          - {note: "phone +49 30 1234567"}
          - {note: null}
        failed: [1, 2, 4]
        ```
    """

    dimension = "validity"
    accepts = ("string",)
    like = (
        "pii", "does_not_contain_pii", "presidio", "personal data", "sensitive data", "contains-email", "contains-ip4",
    )  # fmt: skip

    columns: Columns | None = param(None, help="the columns of texts; unset: all", short=True, alias="column")
    kinds: tuple[str, ...] = param(("email", "phone", "iban", "card", "ssn"), help=f"what is looked for: {', '.join(_KINDS)}")

    def rules(self, context: Context) -> tuple[Rule, ...]:
        names = [n for n in self.columns or context.types if context.types[n].kind == "string"]
        return tuple(
            Rule(_TESTS.get(kind, _contains(kind))(pl.col(name)), (name,), f"no {kind} in it", pl.col(name).is_not_null())
            for name in names
            for kind in self.kinds
        )


def _contains(kind: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda cell: cell.str.contains(_KINDS[kind])


def _card(cell: pl.Expr) -> pl.Expr:
    """The form, and the check digit (Luhn 1960) of the first number of that form."""
    digits = cell.str.extract(f"({_KINDS['card']})").str.replace_all("[ -]", "").str.zfill(16)
    total = pl.lit(0)
    for place in range(16):
        digit = digits.str.slice(place, 1).cast(pl.Int64, strict=False)
        double = digit * 2
        total = total + (pl.when(double > 9).then(double - 9).otherwise(double) if place % 2 == 0 else digit)
    return (total % 10 == 0).fill_null(False)


def _iban(cell: pl.Expr) -> pl.Expr:
    from qpipe.modules.validation._formats import FORMATS

    return FORMATS["iban"](cell.str.extract(f"({_KINDS['iban']})").str.replace_all(" ", "")).fill_null(False)


_TESTS: dict[str, Callable[[pl.Expr], pl.Expr]] = {"card": _card, "iban": _iban}
