"""no_overlap"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Columns, param

if TYPE_CHECKING:
    import polars as pl


class NoOverlap(Relational):
    """Periods do not overlap, over the whole data set or within each group, and none ends before it starts.

    A period is from `start` up to `end`, which is not in it: one may start when the other ends, unless `touching: false`. A
    null end is open: the period goes on for ever; a null start has no beginning. Every row that overlaps with another one
    fails. A row in which both are null is not evaluated. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          no_overlap: {start: since, end: until, by: room}
        schema: {room: string, since: date, until: date}
        rows:
          - {room: a, since: "2026-01-01", until: "2026-01-05"}
          - {room: a, since: "2026-01-05", until: "2026-01-09"}
          - {room: a, since: "2026-01-08", until: null}
          - {room: b, since: "2026-01-03", until: "2026-01-04"}
          - {room: b, since: "2026-01-09", until: "2026-01-08"}
        failed: [1, 2, 4]
        ```
    """

    dimension = "consistency"
    earlier_rows = "before"
    like = (
        "mutually_exclusive_ranges", "no_overlap", "overlapping periods", "interval_overlap", "is_not_overlapping",
        "mutually_exclusive_ranges(zero_length_range_allowed)", "validity periods",
    )  # fmt: skip

    start: Column = param(help="the column of beginnings")
    end: Column = param(help="the column of ends, which are not in the period")
    by: Columns | None = param(None, help="each group on its own")
    touching: bool = param(True, help="a period may start when another one ends")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kinds = {types[c].kind for c in (self.start, self.end) if types and c in types} - {"any"}
        if len(kinds) > 1:
            yield "end", f"{self.start} and {self.end} are {' and '.join(sorted(kinds))}: they cannot be compared"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        keys = {f"k{n}": pl.col(column) for n, column in enumerate(self.by or ())}
        return {"a": pl.col(self.start), "b": pl.col(self.end), **keys}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        keys = [f"k{n}" for n in range(len(self.by or ()))]
        part = f"partition by {', '.join(keys)} " if keys else ""
        order = f"{part}order by a nulls first, b, {collected.row()}"
        before = f"over ({order} rows between unbounded preceding and 1 preceding)"
        sign = "<" if self.touching else "<="
        # open ends: a flag beside the greatest end so far; the next start is the least of those that follow, and null if any is
        query = f"""
            with whole as (select * from data where (a is not null or b is not null) and (a is null or b is null or a <= b)),
            seen as (
                select {ROW}, a, b, max(b) {before} as latest, bool_or(b is null) {before} as still,
                       lead(a) over ({order}) as next_, lead({ROW}) over ({order}) is not null as more
                from whole
            )
            select {ROW} from seen where coalesce(still, false) or (latest is not null and (a is null or a {sign} latest))
                or (more and (next_ is null or b is null or next_ {sign} b))
        """
        group = f" of its {', '.join(self.by)}" if self.by else ""
        turned = f"select {ROW} from data where a > b"
        columns = (self.start, self.end)
        return (
            RowVerdict(collected.rows(query), columns, f"a period that overlaps with no other{group}"),
            RowVerdict(collected.rows(turned), columns, "an end that is not before its start"),
        )
