"""Writes docs/reference/ from what is declared in the code: ``python -m docs.build`` (``make docs``).

One page for each module, source, output and problem code; one each for the command line, the spec's sections, types and
expressions, exit codes and the journal. Nothing in there is written by hand; a test says when it is stale. With
``--transcripts`` the outputs of the commands in README and docs are played again and written anew as well.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from qpipe.core import errors, types
from qpipe.core.component import Component
from qpipe.core.expression import FUNCTIONS, Function
from qpipe.core.params import params_of
from qpipe.core.registry import Registry
from qpipe.spec import problems, sections
from qpipe.spec.page import _row, page

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
FAMILIES = {"module": "modules", "source": "sources", "output": "outputs"}
SECTIONS = {
    "The spec": sections.TopLevel, "A column of a schema": sections.ColumnSection, "A route": sections.RouteSection,
    "A decision": sections.DecisionSection, "Settings": sections.SettingsSection, "A test": sections.TestSection,
}  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    written = pages()
    for path in [p for p in REFERENCE.rglob("*.md") if str(p.relative_to(REFERENCE)) not in written]:
        path.unlink()
    for name, text in written.items():
        (REFERENCE / name).parent.mkdir(parents=True, exist_ok=True)
        (REFERENCE / name).write_text(text, "utf-8")
    print(f"wrote {len(written)} pages to {REFERENCE.relative_to(ROOT)}")
    if "--transcripts" in arguments:
        from docs.transcripts import refresh

        refresh(ROOT)


def pages() -> dict[str, str]:
    """Every page of the reference: its name below docs/reference → its text."""
    registry = Registry()
    made = {"README.md": _index(registry), "cli.md": _cli(), "spec.md": _spec(), "expressions.md": _expressions(),
            "exit-codes.md": _exit_codes(), "journal.md": _journal(), "problems/README.md": _problems()}  # fmt: skip
    for family, folder in FAMILIES.items():
        made |= {f"{folder}/{component.name}.md": page(component) for component in registry.all(family)}
    for code in problems.codes():
        made[f"problems/{code}.md"] = _problem(code).text.rstrip() + "\n"
    return made


def _index(registry: Registry) -> str:
    lines = ["# Reference", "", "Made by `make docs` from what the code declares.", "",
             "- [Command line](cli.md) · [exit codes](exit-codes.md)",
             "- [Spec](spec.md) · [types and expressions](expressions.md) · [problem codes](problems/README.md)",
             "- [Journal](journal.md)"]  # fmt: skip
    for family, folder in FAMILIES.items():
        found = registry.all(family)
        lines += ["", f"## {folder.capitalize()}"]
        for category in dict.fromkeys(_category(c) for c in found):
            mine = [c for c in found if _category(c) == category]
            heading = ["", f"### {category.capitalize()}"] if category else []
            lines += [*heading, "", "| name | what it says |", "|---|---|"]
            lines += [f"| [{c.name}]({folder}/{c.name}.md) | {c.summary()} |" for c in mine]
    return "\n".join(lines) + "\n"


def _category(component: type[Component]) -> str:
    return str(getattr(component, "category", ""))


# ── the command line ──


def _cli() -> str:
    import typer.main

    from qpipe.cli import application

    group: Any = typer.main.get_command(application().app)
    lines = ["# Command line", "", "Results go to stdout, everything else to stderr. `qpipe COMMAND --help` says the same.",
             "", *_options(group.params)]  # fmt: skip
    for name in group.commands:
        command = group.get_command(None, name)
        lines += ["", f"## qpipe {name}", "", *_described(command.help or ""), "", *_options(command.params)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _described(text: str) -> Iterator[str]:
    for part in inspect.cleandoc(text).split("\n\n"):
        if part.startswith("Example: "):
            yield from ["", "```sh", " ".join(part.removeprefix("Example: ").split()), "```"]
        else:
            yield " ".join(part.split())


def _options(params: Sequence[Any]) -> list[str]:
    rows = [f"| {_named(p)} | {_default(p)} | {getattr(p, 'help', None) or ''} |" for p in params]
    return ["| argument | default | meaning |", "|---|---|---|", *rows] if rows else []


def _named(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.metavar or param.name.upper()}`"
    takes = "" if param.is_flag else f" {param.metavar}"
    return ", ".join(f"`{name}{takes}`" for name in param.opts)


def _default(param: Any) -> str:
    if param.required:
        return "required"
    return f"`{param.default}`" if isinstance(param.default, (str, int)) and param.default not in ("", False) else ""


# ── the language ──


def _spec() -> str:
    lines = ["# Spec", "", "The sections of a spec. Sources, modules and outputs have the parameters of their "
             "[components](README.md); [a spec explained line by line](../specs.md) shows them at work."]  # fmt: skip
    for title, section in SECTIONS.items():
        lines += ["", f"## {title}", "", inspect.cleandoc(section.__doc__ or ""), ""]
        lines += ["| name | what it may be | default | meaning |", "|---|---|---|---|"]
        lines += [_row(p) for p in sorted(params_of(section).values(), key=lambda p: not p.required)]
    return "\n".join(lines) + "\n"


EXPRESSIONS = """\
# Types and expressions

