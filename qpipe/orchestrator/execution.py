"""One attempt at a run: passes over the data, questions, gates, outputs; everything it does is in the journal."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from qpipe.core.batch import Json
from qpipe.core.component import Context, RowVerdict, Types
from qpipe.core.effects import effect
from qpipe.core.errors import ChangedInput, DataRefused, Interrupted, QpipeError, SpecError
from qpipe.core.events import Event
from qpipe.core.rowset import RowSet
from qpipe.orchestrator.answers import DATA_SET, Settled, keep_remembered, settled
from qpipe.orchestrator.decisions import Questions
from qpipe.orchestrator.feed import Read, Spool, Start, ahead, read_sources, result_source
from qpipe.orchestrator.findings import Samples
from qpipe.orchestrator.gates import Gates
from qpipe.orchestrator.gathering import Collectors
from qpipe.orchestrator.inspect import Inspector
from qpipe.orchestrator.journal import Journal, Writer
from qpipe.orchestrator.kept import Kept
from qpipe.orchestrator.passes import Pass, has_python, passes_of
from qpipe.orchestrator.patience import Patience
from qpipe.orchestrator.prepare import Prepared, batch_rows, masked, memory_mb, new_columns, told_types, workers
from qpipe.orchestrator.program import Program, Replaced, compile_program, misfits, table_types
from qpipe.orchestrator.publish import Publisher, verdict_event
from qpipe.orchestrator.reliability import reliability_before
from qpipe.orchestrator.router import Router
from qpipe.orchestrator.settle import Going, again, going, keep_held, send
from qpipe.orchestrator.work import Done, RouteRefuses, Worker, raw_types
from qpipe.spec.plan import Plan, SourceNode

CHECKPOINT = 2.0  # seconds between two checkpoints of a gathering pass


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: str
    state: str  # done waiting refused failed interrupted
    exit_code: int
    message: str = ""
    hint: str = ""


@dataclass
class Stop:
    """Asks a run to stop after the batch in hand; set by a signal or by a test."""

    signal_number: int = 0

    def check(self, run: str) -> None:
        if self.signal_number:
            raise Interrupted(f"stopped; go on with `qpipe resume {run}`", signal_number=self.signal_number)


@dataclass(frozen=True)
class Wishes:
    """What the caller of a run wants of it, beside the plan."""

    ask: Callable[[Journal, str], None] | None = None
    answers: Path | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    afresh: bool = False  # read everything, also what earlier runs have published
    stop: Stop = field(default_factory=Stop)


class Execution:
    """One attempt at a run."""

    def __init__(self, plan: Plan, wishes: Wishes, writer: Writer, started: float) -> None:
        self.plan, self.wishes, self.writer, self.journal, self.stop = plan, wishes, writer, writer.journal, wishes.stop
        self.run = writer.run
        self.patience = Patience(plan.settings.retry, self._pause, self._tell_waiting)
        self.prepared = self.patience.through(
            lambda: Prepared.of(self.plan, self.journal, writer.directory, started, self.run, wishes.afresh)
        )
        self.context = self.prepared.context
        self.reliability = reliability_before(self.plan, self.journal, self.run)
        self.router = Router(self.plan, self.reliability)
        self.passes = passes_of(self.plan)
        self.spool = Spool(writer.directory / "spill")
        self.kept: Kept | None = None
        self.questions = Questions(self.plan, self.journal, self.run, masked(self.plan))
        if problems := [*misfits(self.plan, self.prepared.union, self.context), *self.questions.problems]:
            raise SpecError(problems)
        self.context = self.context.but(answers=self.questions.known_values())
        self.began = time.time()

    def through(self) -> Outcome:
        self._open()
        try:
            for each in self.passes:
                if not self._is_done(each):
                    (self._last if each.is_last else self._gather)(each)
        except RouteRefuses:
            self.publisher.discard()
            raise
        finally:
            if self.kept:
                self.kept.drop()
        return self._finish()

    @cached_property
    def publisher(self) -> Publisher:
        types: Types = [self.prepared.union, *self._types_after.values()][-1]
        made = [r.types for r in self._replaced(self.passes[-1]).values() if not r.same_rows]
        raw = raw_types([*self.prepared.columns.values(), *made])
        return Publisher(self.plan, self.writer, self.context, types, raw, self.wishes.strict, self.patience)

    # ── opening ──

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
            tx.event("run.resumed" if known else "run.started", attempt=self.writer.attempt)
            for node in self.plan.streams if not known else ():
                new = new_columns(node, self.prepared.columns[node.id])
                if new and node.source.on_new_column == "warn":
                    tx.event("source.note", source=node.id, code="new-column", line=1,
                             message=f"{', '.join(new)} is not in the schema: kept as it comes")  # fmt: skip
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

    # ── reading ──

    @cached_property
    def _spills(self) -> bool:
        """Whether the first pass keeps what it reads: later ones then need not open the sources again."""
        again = all(node.source.again(self.prepared.cursors.given(node.id, self.context)) for node in self.plan.streams)
        return len(self.passes) > 1 and (not again or has_python(self.plan))

    def _reads(self, each: Pass, start: Start, only: Mapping[str, Sequence[str]] | None = None) -> Iterator[Read]:
        """The batches of a pass: out of the sources or the spool, then the rows that SQL steps have made anew."""
        made = [result_source(id, r.folder, r.types) for id, r in self._replaced(each).items() if not r.same_rows]
        known = {**self.prepared.columns, **{node.id: node.source.columns(self.context) for node in made}}
        size = batch_rows(self.plan, self.prepared.union)
        if each.number > 1 and (self._spills or (self.kept and self.kept.whole)):
            first = self.journal.rows("select batches, rows from pass where run=? and number=1", self.run)[0]
            old = (
                self.spool.read(self.plan.streams, start.seq, first["batches"])
                if self._spills or self.kept is None
                else self.kept.read(start.seq, last=each.is_last)
            )
            end = Start(first["batches"], first["rows"])
            new = read_sources(made, self._reading, known, size, start if start.source in {node.id for node in made} else end)
            return self._ahead(chain(old, new))
        return self._ahead(read_sources([*self.plan.streams, *made], self._reading, known, size, start, only, self.patience))

    def _ahead(self, reads: Iterator[Read]) -> Iterator[Read]:
        return ahead(reads, self.plan.settings.buffer_size, lambda: self.stop.check(self.run))

    def _pause(self, seconds: float) -> None:
        """Wait, unless the run is asked to stop."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.stop.check(self.run)
            time.sleep(min(left, 0.2))

    def _tell_waiting(self, error: QpipeError, wait: float) -> None:
        self.writer.tell(Event("run.retrying", self.run, {"message": str(error).partition("\n")[0], "wait": round(wait, 1)}))

    def _reading(self, source: str) -> Context:
        context = self.prepared.cursors.given(source, self.context)
        contract = next((node.types or {} for node in self.plan.streams if node.id == source), None)
        return context if self._spills else context.but(contract=contract)  # what is kept for later passes is text

    def _programs(self, each: Pass) -> dict[str, Program]:
        verdicts, replaced = self._verdicts(each), self._replaced(each)
        finish = self.router.stages if each.is_last else None

        def compiled(node: SourceNode, columns: Types, union: Types, after: str | None) -> Program:
            return compile_program(
                self.plan, node, columns, union, self.context, verdicts, each.gathers, finish, replaced, after
            )

        programs = {n.id: compiled(n, self.prepared.columns[n.id], self.prepared.union, None) for n in self.plan.streams}
        for id, result in replaced.items():
            if not result.same_rows:
                programs[id] = compiled(result_source(id, result.folder, result.types), result.types, result.types, id)
        return programs

    def _replaced(self, each: Pass) -> dict[str, Replaced]:
        """What SQL steps of earlier passes have made."""
        found = {}
        for row in self.journal.rows("select checkpoint_json from pass where run=? and number<?", self.run, each.number):
            for id, told in ((row["checkpoint"] or {}).get("replaced") or {}).items():
                found[id] = Replaced(Path(told["folder"]), self._types_after[id], told["same_rows"])
        return found

    @cached_property
    def _types_after(self) -> dict[str, Types]:
        """The columns after each step."""
        types, tables, found = self.prepared.union, table_types(self.context), {}
        for step in self.plan.steps:
            types = found[step.id] = step.module.types_after(types, tables)
        return found

    def _verdicts(self, each: Pass) -> dict[str, list[RowVerdict]]:
        """What relational steps of earlier passes found, from disk."""
        found: dict[str, list[RowVerdict]] = {}
        for before in self.passes[: each.number - 1]:
            for id in before.gathers:
                told = self.journal.rows("select checkpoint_json from pass where run=? and number=?", self.run, before.number)
                for n, meta in enumerate(told[0]["checkpoint"]["verdicts"].get(id, ())):
                    rows = RowSet.load(self.writer.directory / f"rows-{id}-{n}.npy")
                    found.setdefault(id, []).append(RowVerdict.kept(rows, meta))
        return found

    # ── a gathering pass ──

    def _gather(self, each: Pass) -> None:
        start, row = self._start(each)
        collectors = Collectors(self.plan, each, self._programs(each), self.context, self.writer, row.get("checkpoint"))
        keep = self._keep(start) if each.number == 1 else None
        only = collectors.wanted() if collectors.fused and not self._spills and not keep else None
        saved, last = time.monotonic(), None
        for read in self._reads(each, start, only):
            self.stop.check(self.run)
            if keep:
                keep(read)
            collectors.add(read)
            last = read
            self._progress(each, read, {}, {})
            if time.monotonic() - saved > CHECKPOINT:
                self.spool.sync()
                state = collectors.checkpoint()
                with self.writer.commit("checkpoint") as tx:
                    _advance(tx, each, read, state)
                saved = time.monotonic()
        found = collectors.judge()
        self.spool.sync()
        with self.writer.commit("pass-done") as tx:
            if last is not None:
                _advance(tx, each, last, found)
            tx.execute("update pass set state='done', ended=?, checkpoint_json=? where run=? and number=?",
                       time.time(), json.dumps(found), self.run, each.number)  # fmt: skip
            tx.event(
                "pass.done", number=each.number, found={id: sum(v["rows"] for v in vs) for id, vs in found["verdicts"].items()}
            )
        collectors.close()

    def _keep(self, start: Start) -> Callable[[Read], None] | None:
        """How the first pass keeps what it reads, if later ones would take longer to read it again."""
        if self._spills:
            return self._spool
        if start.seq or any(node.source.columnar for node in self.plan.streams):
            return None
        self.kept = Kept(self.writer.directory / "kept")
        return self.kept.keep

    def _spool(self, read: Read) -> None:
        effect("spill.keep")
        self.spool.keep(read)

    # ── the last pass ──

    def _last(self, each: Pass) -> None:
        start, _ = self._start(each)
        programs = self._programs(each)
        self.gates = self._gates(programs)
        samples = self._samples()
        worker = self._worker(programs)
        counts = _Counts(self.plan)
        for done in _in_order(self._reads(each, start), worker.do, workers(self.plan)):
            self._commit(each, done, samples)
            counts.add(done)
            self._progress(each, done.read, counts.routes, counts.failed)
            self.stop.check(self.run)
        if len(self.passes) > 1 and not self._spills:  # several readings must have been of the same rows
            self._same_inputs(self.prepared.identities, self.prepared.identify())
        with self.writer.commit("pass-done") as tx:
            tx.execute("update pass set state='done', ended=? where run=? and number=?", time.time(), self.run, each.number)
            tx.event("pass.done", number=each.number)

    def _worker(self, programs: Mapping[str, Program]) -> Worker:
        return Worker(
            self.plan, self.router, programs, self.context, self._staging(), self.writer.directory, self.publisher.raw
        )

    def _commit(self, each: Pass, done: Done, samples: Samples, back: Going | None = None) -> None:
        """One transaction: everything that a batch changed. ``back``: held rows that it settles."""
        read = done.read
        anew = read.source.id not in self.prepared.columns  # rows that a SQL step has made
        created = Counter(done.computed.created) + Counter({read.source.id: read.rows} if anew else {})
        sampled = samples.of(done.program, done.computed.frame, read) if back is None else []
        opened, kept = None, None
        if done.held is not None:
            opened = self.questions.open(done.held, done.program, seq=read.seq)
            assert opened.waits_for is not None
            kept = keep_held(done.held, opened.waits_for, self.writer.directory, read.seq)
        start: Json | None = {"held": back.questions} if back else read.start
        with self.writer.commit("batch" if back is None else "settle") as tx:
            if back is None:
                _advance(tx, each, read, None)
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
            for stage, measured in done.figures.items():
                for figure in self.gates.add(stage, measured):
                    tx.put("measure", **figure)
            for fault in [f for f in read.chunk.faults if f.row is None or f.severity != "error"][:100]:
                tx.event("source.note", source=read.source.id, file=read.chunk.file, line=fault.line, code=fault.code,
                         message=fault.message, raw=fault.raw[:200])  # fmt: skip
            tx.event("batch.staged", seq=read.seq, rows=read.rows, routes=done.routes)

    def _gates(self, programs: Mapping[str, Program]) -> Gates:
        gates = Gates(next(iter(programs.values())).watches if programs else [])
        gates.restore(self.journal.rows("select * from measure where run = ?", self.run))
        return gates

    def _samples(self) -> Samples:
        taken = self.journal.rows('select "check", "column", count(*) as n from sample where run=? group by 1, 2', self.run)
        return Samples({(row["check"], row["column"]): row["n"] for row in taken}, masked(self.plan))

    def _staging(self) -> dict[str, Path]:
        made = {}
        for id, node in self.plan.outputs.items():
            folder = node.output.staging(self.run, self.context) or self.writer.directory / "staged" / id
            folder.mkdir(parents=True, exist_ok=True)
            made[id] = folder
        return made

    # ── the end ──

    def _finish(self) -> Outcome:
        if not hasattr(self, "gates"):
            self.gates = self._gates(self._programs(self.passes[-1]))
        self.publisher.finish()
        waiting = self._settle()
        if not waiting or self.plan.settings.publish == "decided":
            if self._doubt():
                waiting = self._settle()
            if any(q["scope"] == DATA_SET for q in waiting):
                return self._wait(waiting)
            self.publisher.gate(self.gates)
        ends = self._ends()
        if ends:
            with self.writer.commit("cursors") as tx:
                self.prepared.cursors.move(tx, ends)
        if not waiting or self.plan.settings.publish == "decided":
            self.publisher.publish()
        self._acknowledge(ends)
        if waiting:
            return self._wait(waiting)
        self.publisher.discard()
        self._end("done", 0)
        return Outcome(self.run, "done", 0)

    def _ends(self) -> dict[str, Json]:
        """Where each source ended that keeps a cursor."""
        last = 'select position_json from batch where run=? and pass=? and source=? and "rows" >= 0 order by seq desc limit 1'
        ends = {}
        for node in self.plan.streams:
            found = self.journal.rows(last, self.run, self.passes[-1].number, node.id)
            position = found[0]["position"] if found else None
            if (cursor := node.source.cursor(position, self._reading(node.id))) is not None:
                ends[node.id] = cursor
        return ends

    def _acknowledge(self, ends: Mapping[str, Json]) -> None:
        """Tell the servers what is published. One that does not hear it now sends rows again, which the cursor knows."""
        for node in self.plan.streams:
            if node.id in ends:
                effect(f"source.{node.id}.acknowledge")
                try:
                    node.source.acknowledge(ends[node.id], self._reading(node.id))
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

    # ── questions ──

    def _settle(self) -> list[dict[str, Any]]:
        """Get answers, let the rows go that have theirs, until nothing moves; returns the questions still open."""
        asked: set[str] = set()
        while True:
            self._answers()
            free = settled(self.journal, self.run)
            if free:
                self._let_go(free)
                continue
            waiting = self.journal.questions(self.run, "open")
            new = {question["id"] for question in waiting} - asked  # rows that were let go may ask something else
            if not new or self.wishes.ask is None:
                keep_remembered(self.journal, self.run)
                return waiting
            asked |= new
            self.wishes.ask(self.journal, self.run)

    def _doubt(self) -> bool:
        """Ask about failures of the whole data set that a person may let pass; whether there are new ones."""
        staged = self.journal.rows("select sum(rows) as n from part where run=? group by output", self.run)
        rows = max((each["n"] for each in staged), default=0)
        asked = [self.questions.doubt(step, why, rows) for step, why in self.publisher.doubts(self.gates).items()]
        if not any(asked):
            return False
        with self.writer.commit("doubts") as tx:
            for verdict in self.gates.judge():
                tx.event("gate.judged", None, **verdict_event(verdict))
            for question in filter(None, asked):
                tx.question(**question)
                tx.event("question.opened", question=question["id"], decision=question["decision"], rows=rows)
        return True

    def _answers(self) -> None:
        """Answers that are there without asking anyone: time-outs, memory files, a file of answers, a test's."""
        if not self.journal.questions(self.run, "open"):
            return
        self.journal.expire()
        self.questions.recall()
        if self.wishes.answers is not None:
            from qpipe.orchestrator.answers_file import apply_answers

            apply_answers(self.journal, self.run, self.wishes.answers)
        for question in self.journal.questions(self.run, "open"):
            if question["decision"] in self.wishes.given:
                self.journal.answer(question["id"], self.wishes.given[question["decision"]], by="the test", via="file")

    def _let_go(self, free: Sequence[Settled]) -> None:
        last = self.passes[-1]
        sent = [s for s in free if s.to is not None]
        rerun = [s for s in free if s.to is None]
        samples = self._samples()
        if sent:
            worker = self._worker(self._programs(last))
            group = going(sent)
            done = send(
                self.plan,
                group,
                worker,
                self.publisher.processed,
                next(iter(worker.programs.values())).watches,
                self._next_seq(),
            )
            self._commit(last, done, samples, group)
        if rerun:
            self.context = self.context.but(answers=self.questions.known_values())
            worker = self._worker(self._programs(last))
            group = going(rerun)
            for n, done in enumerate(again(group, worker, self._next_seq())):
                self._commit(last, done, samples, group if n == 0 else Going((), group.frame))

    def _next_seq(self) -> int:
        found = self.journal.rows("select max(seq) as n from batch where run=? and pass=?", self.run, self.passes[-1].number)
        return (found[0]["n"] if found[0]["n"] is not None else -1) + 1

    def _severities(self, failed: Mapping[str, int]) -> dict[str, int]:
        """Findings by severity, of findings by check."""
        known = {step.id: getattr(step.module, "severity", "error") for step in self.plan.steps}
        total: Counter[str] = Counter()
        for check, count in failed.items():
            total[known.get(check, "error")] += count
        return dict(total)

    def _progress(self, each: Pass, read: Read, routes: Mapping[str, int], failed: Mapping[str, int]) -> None:
        rows_total, bytes_total = self.prepared.sizes
        self.writer.tell(Event("progress", self.run, {
            "pass": each.number, "passes": len(self.passes), "source": read.source.id, "rows": read.first_row + read.rows,
            "rows_total": rows_total, "bytes": (read.chunk.position or {}).get("offset", 0), "bytes_total": bytes_total,
            "routes": dict(routes), "checks": dict(failed), "memory_mb": memory_mb(), "findings": self._severities(failed),
            "questions": len(self.journal.questions(self.run, "open")) if routes else 0,
        }))  # fmt: skip


