"""A component's manual page, from its one declaration: for ``qpipe modules NAME`` and for docs/."""

from __future__ import annotations

import inspect
import re

from qpipe.core.component import Component
from qpipe.core.params import Param, describe, params_of


def page(component: type[Component]) -> str:
    """Markdown: what it does, its parameters, examples, what other systems call it."""
    told, _, examples = inspect.cleandoc(component.__doc__ or "").partition("Examples:")
    facts = [getattr(component, "dimension", None), getattr(component, "category", None)]
    lines = [f"# {component.name}", "", told.strip(), ""]
    if any(facts):
        lines += [" · ".join(str(fact) for fact in facts if fact), ""]
    lines += ["## Parameters", "", "| name | what it may be | default | meaning |", "|---|---|---|---|"]
    lines += [_row(p) for p in sorted(params_of(component).values(), key=lambda p: (p.name in _COMMON, not p.required))]
    if examples.strip():
        lines += ["", "## Examples", "", inspect.cleandoc("\n" + examples.strip("\n"))]
    if component.like:
        lines += ["", "Others call it: " + ", ".join(component.like)]
    if component.extra:
        lines += ["", f"Needs `pip install 'qpipe[{component.extra}]'`."]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


_COMMON = ("id", "severity", "tolerance", "on_fail", "where", "by", "message", "weight", "impact")  # every check has them


def _row(p: Param) -> str:
    name = f"`{p.name}`" + (f" or `{p.alias}`" if p.alias else "") + (" (short form)" if p.short else "")
    default = "required" if p.required else "" if p.default in (None, (), {}) else f"`{_yaml(p.default)}`"
    return f"| {name} | {_kind(p)} | {default} | {p.help} |".replace(" |  |", " | |")


_ROLES = {
    "columns": "a column, or a list of them", "column": "a column", "expression": "an expression", "condition": "a condition",
    "expressions": "column: expression", "regex": "a regular expression", "tolerance": "a share (0.5%) or a count",
    "duration": "a duration (30s, 4h)", "size": "a size (512M)", "source": "a source", "source-column": "source.column",
    "output": "an output", "type": "a type", "path": "a path", "secret": "a secret", "new-column": "a new column",
}  # fmt: skip


def _kind(p: Param) -> str:
    words = _ROLES.get(p.role.name) if p.role else None
    return (words or describe(p.hint)).replace("|", "\\|")


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
