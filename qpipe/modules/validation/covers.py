"""covers"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import ColumnRef, Columns, param
from qpipe.modules._share import share_of
from qpipe.modules.validation._keyset import absent, reference_keys, their_columns, written

if TYPE_CHECKING:
    import polars as pl

MOST = 5_000_000  # keys of the reference
_FEW = 100_000  # keys up to which it is faster to look for each in a batch than to find the different ones of the batch


class Covers(Gate):
    """Every key of a reference source arrives: nothing that should be here is missing.

    The counterpart of `foreign_key`, which looks the other way. Keys of the reference with a null are left out. `min` says
    which share of them must arrive. A reference without keys, or zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          covers: {columns: shop, references: shops.id}
        tables: {shops: [{id: 1}, {id: 2}, {id: 3}]}
        rows: [{shop: 1}, {shop: 3}, {shop: 3}, {shop: 9}]
        outcome: fail
        ```
        ```yaml
        module:
          covers: {columns: shop, references: shops.id, min: "60%"}
        tables: {shops: [{id: 1}, {id: 2}, {id: 3}]}
        rows: [{shop: 1}, {shop: 3}]
        outcome: pass
        ```
    """

    dimension = "completeness"
    like = (
        "relationships reverse", "expect_column_values_to_cover", "coverage", "missing keys", "contains all", "anti join",
        "expect_query_to_return_all_keys", "ReferentialIntegrity reverse", "is_contained_in_reference", "dimension_anomalies",
        "group_evolution", "new", "groups", "lost",
    )  # fmt: skip

    columns: Columns = param(help="the columns that make the key together", alias="column")
    references_: ColumnRef | tuple[str, ...] = param(help="source.column of a reference source, or a list of them")
    min: float | str = param(1.0, help="the share that must arrive: 0.99, 99%")

    def references(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reference.partition(".")[0] for reference in written(self.references_)))

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(their_columns(self.references_, self.columns)) != len(self.columns):
            yield "references", f"{len(self.columns)} columns refer to another number of columns"
        try:
            if not 0 <= self._share <= 1:
                yield "min", "a share is from 0 to 1, or from 0% to 100%"
        except ValueError:
            yield "min", f"'{self.min}' is no share: write 0.99 or 99%"

    def measures(self, context: Context) -> dict[str, Measure]:
        keys = self._keys(context)
        if keys.width == 1 and keys.height <= _FEW and not self.by and not keys.dtypes[0].is_float():
            known = pl.lit(keys.to_series())
            return {"arrived": Measure(known.filter(known.is_in(pl.col(self.columns[0]).implode())).implode(), "union")}
        key = pl.struct(pl.col(list(self.columns))).hash() if len(self.columns) > 1 else pl.col(self.columns[0])
        whole = pl.all_horizontal(pl.col(column).is_not_null() for column in self.columns)
        arrived = key.filter(whole & ~absent(self.columns, keys)).unique()
        return {"arrived": Measure(arrived.implode(), "union", keep=MOST)}

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        expected, words = self._keys(context).height, self._words()
        if not expected or not values["rows"]:
            return Verdict("not evaluated", {"keys": 0}, words)
        arrived = len(values["arrived"] or ())
        share = arrived / expected
        good = share >= self._share
        message = (
            ""
            if good
            else f"{expected - arrived:,} of {expected:,} keys of {self.references()[0]} are missing, expected {words}"
        )
        return Verdict("pass" if good else "fail", {"share": share, "missing": expected - arrived}, words, message)

    @property
    def _share(self) -> float:
        return share_of(self.min)

    def _words(self) -> str:
        return (
            f"all keys of {self.references()[0]}" if self._share == 1 else f"{self.min} of the keys of {self.references()[0]}"
        )

    def _keys(self, context: Context) -> pl.DataFrame:
        source = self.references()[0]
        keys = reference_keys(self.columns, source, their_columns(self.references_, self.columns), context)
        keys = keys.drop_nulls().unique()
        if keys.height > MOST:
            raise QpipeError(f"{source} has {keys.height:,} keys; covers looks for at most {MOST:,}",
                             hint="a query can do more: sql with failing")  # fmt: skip
        return keys
