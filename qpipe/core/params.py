"""One declaration of a parameter, read as value, JSON Schema, help text, form and documentation.

A component is a class whose annotations are its parameters::

    class Between(Check):
        columns: Columns = param(help="the columns to check")
        min: Scalar | None = param(None, help="the least value allowed")

The annotation says what a value may be; a *role* in it says what the value means, so that the spec's checker knows that a
``Columns`` must name columns and a ``Condition`` must be a boolean expression.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal, Union


@dataclass(frozen=True)
class Role:
    """What a value means beyond its JSON type."""

    name: str
    schema: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


_LIST_OF_NAMES = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_SHARE = {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "number", "minimum": 0, "maximum": 1},
                    {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"}]}  # fmt: skip
_DURATION = {"oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^(\d+(\.\d+)?\s*(ms|s|m|h|d|w))+$"}]}
_SIZE = {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s*[kKMGT]?i?B?$"}]}

Column = Annotated[str, Role("column")]
Columns = Annotated[tuple[str, ...], Role("columns", _LIST_OF_NAMES)]
NewColumn = Annotated[str, Role("new-column")]
Expression = Annotated[str, Role("expression", {"type": ["string", "number", "boolean"]})]
Condition = Annotated[str, Role("condition", {"type": ["string", "boolean"]})]
Expressions = Annotated[dict[str, str], Role("expressions", {"type": "object"})]  # new column → expression
Regex = Annotated[str, Role("regex", {"format": "regex"})]
TypeWord = Annotated[str, Role("type")]
_TYPES = {"type": "object", "additionalProperties": {"type": "string"}}
TypeWords = Annotated[dict[str, str], Role("types", _TYPES)]  # column → type
NewTypes = Annotated[dict[str, str], Role("new-types", _TYPES)]  # new column → type
Tolerance = Annotated[float, Role("tolerance", _SHARE)]  # below 1 or "%": a share; an integer: a count
Duration = Annotated[float, Role("duration", _DURATION)]  # seconds
Size = Annotated[int, Role("size", _SIZE)]  # bytes
Path = Annotated[str, Role("path")]
SourceRef = Annotated[str, Role("source")]
ColumnRef = Annotated[str, Role("source-column", {"pattern": r"^[^.]+(\..+)?$"})]  # customers.id
OutputRef = Annotated[str, Role("output")]
SecretText = Annotated[str, Role("secret")]
Scalar = int | float | str | bool  # a bound or a member; dates and decimals are written as text


@dataclass(frozen=True)
class Param:
    """A parameter as declared."""

    name: str  # as in YAML: an attribute `if_` is the parameter `if`
    hint: Any  # the annotation, roles stripped
    role: Role | None
    default: Any  # MISSING when required
    help: str
    short: bool  # the one that a bare value is given to:  `- not_null: [a, b]`
    alias: str | None  # another key for the same thing: `column` for `columns`
    extra: Mapping[str, Any]  # more JSON Schema: minimum, examples, …
    attribute: str  # of the component
    like: tuple[str, ...] = ()  # what people who come from elsewhere call it: it is asked whether they mean this

    @property
    def required(self) -> bool:
        return self.default is MISSING

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its value, with help and default for editors."""
        schema = dict(self.role.schema) if self.role else {}
        if not schema.keys() & {"type", "oneOf"}:
            schema = _schema_of(self.hint) | schema
        schema |= self.extra
        if self.help:
            schema["description"] = self.help
        if self.default is not MISSING and self.default is not None:
            schema["default"] = list(self.default) if isinstance(self.default, tuple) else self.default
        return schema

    def read(self, value: Any) -> Any:
        """The value as the component wants it; ValueError says in words what was expected."""
        if value is None and self.default is None:
            return None
        if self.role and self.role.name in _READERS:
            return _READERS[self.role.name](value)
        return _convert(value, self.hint)


def param(
    default: Any = MISSING, *, help: str = "", short: bool = False, alias: str | None = None, like: Sequence[str] = (),
    **schema: Any,
) -> Any:  # fmt: skip
    """Declare a parameter: its default (none = required), one line of help, and more JSON Schema words."""
    metadata = {"help": help, "short": short, "alias": alias, "like": tuple(like), "schema": schema}
    if isinstance(default, (list, dict, set)):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata | {"default": default})
    return dataclasses.field(default=default, metadata=metadata)


def params_of(component: type) -> dict[str, Param]:
    """The parameters of a component class, in the order of declaration."""
    cached = component.__dict__.get("_params")
    if cached is None:
        cached = {p.name: p for p in _declared(component)}
        component._params = cached  # type: ignore[attr-defined]
    return cached


def build(component: type, values: Mapping[str, Any]) -> Any:
    """An instance from YAML values. Raises ValueError on the first wrong one: the spec's checker reports them all."""
    params = params_of(component)
    aliases = {p.alias: p.name for p in params.values() if p.alias}
    read = {}
    for key, value in values.items():
        name = aliases.get(key, key)
        if name not in params:
            raise ValueError(f"{component.__name__} has no parameter '{key}'")
        read[name] = params[name].read(value)
    missing = [p.name for p in params.values() if p.required and p.name not in read]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    return component(**{params[name].attribute: value for name, value in read.items()})


def short_param(component: type) -> Param | None:
    return next((p for p in params_of(component).values() if p.short), None)


