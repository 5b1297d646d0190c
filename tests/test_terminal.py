"""A person at a real terminal: the prompt through a pseudo-terminal of 80 columns."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import qpipe

from qpipe.orchestrator.journal import Journal

ASK = """
import signal, sys
from pathlib import Path
from qpipe.cli.ask import Asking
from qpipe.orchestrator.journal import Journal
journal = Journal(Path(sys.argv[1]))
asking = Asking(by="ann")
signal.signal(signal.SIGINT, lambda number, frame: None)  # a run has a handler, too
asking(journal, journal.run()["id"])
asked = asking.asked
print(f"END answered={asked.answered} postponed={len(asked.postponed)} stopped={asked.stopped}")
"""


# Takes the terminal as its own, so that Ctrl-C reaches it. Not a preexec_fn: forking is unsafe once Polars runs threads.
LEAD = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """Types into a program and reads what it shows."""

    def __init__(self, *argv: str, columns: int = 80, **env: str) -> None:
        self.shown = ""
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        told = {"TERM": "xterm-256color", "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "USER": "ann", **env}
        ends: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "env": told}
        self.process = subprocess.Popen([sys.executable, "-c", LEAD, *argv], **ends, start_new_session=True)
        os.close(theirs)

    def until(self, pattern: str, seconds: float = 120) -> str:
        """What was shown since the last look, up to and with a pattern."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, plain(self.shown))):
            left = end - time.monotonic()
            assert left > 0, f"waited for {pattern!r}, saw:\n{plain(self.shown)}"
            if select.select([self._fd], [], [], min(left, 0.2))[0]:
                try:
                    self.shown += self._decode(os.read(self._fd, 65536))  # a sign may be cut in two
                except OSError:
                    assert re.search(pattern, plain(self.shown)), f"ended without {pattern!r}:\n{plain(self.shown)}"
        seen, self.raw = plain(self.shown)[: found.end()], self.shown
        self.shown = plain(self.shown)[found.end() :]
        return seen

    def type(self, text: str, *, end: str = "\n") -> None:
        os.write(self._fd, (text + end).encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._fd)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)


