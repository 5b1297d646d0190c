"""mask"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, SecretText, param
from qpipe.core.secrets import reveal
from qpipe.core.types import DataType
from qpipe.modules._stable import by_value

if TYPE_CHECKING:
    import polars as pl

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Mask(Transform):
    """Personal data is made unreadable.

    `hash` gives HMAC-SHA-256 under a key (64 hex digits): equal values stay equal, and nobody without the key can try
    values. `token` does the same in the shape of the value: letters become letters, digits digits, everything else stays,
    so that lengths and formats hold; it cannot be undone either, and two values may rarely meet in one. `redact` puts a
    word in its place. `keep_ends` shows the last characters only, `****1234`. Null stays null; an empty text stays empty.
    The result is text.

    Examples:
        ```yaml
        module:
          mask: {column: card, method: keep_ends, show: 4}
        rows: [{card: "4111111111111111"}, {card: "123"}, {card: null}]
        gives: [{card: "************1111"}, {card: "***"}, {card: null}]
        ```
        ```yaml
        module:
          mask: {columns: [name], method: redact}
        rows: [{name: Ann, city: Bonn}]
        gives: [{name: "***", city: Bonn}]
        ```
        ```yaml
        module:
          mask: {columns: [email], method: hash, key: a key that nobody knows}
        rows: [{email: a@example.com}]
        gives: [{email: 67f86edd44e8447bfdffe94dd41125d52ba76ed851dcb8797532cfe59de3676f}]
        ```
    """

    like = ("mask", "anonymize", "pseudonymize", "tokenize", "hash pii", "redact", "data masking", "sha2", "obfuscate")

    columns: Columns = param(help="the columns to mask", alias="column")
    method: Literal["hash", "token", "redact", "keep_ends"] = param("hash", help="what becomes of a value")
    key: SecretText | None = param(None, help="for hash and token: a secret, ${env:NAME}")
    word: str = param("***", help="for redact: what is put in the place of every value")
    show: int = param(4, help="for keep_ends: how many characters at the end stay", minimum=0)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.method in ("hash", "token") and not self.key:
            yield "key", f"{self.method} needs a key: without one, anybody can hash all telephone numbers and compare"
        for column in self.columns:
            if types and column in types and types[column].kind in ("list", "struct"):
                yield "columns", f"{column} is {types[column].kind}: flatten or explode it first"

    def output_types(self, types: Types) -> Types:
        return {name: DataType.parse("string") if name in self.columns else type for name, type in types.items()}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(self._masked(pl.col(column).cast(pl.String)) for column in self.columns)

    def _masked(self, cell: pl.Expr) -> pl.Expr:
        if self.method == "redact":
            return pl.when(cell.is_not_null()).then(pl.lit(self.word)).alias(cell.meta.output_name())
        if self.method == "keep_ends":
            hidden = (cell.str.len_chars().cast(pl.Int64) - self.show).clip(0)
            long = cell.str.len_chars() > self.show
            stars = pl.lit("*").repeat_by(pl.when(long).then(hidden).otherwise(cell.str.len_chars())).list.join("")
            end = pl.when(long).then(cell.str.tail(self.show) if self.show else pl.lit("")).otherwise(pl.lit(""))
            return pl.when(cell.is_not_null()).then(stars + end).alias(cell.meta.output_name())
        make = partial(_hashed if self.method == "hash" else _token, key=reveal(self.key or "").encode())
        return cell.map_batches(partial(by_value, make=make, dtype=pl.String()), return_dtype=pl.String(), is_elementwise=True)


def _hashed(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() if text else text


def _token(text: str, key: bytes) -> str:
    """The text with other letters and digits, chosen by a keyed hash of the whole."""
    made, stream = [], b""
    for n, char in enumerate(text):
        if n % 32 == 0:
            stream = hmac.new(key, f"{n}:{text}".encode(), hashlib.sha256).digest()
        number = stream[n % 32]
        if char.isdecimal():
            made.append(_LETTERS[number % 10])
        elif char.isalpha():
            letter = _LETTERS[10 + number % 26]
            made.append(letter.upper() if char.isupper() else letter)
        else:
            made.append(char)
    return "".join(made)
