"""Values of a mapping against declared parameters: every unknown key, missing key and wrong value, in words, at its place."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.core.errors import Problem
from qpipe.core.params import Param, describe, params_of, short_param
from qpipe.core.secrets import Secret, embedded_secrets, user_of
from qpipe.spec.load import At, Spec
from qpipe.spec.nearest import did_you_mean, known_names, nearest
from qpipe.spec.traps import resolve_word

_MISSING = object()


class Reader:
    """Reads mappings of a spec, gathering problems. What it returns holds the readable values, by parameter name."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.problems: list[Problem] = []

    def say(self, path: At, code: str, message: str, hint: str = "", **place: Any) -> None:
        self.problems.append(self.spec.problem(path, code, message, hint, **place))

    def mapping(self, path: At, value: Any, what: str, hint: str = "") -> dict[str, Any]:
        """The mapping at a path; an empty one, and a problem, where there is something else."""
        if isinstance(value, dict):
            return value
        if value is not None:
            self.say(path, "wrong-type", f"{what} must be keys and values, not {kind_of(value)}.", hint)
        return {}

    def list(self, path: At, value: Any, what: str, hint: str = "") -> list[Any]:
        if isinstance(value, list):
            return value
        if value is not None:
            self.say(path, "wrong-type", f"{what} must be a list, not {kind_of(value)}.", hint)
        return []

    def section(self, path: At, written: Mapping[str, Any], cls: type, what: str) -> dict[str, Any]:
        """The values of a section, converted: seconds, bytes, tuples."""
        params = params_of(cls)
        found = self.values(path, written, cls, what)
        return {name: None if value is None else params[name].read(value) for name, value in found.items()}

    def values(self, path: At, written: Mapping[str, Any], cls: type, what: str) -> dict[str, Any]:
        """The values of a component, as written, checked one by one; those that cannot be read are left out."""
        params = params_of(cls)
        names = {p.alias: p.name for p in params.values() if p.alias} | {name: name for name in params}
        found: dict[str, Any] = {}
        from_key: dict[str, str] = {}
        for key, value in sorted(written.items(), key=lambda each: each[0] not in names):  # misspelt ones last
            name = names.get(key) or self._unknown(path, key, names, params, what)  # all else is judged as it is meant
            if name is None or (name in from_key and key not in names):
                continue
            if name in from_key:
                self.say((*path, key), "duplicate-key", f"'{key}' and '{from_key[name]}' mean the same.", "Keep one.", key=True)
            else:
                from_key[name] = key
                read = self.value((*path, key), value, params[name], key)
                if read is not _MISSING:
                    found[name] = read
        for param in params.values():
            if param.required and param.name not in from_key:
                shown = param.alias if param.alias and len(param.alias) < len(param.name) else param.name
                note = f" ({param.help})" if param.help else ""
                choices = ", ".join(map(str, param.schema().get("enum", ())))
                hint = f"Add {shown}: one of {choices}." if choices else f"Add {shown}: …"
                self.say(path, "missing-key", f"{what} needs '{shown}'{note}.", hint, key=bool(path))
        return found

    def value(self, path: At, value: Any, param: Param, key: str) -> Any:
        """A readable value (as written, or a number where text from outside means one); _MISSING after a problem."""
        if any(part.code for part in self.spec.filled.get(path, ())):
            return _MISSING  # what a broken reference stands for is not known; that it is broken has been said
        if isinstance(value, Secret) and param.role and param.role.name == "secret":
            return value
        problem = _wrong(value, param)
        if problem and isinstance(value, str) and self.spec.is_from_outside(path):
            meant = _number(value)
            if meant is not None and not _wrong(meant, param):
                return meant
        if problem:
            inner, message = problem
            code = "wrong-type" if message.startswith("expected") else "bad-value"
            self.say((*path, *inner), code, f"{key}: {message}.", _nearest_word(value, param))
            return _MISSING
        if param.role and param.role.name == "secret" and isinstance(value, str):
            open_ = "://" in value and not user_of(value) and not embedded_secrets(value)
            if not open_ or self.spec.is_from_outside(path):  # an address that stands in the spec, and has no password
                self.spec.redact.add(value)
            return Secret(value)
        return value

    @staticmethod
    def is_missing(value: Any) -> bool:
        return value is _MISSING

    def _unknown(self, path: At, key: str, names: Mapping[str, str], params: Mapping[str, Param], what: str) -> str | None:
        """Says so; gives the parameter that is probably meant."""
        close = nearest(key, names) or next((p.name for p in params.values() if key.lower() in p.like), None)
        hint = f"Did you mean '{close}'?" if close else known_names([p.name for p in params.values()], 16)
        self.say((*path, key), "unknown-key", f"{what} has no '{key}'.", hint, key=True)
        return names[close] if close else None


def values_of(component: type, written: Any) -> tuple[dict[str, Any] | None, str | None]:
    """Parameters from what stands after a module's name, and the short parameter if that is what is meant.

    ``not_null: [a, b]`` and ``derive: {total: "a + b"}`` are short; ``not_null: {columns: [a]}`` is not. None: no short form.
    """
    if written is None:
        return {}, None
    short = short_param(component)
    if isinstance(written, dict):
        params = params_of(component)
        known = (set(params) | {p.alias for p in params.values() if p.alias}) - {"id"}  # a common name of columns, too
        if not short or not _takes_mapping(short) or set(written) & known:
            return written, None
    return ({short.name: written}, short.name) if short else (None, None)


