"""Questions as the engine opens them for the rows of a batch, in a journal of a test's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from qpipe.core.component import Ask, Transform
from qpipe.core.expression import Expression
from qpipe.core.types import DataType
from qpipe.orchestrator.decisions import Questions
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.program import Asking, Program
from qpipe.orchestrator.router import ROUTE
from qpipe.spec.plan import Decision, Plan, Route, StepNode

T0 = 1_800_000_000.0
NOTHING: dict[str, Any] = {
    "name": "t",
    "spec_file": "t.yaml",
    "spec_text": "",
    "fingerprint": "",
    "vars": {},
    "argv": [],
    "versions": {},
}
ORDERS = pl.DataFrame(
    {
        "order_id": ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"],
        "country": ["DE", "FR", "DE", None, "NO", "DE", "FR", "DE"],
        "amount": [12000.0, 50000.0, 11000.0, 10001.0, 99999.5, 10500.0, 10600.0, 10700.0],
    }
)


class Known(Transform):
    """Maps known values, asks about others."""

    def asks(self, context: Any) -> tuple[Ask, ...]:
        return (ASK,)


ASK = Ask(pl.lit(True), "country", "what is the {column} '{value}'?", lambda values: {v: ["Germany", "keep"] for v in values})


def plan_of(directory: Path, **decision: Any) -> Plan:
    told = {
        "question": "{rows} big orders from {country}: now?",
        "choices": {"accept": "clean", "reject": "quarantine", "stop": "fail"},
    }
    asked = Decision("big", **{**told, **decision})
    routes = (Route("big", Expression.parse("amount > 10000"), (), "big"), Route("rest", None, ("clean",)))
    return Plan("t", "t.yaml", directory, "", "", (), (StepNode("names", Known(id="names")),), routes, {"big": asked}, {})


def program_of(frame: pl.DataFrame) -> Program:
    types = {name: DataType.of(dtype) for name, dtype in frame.schema.items()}
    return Program(None, asks=[Asking("names", ASK, "__a0", "__v0")], types=types)  # type: ignore[arg-type]


def held_of(frame: pl.DataFrame, route: int = 0, first: int = 0) -> pl.DataFrame:
    """Rows as the engine holds them; with route HELD, every row asks about its country."""
    why = [{"check": "between", "column": "amount", "severity": "warning", "message": "amount is large", "value": None}]
    return frame.with_columns(
        pl.int_range(first, first + frame.height, dtype=pl.Int64).alias("_row"),
        pl.lit(route, dtype=pl.UInt8).alias(ROUTE), pl.lit(True).alias("__a0"), pl.col("country").alias("__v0"),
        pl.lit("orders.csv").alias("_file"), (pl.int_range(frame.height, dtype=pl.Int64) + first + 2).alias("_line"),
        pl.Series("_reasons", [why] * frame.height),
    )  # fmt: skip


def begin(home: Path, started: float = T0) -> tuple[Journal, str]:
    journal = Journal(home)
    return journal, journal.begin(**NOTHING, now=started)


def open_all(
    journal: Journal, run: str, plan: Plan, cuts: Sequence[int] = (), route: int = 0, frame: pl.DataFrame = ORDERS
) -> list[str]:
    """Open the questions of a frame cut into batches; returns what each row waits for."""
    writer, questions, waits = journal.claim(run), Questions(plan, journal, run), []
    bounds = [0, *sorted(cuts), frame.height]
    for seq, (start, stop) in enumerate(pairwise(bounds)):
        if start == stop:
            continue
        opened = questions.open(held_of(frame[start:stop], route, start), program_of(frame), seq=seq, now=T0)
        waits += opened.waits_for.to_list() if opened.waits_for is not None else []
        with writer.commit("batch") as tx:
            opened.record(tx)
            for id, rows in pl.Series("q", waits[start:stop]).value_counts().iter_rows():
                tx.put("held", seq=seq, question=id, route="", path=f"{seq}", rows=rows)
    return waits


def told(journal: Journal, run: str) -> list[tuple[Any, ...]]:
    names = ("id", "group", "text", "rows", "sample", "state", "choice", "candidates")
    return sorted(tuple(json.dumps(q[n]) for n in names) for q in journal.questions(run))


def states(journal: Journal, run: str) -> dict[str, tuple[str, str | None, str | None]]:
    return {q["group"] or "all": (q["state"], q["choice"], q["answered_by"]) for q in journal.questions(run)}
