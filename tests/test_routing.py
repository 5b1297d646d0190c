"""Where rows go: the first route whose condition holds, by columns, findings, confidence, and measures of the batch."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import qpipe
from hypothesis import given, settings
from hypothesis import strategies as st
from running import Project

from qpipe.core.errors import SpecError

ROWS = "id,kind,amount\n1,a,5\n2,a,-1\n3,b,500\n4,b,\n5,c,-7\n6,c,9\n"
SPEC = """
    sources: {{s: {{path: s.csv, schema: {{id: int, kind: string, amount: int}}}}}}
    modules:
      {modules}
    routes:
      {routes}
    outputs: {outputs}
    settings: {{batch_size: {batch}, fail_on: never}}
"""
CHECKS = """- between: {id: range, column: amount, min: 0, max: 100}
      - not_null: {id: there, columns: amount, severity: warning}
      - one_of: {id: kinds, column: kind, values: [a, b], severity: info, weight: 2}"""
FOUR = "{a: {path: out/a.csv}, b: {path: out/b.csv}, c: {path: out/c.csv}, quarantine: {path: out/quarantine.csv}}"


def routed(
    folder: Path, routes: str, modules: str = CHECKS, outputs: str = FOUR, batch: int = 100, rows: str = ROWS
) -> dict[str, list[int]]:
    """Output → ids of the rows that it got."""
    project = Project(folder, SPEC.format(modules=modules, routes=routes, outputs=outputs, batch=batch), {"s.csv": rows})
    outcome = project.run()
    assert outcome.exit_code == 0, outcome
    made = {name.removesuffix(".csv"): _ids(data) for name, data in project.outputs().items()}
    return {name: ids for name, ids in made.items() if ids}


def _ids(data: bytes) -> list[int]:
    return [int(row["id"]) for row in csv.DictReader(io.StringIO(data.decode()))]


@pytest.mark.parametrize(
    "routes, expected",
    [
        ("- {when: failed(error), to: quarantine}\n      - {to: a}", {"quarantine": [2, 3, 5], "a": [1, 4, 6]}),
        ("- {when: failed(warning), to: b}\n      - {to: a}", {"b": [4], "a": [1, 2, 3, 5, 6]}),
        ("- {when: \"failed('range')\", to: b}\n      - {to: a}", {"b": [2, 3, 5], "a": [1, 4, 6]}),
        ("- {when: \"failed(error, 'amount') and kind = 'c'\", to: b}\n      - {to: a}", {"b": [5], "a": [1, 2, 3, 4, 6]}),
        ("- {when: failed(), to: b}\n      - {to: a}", {"b": [2, 3, 4, 5, 6], "a": [1]}),
        ("- {when: amount > 6, to: a}\n      - {when: kind = 'b', to: b}\n      - {to: c}",
         {"a": [3, 6], "b": [4], "c": [1, 2, 5]}),
        ("- {when: amount > 6, to: drop}\n      - {to: a}", {"a": [1, 2, 4, 5]}),
        ("- {when: kind = 'a', to: [a, b]}\n      - {to: b}", {"a": [1, 2], "b": [1, 2, 3, 4, 5, 6]}),
        # null is not true: the row goes on to the next route
        ("- {when: amount < 100, to: a}\n      - {to: b}", {"a": [1, 2, 5, 6], "b": [3, 4]}),
        # 0.5 for an error, 0.8 for a warning, 0.95 squared for an info of weight 2
        ("- {when: confidence < 0.5, to: a}\n      - {when: confidence < 0.8, to: b}\n      - {when: confidence < 1, to: c}\n"
         "      - {to: quarantine}",
         {"a": [5], "b": [2, 3], "c": [4, 6], "quarantine": [1]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch", [1, 4, 100])
def test_the_first_route_that_holds(tmp_path: Path, routes: str, expected: Mapping[str, list[int]], batch: int) -> None:
    assert routed(tmp_path, routes, batch=batch) == expected


def test_whole_batches_can_be_routed(tmp_path: Path) -> None:
    routes = "- {when: batch_share(error) >= 0.5, to: quarantine}\n      - {when: batch_rows() < 2, to: b}\n      - {to: a}"
    assert routed(tmp_path / "2", routes, batch=2) == {"quarantine": [1, 2, 3, 4, 5, 6]}
    assert routed(tmp_path / "4", routes, batch=4) == {"quarantine": [1, 2, 3, 4, 5, 6]}
    assert routed(tmp_path / "6", routes, batch=6) == {"quarantine": [1, 2, 3, 4, 5, 6]}
    some = routes.replace("batch_share(error)", "batch_share('there')")
    assert routed(tmp_path / "s", some, batch=2) == {"quarantine": [3, 4], "a": [1, 2, 5, 6]}
    assert routed(tmp_path / "5", some, batch=5) == {"a": [1, 2, 3, 4, 5], "b": [6]}


def test_rows_that_a_step_dropped_are_not_of_the_batch(tmp_path: Path) -> None:
    modules = "- filter: {where: kind <> 'a'}\n      " + CHECKS
    routes = "- {when: batch_rows() = 4 and batch_share(error) = 0.5, to: b}\n      - {to: a}"
    assert routed(tmp_path, routes, modules=modules) == {"b": [3, 4, 5, 6]}


def test_an_output_may_follow_another(tmp_path: Path) -> None:
    outputs = """
      a: {path: out/a.csv}
      copy: {path: out/copy.csv, from: a}
      again: {path: out/again.csv, from: copy}
      quarantine: {path: out/quarantine.csv}"""
    found = routed(tmp_path, "- {when: failed(error), to: quarantine}\n      - {to: a}", outputs=outputs)
    assert found == {"quarantine": [2, 3, 5], "a": [1, 4, 6], "copy": [1, 4, 6], "again": [1, 4, 6]}


def test_without_routes_errors_go_to_quarantine_and_the_rest_everywhere(tmp_path: Path) -> None:
    project = Project(tmp_path, SPEC.format(modules=CHECKS, routes="[]", outputs=FOUR, batch=3), {"s.csv": ROWS})
    assert project.run().exit_code == 0
    made = {name: _ids(data) for name, data in project.outputs().items()}
    assert made == {"a.csv": [1, 4, 6], "b.csv": [1, 4, 6], "c.csv": [1, 4, 6], "quarantine.csv": [2, 3, 5]}


CELLS = st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(-10, 200)))


@settings(max_examples=15, deadline=None)
@given(st.lists(CELLS, max_size=20), st.integers(1, 7))
def test_every_row_goes_exactly_one_way(tmp_path_factory: Any, cells: list[tuple[str, int | None]], batch: int) -> None:
    rows = "id,kind,amount\n" + "".join(f"{n},{kind},{'' if v is None else v}\n" for n, (kind, v) in enumerate(cells))
    routes = ("- {when: failed(error), to: quarantine}\n      - {when: confidence < 0.95, to: c}\n"
              "      - {when: amount > 50, to: b}\n      - {to: a}")  # fmt: skip
    found = routed(tmp_path_factory.mktemp("r"), routes, batch=batch, rows=rows)
    expected: dict[str, list[int]] = {}
    for n, (kind, value) in enumerate(cells):
        bad = value is not None and not 0 <= value <= 100
        trust = (0.5 if bad else 1) * (0.8 if value is None else 1) * (0.95**2 if kind == "c" else 1)
        to = "quarantine" if bad else "c" if trust < 0.95 else "b" if value is not None and value > 50 else "a"
        expected.setdefault(to, []).append(n)
    assert found == expected


REFUSING = """
    name: refusing
    sources: {rows: {path: rows.csv, schema: {x: int}}}
    modules: [{between: {column: x, min: 0}}]
    routes:
      - {id: too_bad, when: WHEN, to: fail}
      - {when: failed(error), to: quarantine}
      - {to: clean}
    outputs: {clean: {path: out/clean.csv}, quarantine: {path: out/bad.csv}}
    settings: {batch_size: 4}
