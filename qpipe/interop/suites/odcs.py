"""The Open Data Contract Standard, versions 2 and 3: schema, keys, quality rules of the library and in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, attempt, bounds, gx, score, with_all
from qpipe.interop.suites._limits import threshold, valid
from qpipe.interop.suites._soda_contract import check_claims
from qpipe.interop.suites._sql import quoted
from qpipe.interop.suites._types import type_word


def suites(data: Any, name: str) -> Iterator[Suite]:
    tables = data["schema"] if "schema" in data else [_of_version_2(table) for table in data["dataset"]]
    promises = data.get("slaProperties") or ()
    for table in tables:
        suite = Suite(table.get("physicalName") or table["name"])
        properties = table.get("properties") or ()
        suite.columns = [column["name"] for column in properties]
        keys = [column for column in properties if column.get("primaryKey")]
        for column in properties:
            suite.claims += _property(column, suite, alone=len(keys) == 1)
        if len(keys) > 1:
            names = [p["name"] for p in sorted(keys, key=lambda p: p.get("primaryKeyPosition", 0))]
            suite.claims.append(Claim(f"primaryKey({', '.join(names)})", {"unique": {"columns": names}}))
        suite.claims += [claim for other in table.get("relationships") or () for claim in _relationship(other, None)]
        suite.claims += [claim for rule in table.get("quality") or () for claim in _quality(rule, None)]
        suite.claims += [_promise(sla, suite.table) for sla in promises if _is_of(sla, table)]
        suite.claims += [_promise(sla, suite.table) for sla in promises if not sla.get("element")]
        yield suite


def _of_version_2(table: Mapping[str, Any]) -> dict[str, Any]:
    """As version 3 has it."""
    called = {"column": "name", "isUnique": "unique", "isPrimaryKey": "primaryKey"}
    columns = []
    for theirs in table.get("columns") or ():
        column = {called.get(key, key): value for key, value in theirs.items()}
        columns.append({**column, "required": theirs.get("isNullable") is False})
    name = table.get("table") or table.get("physicalName") or table["name"]
    return {"name": name, "physicalName": table.get("physicalName"), "properties": columns, "quality": table.get("quality")}


# ── a column ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _property(column: Mapping[str, Any], suite: Suite, *, alone: bool) -> Iterator[Claim]:
    name, options = column["name"], column.get("logicalTypeOptions") or {}
    word = _type(column)
    if word:
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
    if values := [item["value"] if isinstance(item, Mapping) else item for item in column.get("enum") or ()]:
        yield Claim(f"enum({name})", {"one_of": {"column": name, "values": values}})
    if "pattern" in options:
        yield Claim(f"pattern({name})", {"matches": {"column": name, "regex": options["pattern"]}})
    for unit, ends in {"chars": ("minLength", "maxLength"), "items": ("minItems", "maxItems")}.items():
        if limits := bounds(*(options.get(end) for end in ends)):
            yield Claim(
                f"length({name})", {"length": {"column": name, **limits, **({"unit": unit} if unit == "items" else {})}}
            )
    if limits := _range(options):
        yield Claim(f"range({name})", {"between": {"column": name, **limits}})
    if step := options.get("multipleOf"):
        yield Claim(f"multipleOf({name})", {"expression": {"condition": f"{quoted(name)} % {step} = 0"}})
    if kind := _FORMATS.get(str(options.get("format"))):
        yield Claim(f"format({name})", {"format_is": {"column": name, "kind": kind}})
    for other in column.get("relationships") or ():
        yield from _relationship(other, name)
    for rule in column.get("quality") or ():
        yield from _quality(rule, name)


def _type(column: Mapping[str, Any]) -> str | None:
    """The logical type; the physical one where it says more: a date that is a timestamp, a number that is whole."""
    logical, physical = type_word(column.get("logicalType")), type_word(column.get("physicalType"))
    more = {"date": ("datetime", "time"), "float": ("int", "decimal")}.get(logical or "", ())
    return physical if physical and (logical is None or (more and physical.startswith(more))) else logical


def _range(options: Mapping[str, Any]) -> dict[str, Any]:
    """minimum and maximum; an exclusive end is told as a number, or as true beside the end."""
    ends: dict[str, Any] = {}
    open_ends = []
    for side, theirs in (("min", "Minimum"), ("max", "Maximum")):
        strict = options.get(f"exclusive{theirs}")
        ends[side] = options.get(theirs.lower())
        if strict is not None and strict is not False:
            open_ends.append(side)
            ends[side] = ends[side] if strict is True else strict
    exclusive = True if len(open_ends) == 2 else open_ends[0] if open_ends else None
    return bounds(ends["min"], ends["max"], exclusive=exclusive)


def _strptime(pattern: str) -> str:
    """A pattern of Java's as one of ours; empty where it has a sign that we do not know."""
    signs = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "'T'": "T"}
    written = re.sub("|".join(signs), lambda found: signs[found[0]], pattern)
    return "" if re.search(r"(?<!%)[A-SU-Za-z]|'", written) else written


