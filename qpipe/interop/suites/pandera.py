"""Pandera: a DataFrameSchema as its to_yaml or to_json writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds
from qpipe.interop.suites._types import type_word

_ALONE = {"greater_than_or_equal_to": "min", "less_than_or_equal_to": "max", "greater_than": "min", "less_than": "max"}


def suites(data: Any, name: str) -> Iterator[Suite]:
    suite = Suite(data.get("name") or name)
    columns = data["columns"]
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
        if told.get("unique"):
            suite.claims.append(Claim(f"unique({column})", {"unique": {"columns": [column]}}))
        checks = told.get("checks") or {}
        named = checks.items() if isinstance(checks, Mapping) else ((c["options"]["check_name"], c) for c in checks)
        suite.claims += [_check(kind, value, column) for kind, value in named]
    for kind in data.get("checks") or ():
        told = kind if isinstance(kind, str) else (kind.get("options") or {}).get("check_name", "check")
        suite.claims.append(Claim(f"{told} of the whole", why="a check of the whole table is a function of its own"))
    if unique := data.get("unique"):
        suite.claims.append(Claim("unique", {"unique": {"columns": list(unique)}}))
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


def _check(kind: str, given: Any, column: str) -> Claim:
    origin = f"{kind}({column})"
    options = given.get("options") or {} if isinstance(given, Mapping) else {}
    values = given if isinstance(given, Mapping) else {}
    value = values.get("value", values.get("min_value", values.get("max_value"))) if values else given
    more: dict[str, Any] = {"severity": "warning"} if options.get("raise_warning") else {}
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
        items = values.get("values", values.get("value", given)) if values else given
        return Claim(origin, {"value_set": {"column": column, "equals": list(items), **more}})
    if kind in ("isin", "notin"):
        items = values.get("value", given) if values else given
        return Claim(
            origin,
            {"one_of": {"column": column, "values": list(items), **({"negate": True} if kind == "notin" else {}), **more}},
        )
    if kind == "equal_to":
        return Claim(origin, {"one_of": {"column": column, "values": [value], **more}})
    if kind in ("str_matches", "str_contains"):
        regex = f"^(?:{value})" if kind == "str_matches" else value
        return Claim(origin, {"matches": {"column": column, "regex": regex, **more}})
    if kind in ("str_startswith", "str_endswith"):
        like = f"{value}%" if kind == "str_startswith" else f"%{value}"
        return Claim(origin, {"matches": {"column": column, "like": like, **more}})
    if kind == "str_length":
        return Claim(origin, {"length": {"column": column, **bounds(values.get("min_value"), values.get("max_value")), **more}})
    return Claim(origin, why="there is no counterpart")
