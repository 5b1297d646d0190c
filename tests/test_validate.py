"""`qpipe validate` over several files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SPEC = "version: 1\nsources: {o: {path: o.csv}}\noutputs: {clean: {path: out/c.csv}}\n"


def validate(folder: Path, *files: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "qpipe", "validate", *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_answers_among_specs_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SPEC)
    (tmp_path / "answers.yaml").write_text("# who said so\n- {decision: big, answer: accept}\n- {value: x, answer: y}\n")
    (tmp_path / "list.yaml").write_text("- {decision: big}\n")
    code, told = validate(tmp_path, "a.yaml", "answers.yaml")
    assert code == 0 and "answers.yaml: answers, no spec: left out" in told and "1 spec valid" in told
    assert validate(tmp_path, "a.yaml", "list.yaml")[0] == 78  # what is no list of answers is a spec gone wrong
    assert validate(tmp_path, "answers.yaml")[0] == 78
    assert validate(tmp_path, "answers.yaml", "answers.yaml")[0] == 2