def kind_of(value: Any) -> str:
    """'text', 'a list', …: what a YAML value is, in words."""
    kinds = {str: "text", Secret: "text", bool: "true or false", int: "a number", float: "a number", list: "a list",
             dict: "keys and values", type(None): "nothing"}  # fmt: skip
    return kinds.get(type(value), "a value")


def sentence(message: str) -> str:
    """With a full stop."""
    message = message.strip()
    return message if not message or message.endswith((".", "?", "!", "…")) else message + "."


def _takes_mapping(param: Param) -> bool:
    if param.role and param.role.name == "expressions":
        return True
    hints = typing.get_args(param.hint) or (param.hint,)
    return any(h is dict or typing.get_origin(h) is dict for h in (param.hint, *hints))


def _nearest_word(value: Any, param: Param) -> str:
    words = [a for h in (param.hint, *typing.get_args(param.hint)) if typing.get_origin(h) is typing.Literal
             for a in typing.get_args(h) if isinstance(a, str)]  # fmt: skip
    return did_you_mean(value, words) if isinstance(value, str) and not isinstance(value, Secret) else ""


def _number(text: str) -> Any:
    from qpipe.spec.nodes import Flaw

    try:
        found = resolve_word(text.strip())
    except Flaw:
        return None
    return found if isinstance(found, (bool, int, float)) else None


def _is_word(param: Param) -> bool:
    """Is null one of the words that the parameter knows, as in ``on_error: null``?"""
    try:
        return param.read(None) == "null"
    except ValueError:
        return False


def _wrong(value: Any, param: Param) -> tuple[At, str] | None:
    """Where in the value, and what is wrong with it: a type, or a bound of its schema."""
    if value is None:
        return None if param.default is None or _is_word(param) else ((), f"expected {_wanted(param)}, got nothing")
    if param.role and param.role.name == "condition" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return (), "expected a condition, got a number"
    try:
        read = param.read(value)
    except ValueError as error:
        return _deeper(value, param) or ((), _in_yaml_words(str(error)))
    except (TypeError, KeyError, ArithmeticError, RecursionError):
        return (), f"expected {_wanted(param)}, got {kind_of(value)}"
    return next(_outside(read, param.extra), None)


def _deeper(value: Any, param: Param) -> tuple[At, str] | None:
    """The item of a list that is wrong, rather than the list."""
    if not isinstance(value, list) or not value:
        return None
    if param.role and param.role.name in ("columns", "outputs"):
        bad = next((i for i, item in enumerate(value) if not isinstance(item, str)), None)
        return None if bad is None else ((bad,), f"expected a name, got {kind_of(value[bad])}")
    items = [a for h in (param.hint, *typing.get_args(param.hint)) if typing.get_origin(h) in (list, tuple)
             for a in typing.get_args(h)[:1]]  # fmt: skip
    for i, item in enumerate(value):
        if items and isinstance(item, (list, dict)) and all(a in (str, int, float, bool) for a in items):
            return (i,), f"expected {describe(items[0])}, got {kind_of(item)}"
    return None


def _wanted(param: Param) -> str:
    words = {"columns": "a column name or a list of them", "expression": "an expression", "condition": "a condition",
             "duration": "a duration such as 4h", "size": "a size such as 512M", "tolerance": "a count or a share"}  # fmt: skip
    return words.get(param.role.name if param.role else "", "") or describe(param.hint)


def _in_yaml_words(message: str) -> str:
    """Python's words for values, as YAML writes them."""
    head, got, shown = message.rpartition("got ")
    yaml = {"None": "nothing", "True": "true", "False": "false", "{}": "an empty mapping", "[]": "an empty list"}
    if shown.startswith("{") and shown not in yaml:
        shown = "keys and values"
    elif shown.startswith("[") and shown not in yaml:
        shown = "a list"
    return head + got + yaml.get(shown, shown)


def _outside(value: Any, words: Mapping[str, Any]) -> Iterator[tuple[At, str]]:
    """The bounds that a declaration gives in JSON Schema's words."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if "minimum" in words and value < words["minimum"]:
            yield (), f"{value} is less than {words['minimum']}, the least allowed"
        if "exclusiveMinimum" in words and value <= words["exclusiveMinimum"]:
            yield (), f"{value} must be greater than {words['exclusiveMinimum']}"
        if "maximum" in words and value > words["maximum"]:
            yield (), f"{value} is more than {words['maximum']}, the most allowed"
        if "exclusiveMaximum" in words and value >= words["exclusiveMaximum"]:
            yield (), f"{value} must be less than {words['exclusiveMaximum']}"
    if isinstance(value, str) and not isinstance(value, Secret):
        if len(value) < words.get("minLength", 0):
            yield (), "the text is empty" if not value else f"the text is shorter than {words['minLength']} characters"
        if len(value) > words.get("maxLength", len(value)):
            yield (), f"the text is longer than {words['maxLength']} characters"
        if "pattern" in words and not re.search(words["pattern"], value):
            yield (), f"'{value[:60]}' does not have the form {words['pattern']}"
    if isinstance(value, (list, tuple, dict)) and len(value) < words.get("minItems", words.get("minProperties", 0)):
        yield (
            (),
            "it is empty" if not value else f"it needs at least {words.get('minItems', words.get('minProperties'))} entries",
        )
    if "enum" in words and value not in words["enum"]:
        yield (), f"expected one of {', '.join(map(str, words['enum']))}, got {value}"
