"""Pandera: a DataFrameSchema as its to_yaml or to_json writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds, type_word

_ALONE = {"greater_than_or_equal_to": "min", "less_than_or_equal_to": "max", "greater_than": "min", "less_than": "max"}


def suites(data: Any, name: str) -> Iterator[Suite]:
    suite = Suite(data.get("name") or name)
    columns = data["columns"]
    for column, told in columns.items():
        if word := type_word(told.get("dtype")):
            suite.types[column] = word
        if not told.get("nullable", False):
            suite.claims.append(Claim(f"nullable=False({column})", {"not_null": {"column": column}}))
        if told.get("unique"):
            suite.claims.append(Claim(f"unique({column})", {"unique": {"columns": [column]}}))
        checks = told.get("checks") or {}
        named = checks.items() if isinstance(checks, Mapping) else ((c["options"]["check_name"], c) for c in checks)
        suite.claims += [_check(kind, value, column) for kind, value in named]
    if unique := data.get("unique"):
        suite.claims.append(Claim("unique", {"unique": {"columns": list(unique)}}))
    if data.get("strict"):
        suite.claims.append(
            Claim(
                "strict",
                {"schema": {"columns": list(columns), "order": "exact" if data.get("ordered") else "any", "extra": "forbid"}},
            )
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
        return Claim(
            origin, {"between": {"column": column, **bounds(values.get("min_value"), values.get("max_value")), **more}}
        )
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
