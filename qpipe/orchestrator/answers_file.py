"""A file of answers: many questions answered at once, by a script or a person with an editor.

YAML or JSON, a list or a short mapping, or CSV with a header; in CSV every other column belongs to the group:

    - {decision: big-doubtful, group: {country: DE}, answer: accept}      decision,country,answer
    - {decision: country-names, value: Germny, answer: Germany}           big-doubtful,DE,accept
    - {question: big-doubtful-7k3f, answer: reject, reason: fraud}
    big-doubtful: accept                                                  every open question of the decision

Words are read as they are written. An answer that a question has already is no error; another one is refused.
"""

from __future__ import annotations

import csv
import getpass
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qpipe.core.errors import QpipeError, UsageError
from qpipe.orchestrator.answers import evidence_of
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.memory import mapping_of, scalar_of
from qpipe.spec.compose import compose
from qpipe.spec.locate import Lines
from qpipe.spec.nearest import did_you_mean, known_names
from qpipe.spec.nodes import Flaw, Node
from qpipe.spec.traps import check_characters, decode

KEYS = ("question", "decision", "group", "value", "answer", "by", "reason", "remember")


@dataclass(frozen=True)
class Given:
    """One entry of the file."""

    line: int  # in JSON: the number of the entry
    answer: str
    question: str | None = None
    decision: str | None = None
    value: str | None = None
    group: Mapping[str, str | None] = field(default_factory=dict)
    by: str | None = None
    reason: str = ""
    remember: bool = False

    def fits(self, asked: Mapping[str, Any]) -> bool:
        if self.question is not None and self.question not in asked["id"]:
            return False
        if self.decision is not None and self.decision != asked["decision"]:
            return False
        if self.value is not None or self.group:
            try:
                evidence = evidence_of(asked)
            except QpipeError:
                return False
            wanted = {**self.group, **({"value": self.value} if self.value is not None else {})}
            return all(name in evidence and evidence[name] == text for name, text in wanted.items())
        return True


@dataclass(frozen=True)
class Report:
    """What became of a file of answers."""

    answered: tuple[Mapping[str, Any], ...] = ()  # questions, with their answers
    already: tuple[Mapping[str, Any], ...] = ()  # had this answer before
    refused: tuple[str, ...] = ()  # "answers.yaml:3: …"
    unmatched: tuple[str, ...] = ()  # entries for which there is no question


def apply_answers(
    journal: Journal, run: str | None, file: Path, by: str | None = None, *, now: float | None = None
) -> Report:  # fmt: skip
    """Answer the questions of a run (None: of all runs) that the file has answers for. UsageError: the file cannot be read."""
    answered, already, refused, unmatched = [], [], [], []
    for given in read_answers(file):
        place = f"{file}:{given.line}"
        fitting = [q for q in journal.questions(run) if given.fits(q)]
        waiting = [q for q in fitting if q["state"] == "open"]
        if not fitting:
            unmatched.append(f"{place}: no question fits")
        for asked in fitting if given.question is not None and not waiting else waiting:
            try:
                answered.append(journal.answer(asked["id"], given.answer, by=given.by or by or person(), via="file",
                                               remember=given.remember, reason=given.reason, now=now))  # fmt: skip
            except UsageError as error:
                if journal.question(asked["id"])["choice"] == given.answer:
                    already.append(asked)
                else:
                    refused.append(f"{place}: {error.message}")
        if not waiting and given.question is None:
            already += [q for q in fitting if q["choice"] == given.answer]
    return Report(tuple(answered), tuple(already), tuple(refused), tuple(unmatched))


def person() -> str:
    """Who is at the keyboard."""
    try:
        return os.environ.get("USER") or getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "someone"


