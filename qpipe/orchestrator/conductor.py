"""The run. One thread owns the truth: it commits batches in order, asks, judges and publishes; others read and compute.

Plan, stage, publish, record. Nothing of an output is visible before every batch is staged and committed and every gate has
passed; then each output is published under a token, idempotently, between a commit of the intent and a commit of the fact.
Stop it anywhere: what was committed is not done again, what was not committed is done again from the same position.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qpipe.core.batch import ROW, Json
from qpipe.core.component import Context, Part, Relational, RowVerdict, Types
from qpipe.core.effects import effect
from qpipe.core.errors import DataRefused, Interrupted, QpipeError, SpecError
from qpipe.core.events import Event
from qpipe.core.gather import Collector
from qpipe.core.lazy import pl
from qpipe.core.rowset import RowSet
from qpipe.orchestrator.answers import Settled, keep_remembered, settled
from qpipe.orchestrator.decisions import Questions
from qpipe.orchestrator.feed import Read, Spool, Start, ahead, read_sources, result_source
from qpipe.orchestrator.findings import Samples
from qpipe.orchestrator.gates import Gates
from qpipe.orchestrator.journal import Journal, Writer
from qpipe.orchestrator.passes import Pass, has_python, passes_of
from qpipe.orchestrator.program import Program, Replaced, compile_program, misfits, table_types
from qpipe.orchestrator.router import Router
from qpipe.orchestrator.settle import Going, again, going, keep_held, send
from qpipe.orchestrator.tables import load_tables
from qpipe.orchestrator.work import Done, Worker, original_types, raw_types
from qpipe.spec.plan import OutputNode, Plan, SourceNode

CELLS = 2_400_000  # in a batch, where the spec names no batch size
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


@dataclass
class Conductor:
    """Runs a plan. ``ask`` is called when the data is through and questions are open; it answers through the journal."""

    plan: Plan
    journal: Journal
    listeners: Sequence[Callable[[Event], None]] = ()
    ask: Callable[[Journal, str], None] | None = None
    strict: bool = False
    argv: Sequence[str] = ()
    parent: str | None = None
    stop: Stop = field(default_factory=Stop)
    answers: Path | None = None  # a file with answers, applied when the data is through
    given: Mapping[str, str] = field(default_factory=dict)  # decision → what is answered: for a spec's own tests

    def run(self) -> Outcome:
        """A new run, from the beginning to its end or to a stop that can be resumed."""
        run = self.journal.begin(
            name=self.plan.name, spec_file=self.plan.file, spec_text=self.plan.text, fingerprint=self.plan.fingerprint,
            vars=self.plan.vars, argv=self.argv, versions=_versions(), parent=self.parent,
        )  # fmt: skip
        return self._go(run, self.journal.run(run)["started"])

    def resume(self, run: str) -> Outcome:
        """Go on where a run stopped. Refuses a changed spec; a changed input is refused once it has been opened."""
        found = self.journal.run(run)
        if found["fingerprint"] != self.plan.fingerprint:
            raise QpipeError(f"the spec has changed since {found['id']} began",
                             hint="`qpipe resume --spec old` goes on with the old text, `qpipe run` starts anew")  # fmt: skip
        return self._go(found["id"], found["started"])

    def _go(self, run: str, started: float) -> Outcome:
        writer = self.journal.claim(run)
        for listener in self.listeners:
            writer.listen(listener)
        try:
            outcome = Execution(self, writer, started).through()
        except BaseException as error:
            outcome = _ended(writer, error)
            if not isinstance(error, QpipeError):
                raise
        return outcome


@dataclass(frozen=True)
class Prepared:
    """A plan with its sources opened: columns known, tables loaded, outputs found writable."""

    plan: Plan
    context: Context
    columns: Mapping[str, Types]  # what each stream delivers
    union: Types  # what the modules see
    identities: Mapping[str, Json]
    sizes: tuple[int | None, int | None]  # rows, bytes to come

    @classmethod
    def of(cls, plan: Plan, journal: Journal, work: Path | None, started: float, run: str = "") -> Prepared:
        context = Context(
            directory=plan.directory, work=work, started=started, memory_limit=plan.settings.memory_limit // 4,
            history=lambda check, measure: journal.history(plan.name, run, check, measure),
        )  # fmt: skip
        for output in plan.outputs.values():
            output.output.prepare(context)
        context = context.but(tables=load_tables(plan.references, context))
        columns = {node.id: node.source.columns(context) for node in plan.streams}
        union = union_of(plan, columns)
        return cls(
            plan, context, columns, union, {n.id: n.source.identity(context) for n in plan.sources}, _sizes(plan, context)
        )


class Execution:
    """One attempt at a run."""

    def __init__(self, conductor: Conductor, writer: Writer, started: float) -> None:
        self.plan, self.writer, self.journal, self.stop = conductor.plan, writer, conductor.journal, conductor.stop
        self.conductor = conductor
        self.run = writer.run
        self.prepared = Prepared.of(self.plan, self.journal, writer.directory, started, self.run)
        self.context = self.prepared.context
        self.router = Router(self.plan)
        self.passes = passes_of(self.plan)
        self.spool = Spool(writer.directory / "spill")
        self.questions = Questions(self.plan, self.journal, self.run, _masked(self.plan))
        if problems := [*misfits(self.plan, self.prepared.union, self.context), *self.questions.problems]:
            raise SpecError(problems)
        self.context = self.context.but(answers=self.questions.known_values())
        self.began = time.time()

    def through(self) -> Outcome:
        self._open()
        for each in self.passes:
            if not self._is_done(each):
                (self._last if each.is_last else self._gather)(each)
        return self._finish()

    # ── opening ──

    def _open(self) -> None:
        known = {row["id"]: row["identity"] for row in self.journal.rows("select * from source where run = ?", self.run)}
        changed = [id for id, before in known.items() if before != self.prepared.identities.get(id)]
        if changed and not self._read_everything():
            raise DataRefused(f"the source {changed[0]} has changed since {self.run} began",
                              hint="put the old input back, or start anew with `qpipe run`")  # fmt: skip
        (self.writer.directory / "sample").mkdir(exist_ok=True)
        with self.writer.commit("open") as tx:
            for id, identity in self.prepared.identities.items() if not known else ():
                tx.put("source", id=id, identity_json=identity, types_json=_told_types(self.plan, id, self.prepared.columns))
            tx.event("run.resumed" if known else "run.started", attempt=self.writer.attempt)

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

    def _spills(self) -> bool:
        """Whether the first pass keeps what it reads: later ones then need not open the sources again."""
        again = all(node.source.columnar for node in self.plan.streams)
        return len(self.passes) > 1 and (not again or has_python(self.plan))

    def _reads(self, each: Pass, start: Start, only: Mapping[str, Sequence[str]] | None = None) -> Iterator[Read]:
        """The batches of a pass: out of the sources or the spool, then the rows that SQL steps have made anew."""
        made = [result_source(id, r.folder, r.types) for id, r in self._replaced(each).items() if not r.same_rows]
        known = {**self.prepared.columns, **{node.id: node.source.columns(self.context) for node in made}}
        size = batch_rows(self.plan, self.prepared.union)
        if self._spills() and each.number > 1:
            first = self.journal.rows("select batches, rows from pass where run=? and number=1", self.run)[0]
            return ahead(self._spooled(made, known, size, start, first["batches"], first["rows"]))
        return ahead(read_sources([*self.plan.streams, *made], self.context, known, size, start, only))

    def _spooled(
        self, made: Sequence[SourceNode], known: Mapping[str, Types], size: int, start: Start, batches: int, rows: int
    ) -> Iterator[Read]:
        yield from self.spool.read(self.plan.streams, start.seq, batches)
        if made:
            begun = any(node.id == start.source for node in made)
            yield from read_sources(made, self.context, known, size, start if begun else Start(batches, rows))

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
                types = self.plan.step(id).module.output_types({})
                found[id] = Replaced(Path(told["folder"]), types, told["same_rows"])
        return found

    def _verdicts(self, each: Pass) -> dict[str, list[RowVerdict]]:
        """What relational steps of earlier passes found, from disk."""
        found: dict[str, list[RowVerdict]] = {}
        for before in self.passes[: each.number - 1]:
            for id in before.gathers:
                told = self.journal.rows("select checkpoint_json from pass where run=? and number=?", self.run, before.number)
                for n, meta in enumerate(told[0]["checkpoint"]["verdicts"].get(id, ())):
                    rows = RowSet.load(self.writer.directory / f"rows-{id}-{n}.npy")
                    found.setdefault(id, []).append(RowVerdict(rows, tuple(meta["columns"]), meta["expected"]))
        return found

    # ── a gathering pass ──

    def _gather(self, each: Pass) -> None:
        start, row = self._start(each)
        programs = self._programs(each)
        steps = {id: self.plan.step(id) for id in each.gathers}
        types = {id: next(iter(programs.values())).gatherings[id].context for id in each.gathers}
        place = self.writer.directory / "gather" / str(each.number)
        if not row.get("checkpoint"):
            shutil.rmtree(place, ignore_errors=True)
        collectors: dict[str, Collector] = {
            id: step.module.collector(types[id], place / id)  # type: ignore[attr-defined]
            for id, step in steps.items()
        }
        for id, collector in collectors.items():
            if row.get("checkpoint"):
                collector.restore(row["checkpoint"]["collectors"][id])
        spills = self._spills() and each.number == 1
        fused = all(program.fused for program in programs.values())
        only = {n: _needed(p, self._columns(n, p)) for n, p in programs.items()} if fused and not self._spills() else None
        work = _gathered if fused else _gathered_in_full
        saved = time.monotonic()
        last: Read | None = None
        for read in self._reads(each, start, only):
            self.stop.check(self.run)
            if spills:
                effect("spill.keep")
                self.spool.keep(read)
            program = programs[read.source.id]
            frame = work(program, read, self._columns(read.source.id, program))
            for id, gathering in program.gatherings.items():
                collectors[id].add(gathering.of(frame), read.first_row, read.rows)
            last = read
            self._progress(each, read, {}, {})
            if time.monotonic() - saved > CHECKPOINT:
                self._checkpoint(each, read, collectors, spills)
                saved = time.monotonic()
        self._judge(each, last or _nothing(start), collectors, types, spills)

    def _columns(self, id: str, program: Program) -> Types:
        return self.prepared.columns[id] if id in self.prepared.columns else program.source.source.columns(self.context)

    def _checkpoint(self, each: Pass, read: Read, collectors: Mapping[str, Collector], spills: bool) -> None:
        if spills:
            self.spool.sync()
        state = {"collectors": {id: collector.checkpoint() for id, collector in collectors.items()}}
        with self.writer.commit("checkpoint") as tx:
            _advance(tx, each, read, state)

    def _judge(
        self, each: Pass, last: Read | None, collectors: Mapping[str, Collector], contexts: Mapping[str, Context], spills: bool
    ) -> None:
        """Let the relational steps decide, and keep what they found."""
        told: dict[str, list[Json]] = {}
        replaced: dict[str, Json] = {}
        for id, collector in collectors.items():
            module = self.plan.step(id).module
            assert isinstance(module, Relational)
            collector.checkpoint()
            if module.effect == "replace":
                folder = module.replace(collector, contexts[id])
                files = sorted(folder.glob("*.parquet"))
                replaced[id] = {"folder": str(folder), "same_rows": bool(files) and ROW in pl.read_parquet_schema(files[0])}
                continue
            verdicts = module.judge(collector, contexts[id])
            told[id] = [{"columns": list(v.columns), "expected": v.expected} for v in verdicts]
            for n, verdict in enumerate(verdicts):
                effect("rows.save")
                verdict.rows.save(self.writer.directory / f"rows-{id}-{n}.npy")
        if spills:
            self.spool.sync()
        with self.writer.commit("pass-done") as tx:
            if last is not None:
                _advance(tx, each, last, {"verdicts": told, "replaced": replaced})
            else:
                tx.execute(
                    "update pass set checkpoint_json=? where run=? and number=?",
                    _json({"verdicts": told}),
                    self.run,
                    each.number,
                )
            tx.execute("update pass set state='done', ended=? where run=? and number=?", time.time(), self.run, each.number)
            tx.event(
                "pass.done", number=each.number, found={id: [len(_rows(v, self.writer, id)) for v in [told[id]]] for id in told}
            )
        for id, collector in collectors.items():
            if id not in replaced:
                collector.close()

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
        with self.writer.commit("pass-done") as tx:
            tx.execute("update pass set state='done', ended=? where run=? and number=?", time.time(), self.run, each.number)
            tx.event("pass.done", number=each.number)

    def _worker(self, programs: Mapping[str, Program]) -> Worker:
        return Worker(self.plan, self.router, programs, self.context, self._staging(), self.writer.directory, self._raw_types())

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
        return Samples({(row["check"], row["column"]): row["n"] for row in taken}, _masked(self.plan))

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
        waiting = self._settle()
        if not waiting or self.plan.settings.publish == "decided":
            self._gate()
            self._publish()
        if waiting:
            return self._wait(waiting)
        self._discard()
        self._end("done", 0)
        return Outcome(self.run, "done", 0)

    def _gate(self) -> None:
        """Nothing is published when an error gate does not pass."""
        verdicts = self._judge_gates()
        refused = [f"{v.gate}: {v.verdict.message or v.verdict.outcome}" for v in verdicts if self._refuses(v)]
        refused += self._intolerable()
        if refused:
            self._discard()
            raise DataRefused("nothing was published: " + "; ".join(refused), hint=f"see `qpipe show {self.run}`")

    def _wait(self, waiting: Sequence[Mapping[str, Any]]) -> Outcome:
        """Questions are open: the run is parked until someone answers or a time-out does."""
        self._end("waiting", 75)
        rows = sum(q["rows"] for q in waiting)
        return Outcome(self.run, "waiting", 75, f"{len(waiting)} question{'s' * (len(waiting) > 1)} open, {rows:,} rows held",
                       f"`qpipe decisions` shows them, `qpipe decide ID CHOICE` answers, `qpipe resume {self.run}` goes on")  # fmt: skip

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
            if not new or self.conductor.ask is None:
                keep_remembered(self.journal, self.run)
                return waiting
            asked |= new
            self.conductor.ask(self.journal, self.run)

    def _answers(self) -> None:
        """Answers that are there without asking anyone: time-outs, memory files, a file of answers, a test's."""
        if not self.journal.questions(self.run, "open"):
            return
        self.journal.expire()
        self.questions.recall()
        if self.conductor.answers is not None:
            from qpipe.orchestrator.answers_file import apply_answers

            apply_answers(self.journal, self.run, self.conductor.answers)
        for question in self.journal.questions(self.run, "open"):
            if question["decision"] in self.conductor.given:
                self.journal.answer(question["id"], self.conductor.given[question["decision"]], by="the test", via="file")

    def _let_go(self, free: Sequence[Settled]) -> None:
        last = self.passes[-1]
        sent = [s for s in free if s.to is not None]
        rerun = [s for s in free if s.to is None]
        samples = self._samples()
        if sent:
            worker = self._worker(self._programs(last))
            group = going(sent)
            done = send(self.plan, group, worker, self._types(), next(iter(worker.programs.values())).watches, self._next_seq())
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

    def _judge_gates(self) -> list[Any]:
        verdicts = self.gates.judge()
        with self.writer.commit("gates") as tx:
            for v in verdicts:
                tx.event("gate.judged", gate=v.gate, outcome=v.verdict.outcome, observed=dict(v.verdict.observed),
                         expected=v.verdict.expected, message=v.verdict.message, broken_by_routing=v.broken_by_routing,
                         groups={g: {"outcome": w.outcome, "observed": dict(w.observed)} for g, w in v.groups.items()})  # fmt: skip
        return verdicts

    def _refuses(self, judged: Any) -> bool:
        level = self.plan.settings.fail_on
        outcome, severity = judged.verdict.outcome, self.plan.step(judged.gate).module.severity  # type: ignore[attr-defined]
        if level == "never" or outcome == "pass":
            return False
        return level == "warning" or outcome in ("fail", "error") or (outcome == "not evaluated" and severity == "error")

    def _intolerable(self) -> list[str]:
        """Row checks with a tolerance that was exceeded; with --strict, every error check that failed anywhere."""
        from qpipe.core.judgement import judge_rows

        told = []
        for row in self.journal.rows(
            'select "check", sum(evaluated) as e, max(failed) as f from tally where run=? group by 1', self.run
        ):
            step = next((s for s in self.plan.steps if s.id == row["check"]), None)
            module = step.module if step else None
            limited = getattr(module, "tolerance", None) is not None or self.conductor.strict
            severe = getattr(module, "severity", "error") == "error"
            if not limited or not severe or self.plan.settings.fail_on == "never" or not row["f"]:
                continue
            if module is None or not hasattr(module, "tolerance") or judge_rows(module, row["f"], row["e"]).outcome == "fail":  # type: ignore[arg-type]
                told.append(f"{row['check']}: {row['f']:,} rows failed")
        return told

    def _publish(self) -> None:
        """Show every output's rows, once. Done again after a crash, it changes nothing."""
        for id, node in self.plan.outputs.items():
            parts = [Part(r["seq"], r["path"], r["rows"], r["bytes"], r["digest"])
                     for r in self.journal.rows("select * from part where run=? and output=? order by seq", self.run, id)]  # fmt: skip
            token = hashlib.sha256(f"{self.run}/{id}/{len(parts)}".encode()).hexdigest()[:16]
            done = self.journal.rows(
                "select 1 from publication where run=? and output=? and token=? and state='done'", self.run, id, token
            )
            if done:
                continue
            told = {"output": id, "token": token, "parts": len(parts), "rows": sum(p.rows for p in parts), "at": time.time()}
            with self.writer.commit("intent") as tx:
                tx.put("publication", **told, state="intent")
                tx.update_run(stage=f"publish {id}")
            effect(f"output.{id}.publish")
            result = node.output.publish(parts, self._types_of(node), token, self.context)
            with self.writer.commit("published") as tx:
                tx.put("publication", **told, state="done", result_json=result)
                tx.event("output.published", output=id, rows=told["rows"], **{k: v for k, v in result.items() if k != "rows"})

    def _types_of(self, node: OutputNode) -> Types:
        return original_types(self._raw_types()) if node.original else self._types()

    def _raw_types(self) -> Types:
        """The columns of rows as they came, whatever source they came from; text where sources differ."""
        made = [r.types for r in self._replaced(self.passes[-1]).values() if not r.same_rows]
        return raw_types([*self.prepared.columns.values(), *made])

    def _types(self) -> Types:
        """The columns after the last step."""
        types: Types = self.prepared.union
        for step in self.plan.steps:
            types = step.module.types_after(types, table_types(self.context))
        return types

    def _discard(self) -> None:
        """The run is over: what was staged and spooled is of no more use."""
        for id, node in self.plan.outputs.items():
            parts = [Part(r["seq"], r["path"], r["rows"], r["bytes"], r["digest"])
                     for r in self.journal.rows("select * from part where run=? and output=?", self.run, id)]  # fmt: skip
            node.output.discard(parts, self.context)
            shutil.rmtree(self.writer.directory / "staged" / id, ignore_errors=True)
        for name in ("spill", "gather"):
            shutil.rmtree(self.writer.directory / name, ignore_errors=True)

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
        for check, _, _, failed in done.tallies:
            if failed:
                self.failed[check] = self.failed.get(check, 0) + failed


