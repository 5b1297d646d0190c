"""parse_json"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.json_texts import read_json
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
        read = self._read()
        return frame.with_columns(self._value(name, read).alias(name) for name in self.take)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        given, read = text(self.column), self._read()
        valid = read.map_batches(partial(_part, name=_VALID), return_dtype=pl.Boolean(), is_elementwise=True)
        rules = [Rule(~valid, (self.column,), "JSON", given.is_not_null())]
        for name, word in self.take.items():
            if DataType.parse(word).name != "string":
                found = _found(name, read)
                bad = found.is_not_null() & self._value(name, read).is_null()
                rules.append(Rule(bad, (self.column,), f"{name} as {word}", found.is_not_null()))
        return tuple(rules)

    def _read(self) -> pl.Expr:
        """Everything that is asked of a text, read at once: Polars computes one expression once."""
        paths = {name: self.paths.get(name) or f"$['{name}']" for name in self.take}
        wanted = pl.Struct({_VALID: pl.Boolean(), **dict.fromkeys(paths, pl.String())})
        return text(self.column).map_batches(partial(_texts, paths=paths), return_dtype=wanted, is_elementwise=True)

    def _value(self, name: str, read: pl.Expr) -> pl.Expr:
        return parse_text(_found(name, read), DataType.parse(self.take[name]))


_VALID = "\x00valid"


def _texts(given: pl.Series, paths: dict[str, str]) -> pl.Series:
    return pl.DataFrame(dict(zip([_VALID, *paths], read_json(given, list(paths.values())), strict=True))).to_struct()


def _found(name: str, read: pl.Expr) -> pl.Expr:
    """What stands there as text; null in a text that is no JSON."""
    # not struct.field, which Polars does not know to be of the same expression
    return read.map_batches(partial(_part, name=name), return_dtype=pl.String(), is_elementwise=True)


def _part(read: pl.Series, name: str) -> pl.Series:
    return read.struct.field(name)
