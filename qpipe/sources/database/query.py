"""The query behind a source: some columns of a table or query, in the order of the key, after a place.

Rows are compared by the very expressions they are ordered by: what lies after the last row is what the order says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from qpipe.core.sql import Column, Database


@dataclass(frozen=True)
class Query:
    """``select names from base where conditions order by by``"""

    names: str
    base: str
    by: str
    conditions: tuple[str, ...]
    parameters: Mapping[str, Any]

    @property
    def text(self) -> str:
        return f"select {self.names} from {self.rows} order by {self.by}"

    @property
    def rows(self) -> str:
        """What it selects from."""
        where = f" where {' and '.join(self.conditions)}" if self.conditions else ""
        return f"({self.base}) as _q{where}"

    def also(self, conditions: Sequence[str], parameters: Mapping[str, Any]) -> Query:
        return replace(self, conditions=(*self.conditions, *conditions), parameters={**self.parameters, **parameters})


def selected(columns: Sequence[Column], db: Database) -> str:
    """The columns as they are read."""
    return ", ".join(f"{c.read or c.select} as {db.quoted(c.name)}" for c in columns)


def ordered(column: Column, db: Database) -> str:
    """What rows are ordered and compared by."""
    quoted = db.quoted(column.name)
    return f"_q.{quoted}" if column.select == quoted else column.select


def beyond(order: Sequence[Column], db: Database, last: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Rows after the last one, in the order of several columns; and the parameters."""
    cases = []
    for n, column in enumerate(order):
        same = [f"{ordered(before, db)} = {mark(f'_k{m}', before)}" for m, before in enumerate(order[:n])]
        cases.append(" and ".join([*same, f"{ordered(column, db)} > {mark(f'_k{n}', column)}"]))
    parameters = {f"_k{n}": value_of(last[n], column) for n, column in enumerate(order)}
    return "(" + " or ".join(f"({case})" for case in cases) + ")", parameters


def mark(name: str, column: Column) -> str:
    """A parameter, as it is compared with the column."""
    return column.cast.replace("{}", f":{name}", 1) if column.cast else f":{name}"


def text_of(value: Any) -> str:
    """A value of the key as positions keep it."""
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "isoformat"):
        return str(value.replace(tzinfo=None) if getattr(value, "tzinfo", None) else value)
    return str(value)


def value_of(text: Any, column: Column) -> Any:
    """The same as the driver takes it: as text where the query casts it."""
    if column.cast or not isinstance(text, str):
        return text
    if column.type.kind == "binary":
        return bytes.fromhex(text)
    if column.type.kind == "integer":
        return int(text)
    if column.type.kind == "float":
        return float(text)
    return Decimal(text) if column.type.kind == "decimal" else text
