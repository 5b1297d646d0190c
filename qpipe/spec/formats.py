"""Problems as people and programs read them: text, JSON, GitHub annotations, SARIF 2.1.0, JUnit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qpipe.core.errors import Problem
from qpipe.core.secrets import MASK, looks_secret

_WIDTH = 120  # of a source line shown


def text(problems: Sequence[Problem], texts: Mapping[str, str] | None = None, *, color: bool = False) -> str:
    """One paragraph for each problem, with its line and a caret. ``texts``: the specs' texts by file name, if at hand."""
    lines = {file: (texts or {}).get(file) for file in {p.file for p in problems}}
    shown = {file: (_read(file) if body is None else body).split("\n") for file, body in lines.items()}
    blocks = [_block(problem, shown[problem.file], color) for problem in problems]
    return "\n".join([*blocks, _summary(problems)]) + "\n" if problems else ""


def as_json(problems: Sequence[Problem], files: Sequence[str] = ()) -> str:
    """One JSON document: ``{"valid": …, "files": […], "problems": [{file, line, column, path, code, message, …}]}``."""
    document = {
        "valid": not any(p.severity == "error" for p in problems),
        "files": sorted({*files, *(p.file for p in problems)}),
        "problems": [p.as_dict() for p in problems],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def github(problems: Sequence[Problem], files: Sequence[str] = ()) -> str:
    """Workflow commands: ``::error file=…,line=…,col=…,title=…::…``."""
    return "".join(
        f"::{p.severity} file={_property(p.file)},line={max(p.line, 1)},col={max(p.column, 1)},title={_property(p.code)}"
        f"::{_data(_sentence(p))}\n"
        for p in problems
    )


def sarif(problems: Sequence[Problem], files: Sequence[str] = ()) -> str:
    """SARIF 2.1.0, as code-scanning services read it; each rule carries its page."""
    from qpipe import __version__

    codes = sorted({p.code for p in problems})
    driver = {
        "name": "qpipe",
        "version": __version__,
        "rules": [_rule(code) for code in codes],
    }
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "artifacts": [{"location": {"uri": _uri(f)}} for f in sorted({*files, *(p.file for p in problems)})],
                "results": [_result(p, codes.index(p.code)) for p in problems],
            }
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def junit(problems: Sequence[Problem], files: Sequence[str] = ()) -> str:
    """A test case for each file; a file with errors has failed."""
    from xml.etree import ElementTree as ET

    names = sorted({*files, *(p.file for p in problems)})
    errors = {name: [p for p in problems if p.file == name and p.severity == "error"] for name in names}
    failed = sum(1 for found in errors.values() if found)
    counts = {"tests": str(len(names)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suite = ET.Element("testsuite", {"name": "qpipe validate", **counts})
    for name in names:
        case = ET.SubElement(suite, "testcase", name=_xml(name), classname="qpipe.validate", file=_xml(name), time="0")
        for problem in errors[name]:
            ET.SubElement(case, "failure", type=problem.code, message=_xml(_sentence(problem))).text = _xml(str(problem))
        warnings = [p for p in problems if p.file == name and p.severity == "warning"]
        if warnings:
            ET.SubElement(case, "system-out").text = _xml("\n".join(map(str, warnings)))
    suites = ET.Element("testsuites", {"name": "qpipe validate", **counts})
    suites.append(suite)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


FORMATS: dict[str, Callable[..., str]] = {"text": text, "json": as_json, "github": github, "sarif": sarif, "junit": junit}


# ── text ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _block(problem: Problem, lines: list[str], color: bool) -> str:
    paint = _PAINTS[problem.severity] if color else ("", "", "")
    strong, faint, end = paint
    hint = f" {problem.hint}" if problem.hint else ""
    kind = "" if problem.severity == "error" else f"{problem.severity}: "
    place = f"{strong}{problem.file}:{problem.line}:{problem.column}{end}"
    head = f"{place} {faint}[{problem.code}]{end} {kind}{problem.message}{hint}"
    if not 1 <= problem.line <= len(lines) or not lines[problem.line - 1].strip():
        return head
    number = str(problem.line)
    source, caret = _cut(lines[problem.line - 1], problem.column)
    gutter = " " * len(number)
    return f"{head}\n  {faint}{number} |{end} {source}\n  {faint}{gutter} |{end} {caret}{strong}^{end}"


_PAINTS = {"error": ("\x1b[1;31m", "\x1b[2m", "\x1b[0m"), "warning": ("\x1b[1;33m", "\x1b[2m", "\x1b[0m")}


def _cut(line: str, column: int) -> tuple[str, str]:
    """The line (or the part of a long one around the column) and what stands before the caret."""
    masked = _mask(line)
    column = min(column, len(masked) + 1) if masked != line else column
    start = max(0, column - 1 - _WIDTH // 2) if len(masked) > _WIDTH else 0
    part = "".join(c if c.isprintable() else " " for c in masked[start : start + _WIDTH].expandtabs(1))
    lead = "… " if start else ""
    more = " …" if start + _WIDTH < len(masked) else ""
    before = "".join("　" if _is_wide(c) else " " for c in part[: column - 1 - start])
    return lead + part + more, " " * len(lead) + before


def _mask(line: str) -> str:
    """A password that stands in the line is not repeated, whatever else is wrong with it."""
    for found in _KEY.finditer(line):
        value = line[found.end() :]
        if looks_secret(found[1]) and not value.startswith(("${", '"${', "'${")):
            quoted = _QUOTED.match(value)  # where an unquoted value ends is not known while the line is not YAML
            return line[: found.end()] + MASK + (_mask(value[quoted.end() :]) if quoted else "")
    return line


_KEY = re.compile(r"""(?<![\w.-])([\w.-]++)['"]?\s*[:=]\s*(?=\S)""")
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*\"""")


def _is_wide(sign: str) -> bool:
    import unicodedata

    return ord(sign) > 0x2E7F and unicodedata.east_asian_width(sign) in "WF"


def _summary(problems: Sequence[Problem]) -> str:
    errors = sum(p.severity == "error" for p in problems)
    warnings = len(problems) - errors
    parts = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return " and ".join(parts) + f". `qpipe explain-problem {problems[0].code}` says more."


def _read(file: str) -> str:
    from qpipe.spec.traps import normal

    try:
        return normal(Path(file).read_text("utf-8", "replace")) if not file.startswith("<") else ""
    except (OSError, ValueError):
        return ""


# ── the others ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sentence(problem: Problem) -> str:
    return f"{problem.message} {problem.hint}".strip()


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def _rule(code: str) -> dict[str, Any]:
    from qpipe.spec.problems import page

    found = page(code)
    rule: dict[str, Any] = {"id": code, "name": "".join(part.title() for part in code.split("-"))}
    if found:
        rule |= {
            "shortDescription": {"text": found.title},
            "fullDescription": {"text": found.summary},
            "help": {"text": found.text, "markdown": found.text},
            "defaultConfiguration": {"level": found.severity},
        }
    return rule


def _result(problem: Problem, index: int) -> dict[str, Any]:
    region = {"startLine": max(problem.line, 1), "startColumn": max(problem.column, 1)}
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": _uri(problem.file)}, "region": region}}
    if problem.path:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.path}]
    return {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": _sentence(problem)},
        "locations": [location],
        "partialFingerprints": {"qpipe/v1": f"{problem.code}:{problem.path}"},
    }


def _uri(file: str) -> str:
    from urllib.parse import quote

    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), safe="/")


def _xml(value: str) -> str:
    """XML 1.0 has no place for most control characters, even escaped."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", value)
