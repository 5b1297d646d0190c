"""fill_null"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.expression import Expression as Parsed
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Expression, Scalar, param
from qpipe.core.types import DataType
from qpipe.modules._exact import exact, misfit
from qpipe.modules._prepared import prepared

if TYPE_CHECKING:
    import polars as pl


class FillNull(Transform):
    """Null becomes a value, or what an expression over the same row gives; another column is such an expression.

    Only null is filled: an empty text and NaN are values (normalize_nulls makes them null beforehand). Where the expression is
    null, null stays. Types stay as they are. What other rows say (the value before, the mean of the group) is for impute.

    Examples:
        ```yaml
        module:
          fill_null: {columns: [discount, fee], value: 0}
        schema: {discount: int, fee: "decimal(6,2)"}
        rows: [{discount: null, fee: 1.50}, {discount: 5, fee: null}]
        gives: [{discount: 0, fee: 1.50}, {discount: 5, fee: 0}]
        ```
        ```yaml
        module:
          fill_null: {column: ship_to, expression: bill_to}
        rows: [{ship_to: null, bill_to: Bonn}, {ship_to: Metz, bill_to: Bonn}, {ship_to: null, bill_to: null}]
        gives: [{ship_to: Bonn, bill_to: Bonn}, {ship_to: Metz, bill_to: Bonn}, {ship_to: null, bill_to: null}]
        ```
    """

    like = ("fillna", "coalesce", "default value", "replace nulls", "nvl", "ifnull", "fill_null")

    columns: Columns = param(help="the columns to fill", alias="column")
    value: Scalar | None = param(None, help="what null becomes; dates are written 2026-01-31")
    expression: Expression | None = param(None, help="an expression over the row, instead: another column, say")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if (self.value is None) == (self.expression is None):
            yield "value", "give a value or an expression, one of them"
        for name in self.columns if types is not None else ():
            if types is not None and name in types and (wrong := self._misfit(types[name], types)):
                yield "value" if self.value is not None else "expression", f"'{name}' is {types[name].describe()}: {wrong}"

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(prepared(self, context, self._filled))

    def _filled(self, context: Context) -> list[pl.Expr]:
        parsed = Parsed.parse(self.expression).compile(context.types) if self.expression is not None else None
        filled = []
        for name in self.columns:
            type_ = context.types[name]
            other = exact(self.value, type_) if parsed is None else parsed.cast(type_.polars(), strict=False)
            filled.append(pl.coalesce(pl.col(name), other).alias(name))
        return filled

    def _misfit(self, column: DataType, types: Types) -> str | None:
        """Why the column cannot be filled so, without changing its type or the value."""
        if self.value is not None:
            return misfit(self.value, column)
        given = Parsed.parse(self.expression or "null").check(types)
        wider = {("integer", "decimal"), ("integer", "float"), ("decimal", "float"), ("date", "datetime")}
        if "any" in (given.kind, column.kind) or (given.kind, column.kind) in wider:
            return None
        if given.kind != column.kind or given.zone != column.zone:
            return f"the expression gives {given.describe()}; cast it"
        if given.kind == "decimal" and given.args[1] > column.args[1]:
            return f"the expression gives {given.describe()}, which has more digits; round it"
        return None
