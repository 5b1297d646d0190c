"""precision"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class Precision(Check):
    """Numbers have no more decimals, and no more digits, than allowed.

    A decimal counts as it is kept, zeros at the end left out: 1.50 has one decimal. A float counts in the shortest form that
    names it. A text counts as it is written, zeros included; one that is no plain number fails. Null passes; NaN and infinities
    fail. Zero rows, or a column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          precision: {column: price, max_decimals: 2}
        rows: [{price: 1.5}, {price: 1.25}, {price: 1.255}, {price: null}]
        failed: [2]
        ```
        ```yaml
        module:
          precision: {column: code, max_decimals: 0, max_digits: 4}
        rows: [{code: "1234"}, {code: "12345"}, {code: "1.0"}, {code: "x"}]
        failed: [1, 2, 3]
        ```
    """

    dimension = "validity"
    accepts = ("integer", "float", "decimal", "string")
    like = ("has_num_decimal_places", "Decimal(precision, scale)", "numeric_precision", "max_decimal_places", "decimal_places")

    columns: Columns = param(help="the columns to check", alias="column")
    max_decimals: int | None = param(None, help="digits after the point", minimum=0)
    max_digits: int | None = param(None, help="digits before and after the point, zeros in front left out", minimum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if self.max_decimals is None and self.max_digits is None:
            yield "max_decimals", "give max_decimals, max_digits or both"

    def bad(self, column: str, context: Context) -> pl.Expr:
        text = self._text(column, context.types[column].kind)
        number = text.str.contains(r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)$")
        decimals = text.str.extract(r"\.([0-9]*)$").str.len_bytes().fill_null(0)
        digits = text.str.replace_all(r"[^0-9]|^[+-]?0+", "").str.len_bytes()
        tests = [~number]
        if self.max_decimals is not None:
            tests.append(decimals > self.max_decimals)
        if self.max_digits is not None:
            tests.append(digits > self.max_digits)
        return pl.any_horizontal(tests)

    def expected(self, column: str) -> str:
        parts = [] if self.max_decimals is None else [f"at most {self.max_decimals} decimals"]
        parts += [] if self.max_digits is None else [f"at most {self.max_digits} digits"]
        return " and ".join(parts)

    def _text(self, column: str, kind: str) -> pl.Expr:
        cell = pl.col(column)
        if kind == "string":
            return cell
        if kind == "float":  # 1e-07 is 0.0000001: the shortest decimal that a double of so many digits has
            plain = cell.cast(pl.String)
            long = cell.round(15).cast(pl.Decimal(38, 15), strict=False).cast(pl.String).str.strip_chars_end("0")
            return pl.when(plain.str.contains("e")).then(long).otherwise(plain.str.replace(r"\.0$", ""))
        text = cell.cast(pl.String)
        return text.str.replace(r"(\.[0-9]*?)0+$", "$1").str.strip_suffix(".") if kind == "decimal" else text
