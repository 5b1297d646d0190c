"""The public thing: an expression that was parsed, and can be checked and compiled."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.core.expression.check import meaning_of
from qpipe.core.expression.errors import ExpressionError, ExpressionErrors
from qpipe.core.expression.functions import function
from qpipe.core.expression.kinds import Extra
from qpipe.core.expression.parser import parse
from qpipe.core.expression.tree import Call, Column, Node, walk
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Expression:
    """An SQL expression over one row."""

    text: str
    root: Node

    @classmethod
    def parse(cls, text: str) -> Expression:
        """ExpressionError where the text is no expression, or names what is never allowed. Needs no Polars."""
        return cls(text, parse(text))

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, in the order of the text. Words given to a caller's function are none."""
        names = [
            node.path[0] for node in walk(self.root, lambda call: function(call.name) is not None) if isinstance(node, Column)
        ]
        return tuple(dict.fromkeys(names))

    @functools.cached_property
    def calls(self) -> tuple[str, ...]:
        """The functions it calls."""
        return tuple(dict.fromkeys(node.name for node in walk(self.root) if isinstance(node, Call)))

    def check(self, schema: Mapping[str, DataType] | None, extra: Extra | None = None, expect: str | None = None) -> DataType:
        """Its type. ExpressionErrors with every mistake; ``schema`` None: the columns are not known yet.

        ``expect="bool"`` makes anything else a mistake, too.
        """
        type = meaning_of(self.root, self.text, schema, extra or {}).type
        if expect and type.kind not in (expect, "any"):
            wanted = "true or false" if expect == "bool" else expect
            error = ExpressionError(
                f"it must give {wanted}, and gives {type}", self.root.start, len(self.text), code="bad-types"
            )
            raise ExpressionErrors([error])
        return type

    def compile(self, schema: Mapping[str, DataType] | None, extra: Extra | None = None) -> pl.Expr:
        """The same for Polars. Checks first: what is wrong raises here, never while rows flow."""
        meaning = meaning_of(self.root, self.text, schema, extra or {})
        if meaning.type.is_number and not isinstance(self.root, Column):
            return meaning.expr.cast(meaning.type.polars())  # a bare 1 would be 32 bits; costs nothing where it is so already
        return meaning.expr

    def __str__(self) -> str:
        return self.text
