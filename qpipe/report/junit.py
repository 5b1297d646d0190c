"""The report as JUnit XML: one case for each check and gate, and one for the balance, so that a CI system shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from qpipe.orchestrator.results import CheckResult, GateResult, Sample, Summary
from qpipe.report.collect import Report
from qpipe.report.text import balanced
from qpipe.report.words import count, figures, percent, tolerance


def write(report: Report) -> str:
    """A fail is a failure, a broken rule an error, what saw no row is skipped; a warning passes and says so."""
    summary = report.summary
    cases = [_balance(summary), *(_check(c) for c in summary.checks), *(_gate(g) for g in summary.gates)]
    counts = {name: str(sum(1 for c in cases if c.find(tag) is not None)) for name, tag in
              (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))}  # fmt: skip
    told = {"name": summary.run.name, "tests": str(len(cases)), **counts, "time": f"{summary.run.seconds:.3f}"}
    suite = ET.Element("testsuite", told, timestamp=time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(summary.run.started)))
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(summary):
        ET.SubElement(properties, "property", name=name, value=value)
    suite.extend(cases)
    root = ET.Element("testsuites", told)
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _clean(ET.tostring(root, encoding="unicode")) + "\n"


def _properties(summary: Summary) -> Iterator[tuple[str, str]]:
    balance = summary.balance
    yield "run", summary.run.id
    yield "state", summary.run.state
    for name in ("rows_in", "delivered", "quarantined"):
        yield name, str(getattr(balance, name))
    if summary.score is not None:
        yield "score", f"{summary.score:.6f}"


def _case(name: str, group: str, file: str = "", line: int = 0) -> ET.Element:
    case = ET.Element("testcase", name=name, classname=group, time="0")
    if line:
        case.set("file", file)
        case.set("line", str(line))
    return case


def _balance(summary: Summary) -> ET.Element:
    case = _case("every row is accounted for", "balance")
    if not summary.balance.balanced:
        ET.SubElement(case, "failure", message=balanced(summary))
    return case


def _check(check: CheckResult) -> ET.Element:
    case = _case(check.title, f"check.{check.dimension or check.module}", check.file, check.line)
    told = f"{count(check.failed)} of {count(check.evaluated)} failed ({percent(check.share)})"
    told += f", tolerated {tolerance(check.tolerance)}" if check.tolerance is not None else ""
    _mark(case, check.outcome, told, "\n".join([f"expected {check.expected}"] * bool(check.expected) + _samples(check)))
    return case


def _samples(check: CheckResult) -> list[str]:
    return [
        f"row {s.row}" + (f" ({s.file}:{s.line})" if s.line else f" ({s.file})" if s.file else "")
        + (f": {check.column} is {_value(check, s)}" if check.column else f": {s.value}" if s.value else "")
        for s in check.samples
    ]  # fmt: skip


def _value(check: CheckResult, sample: Sample) -> str:
    missing = sample.value is None or sample.cells.get(check.column, "") is None
    return "null" if missing else repr(sample.value)


def _gate(gate: GateResult) -> ET.Element:
    case = _case(gate.gate, "gate", gate.file, gate.line)
    told = "; ".join(part for part in (gate.message, figures(gate.observed)) if part)
    _mark(case, gate.outcome, told, f"expected {gate.expected}" if gate.expected else "")
    return case


def _mark(case: ET.Element, outcome: str, told: str, details: str) -> None:
    tag = {"fail": "failure", "error": "error", "pass": None, "warn": "system-out"}.get(outcome, "skipped")
    if tag is None:
        return
    found = ET.SubElement(case, tag)
    if tag == "system-out":
        found.text = f"warning: {told}\n{details}"
        return
    found.set("message", told if tag != "skipped" else f"{outcome}: {told}")
    found.text = details or None


def _clean(text: str) -> str:
    """XML 1.0 has no control characters, not even escaped ones."""
    return "".join(c if c >= " " or c in "\n\t" else "�" for c in text if not "\ud800" <= c <= "\udfff")
