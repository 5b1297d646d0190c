"""Pandera: a DataFrameSchema as its to_yaml or to_json writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, attempt, bounds
from qpipe.interop.suites._types import type_word

_ALONE = {"greater_than_or_equal_to": "min", "less_than_or_equal_to": "max", "greater_than": "min", "less_than": "max"}


def suites(data: Any, name: str) -> Iterator[Suite]:
    suite = Suite(data.get("name") or name)
    columns = data["columns"] or {}
    suite.columns = [column for column, told in columns.items() if not told.get("regex")]
    for column, told in columns.items():
        if told.get("regex"):
            suite.claims.append(Claim(f"columns {column}", why="a pattern of names: repeat the checks for each column"))
            continue
        if word := type_word(told.get("dtype")):
            suite.types[column] = word
        elif told.get("dtype"):
            suite.claims.append(Claim(f"dtype {told['dtype']}({column})", why="there is no such type"))
        if not told.get("nullable", False):
            suite.claims.append(Claim(f"nullable=False({column})", {"not_null": {"column": column}}))
        if told.get("unique"):  # to pandas a null is like another
            suite.claims.append(Claim(f"unique({column})", {"unique": {"columns": [column], "nulls_equal": True}}))
        suite.claims += [claim for kind, value in _checks(told) for claim in _check_and_nulls(kind, value, column)]
    for kind in data.get("checks") or ():
        told = kind if isinstance(kind, str) else (kind.get("options") or {}).get("check_name", "check")
        suite.claims.append(Claim(f"{told} of the whole", why="a check of the whole table is a function of its own"))
    if unique := data.get("unique"):
        suite.claims.append(Claim("unique", {"unique": {"columns": list(unique), "nulls_equal": True}}))
    for level in data.get("index") or ():
        if level.get("name") or level.get("checks"):
            suite.claims.append(Claim(f"index {level.get('name') or ''}".strip(), why="an index is no column of the data"))
    patterns = [column for column, told in columns.items() if told.get("regex")]
    absent = [column for column, told in columns.items() if told.get("required") is False]
    optional = {"optional": absent} if absent else {}
    if data.get("strict") and patterns:
        suite.claims.append(Claim("strict", why=f"{', '.join(patterns)} stands for columns that are not named"))
    elif data.get("strict"):
        order = "exact" if data.get("ordered") else "any"
        suite.claims.append(
            Claim("strict", {"schema": {"columns": list(columns), **optional, "order": order, "extra": "forbid"}})
        )
    yield suite


_ATTRIBUTES = {
    "title", "description", "dtype", "nullable", "unique", "coerce", "required", "regex", "checks", "default", "metadata",
    "report_duplicates", "drop_invalid_rows", "strategy", "name",
}  # fmt: skip


def _checks(told: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """As ``checks`` has them, one after another or by name; the newest versions write them beside the column's attributes."""
    checks = told.get("checks") or {}
    named = [*checks.items()] if isinstance(checks, Mapping) else [(c["options"]["check_name"], c) for c in checks]
    return [*named, *((key, value) for key, value in told.items() if key not in _ATTRIBUTES)]


def _check_and_nulls(kind: str, given: Any, column: str) -> list[Claim]:
    claims = attempt(f"{kind}({column})", lambda: [_check(kind, given, column)])
    if _options(given).get("ignore_na") is False:  # a null fails
        claims.append(Claim(f"{kind}({column}), ignore_na=False", {"not_null": {"column": column}}))
    return claims


def _options(given: Any) -> Mapping[str, Any]:
    return {**given, **(given.get("options") or {})} if isinstance(given, Mapping) else {}


_VALUES = ("value", "min_value", "max_value", "allowed_values", "forbidden_values", "values", "pattern", "string")


def _check(kind: str, given: Any, column: str) -> Claim:
    origin = f"{kind}({column})"
    values = given if isinstance(given, Mapping) else {}
    value = next((values[name] for name in _VALUES if values.get(name) is not None), None) if values else given
    more: dict[str, Any] = {"severity": "warning"} if _options(given).get("raise_warning") else {}
    if kind in _ALONE:
        side = _ALONE[kind]
        strict = {"exclusive": side} if kind in ("greater_than", "less_than") else {}
        return Claim(origin, {"between": {"column": column, side: value, **strict, **more}})
    if kind == "in_range":
        open_ends = [side for side in ("min", "max") if values.get(f"include_{side}") is False]
        exclusive = True if len(open_ends) == 2 else open_ends[0] if open_ends else None
        limits = bounds(values.get("min_value"), values.get("max_value"), exclusive=exclusive)
        return Claim(origin, {"between": {"column": column, **limits, **more}})
    if kind == "not_equal_to":
        return Claim(origin, {"one_of": {"column": column, "values": [value], "negate": True, **more}})
    if kind == "unique_values_eq":
        return Claim(origin, {"value_set": {"column": column, "equals": list(value or ()), **more}})
    if kind in ("isin", "notin"):
        negate = {"negate": True} if kind == "notin" else {}
        return Claim(origin, {"one_of": {"column": column, "values": list(value or ()), **negate, **more}})
    if kind == "equal_to":
        return Claim(origin, {"one_of": {"column": column, "values": [value], **more}})
    if kind in ("str_matches", "str_contains"):
        regex = f"^(?:{value})" if kind == "str_matches" else value
        return Claim(origin, {"matches": {"column": column, "regex": regex, **more}})
    if kind in ("str_startswith", "str_endswith"):
        value = str(value).replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        like = f"{value}%" if kind == "str_startswith" else f"%{value}"
        return Claim(origin, {"matches": {"column": column, "like": like, **more}})
    if kind == "str_length":
        exact = values.get("exact_value", None if values else given)
        limits = {"equals": exact} if exact is not None else bounds(values.get("min_value"), values.get("max_value"))
        return Claim(origin, {"length": {"column": column, **limits, **more}})
    return Claim(origin, why="there is no counterpart")
