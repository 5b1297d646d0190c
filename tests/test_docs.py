"""README and docs say what is: commands print what they show, specs are valid, links and names lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docs.build import OPERATORS, REFERENCE  # noqa: E402
from docs.build import pages as reference_pages  # noqa: E402
from docs.transcripts import alike, blocks, pages, play  # noqa: E402

PAGES = pages(ROOT)
EVERY = [*PAGES, *sorted(REFERENCE.rglob("*.md"))]
by_name = {"ids": lambda path: str(path.relative_to(ROOT))}


# ── the reference ──


def test_the_reference_is_fresh():
    found = {str(path.relative_to(REFERENCE)): path.read_text("utf-8") for path in REFERENCE.rglob("*.md")}
    made = reference_pages()
    stale = sorted(name for name in found.keys() | made.keys() if found.get(name) != made.get(name))
    assert not stale, f"docs/reference is stale: run `make docs` ({', '.join(stale[:5])})"


@pytest.mark.parametrize("text", OPERATORS)
def test_every_operator_it_lists_is_one(text):
    from qpipe.core.expression import Expression
    from qpipe.core.types import DataType

    types = {"a": "int", "b": "int", "p": "bool", "q": "bool", "x": "string", "y": "string", "day": "date"}
    Expression.parse(text).check({name: DataType.parse(word) for name, word in types.items()})


# ── what commands print ──


@pytest.mark.parametrize("page", [p for p in PAGES if any(b.lang in ("console", "sql") for b in blocks(p))], **by_name)
def test_commands_print_what_the_page_shows(page, tmp_path):
    for block, printed in play(page, tmp_path):
        if block.lang == "console":
            assert alike(block.text, printed), f"{block.place}: it prints now\n{printed}"
        else:
            assert printed, f"{block.place}: the query finds nothing"


def test_a_transcript_with_other_words_is_noticed():
    printed = "$ qpipe validate a.yaml\n1 spec valid\nmore\nend\n"
    assert alike("$ qpipe validate a.yaml\n…\nend\n", printed)
    assert not alike("$ qpipe validate a.yaml\n2 specs valid\nmore\nend\n", printed)
    assert not alike("$ qpipe validate a.yaml\n1 spec valid\n", printed)


# ── commands, anywhere ──


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    import typer.main

    from qpipe.cli import application

    return dict(typer.main.get_command(application().app).commands)


@pytest.mark.parametrize("page", PAGES, **by_name)
def test_every_command_and_option_exists(page, commands):
    for command in _commands(page):
        words = shlex.split(command.replace("…", ""), comments=True)[1:]
        words = words[: next((n for n, word in enumerate(words) if word in ("|", "||", "&&", ";")), len(words))]
        words = [word for word in words if word != "--debug"]
        if not words or words[0].isupper() or words[0].startswith("-"):
            continue
        assert words[0] in commands, f"{page.name}: {command}"
        known = {name for param in commands[words[0]].params for name in param.opts} | {"--help"}
        assert {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= known, f"{page.name}: {command}"


def _commands(page: Path) -> list[str]:
    """Commands of qpipe in blocks and in running text."""
    inline = re.findall(r"(?<!`)`(qpipe [^`\n]+)`(?!`)", page.read_text("utf-8"))
    shown = [line.removeprefix("$ ") for block in blocks(page) for line in block.text.splitlines()]
    return inline + [line for line in shown if line.startswith("qpipe ")]


@pytest.mark.parametrize("page", PAGES, **by_name)
def test_every_make_target_exists(page):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"(?:`|^|\$ )make (\w+)", page.read_text("utf-8"), re.M)) <= set(targets)


# ── specs ──

YAML = [(block.place, block.text) for page in PAGES for block in blocks(page) if block.lang == "yaml"]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    from qpipe.core.registry import Registry
    from qpipe.spec.schema import spec_schema

    return spec_schema(Registry())


@pytest.mark.parametrize(("place", "text"), YAML, ids=[place for place, _ in YAML])
def test_every_spec_is_valid(place, text, schema):
    """A whole spec is checked whole; a piece of one against its part of the schema; any other YAML must be YAML."""
    import jsonschema

    from qpipe.spec.check import check
    from qpipe.spec.load import Spec

    value = yaml.safe_load(text)
    if not isinstance(value, dict) or not value.keys() <= schema["properties"].keys() or "plugins" in value:
        return
    spec = Spec.load(text, env={})
    if {"sources", "outputs"} <= value.keys():
        assert [str(problem) for problem in check(spec)[0]] == []
    for key, written in spec.written.items():
        part = {"$defs": schema["$defs"], **schema["properties"][key]}
        problems = list(jsonschema.Draft202012Validator(part).iter_errors(json.loads(json.dumps(written, default=str))))
        known = {"expect", "rows"}  # any YAML may stand there
        assert not [p.message for p in problems if not known & set(map(str, p.path))], f"{place}: {key}"


# ── links and places ──


@pytest.mark.parametrize("page", EVERY, **by_name)
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for link in re.findall(r"(?<!`)\[[^\]]+\]\(([^)\s]+)\)", text):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.relative_to(ROOT)}: {link}"
        if anchor:
            assert anchor in _anchors(target), f"{page.relative_to(ROOT)}: {link}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, **by_name)
def test_every_page_is_linked(page):
    linked = (ROOT / "README.md").read_text("utf-8")
    assert page.name == "README.md" or f"(docs/{page.name})" in linked


MISSION = ["source manager", "message broker", "flow conductor", "output handler", "registry", "state tracker",
           "decision handler", "interop"]  # fmt: skip


def test_the_words_of_the_mission_lead_to_places():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = dict(re.findall(r"^\| ([a-z ]+) \| (`[^|]+) \|", text.partition("## The mission's words")[2], re.M))
    assert list(table) == MISSION
    for word, places in table.items():
        for place in re.findall(r"`([^`]+)`", places):
            assert _resolves(place), f"{word}: {place}"


def test_every_path_in_the_architecture_exists():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert [place for place in re.findall(r"`(qpipe/[^`\s]+)`", text) if not _resolves(place)] == []


def _resolves(place: str) -> bool:
    """A path, or a path with a name in it: qpipe/core/registry.py:Registry."""
    path, _, name = place.partition(":")
    found = ROOT / path
    if not name:
        return found.exists()
    return found.exists() and re.search(rf"^(class|def|async def) {name}\b", found.read_text("utf-8"), re.M) is not None


def test_a_command_is_found_in_the_group_that_is_said_to_have_it() -> None:
    """Only the group of the command asked for is imported; what is listed there and what is registered are the same."""
    import typer.main

    from qpipe.cli import GROUPS, application

    for commands in GROUPS.values():
        for command in commands:
            assert set(typer.main.get_command(application(command).app).commands) == set(commands)  # type: ignore[attr-defined]
