"""What is done with one batch of the last pass: compute, split, stage. Pure but for the staged files, which a repeat replaces;
so batches may run side by side, and a batch that a crash cut short is simply done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qpipe.core.batch import CONFIDENCE, FILE, LINE, REASONS, ROW, SOURCE, Fault
from qpipe.core.component import Context, Part, Types
from qpipe.core.effects import effect
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.orchestrator.delivered import keep_rows, kept_steps
from qpipe.orchestrator.feed import Read, fault_marks, faults_by_row, line_of
from qpipe.orchestrator.findings import reason_type, reasons, remedy, stakes, tally, with_reason
from qpipe.orchestrator.gates import BOTH, DELIVERED, PASSED, Figures, Sheet, measure, sheets
from qpipe.orchestrator.program import CONTRACT, LEAVES, Computed, Flag, Program, gone
from qpipe.orchestrator.router import HELD, ROUTE, WARNED, Router, confidence
from qpipe.spec.plan import OutputNode, Plan

SAMPLE = 5000  # rows kept of the delivered and of the quarantined ones: those with the lowest hash of _row


@dataclass(frozen=True)
class Done:
    """A batch of the last pass, staged, ready to be committed."""

    read: Read
    program: Program
    computed: Computed
    tallies: list[tuple[str, str, int, int, str | None]]  # the source where there are several
    routes: dict[str, int]  # route name → rows
    parts: dict[str, Part]  # output → what was staged
    figures: dict[str, Figures]  # by stage
    held: pl.DataFrame | None  # rows that wait for a person, with the hidden column __route
    seconds: float
    stakes: list[tuple[str, str, str, int, int, float]] = field(default_factory=list)
    warned: dict[str, str] = field(default_factory=dict)  # route that only warns → what it says of the batch


class RouteRefuses(DataRefused):
    """A row went a way that leads to ``fail``: nothing of the run will be published."""


def in_order(reads: Iterator[Read], work: Callable[[Read], Done], count: int) -> Iterator[Done]:
    """Results in the order of the batches, ``count`` in the making: one more waits, so that none idles during a commit.

    Also one alone is made in a thread: the main one hears signals only while it is not in a query itself.
    """
    most = count + 1 if count > 1 else 0
    with ThreadPoolExecutor(count, thread_name_prefix="qpipe-work") as pool:
        waiting: list[Future[Done]] = []
        try:
            for read in reads:
                waiting.append(pool.submit(work, read))
                if len(waiting) > most:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


@dataclass
class Worker:
    """Everything a batch needs, the same for all batches of a pass."""

    plan: Plan
    router: Router
    programs: Mapping[str, Program]  # by source
    context: Context
    staging: Mapping[str, Path]  # by output
    spool: Path
    raw_types: Types  # the columns of rows as they came, from whichever source
    lowest: dict[bool, pl.Series] = field(default_factory=dict)  # hashes of the rows sampled so far, sorted

    @cached_property
    def keeps_rows(self) -> bool:
        """Whether a rule may ask later which rows were delivered."""
        return self.plan.replay is not None or bool(kept_steps(self.plan))

    @cached_property
    def sheets(self) -> dict[str, list[Sheet]]:
        """The gates, by source."""
        return {source: sheets(program.watches) for source, program in self.programs.items()}

    def do(self, read: Read) -> Done:
        began = time.perf_counter()
        program, raw = self.programs[read.source.id], read.chunk.frame
        faults = faults_by_row(read.chunk.faults)
        computed = program.run(raw, read.index, fault_marks(faults, raw.height))
        self._refuse(read, program, computed, faults)
        frame = _with_left(_alive(program, computed.frame), computed.left)
        split = Split(self, program, read, frame, faults)
        split.stop()
        figures = split.figures(computed)
        parts = split.stage()
        if self.keeps_rows:
            keep_rows(split.rows_delivered(), self.spool, read.seq)
        split.sample()
        alone = len(self.plan.streams) == 1
        tallies = [(*counted, None if alone else read.source.id) for counted in tally(program, computed)]
        staked = stakes(program, computed) if program.stakes else []
        shown = replace(computed, frame=_with_left(computed.frame, computed.left))
        return Done(read, program, shown, tallies, split.routes(), parts, figures, split.held(),
                    time.perf_counter() - began, staked, split.warned())  # fmt: skip

    def reach(self) -> int:
        """The highest hash that can still matter to either kind of row."""
        ends = [
            seen[-1] if seen.len() == SAMPLE else 1 << 32
            for seen in (self.lowest.get(k) for k in (False, True))
            if seen is not None
        ]
        return int(max(ends)) if len(ends) == 2 else 1 << 32

    def limit(self, kind: bool, hashes: pl.Series) -> int:
        """The highest hash that can still be among the lowest of the run: more may be kept, never fewer."""
        seen = self.lowest.get(kind)
        near = hashes if seen is None or seen.len() < SAMPLE else hashes.filter(hashes <= seen[-1])
        self.lowest[kind] = merged = (near if seen is None else pl.concat([seen, near])).sort().head(SAMPLE)
        return int(merged[-1]) if merged.len() else -1

    def _refuse(self, read: Read, program: Program, computed: Computed, faults: Mapping[int, Sequence[Fault]]) -> None:
        """Where the source says ``on_malformed: fail``: the first malformed row stops the run, resumably."""
        if read.source.source.on_malformed != "fail":
            return
        for flag in program.flags:
            if (
                flag.check == CONTRACT
                and flag.bad in computed.frame.columns
                and (at := computed.frame[flag.bad].arg_true()).len()
            ):
                row = int(at[0])
                told = faults[row][0].message if row in faults else _unfit(flag, read, computed.frame[ROW][row])
                raise DataRefused(f"{read.source.id}: {told}", file=read.chunk.file, line=line_of(read.chunk, row),
                                  hint="mend the row, or say on_malformed: quarantine")  # fmt: skip


def _unfit(flag: Flag, read: Read, row: int) -> str:
    """What is said of a cell that is no value of its type."""
    value = read.chunk.as_it_came(read.offsets(pl.Series([row])))[flag.column][0]
    return f"{flag.column} does not parse, expected {flag.expected}{remedy(flag.expected, value)}"


class Split:
    """A computed frame, cut by route, each cut made once."""

    def __init__(
        self, worker: Worker, program: Program, read: Read, frame: pl.DataFrame, faults: Mapping[int, Sequence[Fault]]
    ):
        self._worker, self._program, self._read, self._frame, self._faults = worker, program, read, frame, faults
        self._codes = frame[ROUTE]
        counted = self._codes.value_counts()
        self._counts = dict(zip(counted[ROUTE].to_list(), counted["count"].to_list(), strict=True))
        self._cuts: dict[tuple[tuple[int, ...], bool], pl.DataFrame] = {}

    def stop(self) -> None:
        """End the run when a row goes a way that says so."""
        for code, route in enumerate(self._worker.plan.routes):
            if route.stops and self._counts.get(code):
                at = int(self._frame[ROW].filter(self._codes == code)[0])
                _, file, line = self._read.whereabouts(self._read.offsets(pl.Series([at])))
                when = f"when {route.when}" if route.when is not None else "where no other is"
                raise RouteRefuses(f"{self._read.source.id}: route {route.id} refuses the data", file=file[0], line=line[0],
                                  hint=f"this is the first row that goes there: it is taken {when}")  # fmt: skip

    def routes(self) -> dict[str, int]:
        """Rows by route: the outputs it leads to, or what it waits for."""
        named: dict[str, int] = {}
        for code, count in self._counts.items():
            name = route_name(self._worker.plan, code)
            named[name] = named.get(name, 0) + count
        return dict(sorted(named.items()))

    def warned(self) -> dict[str, str]:
        """What routes that only warn say of the batch."""
        told = {}
        for code, route in enumerate(self._worker.plan.routes):
            if route.warns and (count := int(self._frame[f"{WARNED}{code}"].sum())):
                rows = f"{count:,} of {self._frame.height:,} rows of batch {self._read.seq}"
                told[route.id] = f"route {route.id} warns of {rows}: {route.when}"
        return told

    def stage(self) -> dict[str, Part]:
        parts = {}
        for output in self._worker.plan.outputs.values():
            rows = self._rows_for(output)
            if rows is None or not rows.height:
                continue
            context = self._worker.context.but(types=self._worker.raw_types if output.original else self._program.types)
            effect(f"output.{output.id}.stage")
            parts[output.id] = output.output.stage(rows, self._read.seq, self._worker.staging[output.id], context)
        return parts

    def figures(self, computed: Computed) -> dict[str, Figures]:
        """The gates' figures of all rows that passed them, and of those that are delivered. No row is measured twice.

        To a gate before a step that makes rows anew, the rows that the step took are delivered.
        """
        sheets = self._worker.sheets[self._read.source.id]
        found = self._figures([sheet for sheet in sheets if sheet.before not in computed.taken], computed.frame)
        for step, (taken, out) in computed.taken.items():
            early = [sheet for sheet in sheets if sheet.before == step]
            found[BOTH] = {**found.get(BOTH, {}), **measure(early, taken)}
            found[PASSED] = {**found.get(PASSED, {}), **measure(early, out)}
        return found

    def _figures(self, sheets: Sequence[Sheet], computed: pl.DataFrame) -> dict[str, Figures]:
        delivered = self._delivered()
        if computed.height != self._frame.height:  # a step has dropped some, perhaps after a gate
            return {PASSED: measure(sheets, computed), DELIVERED: measure(sheets, delivered)}
        codes = self._delivered_codes()
        others = self._cut(tuple(c for c in self._counts if c not in codes))
        found = {BOTH: measure(sheets, delivered)}
        return found | ({PASSED: measure(sheets, others)} if others.height else {})

    def rows_delivered(self) -> pl.Series:
        return self._delivered()[ROW]

    def _delivered(self) -> pl.DataFrame:
        """The rows that go to an output which is not a quarantine."""
        return self._cut(self._delivered_codes(), found=False)

    def _delivered_codes(self) -> tuple[int, ...]:
        plan = self._worker.plan
        codes = [n for n, route in enumerate(plan.routes) if any(not plan.outputs[o].original for o in route.to)]
        return tuple(c for c in codes if c in self._counts)

    def held(self) -> pl.DataFrame | None:
        """Rows that wait: final columns and flags, the row as it came, where it stood and why."""
        codes = tuple(c for c in self._counts if c == HELD or self._worker.plan.routes[c].ask)
        if not codes:
            return None
        rows = self._cut(codes)
        raw = self._raw(rows)
        sure = confidence(self._program.flags).alias(CONFIDENCE)
        return rows.with_columns(raw.to_struct("__raw"), sure, *self._provenance(rows, raw))

    def sample(self) -> None:
        """Keep the rows with the lowest hash of ``_row``: the same rows whatever the batches (bottom-k sampling)."""
        plan = self._worker.plan
        hashes = (self._frame[ROW] * 2654435761) % (1 << 32)
        near = (hashes <= self._worker.reach()).arg_true()
        codes, hashes = self._codes.gather(near), hashes.gather(near)
        original = [n for n, r in enumerate(plan.routes) if r.to and all(plan.outputs[o].original for o in r.to)]
        quarantined = codes.is_in(original)
        kept = pl.repeat(False, near.len(), dtype=pl.Boolean, eager=True)
        for kind in (False, True):
            kept = kept | ((quarantined == kind) & (hashes <= self._worker.limit(kind, hashes.filter(quarantined == kind))))
        if kept.any():
            names = {n: route_name(plan, n) for n in self._counts}
            rows = self._frame[near.filter(kept)].select(
                ROW, pl.col(ROUTE).replace_strict(names, return_dtype=pl.String).alias("_route"), *self._program.types
            )
            rows.write_parquet(self._worker.spool / "sample" / f"{self._read.seq:06d}.parquet", statistics=False)

    def _rows_for(self, output: OutputNode) -> pl.DataFrame | None:
        codes = tuple(c for c in self._counts if c != HELD and feeds(self._worker.plan, c, output.id))
        if not codes:
            return None
        told = output.output.provenance
        rows = self._cut(codes, found=output.original or bool(told))
        raw = self._raw(rows) if output.original or "reasons" in told else None
        if not output.original:
            places = self._provenance(rows, raw) if told else ()
            sure = [confidence(self._program.flags).alias(CONFIDENCE)] if "confidence" in told else []
            return rows.with_columns(*places, *sure).select(*self._program.types, *provenance_types(told))
        assert raw is not None
        *where, why = self._provenance(rows, raw)
        return raw.with_columns(rows[ROW], *where, self._with_route(why, rows))

    def _with_route(self, told: pl.Series, rows: pl.DataFrame) -> pl.Series:
        """Reasons; where no check found anything, the condition of the route is the reason."""
        silent = told.list.len() == 0
        if not silent.any():
            return told
        when = {n: f"sent here when {route.when}" for n, route in enumerate(self._worker.plan.routes) if route.when is not None}
        codes = rows[ROUTE].cast(pl.Int32).zip_with(silent, pl.repeat(-1, rows.height, dtype=pl.Int32, eager=True))
        names = {n: self._worker.plan.routes[n].id for n in when}
        by, words = (codes.replace_strict(each, default=None, return_dtype=pl.String) for each in (names, when))
        return with_reason(told, by, words)

    def _cut(self, codes: tuple[int, ...], *, found: bool = True) -> pl.DataFrame:
        """The rows of some routes, with or without the columns that say what was found in them."""
        frame = self._frame if found else self._bare
        if len(codes) == len(self._counts):
            return frame
        if (codes, found) not in self._cuts:
            mine = self._codes == codes[0] if len(codes) == 1 else self._codes.is_in(list(codes))
            self._cuts[codes, found] = frame.filter(mine)
        return self._cuts[codes, found]

    @cached_property
    def _bare(self) -> pl.DataFrame:
        hidden = {name for flag in self._program.flags for name in (flag.bad, flag.judged, flag.said)}
        return self._frame.select(name for name in self._frame.columns if name not in hidden)

    def _raw(self, rows: pl.DataFrame) -> pl.DataFrame:
        return conformed(self._read.chunk.as_it_came(self._read.offsets(rows[ROW])), self._worker.raw_types)

    def _provenance(self, rows: pl.DataFrame, raw: pl.DataFrame | None) -> list[pl.Series]:
        """Where each row stood, and, as its text is given, why it is here."""
        offsets = self._read.offsets(rows[ROW])
        if raw is None:
            return self._read.whereabouts(offsets)
        places = {int(offset): n for n, offset in enumerate(offsets.to_list())} if self._faults else {}
        faults = {places[row]: found for row, found in self._faults.items() if row in places}
        return [*self._read.whereabouts(offsets), reasons(self._program.flags, rows, raw, faults).alias(REASONS)]


def feeds(plan: Plan, code: int, output: str) -> bool:
    """Whether rows of a route reach an output, directly or by ``from:``."""
    wanted = {output}
    follows = plan.outputs[output].follows
    while follows is not None and follows not in wanted:
        wanted.add(follows)
        follows = plan.outputs[follows].follows
    return any(o in wanted for o in plan.routes[code].to)


def route_name(plan: Plan, code: int) -> str:
    """How a route is called in counts: its outputs, or "held:" and what it waits for."""
    if code == HELD:
        return "held"
    route = plan.routes[code]
    return f"held:{route.ask}" if route.ask else "fail" if route.stops else "+".join(route.to) or "drop"


def raw_types(sources: Sequence[Types]) -> Types:
    """The columns of rows as they came, of all sources together; text where two differ."""
    from qpipe.core.types import DataType

    union: dict[str, DataType] = {}
    for types in sources:
        for name, kind in types.items():
            same = name not in union or union[name].polars() == kind.polars()
            union[name] = kind if same else DataType.parse("string")
    return union


def conformed(raw: pl.DataFrame, types: Types) -> pl.DataFrame:
    """Rows as they came, with the columns that all sources have together."""
    if raw.columns == list(types):
        return raw
    absent = [pl.lit(None, dtype=types[name].polars()).alias(name) for name in types if name not in raw.columns]
    differ = [pl.col(n).cast(types[n].polars()) for n in raw.columns if n in types and raw.schema[n] != types[n].polars()]
    return raw.with_columns(absent + differ).select(list(types))


def original_types(columns: Types) -> dict[str, Any]:
    """The columns of an output that keeps rows as they came: the source's, and where, and why."""
    return {**columns, **provenance_types(("row", "source", "file", "line", "reasons"))}


