"""add_keys"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, NewColumn, param
from qpipe.core.types import DataType
from qpipe.modules._stable import by_value, joined

if TYPE_CHECKING:
    import polars as pl


class AddKeys(Transform):
    """A new column with a key for each row: made from values, the same in every run, or the row's number.

    `hash` gives 32 hex digits of SHA-256 over the columns, `uuid` a UUID of version 5: rows with the same values get the
    same key, in any run and on any machine; null is a value of its own. `number` counts the rows of the run, from `start`.
    Texts and numbers are taken as SQL writes them.

    Examples:
        ```yaml
        module:
          add_keys: {into: id, method: number, start: 100}
        rows: [{city: Bonn}, {city: Metz}]
        gives: [{city: Bonn, id: 100}, {city: Metz, id: 101}]
        ```
        ```yaml
        module:
          add_keys: {into: key, columns: [shop, day]}
        rows: [{shop: a, day: 1}, {shop: a, day: null}]
        gives:
          - {shop: a, day: 1, key: 839e11a421d370be28db56fde67e9aad}
          - {shop: a, day: null, key: cdc3c5632726068706fefb01e073bec5}
        ```
    """

    like = (
        "surrogate_key", "generate_surrogate_key", "hash key", "monotonically_increasing_id", "row id", "uuid5", "md5 key",
    )  # fmt: skip

    into: NewColumn = param(help="the new column")
    method: Literal["hash", "uuid", "number"] = param("hash", help="what the key is")
    columns: Columns | None = param(None, help="for hash and uuid: the columns that make it")
    start: int = param(1, help="for number: the first one")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.method != "number" and not self.columns:
            yield "columns", f"{self.method} of which columns?"
        for column in self.columns or ():
            if types and column in types and types[column].kind in ("list", "struct"):
                yield "columns", f"{column} is {types[column].kind}, which makes no key"

    def output_types(self, types: Types) -> Types:
        return {**types, self.into: DataType.parse("int" if self.method == "number" else "string")}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        if self.method == "number":
            return frame.with_columns((pl.col(ROW) + self.start).alias(self.into))
        make = partial(by_value, make=_hashed if self.method == "hash" else _uuid, dtype=pl.String())
        key = joined(self.columns or ()).map_batches(make, return_dtype=pl.String(), is_elementwise=True)
        return frame.with_columns(key.alias(self.into))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _uuid(text: str) -> str:
    import uuid

    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))
