"""Names, values and conditions of other systems in the words of our expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


def quoted(column: str) -> str:
    """A column's name as an expression has it."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII) and column.lower() not in _RESERVED
    return column if plain else '"' + column.replace('"', '""') + '"'


_RESERVED = set("and as between case cast else end false from ilike in interval is like not null or then true when".split())  # noqa: SIM905


def literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"


def some_of(columns: Sequence[str], how: str) -> str:
    """``how``: or, and: some, or all, of the columns hold a value."""
    return f" {how} ".join(f"{quoted(column)} is not null" for column in columns)


def both(*conditions: str | None) -> dict[str, str]:
    """``where`` of several conditions, each of which must hold; nothing where there is none."""
    given = [condition for condition in conditions if condition]
    return {"where": given[0] if len(given) == 1 else " and ".join(f"({c})" for c in given)} if given else {}


# ── conditions of Great Expectations ──────────────────────────────────────────────────────────────────────────────────

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    |col\(\s*["'](?P<called>[^"']+)["']\s*\)|`(?P<odd>[^`]+)`|(?P<method>\.\s*(?:notnull|notna|notNull|isnull|isna|isNull)\(\s*\))
    |(?P<sign>==|!=|<>|<=|>=|[<>=&|~()\[\],+*/-])|(?P<word>[^\W\d]\w*))""",
    re.X,
)
_SIGNS = {"==": "=", "&": "and", "|": "or", "~": "not", "[": "(", "]": ")"}
_WORDS = {"and": "and", "or": "or", "not": "not", "in": "in", "True": "true", "False": "false", "None": "null"}


def condition_of(theirs: Any) -> str | None:
    """A row_condition, as pandas' query or ``col("x")`` has it, or as a tree; None for what is more than comparisons.

    ``x != 1`` keeps a null in pandas, so it is ``is distinct from``.
    """
    if isinstance(theirs, Mapping):
        return _tree(theirs)
    text, place, parts = str(theirs).strip(), 0, []
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            return None
        place = found.end()
        kind = str(found.lastgroup)
        parts.append(_token(kind, found[kind]))
    return re.sub(r"\( | (?=\))", lambda m: m[0].strip(), " ".join(parts)).replace(" ,", ",") or None


def _token(kind: str, text: str) -> str:
    if kind == "text":
        return literal(re.sub(r"\\(.)", r"\1", text[1:-1]))
    if kind in ("called", "odd"):
        return quoted(text)
    if kind == "method":
        return "is not null" if "not" in text else "is null"
    if kind == "sign":
        return "is distinct from" if text in ("!=", "<>") else _SIGNS.get(text, text)
    return _WORDS.get(text, quoted(text)) if kind == "word" else text


def _tree(theirs: Mapping[str, Any]) -> str | None:
    kind = theirs.get("type")
    if kind in ("and", "or"):
        parts = [_tree(part) for part in theirs["conditions"]]
        return None if None in parts else f" {kind} ".join(f"({part})" for part in parts)
    column = (theirs.get("column") or {}).get("name")
    if kind == "nullity" and column:
        return f"{quoted(column)} is {'null' if theirs['is_null'] else 'not null'}"
    if kind != "comparison" or not column:
        return None
    operator, value = str(theirs["operator"]).lower(), theirs.get("parameter")
    if operator in ("in", "not_in", "not in"):
        return f"{quoted(column)} {operator.replace('_', ' ')} ({', '.join(literal(v) for v in value or ())})"
    if operator not in ("==", "!=", "<", "<=", ">", ">="):
        return None
    return f"{quoted(column)} {_SIGNS.get(operator, operator).replace('!=', 'is distinct from')} {literal(value)}"