class _Counts:
    """Running totals for the live view."""

    def __init__(self, plan: Plan) -> None:
        self.routes: dict[str, int] = {}
        self.failed: dict[str, int] = {}

    def add(self, done: Done) -> None:
        for name, rows in done.routes.items():
            self.routes[name] = self.routes.get(name, 0) + rows
        for check, _, _, failed, _ in done.tallies:
            if failed:
                self.failed[check] = self.failed.get(check, 0) + failed


def _advance(tx: Any, each: Pass, read: Read, checkpoint: Json | None) -> None:
    tx.execute(
        "update pass set source=?, position_json=?, rows=?, batches=?, checkpoint_json=coalesce(?, checkpoint_json) "
        "where run=? and number=?",
        read.source.id, json.dumps(read.chunk.position, default=str), read.first_row + read.rows, read.seq + 1,
        None if checkpoint is None else json.dumps(checkpoint), tx._run, each.number,
    )  # fmt: skip


def _in_order(reads: Iterator[Read], work: Callable[[Read], Done], count: int) -> Iterator[Done]:
    """Results in the order of the batches, at most ``count`` of them in the making."""
    if count == 1:
        yield from map(work, reads)
        return
    with ThreadPoolExecutor(count, thread_name_prefix="qpipe-work") as pool:
        waiting: list[Future[Done]] = []
        try:
            for read in reads:
                waiting.append(pool.submit(work, read))
                if len(waiting) >= count:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
