"""What is judged of sources before and beside their rows, over real runs; and `qpipe sources check`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import stamina
from running import Project

from qpipe.cli import application
from qpipe.orchestrator.reliability import reliability
from qpipe.spec.compile import plan_of

SPEC = """
    name: orders
    sources: {orders: {path: "in/*.csv", schema: {id: int, amount: float}, on_new_column: accept}}
    modules: [MODULES]
    routes:
      - {when: "source_reliability < 0.9", to: doubtful}
      - {to: clean}
    outputs: {clean: {path: out/clean.csv}, doubtful: {path: out/doubtful.csv}, quarantine: {path: out/quarantine.csv}}
"""


def project(folder: Path, *modules: str, **files: str) -> Project:
    given = {"in/a.csv": "id,amount\n1,10\n2,20\n", **files}
    return Project(folder, SPEC.replace("MODULES", ", ".join(modules)), given)


def sources_check(*args: str, monkeypatch, capsys) -> tuple[int, str]:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("sys.argv", ["qpipe", "sources", "check", *args])
    code = application()()
    return code, capsys.readouterr().out


def test_a_missing_file_refuses_the_run_and_reads_nothing(tmp_path: Path) -> None:
    orders = project(tmp_path, "{files_present: {names: [b.csv]}}")
    outcome = orders.run()
    assert (outcome.state, outcome.exit_code) == ("refused", 65)
    assert "no file is named b.csv" in outcome.message
    assert orders.journal.run()["rows_in"] == 0 and not orders.outputs()


def test_a_file_that_was_delivered_again_under_another_name_is_recognised(tmp_path: Path) -> None:
    orders = project(tmp_path, "{files_present: {repeated: fail}}")
    first = orders.run()
    (tmp_path / "in/a.csv").rename(tmp_path / "in/b.csv")
    again = orders.run()
    assert again.state == "refused" and f"in/b.csv has the content of a file that the run {first.run} has read" in again.message


def test_a_warning_lets_the_rows_through_and_is_told(tmp_path: Path) -> None:
    orders = project(tmp_path, "{file_size: {min: 1M, severity: warning}}")
    assert orders.run().state == "done"
    gate = orders.journal.run()["result"]["gates"][0]
    assert (gate["gate"], gate["outcome"]) == ("file_size", "warn")


def test_drift_against_the_last_run(tmp_path: Path) -> None:
    orders = project(tmp_path, "{schema_drift: {allow: [added]}}")
    assert orders.run().state == "done"
    (tmp_path / "in/a.csv").write_text("id,amount,note\n1,10,x\n")
    assert orders.run().state == "done"
    (tmp_path / "in/a.csv").write_text("id,amount\n1,10\n")
    assert "removed: note" in orders.run().message


def test_control_totals_from_a_file(tmp_path: Path) -> None:
    module = "{control_totals: {file: control.txt, rows: count, sums: {amount: total}}}"
    assert project(tmp_path / "good", module, **{"control.txt": "count=2\ntotal=30.0\n"}).run().state == "done"
    bad = project(tmp_path / "bad", module, **{"control.txt": "count=3\ntotal=30\n"}).run()
    assert bad.state == "refused" and "rows is 2, the control total is 3" in bad.message
    none = project(tmp_path / "none", module).run()
    assert none.state == "refused" and "cannot be read" in none.message


def test_a_source_that_failed_before_is_relied_on_less_and_routes_know(tmp_path: Path) -> None:
    orders = project(tmp_path, "{files_present: {min_count: 1, max_count: 1}}")
    assert orders.run().state == "done"
    (tmp_path / "in/b.csv").write_text("id,amount\n3,x\n")
    assert orders.run().state == "refused"
    (tmp_path / "in/b.csv").unlink()
    score = reliability(plan_of(orders.spec), orders.journal, "orders")
    assert (score.runs, score.parts["steady"]) == (2, 1.0)
    assert orders.run().state == "done"
    kept = orders.journal.rows("select reliability from source where run = ?", orders.journal.run()["id"])
    assert kept[0]["reliability"] == score.score < 1


def test_a_failure_is_held_against_the_source_whose_it_was(tmp_path: Path) -> None:
    """Whatever the words of the failure are."""
    two = Project(tmp_path, """
        name: two
        sources:
          a: {path: in.csv}
          r: {type: rest, url: "http://127.0.0.1:1/", retries: 0, schema: {id: string}}
        outputs: {o: {path: out.csv}}
    """, {"in.csv": "id\n1\n"})  # fmt: skip
    stopped = two.run()
    assert stopped.exit_code == 69 and stopped.message.startswith("r: GET http://127.0.0.1:1")
    shares = {source: reliability(plan_of(two.spec), two.journal, source).parts["failures"] for source in ("a", "r")}
    assert shares == {"a": 1.0, "r": 0.5}


def test_check_tells_columns_rows_and_scores(tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    orders = project(tmp_path, "not_null: [id]")
    orders.run()
    code, out = sources_check(str(orders.spec), "--json", monkeypatch=monkeypatch, capsys=capsys)
    (look,) = json.loads(out)
    assert code == 0 and look["columns"] == {"id": "string", "amount": "string"}
    assert look["rows"] == [{"id": "1", "amount": "10"}, {"id": "2", "amount": "20"}]
    assert look["reliability"]["runs"] == 1 and look["inputs"] == ["in/a.csv"]
    (tmp_path / "in/a.csv").unlink()
    code, out = sources_check(str(orders.spec), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 69 and "no file is there" in out


@pytest.mark.parametrize(
    ("content", "module", "message"),
    [
        ("id,name\n1,Zoë\n".encode(), "{encoding: utf-8}", None),
        ("id,name\n1,Zoë\n".encode("cp1252"), "{encoding: utf-8}",
         "a.csv is not utf-8: 1 bytes are none of it, the first at byte 12"),
        ("id,name\n1,Zoë\n".encode("cp1252"), "{encoding: {expected: utf-8, max_bad: 1}}", None),
        (b"\xef\xbb\xbfid,name\n1,x\n", "{encoding: {expected: utf-8, mark: forbid}}", "begins with a byte order mark"),
        (b"\xef\xbb\xbfid,name\n1,x\n", "{encoding: {expected: utf-8, mark: require}}", None),
        (b"id,name\n1,x\n", "{encoding: {expected: utf-8, mark: require}}", "does not begin with a byte order mark"),
        ("id,name\n1,Zoë\n".encode("utf-16"), "{encoding: utf-16}", None),
        (b"id,name\n1,a\xc3", "{encoding: utf-8}", "the first at byte 11"),  # cut off in the middle of a letter
        (b"id,name\n" + "1,é\n".encode() * 500_000 + b"2,\xe9\n", "{encoding: utf-8}", "the first at byte 2500010"),
    ],
    ids=range(9),
)  # fmt: skip
def test_encoding(tmp_path: Path, content: bytes, module: str, message: str | None) -> None:
    orders = Project(
        tmp_path, SPEC.replace("MODULES", module).replace("{id: int, amount: float}", "{id: int, name: string}"), {}
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_bytes(content)
    outcome = orders.run()
    assert outcome.state == ("refused" if message else "done"), outcome
    assert message is None or message in outcome.message


def test_a_manifest_that_grows_names_files_of_earlier_runs_too(tmp_path: Path) -> None:
    spec = SPEC.replace("MODULES", "{file_hash: MANIFEST}").replace('"in/*.csv"', '"in/*.csv", only_new: true')
    orders = Project(tmp_path, spec.replace('csv"}', 'csv", mode: append}'))
    (tmp_path / "in").mkdir()

    def arrive(name: str, text: str) -> None:
        (tmp_path / "in" / name).write_text(text)
        with (tmp_path / "MANIFEST").open("a") as manifest:
            manifest.write(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n")

    arrive("a.csv", "id,amount\n1,2.5\n")
    assert orders.run().state == "done"
    arrive("b.csv", "id,amount\n2,2.5\n")
    arrive("a-again.csv", "id,amount\n1,2.5\n")
    assert orders.run().state == "done"
    (tmp_path / "in/c.csv").write_text("id,amount\n3,2.5\n")
    assert "c.csv is not in MANIFEST" in orders.run().message
    (tmp_path / "in/c.csv").unlink()
    arrive("d.csv", "id,amount\n4,2.5\n")
    (tmp_path / "in/a.csv").unlink()  # it was read, and then put away
    assert orders.run().state == "done"
    with (tmp_path / "MANIFEST").open("a") as manifest:
        manifest.write(f"{'0' * 64}  e.csv\n")
    arrive("f.csv", "id,amount\n6,2.5\n")
    assert "e.csv of MANIFEST is not there" in orders.run().message


def test_control_totals_in_a_trailer_record_of_each_file(tmp_path: Path) -> None:
    module = "{control_totals: {file: 'in/*.csv', record: 'T,(?P<n>[0-9]+),(?P<sum>[0-9.]+)', rows: n, sums: {amount: sum}}}"
    spec = SPEC.replace("MODULES", module).replace('"in/*.csv"', '"in/*.csv", comment: "T,"')

    def outcome(folder: str, **files: str) -> Any:
        return Project(tmp_path / folder, spec, files).run()

    many = "id,amount\n" + "1,0.5\n" * 60_000  # its trailer is far from its head
    files = {"in/a.csv": "id,amount\n1,10\n2,20.5\nT,2,30.5\n", "in/b.csv": many + "T,60000,30000\n"}
    assert outcome("good", **files).state == "done"
    wrong = outcome("wrong", **{**files, "in/a.csv": "id,amount\n1,10\nT,2,30.5\n"})
    assert "rows is 60,001, the control total is 60,002" in wrong.message
    lacking = outcome("lacking", **{**files, "in/a.csv": "id,amount\n1,10\n2,20.5\n"})
    assert lacking.state == "refused" and "a.csv has no such records, not one" in lacking.message


AWAY = {
    "rest": "{type: rest, url: 'http://127.0.0.1:9/orders', retry: {max_retries: 0}}",
    "web": "{path: 'http://127.0.0.1:9/orders.csv'}",
    "redis": "{type: redis, url: 'redis://127.0.0.1:9', stream: orders, timeout: 1s}",
    "postgresql": "{type: database, url: 'postgresql://127.0.0.1:9/shop', table: orders}",
    "mariadb": "{type: database, url: 'mysql://127.0.0.1:9/shop', table: orders}",
}


@pytest.mark.parametrize("kind", AWAY)
def test_only_a_run_speaks_of_going_on(kind: str, tmp_path: Path, monkeypatch, capsys, caplog) -> None:  # type: ignore[no-untyped-def]
    spec = f"version: 1\nsources: {{orders: {AWAY[kind]}}}\noutputs: {{clean: {{path: out/clean.csv}}}}\n"
    away = Project(tmp_path, spec)
    with stamina.set_testing(True, attempts=2):  # tries that do not wait
        code, out = sources_check(str(away.spec), monkeypatch=monkeypatch, capsys=capsys)
        outcome = away.run()
    assert (code, "resume" in out, "?" in out) == (69, False, True), out
    assert "127.0.0.1:9" in out and "retry_scheduled" not in caplog.text
    assert outcome.exit_code == 69 and outcome.hint.endswith(f"? then go on with `qpipe resume {outcome.run}`")
