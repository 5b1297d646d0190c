"""The parts of an expression. ``start`` and ``end`` are offsets in its text; nodes that the parser made up share those."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from qpipe.core.types import DataType


@dataclass(frozen=True)
class Interval:
    """``INTERVAL '1 month'``: months have no fixed length, so they are kept apart."""

    months: int = 0
    days: int = 0
    microseconds: int = 0


Value = int | Decimal | float | str | bool | dt.date | dt.datetime | dt.time | Interval | None


@dataclass(frozen=True)
class Node:
    start: int
    end: int

    def children(self) -> Iterator[Node]:
        for field in fields(self):
            yield from _nodes(getattr(self, field.name))


@dataclass(frozen=True)
class Column(Node):
    path: tuple[str, ...]  # a column, then fields of structs


@dataclass(frozen=True)
class Literal(Node):
    value: Value
    type: DataType


@dataclass(frozen=True)
class Unary(Node):
    operator: str  # "-" or "not"
    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    operator: str  # = <> < <= > >= is-distinct + - * / % // || ~ ~*
    left: Node
    right: Node


@dataclass(frozen=True)
class Logic(Node):
    operator: str  # "and" or "or"
    operands: tuple[Node, ...]


@dataclass(frozen=True)
class IsNull(Node):
    operand: Node


@dataclass(frozen=True)
class In(Node):
    operand: Node
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Like(Node):
    operand: Node
    pattern: Node
    escape: str | None
    any_case: bool


@dataclass(frozen=True)
class Case(Node):
    whens: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


@dataclass(frozen=True)
class Cast(Node):
    operand: Node
    type: DataType


@dataclass(frozen=True)
class Call(Node):
    name: str  # lower case
    args: tuple[Node, ...]


def walk(node: Node, into_args_of: Any = lambda call: True) -> Iterator[Node]:
    """The node and everything below it, left to right. ``into_args_of`` says of which calls the arguments are expressions."""
    yield node
    if isinstance(node, Call) and not into_args_of(node):
        return
    for child in node.children():
        yield from walk(child, into_args_of)


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)
