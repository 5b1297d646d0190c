"""Values of a spec that are put into a column: they must fit its type exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from qpipe.modules.validation._values import literal, typed

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType


def misfit(value: Any, column: DataType) -> str | None:
    """Why the column cannot hold the value, in words."""
    try:
        made = typed(value, column)
    except ValueError as error:
        return str(error)
    if column.kind == "integer" and not isinstance(made, int):
        return f"{value} is no whole number"
    if isinstance(made, Decimal) and column.kind == "decimal" and -int(made.as_tuple().exponent) > column.args[1]:
        return f"{value} has more digits"
    return None


def exact(value: Any, column: DataType) -> pl.Expr:
    """The value as the column has it."""
    return literal(value, column).cast(column.polars())
