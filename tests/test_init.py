"""``qpipe init``: what it writes passes its own validation, and runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import qpipe

from qpipe.core.errors import Problem
from qpipe.orchestrator.conductor import Conductor
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.scaffold import scaffold
from qpipe.orchestrator.trial import run_tests
from qpipe.spec.check import check
from qpipe.spec.compile import plan_of
from qpipe.spec.load import Spec


def problems(path: Path) -> list[Problem]:
    return check(Spec.load(path))[0]


def test_the_example_passes_its_own_test(tmp_path: Path) -> None:
    path = tmp_path / "qpipe.yaml"
    path.write_text(scaffold(None, path))
    assert problems(path) == []
    assert all(result.passed for result in run_tests(plan_of(path)))


DATA = "id,code,amount,day,kind,no,odd name\n" + "".join(
    f"{n},00{n},{n}.50,2026-01-{n % 28 + 1:02},{'ab'[n % 2]},{'NA' if n % 5 == 0 else n},x: y #{n}\n" for n in range(1, 101)
)


@pytest.mark.parametrize("name", ["orders.csv", "a strange: name.csv", "no.csv"])
def test_a_file_gets_the_contract_that_its_columns_suggest(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(DATA)
    path = tmp_path / "specs" / "orders.yaml"
    path.parent.mkdir()
    path.write_text(scaffold(tmp_path / name, path))
    assert [p for p in problems(path) if p.severity == "error"] == []
    plan = plan_of(path)
    types = {column: str(kind) for column, kind in (plan.streams[0].types or {}).items()}
    assert types == {"id": "int", "code": "string", "amount": "decimal(18,2)", "day": "date", "kind": "string", "no": "int",
                     "odd name": "string"}  # fmt: skip
    outcome = Conductor(plan, Journal(tmp_path / ".qpipe")).run()
    assert outcome.state == "done", outcome
    assert Journal(tmp_path / ".qpipe").rows("select sum(failed) as n from tally")[0]["n"] == 0


def test_a_spec_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    assert "wrote s.yaml" in qpipe(tmp_path, "init", "-o", "s.yaml").stderr
    (tmp_path / "s.yaml").write_text("mine")
    assert "exists already" in qpipe(tmp_path, "init", "-o", "s.yaml", code=73).stderr
    assert (tmp_path / "s.yaml").read_text() == "mine"
    qpipe(tmp_path, "init", "-o", "s.yaml", "--force")
    qpipe(tmp_path, "validate", "s.yaml")
