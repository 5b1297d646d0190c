"""Commands as a person types them: their help, and those that go back to a row or take rows back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import qpipe

from docs.transcripts import alike
from qpipe.cli import GROUPS
from qpipe.cli.help import SECTIONS

SPEC = """
version: 1
name: shop
sources:
  orders: {path: orders.csv, schema: {id: int, amount: int}}
modules:
  - between: {column: amount, min: 0}
  - unique: {columns: id, severity: warning}
routes:
  - {when: failed(error), to: quarantine}
  - {when: amount > 1000, ask: big}
  - {to: clean}
decisions:
  big: {question: what now?, choices: {accept: clean, reject: quarantine}}
outputs:
  clean: {path: out/clean.csv}
  copy: {path: out/copy.csv, from: clean}
  quarantine: {path: out/quarantine.csv}
"""


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A folder in which nothing has run."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "orders.csv").write_text("id,amount\n1,5\n2,-7\n3,2000\n")
    return tmp_path


@pytest.fixture
def shop(before: Path) -> Path:
    qpipe(before, "run", "spec.yaml", "-q", code=75)
    return before


def test_help_names_every_command_once_in_a_section_and_cuts_no_sentence() -> None:
    told = qpipe(Path(), "--help").stdout
    every = [name for names in GROUPS.values() for name in names]
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(every)
    assert all(len(re.findall(rf"^  {name}  ", told, re.M)) == 1 for name in every)
    assert "..." not in told.partition("Run:")[2] and "More:" not in told


def test_help_says_what_an_option_takes() -> None:
    told = qpipe(Path(), "run", "--help").stdout
    assert "--var NAME=VALUE" in told and "--workers N" in told and "--answers FILE" in told and "<" not in told


def test_why_leads_back_to_line_and_decider(shop: Path) -> None:
    qpipe(shop, "decide", "big", "accept", "--by", "ann", "--reason", "agreed")
    qpipe(shop, "resume", "-q")
    told = qpipe(shop, "why", "clean", "id = 3").stdout
    assert "orders.csv:4" in told and "accept by ann, agreed" in told and "output clean: out/clean.csv" in told
    assert "output copy: out/copy.csv" in told
    assert "output copy" in qpipe(shop, "why", "copy", "id = 1").stdout


def test_why_says_where_a_row_is_that_is_not_there(shop: Path) -> None:
    assert "row 1 went to quarantine" in qpipe(shop, "why", "clean", "id = 2", code=1).stderr
    assert "Did you mean 'clean'?" in qpipe(shop, "why", "claen", "id = 2", code=2).stderr


def test_replay_takes_the_quarantine_through_the_spec_as_it_is_now(shop: Path) -> None:
    spec = shop / "spec.yaml"
    spec.write_text(spec.read_text().replace("min: 0", "min: -10"))
    told = qpipe(shop, "replay").stderr
    assert "taken as rows of" in told and "judged beside each other" not in told
    assert (shop / "out" / "clean.csv").read_text() == "id,amount\n1,5\n2,-7\n"
    assert "--spec SPEC" in qpipe(shop, "replay", "out/quarantine.csv", code=2).stderr
    qpipe(shop, "replay", "out/quarantine.csv", "--spec", "spec.yaml", "-q")
    assert (shop / "out" / "clean.csv").read_text() == "id,amount\n1,5\n2,-7\n", "nothing is delivered twice"


def test_recover_goes_on_with_what_was_killed_and_leaves_what_waits(shop: Path) -> None:
    assert "nothing to recover" in qpipe(shop, "recover").stderr
    killed = subprocess.Popen([sys.executable, "-c", DIES, "run", "spec.yaml", "-q"], cwd=shop)
    killed.wait()
    assert qpipe(shop, "health", code=1)
    qpipe(shop, "recover", "-q", code=75)
    qpipe(shop, "health")


DIES = """
import os, sys
from qpipe.core import effects
from qpipe.cli import main
import qpipe.orchestrator.publish as publish
publish.effect = lambda name: os._exit(9)
main()
"""


def test_a_command_that_ends_leaves_its_journal_in_one_file(before: Path) -> None:
    """And a process says what the same command says in this one."""
    for words in (["nonsense"], ["why", "clean", "id = 3"], ["run", "spec.yaml", "-q"]):
        command = [sys.executable, "-m", "qpipe", *words]
        done = subprocess.run(command, cwd=before, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={**os.environ, "COLUMNS": "100"})  # fmt: skip
        if words[0] == "run":
            assert [path.name for path in (before / ".qpipe").glob("journal*")] == ["journal.db"]
        here = qpipe(before, *words, code=done.returncode)
        assert [alike(one, other) for one, other in ((done.stdout, here.stdout), (done.stderr, here.stderr))] == [True, True]
        assert done.returncode and done.stderr


def test_verbose_tells_each_thing_that_happens(shop: Path) -> None:
    told = qpipe(shop, "run", "spec.yaml", "-v", code=75).stderr
    assert "batch.staged seq=0 rows=3" in told and "output.published output=clean" in told
