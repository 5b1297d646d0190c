"""deduplicate"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Collector

_ORDERED = ("integer", "float", "decimal", "date", "datetime", "time", "duration", "any")


class Deduplicate(Relational):
    """Of rows with the same key one stays, in the whole data set; the others are dropped, and counted as dropped by this step.

    Several columns make one key. The row that stays is the first, the last, the one with the greatest value of a column
    (`keep: {newest: changed_at}`; null counts as least) or the most complete one (`keep: {best: [email, phone]}` counts which
    of these columns have a value). Of equals the first stays. A key with a null is like no other, and its row stays, unless
    `nulls_equal: true`. NaN equals NaN; an empty text is a value like any other. With `where`, only rows for which it is true
    are compared with each other. To see duplicates instead of dropping them, use the check `unique`.

    Examples:
        ```yaml
        module:
          deduplicate: [id]
        rows: [{id: 1, n: a}, {id: 2, n: b}, {id: 1, n: c}, {id: null, n: d}, {id: null, n: e}]
        dropped: [2]
        ```
        ```yaml
        module:
          deduplicate: {columns: [id], keep: {newest: changed}}
        rows: [{id: 1, changed: 5}, {id: 1, changed: 9}, {id: 1, changed: 9}, {id: 2, changed: null}]
        gives: [{id: 1, changed: 9}, {id: 2, changed: null}]
        dropped: [0, 2]
        ```
        ```yaml
        module:
          deduplicate: {columns: [id], keep: {best: [email, phone]}, nulls_equal: true}
        rows:
          - {id: null, email: null, phone: "1"}
          - {id: null, email: a@example.com, phone: "1"}
        dropped: [0]
        ```
    """

    effect = "drop"
    dimension = "uniqueness"
    like = ("drop_duplicates", "distinct", "unique rows", "remove duplicates", "qualify row_number", "dropDuplicates", "dedupe")

    columns: Columns = param(help="the columns that make the key together", short=True, alias="column")
    keep: Literal["first", "last"] | dict[str, Any] = param(
        "first", help="which row stays: first, last, {newest: column}, or {best: [columns that should have a value]}"
    )
    nulls_equal: bool = param(False, help="a null equals another null")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(set(self.columns)) < len(self.columns):
            yield "columns", "a column is named twice"
        if isinstance(self.keep, dict):
            yield from self._wrong_order(types)

    def reads(self) -> Iterator[tuple[str, str]]:
        return (("keep", name) for name in self._looked_at)

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        keys = {f"key{n}": pl.col(column) for n, column in enumerate(self.columns)}
        return {**keys, "worth": self._worth()} if isinstance(self.keep, dict) else keys

    def collector(self, context: Context, directory: Path) -> Collector:
        from qpipe.core.gather import Keys

        if isinstance(self.keep, dict):
            return super().collector(context, directory)
        return Keys(directory, nulls_equal=self.nulls_equal)

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        rows = collected.rows(self._query()) if isinstance(self.keep, dict) else collected.duplicates(self.keep)
        return (RowVerdict(rows, self.columns, "one row for each key"),)

    def _query(self) -> str:
        """Rows but the worthiest of each key; the window is over those keys only that occur more than once."""
        keys = [f"key{n}" for n in range(len(self.columns))]
        full = "true" if self.nulls_equal else " and ".join(f"{key} is not null" for key in keys)
        same = " and ".join(f"data.{key} is not distinct from twice.{key}" for key in keys)
        return f"""
            with twice as (select {", ".join(keys)} from data where {full} group by all having count(*) > 1),
            ranked as (
                select _row, row_number() over (
                    partition by {", ".join(f"data.{key}" for key in keys)} order by worth desc nulls last, _row
                ) as place
                from data join twice on {same}
            )
            select _row from ranked where place > 1"""

    def _worth(self) -> pl.Expr:
        assert isinstance(self.keep, dict)
        if "newest" in self.keep:
            return pl.col(self.keep["newest"])
        return pl.sum_horizontal([pl.col(column).is_not_null().cast(pl.UInt32) for column in self._best])

    @property
    def _best(self) -> list[str]:
        best = self.keep.get("best") if isinstance(self.keep, dict) else None
        return [best] if isinstance(best, str) else [name for name in best or () if isinstance(name, str)]

    @property
    def _looked_at(self) -> list[str]:
        """The columns that decide which row stays."""
        newest = self.keep.get("newest") if isinstance(self.keep, dict) else None
        return [newest] if isinstance(newest, str) else self._best

    def _wrong_order(self, types: Types | None) -> Iterator[tuple[str, str]]:
        assert isinstance(self.keep, dict)
        if set(self.keep) not in ({"newest"}, {"best"}) or not self._looked_at:
            yield "keep", "write first, last, {newest: column} or {best: [column, …]}"
            return
        for name in self._looked_at if types is not None and "newest" in self.keep else ():
            if types is not None and name in types and types[name].kind not in _ORDERED:
                yield "keep", f"'{name}' is {types[name].describe()}; newest needs a date or a number: parse_date first"
