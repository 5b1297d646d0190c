"""A spec's text as a plain tree, with the place of every key and value: ``Spec.load("orders.yaml")``.

Loading finds what is wrong with the text and its references; what is wrong with its meaning, ``check`` finds. A text that is
no tree at all raises SpecError at once; everything else is collected in ``Spec.problems``, so that all is reported together.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qpipe.core.errors import Problem, SpecError
from qpipe.core.secrets import Redactor, Secret, embedded_secrets, holds_secrets, looks_secret
from qpipe.spec.compose import compose
from qpipe.spec.interpolate import MAX_LENGTH, Piece, as_text, has_reference, pieces
from qpipe.spec.locate import Lines, Span, offset_in_text
from qpipe.spec.nearest import did_you_mean, known_names
from qpipe.spec.nodes import Flaw, Node
from qpipe.spec.syntax import loose
from qpipe.spec.traps import check_characters, decode, normal
from qpipe.spec.tree import Tree, grow

At = tuple[str | int, ...]  # ("modules", 2, "between", "min")


@dataclass(frozen=True, repr=False)
class Spec:
    """The tree as written and as meant, and where everything in it stands."""

    file: str  # as the user named it
    text: str
    tree: dict[str, Any]  # references filled in; secrets are Secret
    written: dict[str, Any]  # as written
    vars: dict[str, Any]
    problems: tuple[Problem, ...]  # found while loading
    redact: Redactor
    nodes: Tree
    lines: Lines
    filled: Mapping[At, tuple[Piece, ...]]  # values that hold references
    used: frozenset[str] = frozenset()  # variables that something refers to

    @classmethod
    def load(
        cls,
        path_or_text: str | Path,
        *,
        vars: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        file: str | None = None,
    ) -> Spec:
        """From a file, from ``-`` (stdin) or from text with line breaks. Raises SpecError when there is no tree in it."""
        name, text = _read(path_or_text, file)
        lines = Lines(text)
        try:
            check_characters(text)
            root = compose(text)
            flaws = _root_flaws(root, text)
            assert root is not None
            tree = grow(root, lines)
        except Flaw as flaw:
            raise SpecError([_problem(flaw, name, lines)]) from None
        flaws += loose(root, text)
        flaws += tree.flaws
        filling = _Filling(tree, os.environ if env is None else env, text, _directory(name))
        filled = filling.spec(vars or {})
        problems = sorted({_problem(flaw, name, lines, filling.redact) for flaw in [*flaws, *filling.flaws]})
        return cls(name, text, filled, tree.value, filling.vars, tuple(problems), filling.redact, tree, lines,
                   filling.pieces, frozenset(filling.used))  # fmt: skip

    def __repr__(self) -> str:
        return f"<Spec {self.file}, {len(self.problems)} problems>"

    @property
    def safe_text(self) -> str:
        """The text without the secrets written into it: what may be stored and shown."""
        return self.redact(self.text)

    @property
    def directory(self) -> Path:
        """Where relative paths start."""
        return _directory(self.file)

    def get(self, path: At, default: Any = None) -> Any:
        value: Any = self.tree
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return default
        return value

    def span(self, path: At, *, key: bool = False) -> Span:
        """Where a value (or its key) stands. A path that is not written gives the place of what it would stand in."""
        node = self._node(path, key)
        return self.lines.span(node.start, node.end)

    def place(self, path: At, *, key: bool = False, offset: int | None = None) -> tuple[int, int]:
        """Line and column of a value, of its key, or of a character inside of it."""
        node = self._node(path, key)
        if offset is None or key or node.kind != "scalar":
            return self.lines.place(node.start)
        written = _written_offset(self.filled.get(path, ()), offset)
        return self.lines.place(offset_in_text(node, self.text, written))

    def problem(
        self,
        path: At,
        code: str,
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        offset: int | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at a path, with secrets masked."""
        line, column = self.place(path, key=key, offset=offset)
        return Problem(self.file, line, column, show(path), code, self.redact(message), self.redact(hint), severity)

    def is_from_outside(self, path: At) -> bool:
        """Did the value come whole from the environment or the command line? Then it is text that may mean a number."""
        parts = self.filled.get(path, ())
        return len(parts) == 1 and not parts[0].is_written

    def _node(self, path: At, key: bool) -> Node:
        while path:
            found = (self.nodes.keys if key else self.nodes.values).get(path)
            if found is not None and not (found.start == found.end and not key):
                return found
            if path in self.nodes.keys:
                return self.nodes.keys[path]
            if found is not None:
                return found
            path, key = path[:-1], isinstance(path[-2] if len(path) > 1 else None, str)
        return self.nodes.root


