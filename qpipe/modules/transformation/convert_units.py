"""convert_units"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.errors import QpipeError
from qpipe.core.extras import lacking, needed
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


class ConvertUnits(Transform):
    """Numbers in one unit become numbers in another: kg from lb, °C from °F.

    Units are those that the library pint knows by name or symbol. The result is a float. Null stays null, NaN stays NaN.
    Money is no unit: a currency has a rate of its day, which `lookup` with `as_of` or `derive` after a `lookup` brings.

    Examples:
        ```yaml
        module:
          convert_units: {column: weight, from: lb, to: kg}
        rows: [{weight: 10.0}, {weight: null}]
        gives: [{weight: 4.5359237}, {weight: null}]
        ```
        ```yaml
        module:
          convert_units: {column: temperature, from: degF, to: degC}
        rows: [{temperature: 212.0}]
        gives: [{temperature: 100.0}]
        ```
    """

    extra = "standards"
    packages = ("pint",)
    like = ("unit conversion", "convert units", "pint", "measure conversion", "to metric")

    columns: Columns = param(help="the columns of numbers", alias="column")
    from_: str = param(help="the unit they are in: lb, mile, degF, kg/m^3")
    to: str = param(help="the unit they become")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.columns:
            if types and column in types and types[column].kind not in ("integer", "float", "decimal", "any"):
                yield "columns", f"{column} is {types[column].kind}, not a number: parse_number first"
        if not lacking(self.packages):
            try:
                conversion(self.from_, self.to)
            except QpipeError as error:
                yield "from", error.message

    def output_types(self, types: Types) -> Types:
        return {**types, **{column: DataType.parse("float") for column in self.columns}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        factor, offset, divisor = conversion(self.from_, self.to)
        made = [pl.col(column).cast(pl.Float64) * factor for column in self.columns]
        made = [cell + offset if offset else cell for cell in made]
        return frame.with_columns(cell / divisor if divisor != 1 else cell for cell in made)


@lru_cache(64)
def conversion(given: str, wanted: str) -> tuple[float, float, float]:
    """(factor, offset, divisor): wanted = (given x factor + offset) / divisor. With an offset they are whole numbers where
    they can be, so that 32 degF are 0 degC. QpipeError for units that are not known or do not go together.
    """
    from fractions import Fraction

    pint = needed("pint", "convert units", "standards")
    registry = pint.UnitRegistry(autoconvert_offset_to_baseunit=True, non_int_type=Fraction)
    try:
        zero, one, two = (Fraction(registry.Quantity(Fraction(n), given).to(wanted).magnitude) for n in range(3))
    except Exception as error:  # pint and its parser raise many kinds
        raise QpipeError(f"{given} cannot become {wanted}: {_words(error)}") from error
    factor = one - zero
    if two - one != factor:
        raise QpipeError(f"{given} cannot become {wanted}: one is not so many times the other")
    divisor = math.lcm(factor.denominator, zero.denominator)
    parts = (int(factor * divisor), int(zero * divisor), divisor)
    return parts if zero and max(map(abs, parts)) <= 2**53 else (float(factor), float(zero), 1.0)


def _words(error: Exception) -> str:
    """What pint says; it cannot always say it, of fractions."""
    try:
        return str(error)
    except Exception:
        return "they do not measure the same"
