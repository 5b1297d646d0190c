"""Asking at the terminal: one open question after the other, with its rows, until all are answered or put off.

Nothing that is typed is lost and nothing is answered by accident: Ctrl-C puts a question off, the end of input ends the asking,
what was typed before a question was shown does not count, and a time-out or another person that is faster is told.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qpipe.cli.keyboard import Keyboard, listening
from qpipe.cli.questions import (
    cell_text,
    due_text,
    group_text,
    keyed,
    keys_of,
    rows_text,
    sample_table,
    state_text,
    target_text,
    visible,
)  # fmt: skip
from qpipe.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from qpipe.orchestrator.journal import Journal

WIDEST = 100  # columns of a line
COMMANDS = {"p": "postpone", "q": "stop", "v": "view", "?": "help", "A": "all", "R": "remember"}
WORDS = {"postpone": "postpone", "quit": "stop", "stop asking": "stop", "view": "view", "help": "help", "all": "all",
         "all alike": "all", "remember": "remember"}  # fmt: skip


@dataclass
class Asked:
    """What came of asking."""

    answered: int = 0
    postponed: set[str] = field(default_factory=set)
    stopped: bool = False


def can_ask() -> bool:
    """Only where a person can see and type."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@dataclass
class Asking:
    """Asks the open questions of a run, each time it is called; what was put off stays so as long as the process lives.

    What is not answered stays open. Nothing is asked where there is no terminal.
    """

    by: str | None = None
    asked: Asked = field(default_factory=Asked)

    def __call__(self, journal: Journal, run: str) -> None:
        from rich.console import Console

        from qpipe.orchestrator.answers_file import person

        if can_ask() and not self.asked.stopped:
            stream = sys.stderr if sys.stderr.isatty() else sys.stdout
            console = Console(file=stream, highlight=False)
            with listening() as keyboard:
                _Session(journal, run, self.by or person(), console, keyboard, self.asked).through()


class Overtaken(Exception):
    """The question has its answer, or the run must stop, while a person was thinking."""


