"""A gathering pass: what relational steps need of every row goes to their collectors; then they decide."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from qpipe.core.batch import ROW, Json
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.effects import effect
from qpipe.core.gather import Collector
from qpipe.core.lazy import pl
from qpipe.core.rowset import RowSet
from qpipe.orchestrator.delivered import GATHERED, Gathered, beside, is_kept, judged_beside, words_of
from qpipe.orchestrator.feed import Read, fault_marks, faults_by_row
from qpipe.orchestrator.passes import Pass
from qpipe.orchestrator.program import Gathering, Program
from qpipe.orchestrator.writer import Writer
from qpipe.spec.plan import Plan

CHECKPOINT = 2.0  # seconds between two checkpoints of a gathering pass
SIDE = 2  # threads that make what is to be kept of batches


def fill(
    collectors: Collectors,
    reads: Iterator[Read],
    keep: Callable[[Read], None] | None,
    tell: Callable[[Read], None],
    sync: Callable[[], None],
    checkpoint: Callable[[Read, Json], None],
) -> Read | None:
    """Gather all batches, ``keep`` them for later passes, and ``tell`` of each that is written; the last one.

    What is to be kept of a batch is made while that of the one before is written. Now and then what is written is brought
    to the disk, what was kept by ``sync``, and once it is there, ``checkpoint`` is told: a later attempt goes on from there.
    """
    last: Read | None = None
    coming: deque[tuple[Read, Mapping[str, Future[Any]], Future[None] | None]] = deque()

    def write(most: int) -> None:
        nonlocal last
        while len(coming) > most:
            last, packed, kept = coming.popleft()
            collectors.add(last, packed)
            if kept:
                kept.result()
            tell(last)

    with (
        ThreadPoolExecutor(SIDE, "qpipe-gather") as side,
        ThreadPoolExecutor(1, "qpipe-keep") as keeping,
        ThreadPoolExecutor(1, "qpipe-sync") as syncing,
    ):
        saving = _Saving(collectors, syncing, sync, checkpoint)
        for read in reads:
            coming.append((read, collectors.pack(read, side), keeping.submit(keep, read) if keep else None))
            write(1)
            saving.go_on(last)
        write(0)
    return last


class _Saving:
    """The checkpoints of a pass, one at a time: what is written goes to the disk in another thread, then it is told."""

    def __init__(
        self,
        collectors: Collectors,
        syncing: Executor,
        sync: Callable[[], None],
        checkpoint: Callable[[Read, Json], None],
    ) -> None:
        self._collectors, self._syncing, self._sync, self._checkpoint = collectors, syncing, sync, checkpoint
        self._under_way: tuple[Future[None], Read, Json] | None = None
        self._saved = time.monotonic()

    def go_on(self, last: Read | None) -> None:
        """Tell of the one that is on the disk by now; begin another when it is time."""
        if self._under_way and self._under_way[0].done():
            synced, read, state = self._under_way
            synced.result()
            self._checkpoint(read, state)
            self._under_way, self._saved = None, time.monotonic()
        if last and not self._under_way and time.monotonic() - self._saved > CHECKPOINT:
            state = self._collectors.state()
            self._under_way = self._syncing.submit(self._bring), last, state

    def _bring(self) -> None:
        self._sync()
        self._collectors.sync()


class Collectors:
    """The collectors of one pass. What was added before a checkpoint is not gathered again after a crash."""

    def __init__(
        self, plan: Plan, each: Pass, programs: Mapping[str, Program], context: Context, writer: Writer, checkpoint: Json | None
    ) -> None:
        self._plan, self._programs, self._context, self._writer = plan, programs, context, writer
        self._place = place = writer.directory / GATHERED / str(each.number)
        if not checkpoint:
            shutil.rmtree(place, ignore_errors=True)
        self._rows = (checkpoint or {}).get("rows", 0)
        self.alone: list[str] = []  # steps that could not look at what was delivered before the rows of a replay
        gatherings = next(iter(programs.values())).gatherings
        self._contexts: dict[str, Context] = {id: gatherings[id].context for id in each.gathers}
        self._collectors: dict[str, Collector] = {
            id: self._module(id).collector(self._contexts[id], place / id) for id in each.gathers
        }
        for id, state in (checkpoint or {}).get("collectors", {}).items():
            self._collectors[id].restore(state)
        self.fused = all(program.fused for program in programs.values())

    def wanted(self) -> dict[str, Sequence[str]]:
        """The columns of each source that a fused pass must read."""
        return {id: needed(program, program.columns) for id, program in self._programs.items()}

    def pack(self, read: Read, side: Executor) -> dict[str, Future[Any]]:
        """What each collector will keep of a batch, made in other threads."""
        program = self._programs[read.source.id]
        frame = _fused(program, read, program.columns) if self.fused else _in_full(program, read)
        return {
            id: side.submit(_packed, self._collectors[id], gathering, frame) for id, gathering in program.gatherings.items()
        }

    def add(self, read: Read, packed: Mapping[str, Future[Any]]) -> None:
        """Keep that, in the order of the batches."""
        for id, each in packed.items():
            self._collectors[id].add(each.result())
        self._rows = read.first_row + read.rows

    def state(self) -> Json:
        """What a later attempt needs to go on from here, once ``sync`` has been through."""
        return {"collectors": {id: collector.state() for id, collector in self._collectors.items()}, "rows": self._rows}

    def sync(self) -> None:
        """Bring to the disk what was added before; more may be added meanwhile."""
        for collector in self._collectors.values():
            collector.sync()

    def judge(self) -> Json:
        """Let the relational steps decide, and keep what they found: rows as bitmaps, results as Parquet."""
        with ThreadPoolExecutor(1, thread_name_prefix="qpipe-keep") as side:
            return self._judged(self._kept(side))

    def _kept(self, side: Executor) -> dict[str, Future[Json]]:
        """The state of what a later attempt, and rows that come back, will ask for: brought to the disk beside the judging."""
        states: dict[str, Future[Json]] = {}
        for id, collector in self._collectors.items():
            if is_kept(self._plan, self._module(id)):
                states[id] = side.submit(_brought, collector)
                if collector.shares:
                    states[id].result()
        return states

    def _judged(self, states: Mapping[str, Future[Json]]) -> Json:
        verdicts: dict[str, list[Json]] = {}
        replaced: dict[str, Json] = {}
        for id, collector in self._collectors.items():
            module, context = self._module(id), self._contexts[id]
            if module.effect == "replace":
                folder = module.replace(collector, context)
                files = sorted(folder.glob("*.parquet"))
                replaced[id] = {"folder": str(folder), "same_rows": bool(files) and ROW in pl.read_parquet_schema(files[0])}
                continue
            verdicts[id] = []
            for n, verdict in enumerate(self._verdicts(id, collector, states)):
                effect("rows.save")
                verdict.rows.save(self._writer.directory / f"rows-{id}-{n}.npy")
                told = {"columns": list(verdict.columns), "expected": verdict.expected, "rows": len(verdict.rows)}
                told |= {"notes": verdict.notes} if verdict.notes else {}
                verdicts[id].append(told)
        kept = {
            id: {"state": state.result(), "words": words_of(self._module(id), self._contexts[id])}
            for id, state in states.items()
        }
        return {"verdicts": verdicts, "replaced": replaced, "kept": kept}

    def _verdicts(self, id: str, collector: Collector, states: Mapping[str, Future[Json]]) -> Sequence[RowVerdict]:
        module, context = self._module(id), self._contexts[id]
        earlier = beside(self._writer.journal, self._plan, id, context)
        if self._plan.replay and module.effect != "replace" and not earlier:
            self.alone.append(id)
        if not earlier:
            return module.judge(collector, context)
        own = Gathered(self._place / id, states[id].result(), RowSet.first(self._rows))
        return judged_beside(module, own, earlier, context, self._place / id / "beside")

    def close(self) -> None:
        for id, collector in self._collectors.items():
            module = self._module(id)
            if module.effect != "replace" and not is_kept(self._plan, module):
                collector.close()

    def _module(self, id: str) -> Relational:
        module = self._plan.step(id).module
        assert isinstance(module, Relational)
        return module


def _brought(collector: Collector) -> Json:
    """Its state, on the disk."""
    state = collector.state()
    collector.sync()
    return state


def _packed(collector: Collector, gathering: Gathering, frame: pl.DataFrame) -> Any:
    return collector.pack(gathering.of(frame))


def _fused(program: Program, read: Read, columns: Types) -> pl.DataFrame:
    rows = pl.int_range(read.first_row, read.first_row + read.rows, dtype=pl.Int64, eager=True)
    frame = read.chunk.frame.lazy()
    absent = [pl.lit(None, dtype=t.polars()).alias(name) for name, t in columns.items() if name not in read.chunk.frame.columns]
    return program.gather(frame.with_columns(absent), rows, _faults(read)).collect(engine="in-memory")


def _in_full(program: Program, read: Read) -> pl.DataFrame:
    rows = pl.int_range(read.first_row, read.first_row + read.rows, dtype=pl.Int64, eager=True)
    return program.run(read.chunk.frame, rows, _faults(read)).frame


def _faults(read: Read) -> pl.Series | None:
    return fault_marks(faults_by_row(read.chunk.faults), read.rows)


def needed(program: Program, columns: Types) -> list[str]:
    """The columns a gathering pass must read: the optimizer's own projection of its query."""
    from polars.io.plugins import register_io_source

    schema = pl.Schema({name: t.polars() for name, t in columns.items()})
    seen: list[str] = list(columns)

    def source(with_columns: list[str] | None, predicate: Any, n_rows: Any, batch_size: Any) -> Iterator[pl.DataFrame]:
        seen[:] = with_columns if with_columns is not None else list(columns)
        yield pl.DataFrame(schema={name: schema[name] for name in seen})

    program.gather(register_io_source(source, schema=schema)).collect(engine="in-memory")
    return seen or list(columns)[:1]
