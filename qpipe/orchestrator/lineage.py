"""What lies downstream of a column: the columns that later steps make from it, and the outputs that have them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from qpipe.core.component import Module, Types
from qpipe.core.errors import QpipeError
from qpipe.core.expression import Expression, ExpressionError
from qpipe.core.params import params_of
from qpipe.spec.plan import Plan, StepNode


def downstream(plan: Plan, step: StepNode | None, column: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(columns made from it after the step, outputs that get it or one of them). A step of None is the contract.

    A step that makes several columns is taken to make each of them from all that it reads: rather too much than too little.
    """
    touched, made = {column} if column else set(), []
    types: Types = {name: t for node in plan.streams for name, t in (node.types or {}).items()}
    begun = step is None
    for each in plan.steps:
        after = _after(each.module, types)
        if begun and touched & set(_reads(each.module)):
            fresh = [name for name in dict.fromkeys(_makes(each.module, types, after)) if name not in touched]
            made += fresh
            touched |= set(fresh)
        if after is not types and after and types:
            touched -= {name for name in touched if name in types and name not in after}  # dropped or renamed away
        types, begun = after, begun or each is step
    if column and not touched:
        return tuple(made), ()
    return tuple(made), tuple(id for id, node in plan.outputs.items() if not node.original)


def made_from(module: Module, before: Types, after: Types) -> dict[str, set[str]]:
    """The columns that a step makes, and the columns that each was made from: an expression's own, else all that it reads."""
    exact: dict[str, set[str]] = {}
    for parameter in params_of(type(module)).values():
        if parameter.role is not None and parameter.role.name == "expressions":
            for name, text in (getattr(module, parameter.name, None) or {}).items():
                exact[name] = set().union(*(exact.get(column, {column}) for column in _columns_of(text)))
    read = set(_reads(module))
    return {name: exact.get(name, read) for name in _makes(module, before, after)}


def _after(module: Module, types: Types) -> Types:
    try:
        return module.types_after(types, {})
    except (KeyError, TypeError, ValueError, QpipeError):  # columns or tables that only a run knows
        return types


def _makes(module: Module, before: Types, after: Types) -> Iterator[str]:
    """The columns that are new after a step, or that it is told to make."""
    yield from (name for name in after if name not in before)
    for parameter in params_of(type(module)).values():
        value = getattr(module, parameter.name, None)
        if parameter.role is not None and value and parameter.role.name in ("new-column", "expressions", "new-types"):
            yield from [value] if isinstance(value, str) else value


def _reads(module: Module) -> Iterator[str]:
    yield from (column for _, column in module.reads())
    for parameter in params_of(type(module)).values():
        value, role = getattr(module, parameter.name, None), parameter.role.name if parameter.role else ""
        if not value:
            continue
        if role == "column":
            yield value
        elif role == "columns":
            yield from value
        elif role in ("expression", "condition"):
            yield from _columns_of(value)
        elif role == "expressions":
            for text in value.values():
                yield from _columns_of(text)


@lru_cache(512)
def _columns_of(text: str) -> tuple[str, ...]:
    try:
        return tuple(Expression.parse(text).columns)
    except ExpressionError:
        return ()
