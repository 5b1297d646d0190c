"""2,000 damaged specs: never a traceback, always a position that exists, never a secret. The schema agrees with the check."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from qpipe.core.errors import Problem, SpecError
from qpipe.core.registry import Registry
from qpipe.spec import formats
from qpipe.spec.check import check
from qpipe.spec.load import Spec
from qpipe.spec.problems import codes
from qpipe.spec.schema import spec_schema

GOOD = sorted((Path(__file__).parent / "data" / "good_specs").glob("*.yaml"))
CODES = set(codes())
PIECES = 20  # the 2,000 in portions, so that a failure names its portion


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def problems_of(text: str, registry: Registry) -> list[Problem]:
    try:
        return check(Spec.load(text if "\n" in text else text + "\n", env={"TOKEN": "s3cr3t-v4lue"}), registry)[0]
    except SpecError as error:
        return list(error.problems)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_specs_have_no_problems(path, registry):
    found = problems_of(path.read_text("utf-8"), registry)
    assert [problem for problem in found if problem.code != "no-effect"] == []  # the mission's groups have time-outs


@pytest.mark.parametrize("portion", range(PIECES))
def test_damaged_specs_give_positions_and_no_traceback(portion, registry):
    for i in range(2000 // PIECES):
        chance = random.Random(f"{portion}/{i}")
        text = chance.choice(GOOD).read_text("utf-8")
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            text = chance.choice(TEXT_DAMAGES)(text, chance)
        _holds(text, problems_of(text, registry), f"portion {portion}, spec {i}", chance)


def loaded(path):
    return yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def written(tree, **more):
    return yaml.dump(tree, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True, **more)


@pytest.mark.parametrize("portion", range(5))
def test_damaged_trees_give_positions_and_no_traceback(portion, registry):
    """The same for specs that are YAML still: keys lost, renamed, doubled; values of another kind."""
    for i in range(60):
        chance = random.Random(f"tree {portion}/{i}")
        tree = loaded(chance.choice(GOOD))
        for _ in range(chance.choice([1, 1, 2, 4])):
            _damage_tree(tree, chance)
        text = written(tree, default_flow_style=chance.choice([None, False, True]))
        _holds(text, problems_of(text, registry), f"portion {portion}, tree {i}", chance)


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_bytes_at_random(size, tmp_path, registry):
    chance = random.Random(size)
    for i in range(50):
        path = tmp_path / f"{i}.yaml"
        path.write_bytes(
            bytes(chance.choice([chance.randrange(256), chance.choice(b"\n:- []{}#'\"|>&*!%")]) for _ in range(size))
        )
        try:
            check(Spec.load(path, env={}), registry)
        except SpecError as error:
            assert error.problems and all(p.line >= 1 and p.column >= 1 for p in error.problems)


def _holds(text: str, problems: list[Problem], where: str, chance: random.Random) -> None:
    lines = re.split("\r\n|\r|\n", text)
    for problem in problems:
        assert problem.code in CODES, (where, problem)
        assert 1 <= problem.line <= len(lines) + 1, (where, problem)
        width = len(lines[problem.line - 1]) if problem.line <= len(lines) else 0
        assert 1 <= problem.column <= width + 2, (where, problem, text)
        assert problem.message.strip() and "Traceback" not in problem.message, (where, problem)
        assert not re.search(r"\b(NoneType|object has no|unhashable|0x[0-9a-f]{8,})\b", problem.message), (where, problem)
    if chance.random() > 0.3:  # the printers for some of them: they cost as much as the check
        return
    told = "".join(show(problems) for name, show in formats.FORMATS.items() if name != "text") + formats.text(
        problems, {"<text>": text}
    )
    assert "s3cr3t-v4lue" not in told


# ── damages of the text ───────────────────────────────────────────────────────────────────────────────────────────────

ODD_TEXTS = [
    "\t", "  ", ": ", "- ", "[", "]", "{", "}", "'", '"', "#", "&a ", "*a", "!t ", "%", "|", ">-", "---\n", "\u00a0",
    "\u202e", "é", "😀", "\x00", "\x07", "\ufeff", "\u2028", "no", "1e3", "0777", "${", "${var.day}", "${env:TOKEN}",
    "${env:NONE}", "$${", "<<: ", "? ", "null", "~", "\\", "[" * 60, "x" * 5000, "failed(", "((", "'' ''", ".inf",
    "password: ${env:TOKEN}\n",
]  # fmt: skip


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _delete_line(text: str, chance: random.Random) -> str:
    lines = _lines(text)
    del lines[chance.randrange(len(lines))]
    return "\n".join(lines)


def _double_line(text: str, chance: random.Random) -> str:
    lines = _lines(text)
    at = chance.randrange(len(lines))
    return "\n".join([*lines[:at], lines[at], *lines[at:]])


def _swap_lines(text: str, chance: random.Random) -> str:
    lines = _lines(text)
    a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return "\n".join(lines)


def _indent(text: str, chance: random.Random) -> str:
    lines = _lines(text)
    at = chance.randrange(len(lines))
    lines[at] = (
        chance.choice([" ", "  ", "\t", "   "]) + lines[at] if chance.random() < 0.5 else lines[at][chance.choice([1, 2]) :]
    )
    return "\n".join(lines)


def _insert(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(ODD_TEXTS) + text[at:]


def _cut(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.choice([1, 1, 2, 10, 100]) :]


def _end_early(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _change_word(text: str, chance: random.Random) -> str:
    words = list(re.finditer(r"[\w.-]+", text))
    if not words:
        return text
    word = chance.choice(words)
    other = chance.choice(
        [chance.choice(words)[0], word[0][::-1], word[0] + "x", word[0][1:], chance.choice(ODD_TEXTS), "-1", "[1]"]
    )
    return text[: word.start()] + other + text[word.end() :]


def _other_line_ends(text: str, chance: random.Random) -> str:
    return text.replace("\n", chance.choice(["\r\n", "\r", "\n\n"]))


TEXT_DAMAGES: list[Callable[[str, random.Random], str]] = [
    _delete_line, _double_line, _swap_lines, _indent, _insert, _insert, _cut, _end_early, _change_word, _change_word,
    _change_word, _other_line_ends]  # fmt: skip


# ── damages of the tree ───────────────────────────────────────────────────────────────────────────────────────────────

ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 10**30, 1.5, "", " ", "x", "no such thing", "a.b.c", "'", "(", "${var.day}", "${var.x}", [],
    [[]], [None], ["a", 1], {}, {"a": {}}, {"to": 1}, [{"a": 1}], "1h", "5%", "x" * 2000, "é😀",
]  # fmt: skip


def _damage_tree(tree: Any, chance: random.Random) -> None:
    places = list(_places(tree))
    if not places:
        return
    holder, key = chance.choice(places)
    kind = chance.randrange(4)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = chance.choice(ODD_VALUES)
    elif kind == 2 and isinstance(holder, dict):
        holder[chance.choice([str(key) + "x", str(key)[1:] or "q", str(key).upper(), "id", "type", "when"])] = holder.pop(key)
    else:
        other, there = chance.choice(places)
        holder[key] = copy.deepcopy(other[there])


def _places(tree: Any) -> Any:
    if isinstance(tree, (dict, list)):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _places(tree[key])


# ── the schema and the check ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_schema_takes_good_specs_and_refuses_what_the_check_refuses(registry):
    import jsonschema

    schema = spec_schema(registry)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in GOOD:
        assert [e.message for e in validator.iter_errors(Spec.load(path, env={}).written)] == []
    compared = 0
    for i in range(150):
        chance = random.Random(f"schema {i}")
        tree = loaded(GOOD[i % len(GOOD)])
        _damage_tree(tree, chance)
        text = written(tree)
        try:
            spec = Spec.load(text, env={})
        except SpecError:
            continue
        refused = {p.code for p in check(spec, registry)[0] if p.severity == "error"}
        errors = [e.message for e in validator.iter_errors(spec.written)]
        if errors:  # an editor's red line is never wrong
            assert refused, (text, errors)
        if "unknown-key" in refused or "unknown-module" in refused:
            assert errors, (text, refused)
        compared += 1
    assert compared > 100
