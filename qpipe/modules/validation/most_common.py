"""most_common"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.look_through import counted, rows_with
from qpipe.core.params import Column, Scalar, param
from qpipe.modules.validation._values import listed, series, unreadable

if TYPE_CHECKING:
    import polars as pl


class MostCommon(Relational):
    """The most frequent value of a column is one of these.

    Where several values are equally frequent, it is enough that one of them is (`ties: any`), or all of them are (`all`), or a
    tie is itself a failure (`forbid`). Bad rows are those that hold the most frequent value where it should not be. Null is no
    value and is not counted; an empty text is a value; NaN is one value and equals no other. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          most_common: {column: currency, values: [EUR, USD]}
        rows: [{currency: GBP}, {currency: EUR}, {currency: GBP}, {currency: null}]
        failed: [0, 2]
        ```
        ```yaml
        module:
          most_common: {column: currency, values: [EUR], ties: forbid}
        rows: [{currency: EUR}, {currency: EUR}, {currency: USD}]
        failed: []
        ```
    """

    dimension = "consistency"
    holds_of_parts = False
    earlier_rows = "before"
    like = (
        "expect_column_most_common_value_to_be_in_set", "most_common_value_in_set", "frequent_strings", "n_most_common",
        "expected-texts-in-top-values-count", "mode", "IMBALANCE",
    )  # fmt: skip

    column: Column = param(help="the column to look at")
    values: tuple[Scalar, ...] = param(help="the values that may be the most frequent", minItems=1)
    ties: Literal["any", "all", "forbid"] = param("any", help="of equally frequent values: one, all, or there must be none")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from unreadable({"values": self.values}, [self.column], types)

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {"value": pl.col(self.column)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        words = f"{listed(self.values)} as the most frequent value"
        return (RowVerdict(rows_with(collected, self._bad(collected, context).to_frame()), (self.column,), words),)

    def _bad(self, collected: Any, context: Context) -> pl.Series:
        """The most frequent values that should not be."""
        members = series(self.values, context.types[self.column])
        if not collected.has_rows:
            return members.clear()
        counts = counted(collected, ["value"])
        top = self._top(collected, context) if counts is None else counts.filter(pl.col("n") == pl.col("n").max())["value"]
        strange = top.filter(~top.is_in(members.implode()))
        if self.ties == "any":
            return strange if strange.len() == top.len() else strange.clear()
        return top if self.ties == "forbid" and top.len() > 1 else strange

    def _top(self, collected: Any, context: Context) -> pl.Series:
        """The most frequent values, where there are very many."""
        connection = collected.connect()
        try:
            found = connection.sql("""
                with counts as (select value, count(*) as n from data where value is not null group by value)
                select value from counts where n = (select max(n) from counts)
            """)
            return found.pl()["value"].cast(context.types[self.column].polars())
        finally:
            connection.close()
