"""json_is"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Check, Context, Types
from qpipe.core.json_texts import surely_with_keys
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class JsonIs(Check):
    """Every text is JSON, has the keys it should have, and fits a JSON Schema.

    `keys` are those of an object; a text that is no object lacks them all. A schema (draft 2020-12 unless it says otherwise)
    looks at each different text once. Null passes, as does the JSON text `null` unless keys or a schema refuse it; an empty
    text is no JSON. Zero rows, or a column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          json_is: {column: payload, keys: [id]}
        rows: [{payload: '{"id": 1}'}, {payload: '{"no": 1}'}, {payload: '{broken'}, {payload: null}]
        failed: [1, 2]
        ```
        ```yaml
        module:
          json_is: {column: tags, schema: {type: array, items: {type: string}}}
        rows: [{tags: '["a", "b"]'}, {tags: "[1]"}]
        failed: [1]
        ```
    """

    dimension = "validity"
    accepts = ("string",)
    like = (
        "expect_column_values_to_be_json_parseable", "expect_column_values_to_match_json_schema", "is_valid_json",
        "has_json_keys", "has_valid_json_schema", "json_schema",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", short=True, alias="column")
    keys: tuple[str, ...] = param((), help="keys that each object has")
    schema: dict[str, Any] | None = param(None, help="a JSON Schema that each text fits")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if self.schema is not None:
            from jsonschema import SchemaError
            from jsonschema.validators import validator_for

            try:
                validator_for(self.schema).check_schema(self.schema)
            except SchemaError as error:
                yield "schema", f"this is no JSON Schema: {error.message}"

    def bad(self, column: str, context: Context) -> pl.Expr:
        judge = partial(_misfits, keys=self.keys, schema=self.schema)
        return pl.col(column).map_batches(judge, return_dtype=pl.Boolean(), is_elementwise=True)

    def expected(self, column: str) -> str:
        more = [f"with {', '.join(self.keys)}"] if self.keys else []
        return " ".join(["JSON", *more, *(["as its schema has it"] if self.schema else [])])


def _misfits(texts: pl.Series, keys: tuple[str, ...], schema: dict[str, Any] | None) -> pl.Series:
    """True where a text is not as it should be. What is not surely good is read by the letter, each text once."""
    doubtful = texts if schema is not None else texts.filter(~surely_with_keys(texts, keys))
    different = doubtful.drop_nulls().unique()
    validator = None
    if schema is not None:
        from jsonschema.validators import validator_for

        validator = validator_for(schema)(schema)
    bad = [not _fits(text, keys, validator) for text in different]
    if not any(bad):
        return texts.is_not_null() & False
    return texts.is_in(different.filter(pl.Series(bad, dtype=pl.Boolean)).implode())


def _fits(text: str, keys: tuple[str, ...], validator: Any) -> bool:
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    if keys and not (isinstance(value, dict) and all(key in value for key in keys)):
        return False
    return validator is None or validator.is_valid(value)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # json.loads would make one for each text
