"""map_values"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import REJECTED, Ask, Context, Rule, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, NewColumn, Path, param
from qpipe.core.parse import parse_text
from qpipe.core.types import DataType
from qpipe.modules._prepared import prepared
from qpipe.modules.transformation._mappings import read_mapping
from qpipe.modules.transformation._text import answers_for, text

if TYPE_CHECKING:
    import polars as pl


class MapValues(Transform):
    """Values become others, by a table.

    The table stands here or in a file beside the spec: YAML (old: new) or CSV (two columns, from and to). A value that already
    is one of the table's new values is known, too, and stays. An empty new value means null. What becomes of any other value
    says `unknown`: it is kept, or null, or null and an error (`quarantine`), or a person is asked, with the nearest known
    values offered (`question`); the row waits, and the answer counts for every row with that value. An answer may be a new
    value, or an old one of the table, which then means the same as that; a rejected value becomes null and an error. Null stays
    null.

    Examples:
        ```yaml
        module:
          map_values: {column: status, table: {P: paid, N: new}}
        rows: [{status: P}, {status: paid}, {status: X}, {status: null}]
        gives: [{status: paid}, {status: paid}, {status: X}, {status: null}]
        ```
        ```yaml
        module:
          map_values: {column: country, table: {Germany: DE, France: FR}, into: code, unknown: question, ignore_case: true}
        rows: [{country: " germany"}, {country: Germny}, {country: FR}]
        gives: [{country: " germany", code: DE}, {country: Germny, code: null}, {country: FR, code: FR}]
        asks: {Germny: [DE]}
        ```
        ```yaml
        module:
          map_values: {column: stars, table: {1: bad, 2: fair, 3: good}, unknown: quarantine}
        rows: [{stars: 3}, {stars: 9}]
        failed: [1]
        gives: [{stars: good}, {stars: null}]
        ```
    """

    like = ("recode", "replace_values", "mass edit", "mapping", "value.replace()", "value map", "cell mapping", "case when")

    column: Column = param(help="whose values")
    table: dict[str, Any] | None = param(None, help="old value: new value")
    file: Path | None = param(None, help="a file with the table, instead")
    unknown: Literal["keep", "null", "quarantine", "question"] = param("keep", help="what becomes of a value that is not there")
    ignore_case: bool = param(False, help="capitals, and blanks around, make no difference")
    into: NewColumn | None = param(None, help="a new column for the result; unset: the column itself")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if (self.table is None) == (self.file is None):
            yield "table", "give a table or a file, one of them"
        elif self.table is not None:
            yield from self._problems_of(self.table)
        given = (types or {}).get(self.column)
        if given is not None and given.kind not in ("string", "integer", "bool", "any"):
            yield "column", f"'{self.column}' is {given.describe()}; text, whole numbers and true or false can be mapped"
        elif given is not None and self.unknown == "keep" and given.kind not in ("any", self._type().kind):
            yield (
                "unknown",
                f"unknown values cannot be kept: '{self.column}' is {given.describe()}, the table gives {self._type()}",
            )

    def _problems_of(self, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        kinds = {type(new) for new in table.values() if new is not None}
        if not table:
            yield "table", "the table is empty"
        elif not kinds <= {str, int, float, bool}:
            yield "table", "a new value is text, a number, or true or false"
        elif len(kinds) > 1 and kinds != {int, float}:
            yield "table", "the new values are not all of one kind; put quotes around those that are meant as text"
        folded: dict[str, str] = {}
        for old, new in table.items() if self.ignore_case else ():
            other = folded.setdefault(_fold(old), old)
            if table[other] != new:
                yield "table", f"'{old}' and '{other}' are the same when case is ignored, but become different values"

    def output_types(self, types: Types) -> Types:
        return {**types, self.into or self.column: self._type()}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(prepared(self, context, self._mapped).values.alias(self.into or self.column))

    def rules(self, context: Context) -> tuple[Rule, ...]:
        if self.unknown not in ("quarantine", "question"):
            return ()
        mapped = prepared(self, context, self._mapped)
        bad = mapped.unknown if self.unknown == "quarantine" else mapped.rejected
        return (Rule(bad, (self.column,), mapped.expected(), pl.col(self.column).is_not_null()),)

    def asks(self, context: Context) -> tuple[Ask, ...]:
        if self.unknown != "question":
            return ()
        mapped = prepared(self, context, self._mapped)
        return (Ask(mapped.unknown, self.column, f"what is the {self.column} '{{value}}'?", mapped.nearest),)

    def _type(self) -> DataType:
        kinds = {type(new) for new in (self.table or {}).values() if new is not None}
        return DataType(next((word for kind, word in _TYPES.items() if kind in kinds), "string"))

    def _mapped(self, context: Context) -> _Mapped:
        wanted, folds = self._type(), self.ignore_case or context.types[self.column].kind == "bool"
        table = (
            self.table if self.table is not None else _read(context.directory / (self.file or ""), self.unknown == "question")
        )
        fold = _fold if folds else str
        entries, rejected = _entries(table, dict(answers_for(self, context)), fold, wanted)
        cell, dtype = text(self.column), wanted.polars()
        key = cell.str.strip_chars().str.to_lowercase() if folds else cell
        default = pl.col(self.column).cast(dtype) if self.unknown == "keep" else None
        news = pl.Series(list(entries.values()), dtype=dtype)
        values = key.replace_strict(pl.Series(list(entries), dtype=pl.String), news, default=default, return_dtype=dtype)
        empty = [old for old, new in entries.items() if new is None]
        unknown = cell.is_not_null() & values.is_null()
        return _Mapped(values, unknown & ~key.is_in(empty) if empty else unknown, key.is_in(rejected), table)


_TYPES: dict[type, str] = {str: "string", float: "float", int: "int", bool: "bool"}


@dataclass(frozen=True)
class _Mapped:
    values: pl.Expr
    unknown: pl.Expr
    rejected: pl.Expr  # a person said it is wrong, or an answer does not fit
    table: Mapping[str, Any]

    def expected(self) -> str:
        shown = list(self.table)[:8]
        return f"one of {', '.join(shown)}{' …' if len(self.table) > len(shown) else ''}"

    def nearest(self, values: Sequence[str]) -> dict[str, list[str]]:
        """For each value up to three new values: those that it, or their old values, are spelled like."""
        known = {_shown(new): _shown(new) for new in self.table.values() if new is not None}
        known |= {old: _shown(new) for old, new in self.table.items() if new is not None}
        return {value: _nearest(value, known) for value in values}


def _nearest(value: str, known: Mapping[str, str]) -> list[str]:
    from rapidfuzz import fuzz, process

    spelled = process.extract(value, list(known), scorer=fuzz.ratio, processor=_fold, score_cutoff=60, limit=9)
    return list(dict.fromkeys(known[old] for old, _, _ in spelled))[:3]


def _entries(
    table: Mapping[str, Any], answers: Mapping[str, str], fold: Callable[[str], str], wanted: DataType
) -> tuple[dict[str, Any], list[str]]:
    """Every known value and what it becomes: the table, its new values themselves, what people said; and rejected values."""
    entries = {fold(old): new for old, new in table.items()}
    news = {fold(_shown(new)): new for new in table.values() if new is not None}
    known, rejected = {**news, **entries}, []
    for value, said in answers.items():
        meant = news.get(fold(said), entries.get(fold(said)))
        new = meant if meant is not None else _typed(said, wanted) if said and said != REJECTED else None
        known[fold(value)] = new
        if said and new is None:
            rejected.append(fold(value))
    return known, rejected


def _typed(said: str, wanted: DataType) -> Any:
    return pl.DataFrame({"x": [said]}).select(parse_text(pl.col("x"), wanted)).item()


def _read(path: FilePath, may_be_missing: bool) -> dict[str, str | None]:
    """Where people are asked, the file may not be there yet: answers will make it."""
    return {} if may_be_missing and not path.exists() else read_mapping(path)


def _fold(value: str) -> str:
    return value.strip().lower()


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
