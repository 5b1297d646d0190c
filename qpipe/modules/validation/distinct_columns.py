"""distinct_columns"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules._share import share_of

if TYPE_CHECKING:
    import polars as pl

MOST = 60  # columns compared, the left ones
SHOWN = 5


class DistinctColumns(Gate):
    """No two columns hold the same content.

    Two columns are the same where they agree in all rows, or in more than `share` of them. Compared are rows in which one of
    the two has a value; two nulls agree, NaN agrees with NaN, and columns of different types agree where they are written
    alike, so that 1 agrees with "1". At most 60 columns are compared. Zero rows, or nothing but nulls: not evaluated.

    Examples:
        ```yaml
        module:
          distinct_columns: [ship_to, bill_to]
        rows: [{ship_to: a, bill_to: a}, {ship_to: null, bill_to: null}, {ship_to: b, bill_to: b}]
        outcome: fail
        ```
        ```yaml
        module:
          distinct_columns: {share: "60%"}
        rows: [{a: 1, b: 1, c: x}, {a: 2, b: 2, c: x}, {a: 3, b: 4, c: x}]
        outcome: fail
        ```
    """

    dimension = "uniqueness"
    like = (
        "AlmostDuplicatedColumns", "DuplicatedColumns", "duplicate columns", "drop_duplicate_columns", "redundant columns",
        "expect_column_pair_values_to_not_be_equal",
    )  # fmt: skip

    columns: Columns = param((), help="the columns to compare with each other; none: all", short=True)
    share: float | str = param(1.0, help="agreeing in more than this share of the rows, or in all, is the same: 0.95, 95%")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(self.columns) == 1:
            yield "columns", "name at least two columns, or none"
        try:
            if not 0 < self._share <= 1:
                yield "share", "a share is above 0 and at most 1"
        except ValueError:
            yield "share", f"{self.share} is no share"

    def measures(self, context: Context) -> dict[str, Measure]:
        made = {}
        for a, b in self._pairs(context.types):
            x, y = (pl.col(a), pl.col(b)) if context.types[a] == context.types[b] else (_text(a), _text(b))
            made[f"{a}\0{b}\0none"] = Measure((x.is_null() & y.is_null()).sum())
            made[f"{a}\0{b}\0same"] = Measure(x.eq_missing(y).sum())
        return made

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        words = "columns of different content"
        none = {(a, b): values[f"{a}\0{b}\0none"] or 0 for a, b in self._pairs(context.types)}
        given = {pair: values["rows"] - n for pair, n in none.items() if values["rows"] > n}
        if not given:
            return Verdict("not evaluated", {}, words)
        agree = {(a, b): ((values[f"{a}\0{b}\0same"] or 0) - none[a, b]) / n for (a, b), n in given.items()}
        same = {pair: share for pair, share in agree.items() if share > self._share or share == 1}
        told = [f"{a} and {b} ({share:.1%})" for (a, b), share in sorted(same.items(), key=lambda s: -s[1])]
        more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        message = f"the same content: {', '.join(told[:SHOWN])}{more}, expected {words}" if told else ""
        return Verdict("fail" if told else "pass", {"same": len(told)}, words, message)

    def _pairs(self, types: Types) -> Iterator[tuple[str, str]]:
        here = [c for c in self.columns or types if not c.startswith("_") and types[c].kind not in ("list", "struct", "binary")]
        return itertools.combinations(here[:MOST], 2)

    @property
    def _share(self) -> float:
        return share_of(self.share)


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String, strict=False)
