"""group"""

from __future__ import annotations

from collections.abc import Iterator

from qpipe.core.component import Context, Types
from qpipe.core.params import Columns, param
from qpipe.core.types import DataType
from qpipe.modules.transformation._reshaping import Reshaping, name

FUNCTIONS = ("count", "count_distinct", "sum", "mean", "min", "max", "first", "last", "median", "stddev", "list")
_OF_NUMBERS, _NUMBERS = ("sum", "mean", "median", "stddev"), ("integer", "float", "decimal", "any")


class Group(Reshaping):
    """Rows that agree in some columns become one, with statistics of the others.

    A statistic is written `new column: function(column)`, with one of count, count_distinct, sum, mean, min, max, first,
    last, median, stddev, list; `count(*)` counts rows. Nulls are left out of all but `count(*)`, first and last; null is a
    group of its own. Sums of integers and decimals are exact. The rows are new ones, in the order in which their groups
    first come.

    Examples:
        ```yaml
        module:
          group: {by: country, make: {orders: count(*), total: sum(amount), largest: max(amount)}}
        rows: [{country: DE, amount: 5}, {country: FR, amount: null}, {country: DE, amount: 7}]
        gives:
          - {country: DE, orders: 2, total: 12, largest: 7}
          - {country: FR, orders: 1, total: null, largest: null}
        ```
    """

    like = ("group by", "aggregate", "table_aggregate", "summarise", "groupBy", "agg", "facet counts", "roll up")

    by: Columns = param(help="the columns that make a group")
    make: dict[str, str] = param(help="new column: function(column)", minProperties=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for new, written in self.make.items():
            function, column = _parsed(written)
            if function not in FUNCTIONS or not column:
                yield "make", f"{new}: '{written}' is none of {', '.join(FUNCTIONS)} with a column in brackets"
            elif column == "*" and function != "count":
                yield "make", f"{new}: only count takes *"
            elif types is not None and column != "*" and column not in types:
                yield "make", f"{new}: there is no column '{column}'"
            elif types is not None and function in _OF_NUMBERS and types[column].kind not in _NUMBERS:
                yield "make", f"{new}: {column} is {types[column].kind}, there is no {function} of it"
            if new in self.by:
                yield "make", f"{new} is one of the columns that make a group"

    def reads(self) -> Iterator[tuple[str, str]]:
        return (("make", column) for _, column in map(_parsed, self.make.values()) if column and column != "*")

    def output_types(self, types: Types) -> Types:
        return {
            **{column: types[column] for column in self.by if column in types},
            **{new: _type(*_parsed(written), types) for new, written in self.make.items()},
        }

    def query(self, context: Context) -> str:
        by = ", ".join(name(column) for column in self.by)
        made = ", ".join(f"{_call(*_parsed(written))} as {name(new)}" for new, written in self.make.items())
        return f"select {by}, {made} from data group by {by} order by min(_row), {by}"


def _parsed(written: str) -> tuple[str, str]:
    """("sum", "amount") of ``sum(amount)``."""
    function, _, rest = written.strip().partition("(")
    return function.strip().lower(), rest.strip().removesuffix(")").strip()


def _call(function: str, column: str) -> str:
    cell = "*" if column == "*" else name(column)
    return {
        "count_distinct": f"count(distinct {cell})",
        "mean": f"avg({cell})",
        "stddev": f"stddev_samp({cell})",
        "first": f"first({cell} order by _row, {cell})",
        "last": f"last({cell} order by _row, {cell})",
        "list": f"list({cell} order by _row, {cell}) filter ({cell} is not null)",
    }.get(function, f"{function}({cell})")


def _type(function: str, column: str, types: Types) -> DataType:
    if function in ("count", "count_distinct"):
        return DataType.parse("int")
    given = types.get(column, DataType.parse("string"))
    if function in ("mean", "median", "stddev"):
        return DataType.parse("float")
    if function == "sum":
        if given.kind == "decimal":
            return DataType.parse(f"decimal(38,{given.args[1]})")
        return DataType.parse("int") if given.kind == "integer" else given
    return DataType.parse(f"list({given})") if function == "list" else given
