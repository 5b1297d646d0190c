"""What a run does about trouble that passes, code that breaks, and names that only a run knows."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

import pytest
from running import Project

from qpipe.orchestrator.conductor import Stop

SHAKY = '''
from pathlib import Path
import polars as pl
from qpipe.core.batch import Chunk
from qpipe.core.component import Output, Part, Source
from qpipe.core.params import param
from qpipe.core.errors import Unavailable
from qpipe.core.types import DataType


def stumble(context, name, times):
    """Out of reach the first so many times."""
    path = context.directory / f"{name}.count"
    count = int(path.read_text()) if path.exists() else 0
    path.write_text(str(count + 1))
    if count < times:
        raise Unavailable(f"{name} does not answer", hint="is it up?")


class Shaky(Source):
    name = "shaky"
    connects: int = param(0, help="failures to connect")
    reads: int = param(0, help="failures before each row")

    def columns(self, context):
        stumble(context, "connect", self.connects)
        return {"n": DataType.parse("int")}

    def read(self, context, position, rows, columns=None):
        for n in range((position or {"next": 0})["next"], 5):
            stumble(context, f"row-{n}", self.reads)
            yield Chunk(pl.DataFrame({"n": [n]}), {"next": n + 1})


class Store(Output):
    name = "store"
    publishes: int = param(0, help="failures to publish")

    def stage(self, frame, seq, directory, context):
        path = directory / f"{seq}.ndjson"
        frame.write_ndjson(path)
        return Part(seq, str(path), frame.height, path.stat().st_size)

    def publish(self, parts, types, token, context):
        stumble(context, "publish", self.publishes)
        text = "".join(Path(part.path).read_text() for part in parts)
        (context.directory / "stored").write_text(text)
        return {"rows": sum(part.rows for part in parts)}
'''
SPEC = """
    plugins: [shaky.py]
    sources: {{s: {{type: shaky, connects: {connects}, reads: {reads}}}}}
    outputs: {{o: {{type: store, publishes: {publishes}}}}}
    settings: {{retry: {{max_retries: {times}, initial_delay: {delay}, backoff: {backoff}}}, buffer_size: 3}}
"""


def shaky(folder: Path, *, connects: int = 0, reads: int = 0, publishes: int = 0, times: int = 2,
          delay: float = 0.01, backoff: str = "constant") -> Project:  # fmt: skip
    given = {"connects": connects, "reads": reads, "publishes": publishes, "times": times, "delay": delay, "backoff": backoff}
    return Project(folder, SPEC.format(**given), {"shaky.py": SHAKY})


@pytest.mark.parametrize("backoff", ["constant", "linear", "exponential"])
@pytest.mark.parametrize("where", ["connects", "reads", "publishes"])
def test_what_is_out_of_reach_is_tried_again(tmp_path: Path, where: str, backoff: str) -> None:
    project = shaky(tmp_path, backoff=backoff, **{where: 2})
    assert project.run().exit_code == 0
    assert [json.loads(line)["n"] for line in (tmp_path / "stored").read_text().splitlines()] == [0, 1, 2, 3, 4]
    told = [event.data for event in project.events if event.name == "run.retrying"]
    assert len(told) == (10 if where == "reads" else 2)  # each row failed twice: progress starts the count anew
    assert "does not answer" in told[0]["message"]


@pytest.mark.parametrize("where", ["connects", "reads", "publishes"])
def test_patience_ends_and_the_run_can_be_resumed(tmp_path: Path, where: str) -> None:
    project = shaky(tmp_path, **{where: 3})
    outcome = project.run()
    assert (outcome.exit_code, outcome.state) == (69, "failed")
    assert "does not answer" in outcome.message
    while (outcome := project.resume()).exit_code == 69 and where == "reads":  # each row wants one more
        assert "row-" in outcome.message
    assert outcome.exit_code == 0
    assert len((tmp_path / "stored").read_text().splitlines()) == 5


def test_without_the_setting_nothing_is_tried_again(tmp_path: Path) -> None:
    project = shaky(tmp_path, connects=1)
    project.spec.write_text(project.spec.read_text().replace("retry:", "# retry:").replace("settings:", "settings: {}\n#"))
    assert project.run().exit_code == 69


def test_waiting_ends_when_the_run_is_asked_to_stop(tmp_path: Path) -> None:
    project, stop = shaky(tmp_path, publishes=1, delay=30), Stop()
    threading.Timer(1.0, lambda: setattr(stop, "signal_number", int(signal.SIGINT))).start()
    began = time.monotonic()
    assert project.run(stop=stop).exit_code == 130
    assert time.monotonic() - began < 15
    assert project.resume().exit_code == 0


CODE = """
calls = []

