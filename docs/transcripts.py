"""Plays the commands that README and docs show, and compares what they print with what is written there.

In a page, a block after a line that ends in a file's name (``orders.csv``:) is that file; a ``console`` block is a shell,
``$`` before each command, its output below; ``sql`` blocks are asked of the page's journal. All blocks of a page share a
folder, in the order of the page. A line ``…`` stands for any lines. What differs from run to run (ids, times, sizes) is
compared by its shape.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.commands import qpipe

ANY = "…"
SHOWN = {"USER": "ann", "TZ": "UTC"}  # who reads the pages, and where
_FENCE = re.compile(r"^(?P<indent> *)```(?P<lang>[\w-]*)\n(?P<text>.*?)^ *```$", re.M | re.S)
_NAMED = re.compile(r"`([\w./-]+\.\w+)`:\s*$")
_VARYING = [
    (r"\b([\w-]+)-\d{8}-\d{6}-[0-9a-f]{4}\b", r"\1-RUN"),
    (r"-[a-z2-7]{10}\b", "-QUESTION"),
    (r"-[0-9a-f]{16}\.", "-TOKEN."),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?(?![\d.])", "TIME"),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"[\d,.]+ rows/s", "RATE"),
    (r"[\d,.]+ (ms|s|min)\b", "DURATION"),
    (r"[\d,.]+ (B|[KMG]i?B)\b", "SIZE"),
    (r"─+", "─"),
    (r" +", " "),
]  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    start: int  # offsets of its text in the page
    end: int
    lang: str
    text: str
    file: str | None = None  # the file it shows

    @property
    def place(self) -> str:
        line = self.page.read_text("utf-8")[: self.start].count("\n") + 1
        return f"{self.page.name}:{line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()].rstrip().rpartition("\n")[2]
        named = _NAMED.search(before)
        found.append(Block(page, fence.start("text"), fence.end("text"), fence["lang"], fence["text"], named and named[1]))
    return found


def pages(root: Path) -> list[Path]:
    """Pages written by hand."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def alike(written: str, printed: str) -> bool:
    """Whether a transcript says what was printed, but for what differs from run to run."""
    pattern = r"\n".join(".*" if line.strip() == ANY else re.escape(line) for line in _shape(written))
    pattern = pattern.replace(r"\n.*\n", r"\n(.*\n)?").replace(r"\n.*", r"(\n.*)?")
    return re.fullmatch(pattern, "\n".join(_shape(printed)), re.S) is not None


def _shape(text: str) -> list[str]:
    for pattern, stands_for in _VARYING:
        text = re.sub(pattern, stands_for, text)
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def play(page: Path, folder: Path) -> Iterator[tuple[Block, str]]:
    """Every shell and query block of a page, with what it prints when it is played."""
    shell = Shell(folder)
    for block in blocks(page):
        if block.file is not None:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text, "utf-8")
        elif block.lang == "console":
            yield block, shell.play(block.text)
        elif block.lang == "sql":
            yield block, shell.ask(block.text)


class Shell:
    """A folder in which commands run: qpipe's own in this process, others by sh."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.code = folder, 0

    def play(self, text: str) -> str:
        """The transcript of a block's commands, with what they really print."""
        printed = ""
        for command in re.findall(r"^\$ (.*(?:\\\n.*)*)$", text, re.M):
            printed += f"$ {command}\n{self.run(command)}"
        return printed

    def run(self, command: str) -> str:
        if command == "echo $?":
            return f"{self.code}\n"
        words = shlex.split(command, comments=True)
        if words[0] == "qpipe" and not {"|", "&&", "||", ">", ";"} & set(words):
            return self._qpipe(words[1:])
        script = f'qpipe() {{ "{sys.executable}" -m qpipe "$@"; }}\n{command}'
        done = subprocess.run(["sh", "-c", script], cwd=self.folder, env=_environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)  # fmt: skip
        self.code = done.returncode
        return done.stdout

    def ask(self, query: str) -> str:
        """The rows that a query gives of the journal, as text."""
        import sqlite3

        with contextlib.closing(sqlite3.connect(self.folder / ".qpipe" / "journal.db")) as db:
            return "".join(f"{row}\n" for row in db.execute(query))

    def _qpipe(self, words: Sequence[str]) -> str:
        done = qpipe(self.folder, *words, code=None, together=True, env=SHOWN)
        self.code = done.code
        return done.stdout


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("QPIPE_HOME", "NO_COLOR", "FORCE_COLOR")}
    return {**kept, "COLUMNS": "100", **SHOWN}


def refresh(root: Path) -> None:
    """Write what the commands print today into the pages. Blocks with ``…`` are only compared."""
    for page in pages(root):
        with tempfile.TemporaryDirectory() as folder:
            played = list(play(page, Path(folder)))
        text = page.read_text("utf-8")
        for block, printed in reversed(played):
            if block.lang != "console" or alike(block.text, printed):
                continue
            if ANY in [line.strip() for line in block.text.splitlines()]:
                print(f"{block.place} differs, and has {ANY}: it is yours to mend. It prints:\n{printed}")
            else:
                text = (
                    text[: block.start] + "\n".join(line.rstrip() for line in printed.splitlines()) + "\n" + text[block.end :]
                )
                print(f"{block.place} written anew")
        if text != page.read_text("utf-8"):
            page.write_text(text, "utf-8")
