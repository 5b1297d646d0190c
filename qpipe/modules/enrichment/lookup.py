"""lookup"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Ask, Context, Rule, Transform, Types
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.key_index import KeyIndex
from qpipe.core.lazy import pl
from qpipe.core.params import Duration, NewColumn, SourceRef, param
from qpipe.core.types import DataType
from qpipe.modules._exact import exact, misfit
from qpipe.modules._names import pairs
from qpipe.modules._prepared import prepared
from qpipe.modules.enrichment._nearest import Ordered, Similar
from qpipe.modules.transformation._text import Answers, answered, answers_for, is_answered

if TYPE_CHECKING:
    import polars as pl

Index = KeyIndex | Ordered | Similar
_ON_A_LINE = ("integer", "float", "decimal", "date", "datetime")


class Lookup(Transform):
    """Columns of a reference source are added, by key.

    Every row stays, once, in its place: the key must be unique in the reference, or the run is refused with the keys that are
    not. A row whose key the reference does not have gets null, or the values given under `unmatched`; it is an error besides
    with `unmatched: quarantine`, and ends the run with `unmatched: fail`. A null key looks nothing up: it gets null, or those
    values, and is no error. Without `take`, all other columns of the reference are added.

    Instead of a key, or within the rows of one key, `as_of: {mine: theirs}` takes the row before (`direction: earlier`, the
    same place counts), after (`later`) or `nearest` on a line of dates or numbers, not further away than `within`; `range:
    {mine: [from, to]}` takes the row whose period holds the value, a null end being open; `fuzzy: {mine: theirs}` takes the
    text that is the most alike, at least `threshold` of 100 (case, accents, punctuation, order of words do not count; two that
    are equally alike are none). `unmatched: question` asks a person about the other texts, with the nearest ones to choose
    from.

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
        ```yaml
        module:
          lookup: {from: rates, on: currency, as_of: {day: since}, within: 10, take: [rate]}
        tables: {rates: [{currency: USD, since: 1, rate: 0.9}, {currency: USD, since: 5, rate: 0.8}]}
        rows: [{currency: USD, day: 4}, {currency: USD, day: 5}, {currency: USD, day: 16}, {currency: USD, day: 0}]
        gives:
          - {currency: USD, day: 4, rate: 0.9}
          - {currency: USD, day: 5, rate: 0.8}
          - {currency: USD, day: 16, rate: null}
          - {currency: USD, day: 0, rate: null}
        ```
        ```yaml
        module:
          lookup: {from: prices, on: item, range: {day: [from, to]}, closed: left, take: [price], unmatched: quarantine}
        tables: {prices: [{item: a, from: 1, to: 5, price: 10}, {item: a, from: 5, to: null, price: 12}]}
        rows: [{item: a, day: 4}, {item: a, day: 5}, {item: a, day: 0}]
        failed: [2]
        gives: [{item: a, day: 4, price: 10}, {item: a, day: 5, price: 12}, {item: a, day: 0, price: null}]
        ```
        ```yaml
        module:
          lookup: {from: firms, fuzzy: {firm: name}, threshold: 85, take: {firm_id: id}, score: alike, unmatched: question}
        tables: {firms: [{id: 1, name: Muller GmbH}, {id: 2, name: Berliner Post AG}]}
        rows: [{firm: "gmbh Müller"}, {firm: Post}, {firm: null}]
        gives: [{firm: "gmbh Müller", firm_id: 1, alike: 100.0}, {firm: Post, firm_id: null, alike: null},
                {firm: null, firm_id: null, alike: null}]
        asks: {Post: []}
        ```
    """

    like = ("join", "left join", "vlookup", "cell.cross", "merge", "enrich", "reference table lookup", "add columns from",
            "asof join", "merge_asof", "join_asof", "range join", "interval join", "between join", "slowly changing dimension",
            "fuzzy join", "fuzzy lookup", "approximate match")  # fmt: skip

    source: SourceRef = param(alias="from", help="the reference source to look into")
    on: str | tuple[str, ...] | dict[str, str] = param((), help="the key: a column, several, or {mine: theirs}")
    take: tuple[str, ...] | dict[str, str] | None = param(None, help="what to add: [column, …] or {new name: theirs}")
    unmatched: Literal["null", "quarantine", "fail", "question"] | dict[str, Any] = param(
        "null", help="nothing found: null, an error, the end of the run, a question (fuzzy), or {column: value}"
    )
    as_of: str | dict[str, str] | None = param(None, help="the nearest on a line of dates or numbers: {mine: theirs}")
    direction: Literal["earlier", "later", "nearest"] = param("earlier", help="as_of: which one")
    within: Duration | None = param(None, help="as_of: how far away at most: a number, or a duration such as 7d")
    range: dict[str, tuple[str, ...]] | None = param(None, help="the period that holds the value: {mine: [from, to]}")
    closed: Literal["both", "left", "right", "none"] = param("both", help="range: which of its ends belong to a period")
    fuzzy: str | dict[str, str] | None = param(None, help="the text that is the most alike: {mine: theirs}")
    threshold: float = param(90.0, help="fuzzy: how alike it must be, from 0 to 100", minimum=50, maximum=100)
    score: NewColumn | None = param(None, help="fuzzy: a new column for how alike it is")

    def references(self) -> tuple[str, ...]:
        return (self.source,)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for mine in self._key:
            if types is not None and mine in types and types[mine].kind in ("float", "list", "struct", "binary"):
                yield "on", f"'{mine}' is {types[mine].describe()}, which is no good key: cast it first"
        yield from self._wrong_search(types)
        if self.take is not None and not self.take:
            yield "take", "name at least one column, or leave take out to add all"
        for new in [*(self._taken or ()), *([self.score] if self.score else ())]:
            if types is not None and new in types:
                yield "take", f"there is a column '{new}' already; give the new one another name: take: {{{new}_2: {new}}}"
        if isinstance(self.unmatched, dict):
            for new in self.unmatched if self._taken else ():
                if new not in (self._taken or ()):
                    yield "unmatched", f"'{new}' is none of the columns that are added: {', '.join(self._taken or ())}"

    def _wrong_search(self, types: Types | None) -> Iterator[tuple[str, str]]:
        near = [name for name in ("as_of", "range", "fuzzy") if getattr(self, name)]
        if not self._key and not near:
            yield "on", "name at least one column"
        if len(near) > 1:
            yield near[1], f"{near[0]} or {near[1]}, not both"
        for name in near:
            given = getattr(self, name)
            if isinstance(given, dict) and len(given) != 1:
                yield name, "one column of mine and one of theirs"
            elif name == "range" and len(next(iter(given.values()))) != 2:
                yield name, "write {mine: [from, to]}"
        if self.within is not None and not self.as_of:
            yield "within", "only as_of looks within a distance"
        if (self.unmatched == "question" or self.score) and not self.fuzzy:
            yield "unmatched" if self.unmatched == "question" else "score", "only fuzzy asks, and knows how alike things are"
        mine, kind = self._near, types[self._near].kind if types and self._near in types else "any"
        if self.fuzzy and kind not in ("string", "any"):
            yield "fuzzy", f"'{mine}' is {kind}, not text"
        if (self.as_of or self.range) and kind not in (*_ON_A_LINE, "any"):
            yield near[0], f"'{mine}' is {kind}, which has no place on a line: cast or parse_date first"

    def reads(self) -> Iterator[tuple[str, str]]:
        yield from (("on", mine) for mine in self._key)
        if self._near:
            yield next(n for n in ("as_of", "range", "fuzzy") if getattr(self, n)), self._near

    def output_types(self, types: Types) -> Types:
        raise LookupError(f"what {self.name} adds is known where the columns of '{self.source}' are")

    def types_after(self, types: Types, tables: Mapping[str, Types]) -> Types:
        theirs = tables[self.source]
        added = {new: theirs[name] for new, name in self._adds(theirs).items()}
        return {**types, **added, **({self.score: DataType("float")} if self.score else {})}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        search = prepared(self, context, self._search)
        if self.unmatched == "fail":
            refuse = functools.partial(self._refuse, search=search)
            frame = frame.map_batches(refuse, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False)
        frame = frame.with_columns(search.taken.struct.unnest())
        if self.score:
            frame = frame.with_columns(search.score.alias(self.score))
        if not isinstance(self.unmatched, dict):
            return frame
        absent, schema = search.found.is_null(), search.table.schema
        values = {new: exact(value, DataType.of(schema[new])) for new, value in self.unmatched.items()}
        return frame.with_columns(
            pl.when(absent).then(value).otherwise(pl.col(new)).alias(new) for new, value in values.items()
        )

    def rules(self, context: Context) -> tuple[Rule, ...]:
        if self.unmatched not in ("quarantine", "question"):
            return ()
        search = prepared(self, context, self._search)
        bad = search.missing if self.unmatched == "quarantine" else search.missing & search.rejected
        expected = f"one of {self.source}.{', '.join([*self._key.values(), *self._near_theirs])}"
        return (Rule(bad, self._mine, expected, search.given),)

    def asks(self, context: Context) -> tuple[Ask, ...]:
        if self.unmatched != "question":
            return ()
        search = prepared(self, context, self._search)
        similar = search.index
        assert isinstance(similar, Similar)
        question = f"which {self.source} is the {self._near} '{{value}}'?"
        return (Ask(search.missing & ~search.answered, self._near, question,
                    lambda values: {value: similar.nearest(value) for value in values}),)  # fmt: skip

    @property
    def _key(self) -> dict[str, str]:
        """My column → theirs."""
        return pairs(self.on)

    @property
    def _taken(self) -> dict[str, str] | None:
        """New name → their column; None: all there are."""
        return None if self.take is None else pairs(self.take)

    @property
    def _near(self) -> str:
        """My column that need not be equal to theirs."""
        given = self.as_of or self.range or self.fuzzy or ""
        return given if isinstance(given, str) else next(iter(given), "")

    @property
    def _near_theirs(self) -> tuple[str, ...]:
        if self.range:
            return next(iter(self.range.values()))
        given = self.as_of or self.fuzzy
        return () if not given else (given,) if isinstance(given, str) else tuple(given.values())

    @property
    def _mine(self) -> tuple[str, ...]:
        return (*self._key, *([self._near] if self._near else []))

    def _adds(self, theirs: Mapping[str, Any]) -> dict[str, str]:
        used = {*self._key.values(), *self._near_theirs}
        return self._taken if self._taken is not None else {n: n for n in theirs if n not in used}

    def _search(self, context: Context) -> _Search:
        """The index over the reference, built once for a run."""
        table = context.tables[self.source]
        adds = self._adds(table.schema)
        self._check(table, adds, context.types)
        index, repeated = self._index(table)
        if repeated:
            names = ", ".join([*self._key.values(), *self._near_theirs])
            raise DataRefused(
                f"{self.source}: {names} {'overlap' if self.range else 'is not unique'}: {repeated}",
                hint="a lookup needs one row for a key: mend the reference, or take more columns as the key",
            )
        taken = table.select(pl.col(name).alias(new) for new, name in adds.items())
        return _Search.of(index, self._mine, taken, answers_for(self, context) if self.unmatched == "question" else ())

    def _index(self, table: pl.DataFrame) -> tuple[Index, str]:
        """The index, and keys that stand there more than once."""
        keys, near = list(self._key.values()), self._near_theirs
        if not near or self.fuzzy:
            index = Similar(table, keys, near[0], self.threshold) if near else KeyIndex(table, keys)
            twice = index.repeated().rows()
            return index, "; ".join(", ".join(map(str, row[:-1])) + f" ({row[-1]} rows)" for row in twice)
        ends = table[near[1]] if self.range else None
        line = Ordered(table, keys, table[near[0]], ends, closed=self.closed, within=self.within,
                       direction="earlier" if self.range else self.direction)  # fmt: skip
        rows = table.select([*keys, *near])[line.repeated()[:5]].rows()
        return line, "; ".join(", ".join(map(str, row)) for row in rows)

    def _check(self, table: pl.DataFrame, adds: Mapping[str, str], types: Types) -> None:
        """What can only be seen when the reference is there."""
        for name in (*self._key.values(), *self._near_theirs, *adds.values()):
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

        for name in self._near_theirs:
            given, theirs = types[self._near], DataType.of(table.schema[name])
            alike = given.kind == theirs.kind or {given.kind, theirs.kind} <= {"integer", "float", "decimal"}
            if not alike or given.zone != theirs.zone:
                raise QpipeError(f"'{self._near}' is {given.describe()}, but {self.source}.{name} is {theirs.describe()}",
                                 hint="cast one of them, or declare it in the source's schema")  # fmt: skip

    def _refuse(self, frame: pl.DataFrame, search: _Search) -> pl.DataFrame:
        missing = frame.filter(search.missing)
        if missing.height:
            keys = missing.select(list(self._mine)).unique(maintain_order=True).head(5).rows()
            shown = "; ".join(", ".join(map(str, key)) for key in keys)
            raise DataRefused(
                f"{self.source} has no row for {', '.join(self._mine)}: {shown} ({missing.height} rows of this batch)",
                hint="unmatched: quarantine lets the other rows pass",
            )
        return frame


@dataclass(frozen=True)
class _Search:
    """The row of the reference for each row; the columns from there; whether a key was given, and not found."""

    index: Index
    table: pl.DataFrame
    found: pl.Expr
    score: pl.Expr
    taken: pl.Expr
    given: pl.Expr
    missing: pl.Expr
    answered: pl.Expr  # a person has said something of the last column's value
    rejected: pl.Expr  # or it is no good

    @classmethod
    def of(cls, index: Index, columns: tuple[str, ...], table: pl.DataFrame, answers: Answers) -> _Search:
        chief = pl.col(columns[-1])
        names = [*map(pl.col, columns[:-1]), answered(chief, answers)]
        key = pl.struct(names) if len(columns) > 1 else names[0]
        shape = pl.Struct({"row": pl.UInt32(), "score": pl.Float64()})
        if isinstance(index, Similar):
            both = key.map_batches(functools.partial(_scored, index=index), return_dtype=shape, is_elementwise=True)
            found, score = both.struct.field("row"), both.struct.field("score")
        else:
            found = key.map_batches(functools.partial(_find, index=index), return_dtype=pl.UInt32(), is_elementwise=True)
            score = pl.lit(None, dtype=pl.Float64)
        taken = found.map_batches(
            functools.partial(_take, table=table), return_dtype=pl.Struct(table.schema), is_elementwise=True
        )
        given = pl.all_horizontal([pl.col(name).is_not_null() for name in columns])
        wrong = [value for value, said in answers if said and said != value]
        return cls(index, table, found, score, taken, given, given & found.is_null(), is_answered(chief, answers),
                   chief.is_in(wrong))  # fmt: skip


def _find(keys: pl.Series, index: KeyIndex | Ordered) -> pl.Series:
    found = index.find(keys.struct.unnest() if keys.dtype == pl.Struct else keys.to_frame())
    lost, rows = found < 0, pl.Series(keys.name, found.astype("uint32"))
    return rows.set(pl.Series(lost), None) if lost.any() else rows


def _scored(keys: pl.Series, index: Similar) -> pl.Series:
    rows, scores = index.scored(keys.struct.unnest() if keys.dtype == pl.Struct else keys.to_frame())
    told = pl.DataFrame({"row": rows, "score": scores}).with_columns(pl.when(pl.col("row") >= 0).then(pl.all()))
    return told.select(pl.col("row").cast(pl.UInt32), pl.col("score").round(1)).to_struct(keys.name)


def _take(found: pl.Series, table: pl.DataFrame) -> pl.Series:
    return table.select(pl.all().gather(found)).to_struct(found.name)