## Types of a schema

{words}.

Also understood: {aliases}.

With arguments: `decimal(12,2)`, `datetime(UTC)`, `datetime(ms, Europe/Berlin)`, `list(int)`.

## Expressions

{meaning}

Operators: {operators}.

In routes also: {routing}.

| function | gives | meaning |
|---|---|---|
"""
OPERATORS = (
    "a + b", "a - b", "a * b", "a / b", "a // b", "a % b", "x || y", "a = b", "a <> b", "a != b", "a < b", "a <= b", "a > b",
    "a >= b", "p and q", "p or q", "not p", "a is null", "a is not null", "a is distinct from b", "a in (1, 2)",
    "a not in (1, 2)", "a between 1 and 2", "x like 'A%'", "x ilike 'a%'", "x ~ 'regex'", "x !~ 'regex'", "x ~* 'regex'",
    "case when p then a else b end", "cast(a as float)", "a::text", "day + interval '3 days'",
)  # fmt: skip
ROUTING = ("failed(error)", "failed('check')", "failed(error, 'column')", "confidence", "batch_rows()", "batch_share(error)")


def _expressions() -> str:
    told = inspect.getdoc(sys.modules["qpipe.core.expression"]) or ""
    meaning = next(part for part in told.split("\n\n") if part.startswith("What it means is SQL"))
    aliases = [f"`{alias}` (`{name}`)" for alias, name in types._ALIASES.items()]
    head = EXPRESSIONS.format(
        words=_coded(sorted(types._KINDS)), aliases=", ".join(aliases), meaning=meaning.replace("``", "`").replace("\n", " "),
        operators=_coded(OPERATORS), routing=_coded(ROUTING),
    )  # fmt: skip
    return head + "".join(f"{_function(f)}\n" for f in FUNCTIONS)


def _function(function: Function) -> str:
    call, _, gives = function.signature.partition(" -> ")
    other = f"; also {_coded(function.like)}" if function.like else ""
    return f"| `{call}` | {gives} | {function.doc.replace('|', chr(92) + '|')}{other} |"


def _coded(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _problem(code: str) -> problems.Page:
    found = problems.page(code)
    assert found is not None
    return found


def _problems() -> str:
    lines = ["# Problem codes", "", "What `qpipe validate` can say of a spec; `qpipe explain-problem CODE` prints a page.", "",
             "| code | severity | what it is |", "|---|---|---|"]  # fmt: skip
    lines += [f"| [{c}]({c}.md) | {_problem(c).severity} | {_problem(c).title} |" for c in problems.codes()]
    return "\n".join(lines) + "\n"


def _exit_codes() -> str:
    told = re.findall(r"^[\s│├└─]*(\w+)\s+([\d/]+)\s{2,}(.+)$", errors.__doc__ or "", re.M)
    lines = ["# Exit codes", "", "| code | when | error class |", "|---|---|---|",
             "| 0 | done, and every gate passed; nothing found, for commands that look for something | |"]  # fmt: skip
    lines += [f"| {code.replace('/', ', ')} | {meaning} | `{name}` |" for name, code, meaning in told]
    return "\n".join(lines) + "\n"


def _journal() -> str:
    schema = resources.files("qpipe.orchestrator").joinpath("schema.sql").read_text("utf-8")
    told = "Queries to start from: [journal and resume](../journal-and-resume.md)."
    return f"# Journal\n\n{told}\n\n```sql\n{schema.rstrip()}\n```\n"


if __name__ == "__main__":
    main(sys.argv[1:])
