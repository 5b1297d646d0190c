"""``${var.NAME}``, ``${env:NAME}``, ``${env:NAME:-default}``, ``${file:PATH}`` inside values; ``$${`` stands for ``${`` itself.

What a file holds is a secret, as those are that container platforms mount; one line break at its end is left out.
What is put in is never read as YAML again: a variable that holds ``]}\\nroutes:`` is text and stays text. A value that is
nothing but ``${var.NAME}`` takes the variable's own type. ``${run.started}`` is left for the run to fill in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qpipe.spec.nearest import did_you_mean

RUN_NAMES = ("id", "started")
MAX_LENGTH = 1 << 20
MAX_SECRET = 1 << 16  # bytes of a file that holds one
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """A part of a value: text as written, or what a reference stands for."""

    start: int  # where it is written, as an offset into the value as written
    end: int
    value: Any = ""
    kind: str = "text"  # text, var, env, file, run
    name: str = ""
    code: str = ""  # of the problem, if it stands for nothing
    message: str = ""
    hint: str = ""

    @property
    def is_written(self) -> bool:
        return self.kind == "text"


def has_reference(text: str) -> bool:
    return "${" in text


def pieces(text: str, variables: Mapping[str, Any], env: Mapping[str, str], directory: Path | None = None) -> Iterator[Piece]:
    """The parts of a value as written, in order. One with a ``code`` stands for nothing: say so at its place.

    Files are looked for from ``directory`` on.
    """
    done = 0
    for found in _REFERENCE.finditer(text):
        start, end = found.span()
        if start > done:
            yield Piece(done, start, text[done:start])
        done = end
        if found[0] == "$${":
            kept = text.startswith("run.", end)  # the run resolves these, and the escape with them
            yield Piece(start, end, "$${" if kept else "${")
        elif found[1] is None:
            yield Piece(start, end, text[start:end], code="bad-reference", message="'${' is not closed.",
                        hint="Add '}', or write '$${' for the two characters themselves.")  # fmt: skip
        else:
            yield _reference(found[1], start, end, variables, env, directory or Path())
    if done < len(text):
        yield Piece(done, len(text), text[done:])


def _reference(
    inner: str, start: int, end: int, variables: Mapping[str, Any], env: Mapping[str, str], directory: Path
) -> Piece:
    prefix, _, name = inner.partition(".")
    if prefix == "var":
        return _variable(name, start, end, variables)
    if prefix == "run":
        if name in RUN_NAMES:
            return Piece(start, end, "${" + inner + "}", "run", name)
        return Piece(start, end, "", "run", name, "bad-reference", f"a run has no '{name}'.",
                     did_you_mean(name, RUN_NAMES) or "Known are ${run.id} and ${run.started}.")  # fmt: skip
    found = _ENV.fullmatch(inner)
    if found:
        return _environment(found[1], found[2], start, end, env)
    if inner.startswith("file:") and inner != "file:":
        return _file(inner.removeprefix("file:"), start, end, directory)
    hint = f"Did you mean ${{var.{inner}}}?" if inner in variables else ""
    if inner in env and not hint:
        hint = f"Did you mean ${{env:{inner}}}?"
    known = "Write ${var.NAME}, ${env:NAME}, ${env:NAME:-default} or ${file:PATH}; '$${' gives '${' itself."
    return Piece(start, end, code="bad-reference", message=f"'${{{inner}}}' refers to nothing.", hint=hint or known)


def _variable(name: str, start: int, end: int, variables: Mapping[str, Any]) -> Piece:
    if name not in variables:
        hint = did_you_mean(name, variables) or f"Add it: vars: {{{name}: …}}."
        return Piece(start, end, "", "var", name, "unknown-variable", f"no variable is named '{name}'.", hint)
    if variables[name] is None:
        return Piece(start, end, "", "var", name, "missing-variable", f"the variable '{name}' has no value.",
                     f"Give one with --var {name}=… or under vars:.")  # fmt: skip
    return Piece(start, end, variables[name], "var", name)


def _environment(name: str, default: str | None, start: int, end: int, env: Mapping[str, str]) -> Piece:
    value = env.get(name)
    if default is not None and not value:
        return Piece(start, end, default, "env", name)
    if value is None:
        return Piece(start, end, "", "env", name, "missing-env", f"the environment variable {name} is not set.",
                     f"Set it (export {name}=…), or write ${{env:{name}:-default}}.")  # fmt: skip
    return Piece(start, end, value, "env", name)


def _file(name: str, start: int, end: int, directory: Path) -> Piece:
    try:
        with (directory / name).open("rb") as opened:
            content = opened.read(MAX_SECRET + 1)
        if len(content) > MAX_SECRET:
            raise ValueError(f"it has more than {MAX_SECRET:,} bytes")
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        why = {
            FileNotFoundError: "there is no such file",
            PermissionError: "it may not be read",
            IsADirectoryError: "it is a directory",
            UnicodeDecodeError: "it is not UTF-8",
        }.get(type(error), "it cannot be read")
        why = str(error) if type(error) is ValueError and "bytes" in str(error) else why
        return Piece(start, end, "", "file", name, "missing-secret-file", f"the secret in {name} cannot be had: {why}.",
                     "Relative paths start where the spec is; a file holds one secret and nothing else.")  # fmt: skip
    return Piece(start, end, text.removesuffix("\n").removesuffix("\r"), "file", name)


def as_text(value: Any) -> str:
    """A variable's value inside other text: as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def fill_run(text: str, values: Mapping[str, str]) -> str:
    """``${run.started}`` and ``${run.id}`` filled in, when the run knows them."""
    return re.sub(r"\$(\$?)\{run\.(\w+)\}", lambda m: f"${{run.{m[2]}}}" if m[1] else values.get(m[2], m[0]), text)
