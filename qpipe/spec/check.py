"""What a schema cannot say: names that exist, references that lead somewhere, expressions that fit their columns.

``check(spec)`` finds every problem, in the order of the text, and the document that ``compile`` makes a plan from. It opens no
source and needs no Polars; what only real data can tell is found when the run starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from qpipe.core.component import Component
from qpipe.core.errors import Problem, QpipeError
from qpipe.core.registry import Registry
from qpipe.spec.alike import nearest_in_meaning
from qpipe.spec.document import Document, Entry, RouteEntry
from qpipe.spec.load import At, Spec
from qpipe.spec.nearest import did_you_mean, known_names
from qpipe.spec.read import Reader, kind_of, sentence, values_of
from qpipe.spec.sections import (
    GROUPS,
    DecisionSection,
    GroupSection,
    OnErrorSection,
    RetrySection,
    RouteSection,
    SettingsSection,
    TestSection,
    TopLevel,
)


def check(spec: Spec, registry: Registry | None = None) -> tuple[list[Problem], Document]:
    """Every problem of a loaded spec (those of loading, too), sorted, and what was understood of it."""
    from qpipe.spec.columns import check_columns
    from qpipe.spec.references import check_references

    reader = Reader(spec)
    reading = _Reading(spec, reader, registry)
    document = reading.document()
    check_references(document, reader)
    check_columns(document, reader)
    return sorted({*spec.problems, *reader.problems}), document


class _Reading:
    """The spec's sections, one after the other."""

    def __init__(self, spec: Spec, reader: Reader, registry: Registry | None) -> None:
        self.spec, self.reader = spec, reader
        self.registry = registry or self._registry()

    def document(self) -> Document:
        tree = self.spec.tree
        document = Document(self.spec)
        document.head = self.reader.values((), tree, TopLevel, "a spec")
        document.sources = self._components("source", "sources", "file")
        document.outputs = self._components("output", "outputs", "file")
        document.modules = list(self._modules(("modules",), tree.get("modules")))
        _number(document.modules)
        document.routes = list(self._routes(tree.get("routes")))
        document.decisions = self._decisions(tree.get("decisions"))
        document.settings = self._settings(tree.get("settings"))
        document.tests = self._tests(tree.get("tests"))
        return document

    def _registry(self) -> Registry:
        plugins = self.spec.tree.get("plugins") or []
        names = [p for p in plugins if isinstance(p, str)] if isinstance(plugins, list) else []
        good: list[str] = []
        for i, name in enumerate(names):
            try:
                Registry((name,), self.spec.directory)
                good.append(name)
            except QpipeError as error:
                self.reader.say(("plugins", i), "bad-plugin", sentence(error.message), _capital(sentence(error.hint)))
            except Exception as error:  # user code may raise anything while it is imported
                self.reader.say(("plugins", i), "bad-plugin", f"importing '{name}' fails: {type(error).__name__}: {error}.",
                                "Run `python -c 'import …'` to see where.")  # fmt: skip
        return Registry(tuple(good), self.spec.directory)

    # ── sources and outputs ──

    def _components(self, family: str, section: str, default: str) -> dict[str, Entry]:
        written = self.spec.tree.get(section)
        what = f"{section} by their ids, as in {section}: {{orders: {{type: file, path: …}}}}"
        entries = {}
        for id, value in self.reader.mapping((section,), written, section, f"Write {what}.").items():
            entry = self._component(family, section, id, value, default)
            if entry:
                entries[id] = entry
        if isinstance(written, dict) and not written:
            self.reader.say((section,), "missing-key", f"{section} is empty.", f"Write {what}.")
        return entries

    def _component(self, family: str, section: str, id: str, value: Any, default: str) -> Entry | None:
        path: At = (section, id)
        if not isinstance(value, dict):
            hint = f"Write {id}: {{type: {default}, path: …}}."
            self.reader.say(path, "wrong-type", f"{family} '{id}' must be keys and values, not {kind_of(value)}.", hint)
            return None
        name = value.get("type", default)
        component = self._find(family, name, (*path, "type")) if isinstance(name, str) else None
        if not isinstance(name, str):
            self.reader.say((*path, "type"), "wrong-type", f"type: expected the name of a {family}, got {kind_of(name)}.")
        if component is None:
            return None
        values = {key: item for key, item in value.items() if key != "type"}
        return Entry(id, component, self.reader.values(path, values, component, f"{family} '{id}' ({name})"), path)

    def _find(self, family: str, name: str, path: At, *, key: bool = False) -> type[Component] | None:
        """The component's class; a problem where nobody knows it, or where it cannot be imported."""
        names = self.registry.names(family)
        if name not in names:
            what = f"no {family} is named '{name}'." if family == "module" else f"no {family} has the type '{name}'."
            hint = did_you_mean(name, names) or self._like(family, name) or self._by_meaning(family, name, names)
            self.reader.say(path, f"unknown-{family}-type" if family != "module" else "unknown-module", what, hint, key=key)
            return None
        try:
            return self.registry.get(family, name)
        except Exception as error:  # a component's file may raise anything while it is imported
            self.reader.say(
                path, "bad-plugin", f"{family} '{name}' cannot be imported: {type(error).__name__}: {error}.", key=key
            )
            return None

    def _like(self, family: str, name: str) -> str:
        """What other systems call it: ``expect_column_values_to_be_between`` is ``between`` here."""
        if family == "module" and len(name) < 4:
            return ""
        for known in self.registry.names(family):
            try:
                if name in self.registry.get(family, known).like:
                    return f"Here it is called '{known}'."
            except Exception:
                continue
        return ""

    def _by_meaning(self, family: str, name: str, names: Sequence[str]) -> str:
        if family != "module":
            return known_names(names, 10)
        found = [component.name for component in nearest_in_meaning(self.registry, name)]
        return (f"Nearest in meaning: {', '.join(found)}. " if found else "") + "`qpipe modules` lists all."

    # ── modules ──

    def _modules(self, path: At, written: Any, group: str | None = None, enabled: bool = True) -> Iterator[Entry]:
        if isinstance(written, dict) and group is None:
            yield from self._groups(path, written)
            return
        hint = "Write each module on a line of its own: - not_null: [id]."
        for i, item in enumerate(self.reader.list(path, written, "modules" if group is None else f"group '{group}'", hint)):
            at = (*path, i)
            if isinstance(item, str):
                yield from self._module(at, item, None, group, enabled, bare=True)
            elif isinstance(item, dict) and len(item) == 1:
                name, value = next(iter(item.items()))
                if self._is_group(name, value):
                    yield from self._group((*at, name), name, value)
                else:
                    yield from self._module((*at, name), name, value, group, enabled)
            else:
                yield from self._misshapen(at, item, group, enabled)

    def _misshapen(self, at: At, item: Any, group: str | None, enabled: bool) -> Iterator[Entry]:
        if not isinstance(item, dict) or not item:
            self.reader.say(at, "module-form", f"a module is written as '- name: parameters', this is {kind_of(item)}.")
            return
        name, *others = item
        self.reader.say((*at, others[0]), "module-form", f"'{others[0]}' stands beside '{name}', not among its parameters.",
                        f"Indent it below '{name}:', or start a new '- ' for another module.", key=True)  # fmt: skip
        yield from self._module((*at, name), name, item[name], group, enabled)

    def _groups(self, path: At, written: dict[str, Any]) -> Iterator[Entry]:
        for name, value in written.items():
            if self._is_group(name, value):
                yield from self._group((*path, name), name, value)
            elif name in self.registry.names("module"):
                self.reader.say((*path, name), "module-form", "modules is a list: their order matters.",
                                f"Write '- {name}: …'.", key=True)  # fmt: skip
                yield from self._module((*path, name), name, value, None, True)
            else:
                self._find("module", name, (*path, name), key=True)

    def _is_group(self, name: str, value: Any) -> bool:
        keys = set(value) if isinstance(value, dict) else set()
        return (name in GROUPS and name not in self.registry.names("module")) or bool(
            keys & {"modules", "steps"} and name not in self.registry.names("module")
        )

    def _group(self, path: At, name: str, value: Any) -> Iterator[Entry]:
        if isinstance(value, list):
            yield from self._modules(path, value, name)
            return
        written = self.reader.mapping(path, value, f"group '{name}'")
        found = self.reader.section(path, written, GroupSection, f"group '{name}'")
        if found.get("timeout") is not None:
            self.reader.say((*path, "timeout"), "no-effect", "a group has no time-out of its own: its modules are computed "
                            "in one query with all others.", "Take it out.", key=True, severity="warning")  # fmt: skip
        key = "steps" if "steps" in written else "modules"
        if key in written:
            yield from self._modules((*path, key), written[key], name, bool(found.get("enabled", True)))

    def _module(self, path: At, name: str, value: Any, group: str | None, enabled: bool, bare: bool = False) -> Iterator[Entry]:
        component = self._find("module", name, path, key=not bare)
        if component is None:
            return
        values, short = values_of(component, value)
        if values is None:
            self.reader.say(path, "wrong-type", f"module '{name}' takes keys and values, not {kind_of(value)}.",
                            f"Write {name}: {{key: value}}.")  # fmt: skip
            return
        if short:
            read = self._short(path, values, component, short, name)
        else:
            read = self.reader.values(path, values, component, f"module '{name}'")
        if enabled:
            yield Entry(read.get("id") or name, component, read, path, short, "id" in read, group)

    def _short(self, path: At, values: dict[str, Any], component: type, short: str, name: str) -> dict[str, Any]:
        """The value itself is a parameter: its problems stand at the value, what is missing at the module."""
        from qpipe.core.params import params_of

        params = params_of(component)
        read = self.reader.value(path, values[short], params[short], name)
        missing = [p.name for p in params.values() if p.required and p.name != short]
        for other in missing:
            self.reader.say(path, "missing-key", f"module '{name}' needs '{other}'.",
                            f"Write {name}: {{{short}: …, {other}: …}}.", key=True)  # fmt: skip
        return {} if self.reader.is_missing(read) else {short: read}

    # ── the rest ──

    def _routes(self, written: Any) -> Iterator[RouteEntry]:
        for i, item in enumerate(self.reader.list(("routes",), written, "routes", "Write '- {to: clean}'.")):
            path: At = ("routes", i)
            if not isinstance(item, dict):
                self.reader.say(path, "wrong-type", f"a route must be keys and values, not {kind_of(item)}.",
                                "Write {when: …, to: …}.")  # fmt: skip
                continue
            read = self.reader.section(path, item, RouteSection, "a route")
            if ("to" in read) == ("ask" in read):
                says = "both 'to' and 'ask'" if "to" in read else "neither 'to' nor 'ask'"
                self.reader.say(
                    path, "route-form", f"a route has {says}.", "Write one of them: to: an output, ask: a decision."
                )
            to = read.get("to") or ()
            when = read.get("when")
            yield RouteEntry(read.get("id") or f"route-{i + 1}", path, None if when is None else _condition(when),
                             (to,) if isinstance(to, str) else tuple(to), read.get("ask"))  # fmt: skip

    def _decisions(self, written: Any) -> dict[str, dict[str, Any]]:
        hint = "Write decisions: {big: {question: …, choices: {…}}}."
        result = {}
        for id, value in self.reader.mapping(("decisions",), written, "decisions", hint).items():
            path = ("decisions", id)
            inner = self.reader.mapping(path, value, f"decision '{id}'", hint)
            if inner or value is None or value == {}:
                result[id] = self.reader.section(path, inner, DecisionSection, f"decision '{id}'")
        return result

    def _settings(self, written: Any) -> dict[str, Any]:
        values = self.reader.mapping(("settings",), written, "settings")
        read = self.reader.section(("settings",), values, SettingsSection, "settings")
        for key, section in (("retry", RetrySection), ("retry_config", RetrySection), ("on_error", OnErrorSection)):
            if isinstance(values.get(key), dict):
                inner = self.reader.section(("settings", key), values[key], section, key)
                read["on_error" if key == "on_error" else "retry"] = inner
            elif key == "on_error" and values.get(key) is not None:
                self.reader.say(("settings", key), "wrong-type", "on_error must be keys and values.",
                                "Write on_error: {retry: 3, then: question}.")  # fmt: skip
        return read

    def _tests(self, written: Any) -> list[dict[str, Any]]:
        tests = []
        for i, item in enumerate(
            self.reader.list(("tests",), written, "tests", "Write '- {name: …, rows: […], expect: {…}}'.")
        ):
            path = ("tests", i)
            inner = self.reader.mapping(path, item, "a test")
            tests.append(self.reader.section(path, inner, TestSection, "a test") | {"_path": path})
        return tests


def _condition(when: Any) -> str:
    return str(when).lower() if isinstance(when, bool) else str(when)


def _number(modules: list[Entry]) -> None:
    """``between``, ``between-2``, … for modules without an id of their own."""
    taken = {entry.id for entry in modules if entry.explicit_id}
    for entry in modules:
        if entry.explicit_id:
            continue
        name, count = entry.id, 1
        while entry.id in taken:
            count += 1
            entry.id = f"{name}-{count}"
        taken.add(entry.id)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