_FORMATS = {
    "email": "email",
    "uri": "url",
    "url": "url",
    "uuid": "uuid",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "hostname": "hostname",
}


def _relationship(told: Mapping[str, Any], column: str | None) -> Iterator[Claim]:
    """Of a column: ``to: customers.id``; of a table: ``from`` and ``to``, one or several."""
    origin = f"relationship({column})" if column else "relationship"
    sides = [[side] if isinstance(side, str) else list(side or ()) for side in (column or told.get("from"), told["to"])]
    here = [str(name).rpartition(".")[2] for name in sides[0]]
    there = [".".join(str(name).replace("/", ".").split(".")[-2:]) for name in sides[1]]
    key = {"column": here[0], "references": there[0]} if len(here) == 1 else {"columns": here, "references": there}
    yield (
        Claim(origin, {"foreign_key": key}) if here and len(here) == len(there) else Claim(origin, why="its ends do not match")
    )


# ── promises and rules ────────────────────────────────────────────────────────────────────────────────────────────────


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


def _quality(rule: Mapping[str, Any], column: str | None) -> list[Claim]:
    kind = str(rule.get("metric") or rule.get("rule") or rule.get("code") or rule.get("type") or "quality")
    origin = f"{kind}({column})" if column else kind
    return attempt(origin, lambda: _claims(rule, kind, origin, column))


def _claims(rule: Mapping[str, Any], kind: str, origin: str, column: str | None) -> Iterator[Claim]:
    severity = {"severity": word} if (word := str(rule.get("severity")).lower()) in ("warning", "info") else {}
    if asked := score(origin, kind, rule.get("mustBeGreaterOrEqualTo", rule.get("mustBeGreaterThan")), column):
        made: Any = [asked.module] if asked.module else asked.why
    elif rule.get("implementation"):
        yield from _of_engine(rule, origin, column)
        return
    else:
        made = _modules(rule, kind, column)
    if isinstance(made, str):
        yield Claim(origin, why=made)
    else:
        yield from (Claim(origin, with_all(one, **severity)) for one in made)


def _of_engine(rule: Mapping[str, Any], origin: str, column: str | None) -> list[Claim]:
    """Rules in another system's words, where we know them."""
    engine, told = str(rule.get("engine")).lower().replace(" ", ""), rule["implementation"]
    if engine in ("greatexpectations", "gx") and isinstance(told, Mapping):
        kind = told.get("expectation_type") or told["type"]
        return gx.claims(str(kind), {**({"column": column} if column else {}), **(told.get("kwargs") or {})}, told)
    if engine == "soda" and isinstance(told, Mapping) and "type" in told:
        return check_claims(str(told["type"]), {k: v for k, v in told.items() if k != "type"}, column)
    return [Claim(origin, why="it is in words or in another system's query")]


def _modules(rule: Mapping[str, Any], kind: str, column: str | None) -> list[dict[str, Any]] | str:
    arguments = {**rule, **(rule.get("arguments") or {})}
    told = {re.sub("([A-Z])", r"_\1", key).lower(): value for key, value in rule.items() if key.startswith("must")}
    told = {key.replace("_or_equal_to", "_than_or_equal"): value for key, value in told.items()}
    limits = threshold({**told, "unit": rule.get("unit")})
    if limits is None:
        return "what must not be is two ranges, and has no counterpart"
    if kind == "rowCount":
        return [{"row_count": limits.count() if told else {"min": 1}}]
    allowed = limits.failures()
    if kind in _FAILURES and allowed is None:
        return "only an upper limit of failures has a counterpart"
    allowed = allowed or {}
    if kind in ("nullValues", "nullCheck", "missingValues") and column:
        words = [word for word in arguments.get("missingValues") or () if word is not None]
        blank = {"blank": True} if "" in words else {}
        words = [word for word in words if word != ""]
        return [{"not_null": {"column": column, **({"placeholders": words} if words else {}), **blank, **allowed}}]
    if kind in ("duplicateValues", "duplicateCount", "uniqueCheck", "duplicateCheck"):
        columns = [column] if column else [str(name).rpartition(".")[2] for name in arguments.get("properties") or ()]
        return [{"unique": {"columns": columns, **allowed}}] if columns else "of which columns?"
    if kind in ("invalidValues", "validValues") and column:
        made = valid(column, {"valid values": arguments.get("validValues"), "valid regex": arguments.get("pattern")})
        if isinstance(made, str) or not allowed or len(made) == 1:
            return made if isinstance(made, str) else [with_all(one, **allowed) for one in made]
        return "several notions of valid share one tolerance"
    in_words = rule.get("type") in ("text", "sql", "custom")
    return "it is in words or in another system's query" if in_words else "there is no counterpart"


_FAILURES = {
    "nullValues", "nullCheck", "missingValues", "duplicateValues", "duplicateCount", "uniqueCheck", "duplicateCheck",
    "invalidValues", "validValues",
}  # fmt: skip
