"""Frictionless: a table schema, a resource, or a package of resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds
from qpipe.interop.suites._types import type_word


def suites(data: Any, name: str) -> Iterator[Suite]:
    tasks = [task.get("resource", task) for task in data.get("tasks") or ()]  # of an inquiry
    for resource in data.get("resources") or tasks or [data]:
        schema = resource.get("schema", resource)
        path = resource.get("path") or ""
        path = path[0] if isinstance(path, list) else path
        suite = Suite(resource.get("name") or str(path).rpartition("/")[2].partition(".")[0] or name, path=path)
        checks = [_check(check) for check in (*(data.get("checks") or ()), *(resource.get("checks") or ()))]
        if "schema" in resource and not isinstance(schema, Mapping):
            yield replace(suite, claims=[Claim("schema", why=f"it is in another file: import {schema}"), *checks])
            continue
        if "fields" not in schema and resource is not data:
            yield replace(suite, claims=checks)
            continue
        suite.columns = [field["name"] for field in schema["fields"]]
        suite.claims = [claim for field in schema["fields"] for claim in _field(field, suite)]
        if key := schema.get("primaryKey") or schema.get("primaryKeys"):
            columns = [key] if isinstance(key, str) else list(key)
            suite.claims += [Claim(f"primaryKey({', '.join(columns)})", {"unique": {"columns": columns}}),
                             Claim(f"primaryKey({', '.join(columns)})", {"not_null": {"columns": columns}})]  # fmt: skip
        for columns in schema.get("uniqueKeys") or ():
            columns = [columns] if isinstance(columns, str) else list(columns)
            suite.claims.append(Claim(f"uniqueKeys({', '.join(columns)})", {"unique": {"columns": columns}}))
        suite.claims += [*_matching(schema), *checks]
        for key in schema.get("foreignKeys") or ():
            suite.claims.append(_foreign(key, suite.table))
        values = [v["value"] if isinstance(v, Mapping) else v for v in schema.get("missingValues") or ()]
        suite.nulls = [v for v in values if v]  # before the contract reads them as numbers
        yield suite


def _matching(schema: Mapping[str, Any]) -> Iterator[Claim]:
    """How the columns there and the fields told must agree, of version 2."""
    told, names = schema.get("fieldsMatch"), [field["name"] for field in schema["fields"]]
    told = told[0] if isinstance(told, list) else told
    how: dict[str, Any] = {
        "exact": {"order": "exact", "extra": "forbid"}, "equal": {"extra": "forbid"}, "subset": {"extra": "allow"},
        "superset": {"extra": "forbid", "optional": names},
    }  # fmt: skip
    if told in how:
        yield Claim(f"fieldsMatch {told}", {"schema": {"columns": names, **how[told]}})
    elif told:
        yield Claim(f"fieldsMatch {told}", why="there is no counterpart")


def _field(field: Mapping[str, Any], suite: Suite) -> Iterator[Claim]:
    name, limits = field["name"], field.get("constraints") or {}
    format = str(field.get("format") or "")
    word = type_word(field.get("type") or "any")
    if field.get("type") == "yearmonth":
        word, format = "date", "%Y-%m"
    if word in ("date", "datetime") and format == "any":
        suite.types[name] = "string"
        yield Claim(f"format any({name})", {"parse_date": {"column": name, "type": word}})
    elif word and "%" in format:
        suite.types[name] = {"type": word, "format": format}
    elif word in ("int", "float") and (marks := _marks(field)):
        suite.types[name] = "string"
        yield Claim(f"{', '.join(marks)}({name})", {"parse_number": {"column": name, "type": word, **_written(field)}})
    elif word:
        suite.types[name] = word
    else:
        yield Claim(f"type {field['type']}({name})", why="there is no counterpart")
    if values := [key for key in ("trueValues", "falseValues") if key in field]:
        yield Claim(f"{', '.join(values)}({name})", why="which words are true and false is not told to a source")
    if format in ("email", "uri", "uuid"):
        yield Claim(f"format({name})", {"format_is": {"column": name, "kind": {"uri": "url"}.get(format, format)}})
    if limits.get("required"):
        yield Claim(f"required({name})", {"not_null": {"column": name}})
    if limits.get("unique"):
        yield Claim(f"unique({name})", {"unique": {"columns": [name]}})
    if "enum" in limits:
        yield Claim(f"enum({name})", {"one_of": {"column": name, "values": limits["enum"]}})
    if "pattern" in limits:
        yield Claim(f"pattern({name})", {"matches": {"column": name, "regex": limits["pattern"], "whole": True}})
    if ends := _ends(limits):
        yield Claim(f"minimum, maximum({name})", {"between": {"column": name, **ends}})
    if isinstance(limits.get("jsonSchema"), Mapping):
        yield Claim(f"jsonSchema({name})", {"json_is": {"column": name, "schema": dict(limits["jsonSchema"])}})
    if own := field.get("missingValues"):
        yield Claim(f"missingValues({name})", {"normalize_nulls": {"columns": [name], "placeholders": [v for v in own if v]}})
    if "minLength" in limits or "maxLength" in limits:
        yield Claim(f"minLength, maxLength({name})", {
            "length": {"column": name, **bounds(limits.get("minLength"), limits.get("maxLength"))}})  # fmt: skip


def _ends(limits: Mapping[str, Any]) -> dict[str, Any]:
    strict = {"min": limits.get("exclusiveMinimum"), "max": limits.get("exclusiveMaximum")}
    open_ends = [side for side, end in strict.items() if end is not None]
    exclusive = True if len(open_ends) == 2 else open_ends[0] if open_ends else None
    low, high = (limits.get(word, strict[side]) for word, side in (("minimum", "min"), ("maximum", "max")))
    return bounds(low, high, exclusive=exclusive)


def _marks(field: Mapping[str, Any]) -> list[str]:
    """What is said of how its numbers are written, where it is not as usual."""
    usual = {"decimalChar": ".", "groupChar": "", "bareNumber": True}
    return [key for key, value in usual.items() if field.get(key, value) != value]


def _written(field: Mapping[str, Any]) -> dict[str, Any]:
    marks = {"decimal": field.get("decimalChar"), "thousands": field.get("groupChar")}
    signs = {} if field.get("bareNumber", True) else {"currency": True}
    return {name: mark for name, mark in marks.items() if mark} | signs


def _check(check: Mapping[str, Any]) -> Claim:
    """The checks of a description beside its schema."""
    kind, name = str(check.get("type") or check["code"]), check.get("fieldName") or check.get("field_name")
    origin = f"{kind}({name})" if name else kind
    turned: dict[str, Any] = {
        "row-constraint": lambda: {"expression": {"condition": str(check["formula"]).replace("==", "=").replace("!=", "<>")}},
        "forbidden-value": lambda: {"one_of": {"column": name, "values": list(check["values"]), "negate": True}},
        "sequential-value": lambda: {"no_gaps": {"column": name}},
        "ascii-value": lambda: {"text_is": {"column": name, "ascii": True}} if name else None,
        "deviated-value": lambda: {"detect_outliers": {"column": name, "method": "z", "threshold": check.get("interval", 3)}},
        "table-dimensions": lambda: _dimensions(check),
    }
    made = turned.get(kind, lambda: None)()
    return Claim(origin, made, "" if made else "there is no counterpart")


def _dimensions(check: Mapping[str, Any]) -> dict[str, Any] | None:
    if "numRows" in check:
        return {"row_count": {"equals": check["numRows"]}}
    if "minRows" in check or "maxRows" in check:
        return {"row_count": bounds(check.get("minRows"), check.get("maxRows"))}
    fields = {
        "min_columns": check.get("minFields", check.get("numFields")),
        "max_columns": check.get("maxFields", check.get("numFields")),
    }
    fields = {side: n for side, n in fields.items() if n is not None}
    return {"schema": fields} if fields else None


def _foreign(key: Mapping[str, Any], table: str) -> Claim:
    columns = [key["fields"]] if isinstance(key["fields"], str) else list(key["fields"])
    to = key["reference"]
    fields = [to["fields"]] if isinstance(to["fields"], str) else list(to["fields"])
    references = [f"{to.get('resource') or table}.{field}" for field in fields]
    told = references[0] if len(references) == 1 else references
    return Claim(f"foreignKey({', '.join(columns)})", {"foreign_key": {"columns": columns, "references": told}})
