"""value_set"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Scalar, param
from qpipe.modules.validation._values import listed, series, shown, unreadable

if TYPE_CHECKING:
    import polars as pl

STRANGERS = 100  # so many values are told


class ValueSet(Gate):
    """The distinct values of a column are in a set, contain it, or equal it.

    Judges the column as a whole: `contains` says that each value occurs somewhere, which no row can say. Values are read as
    the column's type has them. Null is no value and is left out; NaN is in no set; an empty text is a value. Zero rows, or
    nothing but nulls: not evaluated.

    Examples:
        ```yaml
        module:
          value_set: {column: region, contains: [north, south]}
        rows: [{region: north}, {region: north}, {region: east}]
        outcome: fail
        ```
        ```yaml
        module:
          value_set: {column: region, equals: [north, south]}
        rows: [{region: north}, {region: south}, {region: null}]
        outcome: pass
        ```
        ```yaml
        module:
          value_set: {column: grade, in: [1, 2, 3]}
        rows: [{grade: 1}, {grade: 4}]
        outcome: fail
        ```
    """

    dimension = "consistency"
    like = (
        "expect_column_distinct_values_to_be_in_set", "expect_column_distinct_values_to_contain_set", "unique_values_eq",
        "expect_column_distinct_values_to_equal_set", "hasHistogramValues", "distinct_values_in_set", "values_in_set",
        "expected-texts-in-top", "column_distinct_values", "cardinality_equality", "group_evolution",
        "expect_column_distinct_values_to_be_continuous",
    )  # fmt: skip

    column: Column = param(help="the column to look at")
    in_: tuple[Scalar, ...] | None = param(None, help="no other values occur", minItems=1)
    contains: tuple[Scalar, ...] | None = param(None, help="each of these values occurs", minItems=1)
    equals: tuple[Scalar, ...] | None = param(None, help="these values occur and no others", minItems=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        given = {"in": self.in_, "contains": self.contains, "equals": self.equals}
        if sum(values is not None for values in given.values()) != 1:
            yield "equals", "give in, contains or equals, one of them"
        for name, values in given.items():
            if values is not None and not values:
                yield name, "the list is empty"
        yield from unreadable(given, [self.column], types)

    def measures(self, context: Context) -> dict[str, Measure]:
        cell, members = pl.col(self.column), series(self._values, context.types[self.column])
        different = cell.drop_nulls().unique()
        known = different.is_in(members.unique().implode())
        strange = different.filter(~known).cast(pl.String).bottom_k(STRANGERS)
        return {
            "values": Measure(cell.count()),
            "known": Measure(different.filter(known).implode(), "union"),
            "strange": Measure(strange.implode(), "union", keep=STRANGERS),
        }

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        if not values["values"]:
            return Verdict("not evaluated", {}, self._words())
        missing = self._missing(values["known"] or [], context) if self.in_ is None else []
        strange = (values["strange"] or []) if self.contains is None else []
        parts = []
        if missing:
            parts.append(f"{listed(missing)} {'does' if len(missing) == 1 else 'do'} not occur")
        if strange:
            parts.append(f"{listed(strange)} {'occurs' if len(strange) == 1 else 'occur'}")
        message = f"in {self.column} {' and '.join(parts)}, expected {self._words()}" if parts else ""
        known = [shown(value) for value in values["known"] or ()]
        observed = {"values": [*known, *(values["strange"] or ())][:STRANGERS], "missing": missing, "strange": strange}
        return Verdict("fail" if parts else "pass", {k: v for k, v in observed.items() if v}, self._words(), message)

    @property
    def _values(self) -> tuple[Any, ...]:
        return self.in_ or self.contains or self.equals or ()

    def _missing(self, known: list[Any], context: Context) -> list[str]:
        members = series(self._values, context.types[self.column]).to_list()
        return [str(written) for written, member in zip(self._values, members, strict=True) if member not in known]

    def _words(self) -> str:
        what = "only" if self.in_ is not None else "each of" if self.contains is not None else "exactly"
        return f"{what} {listed(self._values)}"
