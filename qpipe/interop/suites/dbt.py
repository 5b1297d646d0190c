"""dbt: the data tests of models, sources, seeds and snapshots in a schema.yml, those of dbt-utils and dbt-expectations, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds, gx, type_word


def suites(data: Any, name: str) -> Iterator[Suite]:
    tables = [table for kind in ("models", "seeds", "snapshots") for table in data.get(kind) or ()]
    tables += [table for source in data.get("sources") or () for table in source.get("tables") or ()]
    for table in tables:
        suite = Suite(table["name"])
        for test in table.get("data_tests") or table.get("tests") or ():
            suite.claims.append(_claim(test, None))
        for column in table.get("columns") or ():
            if word := type_word(column.get("data_type")):
                suite.types[column["name"]] = word
            for test in column.get("data_tests") or column.get("tests") or ():
                suite.claims.append(_claim(test, column["name"]))
        yield suite


def _claim(test: Any, column: str | None) -> Claim:
    kind, given = (test, {}) if isinstance(test, str) else next((k, v or {}) for k, v in test.items() if k != "config")
    given = {**given, **(given.get("arguments") or {})}
    origin = f"{kind}({column})" if column else str(kind)
    config = {**(test.get("config") or {} if isinstance(test, Mapping) else {}), **(given.get("config") or {}), **given}
    made = _turn(str(kind), given, column)
    if made is None:
        return Claim(origin, why="there is no counterpart")
    ((module, values),) = made.items()
    extra: dict[str, Any] = {"severity": "warning"} if str(config.get("severity", "")).lower() == "warn" else {}
    if where := config.get("where"):
        extra["where"] = where
    if found := re.fullmatch(r">\s*(\d+)", str(config.get("error_if") or "")):
        extra["tolerance"] = int(found[1])
    return Claim(origin, {module: {**values, **extra}})


def _turn(kind: str, given: Mapping[str, Any], column: str | None) -> dict[str, Any] | None:
    package, _, name = kind.rpartition(".")
    if package == "dbt_expectations":
        kwargs = {**given, **({"column": column} if column else {})}
        claim = gx.claim(name.replace("expect_column_values_to_be_in_type", "expect_column_values_to_be_of_type"), kwargs, {})
        return dict(claim.module) if claim.module else None
    if name == "not_null":
        return {"not_null": {"column": column or given["column_name"]}}
    if name == "unique":
        return {"unique": {"columns": [column or given["column_name"]]}}
    if name == "accepted_values":
        return {"one_of": {"column": column or given["column_name"], "values": given["values"]}}
    if name == "not_accepted_values":
        return {"one_of": {"column": column, "values": given["values"], "negate": True}}
    if name == "relationships":
        to = re.search(r"'([^']+)'\s*\)\s*$", str(given["to"]))
        return {"foreign_key": {"column": column, "references": f"{to[1] if to else given['to']}.{given['field']}"}}
    if name in ("unique_combination_of_columns", "unique_combination"):
        return {"unique": {"columns": list(given.get("combination_of_columns") or given["columns"])}}
    if name == "expression_is_true":
        return {"expression": {"condition": f"{column} {given['expression']}" if column else given["expression"]}}
    if name == "accepted_range":
        inclusive = given.get("inclusive", True)
        return {"between": {"column": column, **bounds(given.get("min_value"), given.get("max_value"),
                                                      exclusive=None if inclusive else True)}}  # fmt: skip
    if name == "not_empty_string":
        return {"not_null": {"column": column, "blank": True}}
    if name == "not_null_proportion":
        return {"null_share": {"column": column, "max": round(1 - given["at_least"], 10)}}
    if name == "recency":
        unit = {"day": "d", "hour": "h", "minute": "m", "week": "w"}[given["datepart"]]
        return {"freshness": {"column": given["field"], "max_age": f"{given['interval']}{unit}"}}
    return None
