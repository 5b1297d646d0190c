"""One attempt at a run: passes over the data, questions, gates, outputs; everything it does is in the journal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from qpipe.core.aside import aside, pause
from qpipe.core.batch import Json
from qpipe.core.component import Types
from qpipe.core.effects import effect
from qpipe.core.errors import ChangedInput, DataRefused, QpipeError, SpecError, of_source
from qpipe.core.events import Event
from qpipe.orchestrator.answering import Answering
from qpipe.orchestrator.answers import DATA_SET, Settled
from qpipe.orchestrator.compiled import Programs
from qpipe.orchestrator.decisions import Questions
from qpipe.orchestrator.delivered import delivered_rows, keep_for_replays
from qpipe.orchestrator.drift import notes
from qpipe.orchestrator.feed import Read, Start
from qpipe.orchestrator.fuse import misfits
from qpipe.orchestrator.gathering import Collectors, fill
from qpipe.orchestrator.inspect import Inspector
from qpipe.orchestrator.passes import Pass, passes_of
from qpipe.orchestrator.patience import Patience
from qpipe.orchestrator.prepare import Prepared, masked, memory_mb, told_types, workers
from qpipe.orchestrator.program import Program
from qpipe.orchestrator.progress import Progress
from qpipe.orchestrator.publish import Publisher, verdict_event
from qpipe.orchestrator.reading import Reading
from qpipe.orchestrator.record import Record, advance
from qpipe.orchestrator.reliability import reliability_before
from qpipe.orchestrator.remaining import rejudged
from qpipe.orchestrator.replay import keep_marks
from qpipe.orchestrator.router import Router
from qpipe.orchestrator.settle import Going, again, going, send
from qpipe.orchestrator.wishes import Outcome, Wishes
from qpipe.orchestrator.work import RouteRefuses, Worker, in_order, raw_types
from qpipe.orchestrator.writer import Writer
from qpipe.spec.plan import Plan

ALONE = "the rows that come back are judged beside each other only: of this rule the run before kept nothing"


class Execution:
    """One attempt at a run."""

    def __init__(self, plan: Plan, wishes: Wishes, writer: Writer, started: float) -> None:
        self.plan, self.wishes, self.writer, self.journal, self.stop = plan, wishes, writer, writer.journal, wishes.stop
        self.run = writer.run
        self.patience = Patience(plan.settings.retry, lambda wait: pause(wait, self._check_stop), self._tell_waiting)
        self.prepared = self.patience.through(lambda: aside(lambda: self._prepared(started), self._check_stop))
        self.context = self.prepared.context
        self.reliability = reliability_before(self.plan, self.journal, self.run)
        self.router = Router(self.plan, self.reliability)
        self.passes = passes_of(self.plan)
        self.reading = Reading(self.prepared, self.passes, writer, self._check_stop, self.patience)
        self.programs = Programs(self.prepared, self.router, writer)
        self.questions = Questions(self.plan, self.journal, self.run, masked(self.plan))
        if problems := [*misfits(self.plan, self.prepared.union, self.context), *self.questions.remembered.problems]:
            raise SpecError(problems)
        self.context = self.context.but(answers=self.questions.known_values())
        self.began = time.time()

    def through(self) -> Outcome:
        try:
            return self._through()
        finally:
            if "publisher" in vars(self):
                self.publisher.release()

    def _through(self) -> Outcome:
        self._open()
        try:
            for each in self.passes:
                if not self._is_done(each):
                    (self._last if each.is_last else self._gather)(each)
        except RouteRefuses:
            self.publisher.discard()
            raise
        finally:
            self.reading.drop()
        return self._finish()

    @cached_property
    def publisher(self) -> Publisher:
        types: Types = [self.prepared.union, *self.programs.types_after.values()][-1]
        made = [r.types for r in self.programs.replaced(self.passes[-1]).values() if not r.same_rows]
        raw = raw_types([*self.prepared.columns.values(), *made])
        return Publisher(self.plan, self.writer, self.context, types, raw, self.wishes.strict, self.patience)

    # ── opening ──

    def _prepared(self, started: float) -> Prepared:
        folder, afresh = self.writer.directory, self.wishes.afresh
        return Prepared.of(self.plan, self.journal, folder, started, self.run, afresh, self._check_stop)

    def _check_stop(self) -> None:
        self.stop.check(self.run)

    def _open(self) -> None:
        known = {row["id"]: row["identity"] for row in self.journal.rows("select * from source where run = ?", self.run)}
        if not self._read_everything():
            self._same_inputs(known, self.prepared.identities)
        (self.writer.directory / "sample").mkdir(exist_ok=True)
        with self.writer.commit("open") as tx:
            for id, identity in self.prepared.identities.items() if not known else ():
                begin = self.prepared.cursors.begin(id)
                tx.put("source", id=id, identity_json=identity, begin_json=begin.cursor, after=begin.after,
                       reliability=self.reliability.get(id),
                       types_json=told_types(self.plan, id, self.prepared.columns))  # fmt: skip
            taken = {"replay": vars(self.plan.replay) | {"path": str(self.plan.replay.path)}} if self.plan.replay else {}
            tx.event("run.resumed" if known else "run.started", None, attempt=self.writer.attempt, **taken)
            for node in self.plan.streams if not known else ():
                for note in notes(node, self.prepared.columns[node.id]):
                    tx.event("source.note", source=node.id, **note)
        if not known:
            self._inspect()

    def _inspect(self) -> None:
        """Judge what the sources are about to deliver; what is refused is not read."""
        inspector = Inspector(self.plan, self.prepared, self.journal, self.run)
        verdicts = inspector.judge()
        if not verdicts:
            return
        with self.writer.commit("inspected") as tx:
            for verdict in verdicts:
                tx.event("gate.judged", **verdict_event(verdict))
            inspector.record(tx)
        judged = [v for v in verdicts if v.verdict.outcome != "not evaluated"]  # a first run has nothing to compare with
        if refused := self.publisher.refused(judged):
            with of_source(next(iter(inspector.refused), "")):
                raise DataRefused("nothing was read: " + "; ".join(refused), hint=f"see `qpipe show {self.run}`")

    def _same_inputs(self, known: Mapping[str, Json], now: Mapping[str, Json]) -> None:
        changed = [id for id, before in known.items() if before != now.get(id)]
        if changed:
            raise ChangedInput(f"the source {changed[0]} has changed since {self.run} began",
                               hint="put the old input back and resume, or start anew with `qpipe run`")  # fmt: skip

    def _read_everything(self) -> bool:
        return all(self._is_done(each) for each in self.passes)

    def _is_done(self, each: Pass) -> bool:
        return bool(self.journal.rows("select 1 from pass where run=? and number=? and state='done'", self.run, each.number))

    def _start(self, each: Pass) -> tuple[Start, dict[str, Any]]:
        found = self.journal.rows("select * from pass where run=? and number=?", self.run, each.number)
        if found:
            row = found[0]
            return Start(row["batches"], row["rows"], row["source"], row["position"]), row
        with self.writer.commit("pass") as tx:
            tx.put("pass", number=each.number, kind="last" if each.is_last else "gather", state="running", started=time.time())
            tx.update_run(stage=f"pass {each.number} of {len(self.passes)}")
            tx.event("pass.started", number=each.number, of=len(self.passes), gathers=list(each.gathers))
        return Start(), {}

    # ── waiting ──

    def _tell_waiting(self, error: QpipeError, wait: float) -> None:
        self.writer.tell(Event("run.retrying", self.run, {"message": str(error).partition("\n")[0], "wait": round(wait, 1)}))

    # ── a gathering pass ──

    def _gather(self, each: Pass) -> None:
        start, row = self._start(each)
        programs = self.programs.of(each, self.context)
        collectors = Collectors(self.plan, each, programs, self.context, self.writer, row.get("checkpoint"))
        keep = self.reading.keeper(start) if each.number == 1 else None
        only = collectors.wanted() if collectors.fused and not keep else None

        def checkpoint(last: Read, state: Json) -> None:
            with self.writer.commit("checkpoint") as tx:
                advance(tx, each, last, state)

        with self._batches(each, start, only) as reads:
            last = fill(collectors, self._stoppable(reads), keep, self._progress(each).tell, self.reading.sync, checkpoint)
        found = collectors.judge()
        self.reading.sync()
        with self.writer.commit("pass-done") as tx:
            if last is not None:
                advance(tx, each, last, found)
            tx.execute("update pass set state='done', ended=?, checkpoint_json=? where run=? and number=?",
                       time.time(), json.dumps(found), self.run, each.number)  # fmt: skip
            tx.event(
                "pass.done", number=each.number, found={id: sum(v["rows"] for v in vs) for id, vs in found["verdicts"].items()}
            )
            for id in collectors.alone:
                tx.event("source.note", source=self.plan.streams[0].id, code="judged-alone", message=f"{id}: {ALONE}")
        collectors.close()

    def _stoppable(self, reads: Iterator[Read]) -> Iterator[Read]:
        for read in reads:
            self._check_stop()
            yield read

    # ── the last pass ──

    def _last(self, each: Pass) -> None:
        start, _ = self._start(each)
        programs = self.programs.of(each, self.context)
        self.record = self._record(programs)
        worker = self._worker(programs)
        progress = self._progress(each)
        with self._batches(each, start) as reads:
            for done in in_order(reads, worker.do, workers(self.plan)):
                self.record.batch(each, done)
                self.publisher.load(done.parts)
                progress.add(done)
                progress.tell(done.read)
                self._check_stop()
        if len(self.passes) > 1 and not self.reading.spools:  # several readings must have been of the same rows
            self._same_inputs(self.prepared.identities, self.prepared.identify())
        with self.writer.commit("pass-done") as tx:
            tx.execute("update pass set state='done', ended=? where run=? and number=?", time.time(), self.run, each.number)
            tx.event("pass.done", number=each.number)

    def _batches(
        self, each: Pass, start: Start, only: Mapping[str, Sequence[str]] | None = None
    ) -> AbstractContextManager[Iterator[Read]]:
        """Nothing reads any more when it is left, whatever has happened: who goes on with the run is alone."""
        return closing(self.reading.batches(each, start, self.programs.replaced(each), only))

    def _progress(self, each: Pass) -> Progress:
        return Progress(self.prepared, len(self.passes), self.writer, each)

    def _record(self, programs: Mapping[str, Program]) -> Record:
        return Record(self.plan, self.prepared, self.questions, self.writer, next(iter(programs.values())).watches)

    def _worker(self, programs: Mapping[str, Program]) -> Worker:
        return Worker(
            self.plan, self.router, programs, self.context, self._staging(), self.writer.directory, self.publisher.raw
        )

    def _staging(self) -> dict[str, Path]:
        made = {}
        for id, node in self.plan.outputs.items():
            folder = node.output.staging(self.run, self.context) or self.writer.directory / "staged" / id
            folder.mkdir(parents=True, exist_ok=True)
            made[id] = folder
        return made

    # ── the end ──

    def _finish(self) -> Outcome:
        if not hasattr(self, "record"):
            self.record = self._record(self.programs.of(self.passes[-1], self.context))
        self.publisher.finish()
        answering = Answering(self.wishes, self.writer, self.questions, self._let_go)
        waiting = answering.settle()
        if not waiting or self.plan.settings.publish == "decided":
            self.record.gates.also = rejudged(self.passes[-1], self.programs, self.writer, self.context, self.wishes.strict)
            if answering.doubt(self.publisher.doubts(self.record.gates), self.record.gates.judge):
                waiting = answering.settle()
            if any(q["scope"] == DATA_SET for q in waiting):
                return self._wait(waiting)
            self.publisher.gate(self.record.gates)
        ends = self._ends()
        if ends:
            with self.writer.commit("cursors") as tx:
                self.prepared.cursors.move(tx, ends)
        if not waiting or self.plan.settings.publish == "decided":
            self.publisher.publish()
        self._acknowledge(ends)
        if waiting:
            return self._wait(waiting)
        self.publisher.discard(keep=self._for_replays())
        self._end("done", 0)
        return Outcome(self.run, "done", 0)

    def _for_replays(self) -> bool:
        """Keep what rows that come back are judged beside, if any can; whether there is something to keep."""
        directory, replay = self.writer.directory, self.plan.replay
        quarantined = [part for id, node in self.plan.outputs.items() if node.original for part in self.publisher.parts(id)]
        if replay:
            with suppress(QpipeError):  # the file is gone or another one by now: a later replay is not of these rows
                self._same_inputs(self.prepared.identities, self.prepared.identify())
                context = self.reading.context(self.plan.streams[0].id)
                keep_marks(self.plan, context, delivered_rows(directory), directory)
        if replay or quarantined:
            keep_for_replays(self.plan, directory)
        return bool(replay or quarantined)

    def _ends(self) -> dict[str, Json]:
        """Where each source ended that keeps a cursor."""
        last = 'select position_json from batch where run=? and pass=? and source=? and "rows" >= 0 order by seq desc limit 1'
        ends = {}
        for node in self.plan.streams:
            found = self.journal.rows(last, self.run, self.passes[-1].number, node.id)
            position = found[0]["position"] if found else None
            if (cursor := node.source.cursor(position, self.reading.context(node.id))) is not None:
                ends[node.id] = cursor
        return ends

    def _acknowledge(self, ends: Mapping[str, Json]) -> None:
        """Tell the servers what is published. One that does not hear it now sends rows again, which the cursor knows."""
        for node in self.plan.streams:
            if node.id in ends:
                effect(f"source.{node.id}.acknowledge")
                try:
                    node.source.acknowledge(ends[node.id], self.reading.context(node.id))
                except QpipeError as error:
                    with self.writer.commit("unheard") as tx:
                        tx.event("source.note", source=node.id, code="not-acknowledged", message=error.message)

    def _wait(self, waiting: Sequence[Mapping[str, Any]]) -> Outcome:
        """Questions are open: the run is parked until someone answers or a time-out does."""
        self._end("waiting", 75)
        rows = sum(q["rows"] for q in waiting)
        message = f"{len(waiting)} question{'s' * (len(waiting) > 1)} open, {rows:,} row{'s' * (rows != 1)} held"
        hint = f"`qpipe decisions` shows them, `qpipe decide ID CHOICE` answers, `qpipe resume {self.run}` goes on"
        return Outcome(self.run, "waiting", 75, message, hint)

    def _end(self, state: str, code: int) -> None:
        """Keep the balance sheet and the verdicts, then say how the run ended. A run that does not balance has failed."""
        from qpipe.orchestrator.summary import summarise

        with self.writer.commit("figures") as tx:
            tx.execute(
                "insert into metric (run, at, name, value) values (?, ?, 'memory_mb', ?)", self.run, time.time(), memory_mb()
            )
        summary = summarise(self.journal, self.run, self.plan)
        if not summary.balance.balanced:
            raise QpipeError(f"the run does not balance: {summary.balance}", hint="this is a defect of qpipe; please report it")
        with self.writer.commit("end") as tx:
            tx.update_run(state=state, ended=time.time(), exit_code=code, stage="", result_json=summary.to_json())
            tx.event(f"run.{state}")

    # ── rows that have their answers ──

    def _let_go(self, free: Sequence[Settled]) -> None:
        last = self.passes[-1]
        sent = [s for s in free if s.to is not None]
        rerun = [s for s in free if s.to is None]
        if sent:
            worker = self._worker(self.programs.of(last, self.context))
            group = going(sent)
            done = send(self.plan, group, worker, self.publisher.processed, self._next_seq())
            self.record.batch(last, done, group)
        if rerun:
            self.context = self.context.but(answers=self.questions.known_values())
            worker = self._worker(self.programs.of(last, self.context))
            group = going(rerun)
            for n, done in enumerate(again(group, worker, self._next_seq())):
                self.record.batch(last, done, group if n == 0 else Going((), group.frame))

    def _next_seq(self) -> int:
        found = self.journal.rows("select max(seq) as n from batch where run=? and pass=?", self.run, self.passes[-1].number)
        return (found[0]["n"] if found[0]["n"] is not None else -1) + 1
