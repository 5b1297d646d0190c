"""lookup"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.key_index import KeyIndex
from qpipe.core.lazy import pl
from qpipe.core.params import SourceRef, param
from qpipe.core.types import DataType
from qpipe.modules._exact import exact, misfit
from qpipe.modules._prepared import prepared

if TYPE_CHECKING:
    import polars as pl


class Lookup(Transform):
    """Columns of a reference source are added, by key.

    Every row stays, once, in its place: the key must be unique in the reference, or the run is refused with the keys that are
    not. A row whose key the reference does not have gets null, or the values given under `unmatched`; it is an error besides
    with `unmatched: quarantine`, and ends the run with `unmatched: fail`. A null key looks nothing up: it gets null, or those
    values, and is no error. Without `take`, all other columns of the reference are added.

    Examples:
        ```yaml
        module:
          lookup: {from: rates, on: currency, take: {eur_rate: rate}, unmatched: quarantine}
        tables: {rates: [{currency: USD, rate: 0.9}, {currency: GBP, rate: 1.2}]}
        rows: [{id: 1, currency: GBP}, {id: 2, currency: XXX}, {id: 3, currency: null}]
        failed: [1]
        gives:
          - {id: 1, currency: GBP, eur_rate: 1.2}
          - {id: 2, currency: XXX, eur_rate: null}
          - {id: 3, currency: null, eur_rate: null}
        ```
        ```yaml
        module:
          lookup: {from: shops, on: {shop: id, country: country}, take: [name], unmatched: {name: unknown}}
        tables: {shops: [{id: 7, country: DE, name: Mitte}, {id: 7, country: FR, name: Marais}]}
        rows: [{shop: 7, country: FR}, {shop: 8, country: FR}]
        gives: [{shop: 7, country: FR, name: Marais}, {shop: 8, country: FR, name: unknown}]
        ```
    """

    like = ("join", "left join", "vlookup", "cell.cross", "merge", "enrich", "reference table lookup", "add columns from")

    source: SourceRef = param(alias="from", help="the reference source to look into")
    on: str | tuple[str, ...] | dict[str, str] = param(help="the key: a column, several, or {mine: theirs}")
    take: tuple[str, ...] | dict[str, str] | None = param(None, help="what to add: [column, …] or {new name: theirs}")
    unmatched: Literal["null", "quarantine", "fail"] | dict[str, Any] = param(
        "null", help="a key that the reference does not have: null, an error, the end of the run, or {column: value}"
    )

    def references(self) -> tuple[str, ...]:
        return (self.source,)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for mine in self._key:
            if types is not None and mine in types and types[mine].kind in ("float", "list", "struct", "binary"):
                yield "on", f"'{mine}' is {types[mine].describe()}, which is no good key: cast it first"
        if not self._key:
            yield "on", "name at least one column"
        if self.take is not None and not self.take:
            yield "take", "name at least one column, or leave take out to add all"
        for new in self._taken or ():
            if types is not None and new in types:
                yield "take", f"there is a column '{new}' already; give the new one another name: take: {{{new}_2: {new}}}"
        if isinstance(self.unmatched, dict):
            for new in self.unmatched if self._taken else ():
                if new not in (self._taken or ()):
                    yield "unmatched", f"'{new}' is none of the columns that are added: {', '.join(self._taken or ())}"

    def reads(self) -> Iterator[tuple[str, str]]:
        return (("on", mine) for mine in self._key)

    def output_types(self, types: Types) -> Types:
        raise LookupError(f"what {self.name} adds is known where the columns of '{self.source}' are")

    def types_after(self, types: Types, tables: Mapping[str, Types]) -> Types:
        theirs = tables[self.source]
        return {**types, **{new: theirs[name] for new, name in self._adds(theirs).items()}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        search = prepared(self, context, self._search)
        if self.unmatched == "fail":
            refuse = functools.partial(self._refuse, search=search)
            frame = frame.map_batches(refuse, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False)
        added = search.taken.struct.unnest()
        if not isinstance(self.unmatched, dict):
            return frame.with_columns(added)
        absent, schema = search.found.is_null(), search.table.schema
        values = {new: exact(value, DataType.of(schema[new])) for new, value in self.unmatched.items()}
        return frame.with_columns(added).with_columns(
            pl.when(absent).then(value).otherwise(pl.col(new)).alias(new) for new, value in values.items()
        )

    def rules(self, context: Context) -> tuple[Rule, ...]:
        if self.unmatched != "quarantine":
            return ()
        search = prepared(self, context, self._search)
        expected = f"one of {self.source}.{', '.join(self._key.values())}"
        return (Rule(search.missing, tuple(self._key), expected, search.given),)

    @property
    def _key(self) -> dict[str, str]:
        """My column → theirs."""
        if isinstance(self.on, dict):
            return self.on
        return {name: name for name in ((self.on,) if isinstance(self.on, str) else self.on)}

    @property
    def _taken(self) -> dict[str, str] | None:
        """New name → their column; None: all there are."""
        return self.take if isinstance(self.take, dict) or self.take is None else {name: name for name in self.take}

    def _adds(self, theirs: Mapping[str, Any]) -> dict[str, str]:
        return self._taken if self._taken is not None else {n: n for n in theirs if n not in self._key.values()}

    def _search(self, context: Context) -> _Search:
        """The index over the reference, built once for a run."""
        table = context.tables[self.source]
        adds = self._adds(table.schema)
        self._check(table, adds, context.types)
        index = KeyIndex(table, list(self._key.values()))
        if (repeated := index.repeated()).height:
            keys = "; ".join(", ".join(map(str, row[:-1])) + f" ({row[-1]} rows)" for row in repeated.rows())
            raise DataRefused(
                f"{self.source}: {', '.join(self._key.values())} is not unique: {keys}",
                hint="a lookup needs one row for a key: mend the reference, or take more columns as the key",
            )
        return _Search.of(index, tuple(self._key), table.select(pl.col(name).alias(new) for new, name in adds.items()))

    def _check(self, table: pl.DataFrame, adds: Mapping[str, str], types: Types) -> None:
        """What can only be seen when the reference is there."""
        for name in (*self._key.values(), *adds.values()):
            if name not in table.columns:
                raise QpipeError(f"{self.source} has no column '{name}'; it has {', '.join(table.columns)}")
        if both := [new for new in adds if new in types]:
            raise QpipeError(f"{self.source}.{adds[both[0]]} would be added as '{both[0]}', which is there already",
                             hint=f"name what to add: take: {{{both[0]}_2: {adds[both[0]]}}}")  # fmt: skip
        for new, value in self.unmatched.items() if isinstance(self.unmatched, dict) else ():
            if new not in adds:
                raise QpipeError(f"unmatched: '{new}' is none of the columns that are added: {', '.join(adds)}")
            theirs = DataType.of(table.schema[adds[new]])
            if wrong := misfit(value, theirs):
                raise QpipeError(f"unmatched: {wrong}, and '{new}' is {theirs.describe()}")
        for mine, name in self._key.items():
            given, theirs = types[mine], DataType.of(table.schema[name])
            if given.kind != theirs.kind or theirs.kind == "float" or given.zone != theirs.zone:
                raise QpipeError(
                    f"'{mine}' is {given.describe()}, but {self.source}.{name} is {theirs.describe()}",
                    hint="a key is of one kind on both sides: cast one of them, or declare it in the source's schema",
                )

    def _refuse(self, frame: pl.DataFrame, search: _Search) -> pl.DataFrame:
        missing = frame.filter(search.missing)
        if missing.height:
            keys = missing.select(list(self._key)).unique(maintain_order=True).head(5).rows()
            shown = "; ".join(", ".join(map(str, key)) for key in keys)
            raise DataRefused(
                f"{self.source} has no row for {', '.join(self._key)}: {shown} ({missing.height} rows of this batch)",
                hint="unmatched: quarantine lets the other rows pass",
            )
        return frame


@dataclass(frozen=True)
class _Search:
    """The row of the reference for each row; the columns from there; whether a key was given, and not found."""

    table: pl.DataFrame
    found: pl.Expr
    taken: pl.Expr
    given: pl.Expr
    missing: pl.Expr

    @classmethod
    def of(cls, index: KeyIndex, columns: tuple[str, ...], table: pl.DataFrame) -> _Search:
        key = pl.struct(columns) if len(columns) > 1 else pl.col(columns[0])
        found = key.map_batches(functools.partial(_find, index=index), return_dtype=pl.UInt32(), is_elementwise=True)
        taken = found.map_batches(
            functools.partial(_take, table=table), return_dtype=pl.Struct(table.schema), is_elementwise=True
        )
        given = pl.all_horizontal([pl.col(name).is_not_null() for name in columns])
        return cls(table, found, taken, given, given & found.is_null())


def _find(keys: pl.Series, index: KeyIndex) -> pl.Series:
    found = pl.Series(keys.name, index.find(keys.struct.unnest() if keys.dtype == pl.Struct else keys.to_frame()))
    lost = found < 0
    return (found.set(lost, None) if lost.any() else found).cast(pl.UInt32)


def _take(found: pl.Series, table: pl.DataFrame) -> pl.Series:
    return table.select(pl.all().gather(found)).to_struct(found.name)