def show(path: At) -> str:
    """``modules[2].between.min``"""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "a").replace("-", "a").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def _read(path_or_text: str | Path, file: str | None) -> tuple[str, str]:
    """The name to show and the text."""
    if isinstance(path_or_text, str) and "\n" in path_or_text:
        return file or "<text>", normal(path_or_text)
    name = file or ("<stdin>" if path_or_text == "-" else str(path_or_text))
    try:
        data = sys.stdin.buffer.read() if path_or_text == "-" else Path(path_or_text).read_bytes()
        return name, decode(data)
    except Flaw as flaw:
        head = data[: data.find(b"\n") + 1 or 4096] if flaw.code == "too-large" else data
        raise SpecError([_problem(flaw, name, Lines(normal(head.decode("utf-8", "replace"))))]) from None
    except (OSError, ValueError) as error:
        raise SpecError([Problem(name, 1, 1, "", "cannot-read", *_why_unreadable(error))]) from error


def _why_unreadable(error: Exception) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "there is no such file.", "Check the path; `qpipe init` writes a first spec."
    if isinstance(error, IsADirectoryError):
        return "this is a folder, not a spec.", "Name the YAML file in it."
    if isinstance(error, PermissionError):
        return "the file may not be read.", "Check its permissions."
    return f"the file cannot be read: {getattr(error, 'strerror', None) or error}.", "Check the path."


def _root_flaws(root: Node | None, text: str) -> list[Flaw]:
    if root is None:
        raise Flaw(0, "empty-spec", "the spec is empty.", "Start with 'version: 1', or let `qpipe init` write one.")
    if root.kind == "mapping":
        return []
    what = {"sequence": "a list", "scalar": "text"}.get(root.kind, "an alias")
    hint = "A spec starts with keys such as 'version: 1' and 'sources:'."
    first = root.value.partition(":")
    if root.kind == "scalar" and first[1] and first[0].isidentifier() and first[2][:1] not in ("", " ", "/"):
        hint = f"A space is missing after '{first[0]}:'."
    raise Flaw(root.start, "not-a-mapping", f"the spec is {what}, not keys and values.", hint)


def _directory(file: str) -> Path:
    return Path.cwd() if file.startswith("<") else Path(file).resolve().parent


def _problem(flaw: Flaw, file: str, lines: Lines, redact: Redactor | None = None) -> Problem:
    line, column = lines.place(flaw.offset)
    say = redact or (lambda text: text)
    return Problem(file, line, column, show(flaw.path), flaw.code, say(flaw.message), say(flaw.hint), flaw.severity)


def _written_offset(parts: tuple[Piece, ...], offset: int) -> int:
    """An offset into a filled value as an offset into the value as written; inside a filled-in part, its start."""
    done = 0
    for part in parts:
        length = len(as_text(part.value))
        if offset < done + length:
            same = part.is_written and length == part.end - part.start
            return part.start + (offset - done if same else 0)
        done += length
    return parts[-1].end if parts else offset


_MOST_BROKEN = 20  # references of one value that are reported