@dataclass
class _Session:
    journal: Journal
    run: str
    by: str
    console: Console
    keyboard: Keyboard
    asked: Asked
    alike: bool = False
    remember: bool = False

    def through(self) -> None:
        total = len(self._open())
        interrupted = False
        while not self.asked.stopped and (waiting := self._open()):
            question = waiting[0]
            number = total - len(waiting) + 1
            try:
                self._ask(question, number, max(total, number))
                interrupted = False
            except KeyboardInterrupt:
                self.asked.stopped, interrupted = interrupted, True
                self._postpone(question, "" if self.asked.stopped else "; Ctrl-C once more stops asking")
            except EOFError:
                self._postpone(question)
                self.asked.stopped = True
            except Overtaken:
                self._say_overtaken(question)

    def _open(self) -> list[dict[str, Any]]:
        self.journal.expire()
        return [q for q in self.journal.questions(self.run, "open") if q["id"] not in self.asked.postponed]

    # ── one question ──

    def _ask(self, question: dict[str, Any], number: int, total: int) -> None:
        self.alike = self.remember = False
        self._show(question, number, total)
        choices = _choices(question)
        self._show_keys(question, choices)
        while True:
            typed = self._line("> ", question)
            command, choice = meaning_of(typed, question, choices)
            if command == "postpone":
                return self._postpone(question)
            if command == "stop":
                self._postpone(question)
                self.asked.stopped = True
                return None
            if command == "text":
                choice = self._own_text(self._line("text: ", question, strip=False), question)
            elif command == "own":
                choice = self._own_text(typed, question)
            if choice is not None:
                return self._answer(question, choice)
            self._obey(command, question, choices)

    def _obey(self, command: str, question: dict[str, Any], choices: Mapping[str, str]) -> None:
        if command == "all":
            self.alike = not self.alike
        elif command == "remember":
            self._toggle_remember(question)
        elif command == "view":
            self._view(question)
        elif command == "help":
            self._help(question, choices)
        elif command == "unknown":
            self._say("That is none of the answers. Type a letter in brackets, or ? for help.", "yellow")
        self._show_keys(question, choices)

    def _toggle_remember(self, question: dict[str, Any]) -> None:
        from qpipe.orchestrator.answers import why_not_kept

        why = why_not_kept(question)
        if why:
            self._say(f"This cannot be remembered: {why}.", "yellow")
        else:
            self.remember = not self.remember

    def _own_text(self, typed: str, question: dict[str, Any]) -> str | None:
        """A text that is no candidate: asked for, or typed; confirmed either way, because a slip of the hand looks the same."""
        from qpipe.orchestrator.answers import as_choice, group_of

        text = typed.removeprefix("=")
        if text in (question["candidates"] or ()):
            return as_choice(text)
        value = visible(str(group_of(question)["value"]))
        sure = self._line(f"'{value}' becomes '{visible(text)}' in {rows_text(question['rows'])}? [y/N] ", question)
        return as_choice(text) if sure.lower() in ("y", "yes") else None

    # ── answering ──

    def _answer(self, question: dict[str, Any], choice: str) -> None:
        alike = [q for q in self._open() if q["decision"] == question["decision"]] if self.alike else []
        answered = []
        for each in [question, *(q for q in alike if q["id"] != question["id"])]:
            try:
                answered.append(self.journal.answer(each["id"], choice, by=self.by, via="tty", remember=self.remember))
            except UsageError as error:
                self._say(f"Too late, or not possible: {error.message}.", "yellow")
        if answered:
            self.asked.answered += len(answered)
            self._say_answered(answered, choice)
        if answered and self.remember:
            self._keep(answered)

    def _say_answered(self, answered: Sequence[Mapping[str, Any]], choice: str) -> None:
        rows = sum(q["rows"] for q in answered)
        many = f", {len(answered)} questions alike" if len(answered) > 1 else ""
        target = answered[0]["choices"].get(choice, "")
        arrow = _arrow(answered[0], choice, target) if target else ""
        self._say(f"{visible(choice)}: {rows_text(rows)}{many}{arrow}", "green")

    def _keep(self, answered: Sequence[Mapping[str, Any]]) -> None:
        """Write the answers into their files, and show what was added, as a diff."""
        from qpipe.orchestrator.answers import keep, why_not_kept
        from qpipe.orchestrator.memory import shown

        for kept in keep(self.journal, [q for q in answered if not why_not_kept(q)]):
            if kept.problem:
                self._say(f"Not remembered: {kept.problem}", "yellow")
                continue
            self._say(f"remembered in {shown(kept.path)}" + ("" if kept.added else ", where it stands already"))
            for line in kept.added.splitlines():
                self._say(f"+ {line}", "green")

    def _postpone(self, question: dict[str, Any], more: str = "") -> None:
        self.asked.postponed.add(question["id"])
        later = f"`qpipe decide {question['id']} CHOICE` answers later"
        self._say(f"postponed: {rows_text(question['rows'])} held; {later}{more}", "dim")

    def _say_overtaken(self, question: dict[str, Any]) -> None:
        if self.keyboard.stopping:
            self.asked.stopped = True
            self._postpone(question)
        else:
            self._say(f"Answered meanwhile: {state_text(self.journal.question(question['id']))}.", "yellow")

    # ── showing ──

    def _show(self, question: dict[str, Any], number: int, total: int) -> None:
        from rich.rule import Rule
        from rich.text import Text

        self.console.print()
        self.console.print(
            Rule(f"question {number} of {total}: {visible(question['decision'])}", align="left"), width=self._width()
        )
        words = Text(visible(question["text"]), style="bold")
        about = group_text(question)
        self.console.print(words.append(f"  ({about})", style="not bold") if about else words)
        table, left = sample_table(question, self._width())
        self.console.print(table, width=self._width())
        self._show_rest(question, left)

    def _show_rest(self, question: dict[str, Any], left: Sequence[str]) -> None:
        shown = len(question["sample"] or ())
        more = [f"{question['rows'] - shown:,} more rows"] if question["rows"] > shown > 0 else []
        more += [f"{len(left)} more columns: v shows them"] if left else []
        if more:
            self._say("… " + ", ".join(more), "dim")
        told = dict.fromkeys(reason for row in question["sample"] or () for reason in row["reasons"])
        for reason in list(told)[:5]:
            self._say(f"because {visible(reason)}")
        if question["condition"] and not told:
            self._say(f"because {visible(question['condition'])}")
        due = due_text(question)
        if due:
            self._say(due, "yellow")

    def _show_keys(self, question: dict[str, Any], choices: Mapping[str, str]) -> None:
        keys = keys_of(list(choices))
        answers = [f"[{n}] {visible(text)}" for n, text in enumerate(question["candidates"] or (), 1)]
        answers += [keyed(choice, keys[choice]) + _arrow(question, choice, target) for choice, target in choices.items()]
        switches = [f"[A]ll alike: {'ON' if self.alike else 'off'}", f"[R]emember: {'ON' if self.remember else 'off'}"]
        self._say("   ".join(answers), "bold")
        self._say("   ".join(["[p]ostpone", *switches, "[v]iew", "[?] help", "[q]uit"]))

    def _view(self, question: dict[str, Any]) -> None:
        """Every column of the sample rows, one below the other."""
        from rich.text import Text

        for row in question["sample"] or ():
            place = ":".join(str(part) for part in (row.get("file"), row.get("line")) if part)
            self._say(f"row {row['row']}" + (f"  {place}" if place else ""), "bold")
            widest = max((len(visible(name)) for name in row["cells"]), default=0)
            for name in row["cells"]:
                self.console.print(Text(f"  {visible(name):<{widest}}  ").append(cell_text(row, name)), width=self._width())
            for reason in row["reasons"]:
                self._say(f"  because {visible(reason)}")

    def _help(self, question: dict[str, Any], choices: Mapping[str, str]) -> None:
        keys = keys_of(list(choices))
        for choice, target in choices.items():
            self._say(f"{keys[choice]}, {choice}: {target_text(choice, target)}")
        if question["candidates"] is not None:
            self._say("a number: the value becomes that one of the known values")
        self._say("p: put it off; its rows stay held, and the run waits for an answer")
        self._say("A: give this answer to all open questions of the same decision")
        self._say(f"R: write the answer into {visible(question['memory'] or 'a file')}; the next runs obey it")
        self._say("q: stop asking; what is not answered stays open")
        self._say("Ctrl-C puts a question off, twice stops asking. Nothing is lost.")

    def _say(self, text: str, style: str = "") -> None:
        from rich.text import Text

        self.console.print(Text(text, style=style), width=self._width())

    def _width(self) -> int:
        return min(self.console.width, WIDEST)

    def _line(self, prompt: str, question: Mapping[str, Any], *, strip: bool = True) -> str:
        """What a person types, unless the question is answered first."""
        self.keyboard.forget()
        self.console.print(prompt, end="", markup=False, soft_wrap=True)
        typed = self.keyboard.line(lambda: self._overtaken(question))
        if typed is None:
            self.console.print()
            raise Overtaken
        return typed.strip() if strip else typed

    def _overtaken(self, question: Mapping[str, Any]) -> bool:
        self.journal.expire()
        return self.keyboard.stopping or self.journal.question(question["id"])["state"] != "open"


