"""Columns and their types from the contracts through every module, as far as they are known; expressions against them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.core.batch import RESERVED
from qpipe.core.component import Gate, Judging, Module, Step, Types
from qpipe.core.extras import lacking
from qpipe.core.params import params_of
from qpipe.spec.document import Document, Entry
from qpipe.spec.expressions import ExpressionFlaw, Findable, check_expression
from qpipe.spec.load import At
from qpipe.spec.nearest import did_you_mean, known_names, nearest
from qpipe.spec.read import Reader, kind_of, sentence
from qpipe.spec.sections import ColumnSection

Known = dict[str, Any] | None  # column → type, so far as declared; None: whatever comes
_PROBE = "__probe"  # a column that no one names: does a module let it through?


def check_columns(document: Document, reader: Reader) -> None:
    """Adds a problem for every column, type, expression and regular expression that cannot be."""
    checker = _Columns(document, reader)
    for entry in document.sources.values():
        entry.types = checker.contract(entry)
        if entry.types is not None and document.is_reference(entry.id):
            checker.tables[entry.id] = entry.types
    first = _together([entry.types for entry in document.streams.values()])
    types = dict(first) if first is not None else None
    for entry in document.modules:
        types = checker.module(entry, types)
    checker.seen |= set(types or ())
    checker.routes(types)
    checker.decisions(types)
    for entry in document.outputs.values():
        original = entry.values.get("content") == "original" or (entry.id == "quarantine" and "content" not in entry.values)
        checker.parameters(entry, None if original else types)
        checker.own_problems(entry, None if original else types)
    for entry in document.sources.values():
        checker.parameters(entry, None if entry.types is None else dict(entry.types))
        checker.own_problems(entry, entry.types)
    checker.tests(first)


class _Columns:
    def __init__(self, document: Document, reader: Reader) -> None:
        self.document, self.reader, self.say = document, reader, reader.say
        self.spec = document.spec
        self.seen: set[str] = set()  # columns that are there at some step
        self.tables: dict[str, Types] = {}  # columns of reference sources, where declared
        self.open = any(e.values.get("on_new_column") != "fail" for e in document.streams.values())
        self.checks = frozenset(entry.id for entry in document.modules) | {"contract"}

    # ── contracts ──

    def contract(self, entry: Entry) -> Types | None:
        """The declared columns and their types; None where nothing, or something wrong, is declared."""
        written = entry.values.get("schema")
        if not isinstance(written, dict):
            return None
        path = entry.at(self.spec, "schema")
        types: dict[str, Any] = {}
        for column, value in written.items():
            self._reserved((*path, column), column)
            found = self._type((*path, column), value)
            if found is not None:
                types[column] = found
        return types if len(types) == len(written) and types else None

    def _type(self, path: At, value: Any) -> Any:
        written_format = None
        if isinstance(value, dict):
            read = self.reader.values(path, value, ColumnSection, f"column '{path[-1]}'")
            value, path, written_format = read.get("type"), (*path, "type"), read.get("format")
            if value is None:
                return None
        return self.word(path, value, written_format)

    def word(self, path: At, value: Any, written_format: str | None = None) -> Any:
        """The type that a word names."""
        from qpipe.core.types import DataType

        if not isinstance(value, str):
            self.say(path, "bad-type", f"a type is a word such as int or date, not {kind_of(value)}.")
        else:
            try:
                return DataType.parse(value, written_format)
            except ValueError as error:
                self.say(path, "bad-type", sentence(str(error)))
        return None

    def _reserved(self, path: At, column: str, *, key: bool = True) -> None:
        if column in RESERVED or column.startswith("__"):
            self.say(path, "reserved-column", f"the column name '{column}' is qpipe's own.", "Rename the column.", key=key)

    # ── modules ──

    def module(self, entry: Entry, types: Known) -> Known:
        """Checks a module's parameters, and gives the columns after it."""
        self.seen |= set(types or ())
        fine = self.parameters(entry, types)
        entry.types = types
        instance = self.own_problems(entry, types) if fine else None
        if instance is None and issubclass(entry.component, Judging):
            return types  # it judges rows and leaves columns alone, so that what follows can be checked
        if instance is None or types is None:
            return None
        if isinstance(instance, Step) and type(instance).output_types is Module.output_types:
            return None  # a person's own code: what it does to the columns shows when it runs
        try:
            after = dict(instance.types_after({**types, _PROBE: _any()}, self.tables))
        except Exception:  # what it cannot say is not known
            return None
        self.open = after.pop(_PROBE, None) is not None and self.open  # a select lets nothing else through
        return after

    def own_problems(self, entry: Entry, types: Types | None) -> Any:
        """Builds the component and asks what it thinks of itself; None when it cannot be built."""
        before = len(self.reader.problems)
        try:
            instance = entry.build()
        except (ValueError, TypeError) as error:
            if not self._has_problem(entry.path):
                self.say(entry.path, "bad-value", sentence(f"{entry.component.name}: {error}"))
            return None
        if absent := lacking(entry.component.packages):
            self.say(entry.path, "bad-value", f"{entry.component.name} needs {', '.join(absent)}: "
                     f"pip install 'qpipe[{entry.component.extra}]'.")  # fmt: skip
            return None
        known = types if isinstance(types, dict) else None
        try:
            for parameter, column in instance.reads() if isinstance(instance, Module) else ():
                self.column(entry.at(self.spec, parameter), column, known)
            for parameter, message in instance.problems(types):
                self.say(entry.at(self.spec, parameter), "bad-value", sentence(message))
            if isinstance(instance, Gate) and instance.tolerance and not instance.by:
                self.say(entry.at(self.spec, "tolerance"), "bad-value", "a figure of the whole has no failures to tolerate.",
                         "Widen its bounds; with `by` a tolerance is of groups.")  # fmt: skip
        except Exception as error:  # a component's own code, perhaps a person's
            self.say(entry.path, "bad-plugin", f"{entry.component.name} breaks while it is checked: {error}.")
        return instance if len(self.reader.problems) == before else None

    def _has_problem(self, path: At) -> bool:
        from qpipe.spec.load import show

        shown = show(path)
        found = [*self.reader.problems, *self.spec.problems]
        return any(p.path.startswith(shown) and p.severity == "error" for p in found)

    def parameters(self, entry: Entry, types: Known) -> bool:
        """Checks what the roles of parameters promise. True when nothing is wrong."""
        before = len(self.reader.problems)
        for name, param in params_of(entry.component).items():
            value = entry.values.get(name)
            if param.role is not None and value is not None:
                self._role(entry.at(self.spec, name), param.role.name, value, types)
        return len(self.reader.problems) == before and not self._has_problem(entry.path)

    def _role(self, at: At, role: str, value: Any, types: Known) -> None:
        if role in ("column", "columns"):
            for path, column in _names(at, value):
                self.column(path, column, types)
        elif role == "new-column":
            self._reserved(at, str(value), key=False)
        elif role in ("expression", "condition"):
            self.expression(at, value, types, boolean=role == "condition")
        elif role == "expressions" and isinstance(value, dict):
            self._expressions(at, value, types)
        elif role == "regex" and isinstance(value, str):
            self._regex(at, value)
        elif role == "regex" and isinstance(value, (list, tuple)):
            for i, item in enumerate(value):
                self._regex((*at, i), str(item))
        elif role == "types" and isinstance(value, dict):
            for column, word in value.items():
                self.column((*at, column), column, types)
                self.word((*at, column), word)
        elif role == "type" and isinstance(value, str):
            self.word(at, value)

    def _regex(self, at: At, pattern: str) -> None:
        from qpipe.core.expression import check_regex

        wrong = check_regex(pattern)
        if wrong:
            letter = re.search(r"at letter (\d+)", wrong)
            self.say(at, "bad-regex", sentence(wrong), offset=int(letter[1]) - 1 if letter else None)

    def _expressions(self, at: At, value: Mapping[str, Any], types: Known) -> None:
        """Each may use the columns made before it."""
        known = dict(types) if types is not None else None
        for column, text in value.items():
            self._reserved((*at, column), column)
            found = self.expression((*at, column), text, known)
            if known is not None:
                if found is None:
                    known = None
                else:
                    known[column] = found

    def column(self, at: At, column: str, types: Known) -> None:
        if types is None or column in types or column in RESERVED:
            return
        if self._may_come(column, types):
            self._undeclared(at, column, types)
        else:
            hint = did_you_mean(column, types) or known_names(types)
            self.say(at, "unknown-column", f"there is no column '{column}' here.", hint)

    def _may_come(self, column: str, types: Types) -> bool:
        """Can it be a column beside the contract's? Not if it looks like a slip of one, or was taken away before."""
        return self.open and column not in types and column not in self.seen and nearest(column, types) is None

    def _undeclared(self, at: At, column: str, types: dict[str, Any], offset: int | None = None) -> None:
        """Says so once; from here on it is a column of any type."""
        self.say(at, "undeclared-column", f"no contract declares the column '{column}'.",
                 "Add it to the source's schema, so that it is checked, too.", offset=offset, severity="warning")  # fmt: skip
        types[column] = _any()

    def expression(self, at: At, value: Any, types: Known, *, boolean: bool = False, route: bool = False) -> Any:
        """Checks an expression; the type it has, None where that is not known."""
        if not isinstance(value, (str, int, float, bool)):
            return None
        text = str(value).lower() if isinstance(value, bool) else str(value)
        findable = Findable(self.checks, self.seen if types is not None else None) if route else None
        found, flaws = check_expression(text, types, boolean=boolean, findable=findable)
        beside = [f for f in flaws if types is not None and f.code == "unknown-column" and self._may_come(_name(f), types)]
        if beside and types is not None:
            for flaw in {_name(f): f for f in reversed(beside)}.values():
                self._undeclared(at, _name(flaw), types, flaw.offset)
            found, flaws = check_expression(text, types, boolean=boolean, findable=findable)
        for flaw in flaws:
            self.say(at, flaw.code, flaw.message, flaw.hint, offset=flaw.offset)
        return found

    # ── what stands after the modules ──

    def routes(self, types: Known) -> None:
        for route in self.document.routes:
            if route.when is not None:
                self.expression((*route.path, "when"), route.when, types, boolean=True, route=True)

    def decisions(self, types: Known) -> None:
        for id, decision in self.document.decisions.items():
            if decision.get("by"):
                at: At = ("decisions", id, "by")
                for path, column in _names(at, self.spec.get(at)):
                    self.column(path, column, types)

    def tests(self, types: Types | None) -> None:
        """The rows of the spec's own tests have the contract's columns."""
        streams = list(self.document.streams)
        for test in self.document.tests:
            source = test.get("source") or (streams[0] if len(streams) == 1 else None)
            known = self.document.sources[source].types if source in self.document.sources else types
            closed = source in self.document.sources and self.document.sources[source].values.get("on_new_column") == "fail"
            for i, row in enumerate(test.get("rows") or ()):
                for column in row if isinstance(row, dict) else ():
                    if known is not None and column not in known and (closed or nearest(column, known)):
                        hint = did_you_mean(column, known) or known_names(known)
                        self.say((*test["_path"], "rows", i, column), "unknown-column",
                                 f"source '{source}' has no column '{column}'.", hint, key=True)  # fmt: skip


def _any() -> Any:
    from qpipe.core.types import DataType

    return DataType.parse("any")


def _name(flaw: ExpressionFlaw) -> str:
    """The column that a flaw is about: of ``"a b".c`` the first."""
    return flaw.name[1:].partition('"')[0] if flaw.name.startswith('"') else flaw.name.partition(".")[0]


def _names(at: At, value: Any) -> Iterator[tuple[At, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, (list, tuple)):
        yield from (((*at, i), item) for i, item in enumerate(value) if isinstance(item, str))


def _together(contracts: list[Types | None]) -> Types | None:
    """The columns of several streams; None when one of them, or the type of a column, is not known."""
    if not contracts or any(types is None for types in contracts):
        return None
    joined: dict[str, Any] = {}
    for types in contracts:
        for column, type_ in (types or {}).items():
            if joined.setdefault(column, type_) != type_:
                return None
    return joined
