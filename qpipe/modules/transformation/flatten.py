"""flatten"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


class Flatten(Transform):
    """The fields of structured columns become columns of their own: `customer.city` becomes customer_city.

    Structures inside structures are flattened, too, as deep as `depth` says. Lists stay lists: `explode` makes rows of
    them. A null structure gives nulls. The new columns stand where the structure stood.

    Examples:
        ```yaml
        module:
          flatten: {columns: [who]}
        schema: {id: int, who: "struct(name: string, home: struct(city: string))"}
        rows: [{id: 1, who: {name: Ann, home: {city: Bonn}}}, {id: 2, who: null}]
        gives: [{id: 1, who_name: Ann, who_home_city: Bonn}, {id: 2, who_name: null, who_home_city: null}]
        ```
    """

    like = ("flatten", "unnest", "json_normalize", "struct.unnest", "explode struct", "flatten nested", "columnify")

    columns: Columns | None = param(None, help="the structured columns; unset: all", short=True)
    separator: str = param("_", help="what stands between the names")
    depth: int = param(20, help="how many levels", minimum=1, maximum=20)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for column in self.columns or ():
            if types and column in types and types[column].kind not in ("struct", "any"):
                yield "columns", f"{column} is {types[column].kind}, which has no fields"
        names = [name for name, _, _ in self._flat(types)] if types else []
        if twice := sorted({name for name in names if names.count(name) > 1}):
            yield "separator", f"two columns would be called {twice[0]}: choose another separator"

    def output_types(self, types: Types) -> Types:
        return {name: type for name, type, _ in self._flat(types)}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        flat = self._flat(context.types)
        hidden = [pl.col(c) for c in frame.collect_schema().names() if c not in context.types]
        return frame.select(*(_at(path).alias(name) for name, _, path in flat), *hidden)

    def _flat(self, types: Types) -> list[tuple[str, DataType, tuple[str, ...]]]:
        """(new name, type, path) of each column that comes out."""
        found: list[tuple[str, DataType, tuple[str, ...]]] = []
        for name, type in types.items():
            chosen = self.columns is None or name in self.columns
            found += self._below(name, type, (name,), self.depth if chosen else 0)
        return found

    def _below(
        self, name: str, type: DataType, path: tuple[str, ...], depth: int
    ) -> list[tuple[str, DataType, tuple[str, ...]]]:
        if type.kind != "struct" or not depth or not type.fields:
            return [(name, type, path)]
        return [
            each
            for field, inner in type.fields
            for each in self._below(f"{name}{self.separator}{field}", inner, (*path, field), depth - 1)
        ]


def _at(path: tuple[str, ...]) -> pl.Expr:
    cell = pl.col(path[0])
    for field in path[1:]:
        cell = cell.struct.field(field)
    return cell
