"""align_columns"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import param
from qpipe.core.types import DataType
from qpipe.modules.transformation.rename import respelled

if TYPE_CHECKING:
    import polars as pl


class AlignColumns(Transform):
    """The columns get the names and the order of a target, whatever their source calls them.

    A column is the target's if it has its name or one of the other names given for it, whatever their case, blanks, signs and
    accents: "Order Date", orderDate and order_date are one. What is missing is refused, with the nearest names, unless
    `missing` gives it a type: then it is null. Columns that are none of the target's go, or stay behind the others with
    `others: keep`. Values and types stay.

    Examples:
        ```yaml
        module:
          align_columns: {columns: {customer_id: [cust, Kundennummer], order_date: [], note: []}, missing: {note: string}}
        rows: [{Order Date: 2026-01-31, "Kunden-Nummer": 7, page: 1}]
        gives: [{customer_id: 7, order_date: 2026-01-31, note: null}]
        ```
    """

    like = ("align schema", "columns_match_set", "map columns", "schema mapping", "conform", "normalize column names", "coerce")

    columns: dict[str, tuple[str, ...]] = param(
        help="the target's columns in order, each with other names it goes by", minProperties=1
    )
    missing: dict[str, str] = param({}, help="columns that may be missing, and the type of their nulls")
    others: Literal["drop", "keep"] = param("drop", help="what becomes of other columns")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column, word in self.missing.items():
            if column not in self.columns:
                yield "missing", f"{column} is none of the columns"
            try:
                DataType.parse(word)
            except ValueError as error:
                yield "missing", f"{column}: {error}"
        taken: dict[str, str] = {}
        for column, found in self._found(types).items() if types is not None else ():
            if len(found) > 1:
                yield "columns", f"{column} could be {' or '.join(found)}: rename or drop one of them"
            elif not found and column not in self.missing:
                near = difflib.get_close_matches(_key(column), [_key(name) for name in types or ()], n=1, cutoff=0.5)
                likely = next((name for name in types or () if near and _key(name) == near[0]), None)
                yield "columns", f"there is no {column}" + (f"; {likely} is near: name it under {column}" if likely else "")
            for name in found:
                if name in taken:
                    yield "columns", f"{name} could be {taken[name]} or {column}"
                taken[name] = column

    def output_types(self, types: Types) -> Types:
        names = self._names(types)
        aligned = {column: types[names[column]] if column in names else self._nothing(column) for column in self.columns}
        rest = {name: type for name, type in types.items() if name not in names.values() and name not in aligned}
        return {**aligned, **(rest if self.others == "keep" else {})}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        names = self._names(context.types)
        aligned = [
            pl.col(names[c]).alias(c) if c in names else pl.lit(None, self._nothing(c).polars()).alias(c) for c in self.columns
        ]
        rest = [name for name in self.output_types(context.types) if name not in self.columns]
        return frame.select(*aligned, *rest, pl.exclude(list(context.types)))  # _row and flags go along

    def _nothing(self, column: str) -> DataType:
        return DataType.parse(self.missing.get(column, "string"))

    def _names(self, types: Types) -> dict[str, str]:
        return {column: found[0] for column, found in self._found(types).items() if found}

    def _found(self, types: Types) -> dict[str, list[str]]:
        """Column of the target → the columns here that may be it; of its own name, no other."""
        found = {}
        for column, others in self.columns.items():
            wanted = {_key(name) for name in (column, *others)}
            found[column] = [column] if column in types else [name for name in types if _key(name) in wanted]
        return found


def _key(name: str) -> str:
    return respelled(name, "snake").replace("_", "")
