"""deduplicate"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, RowVerdict, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules._folding import Ignored, folded
from qpipe.modules.transformation._reshaping import Reshaping, name

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Collector

Rule = Literal["first", "last", "newest", "longest", "most_common", "min", "max", "sum", "all"]
_ORDERED = ("integer", "float", "decimal", "date", "datetime", "time", "duration", "any")


class Deduplicate(Reshaping):
    """Of rows with the same key one stays, in the whole data set; the others are dropped, and counted as dropped by this step.

    Several columns make one key. The row that stays is the first, the last, the one with the greatest value of a column
    (`keep: {newest: changed_at}`; null counts as least) or the most complete one (`keep: {best: [email, phone]}` counts which
    of these columns have a value). Of equals the first stays. A key with a null is like no other, and its row stays, unless
    `nulls_equal: true`; a cell that broke the contract equals nothing, so that its row goes its way. NaN equals NaN; an empty
    text is a value like any other. With `where`, only rows for which it is true are compared with each other. To see
    duplicates instead of dropping them, use the check `unique`.

    `ignore` says what makes no difference in texts of the key: case, whitespace (around, and how much of it), accents,
    punctuation (which counts as whitespace, but for dots and apostrophes). The row that stays keeps its own spelling.

    `survivorship` says, column by column, which cell of the rows with one key the row that stays gets: the `first` or `last`
    that is not null, the `newest` (by the column of `keep: {newest: …}`), the `longest`, the `most_common`, `min`, `max`,
    the `sum`, or `all` different ones, joined by `; `. `"*"` is the rule of every other column outside the key. Nulls never
    win over a value; of equals the first row's counts. Without a rule a cell stays with its row.

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
        ```yaml
        module:
          deduplicate:
            columns: [name]
            ignore: [case, whitespace, accents]
            keep: {newest: seen}
            survivorship: {visits: sum, phone: newest, "*": first}
        rows:
          - {name: Zoé Roy, seen: 1, visits: 2, phone: "11", mail: z@a.org}
          - {name: "zoe  roy", seen: 3, visits: 1, phone: null, mail: null}
          - {name: Zoé Roy, seen: 2, visits: 1, phone: "22", mail: null}
          - {name: Ann Ray, seen: 1, visits: 1, phone: null, mail: null}
        gives:
          - {name: "zoe  roy", seen: 3, visits: 4, phone: "22", mail: z@a.org}
          - {name: Ann Ray, seen: 1, visits: 1, phone: null, mail: null}
        ```
    """

    same_rows = True
    dimension = "uniqueness"
    like = ("drop_duplicates", "distinct", "unique rows", "remove duplicates", "qualify row_number", "dropDuplicates", "dedupe",
            "survivorship", "golden record", "merge duplicates", "master data")  # fmt: skip

    columns: Columns = param(help="the columns that make the key together", short=True, alias="column")
    keep: Literal["first", "last"] | dict[str, Any] = param(
        "first", help="which row stays: first, last, {newest: column}, or {best: [columns that should have a value]}"
    )
    nulls_equal: bool = param(False, help="a null equals another null")
    ignore: tuple[Ignored, ...] = param((), help="what makes no difference in a key: case, whitespace, accents, punctuation")
    survivorship: dict[str, Rule] | None = param(
        None, help='column: which cell of the rows with one key is kept; "*" for all other columns'
    )

    @property
    def effect(self) -> Literal["drop", "replace"]:  # type: ignore[override]
        """Rows go; where cells of several become one, all rows are written anew."""
        return "replace" if self.survivorship else "drop"

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if len(set(self.columns)) < len(self.columns):
            yield "columns", "a column is named twice"
        if isinstance(self.keep, dict):
            yield from self._wrong_order(types)
        if self.survivorship:
            yield from self._wrong_survivors(types)

    def reads(self) -> Iterator[tuple[str, str]]:
        yield from (("keep", column) for column in self._looked_at)
        yield from (("survivorship", column) for column in self.survivorship or () if column != "*")

    @property
    def compared_by(self) -> Columns:
        return self.columns

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        keys = {f"{self._prefix}key{n}": self._key(column, context.types) for n, column in enumerate(self.columns)}
        if isinstance(self.keep, dict):
            keys |= {f"{self._prefix}worth": self._worth()}
        return {**keys, **{column: pl.col(column) for column in context.types}} if self.survivorship else keys

    def collector(self, context: Context, directory: Path) -> Collector:
        from qpipe.core.gather import Keys

        if isinstance(self.keep, dict) or self.survivorship:
            return super().collector(context, directory)
        return Keys(directory, nulls_equal=self.nulls_equal)

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        rows = collected.rows(self._query()) if isinstance(self.keep, dict) else collected.duplicates(self.keep)
        return (RowVerdict(rows, self.columns, "one row for each key"),)

    def query(self, context: Context) -> str:
        """The rows that stay. Only those whose key occurs more than once are grouped; all others pass as they are."""
        keys = [f"__key{n}" for n in range(len(self.columns))]
        rules = self._rules(context.types)
        merged = ", ".join(f"{_SURVIVOR[rule].format(c=name(c))} as {name(c)}" for c, rule in rules.items())
        cells = ", ".join(f"merged.{name(c)}" if c in rules else f"lasting.{name(c)}" for c in context.types)
        columns = ", ".join(name(c) for c in context.types)
        worth = "__worth desc nulls last, _row" if isinstance(self.keep, dict) else f"_row{' desc' * (self.keep == 'last')}"
        full = "true" if self.nulls_equal else " and ".join(f"{key} is not null" for key in keys)
        several = f"select {', '.join(keys)} from data where {full} group by all having count(*) > 1"
        same = _same("data", "twice", keys)
        return f"""
            with twice as ({several}),
            several as (select data.* from data join twice on {same}),
            lasting as (
                select * from several
                qualify row_number() over (partition by {", ".join(keys)} order by {worth}) = 1
            ),
            merged as (select {", ".join([*keys, merged] if merged else keys)} from several group by {", ".join(keys)})
            select _row, {columns} from data where not exists (select 1 from twice where {same})
            union all
            select lasting._row, {cells} from lasting join merged on {_same("lasting", "merged", keys)}"""

    def _query(self) -> str:
        """Rows but the worthiest of each key; the window is over those keys only that occur more than once."""
        keys = [f"key{n}" for n in range(len(self.columns))]
        full = "true" if self.nulls_equal else " and ".join(f"{key} is not null" for key in keys)
        return f"""
            with twice as (select {", ".join(keys)} from data where {full} group by all having count(*) > 1),
            ranked as (
                select _row, row_number() over (
                    partition by {", ".join(f"data.{key}" for key in keys)} order by worth desc nulls last, _row
                ) as place
                from data join twice on {_same("data", "twice", keys)}
            )
            select _row from ranked where place > 1"""

    @property
    def _prefix(self) -> str:
        """Beside the columns themselves, the keys need names that no column has."""
        return "__" if self.survivorship else ""

    def _key(self, column: str, types: Types) -> pl.Expr:
        texts = self.ignore and types[column].kind == "string"
        return folded(pl.col(column), self.ignore) if texts else pl.col(column)

    def _rules(self, types: Types) -> dict[str, Rule]:
        """Column → which cell lasts."""
        given = self.survivorship or {}
        rest: dict[str, Rule] = {c: given["*"] for c in types if c not in self.columns} if "*" in given else {}
        if isinstance(self.keep, dict):  # the row that stays was chosen by it
            rest.pop(self.keep.get("newest", ""), None)
        return rest | {column: rule for column, rule in given.items() if column != "*"}

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
        for column in self._looked_at if types is not None and "newest" in self.keep else ():
            if types is not None and column in types and types[column].kind not in _ORDERED:
                yield "keep", f"'{column}' is {types[column].describe()}; newest needs a date or a number: parse_date first"

    def _wrong_survivors(self, types: Types | None) -> Iterator[tuple[str, str]]:
        rules = self.survivorship or {}
        if self.where is not None:
            yield "where", "survivorship is for all rows: filter or route the others before"
        for column, rule in rules.items():
            kind = types[column].kind if types is not None and column in types else "any"
            if column in self.columns:
                yield "survivorship", f"'{column}' is part of the key"
            if rule == "newest" and not (isinstance(self.keep, dict) and "newest" in self.keep):
                yield "survivorship", f"{column}: newest needs to know by what: keep: {{newest: column}}"
            if rule == "sum" and kind not in ("integer", "float", "decimal", "any"):
                yield "survivorship", f"'{column}' is {kind}, which has no sum"
            if rule in ("longest", "all") and kind not in ("string", "any"):
                yield "survivorship", f"'{column}' is {kind}; {rule} is for texts"


_SURVIVOR: dict[str, str] = {
    "first": "arg_min({c}, _row) filter ({c} is not null)",
    "last": "arg_max({c}, _row) filter ({c} is not null)",
    "newest": "first({c} order by __worth desc nulls last, _row) filter ({c} is not null)",
    "longest": "first({c} order by length({c}) desc, _row) filter ({c} is not null)",
    "most_common": "mode({c} order by _row)",
    "min": "min({c})",
    "max": "max({c})",
    "sum": "sum({c})",
    "all": "string_agg(distinct {c}, '; ' order by {c})",
}


def _same(one: str, other: str, keys: list[str]) -> str:
    return " and ".join(f"{one}.{key} is not distinct from {other}.{key}" for key in keys)
