"""Remembered answers: a YAML file beside the spec that the next run obeys and that people read and edit.

    - group: {country: DE}       # or value: Germny, or when: "amount < 20000"; none of them: every question of the decision
      answer: accept
      by: ann
      at: 2026-11-23T10:15:00+01:00
      reason: agreed with the shop
      expires: 2027-01-31        # the last day it is used
      uses: 10                   # in so many runs at most
      condition: amount > 10000  # what held the rows then; under another condition the answer is not used

The last entry that fits wins. Words are compared as they are written, so NO is Norway. Only text is added to the file, at its
end; what people wrote stays as it is, to the byte.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from qpipe.core.effects import effect
from qpipe.core.errors import CannotCreate, Problem
from qpipe.spec.compose import compose
from qpipe.spec.locate import Lines
from qpipe.spec.nearest import did_you_mean, known_names
from qpipe.spec.nodes import Flaw, Node
from qpipe.spec.traps import check_characters, decode, resolve_word

KEYS = ("group", "value", "when", "answer", "by", "at", "reason", "expires", "uses", "condition")
HEAD = "# Remembered answers: the next runs obey them. Edit them freely; qpipe only adds to the end.\n"

Group = Mapping[str, "str | None"]
Uses = Callable[["Entry"], int]  # in how many runs an entry has been used


@dataclass(frozen=True)
class Entry:
    """An answer, and what it is the answer to."""

    answer: str
    group: Group | None = None  # columns and their values, as text; columns that are not named do not matter
    value: str | None = None
    when: str | None = None
    by: str = ""
    at: str = ""
    reason: str = ""
    expires: str = ""
    uses: int | None = None
    condition: str | None = None
    line: int = 0

    @property
    def key(self) -> str:
        """The same for the same entry, wherever in the file it moves."""
        if self.when is not None:
            selector = f"when {self.when}"
        elif self.value is not None:
            selector = f"value {self.value}"
        else:
            selector = ", ".join(f"{name}: {value}" for name, value in sorted((self.group or {}).items())) or "every question"
        return f"{selector} → {self.answer} ({self.by}, {self.at})"

    def fits(self, group: Group) -> bool:
        """Whether it answers the question about this group; of a value, the group is ``{"value": …}``."""
        if self.when is not None:
            return False
        if self.value is not None:
            return group.get("value") == self.value
        return all(name in group and group[name] == value for name, value in (self.group or {}).items())

    def is_good(self, now: float, condition: str | None, used: Uses) -> bool:
        """Neither expired, nor used up, nor given under another condition."""
        if self.expires and now >= _end_of(self.expires):
            return False
        if self.condition is not None and condition is not None and self.condition != condition:
            return False
        return self.uses is None or used(self) < self.uses


@dataclass(frozen=True)
class Memory:
    """A file of remembered answers, read. Entries that cannot be used are problems, with file and line."""

    path: Path
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Memory:
        """A file that is not there is an empty memory."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            return cls(path, problems=(Problem(shown(path), 0, 0, "", "cannot-read", f"it cannot be read: {error.strerror}."),))
        return _Reading(path).read(data)

    def check(self, choices: Sequence[str], columns: Sequence[str] | None = None) -> list[Problem]:
        """Its own problems, and the answers and columns in it that this decision does not know."""
        found = list(self.problems)
        for entry in self.entries:
            if entry.answer not in choices:
                hint = did_you_mean(entry.answer, choices) or known_names(choices)
                found.append(
                    self.problem(entry.line, "unknown-choice", f"'{entry.answer}' is not a choice of this decision.", hint)
                )
            for name in entry.group or ():
                if columns is not None and name not in columns:
                    hint = did_you_mean(name, columns) or known_names(columns)
                    found.append(self.problem(entry.line, "unknown-column", f"this decision is not asked by '{name}'.", hint))
        return found

    def answer_for(
        self, group: Group, *, now: float, condition: str | None = None, used: Uses = lambda entry: 0
    ) -> Entry | None:
        """The last good entry that fits."""
        return next((e for e in reversed(self.entries) if e.fits(group) and e.is_good(now, condition, used)), None)

    def rules(self, *, now: float, condition: str | None = None, used: Uses = lambda entry: 0) -> list[tuple[int, Entry]]:
        """Good entries that speak of rows (``when``), with their places in the file."""
        return [(n, e) for n, e in enumerate(self.entries) if e.when is not None and e.is_good(now, condition, used)]

    def remember(self, entries: Sequence[Entry], *, now: float = 0.0) -> str:
        """Add entries to the file, atomically, and return the lines added. An answer that it gives already is skipped."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path.parent):
            present = Memory.load(self.path)
            if present.problems:
                raise CannotCreate(f"the answer was not added to a file with a problem: {present.problems[0]}",
                                   hint="mend the file; the answer itself stands")  # fmt: skip
            new = [e for e in entries if not present._says(e, now)]
            return _append(self.path, present, new) if new else ""

    def _says(self, entry: Entry, now: float) -> bool:
        group = {"value": entry.value} if entry.value is not None else dict(entry.group or {})
        given = self.answer_for(group, now=now, condition=entry.condition)
        return given is not None and given.answer == entry.answer and given.uses is None

    def problem(self, line: int, code: str, message: str, hint: str = "") -> Problem:
        """A problem with the entry in this line."""
        return Problem(shown(self.path), line, 1, "", code, message, hint)


# ── reading ──


class _Reading:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[Problem] = []
        self._lines = Lines("")

    def read(self, data: bytes) -> Memory:
        entries: list[Entry] = []
        try:
            text = decode(data)
            self._lines = Lines(text)
            check_characters(text)
            root = compose(text)
            for node in self._items(root):
                try:
                    entries.append(self._entry(node))
                except Flaw as flaw:
                    self._flaw(flaw)
        except Flaw as flaw:
            self._flaw(flaw)
        return Memory(self._path, tuple(entries), tuple(self._problems))

    def _items(self, root: Node | None) -> Sequence[Node]:
        if root is None:
            return ()
        if root.kind != "sequence":
            raise Flaw(
                root.start,
                "wrong-type",
                "remembered answers are a list.",
                "Start each with '- group: …', '- value: …' or '- answer: …'.",
            )
        return root.items

    def _entry(self, node: Node) -> Entry:
        fields = mapping_of(node, "an entry")
        for name, (key, _) in fields.items():
            if name not in KEYS:
                raise Flaw(
                    key.start, "unknown-key", f"an entry has no '{name}'.", did_you_mean(name, KEYS) or known_names(KEYS)
                )
        if "answer" not in fields:
            raise Flaw(
                node.start, "missing-key", "an entry needs its 'answer'.", "Add answer: and one of the decision's choices."
            )
        selectors = [name for name in ("group", "value", "when") if name in fields]
        if len(selectors) > 1:
            raise Flaw(
                node.start, "bad-value", f"an entry has either '{selectors[0]}' or '{selectors[1]}'.", "Make two entries of it."
            )
        texts = {name: scalar_of(item, name) for name, (_, item) in fields.items() if name != "group"}
        given: dict[str, Any] = {
            name: text or "" for name, text in texts.items() if name in ("answer", "by", "at", "reason", "expires")
        }
        given |= {name: text for name, text in texts.items() if name in ("value", "when", "condition")}
        if "group" in fields:
            given["group"] = {
                name: scalar_of(item, name) for name, (_, item) in mapping_of(fields["group"][1], "a group").items()
            }
        if "uses" in fields:
            given["uses"] = _count(fields["uses"][1])
        for name in ("when", "value"):
            if name in fields and not texts[name] and (name == "when" or texts[name] is None):
                raise Flaw(fields[name][1].start, "bad-value", f"'{name}' is empty.", "Write what the answer is for.")
        if given.get("expires"):
            _check_time(fields["expires"][1])
        return Entry(**given, line=self._lines.place(node.start)[0])

    def _flaw(self, flaw: Flaw) -> None:
        line, column = self._lines.place(flaw.offset)
        self._problems.append(Problem(shown(self._path), line, column, "", flaw.code, flaw.message, flaw.hint))


def mapping_of(node: Node, what: str) -> dict[str, tuple[Node, Node]]:
    """Name → nodes of the key and of the value. Raises Flaw."""
    if node.kind != "mapping":
        raise Flaw(node.start, "wrong-type", f"{what} is a mapping: keys and values.", "Write it as key: value.")
    found: dict[str, tuple[Node, Node]] = {}
    for key, item in zip(node.keys, node.items, strict=True):
        name = scalar_of(key, "a key") or ""
        if name in found:
            raise Flaw(key.start, "duplicate-key", f"'{name}' stands here twice.", "Keep one.")
        found[name] = (key, item)
    return found


def scalar_of(node: Node, name: str) -> str | None:
    """A scalar as it is written, so that NO, 007 and 1e3 stay what they are; None for null."""
    if node.kind != "scalar":
        raise Flaw(
            node.start, "wrong-type", f"'{name}' is one value, written out.", "Write text; put it in quotes if in doubt."
        )
    return None if not node.style and node.value in ("", "~", "null") else node.value


def _count(node: Node) -> int:
    text = scalar_of(node, "uses") or ""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise Flaw(node.start, "bad-value", f"'uses' is a number of runs, not '{text}'.", "Write uses: 10, or leave it out.")
    return int(text)


def _check_time(node: Node) -> None:
    try:
        _end_of(node.value)
    except (ValueError, OverflowError):
        raise Flaw(node.start, "bad-value", f"'{node.value}' is not a date.", "Write expires: 2027-01-31.") from None


def _end_of(text: str) -> float:
    """The moment from which on something that expires is gone: after that day, or at that time."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return (datetime.fromisoformat(text) + timedelta(days=1)).timestamp()
    return datetime.fromisoformat(text).timestamp()


