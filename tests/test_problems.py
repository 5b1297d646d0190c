"""Every problem code has a page and a bad spec whose report is known to the letter; every printer says the same."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest

import qpipe
from qpipe.core.errors import Problem, SpecError
from qpipe.core.expression.errors import Code
from qpipe.spec import formats
from qpipe.spec.check import check
from qpipe.spec.load import Spec
from qpipe.spec.problems import codes, page

BAD = Path(__file__).parent / "data" / "bad_specs"
WITHOUT_SPEC = {"cannot-read", "too-large"}  # no text, or too much of it


def problems_of(name: str) -> tuple[list[Problem], dict[str, str]]:
    """The problems of a bad spec (read from its own folder), and its text as it may be shown."""
    file = f"{name}.yaml"
    try:
        spec = Spec.load(file, env={})
        return check(spec)[0], {file: spec.safe_text}
    except SpecError as error:
        return list(error.problems), {}


@pytest.fixture
def in_bad_specs(monkeypatch):
    monkeypatch.chdir(BAD)


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_bad_spec_gives_its_report(path, in_bad_specs):
    problems, texts = problems_of(path.stem)
    assert {p.code for p in problems} == {path.stem}
    assert formats.text(problems, texts) == path.with_suffix(".txt").read_text("utf-8")


def test_every_code_has_a_page_and_a_bad_spec():
    assert sorted({path.stem for path in BAD.glob("*.yaml")} | WITHOUT_SPEC) == codes()
    assert sorted(_codes_in_source()) == codes()


def _codes_in_source() -> set[str]:
    """Texts in the spec's code that look like a code and stand where one does."""
    found: set[str] = set()
    for path in (Path(qpipe.__file__).parent / "spec").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                texts = [n.value for a in node.args for n in ast.walk(a) if isinstance(n, ast.Constant)]
                found |= {text for text in texts if isinstance(text, str) and text in set(codes())}
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                place = {"say": 1, "Flaw": 1, "Problem": 4, "ExpressionFlaw": 1}.get(name)
                if place is not None and place < len(node.args) and isinstance(node.args[place], ast.Constant):
                    assert page(node.args[place].value), f"{path.name}:{node.lineno}: '{node.args[place].value}' has no page"
                    found.add(node.args[place].value)
            if isinstance(node, ast.Dict):
                found |= {v.value for v in node.values if isinstance(v, ast.Constant) and v.value in set(codes())}
            for keyword in getattr(node, "keywords", []):
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    found.add(keyword.value.value)
    assert "unknown-function" in set(get_args(Code))
    named = {"unknown-function"} | {
        f"unknown-{what}" for what in ("source", "output", "decision", "choice", "source-type", "output-type")
    }
    return found | named


@pytest.mark.parametrize("code", codes())
def test_pages_are_complete(code):
    found = page(code)
    assert found and found.title and found.summary.endswith(".")
    assert re.search(r"Bad:\n\n```\w+\n.+?\n```\n\nGood:\n\n```\w+\n.+?\n```\n", found.text, re.DOTALL)


def test_an_unknown_code_has_no_page():
    assert page("nonsense") is None and page("../../core/errors") is None


@pytest.mark.parametrize("code", codes())
def test_pages_say_error_or_warning_as_the_check_does(code, in_bad_specs):
    if code not in WITHOUT_SPEC:
        assert {p.severity for p in problems_of(code)[0]} == {page(code).severity}


# ── printers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ODD = Problem("a b,c:é.yaml", 2, 3, "modules[0]", "wrong-type", "100% wrong:\nsecond\x00 line, 'x'.", "Do <this> & that.")
WARNING = Problem("orders.yaml", 1, 1, "vars.day", "unused-variable", "nothing refers to it.", severity="warning")


def test_text_shows_line_and_caret():
    text = formats.text([ODD], {ODD.file: "first\n  wrong: value\n"})
    assert text.splitlines()[-3:-1] == ["  2 |   wrong: value", "    |   ^"]
    assert "\x1b[" not in text and "\x1b[" in formats.text([ODD], {ODD.file: "x\ny"}, color=True)
    assert formats.text([]) == ""