def read_answers(file: Path) -> list[Given]:
    """The entries of a file. UsageError says where it is wrong."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"the answers cannot be read: {error.strerror}", file=str(file)) from error
    reader = {".csv": _csv, ".json": _json}.get(file.suffix.lower(), _yaml)
    try:
        text = decode(data)
        return list(reader(text))
    except Flaw as flaw:
        line, column = Lines(text if "text" in locals() else "").place(flaw.offset)
        raise UsageError(flaw.message, hint=flaw.hint, file=str(file), line=line, column=column) from None
    except _Wrong as wrong:
        raise UsageError(wrong.message, hint=wrong.hint, file=str(file), line=wrong.line) from None


class _Wrong(Exception):
    def __init__(self, line: int, message: str, hint: str = "") -> None:
        self.line, self.message, self.hint = line, message, hint


def _yaml(text: str) -> Iterator[Given]:
    check_characters(text)
    root, lines = compose(text), Lines(text)
    if root is None:
        return
    if root.kind == "mapping":
        for name, (key, item) in mapping_of(root, "the file").items():
            yield _given(lines.place(key.start)[0], {"decision": name, "answer": scalar_of(item, "answer")}, {})
        return
    if root.kind != "sequence":
        raise Flaw(
            root.start, "", "answers are a list, or a mapping of decisions to answers.", "Write - {decision: …, answer: …}."
        )
    for node in root.items:
        fields = mapping_of(node, "an answer")
        group = _group(fields["group"][1]) if "group" in fields else {}
        texts = {name: scalar_of(item, name) for name, (_, item) in fields.items() if name != "group"}
        yield _given(lines.place(node.start)[0], texts, group)


def _group(node: Node) -> dict[str, str | None]:
    return {name: scalar_of(item, name) for name, (_, item) in mapping_of(node, "a group").items()}


def _json(text: str) -> Iterator[Given]:
    try:
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise _Wrong(error.lineno, f"this is not JSON: {error.msg}") from error
    if isinstance(found, dict):
        found = [{"decision": name, "answer": answer} for name, answer in found.items()]
    if not isinstance(found, list):
        raise _Wrong(1, "answers are a list, or an object of decisions to answers")
    for number, entry in enumerate(found, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("group", {}), dict):
            raise _Wrong(number, "an answer is an object, and its group, too")
        texts = {name: _scalar(number, name, value) for name, value in entry.items() if name != "group"}
        group = {name: _scalar(number, name, value) for name, value in (entry.get("group") or {}).items()}
        yield _given(number, texts, group)


def _scalar(number: int, name: str, value: Any) -> str | None:
    if isinstance(value, (dict, list)):
        raise _Wrong(number, f"'{name}' is one value")
    return str(value).lower() if isinstance(value, bool) else value


def _csv(text: str) -> Iterator[Given]:
    reader = csv.DictReader(io.StringIO(text), restkey="")
    if "answer" not in (reader.fieldnames or ()):
        raise _Wrong(1, "the header has no column 'answer'", f"it has {', '.join(reader.fieldnames or ())}")
    for row in reader:
        if "" in row:
            raise _Wrong(reader.line_num, "this line has more cells than the header")
        texts = {name: cell for name, cell in row.items() if name in KEYS and cell}
        group = {name: cell for name, cell in row.items() if name not in KEYS and cell}
        yield _given(reader.line_num, {"answer": "", **texts}, group)


def _given(line: int, texts: Mapping[str, str | None], group: Mapping[str, str | None]) -> Given:
    for name in texts:
        if name not in KEYS:
            raise _Wrong(line, f"an answer has no '{name}'.", did_you_mean(name, KEYS) or known_names(KEYS))
    if not texts.get("answer"):
        raise _Wrong(line, "an entry needs its 'answer'.")
    if not any(texts.get(name) for name in ("question", "decision", "value")):
        raise _Wrong(line, "which question does it answer?", "Add question:, decision: or value:.")
    chosen: dict[str, Any] = {name: text for name, text in texts.items() if text is not None and name != "remember"}
    return Given(line, **chosen, group=dict(group), remember=(texts.get("remember") or "").lower() in ("true", "yes", "1"))