def meaning_of(typed: str, question: Mapping[str, Any], choices: Mapping[str, str]) -> tuple[str, str | None]:
    """(command, choice) of what was typed: a key, a number, a word, or, for an unknown value, the text it becomes."""
    from qpipe.orchestrator.answers import as_choice

    keys = {key: choice for choice, key in keys_of(list(choices)).items()}
    candidates = list(question["candidates"] or ())
    if typed.isdecimal() and 0 < int(typed) <= len(candidates):
        return "answer", as_choice(candidates[int(typed) - 1])
    for given in (typed, typed.lower()):
        if given in choices or given in keys:
            choice = given if given in choices else keys[given]
            return ("text", None) if choice == TEXT else ("answer", choice)
        if given in COMMANDS or given in WORDS:
            return COMMANDS.get(given) or WORDS[given], None
    if typed in ("a", "r"):
        return {"a": "all", "r": "remember"}[typed], None
    if not typed:
        return "nothing", None
    return ("own" if TEXT in choices and len(typed) > 1 else "unknown"), None


TEXT = "text"  # how "any other text" is called on the screen


def _choices(question: Mapping[str, Any]) -> dict[str, str]:
    """What can be said, under the names the screen uses."""
    other = {TEXT: "the value becomes a text that you type"} if "*" in question["choices"] else {}
    return {choice: target for choice, target in question["choices"].items() if choice != "*"} | other


def _arrow(question: Mapping[str, Any], choice: str, target: str) -> str:
    return "" if question["scope"] == "value" else f" → {target_text(choice, target)}"
