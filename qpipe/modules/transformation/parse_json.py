"""parse_json"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, NewTypes, param
from qpipe.core.types import DataType, parse_text
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
        return frame.with_columns(self._value(name).alias(name) for name in self.take)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        given = text(self.column)
        valid = parse_text(given, DataType.parse("json"))
        rules = [Rule(given.is_not_null() & valid.is_null(), (self.column,), "JSON", given.is_not_null())]
        for name, word in self.take.items():
            if DataType.parse(word).name != "string":
                found = self._found(name)
                bad = found.is_not_null() & self._value(name).is_null()
                rules.append(Rule(bad, (self.column,), f"{name} as {word}", found.is_not_null()))
        return tuple(rules)

    def _found(self, name: str) -> pl.Expr:
        """What stands there as text; null in a text that is no JSON."""
        found = text(self.column).str.json_path_match(self.paths.get(name) or f"$['{name}']")
        return pl.when(found != "null").then(found)

    def _value(self, name: str) -> pl.Expr:
        wanted, found = DataType.parse(self.take[name]), self._found(name)
        return found if wanted.name == "string" else parse_text(found, wanted)
