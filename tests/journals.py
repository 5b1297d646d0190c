"""Journals as the engine leaves them, small, for tests of what reads journals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from qpipe.core.component import Output, Source
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.summary import summarise
from qpipe.spec.plan import OutputNode, Place, Plan, Route, SourceNode, StepNode

REGISTRY = Registry()


class Table(Source):
    """A source that is never read here."""


class Folder(Output):
    """An output that is never written here."""


def step(id: str, module: str, line: int = 0, **params: Any) -> StepNode:
    return StepNode(id, build(REGISTRY.get("module", module), params), Place(line, 5))


STEPS = (
    step("filled", "not_null", 11, columns=["id", "amount"]),
    step("amounts", "between", 12, columns=["amount"], min=0, max=100, tolerance=0.5),
    step("mails", "matches", 13, columns=["mail"], regex="@", severity="warning"),
    step("notes", "length", 14, columns=["note"], max=9),  # sees no row
    step("enough", "row_count", 15, min=1),
)

TEXT = "version: 1\n" + "".join(f"# line {n}\n" for n in range(2, 21))


def plan(name: str = "orders", steps: Sequence[StepNode] = STEPS, text: str = TEXT) -> Plan:
    outputs = {
        "clean": OutputNode("clean", build(Folder, {})),
        "copy": OutputNode("copy", build(Folder, {}), follows="clean"),
        "quarantine": OutputNode("quarantine", build(Folder, {}), original=True),
    }
    routes = (Route("r1", None, to=("quarantine",)), Route("r2", None, ask="doubt"), Route("r3", None, to=("clean",)))
    source = SourceNode("orders", build(Table, {}), None)
    return Plan(
        name=name,
        file=f"{name}.yaml",
        directory=Path("."),
        text=text,
        fingerprint="f",
        sources=(source,),
        steps=tuple(steps),
        routes=routes,
        decisions={},
        outputs=outputs,
    )


@dataclass
class Told:
    """What a run is to leave. The defaults balance: 100 rows, 90 clean, 8 in quarantine, 2 dropped."""

    batches: Sequence[Mapping[str, Any]] = ({"rows": 100, "routes": {"clean": 90, "quarantine": 8}, "dropped": {"dedup": 2}},)
    parts: Mapping[str, int] = field(default_factory=lambda: {"clean": 90, "copy": 90, "quarantine": 8})
    held: Sequence[tuple[str, int, str]] = ()  # question, rows, state
    tally: Sequence[tuple[str, str, int, int]] = (
        ("filled", "id", 100, 0),
        ("filled", "amount", 100, 3),
        ("amounts", "amount", 97, 5),
        ("mails", "mail", 40, 1),
    )
    samples: Sequence[Mapping[str, Any]] = (
        {
            "check": "filled",
            "column": "amount",
            "row": 7,
            "file": "orders.csv",
            "line": 9,
            "value": None,
            "row_json": {"id": 7, "amount": None, "mail": "eve@example.org"},
        },
        {
            "check": "mails",
            "column": "mail",
            "row": 9,
            "file": "orders.csv",
            "line": 11,
            "value": "secret-mail",
            "row_json": {"id": 9, "amount": 3, "mail": "secret-mail"},
        },
    )
    types: Mapping[str, Any] = field(
        default_factory=lambda: {
            "id": {"type": "int"},
            "amount": {"type": "float"},
            "mail": {"type": "string", "pii": True},
            "note": "string",
        }
    )
    questions: Sequence[Mapping[str, Any]] = ()
    events: Sequence[tuple[str, Mapping[str, Any]]] = (
        ("gate.judged", {"gate": "enough", "outcome": "pass", "observed": {"rows": 90}, "expected": "at least 1 row"}),
        ("source.note", {"source": "orders", "file": "orders.csv", "line": 3, "code": "short-row", "message": "padded"}),
        ("source.note", {"source": "orders", "file": "orders.csv", "line": 5, "code": "short-row", "message": "padded"}),
    )
    sample: Mapping[int, pl.DataFrame] | None = None  # batch → rows
    state: str = "done"
    error: str | None = None
    exit_code: int | None = 0


def frame(rows: int = 100) -> pl.DataFrame:
    """The rows of the default run, as the engine samples them: dropped ones are not there."""
    made = pl.DataFrame({"_row": range(rows)}).with_columns(
        pl.when(pl.col("_row") < 8).then(pl.lit("quarantine")).otherwise(pl.lit("clean")).alias("_route"),
        pl.col("_row").alias("id"),
        pl.when(pl.col("_row") < 4).then(None).otherwise((pl.col("_row") * 37 % 97).cast(pl.Float64)).alias("amount"),
        (pl.lit("private-") + pl.col("_row").cast(pl.String)).alias("mail"),
        pl.when(pl.col("_row") < 6).then(None).otherwise(pl.lit("a")).alias("note"),
        pl.date(2026, 1, 1).dt.offset_by(pl.col("_row").cast(pl.String) + "d").alias("day"),
    )
    return made.head(rows - 2)


def write(
    home: Path, told: Told | None = None, made: Plan | None = None, *, finish: bool = True, now: float = 1_790_000_000.0
) -> str:
    """A run in a journal; returns its id. Not ``finish``: it is left running, as by a process that lives."""
    told, made = told or Told(), made or plan()
    journal = Journal(home)
    run = journal.begin(
        name=made.name,
        spec_file=made.file,
        spec_text=made.text,
        fingerprint="f",
        vars={},
        argv=["run"],
        versions={"qpipe": "0"},
        now=now,
    )
    writer = journal.claim(run)
    with writer.commit("open") as tx:
        tx.event("run.started", attempt=1)
        tx.put("source", id="orders", identity_json={}, types_json=told.types)
        tx.put("pass", number=1, kind="last", state="done", started=now, ended=now + 2, rows=100)
        tx.update_run(stage="pass 1 of 1")
    for seq, batch in enumerate(told.batches):
        with writer.commit("batch") as tx:
            tx.put(
                "batch",
                **{"pass": 1},
                seq=seq,
                source="orders",
                rows=batch["rows"],
                start_json=batch.get("start"),
                routes_json=batch["routes"],
                dropped_json=batch.get("dropped", {}),
                created_json=batch.get("created", {}),
            )
            tx.update_run(rows_in=sum(b["rows"] for b in told.batches[: seq + 1]))
    with writer.commit("rest") as tx:
        tx.tally([(*counts, None) for counts in told.tally])
        for sample in told.samples:
            tx.put("sample", source="orders", **sample)
        for output, rows in told.parts.items():
            tx.put("part", output=output, seq=0, path=f"{output}-0", rows=rows, bytes=rows * 10, digest="")
            tx.put(
                "publication", output=output, token="t", state="done", rows=rows, result_json={"path": f"out/{output}.parquet"}
            )
        for n, (question, rows, state) in enumerate(told.held):
            tx.put("held", seq=n, question=question, route="", path="", rows=rows, state=state)
        for question in told.questions:
            tx.question(
                **{"decision": "doubt", "scope": "run", "text": "?", "choices_json": ["keep"], "opened_at": now, **question}
            )
        for name, data in told.events:
            tx.event(name, **data)
        tx.put("metric", at=now, name="memory_mb", value=123.0)
    for seq, rows in (told.sample if told.sample is not None else {0: frame()}).items():
        folder = writer.directory / "sample"
        folder.mkdir(exist_ok=True)
        rows.write_parquet(folder / f"{seq:06d}.parquet")
    if finish:
        with writer.commit("summary") as tx:
            tx.update_run(result_json=summarise(journal, run, made).to_json())
        with writer.commit("end") as tx:
            tx.update_run(state=told.state, ended=now + 4, exit_code=told.exit_code, error=told.error)
            tx.event(f"run.{told.state}")
    journal.close()
    return run
