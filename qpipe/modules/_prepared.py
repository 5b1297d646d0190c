"""What a module makes once for a run and uses for every batch: expressions, mappings, indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from qpipe.core.component import Context, Module

T = TypeVar("T")


def prepared(module: Module, context: Context, make: Callable[[Context], T]) -> T:
    """What ``make`` gives for this context, kept on the module under its name until another context comes.

    The same expression object every time also lets Polars see that rules and values share it, and compute it once.
    """
    kept: dict[str, tuple[Context, Any]] = module.__dict__.setdefault("_prepared", {})
    found = kept.get(make.__name__)
    if found is None or not _alike(found[0], context):
        found = kept[make.__name__] = (context, make(context))
    return found[1]


def _alike(one: Context, other: Context) -> bool:
    """Whether nothing differs that a module could have prepared itself for."""
    if one is other:
        return True
    return (one.tables is other.tables or all(one.tables.get(k) is v for k, v in other.tables.items())) and (
        (one.types, one.directory, one.answers) == (other.types, other.directory, other.answers)
    )