class _Filling:
    """References filled in, problems gathered on the way."""

    def __init__(self, tree: Tree, env: Mapping[str, str], text: str, directory: Path) -> None:
        self.tree, self.env, self.text, self.directory = tree, env, text, directory
        self.flaws: list[Flaw] = []
        self.vars: dict[str, Any] = {}
        self.pieces: dict[At, tuple[Piece, ...]] = {}
        self.used: set[str] = set()
        self.redact = Redactor()
        self._secret_vars: set[str] = set()

    def spec(self, given: Mapping[str, str]) -> dict[str, Any]:
        root = self.tree.value
        self._variables(root.get("vars"), given)
        return {key: value if key == "vars" else self.value((key,), value) for key, value in root.items()} | (
            {"vars": self.vars} if "vars" in root else {}
        )

    def _variables(self, declared: Any, given: Mapping[str, str]) -> None:
        if declared is not None and not isinstance(declared, dict):
            self._flaw(("vars",), 0, "wrong-type", "vars must be a mapping of names to values.", "Write vars: {day: today}.")
        names = declared if isinstance(declared, dict) else {}
        for name, value in names.items():
            path = ("vars", name)
            if name in given:
                self.vars[name] = self._guard(path, given[name], (), looks_secret(name))
            elif isinstance(value, (dict, list)):
                self._flaw(path, 0, "wrong-type", f"the variable '{name}' must be text, a number or a boolean.",
                           "Use a YAML anchor for lists and mappings.")  # fmt: skip
                self.vars[name] = ""
            else:
                self.vars[name] = self.value(path, value)
            if isinstance(self.vars[name], Secret):
                self._secret_vars.add(name)
        for name in given:
            if name not in names:
                hint = did_you_mean(name, names) or known_names(names) or f"Add it to the spec: vars: {{{name}: …}}."
                self._flaw(("vars",), 0, "unknown-variable", f"--var {name}: the spec has no variable of that name.", hint)

    def value(self, path: At, value: Any) -> Any:
        """A tree with its references filled in."""
        if isinstance(value, dict):
            return {key: self.value((*path, key), item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value((*path, i), item) for i, item in enumerate(value)]
        if isinstance(value, str):
            return self._text(path, value) if has_reference(value) else self._literal(path, value)
        return value

    def _text(self, path: At, text: str) -> Any:
        parts = tuple(pieces(text, self.vars, self.env, self.directory))
        self.pieces[path] = parts
        self.used |= {part.name for part in parts if part.kind == "var"}
        for part in [part for part in parts if part.code][:_MOST_BROKEN]:
            self._flaw(path, part.start, part.code, part.message, part.hint)
        plain = self.tree.values[path].style == ""
        if len(parts) == 1 and not parts[0].is_written and plain:
            whole = parts[0].value
            return self._guard(path, whole, parts) if isinstance(whole, str) else whole
        if sum(len(as_text(part.value)) for part in parts) > MAX_LENGTH:
            self._flaw(path, 0, "yaml-bomb", f"this grows beyond {MAX_LENGTH:,} characters.", "Do variables hold one another?")
            return ""
        return self._guard(path, "".join(_revealed(part.value) for part in parts), parts)

    def _literal(self, path: At, text: str) -> str:
        """A password written into the spec is a secret, too."""
        name = _last_name(path)
        reaches = path[0] in ("sources", "outputs") or (path[0] == "modules" and any(holds_secrets(str(k)) for k in path[1:-1]))
        if reaches and len(path) > 2 and "schema" not in path and looks_secret(name) and text:
            self.flaws.append(Flaw(self.tree.values[path].start, "secret-in-spec", "a secret is written into the spec.",
                                   "Write ${env:NAME} and set it where the run starts.", "warning", path))  # fmt: skip
            return self._guard(path, text, (), True)
        for part in embedded_secrets(text) if "://" in text else ():
            self.redact.add(part)
        return text

    def _guard(self, path: At, text: str, parts: tuple[Piece, ...], certain: bool = False) -> str:
        """The text, as a Secret if its key, its variable's name or its holder says that it is one."""
        outside = [p for p in parts if p.kind in ("env", "file") or (p.kind == "var" and p.name in self._secret_vars)]
        named = any(p.kind == "file" or looks_secret(p.name) or isinstance(p.value, Secret) for p in outside)
        held = any(holds_secrets(str(key)) for key in path[1:-1])
        if not (certain or (outside and (named or held)) or (parts and looks_secret(_last_name(path)))):
            return text
        secret = text if isinstance(text, Secret) else Secret(text)
        self.redact.add(secret)
        for part in outside:
            if isinstance(part.value, str):
                self.redact.add(part.value)
        return secret

    def _flaw(self, path: At, offset: int, code: str, message: str, hint: str = "") -> None:
        node = self.tree.values.get(path) or self.tree.root
        at = offset_in_text(node, self.text, offset) if offset else node.start
        self.flaws.append(Flaw(at, code, message, hint, path=path))


def _revealed(value: Any) -> str:
    return value.reveal() if isinstance(value, Secret) else as_text(value)


def _last_name(path: At) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def iter_leaves(value: Any, path: At = ()) -> Iterator[tuple[At, Any]]:
    """Every scalar of a tree with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from iter_leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from iter_leaves(item, (*path, i))
    else:
        yield path, value
