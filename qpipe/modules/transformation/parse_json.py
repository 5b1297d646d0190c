"""parse_json"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.json_texts import read_json
from qpipe.core.lazy import pl
from qpipe.core.params import Column, NewTypes, param
from qpipe.core.parse import parse_text
from qpipe.core.types import DataType
from qpipe.modules._by_value import part
from qpipe.modules._prepared import prepared
from qpipe.modules.transformation._text import not_text, text

if TYPE_CHECKING:
    import polars as pl


class ParseJson(Transform):
    """Values inside a JSON text become columns.

    `take` names each new column with its type; `paths` says where a value is, as JSONPath from the root (`$.customer.city`,
    `$.items[0].sku`); without an entry it is the key of the same name. What is not there is null. A text that is no JSON,
    and a value that its type cannot hold, is an error, and null. Lists and objects are taken as JSON text. Null gives
    nulls.

    Examples:
        ```yaml
        module:
          parse_json: {column: payload, take: {id: int, city: string}, paths: {city: $.customer.city}}
        rows:
          - {payload: '{"id": 7, "customer": {"city": "Bonn"}}'}
          - {payload: '{"id": "x"}'}
          - {payload: "{broken"}
          - {payload: null}
        failed: [1, 2]
        gives:
          - {payload: '{"id": 7, "customer": {"city": "Bonn"}}', id: 7, city: Bonn}
          - {payload: '{"id": "x"}', id: null, city: null}
          - {payload: "{broken", id: null, city: null}
          - {payload: null, id: null, city: null}
        ```
    """

    like = (
        "json_extract", "from_json", "json_path", "flatten json", "field_unpack", "get_json_object", "parse_json", "jq",
    )  # fmt: skip

    column: Column = param(help="the column of JSON texts")
    take: NewTypes = param(help="new columns with their types")
    paths: dict[str, str] = param({}, help="new column → JSONPath, where it is not the key of that name")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text((self.column,), types)
        for name, word in self.take.items():
            try:
                DataType.parse(word)
            except ValueError as error:
                yield "take", f"'{name}': {error}"
        for name, path in self.paths.items():
            if name not in self.take:
                yield "paths", f"'{name}' is none of the new columns: {', '.join(self.take)}"
            elif not path.startswith("$"):
                yield "paths", f"'{path}' is no path from the root: $.{path}"

    def output_types(self, types: Types) -> Types:
        return {**types, **{name: DataType.parse(word) for name, word in self.take.items()}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(self._part(name, context).alias(name) for name in self.take)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        rules = [Rule(~self._part(_VALID, context), (self.column,), "JSON", text(self.column).is_not_null())]
        for name, word in self.take.items():
            if DataType.parse(word).name != "string":
                bad = self._part(_THERE + name, context) & self._part(name, context).is_null()
                rules.append(Rule(bad, (self.column,), f"{name} as {word}", self._part(_THERE + name, context)))
        return tuple(rules)

    def _part(self, name: str, context: Context) -> pl.Expr:
        return part(prepared(self, context, self._read), name, self._parts()[name])

    def _read(self, context: Context) -> pl.Expr:
        """All that is asked of a text, read at once."""
        texts = partial(_texts, paths={name: self.paths.get(name) or f"$['{name}']" for name in self.take}, take=self.take)
        return text(self.column).map_batches(texts, return_dtype=pl.Struct(self._parts()), is_elementwise=True)

    def _parts(self) -> dict[str, pl.DataType]:
        """Is it JSON? Is there something for a new column? And its values."""
        types = {name: DataType.parse(word).polars() for name, word in self.take.items()}
        return {_VALID: pl.Boolean(), **{_THERE + name: pl.Boolean() for name in types}, **types}


_VALID, _THERE = "\x00valid", "\x00there "


def _texts(given: pl.Series, paths: dict[str, str], take: dict[str, str]) -> pl.Series:
    found = pl.DataFrame(dict(zip([_VALID, *paths], read_json(given, list(paths.values())), strict=True)))
    there = [pl.col(name).is_not_null().alias(_THERE + name) for name in paths]
    return found.select(_VALID, *there, *(parse_text(pl.col(name), DataType.parse(take[name])) for name in paths)).to_struct()
