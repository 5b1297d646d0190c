"""The Open Data Contract Standard, version 3: schema, keys, quality rules of the library and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds, type_word


def suites(data: Any, name: str) -> Iterator[Suite]:
    for table in data["schema"]:
        suite = Suite(table.get("physicalName") or table["name"])
        keys = [p for p in table.get("properties") or () if p.get("primaryKey")]
        for column in table.get("properties") or ():
            suite.claims += _property(column, suite, alone=len(keys) == 1)
        if len(keys) > 1:
            names = [p["name"] for p in sorted(keys, key=lambda p: p.get("primaryKeyPosition", 0))]
            suite.claims.append(Claim(f"primaryKey({', '.join(names)})", {"unique": {"columns": names}}))
        suite.claims += [_quality(rule, None) for rule in table.get("quality") or ()]
        yield suite


def _property(column: Mapping[str, Any], suite: Suite, *, alone: bool) -> Iterator[Claim]:
    name, options = column["name"], column.get("logicalTypeOptions") or {}
    if word := type_word(column.get("logicalType")):
        suite.types[name] = word
    if column.get("required") or column.get("primaryKey"):
        yield Claim(f"required({name})", {"not_null": {"column": name}})
    if column.get("unique") or (column.get("primaryKey") and alone):
        yield Claim(f"unique({name})", {"unique": {"columns": [name]}})
    if "pattern" in options:
        yield Claim(f"pattern({name})", {"matches": {"column": name, "regex": options["pattern"]}})
    if "minLength" in options or "maxLength" in options:
        yield Claim(
            f"length({name})", {"length": {"column": name, **bounds(options.get("minLength"), options.get("maxLength"))}}
        )
    if "minimum" in options or "maximum" in options:
        yield Claim(f"range({name})", {"between": {"column": name, **bounds(options.get("minimum"), options.get("maximum"))}})
    for rule in column.get("quality") or ():
        yield _quality(rule, name)


def _quality(rule: Mapping[str, Any], column: str | None) -> Claim:
    kind = rule.get("metric") or rule.get("rule") or rule.get("type") or "quality"
    origin = f"{kind}({column})" if column else str(kind)
    arguments = rule.get("arguments") or {}
    most = rule.get("mustBeLessOrEqualTo", rule.get("mustBe", 0))
    allowed = {"tolerance": most / 100 if rule.get("unit") == "percent" else int(most)} if most else {}
    if "mustBeLessThan" in rule:
        allowed = {"tolerance": rule["mustBeLessThan"] / 100 if rule.get("unit") == "percent" else rule["mustBeLessThan"] - 1}
    if kind in ("nullValues", "nullCheck", "missingValues") and column:
        return Claim(origin, {"not_null": {"column": column, **allowed}})
    if kind in ("duplicateValues", "duplicateCount", "uniqueCheck"):
        columns = [column] if column else list(arguments.get("properties") or ())
        return Claim(
            origin, {"unique": {"columns": columns, **allowed}} if columns else None, "" if columns else "of which columns?"
        )
    if kind == "invalidValues" and column:
        if "validValues" in arguments:
            return Claim(origin, {"one_of": {"column": column, "values": arguments["validValues"], **allowed}})
        if "pattern" in arguments:
            return Claim(origin, {"matches": {"column": column, "regex": arguments["pattern"], **allowed}})
    if kind == "rowCount":
        between = rule.get("mustBeBetween") or (rule.get("mustBeGreaterThan", -1) + 1, rule.get("mustBeLessOrEqualTo"))
        if "mustBe" in rule:
            return Claim(origin, {"row_count": {"equals": rule["mustBe"]}})
        return Claim(origin, {"row_count": bounds(*between)})
    return Claim(origin, why="it is in words or in another system's query" if rule.get("type") in ("text", "sql", "custom")
                 else "there is no counterpart")  # fmt: skip
