"""Modules by what people call them: other systems' names, or words for what they do."""

from __future__ import annotations

import re

from qpipe.core.component import Component
from qpipe.core.registry import Registry

_SAYS_NOTHING = frozenset(
    ["expect", "column", "columns", "col", "cols", "table", "values", "vals", "value", "to", "be", "is", "are", "has", "have",
     "not", "the", "a", "of", "check"]
)  # fmt: skip


def called(registry: Registry, name: str) -> list[type[Component]]:
    """Modules that are called so here or elsewhere, whatever the case and the signs between words; else by a part of it."""
    wanted = "".join(_words(name))
    names = {c: [c.name, *c.like] for c in registry.all("module")}
    exact = [c for c, known in names.items() if any("".join(_words(other)) == wanted for other in known)]
    return exact or [c for c, known in names.items() if wanted and any(wanted in "".join(_words(other)) for other in known)]


def nearest_in_meaning(registry: Registry, name: str, most: int = 3) -> list[type[Component]]:
    """Modules by how much of the name's words stands in their names here and elsewhere, and in what they say of themselves; a
    word that many have says little."""
    wanted = set(_words(name)) - _SAYS_NOTHING
    have = {c: {w for text in _texts(c) for w in _words(text)} for c in registry.all("module")}
    weight = {w: 1 / n for w in wanted if (n := sum(w in words for words in have.values()))}
    score = {c: sum(weight.get(w, 0.0) for w in words & wanted) for c, words in have.items()}
    return [c for c in sorted(score, key=lambda c: -score[c])[:most] if score[c] > 0.1]


def _texts(component: type[Component]) -> list[str]:
    return [component.name, *component.like, component.summary(), getattr(component, "dimension", None) or ""]


def _words(name: str) -> list[str]:
    """hasMinLength, has-min-length: has, min, length."""
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