def test_text_cuts_long_lines_around_the_caret():
    line = "x" * 500 + "HERE" + "y" * 500
    text = formats.text([Problem("s", 1, 501, "", "wrong-type", "no.")], {"s": line}).splitlines()
    assert len(text[1]) < 140 and text[1][text[2].index("^")] == "H"


def test_text_does_not_repeat_passwords_of_a_spec_that_cannot_be_read():
    text = "sources: {a: {password: hunter2, b: [}}\n"
    with pytest.raises(SpecError) as raised:
        Spec.load(text)
    assert "hunter2" not in formats.text(raised.value.problems, {"<text>": text})


def test_json():
    document = json.loads(formats.as_json([ODD, WARNING], ["good.yaml"]))
    assert document["valid"] is False and document["files"] == ["a b,c:é.yaml", "good.yaml", "orders.yaml"]
    assert document["problems"][0] == {
        "file": ODD.file, "line": 2, "column": 3, "path": "modules[0]", "code": "wrong-type", "message": ODD.message,
        "hint": ODD.hint, "severity": "error"}  # fmt: skip
    assert json.loads(formats.as_json([WARNING]))["valid"] is True


def test_github():
    assert formats.github([ODD, WARNING]).splitlines() == [
        "::error file=a b%2Cc%3Aé.yaml,line=2,col=3,title=wrong-type::100%25 wrong:%0Asecond\x00 line, 'x'. Do <this> & that.",
        "::warning file=orders.yaml,line=1,col=1,title=unused-variable::nothing refers to it.",
    ]


# What SARIF 2.1.0 asks of the parts that are written (from the standard's text, section 3).
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {
            "type": "object",
            "required": ["tool"],
            "properties": {
                "tool": {"required": ["driver"], "properties": {"driver": {"required": ["name"], "properties": {
                    "rules": {"type": "array", "uniqueItems": True, "items": {
                        "required": ["id"],
                        "properties": {
                            "help": {"required": ["text"]},
                            "shortDescription": {"required": ["text"]},
                            "defaultConfiguration": {"properties": {"level": {"enum": ["none", "note", "warning", "error"]}}},
                        }}}}}}},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {
                    "required": ["message", "ruleId"],
                    "properties": {
                        "level": {"enum": ["none", "note", "warning", "error"]},
                        "ruleIndex": {"type": "integer", "minimum": 0},
                        "message": {"required": ["text"], "properties": {"text": {"type": "string"}}},
                        "locations": {"items": {"properties": {"physicalLocation": {
                            "required": ["artifactLocation"],
                            "properties": {
                                "artifactLocation": {"properties": {"uri": {"type": "string", "format": "uri-reference",
                                                                            "pattern": "^[!-~]+$"}}},
                                "region": {"properties": {"startLine": {"type": "integer", "minimum": 1},
                                                          "startColumn": {"type": "integer", "minimum": 1}}}}}}}},
                    }}},
            }}},
    },
}  # fmt: skip


def test_sarif():
    import jsonschema

    document = json.loads(formats.sarif([ODD, WARNING], ["good.yaml"]))
    jsonschema.validate(document, SARIF)
    run = document["runs"][0]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert "Bad:" in run["tool"]["driver"]["rules"][0]["help"]["markdown"]


def test_junit():
    root = ElementTree.fromstring(formats.junit([ODD, WARNING], ["good.yaml"]))
    assert root.tag == "testsuites" and root.attrib["tests"] == "3" and root.attrib["failures"] == "1"
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert [f.attrib["type"] for f in cases[ODD.file].findall("failure")] == ["wrong-type"]
    assert not cases["good.yaml"].findall("failure") and not cases["orders.yaml"].findall("failure")
    assert "unused-variable" in cases["orders.yaml"].find("system-out").text
