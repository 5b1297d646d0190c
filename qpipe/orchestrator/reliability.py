"""How far a source can be relied on: a score from 0 to 1 over its last runs, and what it is made of.

Each part is a share of the runs that went well; the score is their product, so that one bad habit is not hidden by others:

    failures    runs that this source did not stop (a source that could not be read, a refused contract or inspection)
    punctual    runs in which no inspection or gate of timeliness failed
    steady      runs in which its columns did not change
    well-formed rows that were not malformed
    volume      1 - the median distance of a run's rows from the median of all, as a share, at least 0

Few runs prove little: each share of runs is taken as (good + 1) / (runs + 1), so that a new source begins at 1 and one bad
run of two costs a third.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qpipe.core.batch import Json
from qpipe.orchestrator.journal import Journal
from qpipe.spec.plan import Plan

RUNS = 50  # how many runs are looked back at


@dataclass(frozen=True)
class Reliability:
    """The score of one source, and its parts."""

    source: str
    runs: int
    parts: Json
    last: float | None = None  # when it was last read, seconds since the epoch

    @property
    def score(self) -> float:
        score = 1.0
        for part in self.parts.values():
            score *= part
        return round(score, 4)

    def to_json(self) -> Json:
        return {"source": self.source, "score": self.score, "runs": self.runs, "parts": self.parts, "last": self.last}


def reliability_before(plan: Plan, journal: Journal, run: str) -> dict[str, float]:
    """The score of every stream when a run began: what it has kept, else as the journal tells it now."""
    kept = journal.rows("select id, reliability from source where run = ? and reliability is not null", run)
    return {row["id"]: row["reliability"] for row in kept} or {
        node.id: reliability(plan, journal, node.id, run).score for node in plan.streams
    }


def reliability(plan: Plan, journal: Journal, source: str, before: str = "") -> Reliability:
    """Of a spec's source, over its last runs that have ended; ``before``: a run that does not count."""
    name, timely = plan.name, {step.id for step in plan.steps if step.module.dimension == "timeliness"}
    runs = journal.rows(
        "select id, state, exit_code, error, started, rows_in from run where name = ? and id <> ? and state <> 'running' "
        "order by started desc limit ?",
        name, before, RUNS,
    )  # fmt: skip
    if not runs:
        return Reliability(source, 0, {"failures": 1.0, "punctual": 1.0, "steady": 1.0, "well-formed": 1.0, "volume": 1.0})
    rows = [_rows(journal, run["id"], source) for run in runs if run["state"] in ("done", "waiting")]
    parts = {
        "failures": _share(runs, [run for run in runs if _stopped_by(journal, run, source)]),
        "punctual": _share(runs, [run for run in runs if _late(journal, run["id"], timely)]),
        "steady": _share(runs, _changed(journal, [run["id"] for run in runs], source)),
        "well-formed": _well_formed(journal, [run["id"] for run in runs], source),
        "volume": _volume(rows),
    }
    return Reliability(source, len(runs), parts, runs[0]["started"])


def _share(runs: Sequence[Any], bad: Sequence[Any]) -> float:
    return round((len(runs) - len(bad) + 1) / (len(runs) + 1), 4)


def _stopped_by(journal: Journal, run: Json, source: str) -> bool:
    """The run says whose fault it was; what names no source and says its name is its fault, too."""
    if run["state"] not in ("failed", "refused"):
        return False
    told = [event.data for event in journal.events(run["id"]) if event.name == f"run.{run['state']}"]
    named = told[-1].get("source") if told else None
    return named == source if named else bool(re.search(rf"\b{re.escape(source)}\b", run["error"] or ""))


def _late(journal: Journal, run: str, timely: set[str]) -> bool:
    judged = [event.data for event in journal.events(run) if event.name == "gate.judged"]
    return any(j.get("outcome") in ("fail", "warn") and j.get("gate") in timely for j in judged)


def _changed(journal: Journal, runs: Sequence[str], source: str) -> list[str]:
    """The runs that found other columns than the one before them."""
    marks = ", ".join("?" * len(runs))
    found = {row["run"]: list(row["types"] or {}) for row in journal.rows(
        f"select run, types_json from source where id = ? and run in ({marks})", source, *runs)}  # fmt: skip
    known = [run for run in runs if run in found]
    return [run for run, earlier in itertools.pairwise(known) if found[run] != found[earlier]]


def _well_formed(journal: Journal, runs: Sequence[str], source: str) -> float:
    """The contract's tally: the source's own where there are several, else that of the run."""
    marks = ", ".join("?" * len(runs))
    asked = (
        f"select sum(failed) as failed, sum(evaluated) as evaluated from {{}} where \"check\" = 'contract' and run in ({marks})"
    )
    told = journal.rows(f"{asked.format('source_tally')} and source = ?", *runs, source)[0]
    if told["evaluated"] is None:
        told = journal.rows(asked.format("tally"), *runs)[0]
    return round(1 - (told["failed"] or 0) / told["evaluated"], 4) if told["evaluated"] else 1.0


def _rows(journal: Journal, run: str, source: str) -> int:
    told = journal.rows(
        "select sum(rows) as n from batch where run = ? and source = ? and pass = (select max(pass) from batch where run = ?)",
        run, source, run,
    )  # fmt: skip
    return int(told[0]["n"] or 0)


def _volume(rows: Sequence[int]) -> float:
    if len(rows) < 3:
        return 1.0
    usual = statistics.median(rows)
    return round(max(0.0, 1 - statistics.median(abs(n - usual) for n in rows) / usual), 4) if usual else 1.0
