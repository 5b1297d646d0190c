"""join"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Step, Types
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.params import SourceRef, param
from qpipe.modules._names import pairs

if TYPE_CHECKING:
    import polars as pl


class Join(Step):
    """Rows meet the rows of a reference source that have their key: one row comes out for each pair.

    `how: left` keeps a row that meets none, with null in the columns that are added; `inner` drops it; `semi` keeps rows that
    meet one and adds nothing; `anti` keeps those that meet none. A null key meets nothing. Rows stay in their order, those of
    one row in the reference's. `expect: one` refuses the run where a row meets several, `expect: some` where it meets none.
    For one row a key, lookup does the same, marks what it did not find, and is quicker.

    Examples:
        ```yaml
        module:
          join: {from: lines, on: {id: order}, take: [item]}
        tables: {lines: [{order: 1, item: a}, {order: 2, item: b}, {order: 1, item: c}]}
        rows: [{id: 1}, {id: 3}, {id: null}]
        gives: [{id: 1, item: a}, {id: 1, item: c}, {id: 3, item: null}, {id: null, item: null}]
        ```
        ```yaml
        module:
          join: {from: blocked, on: email, how: anti}
        tables: {blocked: [{email: x@a.org}]}
        rows: [{email: x@a.org}, {email: y@a.org}, {email: null}]
        gives: [{email: y@a.org}, {email: null}]
        dropped: [0]
        ```
    """

    like = ("inner join", "left join", "one to many join", "semi join", "anti join", "merge", "join", "exclude list")

    source: SourceRef = param(alias="from", help="the reference source to join")
    on: str | tuple[str, ...] | dict[str, str] = param(help="the key: a column, several, or {mine: theirs}")
    take: tuple[str, ...] | dict[str, str] | None = param(
        None, help="what to add: [column, …] or {new name: theirs}; unset: all but the key"
    )
    how: Literal["left", "inner", "semi", "anti"] = param("left", help="which rows stay")
    expect: Literal["any", "one", "some"] = param("any", help="how many rows of the reference a row may meet")

    def references(self) -> tuple[str, ...]:
        return (self.source,)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if not self._key:
            yield "on", "name at least one column"
        if self.take and self.how in ("semi", "anti"):
            yield "take", f"how: {self.how} adds no columns"
        for mine in self._key:
            if types and mine in types and types[mine].kind in ("float", "list", "struct"):
                yield "on", f"'{mine}' is {types[mine].describe()}, which is no good key: cast it first"
        for new in self._taken or ():
            if types and new in types:
                yield "take", f"there is a column '{new}' already; give the new one another name: take: {{{new}_2: {new}}}"

    def reads(self) -> Iterator[tuple[str, str]]:
        return (("on", mine) for mine in self._key)

    def output_types(self, types: Types) -> Types:
        raise LookupError(f"what {self.name} adds is known where the columns of '{self.source}' are")

    def types_after(self, types: Types, tables: Mapping[str, Types]) -> Types:
        theirs = tables[self.source]
        return {**types, **{new: theirs[name] for new, name in self._adds(theirs).items()}}

    def process(self, frame: pl.DataFrame, context: Context) -> pl.DataFrame:
        table = context.tables[self.source]
        adds = self._adds(table.schema)
        self._check(frame, table, adds)
        if self.how in ("semi", "anti"):
            return frame.join(table, left_on=list(self._key), right_on=list(self._key.values()), how=self.how,
                              maintain_order="left")  # fmt: skip
        keys = {f"\x00{mine}": theirs for mine, theirs in self._key.items()}
        right = table.select(
            **{new: table[theirs] for new, theirs in keys.items()}, **{new: table[name] for new, name in adds.items()}
        )
        joined = frame.join(right, left_on=list(self._key), right_on=list(keys), how=self.how, maintain_order="left_right")
        self._as_expected(frame, right.select(list(keys)))
        return joined

    @property
    def _key(self) -> dict[str, str]:
        """My column → theirs."""
        return pairs(self.on)

    @property
    def _taken(self) -> dict[str, str] | None:
        return None if self.take is None else pairs(self.take)

    def _adds(self, theirs: Mapping[str, object]) -> dict[str, str]:
        if self.how in ("semi", "anti"):
            return {}
        return self._taken if self._taken is not None else {n: n for n in theirs if n not in self._key.values()}

    def _check(self, frame: pl.DataFrame, table: pl.DataFrame, adds: Mapping[str, str]) -> None:
        for name in (*self._key.values(), *adds.values()):
            if name not in table.columns:
                raise QpipeError(f"{self.source} has no column '{name}'; it has {', '.join(table.columns)}")
        if both := [new for new in adds if new in frame.columns]:
            raise QpipeError(f"{self.source}.{adds[both[0]]} would be added as '{both[0]}', which is there already",
                             hint=f"name what to add: take: {{{both[0]}_2: {adds[both[0]]}}}")  # fmt: skip
        for mine, theirs in self._key.items():
            given, there = frame.schema[mine], table.schema[theirs]
            if given != there and not (given.is_integer() and there.is_integer()):
                raise QpipeError(f"'{mine}' is {given}, but {self.source}.{theirs} is {there}",
                                 hint="a key is of one kind on both sides: cast one, or declare it in the schema")  # fmt: skip

    def _as_expected(self, frame: pl.DataFrame, keys: pl.DataFrame) -> None:
        mine = list(self._key)
        if self.expect == "some" and (lost := frame.join(keys, left_on=mine, right_on=keys.columns, how="anti")).height:
            raise DataRefused(f"{self.source} has no row for {_shown(lost, mine)}", hint="expect: any lets such rows pass")
        if self.expect == "one":
            several = keys.filter(keys.is_duplicated())
            met = frame.join(several.unique(), left_on=mine, right_on=keys.columns, how="semi", maintain_order="left")
            if met.height:
                raise DataRefused(f"{self.source} has several rows for {_shown(met, mine)}",
                                  hint="mend the reference, take more columns as the key, or say expect: any")  # fmt: skip


def _shown(frame: pl.DataFrame, columns: list[str]) -> str:
    keys = frame.select(columns).unique(maintain_order=True).head(5).rows()
    return f"{', '.join(columns)}: " + "; ".join(", ".join(map(str, key)) for key in keys)
