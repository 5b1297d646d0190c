"""The commit of a batch: one transaction with everything that it changed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence

from qpipe.core.batch import Json
from qpipe.core.errors import QpipeError
from qpipe.orchestrator.decisions import Questions
from qpipe.orchestrator.feed import Read
from qpipe.orchestrator.findings import Samples
from qpipe.orchestrator.gates import Gates
from qpipe.orchestrator.passes import Pass
from qpipe.orchestrator.prepare import Prepared, masked
from qpipe.orchestrator.program import Watch
from qpipe.orchestrator.settle import Going, keep_held
from qpipe.orchestrator.work import Done
from qpipe.orchestrator.writer import Transaction, Writer
from qpipe.spec.plan import Plan


class Record:
    """Keeps in the journal what became of each batch. A resumed run goes on with the figures and samples that are there."""

    def __init__(self, plan: Plan, prepared: Prepared, questions: Questions, writer: Writer, watches: Sequence[Watch]) -> None:
        self._prepared, self._questions, self._writer = prepared, questions, writer
        rows, run = writer.journal.rows, writer.run
        taken = rows('select "check", "column", count(*) as n from sample where run=? group by 1, 2', run)
        self._samples = Samples({(row["check"], row["column"]): row["n"] for row in taken}, masked(plan))
        self.gates = Gates(watches)
        self.gates.restore(rows("select * from figure where run = ? order by seq", run))
        if rows("select 1 from sqlite_master where name = 'measure'") and rows("select 1 from measure where run = ?", run):
            raise QpipeError("figures of this run are kept in a form that is read no more: qpipe has changed since it began",
                             hint="start anew with `qpipe run`")  # fmt: skip

    def batch(self, each: Pass, done: Done, back: Going | None = None) -> None:
        """Commit a batch. ``back``: held rows that it settles."""
        read = done.read
        anew = read.source.id not in self._prepared.columns  # rows that a SQL step has made
        created = Counter(done.computed.created) + Counter({read.source.id: read.rows} if anew else {})
        failing = {(check, column) for check, column, _, failed, _ in done.tallies if failed}
        sampled = self._samples.of(done.program, done.computed.frame, read, failing) if back is None else []
        opened, kept = None, None
        if done.held is not None:
            opened = self._questions.open(done.held, done.program, seq=read.seq)
            assert opened.waits_for is not None
            kept = keep_held(done.held, opened.waits_for, self._writer.directory, read.seq)
        start: Json | None = {"held": back.questions} if back else read.start
        with self._writer.commit("batch" if back is None else "settle") as tx:
            if back is None:
                advance(tx, each, read, None)
            for free in back.settled if back else ():
                free.record(tx)
            if back is None and not anew:
                tx.update_run(rows_in=read.first_row + read.rows)
            if opened is not None and kept is not None:
                opened.record(tx)
                for waits, rows in kept[1]:
                    tx.put("held", seq=read.seq, question=waits, route="", path=str(kept[0]), rows=rows, state="held")
            tx.put("batch", **{"pass": each.number}, seq=read.seq, source=read.source.id, first_row=read.first_row,
                   rows=read.rows if back is None and not anew else 0, file=read.chunk.file, start_json=start,
                   position_json=read.chunk.position, routes_json=done.routes,
                   dropped_json=dict(done.computed.dropped), created_json=dict(created), seconds=done.seconds,
                   at=time.time())  # fmt: skip
            tx.tally(done.tallies)
            tx.stakes(done.stakes)
            for sample in sampled:
                tx.put("sample", **sample)
            for output, part in done.parts.items():
                tx.part(output, part)
            self.gates.record(tx, read.seq, done.figures)
            for fault in [f for f in read.chunk.faults if f.row is None or f.severity != "error"][:100]:
                tx.event("source.note", source=read.source.id, file=fault.file or read.chunk.file, line=fault.line,
                         code=fault.code, message=fault.message, raw=fault.raw[:200])  # fmt: skip
            for route, message in done.warned.items():
                tx.event("source.note", source=read.source.id, file=read.chunk.file, code=route, message=message)
            tx.event("batch.staged", seq=read.seq, rows=read.rows, routes=done.routes)


def advance(tx: Transaction, each: Pass, read: Read, checkpoint: Json | None) -> None:
    """How far a pass is, after this batch."""
    tx.execute(
        "update pass set source=?, position_json=?, rows=?, batches=?, checkpoint_json=coalesce(?, checkpoint_json) "
        "where run=? and number=?",
        read.source.id, json.dumps(read.chunk.position, default=str), read.first_row + read.rows, read.seq + 1,
        None if checkpoint is None else json.dumps(checkpoint), tx._run, each.number,
    )  # fmt: skip
