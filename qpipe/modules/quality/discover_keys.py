"""discover_keys"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.component import Types

SAMPLE = 50_000  # rows that keys are looked for in
MEANT = 0.42  # how much a key must look like one that someone meant


class DiscoverKeys(Relational):
    """Rows that share a key nobody wrote down: columns that tell nearly all rows apart.

    Keys of up to four of the columns are looked for in at most 50,000 rows, fewest columns first (apriori: what contains a
    key is not looked at); measures and long texts are no part of a combination, and a column with a null is no key. The
    likeliest are taken: few columns, at the left, named like identifiers. Then all rows are judged: bad are all rows of a key
    that occurs more than once, unless more than the share `most` of all rows repeat one, which is no key then. NaN equals
    NaN; an empty text is a value. No key found, or zero rows: not evaluated. Where the key is known, `unique` says it.

    Examples:
        ```yaml
        module:
          discover_keys: {columns: [order_id, city], most: 0.2}
        rows:
          - {order_id: 17, city: Bonn}
          - {order_id: 18, city: Bonn}
          - {order_id: 19, city: Köln}
          - {order_id: 20, city: Bonn}
          - {order_id: 21, city: Ulm}
          - {order_id: 18, city: Köln}
        failed: [1, 5]
        ```
        ```yaml
        module:
          discover_keys: {columns: [order_id, city]}
        rows: [{order_id: 1, city: Bonn}, {order_id: 2, city: Bonn}, {order_id: 3, city: null}]
        failed: []
        ```
    """

    dimension = "uniqueness"
    like = (
        "discover_keys", "unique column combinations", "ucc discovery", "key discovery", "candidate keys", "find primary key",
        "is_primary_key suggestion", "UniqueIfApproximatelyUniqueRule",
    )  # fmt: skip

    columns: Columns = param(help="the columns that a key may be made of", short=True)
    most: float = param(0.002, help="the largest share of rows that may repeat a key", minimum=0, maximum=1)
    keys: int = param(1, help="how many keys are judged, the likeliest", minimum=1, maximum=6)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(set(self.columns)) < len(self.columns):
            yield "columns", "a column is named twice"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {f"v{n}": pl.col(column) for n, column in enumerate(self.columns)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        found = []
        for key in self._found(collected):
            names = tuple(self.columns[n] for n in key)
            found.append(RowVerdict(collected.rows(_repeating(key)), names, "a value that occurs once, as in most rows"))
        return tuple(found)

    def _found(self, collected: Any) -> list[tuple[int, ...]]:
        """The keys, as places of their columns; those that too many of all rows repeat are none."""
        from qpipe.analysis.keys import candidate_keys

        if not collected.has_rows:
            return []
        connection = collected.connect()
        try:
            values = ", ".join(f"v{n} as {_quoted(column)}" for n, column in enumerate(self.columns))
            sample = connection.sql(f"select {values} from data order by hash({ROW}), {ROW} limit {SAMPLE}").pl()
            every = connection.sql("select count(*) from data").fetchall()[0][0]
        finally:
            connection.close()
        likely = [k for k in candidate_keys(sample, nearly=self.most) if k.score >= MEANT]
        keys = [tuple(self.columns.index(c) for c in k.columns) for k in likely]
        return [k for k in keys if self._repeats(collected, k) <= self.most * every][: self.keys]

    def _repeats(self, collected: Any, key: Sequence[int]) -> int:
        connection = collected.connect()
        try:
            values = ", ".join(f"v{n}" for n in key)
            counted = f"select count(*) as n from data group by {values} having count(*) > 1"
            return int(connection.sql(f"select coalesce(sum(n - 1), 0) from ({counted})").fetchall()[0][0])
        finally:
            connection.close()


def _repeating(key: Sequence[int]) -> str:
    values = ", ".join(f"v{n}" for n in key)
    same = " and ".join(f"v{n} is not null" for n in key)
    return f"""
        with full_ as (select {ROW}, {values} from data where {same}),
        several as (select {values} from full_ group by {values} having count(*) > 1)
        select {ROW} from full_ join several using ({values}) order by {ROW}
    """


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
