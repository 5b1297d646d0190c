"""Checks written inside a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from qpipe.core.component import Check, Context, Types
from qpipe.core.errors import QpipeError
from qpipe.core.params import build, short_param
from qpipe.core.registry import Registry

_OUTSIDE = ("where", "tolerance", "severity", "by", "impact", "weight", "id")  # these belong to the check around them


def nested(written: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The checks. Raises QpipeError for one that is none."""
    made = []
    for entry in written:
        check = _built(entry)
        if isinstance(check, str):
            raise QpipeError(check)
        made.append(check)
    return made


def nested_problems(written: Sequence[Mapping[str, Any]], types: Types | None) -> Iterator[tuple[str, str]]:
    for entry in written:
        check = _built(entry)
        if isinstance(check, str):
            yield "checks", check
            continue
        for column in getattr(check, "columns", None) or ():
            if types is not None and column not in types:
                yield "checks", f"there is no column '{column}'"
                return
        yield from (("checks", f"{check.name}: {message}") for _, message in check.problems(types))


def described(check: Check, context: Context) -> str:
    return "; ".join(f"{', '.join(rule.columns)} {rule.expected}" for rule in check.rules(context))


def _built(entry: Mapping[str, Any]) -> Check | str:
    """A check, or what is wrong with it."""
    if len(entry) != 1:
        return "each check is one name with its parameters: - not_null: email"
    ((name, given),) = entry.items()
    component = _registry().get("module", name) if name in _registry().names("module") else None
    if component is None or not issubclass(component, Check):
        return f"'{name}' is no check of single rows"
    short = short_param(component)
    values = dict(given) if isinstance(given, Mapping) else {short.name: given} if short else None
    if values is None:
        return f"{name} takes keys and values"
    if outside := [key for key in _OUTSIDE if key in values]:
        return f"{name}: say {outside[0]} of the whole, not of one of its checks"
    try:
        return build(component, values)
    except ValueError as error:
        return f"{name}: {error}"


@lru_cache(1)
def _registry() -> Registry:
    return Registry()
