"""Whole runs: the same result whatever the batches, workers and format; routes, quarantine, gates, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from commands import qpipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import Project

SPEC = """
    sources:
      o: {{path: o.{format}, schema: {{id: int, amount: "decimal(8,2)", country: string, day: date}}}}
      c: {{path: c.csv, role: reference, schema: {{country: string, name: string}}}}
    modules:
      - clean_text: {{columns: country, trim: true, case: upper}}
      - not_null: [id]
      - filter: {{where: country is null or country <> 'XX'}}
      - between: {{column: amount, min: 0, max: 100, where: country <> 'DE'}}
      - deduplicate: {{columns: [id, day], keep: first}}
      - unique: {{columns: id, keep: first, severity: warning}}
      - foreign_key: {{columns: country, references: c.country}}
      - derive: {{twice: amount * 2}}
      - lookup: {{from: c, on: country, take: {{land: name}}, unmatched: "null"}}
      - ordered: {{columns: day, by: country, severity: info}}
      - row_count: {{min: 1, severity: warning}}
      - aggregate: {{function: sum, column: twice, by: country, min: 0, severity: warning}}
    routes:
      - {{when: "failed(error) and country = 'FR'", ask: french}}
      - {{when: failed(error), to: quarantine}}
      - {{when: failed('unique'), to: [clean, twins]}}
      - {{to: clean}}
    decisions:
      french: {{question: "{{rows}} of {{country}}", choices: {{take: clean, leave: drop}}, scope: group, by: country}}
    outputs:
      clean: {{path: out/clean.ndjson}}
      twins: {{path: out/twins.csv}}
      quarantine: {{path: out/quarantine.ndjson}}
    settings: {{batch_size: {batch}, workers: {workers}}}
"""
COUNTRIES = "country,name\nDE,Germany\nFR,France\n"


def text_of(rows: list[dict[str, Any]], format: str) -> bytes:
    schema = {name: pl.String for name in ("id", "amount", "country", "day")}
    frame = pl.DataFrame(rows, schema=schema)
    if format == "csv":
        return frame.write_csv(quote_style="non_numeric").encode()
    if format == "ndjson":
        return frame.write_ndjson().encode()
    import io

    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def result(folder: Path, rows: list[dict[str, Any]], format: str, batch: int, workers: int) -> tuple[Any, ...]:
    spec = SPEC.format(format=format, batch=batch, workers=workers)
    project = Project(folder / f"{format}-{batch}-{workers}", spec, {"c.csv": COUNTRIES})
    (project.folder / f"o.{format}").write_bytes(text_of(rows, format))
    outcome = project.run(given={"french": "take"})
    assert outcome.state == "done", outcome
    outputs = {name: _lines(body) for name, body in project.outputs().items()}
    samples = [{k: v for k, v in s.items() if k not in ("file", "line")} for s in project.samples()]
    return outputs, project.tallies(), samples, {k: v for k, v in project.balance().items() if k != "missing"}


def _lines(body: bytes) -> list[Any]:
    lines = body.decode().splitlines()
    if lines and lines[0].startswith("{"):
        return [{k: v for k, v in json.loads(line).items() if k not in ("_file", "_line")} for line in lines]
    return lines


ROW = st.fixed_dictionaries({
    "id": st.sampled_from(["1", "2", "3", "4", "x", None]),
    "amount": st.sampled_from(["1.50", "-2", "100.01", "oops", "7", None]),
    "country": st.sampled_from(["DE", " fr", "FR", "XX", "IT", None]),
    "day": st.sampled_from(["2026-01-01", "2026-01-02", "2026-13-01", None]),
})  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(ROW, min_size=1, max_size=25))
def test_the_same_result_whatever_the_batches(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("same")
    first = result(folder, rows, "csv", 50_000, 1)
    for format, batch, workers in (("csv", 1, 1), ("csv", 7, 3), ("ndjson", 7, 2), ("parquet", 3, 1)):
        assert result(folder, rows, format, batch, workers) == first, (format, batch, workers)


SIMPLE = """
    sources: {{o: {{path: o.csv, schema: {{id: int, amount: float}}{source}}}}}
    modules: [{modules}]
    routes: [{{when: failed(error), to: quarantine}}, {{to: clean}}]
    outputs: {{clean: {{path: out/clean.csv}}, quarantine: {{path: out/q.{quarantine}}}}}