def provenance_types(told: Sequence[str]) -> dict[str, Any]:
    """The columns that say where a row came from, how sure it is, and what was found."""
    from qpipe.core.types import DataType

    words = {"row": (ROW, "int"), "source": (SOURCE, "string"), "file": (FILE, "string"), "line": (LINE, "int"),
             "confidence": (CONFIDENCE, "float")}  # fmt: skip
    named = {name: DataType.parse(word) for name, word in (words[each] for each in told if each in words)}
    return {**named, REASONS: DataType.of(reason_type())} if "reasons" in told else named


def _alive(program: Program, frame: pl.DataFrame) -> pl.DataFrame:
    dropped = gone(program.drops, frame)
    return frame if dropped is None else frame.filter(~dropped)


def _with_left(frame: pl.DataFrame, left: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows in their order, with those that left before a step: what came after it found nothing in them."""
    if not left:
        return frame

    def at_the_end(name: str, dtype: pl.DataType, rows: pl.DataFrame) -> pl.Expr:
        if name == ROUTE:
            return pl.col(LEAVES).alias(name)
        if rows.schema.get(name) == dtype:
            return pl.col(name)
        return pl.lit(False if name.startswith("__") and dtype == pl.Boolean else None, dtype=dtype).alias(name)

    aligned = [rows.select(at_the_end(name, dtype, rows) for name, dtype in frame.schema.items()) for rows in left]
    return pl.concat([frame, *aligned]).sort(ROW, maintain_order=True)
