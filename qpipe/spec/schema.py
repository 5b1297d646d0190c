"""The JSON Schema of a spec, assembled from the registry: completion, hover and red lines in an editor.

It says what ``check`` says about structure, from the same declarations; what stands in another part of the file (ids, columns,
expressions) only ``check`` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qpipe.core.component import Component
from qpipe.core.params import Param, params_of, short_param
from qpipe.core.registry import Registry
from qpipe.spec import sections

_REFERENCE = {"type": "string", "pattern": r"\$\{"}  # a reference may stand for any scalar
_SCALARS = {"integer", "number", "boolean"}


def spec_schema(registry: Registry | None = None) -> dict[str, Any]:
    """The schema of a whole spec (JSON Schema, draft 2020-12)."""
    registry = registry or Registry()
    top = _object(sections.TopLevel, params_of(sections.TopLevel))
    top["properties"] |= {
        "sources": _mapping({"$ref": "#/$defs/source"}, _help(sections.TopLevel, "sources"), least=1),
        "outputs": _mapping({"$ref": "#/$defs/output"}, _help(sections.TopLevel, "outputs"), least=1),
        "modules": {"description": _help(sections.TopLevel, "modules"), "oneOf": [
            {"type": "array", "items": {"$ref": "#/$defs/module"}},
            _mapping({"$ref": "#/$defs/group"}, "groups of modules")]},
        "routes": _list({"$ref": "#/$defs/route"}, _help(sections.TopLevel, "routes")),
        "decisions": _nullable(_mapping({"$ref": "#/$defs/decision"}, _help(sections.TopLevel, "decisions"))),
        "settings": _nullable({"$ref": "#/$defs/settings"}),
        "tests": _list({"$ref": "#/$defs/test"}, _help(sections.TopLevel, "tests")),
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "qpipe spec",
        **top,
        "$defs": {
            "source": _typed("source", registry),
            "output": _typed("output", registry),
            "module": _modules(registry),
            "group": _group(),
            "route": _section(sections.RouteSection) | {"oneOf": [{"required": ["to"]}, {"required": ["ask"]}]},
            "decision": _section(sections.DecisionSection),
            "settings": _settings(),
            "test": _section(sections.TestSection),
            "column": {"anyOf": [{"type": "string"}, _section(sections.ColumnSection)]},
        },
    }


def component_schema(component: type[Component]) -> dict[str, Any]:
    """The schema of one component's parameters."""
    schema = _object(component, params_of(component))
    if "schema" in schema["properties"] and component.family == "source":
        described = schema["properties"]["schema"].get("description", "")
        schema["properties"]["schema"] = _nullable(_mapping({"$ref": "#/$defs/column"}, described))
    return schema


def _typed(family: str, registry: Registry) -> dict[str, Any]:
    """Sources and outputs: their ``type`` says which keys they have."""
    branches = []
    for component in _all(registry, family):
        schema = component_schema(component)
        schema["properties"] = {"type": {"const": component.name, "description": component.summary()}} | schema["properties"]
        branches.append(schema)
    return {
        "type": "object",
        "properties": {"type": {"enum": registry.names(family), "description": f"the kind of {family}"}},
        "allOf": [{"if": _is_type(b["properties"]["type"]["const"]), "then": b} for b in branches],
    }


def _is_type(name: str) -> dict[str, Any]:
    """A source or output without ``type`` is a file, as in ``check``."""
    condition: dict[str, Any] = {"properties": {"type": {"const": name}}}
    return condition if name == "file" else condition | {"required": ["type"]}


def _all(registry: Registry, family: str) -> list[type[Component]]:
    """Those that can be imported: one that cannot must not take every other out of the editor."""
    found = []
    for name in registry.names(family):
        try:
            found.append(registry.get(family, name))
        except Exception:  # a component's file may raise anything while it is imported
            continue
    return found


def _modules(registry: Registry) -> dict[str, Any]:
    """A module is a mapping of its name to its parameters; its name alone, if it needs none."""
    components = _all(registry, "module")
    bare = [c.name for c in components if not any(p.required for p in params_of(c).values())]
    named: dict[str, Any] = {name: {} for name in registry.names("module")} | {c.name: _module(c) for c in components}
    groups = {name: {"$ref": "#/$defs/group"} for name in sections.GROUPS if name not in named}
    mapping = {
        "type": "object",
        "properties": named | groups,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [mapping, {"enum": bare}]} if bare else mapping


def _module(component: type[Component]) -> dict[str, Any]:
    full = component_schema(component)
    short = short_param(component)
    forms = [full]
    if short and not any(p.required and p.name != short.name for p in params_of(component).values()):
        forms.append(_value(short))
    if not any(p.required for p in params_of(component).values()):
        forms.append({"type": "null"})
    described = {"description": component.summary()}
    return described | (full if len(forms) == 1 else {"anyOf": forms})


def _group() -> dict[str, Any]:
    full = _object(sections.GroupSection, params_of(sections.GroupSection))
    inner = {"type": "array", "items": {"$ref": "#/$defs/module"}}
    full["properties"] |= {"modules": inner, "steps": inner}
    return {"anyOf": [full, inner]}


def _settings() -> dict[str, Any]:
    full = _section(sections.SettingsSection)
    retry = _nullable(_section(sections.RetrySection))
    full["properties"] |= {
        "retry": retry,
        "retry_config": retry,
        "on_error": _nullable(_section(sections.OnErrorSection)),
    }
    return full


def _section(section: type) -> dict[str, Any]:
    return _object(section, params_of(section))


def _object(cls: type, params: Mapping[str, Param]) -> dict[str, Any]:
    """Every key that ``Reader.values`` reads, and no other."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    alternatives: list[dict[str, Any]] = []
    for name, param in params.items():
        properties[name] = _value(param)
        if param.alias:
            properties[param.alias] = _value(param)
        if param.required and param.alias:
            alternatives.append({"oneOf": [{"required": [name]}, {"required": [param.alias]}]})
        elif param.required:
            required.append(name)
        elif param.alias:
            alternatives.append({"not": {"required": [name, param.alias]}})
    schema: dict[str, Any] = {"type": "object", "description": _first_line(cls), "properties": properties}
    schema |= {"additionalProperties": False}
    if required:
        schema["required"] = required
    if alternatives:
        schema["allOf"] = alternatives
    return schema


def _value(param: Param) -> dict[str, Any]:
    """The parameter's own schema; besides, null where that is the default, and a reference where a number is meant."""
    schema = param.schema()
    described = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    forms = [schema]
    if param.default is None and not _allows(schema, "null"):
        forms.append({"type": "null"})
    if _allows(schema, *_SCALARS) and not _allows(schema, "string"):
        forms.append(_REFERENCE)
    return (schema if len(forms) == 1 else {"anyOf": forms}) | described


def _allows(schema: Mapping[str, Any], *types: str) -> bool:
    """Does it let values of one of these JSON types through, as far as its own words tell?"""
    if not ({"type", "anyOf", "oneOf", "enum", "const"} & set(schema)):
        return True
    own = schema.get("type", [])
    if set([own] if isinstance(own, str) else own) & set(types):
        return True
    if "null" in types and None in schema.get("enum", ()):
        return True
    return any(_allows(form, *types) for key in ("anyOf", "oneOf") for form in schema.get(key, ()))


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _mapping(value: dict[str, Any], description: str, least: int = 0) -> dict[str, Any]:
    schema = {"type": "object", "description": description, "additionalProperties": value}
    return schema | {"minProperties": least} if least else schema


def _list(item: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": item, "description": description}


def _help(section: type, name: str) -> str:
    return params_of(section)[name].help


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]