"""


def simple(folder: Path, data: str, modules: str = "", source: str = "", quarantine: str = "ndjson") -> Project:
    spec = SIMPLE.format(modules=modules, source=source, quarantine=quarantine)
    return Project(folder, spec, {"o.csv": data})


def test_a_row_that_was_dropped_before_a_check_is_no_sample_of_it(tmp_path: Path) -> None:
    spec = """
        sources: {o: {path: o.csv, schema: {id: int, keep: bool}}}
        modules:
          - filter: {where: keep}
          - between: {column: id, max: 10}
        routes: [{when: failed(error), to: bad}, {to: out}]
        outputs: {out: {path: out/o.ndjson}, bad: {path: out/bad.ndjson}}
    """
    project = Project(tmp_path, spec, {"o.csv": "id,keep\n11,false\n12,true\n13,false\n14,true\n3,true\n"})
    assert project.run().state == "done"
    assert [(sample["row"], sample["value"]) for sample in project.samples()] == [(1, "12"), (3, "14")]
    assert [tally["failed"] for tally in project.tallies() if tally["check"] == "between"] == [2]


def test_quarantine_keeps_the_row_as_it_came_with_every_reason(tmp_path: Path) -> None:
    project = simple(tmp_path, "id,amount\n1,2\n 007,x\n3\n4,-5,9\n", "{between: {column: amount, min: 0}}")
    assert project.run().state == "done"
    rows = [json.loads(line) for line in project.outputs()["q.ndjson"].splitlines()]
    assert [(r["id"], r["amount"], r["_row"], r["_line"], r["_file"]) for r in rows] == [
        (" 007", "x", 1, 3, "o.csv"), ("3", None, 2, 4, "o.csv"), ("4", "-5", 3, 5, "o.csv"),
    ]  # fmt: skip
    told = [[(x["check"], x["column"], x["value"]) for x in r["_reasons"]] for r in rows]
    assert told[0] == [("contract", "amount", "x")]
    assert told[1][0][0] == "contract" and told[1][0][2] == "3"
    assert ("between", "amount", "-5") in told[2] and told[2][0][2] == "4,-5,9"
    assert project.outputs()["clean.csv"] == b"id,amount\n1,2.0\n"


def test_a_failed_gate_publishes_nothing(tmp_path: Path) -> None:
    project = simple(tmp_path, "id,amount\n1,2\n", "{row_count: {min: 2}}")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clean.csv").write_text("yesterday\n")
    outcome = project.run()
    assert (outcome.state, outcome.exit_code) == ("refused", 65) and "row_count" in outcome.message
    assert project.outputs() == {"clean.csv": b"yesterday\n"} and project.hidden() == []


def test_a_gate_that_the_quarantine_itself_broke_is_told(tmp_path: Path) -> None:
    modules = "{between: {column: amount, min: 0}}, {row_count: {min: 3, severity: warning}}"
    project = simple(tmp_path, "id,amount\n1,2\n2,3\n3,-1\n", modules)
    assert project.run().state == "done"
    judged = next(e for e in project.events if e.name == "gate.judged").data
    assert judged["outcome"] == "warn" and judged["broken_by_routing"]


@pytest.mark.parametrize(("severity", "level", "code"), [
    ("error", "error", 65), ("warning", "error", 0), ("warning", "warning", 65), ("error", "never", 0),
])  # fmt: skip
def test_nothing_passes_vacuously(tmp_path: Path, severity: str, level: str, code: int) -> None:
    rule = f"{{aggregate: {{function: mean, column: amount, min: 0, severity: {severity}}}}}"
    project = simple(tmp_path, "id,amount\n", rule)
    project.spec.write_text(f"{project.spec.read_text()}settings: {{fail_on: {level}}}\n")
    assert project.run().exit_code == code
    assert [e.data["outcome"] for e in project.events if e.name == "gate.judged"] == ["not evaluated"]


def test_an_output_that_gets_no_rows_shows_none_of_an_earlier_run(tmp_path: Path) -> None:
    project = simple(tmp_path, "id,amount\n1,2\n2,-1\n", "{between: {column: amount, min: 0}}")
    assert project.run().exit_code == 0 and project.outputs()["clean.csv"] == b"id,amount\n1,2.0\n"
    (tmp_path / "o.csv").write_text("id,amount\n")
    assert project.run().exit_code == 0 and project.outputs()["clean.csv"] == b"id,amount\n"


@pytest.mark.parametrize(("tolerance", "code"), [("1", 0), ("0", 65), ("34%", 0), ("33%", 65)])
def test_tolerance(tmp_path: Path, tolerance: str, code: int) -> None:
    data = "id,amount\n1,2\n2,3\n3,-1\n"
    assert simple(tmp_path, data, f"{{between: {{column: amount, min: 0, tolerance: {tolerance}}}}}").run().exit_code == code


@pytest.mark.parametrize(("severity", "code"), [("error", 65), ("warning", 0)])
@pytest.mark.parametrize("level", ["error", "warning"])
def test_strict_refuses_any_failed_error_check(tmp_path: Path, level: str, severity: str, code: int) -> None:
    project = simple(tmp_path, "id,amount\n1,-1\n", f"{{between: {{column: amount, min: 0, severity: {severity}}}}}")
    project.spec.write_text(f"{project.spec.read_text()}settings: {{fail_on: {level}}}\n")
    assert project.run(strict=True).exit_code == code
    assert project.run().exit_code == 0


def test_a_malformed_row_can_stop_the_run(tmp_path: Path) -> None:
    outcome = simple(tmp_path, "id,amount\n1,2\n2,x\n", source=", on_malformed: fail").run()
    assert outcome.exit_code == 65 and "amount" in outcome.message and not (tmp_path / "out" / "clean.csv").exists()


@pytest.mark.parametrize("batch", [1, 100])
def test_a_cell_that_breaks_the_contract_is_not_called_missing(tmp_path: Path, batch: int) -> None:
    """What no type could be made of is null, but there is a value: one reason, and the check is not evaluated there."""
    checks = "{not_null: {columns: [amount]}}, {expression: {where: id > 1, condition: amount > 0, nulls: fail}}"
    project = simple(tmp_path, "id,amount\n1,2\n2,x\n3,\n4,y\n", checks)
    project.spec.write_text(f"{project.spec.read_text()}settings: {{batch_size: {batch}}}\n")
    assert project.run().state == "done"
    found = [json.loads(line) for line in (tmp_path / "out" / "q.ndjson").read_text().splitlines()]
    assert [(row["id"], [reason["check"] for reason in row["_reasons"]]) for row in found] == [
        ("2", ["contract"]), ("3", ["not_null", "expression"]), ("4", ["contract"]),
    ]  # fmt: skip
    tallies = {(t["check"], t["column"]): (t["evaluated"], t["failed"]) for t in project.tallies()}
    assert tallies["not_null", "amount"] == (2, 1) and tallies["contract", "amount"] == (4, 2)
    assert [counts for (check, _), counts in tallies.items() if check == "expression"] == [(1, 1)]


@pytest.mark.parametrize("check, judged", [
    ("{expression: amount is not null}", (1, 1)), ("{expression: id < 9 and amount is not null}", (1, 1)),
    ("{if_then: {if: id < 9, then: amount is not null}}", (1, 1)), ("{not_null: {columns: id, where: amount is null}}", (1, 0)),
    ("{rename: {amount: sum}}, {not_null: sum}", (1, 1)), ("{derive: {half: amount / 2}}, {not_null: half}", (1, 1)),
    ("{derive: {half: amount / 2, next: half + 1}}, {expression: next is not null}", (1, 1)),
    ("{derive: {twice: id * 2, half: amount / 2}}, {not_null: twice}", (2, 0)),
    ("{derive: {half: 'coalesce(amount, 0)'}}, {not_null: half}", (2, 0)),
    ("{any_of: {checks: [{not_null: amount}, {between: {column: id, min: 9}}]}}", (1, 1)),
    ("{unique: {columns: amount, nulls_equal: true}}", (1, 0)), ("{unique: {columns: id, where: amount is null}}", (1, 0)),
])  # fmt: skip
def test_no_check_judges_the_null_of_a_cell_that_broke_the_contract(
    tmp_path: Path, check: str, judged: tuple[int, int]
) -> None:
    """One fault, one reason; the empty cell is judged."""
    project = simple(tmp_path, "id,amount\n1,x\n2,\n", check)
    assert project.run().state == "done"
    found = [json.loads(line) for line in (tmp_path / "out" / "q.ndjson").read_text().splitlines()]
    assert [reason["check"] for reason in found[0]["_reasons"]] == ["contract"]
    assert [(t["evaluated"], t["failed"]) for t in project.tallies() if t["check"] != "contract"] == [judged]


@pytest.mark.parametrize("keep", ["first", "{best: [id]}"])
def test_a_cell_that_broke_the_contract_makes_no_row_a_duplicate(tmp_path: Path, keep: str) -> None:
    """It is not known what stood there, so it equals neither an empty cell nor another such one."""
    step = f"{{deduplicate: {{columns: amount, nulls_equal: true, keep: {keep}}}}}"
    project = simple(tmp_path, "id,amount\n1,\n2,x\n3,y\n4,\n", step)
    assert project.run().state == "done"
    found = [json.loads(line) for line in (tmp_path / "out" / "q.ndjson").read_text().splitlines()]
    assert [row["id"] for row in found] == ["2", "3"]
    assert project.outputs()["clean.csv"] == b"id,amount\n1,\n"


def test_a_moment_with_an_offset_is_told_which_type_takes_it(tmp_path: Path) -> None:
    project = simple(tmp_path, "id,amount\n1,2026-01-02T03:04:05Z\n2,2026-01-02 03:04:05.5+0200\n3,31-01-2026\n")
    project.spec.write_text(project.spec.read_text().replace("amount: float", "amount: datetime"))
    assert project.run().state == "done"
    found = [json.loads(line) for line in (tmp_path / "out" / "q.ndjson").read_text().splitlines()]
    assert [[reason["message"] for reason in row["_reasons"]] for row in found] == [
        ["amount is 2026-01-02T03:04:05Z, expected datetime; it has an offset, which datetime(UTC) takes"],
        ["amount is 2026-01-02 03:04:05.5+0200, expected datetime; it has an offset, which datetime(UTC) takes"],
        ["amount is 31-01-2026, expected datetime"],
    ]


def test_a_moment_with_an_offset_that_stops_a_run_is_told_the_same(tmp_path: Path) -> None:
    remedy = "expected datetime; it has an offset, which datetime(UTC) takes"
    project = simple(tmp_path, "id,amount\n1,2026-01-02T03:04:05Z\n", source=", on_malformed: fail")
    project.spec.write_text(project.spec.read_text().replace("amount: float", "amount: datetime"))
    assert f"amount does not parse, {remedy}" in qpipe(tmp_path, "run", "spec.yaml", "-q", code=65).stderr
    spec = """\
        sources:
          o: {path: o.csv, schema: {id: int, amount: string}}
          r: {path: o.csv, role: reference, schema: {id: int, amount: datetime}}
        modules: [{foreign_key: {columns: id, references: r.id}}]
        outputs: {clean: {path: c.csv}}
        """
    Project(tmp_path, spec)
    assert remedy in " ".join(qpipe(tmp_path, "run", "spec.yaml", "-q", code=65).stderr.split())


def test_a_cell_that_a_step_has_given_a_value_is_judged_again(tmp_path: Path) -> None:
    project = simple(tmp_path, "id,amount\n1,2\n2,x\n", "{fill_null: {columns: amount, value: 0}}, {not_null: amount}")
    assert project.run().state == "done"
    assert [(t["evaluated"], t["failed"]) for t in project.tallies() if t["check"] == "not_null"] == [(2, 0)]


def test_explain_says_where_types_come_from(tmp_path: Path) -> None:
    spec = "sources: {{o: {{path: o.ndjson{}}}}}\noutputs: {{clean: {{path: c.ndjson}}}}\n"
    for folder, schema, told in (("a", "", True), ("b", ", schema: {id: int}", False)):
        Project(tmp_path / folder, spec.format(schema), {"o.ndjson": '{"id": 1}\n'})
        assert ("qpipe init FILE" in qpipe(tmp_path / folder, "explain", "spec.yaml").stdout) == told


def test_a_new_column(tmp_path: Path) -> None:
    assert simple(tmp_path / "a", "id,amount,new\n1,2,3\n", source=", on_new_column: fail").run().exit_code == 65
    project = simple(tmp_path / "b", "id,amount,new\n1,2,3\n")
    assert project.run().exit_code == 0
    assert [e.data["code"] for e in project.events if e.name == "source.note"] == ["new-column"]


def test_repaired_rows_come_back(tmp_path: Path) -> None:
    project = simple(tmp_path, "id,amount\n1,2\n2,x\n3,-1\n", "{between: {column: amount, min: 0}}", quarantine="csv")
    project.run()
    mended = tmp_path / "mended.csv"
    mended.write_text((tmp_path / "out" / "q.csv").read_text().replace("2,x", "2,5"))
    qpipe(tmp_path, "run", "spec.yaml", "--from-quarantine", "mended.csv", "-q")
    assert (tmp_path / "out" / "clean.csv").read_text() == "id,amount\n1,2.0\n2,5.0\n"


def test_a_changed_spec_or_input_is_refused(tmp_path: Path) -> None:
    project = simple(tmp_path, "id,amount\n1,x\n", source=", on_malformed: fail")
    project.run()
    project.journal.db.execute("update run set state='interrupted'")
    (tmp_path / "o.csv").write_text("id,amount\n1,2\n")
    outcome = project.resume()
    assert outcome.exit_code == 65 and "has changed" in outcome.message and outcome.state == "failed"
    for options in ([], ["-q"]):  # what to do is told whether a summary is shown or not
        told = qpipe(tmp_path, "resume", "latest", *options, code=None)
        assert told.code == 65 and told.stderr.count("put the old input back") == 1, told.stderr
    as_json = json.loads(qpipe(tmp_path, "resume", "latest", "--json", code=None).stdout)
    assert as_json["hint"].startswith("put the old input back")
    project.spec.write_text(project.spec.read_text() + "\n")
    told = qpipe(tmp_path, "resume", "latest", "-q", code=None)
    assert told.code != 0 and "has changed" in told.stderr and "--spec old" in told.stderr


@pytest.mark.parametrize("batch", [2, 100])
def test_a_malformed_row_that_stops_a_run_is_named_by_its_line(tmp_path: Path, batch: int) -> None:
    project = simple(tmp_path, "id,amount\n1,1\n2,2\n3,3\n4,x\n", source=", on_malformed: fail")
    told = qpipe(tmp_path, "run", project.spec.name, "-q", "--batch-size", str(batch), code=65).stderr
    assert "o.csv:5" in told and "amount" in told


def test_a_step_on_columns_that_are_not_there_is_refused_before_a_row_is_read(tmp_path: Path) -> None:
    """Without a contract the columns are known when the source is opened."""
    spec = "sources: {o: {path: o.csv}}\nmodules:\n  - between: {column: amuont, min: 1}\noutputs: {clean: {path: c.csv}}\n"
    Project(tmp_path, spec, {"o.csv": "id,amount\n1,1\n"})
    told = qpipe(tmp_path, "run", "spec.yaml", "-q", code=78).stderr
    assert "spec.yaml:3" in told and "there is no column 'amuont'" in told and "There are id, amount" in told


def test_rows_that_wait_for_a_person_cannot_go_into_a_query(tmp_path: Path) -> None:
    spec = "sources: {o: {path: o.csv}}\nmodules:\n  - map_values: {column: id, table: {'1': one}, unknown: question}\n"
    Project(tmp_path, spec + "  - sort: id\noutputs: {clean: {path: c.csv}}\n", {"o.csv": "id\n1\n2\n"})
    told = qpipe(tmp_path, "run", "spec.yaml", "-q", code=78).stderr
    assert "spec.yaml:4" in told and "rows may wait for a person before this step" in told


def test_a_run_goes_on_with_the_old_spec_or_new_values_but_not_with_other_steps(tmp_path: Path) -> None:
    def stopped(folder: Path, old: str, new: str) -> Project:
        project = simple(folder, "id,amount\n1,2\n", "{between: {column: amount, min: 0}}", source=", on_malformed: fail")
        (folder / "o.csv").write_text("id,amount\n1,x\n")
        assert project.run().exit_code == 65  # refused at its first row
        project.journal.db.execute("update run set state='interrupted'")
        text = project.spec.read_text()
        assert old in text
        project.spec.write_text(text.replace(old, new))
        return project

    stricter = stopped(tmp_path / "values", "min: 0", "min: 5")
    told = qpipe(stricter.folder, "resume", "latest", "-q", "--spec", "old", code=None)
    assert "has changed" not in told.stderr and "does not parse" in told.stderr
    told = qpipe(stricter.folder, "resume", "latest", "-q", "--spec", "new", code=None)
    assert "others than" not in told.stderr and "there is nothing to resume" in told.stderr  # it was refused again
    other = stopped(tmp_path / "steps", "{between: {column: amount, min: 0}}", "{unique: amount}")
    told = qpipe(other.folder, "resume", "latest", "-q", "--spec", "new", code=None)
    assert told.code == 2 and "the modules are others than the run began with" in told.stderr
    told = qpipe(other.folder, "resume", "latest", "-q", "--spec", "newest", code=None)
    assert told.code == 2 and "say old or new" in told.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_batch_in_hand(tmp_path: Path, number: signal.Signals) -> None:
    data = "id,amount\n" + "".join(f"{n},{n}\n" for n in range(60_000))
    project = simple(tmp_path, data, "{between: {column: amount, min: 0}}")
    command = [sys.executable, "-m", "qpipe", "run", "spec.yaml", "-q", "--batch-size", "100"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (tmp_path / ".qpipe" / "journal.db").exists() and project.journal.rows("select 1 from batch limit 3"):
            break
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert project.journal.run()["state"] == "interrupted" and "clean.csv" not in project.outputs()
    qpipe(tmp_path, "resume", "-q")
    assert project.outputs()["clean.csv"].count(b"\n") == 60_001


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["run", "none.yaml"], 78, "none.yaml"), (["validate", "none.yaml"], 78, "none.yaml"), (["nonsense"], 2, "nonsense"),
    (["run", "."], 78, ""), (["runs"], 2, "no journal"), (["run", "lost.yaml"], 69, "lost.csv"),
    (["explain-problem", "unknown-colum"], 2, "unknown-column"), (["modules", "betwen"], 2, "between"),
])  # fmt: skip
def test_a_mistake_is_a_sentence_with_an_exit_code(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    (tmp_path / "lost.yaml").write_text("sources: {o: {path: lost.csv}}\nroutes: [{to: c}]\noutputs: {c: {path: c.csv}}\n")
    told = qpipe(tmp_path, *arguments, code=code)
    assert words in told.stderr + told.stdout


def test_a_reason_tells_the_value_that_the_check_saw(tmp_path: Path) -> None:
    """Columns that the row as it came does not have: renamed, derived, changed and dropped by later steps."""
    spec = """
    sources: {o: {path: o.csv, schema: {a: string}}}
    modules:
      - rename: {a: b}
      - parse_number: {column: b, type: int}
      - derive: {c: b * 2}
      - between: {column: c, max: 5}
      - unique: c
      - derive: {c: c + 100}
      - impute: {column: b, method: max}
      - explode: {column: d, by: "|"}
      - select: [b]
    outputs: {clean: {path: out/f.ndjson}, quarantine: {path: out/q.ndjson}}
    """
    project = Project(tmp_path, spec.replace("- rename: {a: b}", "- rename: {a: b}\n      - derive: {d: \"'x|y'\"}"),
                      {"o.csv": "a\n1\nx\n1\n9\n"})  # fmt: skip
    assert project.run().exit_code == 0
    told = [json.loads(line) for line in (tmp_path / "out/q.ndjson").read_text().splitlines()]
    found = {(row["a"], r["check"], r["column"], r["value"]) for row in told for r in row["_reasons"]}
    assert found == {("x", "parse_number", "b", "x"), ("9", "between", "c", "18"), ("1", "unique", "c", "2")}


def test_the_command_line_keeps_freed_memory_unless_told_otherwise_and_the_sdk_leaves_its_host_alone() -> None:
    ask = "import gc, os; print(os.environ.get('_RJEM_MALLOC_CONF'), gc.get_threshold()[0])"
    started = "import sys; sys.argv = ['qpipe', 'run', '--help']\ntry: main()\nexcept SystemExit: pass\n"
    command = "from qpipe.cli import main\nimport contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n"
    command += "".join(f"    {line}\n" for line in started.splitlines()) + ask

    def said(code: str, **environment: str) -> str:
        clean = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=clean | environment
        ).stdout.strip()

    assert said(command).endswith("10000")
    assert said(command, _RJEM_MALLOC_CONF="narenas:2").startswith("narenas:2 ")
    assert said(f"import qpipe; from qpipe import *; {ask}") == "None 700"
