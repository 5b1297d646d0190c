"""A checked spec: every component's class and values, ids given, references known. ``compile`` makes the plan from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qpipe.core.component import Component, Module, Types
from qpipe.core.params import build
from qpipe.spec.load import At, Spec


@dataclass
class Entry:
    """A component as the spec names it. ``build`` gives the instance; ValueError when its values do not fit together."""

    id: str
    component: type[Component]
    values: dict[str, Any]
    path: At  # where its parameters stand
    short: str | None = None  # the parameter that the value itself is:  `- not_null: [a]`
    explicit_id: bool = False
    group: str | None = None
    types: Types | None = None  # the columns before a module, of a source: the contract; None: whatever comes

    def build(self) -> Any:
        """A module is told its step's id, also the one that it was given: answers and history are kept under it."""
        own = {"id": self.id} if issubclass(self.component, Module) else {}
        return build(self.component, {**self.values, **own})

    def at(self, spec: Spec, parameter: str) -> At:
        """Where a parameter's value stands, whichever of its names was used."""
        if self.short == parameter:
            return self.path
        from qpipe.core.params import params_of

        found = params_of(self.component).get(parameter)
        for name in (parameter, found.alias if found else None):
            if name and (*self.path, name) in spec.nodes.values:
                return (*self.path, name)
        return self.path


@dataclass
class RouteEntry:
    id: str
    path: At
    when: str | None = None
    to: tuple[str, ...] = ()
    ask: str | None = None
    implied: bool = False  # not written in the spec


@dataclass
class Document:
    """What ``check`` understood. Complete only when no problem is an error."""

    spec: Spec
    head: dict[str, Any] = field(default_factory=dict)  # version, name, description, plugins, vars
    sources: dict[str, Entry] = field(default_factory=dict)
    modules: list[Entry] = field(default_factory=list)
    routes: list[RouteEntry] = field(default_factory=list)
    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Entry] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    tests: list[dict[str, Any]] = field(default_factory=list)

    def is_reference(self, id: str) -> bool:
        return id in self.sources and self.sources[id].values.get("role") == "reference"

    @property
    def streams(self) -> Mapping[str, Entry]:
        return {id: entry for id, entry in self.sources.items() if not self.is_reference(id)}