"""


@pytest.mark.parametrize(
    ("when", "code"),
    [("batch_share(error) > 0.5", 65), ("batch_share(error) > 0.9", 0), ("confidence < 0.6", 65), ("x > 7", 65), ("x > 8", 0)],
)
def test_a_route_that_refuses_the_data(tmp_path: Path, when: str, code: int) -> None:
    """The second batch has three bad rows of four."""
    rows = "x\n1\n2\n3\n4\n-5\n-6\n-7\n8\n"
    project = Project(tmp_path, REFUSING.replace("WHEN", when), {"rows.csv": rows})
    outcome = project.run()
    assert outcome.exit_code == code
    assert bool(project.outputs()) == (code == 0), "nothing is published"
    if code:
        run = project.journal.run()
        assert project.hidden() == []
        assert run["state"] == "refused" and "too_bad refuses the data" in run["error"] and "rows.csv:" in run["error"]


def test_a_failed_batch_may_warn_and_its_rows_go_on(tmp_path: Path) -> None:
    """The second batch has three bad rows of four; so does what the question holds. Rows taken before are not told of."""
    routes = """- {when: amount > 900, to: b}
      - {id: dirty, when: batch_share(error) > 0.5, to: warn}
      - {when: failed(error), ask: what}
      - {id: never, when: batch_share(error) > 0.9, to: warn}
      - {to: a}"""
    spec = SPEC.format(modules=CHECKS, routes=routes, outputs=FOUR, batch=4)
    spec += "    decisions: {what: {question: 'what now?', choices: {accept: c, stop: fail}}}\n"
    rows = "id,kind,amount\n" + "".join(f"{n},a,{-n if n in (1, 5, 6, 7) else 999 if n == 8 else n}\n" for n in range(1, 9))
    project = Project(tmp_path, spec, {"s.csv": rows})
    outcome = project.run(given={"what": "accept"})
    assert outcome.exit_code == 0, outcome
    assert {name: _ids(data) for name, data in project.outputs().items() if _ids(data)} == {
        "a.csv": [2, 3, 4],
        "b.csv": [8],
        "c.csv": [1, 5, 6, 7],
    }
    told = [event.data for event in project.events if event.name == "source.note"]
    assert [(note["code"], note["message"]) for note in told] == [
        ("dirty", "route dirty warns of 3 of 4 rows of batch 1: batch_share(error) > 0.5")
    ]


@pytest.mark.parametrize("route", ["{to: warn}", "{when: id > 1, to: [a, warn]}"])
def test_a_warning_takes_no_row(tmp_path: Path, route: str) -> None:
    with pytest.raises(SpecError, match="'warn' stands alone, with a condition"):
        routed(tmp_path, f"- {route}\n      - {{to: a}}")


def test_a_warning_is_no_end_for_rows(tmp_path: Path) -> None:
    """Whatever its condition: the route after it is reached."""
    for condition in ("true", "id > 1"):
        found = routed(tmp_path / condition[0], f"- {{when: {condition}, to: warn}}\n      - {{to: a}}")
        assert found == {"a": [1, 2, 3, 4, 5, 6]}
        told = qpipe(tmp_path / condition[0], "explain", "spec.yaml").stdout
        assert re.search(rf"{re.escape(condition)} +→ +told of, and on", told), told


def test_a_warning_counts_the_rows_that_are_left_of_a_batch(tmp_path: Path) -> None:
    modules = f"- filter: id <> 4\n      {CHECKS}"
    routes = "- {id: dirty, when: batch_share(error) >= 0.6, to: warn}\n      - {to: a}"
    project = Project(tmp_path, SPEC.format(modules=modules, routes=routes, outputs=FOUR, batch=100), {"s.csv": ROWS})
    assert project.run().exit_code == 0
    notes = [event.data["message"] for event in project.events if event.name == "source.note"]
    assert notes == ["route dirty warns of 5 of 5 rows of batch 0: batch_share(error) >= 0.6"]


WARNINGS = {  # modules, routes, what is refused where a warning refuses
    "a route warns": (CHECKS, "- {id: dirty, when: amount > 100, to: warn}", "route dirty warns of 1 of 2 rows"),
    "a route that warns of none": (CHECKS, "- {id: dirty, when: amount > 900, to: warn}", None),
    "within tolerance": ("- not_null: {id: there, columns: amount, severity: warning, tolerance: 1}", "", None),
    "beyond tolerance": ("- not_null: {id: there, columns: amount, severity: warning, tolerance: 0}", "", "there: 1 of 6 rows"),
}


@pytest.mark.parametrize("kind", WARNINGS)
@pytest.mark.parametrize("level", ["error", "warning", "never"])
def test_where_a_warning_refuses_the_data_so_does_a_route_that_warns(tmp_path: Path, kind: str, level: str) -> None:
    modules, routes, refused = WARNINGS[kind]
    spec = SPEC.format(modules=modules, routes=f"{routes}\n      - {{to: a}}", outputs=FOUR, batch=2)
    project = Project(tmp_path, spec.replace("fail_on: never", f"fail_on: {level}"), {"s.csv": ROWS})
    code = project.run().exit_code
    assert code == (65 if refused and level == "warning" else 0) and bool(project.outputs()) == (code == 0)
    assert not code or str(refused) in str(project.journal.run()["error"])


def reasons_of(project: Project) -> list[str]:
    return [row["_reasons"] for row in csv.DictReader(io.StringIO(project.outputs()["quarantine.csv"].decode()))]


def test_a_list_that_is_not_there_has_no_value_in_its_reason(tmp_path: Path) -> None:
    spec = """
    sources: {s: {path: s.ndjson, schema: {id: int, tags: list(string)}}}
    modules: [{not_null: tags}, {length: {column: tags, max: 1}}]
    outputs: {a: {path: out/a.ndjson}, quarantine: {path: out/q.ndjson}}
    """
    rows = [{"id": 1, "tags": None}, {"id": 2, "tags": ["x", "y"]}, {"id": 3, "tags": ["x"]}]
    project = Project(tmp_path, spec, {"s.ndjson": "".join(json.dumps(row) + "\n" for row in rows)})
    assert project.run().exit_code == 0
    told = [json.loads(line)["_reasons"][0] for line in project.outputs()["q.ndjson"].splitlines()]
    assert [(reason["check"], reason["value"]) for reason in told] == [("not_null", None), ("length", '["x", "y"]')]


def test_a_row_that_no_check_found_says_which_route_sent_it_to_quarantine(tmp_path: Path) -> None:
    routes = "- {id: dear, when: amount > 6, to: quarantine}\n      - {to: a}"
    spec = SPEC.format(modules=CHECKS, routes=routes, outputs=FOUR, batch=2)
    project = Project(tmp_path, spec, {"s.csv": ROWS})
    project.run()
    assert reasons_of(project) == [
        "range(amount): amount is 500, expected between 0 and 100",
        "kinds(kind): kind is c, expected one of a, b",
    ]
    other = Project(tmp_path / "other", spec.replace("[a, b], severity", "[a, b, c], severity"), {"s.csv": ROWS})
    other.run()
    assert reasons_of(other)[1] == "dear: sent here when amount > 6"


def test_a_row_that_a_person_rejected_says_who_and_why(tmp_path: Path) -> None:
    routes = "- {when: amount > 6, ask: dear}\n      - {to: a}\n    decisions:\n"
    routes += "      dear: {question: what now?, choices: {take: a, reject: quarantine}}"
    spec = SPEC.format(modules=CHECKS, routes=routes, outputs=FOUR, batch=2)
    project = Project(tmp_path, spec, {"s.csv": ROWS})
    project.run()
    project.journal.answer("dear", "reject", by="ann", via="cli", reason="too dear")
    project.resume()
    assert reasons_of(project)[0].endswith("; dear: 'reject' was answered by ann: too dear")