def halve(data):
    import polars as pl
    calls.append(data.height)
    if data["n"].is_in([7, 8, 20]).any():
        raise ValueError(f"no luck with {data.height} rows" if data.height > 1 else f"no luck with {data['n'][0]}")
    return data.with_columns((pl.col("n") / 2).alias("half"))

def once(data):
    calls.append(data.height)
    if len(calls) == 1:
        raise OSError("the first time")
    return data.with_columns(half=data["n"] / 2)
"""
OWN = """
    sources: {{s: {{path: s.csv, schema: {{n: int}}}}}}
    modules:
      - python: {{id: mine, class: "rules.py:{function}", output: {{half: float}}{more}}}
      - not_null: {{id: named, columns: n}}
    outputs: {{good: {{path: out/good.csv}}, quarantine: {{path: out/bad.ndjson}}}}
    settings: {{on_error: {on_error}, batch_size: {batch}}}
"""
NUMBERS = "n\n" + "".join(f"{n}\n" for n in range(25))


def own(folder: Path, on_error: str, function: str = "halve", more: str = "", batch: int = 10) -> Project:
    spec = OWN.format(function=function, on_error=on_error, more=more, batch=batch)
    return Project(folder, spec, {"s.csv": NUMBERS, "rules.py": CODE})


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_rows_that_break_the_code_go_to_quarantine_with_what_it_said(tmp_path: Path, batch: int) -> None:
    project = own(tmp_path, "{then: quarantine}", batch=batch)
    assert project.run().exit_code == 0
    made = project.outputs()
    assert [line.split(",")[0] for line in made["good.csv"].decode().split()[1:]] == [
        str(n) for n in range(25) if n not in (7, 8, 20)
    ]
    bad = [json.loads(line) for line in made["bad.ndjson"].splitlines()]
    assert [(row["n"], [reason["message"] for reason in row["_reasons"]]) for row in bad] == [
        (str(n), [f"rules.py:halve fails: ValueError: no luck with {n}"]) for n in (7, 8, 20)
    ]
    assert [row for row in project.tallies() if row["check"] == "mine"] == [
        {"check": "mine", "column": "", "evaluated": 25, "failed": 3}
    ]


def test_a_person_may_decide_about_rows_that_break_the_code(tmp_path: Path) -> None:
    project = own(tmp_path, "{then: question}")
    outcome = project.run()
    assert outcome.exit_code == 75, outcome
    (question,) = project.journal.questions(outcome.run, "open")
    assert question["text"] == "3 rows break your code: what now?"
    project.journal.answer(question["id"], "quarantine", by="ann", via="cli")
    assert project.resume().exit_code == 0
    assert len(project.outputs()["bad.ndjson"].splitlines()) == 3


def test_code_is_tried_again_and_fails_otherwise(tmp_path: Path) -> None:
    assert own(tmp_path / "a", "{retry: 1}", "once").run().exit_code == 0
    assert own(tmp_path / "b", "{retry: 0}", "once").run().exit_code == 1
    assert own(tmp_path / "c", "{retry: 1}", "once", ", side_effects: true").run().exit_code == 1
    assert own(tmp_path / "d", "{then: fail}").run().exit_code == 1


def test_names_that_only_the_run_knows(tmp_path: Path) -> None:
    spec = """
        sources: {s: {path: s.csv, schema: {n: int}}}
        modules: [{derive: {run: "'${run.id}'"}}]
        outputs: {o: {path: "out/${run.started}/o.csv"}}
    """
    project = Project(tmp_path, spec, {"s.csv": "n\n1\n"})
    outcome = project.run()
    assert outcome.exit_code == 0
    (name,) = project.outputs()
    started = time.gmtime(project.journal.run(outcome.run)["started"])
    assert name == time.strftime("%Y-%m-%dT%H%M%SZ/o.csv", started)
    assert project.outputs()[name].decode() == f"n,run\n1,{outcome.run}\n"
