"""Where sources left off: what an earlier run of a spec has published, a later one does not read again.

A run takes the cursors when it begins and keeps them, however often it is resumed. It moves them in one commit before its
first publication, and only if no other run has moved them since: of two runs that read the same rows one publishes them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from qpipe.core.batch import Json
from qpipe.core.component import Context
from qpipe.core.errors import DataRefused
from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.writer import Transaction


@dataclass(frozen=True)
class Begin:
    """Where a run begins in a source, and the run that left off there."""

    cursor: Json | None = None
    after: str = ""


class Cursors:
    """The cursors of one run."""

    def __init__(self, journal: Journal, name: str, run: str, *, afresh: bool = False) -> None:
        self._journal, self._name, self._run = journal, name, run
        kept = journal.rows('select id, begin_json, "after" from source where run = ?', run)
        if kept:
            self._begins = {row["id"]: Begin(row["begin"], row["after"] or "") for row in kept}
        else:
            left = journal.rows("select source, value_json, run from cursor where name = ?", name)
            self._begins = {row["source"]: Begin(None if afresh else row["value"], row["run"]) for row in left}

    def begin(self, source: str) -> Begin:
        return self._begins.get(source, Begin())

    def given(self, source: str, context: Context) -> Context:
        """The context in which a source is read."""
        return context.but(cursor=self.begin(source).cursor)

    def move(self, tx: Transaction, ends: Mapping[str, Json]) -> None:
        """Everything up to here belongs to this run."""
        for source, cursor in ends.items():
            found = self._journal.rows("select run from cursor where name = ? and source = ?", self._name, source)
            owner = found[0]["run"] if found else ""
            if owner not in (self.begin(source).after, self._run):
                raise DataRefused(f"{source}: the run {owner} has published what this one has read",
                                  hint="nothing was published twice; `qpipe run` goes on where that run ended")  # fmt: skip
            tx.execute("insert or replace into cursor (name, source, value_json, run, at) values (?, ?, ?, ?, ?)",
                       self._name, source, json.dumps(cursor), self._run, time.time())  # fmt: skip