def shown(path: Path) -> str:
    """A path as the user would name it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


# ── writing ──


def _append(path: Path, present: Memory, new: Sequence[Entry]) -> str:
    """The old bytes, and behind them the new entries; read back before it becomes the file."""
    old = path.read_bytes() if path.exists() else HEAD.encode()
    newline = "\r\n" if b"\r\n" in old else "\n"
    added = "".join(written(entry, _indent(old)) for entry in new)
    gap = "" if not old or old.endswith((b"\n", b"\r")) else newline
    data = old + (gap + added.replace("\n", newline)).encode()
    again = _Reading(path).read(data)
    if again.problems or [replace(e, line=0) for e in again.entries] != [replace(e, line=0) for e in (*present.entries, *new)]:
        raise CannotCreate(f"nothing could be added to the end of {shown(path)}",
                           hint=f"write the list with dashes, and add by hand:\n{added}")  # fmt: skip
    _replace(path.resolve(), data)
    return added


def written(entry: Entry, indent: str = "") -> str:
    """An entry as it stands in the file."""
    if entry.when is not None:
        pairs = [("when", quoted(entry.when))]
    elif entry.value is not None:
        pairs = [("value", quoted(entry.value))]
    elif entry.group:
        inside = ", ".join(f"{quoted(n)}: {'null' if v is None else quoted(v)}" for n, v in entry.group.items())
        pairs = [("group", "{" + inside + "}")]
    else:
        pairs = []
    pairs += [(name, quoted(text)) for name in ("answer", "by", "at", "reason", "expires") if (text := getattr(entry, name))]
    pairs += [("uses", str(entry.uses))] * (entry.uses is not None)
    pairs += [("condition", quoted(entry.condition))] if entry.condition is not None else []
    return "".join(f"{indent}{'  ' if n else '- '}{name}: {text}\n" for n, (name, text) in enumerate(pairs))


def quoted(text: str) -> str:
    """Text as YAML that every reader takes for text; plain where that is certain."""
    if re.fullmatch(r"[^\W\d][\w-]*( [\w-]+)*", text):
        try:
            if resolve_word(text) == text:
                return text
        except Flaw:
            pass
    if re.fullmatch(r"\d{4}-\d\d-\d\d(T[\d:.+-]+)?", text):
        return text
    return '"' + "".join(_escaped(sign) for sign in text) + '"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    if sign.isprintable():
        return sign
    number = ord(sign)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _indent(old: bytes) -> str:
    root = compose(decode(old))
    return " " * (Lines(decode(old)).place(root.start)[1] - 1) if root is not None else ""


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        effect("memory.replace")
        os.replace(temporary, path)
    except OSError as error:
        raise CannotCreate(f"{shown(path)} cannot be written: {error.strerror}", hint="the answer itself stands") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One writer at a time, where the system has such locks. The lock is on the folder: it leaves no file behind."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
