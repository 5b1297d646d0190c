"""Inclusion dependencies: columns whose values are all, or nearly all, keys of another table."""

from __future__ import annotations

import re
from dataclasses import dataclass

LEAST_NAMED = 0.6  # of the values must be keys, where the names say that they are meant to be
LEAST = 0.9  # where the values alone say so
_CHANCE = 1e-3  # that so many values are keys by accident


@dataclass(frozen=True)
class Side:
    """One column of a possible foreign key, with what is needed to judge it."""

    table: str
    column: str
    text: bool
    distinct: int
    length: float = 0.0  # mean, of texts
    span: float = 0.0  # of numbers: how many whole numbers lie between the least and the greatest
    alphabet: int = 26


def confidence(child: Side, parent: Side, included: float, seen: int) -> float:
    """How sure it is that ``child`` means keys of ``parent``, 0 to 1, given the share of its distinct values found there.

    Whole numbers from 1 on are in every table's keys by accident, so they need names that say it; few short codes, too.
    """
    named = same_name(child, parent)
    if child.text != parent.text or not seen or included < (LEAST_NAMED if named else LEAST):
        return 0.0
    if named:
        return round(min(0.99, 0.6 + 0.4 * (included - LEAST_NAMED) / (1 - LEAST_NAMED)), 3)
    if not child.text or child.distinct < 3:
        return 0.0
    room = float(child.alphabet) ** min(parent.length, 12)
    accident = min(1.0, parent.distinct / max(room, 1.0)) ** min(seen, 20)
    return 0.0 if accident > _CHANCE else round(0.5 + 0.45 * (included - LEAST) / (1 - LEAST), 3)


def same_name(child: Side, parent: Side) -> bool:
    """Whether the names say it: customer_id → customers.id, AlbumId → Album.AlbumId, ReportsTo has no such name."""
    mine, key, table = _plain(child.column), _plain(parent.column), _plain(parent.table)
    singular = _singular(table)
    if mine == key:
        return key not in _GENERIC or len(key) > 4
    names = {singular + key, table + key, singular + "id", singular, singular + "key", singular + "no", singular + "code"}
    return mine in names or any(mine.endswith(name) and len(name) > 3 for name in names if name != singular)


_GENERIC = frozenset({"id", "key", "name", "code", "no", "nr", "type", "year", "index", "date"})


def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
