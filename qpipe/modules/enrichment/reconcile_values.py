"""reconcile_values"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qpipe.analysis.matching import Matcher, plain
from qpipe.core.component import Ask, Context, Rule, Transform, Types
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import Column, ColumnRef, NewColumn, param
from qpipe.core.types import DataType
from qpipe.modules._by_value import part, parts_by_value
from qpipe.modules._prepared import prepared
from qpipe.modules.transformation._text import answered, answers_for, is_answered

if TYPE_CHECKING:
    import polars as pl


class ReconcileValues(Transform):
    """Values become those of an authority: a list, or a column of a reference source, of what there is.

    A value of the authority stays. Another one becomes the one it is like: equal but for case, accents, punctuation and order
    of words, or alike to at least `threshold` of 100, and clearly more so than any other (by `margin`). For the rest `unsure`
    says whether a person is asked, once for each value, with the nearest to choose from (`question`: an answer may be a value
    of the authority or another text, and can be remembered), or whether they are errors (`quarantine`), null (`null`) or stay
    (`keep`). `score` adds how alike the value is to what it became. Null stays null; an empty text is a value like any other.

    Examples:
        ```yaml
        module:
          reconcile_values: {column: city, to: cities.name, score: alike}
        tables: {cities: [{name: Hamburg}, {name: Homberg}, {name: Frankfurt am Main}]}
        rows: [{city: Hamburg}, {city: "frankfurt (am main)"}, {city: Hambugr}, {city: Homburg}, {city: null}]
        gives: [{city: Hamburg, alike: 100.0}, {city: Frankfurt am Main, alike: 100.0}, {city: Hambugr, alike: null},
                {city: Homburg, alike: null}, {city: null, alike: null}]
        asks: {Hambugr: [Hamburg, Homberg], Homburg: [Hamburg, Homberg]}
        ```
        ```yaml
        module:
          reconcile_values: {column: unit, values: [kilogram, metre], threshold: 80, into: si, unsure: quarantine}
        rows: [{unit: kilogramm}, {unit: furlong}]
        failed: [1]
        gives: [{unit: kilogramm, si: kilogram}, {unit: furlong, si: null}]
        ```
    """

    dimension = "consistency"
    like = ("reconcile", "authority file", "fuzzy match to list", "standardize to reference", "canonicalize", "thesaurus")

    column: Column = param(help="whose values")
    to: ColumnRef | None = param(None, help="the authority: a column of a reference source, as in cities.name")
    values: tuple[str, ...] | None = param(None, help="the authority, written here instead")
    threshold: float = param(90.0, help="how alike a value must be, from 0 to 100", minimum=50, maximum=100)
    margin: float = param(3.0, help="how much more alike than any other", minimum=0, maximum=50)
    unsure: Literal["question", "quarantine", "null", "keep"] = param("question", help="what becomes of the rest")
    into: NewColumn | None = param(None, help="a new column for the result; unset: the column itself")
    score: NewColumn | None = param(None, help="a new column for how alike it is")

    def references(self) -> tuple[str, ...]:
        return (self._source[0],) if self.to else ()

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if (self.to is None) == (self.values is None):
            yield "to", "give to or values, one of them"
        given = (types or {}).get(self.column)
        if given is not None and given.kind not in ("string", "any"):
            yield "column", f"'{self.column}' is {given.describe()}, not text"
        for new in (self.into, self.score):
            if new and types is not None and new in types:
                yield "into", f"there is a column '{new}' already"

    def output_types(self, types: Types) -> Types:
        made = {**types, self.into or self.column: DataType("string")}
        return {**made, self.score: DataType("float")} if self.score else made

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        found = prepared(self, context, self._found)
        value = found.value
        if self.unsure in ("question", "keep"):
            value = pl.coalesce(value, answered(pl.col(self.column).cast(pl.String), answers_for(self, context)))
        score = [found.score.alias(self.score)] if self.score else []
        return frame.with_columns(pl.when(~found.rejected).then(value).alias(self.into or self.column), *score)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        if self.unsure not in ("question", "quarantine"):
            return ()
        found = prepared(self, context, self._found)
        bad = found.unknown if self.unsure == "quarantine" else found.rejected
        return (Rule(bad, (self.column,), f"one of {self.to or 'the values'}", pl.col(self.column).is_not_null()),)

    def asks(self, context: Context) -> tuple[Ask, ...]:
        if self.unsure != "question":
            return ()
        found = prepared(self, context, self._found)
        question = f"which {self.to or self.column} is '{{value}}'?"
        return (Ask(found.unknown & ~found.answered, self.column, question,
                    lambda values: {value: found.authority.nearest(value) for value in values}),)  # fmt: skip

    @property
    def _source(self) -> tuple[str, str]:
        source, _, column = (self.to or "").partition(".")
        return source, column

    def _found(self, context: Context) -> _Found:
        answers = answers_for(self, context)
        authority = _Authority(self._known(context.tables), self.threshold, self.margin)
        raw = pl.col(self.column).cast(pl.String)
        match = parts_by_value(answered(raw, answers), authority.match, {"value": pl.String(), "score": pl.Float64()})
        rejected = raw.is_in([old for old, said in answers if said.startswith("\x00")])
        return _Found(authority, raw, match, is_answered(raw, answers), rejected)

    def _known(self, tables: Mapping[str, pl.DataFrame]) -> list[str]:
        if self.values is not None:
            return list(dict.fromkeys(self.values))
        source, column = self._source
        if column not in tables[source].columns:
            raise QpipeError(f"{source} has no column '{column}'; it has {', '.join(tables[source].columns)}")
        known: list[str] = tables[source][column].cast(pl.String).drop_nulls().unique(maintain_order=True).to_list()
        return known


@dataclass(frozen=True)
class _Found:
    authority: _Authority
    raw: pl.Expr
    match: pl.Expr
    answered: pl.Expr
    rejected: pl.Expr

    @property
    def value(self) -> pl.Expr:
        return part(self.match, "value", pl.String())

    @property
    def score(self) -> pl.Expr:
        return part(self.match, "score", pl.Float64())

    @property
    def unknown(self) -> pl.Expr:
        return self.raw.is_not_null() & self.value.is_null()


class _Authority:
    """What there is; each value is searched once in a run."""

    def __init__(self, known: list[str], threshold: float, margin: float) -> None:
        self._known, self._threshold, self._margin = known, threshold, margin
        self._there = set(known)
        self._matcher = Matcher(known)
        self._plain: dict[str, set[str]] = {}
        for value in known:
            self._plain.setdefault(plain(value), set()).add(value)
        self._seen: dict[str, tuple[str | None, float | None]] = {}

    def match(self, value: str) -> tuple[str | None, float | None]:
        if value not in self._seen:
            self._seen[value] = self._best(value)
        return self._seen[value]

    def nearest(self, value: str) -> list[str]:
        return [self._known[at] for at, _ in self._matcher.nearest(value, 50.0)]

    def _best(self, value: str) -> tuple[str | None, float | None]:
        if value in self._there:
            return value, 100.0
        same = self._plain.get(plain(value), set()) if plain(value) else set()
        if len(same) == 1:
            return next(iter(same)), 100.0
        near = self._matcher.nearest(value, 50.0, 2)
        clear = near and (len(near) == 1 or near[0][1] - near[1][1] >= self._margin)
        if not clear or near[0][1] < self._threshold:
            return None, None
        return self._known[near[0][0]], round(near[0][1], 1)
