"""The Open Data Contract Standard, version 3: schema, keys, quality rules of the library and in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds, score
from qpipe.interop.suites._types import type_word


def suites(data: Any, name: str) -> Iterator[Suite]:
    of_all = [sla for sla in data.get("slaProperties") or () if not sla.get("element")]
    for table in data["schema"]:
        suite = Suite(table.get("physicalName") or table["name"])
        keys = [p for p in table.get("properties") or () if p.get("primaryKey")]
        for column in table.get("properties") or ():
            suite.claims += _property(column, suite, alone=len(keys) == 1)
        if len(keys) > 1:
            names = [p["name"] for p in sorted(keys, key=lambda p: p.get("primaryKeyPosition", 0))]
            suite.claims.append(Claim(f"primaryKey({', '.join(names)})", {"unique": {"columns": names}}))
        suite.claims += [_quality(rule, None) for rule in table.get("quality") or ()]
        suite.claims += [_promise(sla, suite.table) for sla in data.get("slaProperties") or () if _is_of(sla, table)]
        suite.claims += [_promise(sla, suite.table) for sla in of_all]
        yield suite


def _property(column: Mapping[str, Any], suite: Suite, *, alone: bool) -> Iterator[Claim]:
    name, options = column["name"], column.get("logicalTypeOptions") or {}
    if word := type_word(column.get("logicalType")):
        suite.types[name] = word
    if word in ("date", "datetime", "time") and (pattern := options.get("format")):
        if written := _strptime(str(pattern)):
            suite.types[name] = {"type": word, "format": written}
        else:
            yield Claim(f"format({name})", why=f"{pattern} is not read")
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
    strict = {"min": options.get("exclusiveMinimum"), "max": options.get("exclusiveMaximum")}
    ends = [options.get("minimum", strict["min"]), options.get("maximum", strict["max"])]
    if any(end is not None for end in ends):
        open_ends = [side for side, end in strict.items() if end is not None]
        exclusive = True if len(open_ends) == 2 else open_ends[0] if open_ends else None
        yield Claim(f"range({name})", {"between": {"column": name, **bounds(*ends, exclusive=exclusive)}})
    if kind := _FORMATS.get(str(options.get("format"))):
        yield Claim(f"format({name})", {"format_is": {"column": name, "kind": kind}})
    for other in column.get("relationships") or ():
        yield Claim(f"relationship({name})", {"foreign_key": {"column": name, "references": str(other["to"])}})
    for rule in column.get("quality") or ():
        yield _quality(rule, name)


def _strptime(pattern: str) -> str:
    """A pattern of Java's as one of ours; empty where it has a sign that we do not know."""
    signs = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "'T'": "T"}
    written = re.sub("|".join(signs), lambda found: signs[found[0]], pattern)
    return "" if re.search(r"(?<!%)[A-SU-Za-z]|'", written) else written


_FORMATS = {"email": "email", "uri": "url", "url": "url", "uuid": "uuid", "ipv4": "ip", "ipv6": "ip"}


def _is_of(sla: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
    return str(sla.get("element") or "").partition(".")[0] in (table.get("name"), table.get("physicalName"))


def _promise(sla: Mapping[str, Any], table: str) -> Claim:
    """What is promised of a table's age, or of its score."""
    name, element = str(sla.get("property")), str(sla.get("element") or "")
    origin = f"{name}({element})" if element else name
    column, unit = element.partition(".")[2], str(sla.get("unit") or "d")[0].lower()
    if asked := score(origin, name, sla.get("value"), column or None):
        return asked
    if sla.get("property") in ("latency", "freshness", "ly", "fy") and column and unit in "dhm":
        return Claim(origin, {"freshness": {"column": column, "max_age": f"{sla['value']}{unit}"}})
    return Claim(origin, why="there is no counterpart")


def _quality(rule: Mapping[str, Any], column: str | None) -> Claim:
    kind = rule.get("metric") or rule.get("rule") or rule.get("type") or "quality"
    origin = f"{kind}({column})" if column else str(kind)
    arguments = rule.get("arguments") or {}
    most = rule.get("mustBeLessOrEqualTo", rule.get("mustBe", 0))
    allowed: dict[str, Any] = {"tolerance": most / 100 if rule.get("unit") == "percent" else int(most)} if most else {}
    if "mustBeLessThan" in rule:
        allowed = {"tolerance": rule["mustBeLessThan"] / 100 if rule.get("unit") == "percent" else rule["mustBeLessThan"] - 1}
    if rule.get("severity") in ("warning", "info"):
        allowed["severity"] = rule["severity"]
    if asked := score(origin, str(kind), rule.get("mustBeGreaterOrEqualTo", rule.get("mustBeGreaterThan")), column):
        return Claim(origin, asked.module and {"quality_score": {**asked.module["quality_score"], **allowed}}, asked.why)
    if kind == "missingValues" and column and (words := [w for w in arguments.get("missingValues") or () if w]):
        return Claim(origin, {"one_of": {"column": column, "values": words, "negate": True, **allowed}})
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
        low = rule.get("mustBeGreaterOrEqualTo", rule.get("mustBeGreaterThan", -1) + 1)
        high = rule.get("mustBeLessOrEqualTo", rule["mustBeLessThan"] - 1 if "mustBeLessThan" in rule else None)
        between = rule.get("mustBeBetween") or (low, high)
        if "mustBe" in rule:
            return Claim(origin, {"row_count": {"equals": rule["mustBe"]}})
        return Claim(origin, {"row_count": bounds(*between)})
    return Claim(origin, why="it is in words or in another system's query" if rule.get("type") in ("text", "sql", "custom")
                 else "there is no counterpart")  # fmt: skip