def _declared(component: type) -> typing.Iterator[Param]:
    hints = typing.get_type_hints(component, include_extras=True)
    for field in dataclasses.fields(component):
        if "help" not in field.metadata:
            continue
        hint, role = _split_role(hints[field.name])
        default = field.metadata.get("default", field.default)
        yield Param(field.name.rstrip("_"), hint, role, default, field.metadata["help"], field.metadata["short"],
                    field.metadata["alias"], field.metadata["schema"], field.name, field.metadata["like"])  # fmt: skip


def _split_role(hint: Any) -> tuple[Any, Role | None]:
    """Annotated[str, Role] | None → (str | None, Role)."""
    role: Role | None = None
    if typing.get_origin(hint) is Annotated:
        role = next((m for m in hint.__metadata__ if isinstance(m, Role)), None)
        return hint.__origin__, role
    if typing.get_origin(hint) in (Union, types.UnionType):
        parts = [_split_role(part) for part in typing.get_args(hint)]
        role = next((r for _, r in parts if r), None)
        return Union[tuple(p for p, _ in parts)], role  # noqa: UP007
    return hint, None


_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def _schema_of(hint: Any) -> dict[str, Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint in _JSON_TYPES:
        return {"type": _JSON_TYPES[hint]}
    if origin is Literal:
        return {"enum": [*args, None] if "null" in args else list(args)}
    if origin in (list, tuple):
        item = _schema_of(args[0]) if args else {}
        return {"type": "array", "items": item}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(args[1])}
    if origin in (Union, types.UnionType):
        parts = [_schema_of(a) for a in args if a is not type(None)]
        if all(set(p) == {"type"} for p in parts):
            kinds = [p["type"] for p in parts]
            return {"type": kinds[0] if len(kinds) == 1 else kinds}
        return parts[0] if len(parts) == 1 else {"anyOf": parts}
    return {}


def describe(hint: Any) -> str:
    """What a value may be, in words: 'a whole number', 'one of a, b', 'a list of text'."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "nothing"}
    if hint in words:
        return words[hint]
    if origin is Literal:
        return "one of " + ", ".join(map(str, args)) if len(args) > 1 else str(args[0])
    if origin in (list, tuple):
        return f"a list of {describe(args[0]).removeprefix('a ')}" if args else "a list"
    if origin is dict:
        return "a mapping"
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in args if a is not type(None))
    return "a value"


def _convert(value: Any, hint: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        for arg in sorted(args, key=lambda a: not _fits(value, a)):
            try:
                return _convert(value, arg)
            except ValueError:
                continue
        raise ValueError(f"expected {describe(hint)}, got {_show(value)}")
    if origin is Literal:
        if value is None and "null" in args:
            return "null"  # written without quotes
        if value in args and any(value is a or type(value) is type(a) for a in args if a == value):
            return value
    elif origin in (list, tuple):
        if isinstance(value, (list, tuple)):
            return tuple(_convert(item, args[0] if args else Any) for item in value)
    elif origin is dict:
        if isinstance(value, Mapping):
            return {str(k): _convert(v, args[1]) for k, v in value.items()}
    elif (
        (hint is float and isinstance(value, (int, float)) and not isinstance(value, bool))
        or (hint is dict and isinstance(value, Mapping))
        or _fits(value, hint)
    ):
        return value
    raise ValueError(f"expected {describe(hint)}, got {_show(value)}")


def _fits(value: Any, hint: Any) -> bool:
    if hint in (int, float) and isinstance(value, bool):
        return False
    return isinstance(hint, type) and isinstance(value, hint)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def read_duration(value: Any) -> float:
    """Seconds from ``90``, ``"4h"``, ``"1h30m"``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])", str(value))
    if isinstance(value, str) and parts and "".join(a + b for a, b in parts) == value.replace(" ", ""):
        return sum(float(a) * _UNITS[b] for a, b in parts)
    raise ValueError(f"expected a duration such as 30s, 4h or 1h30m, got {_show(value)}")


def read_size(value: Any) -> int:
    """Bytes from ``4194304``, ``"512M"``, ``"4G"`` (powers of 1024)."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?B)?", str(value))
    if isinstance(value, str) and found:
        return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))
    raise ValueError(f"expected a size such as 512M or 4G, got {_show(value)}")


def read_tolerance(value: Any) -> float:
    """A share below 1 from ``0.005`` or ``"0.5%"``; a count (a whole number ≥ 1, or 0) from an integer."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value)) and float(found[1]) <= 100:
        return float(found[1]) / 100
    raise ValueError(f"expected a count such as 100 or a share such as 0.5%, got {_show(value)}")


def _read_columns(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, (list, tuple)) and names and all(isinstance(n, str) for n in names):
        return tuple(names)
    raise ValueError(f"expected a column name or a list of them, got {_show(value)}")


def _read_expression(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"expected an expression, got {_show(value)}")


def _read_expressions(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        return {str(k): _read_expression(v) for k, v in value.items()}
    raise ValueError(f"expected a mapping of column: expression, got {_show(value)}")


def _read_types(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping) and value and all(isinstance(v, str) for v in value.values()):
        return {str(k): v for k, v in value.items()}
    raise ValueError(f"expected a mapping of column: type, got {_show(value)}")


_READERS = {
    "columns": _read_columns,
    "duration": read_duration,
    "size": read_size,
    "tolerance": read_tolerance,
    "expression": _read_expression,
    "condition": _read_expression,
    "expressions": _read_expressions,
    "types": _read_types,
    "new-types": _read_types,
}
