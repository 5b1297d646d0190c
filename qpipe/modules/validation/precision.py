"""precision"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Types
from qpipe.core.lazy import np, pl
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
    like = (
        "has_num_decimal_places", "Decimal(precision, scale)", "numeric_precision", "max_decimal_places", "decimal_places",
        "allow_nan", "allow_inf", "INFINITE",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    max_decimals: int | None = param(None, help="digits after the point", minimum=0)
    max_digits: int | None = param(None, help="digits before and after the point, zeros in front left out", minimum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if self.max_decimals is None and self.max_digits is None:
            yield "max_decimals", "give max_decimals, max_digits or both"

    def bad(self, column: str, context: Context) -> pl.Expr:
        kind = context.types[column].kind
        if kind == "float":
            return pl.col(column).map_batches(self._bad_floats, return_dtype=pl.Boolean(), is_elementwise=True)
        return self._bad(self._text(pl.col(column), kind))

    def _bad_floats(self, cells: pl.Series) -> pl.Series:
        """By arithmetic where that is exact, and by their digits where not."""
        sure, bad = self._by_arithmetic(cells)
        doubtful = (cells.is_not_null() & ~sure).arg_true()
        if not doubtful.len():
            return bad
        judged = cells.gather(doubtful).to_frame("x").select(self._bad(self._text(pl.col("x"), "float")).fill_null(False))
        return bad.scatter(doubtful, judged.to_series())

    def _by_arithmetic(self, cells: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Where it is sure, and what is bad there: what is not the double nearest to some n/10^decimals, n below 2^50.

        (Polars divides by multiplying, which is not exact. One array is used again: a new one costs more than the arithmetic.)
        """
        if self.max_digits is not None or (self.max_decimals or 0) > 22 or cells.dtype != pl.Float64:
            never = pl.repeat(False, cells.len(), dtype=pl.Boolean, eager=True)
            return never, never
        values, ten = cells.to_numpy(), 10.0 ** (self.max_decimals or 0)
        with np.errstate(all="ignore"):
            near = values * ten
            sure = (near < 2.0**50) & (near > -(2.0**50))
            np.rint(near, out=near)
            near /= ten
            bad = near != values
            sure &= ~bad | (values >= 0.001) | (values <= -0.001)
            return pl.Series(sure), pl.Series(sure & bad)

    def _bad(self, text: pl.Expr) -> pl.Expr:
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

    def _text(self, cell: pl.Expr, kind: str) -> pl.Expr:
        if kind == "string":
            return cell
        if kind == "float":  # 1e-07 is 0.0000001: the shortest decimal that a double of so many digits has
            plain = cell.cast(pl.String)
            small = pl.when(cell.abs() < 1e22).then(cell)  # what a decimal can hold
            long = small.round(15).cast(pl.Decimal(38, 15), strict=False).cast(pl.String).str.strip_chars_end("0")
            huge = pl.lit("1").str.pad_end(cell.abs().log10().floor().cast(pl.UInt32, strict=False) + 1, "0")
            written = pl.when(plain.str.contains("e")).then(pl.coalesce(long, huge))
            return written.otherwise(plain.str.replace(r"\.0$", ""))
        text = cell.cast(pl.String)
        return text.str.replace(r"(\.[0-9]*?)0+$", "$1").str.strip_suffix(".") if kind == "decimal" else text