def batch_rows(plan: Plan, types: Types) -> int:
    """Rows in a batch: as the spec says, else fewer for wide data."""
    return plan.settings.batch_size or max(10_000, min(200_000, CELLS // max(1, len(types))))


def workers(plan: Plan) -> int:
    return plan.settings.workers or max(1, min(4, (os.cpu_count() or 2)))


def memory_mb() -> float:
    """Peak resident memory of this process."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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


def _gathered(program: Program, read: Read, columns: Types) -> pl.DataFrame:
    rows = pl.int_range(read.first_row, read.first_row + read.rows, dtype=pl.Int64, eager=True)
    frame = read.chunk.frame.lazy()
    absent = [pl.lit(None, dtype=t.polars()).alias(name) for name, t in columns.items() if name not in read.chunk.frame.columns]
    return program.gather(frame.with_columns(absent), rows).collect(engine="in-memory")


def _gathered_in_full(program: Program, read: Read, columns: Types) -> pl.DataFrame:
    rows = pl.int_range(read.first_row, read.first_row + read.rows, dtype=pl.Int64, eager=True)
    return program.run(read.chunk.frame, rows).frame


def _needed(program: Program, columns: Types) -> list[str]:
    """The columns a gathering pass must read: the optimizer's own projection of its query."""
    from polars.io.plugins import register_io_source

    schema = pl.Schema({name: t.polars() for name, t in columns.items()})
    seen: list[str] = list(columns)

    def source(with_columns: list[str] | None, predicate: Any, n_rows: Any, batch_size: Any) -> Iterator[pl.DataFrame]:
        seen[:] = with_columns if with_columns is not None else list(columns)
        yield pl.DataFrame(schema={name: schema[name] for name in seen})

    program.gather(register_io_source(source, schema=schema)).collect(engine="in-memory")
    return seen or list(columns)[:1]


def _advance(tx: Any, each: Pass, read: Read, checkpoint: Json | None) -> None:
    tx.execute(
        "update pass set source=?, position_json=?, rows=?, batches=?, checkpoint_json=coalesce(?, checkpoint_json) "
        "where run=? and number=?",
        read.source.id, _json(read.chunk.position), read.first_row + read.rows, read.seq + 1,
        None if checkpoint is None else _json(checkpoint), tx._run, each.number,
    )  # fmt: skip


def _json(value: Any) -> str:
    import json

    return json.dumps(value, default=str)


def _rows(told: Any, writer: Writer, id: str) -> RowSet:
    return RowSet.load(writer.directory / f"rows-{id}-0.npy") if told else RowSet()


def _nothing(start: Start) -> Read | None:
    return None


def union_of(plan: Plan, columns: Mapping[str, Types]) -> Types:
    """The columns that modules see: every stream's under its contract, one type for each."""
    union: dict[str, Any] = {}
    for node in plan.streams:
        declared = dict(node.types or {})
        for name, given in {**columns[node.id], **declared}.items():
            wanted = declared.get(name, given)
            known = union.setdefault(name, wanted)
            if known.polars() != wanted.polars():
                raise DataRefused(f"the column {name} is {known} in one source and {wanted} in {node.id}",
                                  hint="give it one type in the schemas of both")  # fmt: skip
            missing = name in declared and name not in columns[node.id]
            if missing and node.source.on_missing_column == "fail" and not _optional(node.source.schema, name):
                raise DataRefused(f"{node.id}: the column {name} of its schema is missing",
                                  hint=f"it has {', '.join(columns[node.id])}; mend it, or say on_missing_column: warn")  # fmt: skip
    return union


def _masked(plan: Plan) -> list[str]:
    """Columns with personal data, as the contracts say: not shown in samples."""
    schemas = [(node.source.schema or {}).items() for node in plan.streams]
    return [name for schema in schemas for name, kind in schema if isinstance(kind, dict) and kind.get("pii")]


def _optional(schema: Mapping[str, Any] | None, name: str) -> bool:
    entry = (schema or {}).get(name)
    return isinstance(entry, dict) and bool(entry.get("optional"))


def _told_types(plan: Plan, id: str, columns: Mapping[str, Types]) -> dict[str, Any]:
    node = next(n for n in plan.sources if n.id == id)
    types = {**columns.get(id, {}), **(node.types or {})}
    schema = node.source.schema or {}
    return {
        n: {"type": str(t), "pii": isinstance(schema.get(n), dict) and bool(schema[n].get("pii"))} for n, t in types.items()
    }


def _sizes(plan: Plan, context: Context) -> tuple[int | None, int | None]:
    sizes = [node.source.size(context) for node in plan.streams]
    rows = [r for r, _ in sizes]
    size = [b for _, b in sizes]
    return (None if None in rows else sum(r or 0 for r in rows)), (None if None in size else sum(b or 0 for b in size))


def _versions() -> dict[str, str]:
    import platform

    from qpipe import __version__

    return {"qpipe": __version__, "polars": pl.__version__, "python": platform.python_version()}


_STATES = {65: "refused", 75: "waiting", 130: "interrupted", 143: "interrupted"}


def _ended(writer: Writer, error: BaseException) -> Outcome:
    """Record why the run ended; it can be resumed unless it was refused."""
    from qpipe.core.errors import exit_code_of

    code = exit_code_of(error) if isinstance(error, QpipeError) else 130 if isinstance(error, KeyboardInterrupt) else 1
    state = _STATES.get(code, "failed")
    message = error.message if isinstance(error, QpipeError) else f"{type(error).__name__}: {error}"
    try:
        with writer.commit("ended") as tx:
            tx.update_run(state=state, ended=time.time(), exit_code=code, error=str(error)[:4000])
            tx.event(f"run.{state}", message=message)
    except QpipeError:
        pass  # taken over, or the journal's disk is full: what is on disk tells the rest
    return Outcome(writer.run, state, code, message, getattr(error, "hint", ""))
