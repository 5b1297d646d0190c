"""Ids and what refers to them: routes → outputs and decisions, outputs → outputs, steps → sources; nothing in vain."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from qpipe.core.component import Output
from qpipe.core.params import params_of
from qpipe.spec.document import Document, Entry, RouteEntry
from qpipe.spec.load import At
from qpipe.spec.nearest import did_you_mean, known_names
from qpipe.spec.read import Reader
from qpipe.spec.sections import CHOICE_ENDS, EXPECTABLE, ROUTE_ENDS

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_RESERVED_IDS = {"drop", "fail", "warn", "contract"}


def check_references(document: Document, reader: Reader) -> None:
    """Adds a problem for every reference that leads nowhere, and a warning for everything that nothing leads to."""
    checker = _References(document, reader)
    checker.ids()
    checker.routes()
    checker.outputs()
    checker.decisions()
    checker.sources()
    checker.components()
    checker.tests()
    checker.variables()


class _References:
    def __init__(self, document: Document, reader: Reader) -> None:
        self.document, self.reader, self.say = document, reader, reader.say
        tree = document.spec.tree
        self.names = {section: list(_keys(tree.get(section))) for section in ("sources", "outputs", "decisions")}

    def ids(self) -> None:
        """Ids are unique over everything that can be named, and can stand in a command line."""
        seen: dict[str, tuple[str, At]] = {}
        named: list[tuple[str, str, At, bool]] = [
            (section[:-1], id, (section, id), True) for section, ids in self.names.items() for id in ids
        ]
        named += [("module", m.id, m.at(self.document.spec, "id"), False) for m in self.document.modules if m.explicit_id]
        named += [("route", r.id, (*r.path, "id"), False) for r in self.document.routes
                  if (*r.path, "id") in self.document.spec.nodes.values]  # fmt: skip
        for what, id, path, key in named:
            if not _ID.fullmatch(id) or id in _RESERVED_IDS:
                why = "is a word of the spec's own" if id in _RESERVED_IDS else "must be letters, digits, '-', '_' and '.'"
                self.say(path, "bad-id", f"the id '{id}' {why}.", "Choose another.", key=key)
            elif id in seen and (what, seen[id][0]) not in _MAY_SHARE:
                first = seen[id]
                line = self.document.spec.place(first[1])[0]
                self.say(
                    path, "duplicate-id", f"the id '{id}' is taken by a {first[0]} in line {line}.", "Choose another.", key=key
                )
            seen.setdefault(id, (what, path))

    def routes(self) -> None:
        routes = self.document.routes
        closed: RouteEntry | None = None
        for route in routes:
            for i, target in enumerate(route.to):
                self._target((*route.path, "to") if len(route.to) == 1 else (*route.path, "to", i), target, ROUTE_ENDS)
            if "warn" in route.to and (len(route.to) > 1 or route.when is None):
                self.say((*route.path, "to"), "route-form", "'warn' stands alone, with a condition: no row stays there.",
                         "Write {when: batch_share(error) > 0.1, to: warn} before the route that takes the rows.")  # fmt: skip
            if route.ask is not None and route.ask not in self.names["decisions"]:
                self._unknown((*route.path, "ask"), "decision", route.ask, self.names["decisions"])
            never = route.when is not None and route.when.strip().lower() in ("false", "0", "1 = 0", "1=0", "null")
            if closed is not None:
                line = self.document.spec.place(closed.path)[0]
                self.say(route.path, "unreachable-route", f"no row gets here: the route in line {line} takes all.",
                         "Move it up, or take it out.")  # fmt: skip
            elif never:
                self.say((*route.path, "when"), "unreachable-route", "no row gets here: the condition is always false.",
                         "Take the route out.")  # fmt: skip
            if "warn" not in route.to and (route.when is None or route.when.strip().lower() in ("true", "1 = 1", "1=1")):
                closed = closed or route
        if routes and closed is None:
            self.say(routes[-1].path, "missing-default", "rows that no route takes would have nowhere to go.",
                     "Add a last route without 'when': - {to: clean}.")  # fmt: skip

    def outputs(self) -> None:
        """``from`` leads to an output, not in a circle; every output gets rows; none promises what it cannot keep."""
        follows = {id: entry.values.get("source") for id, entry in self.document.outputs.items()}
        for id, entry in self.document.outputs.items():
            source = follows[id]
            at = entry.at(self.document.spec, "source")
            if source is not None and source not in self.names["outputs"]:
                self._unknown(at, "output", source, self.names["outputs"])
            elif source is not None and _circle(id, follows):
                self.say(at, "output-cycle", f"output '{id}' follows itself: {' → '.join(_circle(id, follows))}.",
                         "One of them must get its rows from a route.")  # fmt: skip
            self._delivery(id, entry)
        self._same_places()
        if self.document.routes:
            self._unfed(follows)

    def _same_places(self) -> None:
        """No output replaces what another one has written, or what a source is reading."""
        sources = [(f"what source '{id}' reads", id, e) for id, e in self.document.sources.items()]
        outputs = [(f"output '{id}'", id, e) for id, e in self.document.outputs.items()]
        taken: dict[str, str] = {}
        for words, id, entry in [*sources, *outputs]:
            path = entry.values.get("path")
            if entry.component.name != "file" or not isinstance(path, str) or entry.values.get("mode") == "append":
                continue
            place = path if "://" in path else os.path.normpath(path)
            if place in taken and issubclass(entry.component, Output):
                told = f"output '{id}' would write over {taken[place]}: both are {path}."
                self.say(entry.at(self.document.spec, "path"), "same-place", told, "Give it a place of its own.")
            taken.setdefault(place, words)

    def _unfed(self, follows: dict[str, Any]) -> None:
        fed = {target for route in self.document.routes for target in route.to}
        fed |= {end for decision in self.document.decisions.values() for end in _ends(decision)}
        for id in self.names["outputs"]:
            written = _keys(_keys(self.document.spec.tree.get("outputs")).get(id))  # of outputs of an unknown type, too
            if id not in fed and not follows.get(id) and "from" not in written:
                self.say(("outputs", id), "unused-output", f"no route leads to output '{id}'.",
                         "Name it in a route's 'to', give it 'from: another output', or take it out.",
                         key=True, severity="warning")  # fmt: skip

    def _delivery(self, id: str, entry: Entry) -> None:
        component = entry.component
        if not issubclass(component, Output) or entry.values.get("delivery") != "exactly_once":
            return
        if component.guarantee != "exactly once":
            self.say((*entry.path, "delivery"), "delivery-not-kept",
                     f"an output of type '{component.name}' delivers {component.guarantee}, not exactly once.",
                     "Write delivery: at_least_once, or choose another output.")  # fmt: skip

    def decisions(self) -> None:
        asked = {route.ask for route in self.document.routes}
        for id, decision in self.document.decisions.items():
            path: At = ("decisions", id)
            choices = decision.get("choices") or {}
            for choice, end in choices.items():
                if isinstance(end, str):
                    self._target((*path, "choices", choice), end, CHOICE_ENDS)
            if "choices" in decision and not choices:
                self.say(
                    (*path, "choices"), "missing-key", f"decision '{id}' offers no choices.", "Write choices: {accept: clean}."
                )
            default = decision.get("default")
            if default is not None and choices and default not in choices:
                self._unknown((*path, "default"), "choice", default, list(choices))
            if decision.get("timeout") is not None and default is None:
                self.say((*path, "timeout"), "missing-key", f"decision '{id}' has a time-out but no default.",
                         "Add default: the choice that the time-out makes.")  # fmt: skip
            if decision.get("scope") == "group" and not decision.get("by"):
                self.say((*path, "scope"), "missing-key", f"decision '{id}' asks for each group, but by which columns?",
                         "Add by: [country].")  # fmt: skip
            if id not in asked:
                self.say(path, "unused-decision", f"no route asks '{id}'.", f"Add a route with ask: {id}, or take it out.",
                         key=True, severity="warning")  # fmt: skip

    def sources(self) -> None:
        if self.document.sources and not self.document.streams and len(self.document.sources) == len(self.names["sources"]):
            self.say(("sources",), "no-stream", "every source is a reference: there are no rows to process.",
                     "Take 'role: reference' from the source whose rows flow.", key=True)  # fmt: skip
            return
        used = set(self._used_sources())
        for id in self.document.sources:
            if self.document.is_reference(id) and id not in used:
                self.say(("sources", id), "unused-source", f"nothing looks into source '{id}'.",
                         "Use it in a lookup or foreign_key, or take it out.", key=True, severity="warning")  # fmt: skip

    def _used_sources(self) -> Iterator[str]:
        for entry in self.document.modules:
            for _, role, value in _roles(entry):
                if role in ("source", "source-column") and isinstance(value, str):
                    yield value.partition(".")[0] if role == "source-column" else value
            try:
                yield from entry.build().references()
            except Exception:  # a module's own code, on values that may not fit together
                continue
            if any(word in entry.component.name for word in ("sql", "python")):
                text = " ".join(str(v) for v in entry.values.values())
                yield from (id for id in self.names["sources"] if re.search(rf"\b{re.escape(id)}\b", text))

    def components(self) -> None:
        """Parameters that name sources and outputs."""
        for entry in [*self.document.modules, *self.document.sources.values(), *self.document.outputs.values()]:
            for name, role, value in _roles(entry):
                if not isinstance(value, str):
                    continue
                at = entry.at(self.document.spec, name)
                if role == "source":
                    self._source(at, value)
                elif role == "source-column":
                    self._source_column(at, value)
                elif role == "output" and value not in self.names["outputs"]:
                    self._unknown(at, "output", value, self.names["outputs"])
        for entry in self.document.modules:
            self._inner_references(entry)

    def _inner_references(self, entry: Entry) -> None:
        """Sources that a module's own text names, as the tables of a query."""
        told = {value.partition(".")[0] for _, role, value in _roles(entry) if role and isinstance(value, str)}
        try:
            named = [id for id in entry.build().references() if id not in told]
        except Exception:  # a module's own code, on values that may not fit together
            return
        for id in named:
            word = re.compile(rf"(?<!\w){re.escape(id)}(?!\w)")
            holder = next((name for name, value in entry.values.items() if isinstance(value, str) and word.search(value)), None)
            also = "; the rows that flow are the table data" if entry.component.name == "sql" else ""
            self._source(entry.at(self.document.spec, holder) if holder else entry.path, id, also)

    def _source(self, at: At, id: str, also: str = "") -> bool:
        if id not in self.names["sources"]:
            self._unknown(at, "source", id, self.names["sources"])
            return False
        if id in self.document.streams:
            self.say(at, "not-a-reference", f"source '{id}' is a stream of rows, not a table to look into.",
                     f"Write role: reference in source '{id}'{also}.")  # fmt: skip
            return False
        return id in self.document.sources

    def _source_column(self, at: At, value: str) -> None:
        id, dot, column = value.partition(".")
        if not self._source(at, id):
            return
        columns = _keys(self.document.sources[id].values.get("schema"))
        if dot and columns and column not in columns:
            self.say(at, "unknown-column", f"source '{id}' has no column '{column}'.",
                     did_you_mean(column, columns) or known_names(columns), offset=len(id) + 1)  # fmt: skip

    def tests(self) -> None:
        for test in self.document.tests:
            path: At = test["_path"]
            source = test.get("source")
            if source is not None and source not in self.names["sources"]:
                self._unknown((*path, "source"), "source", source, self.names["sources"])
            for id in _keys(test.get("tables")):
                if id not in self.names["sources"]:
                    self._unknown((*path, "tables", id), "source", id, self.names["sources"], key=True)
            for id in _keys(test.get("expect")):
                if id not in (*self.names["outputs"], *EXPECTABLE):
                    self._unknown((*path, "expect", id), "output", id, [*self.names["outputs"], *EXPECTABLE], key=True)

    def variables(self) -> None:
        spec = self.document.spec
        for name in _keys(spec.tree.get("vars")):
            if name not in spec.used:
                self.say(("vars", name), "unused-variable", f"nothing refers to the variable '{name}'.",
                         f"Write ${{var.{name}}} where it is meant, or take it out.", key=True, severity="warning")  # fmt: skip

    def _target(self, at: At, id: str, ends: tuple[str, ...]) -> None:
        if id not in self.names["outputs"] and id not in ends:
            self._unknown(at, "output", id, [*self.names["outputs"], *ends])

    def _unknown(self, at: At, what: str, id: str, known: list[str], *, key: bool = False) -> None:
        if what in ("source", "output") and not self.names[f"{what}s"]:
            return  # the section itself is missing, or called otherwise, which is told
        hint = did_you_mean(id, known) or known_names(known) or f"Add it under {what}s:."
        self.say(at, f"unknown-{what}", f"no {what} is named '{id}'.", hint, key=key)


_MAY_SHARE = {("output", "source"), ("decision", "source"), ("module", "source"), ("route", "source"), ("route", "output"),
              ("module", "output"), ("module", "decision"), ("route", "decision")}  # fmt: skip


def _keys(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _ends(decision: dict[str, Any]) -> list[Any]:
    return list(_keys(decision.get("choices")).values())


def _roles(entry: Entry) -> Iterator[tuple[str, str, Any]]:
    """(parameter, role, value) for each parameter that has a role."""
    for name, param in params_of(entry.component).items():
        if param.role and name in entry.values:
            yield name, param.role.name, entry.values[name]


def _circle(id: str, follows: dict[str, Any]) -> list[str]:
    """The outputs that follow one another back to ``id``; empty when they do not."""
    chain = [id]
    while (following := follows.get(chain[-1])) is not None:
        chain.append(following)
        if following == id:
            return chain
        if len(chain) > len(follows) + 1:
            return []
    return []
