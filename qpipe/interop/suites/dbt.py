"""dbt: the data tests of models, sources, seeds and snapshots in a schema.yml, those of dbt-utils and dbt-expectations, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qpipe.interop.suites import Claim, Suite, attempt, with_all
from qpipe.interop.suites._dbt_tests import WHY, modules_of
from qpipe.interop.suites._types import type_word


def suites(data: Any, name: str) -> Iterator[Suite]:
    tables = [table for kind in ("models", "seeds", "snapshots") for table in data.get(kind) or ()]
    of_source = ("loaded_at_field", "freshness")  # may be said of all tables of a source
    tables += [
        {**{name: source[name] for name in of_source if name in source}, **table}
        for source in data.get("sources") or ()
        for table in source.get("tables") or ()
    ]
    for table in tables:
        suite = Suite(table["name"])
        columns = table.get("columns") or ()
        key = next((c["name"] for c in columns if "unique" in map(_kind_of, _tests(c))), None)
        suite.claims += _freshness(table)
        for test in _tests(table):
            suite.claims += _of_test(test, None, key)
        for constraint in table.get("constraints") or ():
            suite.claims += _constraint(constraint, constraint.get("columns") or ())
        suite.columns = [column["name"] for column in columns]
        for column in columns:
            if word := type_word(column.get("data_type")):
                suite.types[column["name"]] = word
            for test in _tests(column):
                suite.claims += _of_test(test, column["name"], key)
            for constraint in column.get("constraints") or ():
                suite.claims += _constraint(constraint, [column["name"]])
        units = [unit for unit in data.get("unit_tests") or () if unit.get("model") == table["name"]]
        suite.claims += [Claim(f"unit test {unit['name']}", why="it tests a model's SQL, not data") for unit in units]
        yield suite


def _freshness(table: Mapping[str, Any]) -> Iterator[Claim]:
    """How old a source's table may be."""
    told = {**(table.get("config") or {}), **table}
    for level, severity in {"warn_after": "warning", "error_after": "error"}.items():
        if age := (told.get("freshness") or {}).get(level):
            origin, column = f"freshness, {level}", str(told.get("loaded_at_field") or "")
            if column.isidentifier():
                where = told["freshness"].get("filter")
                values = {"column": column, "max_age": f"{age['count']}{age['period'][0]}", "severity": severity}
                yield Claim(origin, with_all({"freshness": values}, where=where))
            else:
                yield Claim(origin, why="loaded_at_field names no column")


def _constraint(told: Mapping[str, Any], columns: Sequence[str]) -> list[Claim]:
    """Of a model's contract."""
    kind = str(told.get("type"))
    origin = f"constraint {kind}({', '.join(columns)})"
    made: list[dict[str, Any]] = []
    if kind in ("not_null", "primary_key"):
        made.append({"not_null": {"columns": list(columns)}})
    if kind in ("unique", "primary_key"):
        made.append({"unique": {"columns": list(columns)}})
    if kind == "check" and told.get("expression"):
        made.append({"expression": {"condition": str(told["expression"])}})
    return [Claim(origin, one) for one in made] or [Claim(origin, why="there is no counterpart")]


def _tests(of: Mapping[str, Any]) -> Sequence[Any]:
    return [*(of.get("data_tests") or ()), *(of.get("tests") or ())]


_BESIDE = {
    "config",
    "name",
    "description",
    "tags",
    "meta",
    "test_name",
    "arguments",
    *("severity", "warn_if", "error_if", "where"),
}


def _kind_of(test: Any) -> str:
    """``not_null``, ``{unique: {…}}``, ``{name: mine, test_name: unique, …}``."""
    if isinstance(test, str):
        return test
    return str(test.get("test_name") or next((key for key in test if key not in _BESIDE), "test"))


def _of_test(test: Any, column: str | None, key: str | None) -> list[Claim]:
    kind = _kind_of(test)
    origin = f"{kind}({column})" if column else kind
    return attempt(origin, lambda: _claims(kind, origin, test, column, key))


def _claims(kind: str, origin: str, test: Any, column: str | None, key: str | None) -> Iterator[Claim]:
    """Mostly one claim a test; one for each level of severity, and for each figure of Elementary's tests of columns."""
    outer = {} if isinstance(test, str) else test
    given = dict(outer.get(kind) or {}) if kind in outer else {k: v for k, v in outer.items() if k not in ("name", "test_name")}
    config = {
        **{k: given.pop(k) for k in list(given) if k in _CONFIG},
        **(outer.get("config") or {}),
        **(given.pop("config", None) or {}),
    }
    given = {**given, **(given.pop("arguments", None) or {}), **(outer.get("arguments") or {} if kind in outer else {})}
    if why := _obstacle(config, given):
        yield Claim(origin, why=why)
        return
    column = column or given.get("column_name")
    made = modules_of(kind, {**given, "key": given.get("key") or key}, column)
    if isinstance(made, str):
        yield Claim(origin, why=made)
        return
    if not made:
        yield Claim(origin, why=WHY.get(kind.rpartition(".")[2], "there is no counterpart"))
        return
    for one in made:
        for level in _levels(config):
            yield Claim(origin, with_all(one, where=config.get("where"), **level) if isinstance(level, dict) else None,
                        level if isinstance(level, str) else "")  # fmt: skip


_CONFIG = ("severity", "where", "warn_if", "error_if", "limit", "fail_calc", "enabled", "store_failures", "tags", "meta")


def _obstacle(config: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    if config.get("enabled") is False:
        return "it is switched off"
    if str(config.get("fail_calc") or "count(*)") != "count(*)":
        return f"fail_calc {config['fail_calc']}: failures are counted here"
    told = {**given, "where": config.get("where")}
    if macros := [name for name, value in told.items() if "{{" in str(value) and not re.search(r"ref\(|source\(", str(value))]:
        return f"its {', '.join(macros)} has a macro"
    for column in (given.get(name) for name in ("column_name", "column_A", "column_B")):
        if column and not re.fullmatch(r'"?[\w ]+"?', str(column)):
            return f"{column} is an expression, not a column: `derive` it first"
    return ""


def _levels(config: Mapping[str, Any]) -> list[dict[str, Any] | str]:
    """Severity and tolerance: as many as there are levels at which failures count."""
    asked = {"warning": config.get("warn_if"), "error": config.get("error_if")}
    if str(config.get("severity") or "error").lower() == "warn":
        asked.pop("error")
    elif asked["error"] is None:  # any failure at all is one
        return [{}]
    found: list[dict[str, Any] | str] = []
    for severity, condition in asked.items():
        most = _most(condition)
        if most is None:
            found.append(f"{condition} is no greatest number of failures")
        else:
            found.append({**({"tolerance": most} if most else {}), **({} if severity == "error" else {"severity": severity})})
    return found


def _most(condition: Any) -> int | None:
    """The greatest number of failures that is none yet: ``> 10`` → 10."""
    text = str(condition or "!=0").replace(" ", "")
    if text in ("!=0", "<>0"):
        return 0
    found = re.fullmatch(r"(>=?)(\d+)", text)
    return int(found[2]) - (found[1] == ">=") if found else None
