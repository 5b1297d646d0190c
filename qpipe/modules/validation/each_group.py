"""each_group"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.expression import Expression
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Condition, param

if TYPE_CHECKING:
    import polars as pl


class EachGroup(Relational):
    """In each group, all rows, some, or a number of them meet a condition.

    A group is all rows that agree in `by`, wherever they stand; nulls are a group of their own. Without `by` all rows are one
    group: what a gate could only judge as a whole then has rows, which routes can take. Without `min` and `max`,
    every row of the group must meet the condition. A condition that is null is not met. All rows of a bad group fail: the
    group is what is wrong. With `where`, only rows for which it is true make the groups. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          each_group: {by: order, condition: "kind = 'total'", min: 1, max: 1}
        rows:
          - {order: 1, kind: line}
          - {order: 1, kind: total}
          - {order: 2, kind: line}
          - {order: 3, kind: total}
          - {order: 3, kind: total}
        failed: [2, 3, 4]
        ```
        ```yaml
        module:
          each_group: {by: [country], condition: "currency is not null", min: "50%"}
        rows: [{country: DE, currency: EUR}, {country: DE, currency: null}, {country: FR, currency: null}]
        failed: [2]
        ```
    """

    dimension = "consistency"
    holds_of_parts = False
    earlier_rows = "before"
    like = (
        "group rule", "@rule(group_by)", "group_by rule", "expect_group", "rows_per_group", "at_least_one",
        "exactly one per group", "relationships_where", "expect_compound_group", "segments", "dimension_anomalies_per_group",
    )  # fmt: skip

    by: Columns = param((), help="the columns that make a group; none: all rows are one")
    condition: Condition = param(help="what rows are counted for")
    min: int | str | None = param(None, help="how many rows of a group must meet it, or which share: 1, 50%")
    max: int | str | None = param(None, help="how many may meet it at most, or which share")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for name in ("min", "max"):
            try:
                _bound(getattr(self, name))
            except ValueError as error:
                yield name, str(error)

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        met = Expression.parse(self.condition).compile(context.types).fill_null(False)
        return {**{f"k{n}": pl.col(column) for n, column in enumerate(self.by)}, "met": met}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        keys = [f"k{n}" for n in range(len(self.by))]
        same = " and ".join(f"data.{key} is not distinct from bad.{key}" for key in keys)
        query = f"""
            with bad as (
                select {", ".join([*keys, "count(*) as rows_"])} from data group by all having {" or ".join(self._broken())}
            )
            select data.{ROW} from data join bad on {same or "rows_ > 0"}
        """
        return (RowVerdict(collected.rows(query), self.by, self._words()),)

    def _broken(self) -> list[str]:
        """SQL that is true of a bad group."""
        if self.min is None and self.max is None:
            return ["count(*) filter (not met) > 0"]
        tests = []
        for given, sign in ((self.min, "<"), (self.max, ">")):
            if given is not None:
                number, share = _bound(given)
                tests.append(f"count(*) filter (met) {sign} {number}{' * count(*)' if share else ''}")
        return tests

    def _words(self) -> str:
        group = f"its {', '.join(self.by)}" if self.by else "all rows"
        if self.min is None and self.max is None:
            return f"{self.condition} in every row of {group}"
        bounds = [] if self.min is None else [f"at least {self.min}"]
        bounds += [] if self.max is None else [f"at most {self.max}"]
        return f"{' and '.join(bounds)} of {group} with {self.condition}"


def _bound(given: int | str | None) -> tuple[float, bool]:
    """(number, whether it is a share). ValueError for what is neither."""
    if isinstance(given, str) and given.strip().endswith("%"):
        return float(given.strip()[:-1]) / 100, True
    return (0, False) if given is None else (int(given), False)