Open = Callable[..., Terminal]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def terminal(home: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*argv: str, **options: Any) -> Terminal:
        opened.append(Terminal(*(argv or ("-c", ASK, str(home))), **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def journal(home: Path) -> Journal:
    journal = Journal(home)
    journal.begin(name="t", spec_file="t.yaml", spec_text="", fingerprint="", vars={}, argv=[], versions={})
    return journal


def sample(row: int, **cells: str | None) -> dict[str, Any]:
    return {
        "row": row,
        "file": "orders.csv",
        "line": row + 2,
        "cells": cells,
        "marked": ["amount"],
        "reasons": ["between: too much"],
    }


def put(journal: Journal, id: str, country: str = "DE", **values: Any) -> None:
    """A question about a group of rows."""
    wide = {f"column_{n:02d}": "x" * 12 for n in range(12)}
    told = {
        "decision": "big", "scope": "group", "group": f'{{"country": "{country}"}}',
        "text": "{rows} big orders: now?", "rows": 7,
        "sample_json": [sample(1, order_id="a1", amount="12\x1b[31m000", country=country, **wide)], "opened_at": time.time(),
        "choices_json": {"accept": "clean", "reject": "quarantine", "stop": "fail"}, "condition": "amount > 10000",
        "memory": str(journal.home.parent / "decisions" / "big.yaml"), **values,
    }  # fmt: skip
    run = journal.run()["id"]
    with journal.claim(run).commit("open") as tx:
        tx.question(id=id, **told)


def put_value(journal: Journal, id: str, value: str) -> None:
    choices = {"keep": "the value is right as it is", "reject": "the value is wrong", "*": "any other text"}
    put(journal, id, decision="names", scope="value", group=f'{{"value": "{value}"}}', text=f"what is the country '{value}'?",
        choices_json=choices, candidates_json=["Germany", "Guernsey"], condition=None,
        memory=str(journal.home.parent / "decisions" / "names.yaml"))  # fmt: skip


def answers(journal: Journal) -> dict[str, tuple[str | None, str | None, str | None]]:
    return {q["id"]: (q["choice"], q["answered_by"], q["answered_via"]) for q in journal.questions(state="answered")}


def test_a_person_answers(journal: Journal, terminal: Open) -> None:
    put(journal, "big-1", due_at=time.time() + 7230, default="reject")
    screen = terminal()
    seen = screen.until("> ")
    assert "question 1 of 1: big" in seen
    assert "7 big orders: now?  (country = DE)" in seen
    assert r"»12\x1b[31m000«" in seen
    assert "because between: too much" in seen
    assert "the time-out answers 'reject' in 2 h" in seen
    assert "more columns: v shows them" in seen
    assert "[a]ccept → clean" in seen
    assert max(len(line) for line in seen.splitlines()) <= 80
    assert "\x1b[1;7;31m" in screen.raw or "\x1b[1;31;7m" in screen.raw
    screen.type("a")
    assert "accept: 7 rows → clean" in screen.until("END answered=1 postponed=0 stopped=False")
    assert answers(journal) == {"big-1": ("accept", "ann", "tty")}


def test_without_colour(journal: Journal, terminal: Open) -> None:
    put(journal, "big-1")
    screen = terminal(NO_COLOR="1")
    assert "»12" in screen.until("> ")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", screen.raw)
    screen.type("reject")
    screen.until("END answered=1")
    assert answers(journal)["big-1"][0] == "reject"


def test_help_view_and_nonsense_do_not_answer(journal: Journal, terminal: Open) -> None:
    put(journal, "big-1")
    screen = terminal()
    screen.until("> ")
    screen.type("v")
    assert re.search(r"column_11\s+xxxxxxxxxxxx", screen.until("> "))
    screen.type("?")
    assert "s, stop: the run stops" in screen.until("> ")
    screen.type("zzz")
    assert "none of the answers" in screen.until("> ")
    screen.type("")
    screen.until("> ")
    assert answers(journal) == {}
    screen.type("p")
    assert "qpipe decide big-1" in screen.until("END answered=0 postponed=1 stopped=False")
    assert answers(journal) == {}


def test_all_alike(journal: Journal, terminal: Open) -> None:
    for n, country in enumerate(("DE", "FR", "NO")):
        put(journal, f"big-{n}", country)
    put(journal, "other-1", decision="other")
    screen = terminal()
    assert "question 1 of 4" in screen.until("> ")
    screen.type("A")
    assert "[A]ll alike: ON" in screen.until("> ")
    screen.type("r")
    assert "reject: 21 rows, 3 questions alike → quarantine" in screen.until("question 4 of 4: other")
    screen.until("> ")
    screen.type("q")
    screen.until("END answered=3 postponed=1 stopped=True")
    assert answers(journal) == {f"big-{n}": ("reject", "ann", "tty") for n in range(3)}


def test_remembered_answers_are_written_and_shown(journal: Journal, terminal: Open) -> None:
    put(journal, "big-1")
    screen = terminal()
    screen.until("> ")
    screen.type("R")
    assert "[R]emember: ON" in screen.until("> ")
    screen.type("a")
    seen = screen.until("END answered=1")
    assert "+ - group: {country: DE}" in seen
    assert "+   by: ann" in seen
    written = (journal.home.parent / "decisions" / "big.yaml").read_text()
    assert "- group: {country: DE}\n  answer: accept\n  by: ann\n" in written


def test_a_memory_that_cannot_be_written_does_not_lose_the_answer(journal: Journal, terminal: Open) -> None:
    path = journal.home.parent / "decisions" / "big.yaml"
    path.parent.mkdir()
    path.write_text("- group: [\n")
    put(journal, "big-1")
    screen = terminal()
    screen.until("> ")
    screen.type("remember")
    screen.until("> ")
    screen.type("accept")
    assert "Not remembered" in screen.until("END answered=1")
    assert path.read_text() == "- group: [\n"


@pytest.mark.parametrize(("end", "stopped"), [("\x03", False), ("\x04", True)], ids=["Ctrl-C", "end of input"])
def test_interrupting_postpones(journal: Journal, terminal: Open, end: str, stopped: bool) -> None:
    put(journal, "big-1")
    screen = terminal()
    screen.until("> ")
    screen.type("", end=end)
    assert "postponed: 7 rows held" in screen.until(f"END answered=0 postponed=1 stopped={stopped}")
    assert answers(journal) == {}


def test_interrupting_twice_stops_asking(journal: Journal, terminal: Open) -> None:
    for n in range(3):
        put(journal, f"big-{n}")
    screen = terminal()
    for _ in range(2):
        screen.until("> ")
        screen.type("", end="\x03")
    screen.until("END answered=0 postponed=2 stopped=True")


def test_interrupting_while_it_writes_tears_nothing(journal: Journal, terminal: Open) -> None:
    for n in range(3):
        put(journal, f"big-{n}")
    screen = terminal()
    screen.until("question 1")
    for _ in range(40):
        screen.type("", end="\x03")
        time.sleep(0.005)
    shown = screen.until("END answered=0 postponed=. stopped=True")
    assert "Traceback" not in shown


def test_unknown_values(journal: Journal, terminal: Open) -> None:
    for n, value in enumerate(("Germny", "Gurnsey", "Atlantis", "Narnia", "keep")):
        put_value(journal, f"names-{n}", value)
    screen = terminal()
    seen = screen.until("> ")
    assert "what is the country 'Germny'?" in seen
    assert "[1] Germany   [2] Guernsey   [k]eep   [r]eject   [t]ext" in seen
    screen.type("1")
    screen.until("question 2 of 5[^>]*> ")
    screen.type("k")
    screen.until("question 3 of 5[^>]*> ")
    screen.type("r")
    screen.until("question 4 of 5[^>]*> ")
    screen.type("Narnja")
    screen.until(r"'Narnia' becomes 'Narnja' in 7 rows\? \[y/N\] ")
    screen.type("")
    screen.until("> ")
    screen.type("t")
    screen.until("text: ")
    screen.type("The Kingdom of Narnia")
    screen.until(r"\[y/N\] ")
    screen.type("y")
    screen.until("question 5 of 5[^>]*> ")
    screen.type("=keep")
    screen.until(r"becomes 'keep' in 7 rows\? \[y/N\] ")
    screen.type("y")
    screen.until("END answered=5")
    given = [answers(journal)[f"names-{n}"][0] for n in range(5)]
    assert given == ["Germany", "keep", "reject", "The Kingdom of Narnia", "=keep"]


def test_a_time_out_while_a_person_thinks(journal: Journal, terminal: Open) -> None:
    put(journal, "big-1", due_at=time.time() + 3600, default="reject")
    screen = terminal()
    screen.until("> ")
    journal.db.execute("update question set due_at = ?", (time.time(),))  # the hour is over
    assert "Answered meanwhile: 'reject' by time-out" in screen.until("END answered=0")
    assert answers(journal)["big-1"] == ("reject", "time-out", "timeout")


def test_another_person_is_faster(journal: Journal, terminal: Open) -> None:
    put(journal, "big-1")
    screen = terminal()
    screen.until("> ")
    journal.answer("big-1", "stop", by="bob", via="cli")
    assert "Answered meanwhile: 'stop' by bob (cli)" in screen.until("END answered=0")


def test_what_was_typed_before_does_not_count(journal: Journal, terminal: Open) -> None:
    put(journal, "big-1")
    screen = terminal()
    os.write(screen._fd, b"a\n")
    screen.until("> ")
    time.sleep(0.8)
    assert answers(journal) == {}
    screen.type("p")
    screen.until("END answered=0 postponed=1")


def test_a_request_to_end_ends_the_asking(journal: Journal, terminal: Open) -> None:
    put(journal, "big-1")
    screen = terminal()
    screen.until("> ")
    screen.process.send_signal(signal.SIGTERM)
    screen.until("END answered=0 postponed=1 stopped=True")


def test_nothing_is_asked_without_a_terminal(journal: Journal, home: Path) -> None:
    put(journal, "big-1")
    done = subprocess.run([sys.executable, "-c", ASK, str(home)], input="a\n", capture_output=True, text=True, timeout=120)
    assert "END answered=0 postponed=0 stopped=False" in done.stdout
    assert answers(journal) == {}


# ── the whole way: a run, its questions, its end ──

SPEC = """
version: 1
name: orders
sources:
  orders: {type: file, path: orders.csv, schema: {order_id: string, country: string, amount: float}}
modules:
  - map_values: {id: names, column: country, table: {Germany: DE, France: FR}, unknown: question}
routes:
  - {when: failed(error), to: quarantine}
  - {when: amount > 10000, ask: big}
  - {to: clean}
decisions:
  big:
    question: "{rows} big orders from {country}: what now?"
    scope: group
    by: [country]
    choices: {accept: clean, reject: quarantine, forget: drop}
outputs:
  clean: {type: file, path: out/clean.csv}
  quarantine: {type: file, path: out/quarantine.csv}
"""
ORDERS = (
    "order_id,country,amount\na1,Germany,5\na2,Germny,20000\na3,France,30000\na4,Atlantis,7\na5,Germany,40000\na6,France,1\n"
)
QPIPE = ("-c", "from qpipe.cli import main; main()")


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text(ORDERS)
    path = tmp_path / "orders.yaml"
    path.write_text(SPEC)
    return path


def ids(name: str) -> list[str]:
    """The orders that an output holds, sorted."""
    return sorted(line.split(",")[0] for line in Path("out", f"{name}.csv").read_text().splitlines()[1:])


def test_without_a_terminal_a_run_parks_and_goes_on(spec: Path) -> None:
    parked = qpipe(Path(), "run", str(spec), code=75)
    assert "qpipe decisions" in parked.stderr
    assert ids("clean") == ["a1", "a6"]
    Path("answers.yaml").write_text("- {value: Germny, answer: Germany}\n- {value: Atlantis, answer: reject}\n")
    qpipe(Path(), "decide", "--answers", "answers.yaml")
    qpipe(Path(), "decide", "big", "accept", "--all", "--remember")
    qpipe(Path(), "resume")
    assert (ids("clean"), ids("quarantine")) == (["a1", "a2", "a3", "a5", "a6"], ["a4"])
    rows = {q["group"]: q["rows"] for q in Journal(Path(".qpipe")).questions() if q["decision"] == "big"}
    assert rows == {'{"country": "DE"}': 2, '{"country": "FR"}': 1}
    assert "nothing to resume" in qpipe(Path(), "resume").stderr
    again = qpipe(Path(), "run", str(spec), "--answers", "answers.yaml")
    assert "accept" in again.stdout


def test_a_memory_with_a_mistake_is_refused_before_anything_runs(spec: Path) -> None:
    Path("decisions").mkdir()
    Path("decisions/big.yaml").write_text("- {group: {contry: DE}, answer: accept}\n")
    assert "decisions/big.yaml:1" in qpipe(Path(), "run", str(spec), code=78).stderr
    assert list(Path("out").glob("*")) == []


def test_at_the_terminal_a_run_asks_and_ends(spec: Path, terminal: Open) -> None:
    screen = terminal(*QPIPE, "run", str(spec))
    answers = {"Germny": "1", "Atlantis": "r", "from DE": "a", "from FR": "forget"}
    for _ in range(4):
        seen = screen.until("\n> ")
        screen.type(next(key for name, key in answers.items() if name in seen.rpartition("question ")[2]))
    screen.until("balanced: every row is accounted for")
    assert screen.process.wait(20) == 0
    assert (ids("clean"), ids("quarantine")) == (["a1", "a2", "a5", "a6"], ["a4"])


def test_an_answer_that_leads_to_a_question(spec: Path, terminal: Open) -> None:
    """A value that was unknown makes its row a big order from Germany: that is asked in the same sitting."""
    Path("orders.csv").write_text("order_id,country,amount\na1,Atlantis,5\na2,Germny,20000\n")
    screen = terminal(*QPIPE, "run", str(spec))
    for _ in range(2):
        seen = screen.until("\n> ")
        screen.type("1" if "'Germny'" in seen else "p")
    assert "1 big orders from DE" in screen.until("\n> ")
    screen.type("a")
    assert "[p]ostpone" not in screen.until("waiting: 1 question open")
    assert screen.process.wait(20) == 75
    assert ids("clean") == ["a2"]


def test_at_the_terminal_what_is_postponed_stays_open(spec: Path, terminal: Open) -> None:
    screen = terminal(*QPIPE, "run", str(spec))
    screen.until("\n> ")
    screen.type("q")
    screen.until("waiting: 4 questions open")
    assert screen.process.wait(20) == 75
