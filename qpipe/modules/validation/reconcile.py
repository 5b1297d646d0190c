"""reconcile"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, SourceRef, param

if TYPE_CHECKING:
    import polars as pl


class Reconcile(Relational):
    """Every row is in another source, too, and says the same there.

    Rows are brought together by key. A row fails when the other source has no such key, and, column by column, when the
    values differ: numbers by more than `within`, everything else at all. Null equals null; an empty text is a value. A key
    that the other source has more than once agrees when one of its rows does. What the other source has and this one has
    not is no row here: `covers` counts it. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          reconcile: {with: ledger, key: id, columns: [amount, status], within: 0.01}
        tables:
          ledger:
            - {id: 1, amount: 10.0, status: paid}
            - {id: 2, amount: 5.0, status: open}
            - {id: 4, amount: 1.0, status: open}
        rows:
          - {id: 1, amount: 10.005, status: paid}
          - {id: 2, amount: 5.5, status: open}
          - {id: 3, amount: 7.0, status: open}
        failed: [1, 2]
        ```
    """

    dimension = "accuracy"
    like = (
        "table_diff", "data-diff", "DatasetMatch", "compare", "expect_table_row_to_match", "equality", "equal_rowcount",
        "tbl_match", "reconciliation", "compare_datasets", "RowCountMatch", "expect_column_pair_values_to_be_equal",
        "expect_query_results_to_match_comparison", "row_values_match",
    )  # fmt: skip

    with_: SourceRef = param(help="the reference source to compare with")
    key: Columns = param(help="the columns that bring rows together; they have the same names on both sides")
    columns: Columns | None = param(None, help="the columns to compare; unset: all that both have")
    within: float = param(0.0, help="how far numbers may be apart", minimum=0)

    def references(self) -> tuple[str, ...]:
        return (self.with_,)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if both := set(self.key) & set(self.columns or ()):
            yield "columns", f"{min(both)} is part of the key"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {name: pl.col(column) for name, column in [*self._keys(), *self._compared(context)]}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        other = context.tables[self.with_]
        names = [*self._keys(), *self._compared(context)]
        other = other.select(*(pl.col(column).alias(name) for name, column in names), pl.lit(True).alias("there"))
        words = [(self.key, f"a {', '.join(self.key)} that {self.with_} has")]
        words += [((column,), f"what {self.with_} says") for _, column in self._compared(context)]
        found = collected.apart(self._query(other, context), len(words), {"other_": other})
        return tuple(RowVerdict(rows, columns, told) for rows, (columns, told) in zip(found, words, strict=True))

    def _query(self, other: pl.DataFrame, context: Context) -> str:
        """Rows that fail, and for each claim whether it does: the key first, then the columns."""
        same = " and ".join(f"data.{name} is not distinct from other_.{name}" for name, _ in self._keys())
        claims = ["there is null"]
        claims += [
            f"there and not coalesce({self._equal(name, context.types[column].kind)}, false)"
            for name, column in self._compared(context)
        ]
        keys = other.select(name for name, _ in self._keys())
        if keys.n_unique() < keys.height:  # of several rows with the key one is enough
            claims, group = [f"bool_and({claim})" for claim in claims], f"group by data.{ROW}"
        else:
            group = ""
        told = ", ".join(f"coalesce({claim}, false) as f{n}" for n, claim in enumerate(claims))
        failed = " or ".join(f"f{n}" for n in range(len(claims)))
        return f"select * from (select data.{ROW}, {told} from data left join other_ on {same} {group}) where {failed}"

    def _keys(self) -> list[tuple[str, str]]:
        return [(f"k{n}", column) for n, column in enumerate(self.key)]

    def _compared(self, context: Context) -> list[tuple[str, str]]:
        other = context.tables[self.with_]
        chosen = self.columns or tuple(c for c in context.types if c in other.columns and c not in self.key)
        for column in (*self.key, *chosen):
            if column not in other.columns:
                raise QpipeError(f"{self.with_} has no column '{column}'; it has {', '.join(other.columns)}")
        return [(f"v{n}", column) for n, column in enumerate(chosen)]

    def _equal(self, name: str, kind: str) -> str:
        plain = f"data.{name} is not distinct from other_.{name}"
        if not self.within or kind not in ("integer", "float", "decimal"):
            return plain
        return f"({plain} or abs(data.{name} - other_.{name}) <= {self.within!r})"
