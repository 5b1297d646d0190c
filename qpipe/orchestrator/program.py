"""A plan's steps as one lazy Polars query per batch and stretch of row-by-row steps: what ``fuse`` makes, and how it runs.

A ``Program`` is compiled once for a source and run for every batch; it is pure, so batches may run side by side. Rows are
never moved inside it: a step that drops rows raises a flag, so that row i of the result is row i of what came in, and every
check's count is exact. Flags travel as hidden columns:

    __f<n>  true where rule n is broken        __w<n>  true where rule n was judged (its ``where``)
    __d<n>  true where step n drops the row    __a<n>  true where step n must ask; __v<n> the value it asks about
    __b<n>  true where a user's own code broke; __e<n> what it said
    __s<n>_<column>  a column as it was when a gate saw it, where a later step may change it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qpipe.core.batch import ROW, Severity
from qpipe.core.component import Ask, Context, Types
from qpipe.core.errors import QpipeError
from qpipe.core.expression import Expression
from qpipe.core.lazy import pl
from qpipe.core.rowset import RowSet
from qpipe.spec.plan import SourceNode, StepNode

LEAVES = "__leaves"  # the number of the route that a row takes before a step which makes rows anew
CONTRACT = "contract"  # the check that cells parse and lines have their shape


@dataclass(frozen=True)
class Flag:
    """A rule in a program: which check it belongs to, and where its result stands."""

    check: str
    column: str  # the chief column; "" where none is
    columns: tuple[str, ...]
    severity: Severity
    expected: str
    message: str | None
    weight: float
    bad: str  # hidden column
    judged: str | None = None  # hidden column of its ``where``
    after: tuple[str, ...] = ()  # drop flags raised before it
    said: str | None = None  # hidden column of what is told in place of a value
    notes: Mapping[int, str] | None = None  # row → what was expected there


@dataclass(frozen=True)
class Stake:
    """What a check counts beside its rows: by group, and what is at stake in them."""

    flags: tuple[Flag, ...]
    group: str | None  # hidden column: a struct of texts
    impact: str | None  # hidden column


@dataclass(frozen=True)
class Drop:
    step: str
    flag: str


@dataclass(frozen=True)
class Asking:
    step: str
    ask: Ask
    flag: str
    value: str


@dataclass(frozen=True)
class Watch:
    """A gate, and under which names it finds its columns at the end."""

    step: StepNode
    context: Context
    columns: Mapping[str, str]  # its column → column of the result
    where: Expression | None
    after: tuple[str, ...]
    before: str = ""  # the step that takes the rows and makes others of them


@dataclass(frozen=True)
class Gathering:
    """What a relational step gathers: its names, and under which hidden columns they stand."""

    step: StepNode
    context: Context
    columns: Mapping[str, str]
    where: str | None  # hidden column
    after: tuple[str, ...]  # drop flags raised before it
    leaves: bool = False  # whether rows leave before it

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``_row`` and the gathered columns of the rows that the step looks at."""
        if self.leaves:
            frame = frame.filter(pl.col(LEAVES).is_null())
        gone = [name for name in self.after if name in frame.columns]
        if gone:
            frame = frame.filter(~pl.any_horizontal(gone).fill_null(False))
        if self.where is not None:
            frame = frame.filter(pl.col(self.where).fill_null(False))
        return frame.select(ROW, *[pl.col(now).alias(name) for name, now in self.columns.items()])


@dataclass(frozen=True)
class Computed:
    """What came of a batch: rows that are still there, and the flags of rows that a Python step left behind."""

    frame: pl.DataFrame
    removed: tuple[pl.DataFrame, ...] = ()
    left: tuple[pl.DataFrame, ...] = ()  # rows that were routed before a step which makes rows anew, as they were there
    taken: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]] = field(default_factory=dict)  # step → rows it took, and such rows
    dropped: Mapping[str, int] = field(default_factory=dict)  # step → rows
    created: Mapping[str, int] = field(default_factory=dict)


Query = Callable[["pl.LazyFrame"], "pl.LazyFrame"]
Finish = Callable[["Program", Types], "list[list[pl.Expr]]"]
Leaving = Callable[["Program", Types], "pl.Expr | None"]


@dataclass(frozen=True)
class Whole:
    """A stage that is no lazy query: a Python step, or rows that SQL has made out of all rows."""

    step: str
    process: Callable[[pl.DataFrame], pl.DataFrame]  # rows are told by ``_row``
    leaves: bool = False  # whether rows leave before it: those that ``LEAVES`` gives a route
    anew: bool = False  # whether its rows are others than those it takes


@dataclass(frozen=True)
class Replaced:
    """What took the place of the data set at a step: a folder of Parquet files."""

    folder: Path
    types: Types
    same_rows: bool  # the result has ``_row``: its rows are rows of before; else they are new ones


@dataclass
class Program:
    """Steps compiled for one source: stretches of fused queries with whole stages between them."""

    source: SourceNode
    stages: list[Query | Whole] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    asks: list[Asking] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    stakes: list[Stake] = field(default_factory=list)
    gatherings: dict[str, Gathering] = field(default_factory=dict)
    columns: Types = field(default_factory=dict)  # what the source delivers
    types: Types = field(default_factory=dict)  # after the last step
    masks: dict[str, RowSet] = field(default_factory=dict)  # hidden column → rows that relational steps found

    def run(self, raw: pl.DataFrame, rows: pl.Series, fault: pl.Series | None = None) -> Computed:
        """Final columns, ``_row`` and flags, for a frame as it came, its row ordinals and which rows had a fault."""
        none = pl.repeat(False, rows.len(), dtype=pl.Boolean, eager=True)
        frame = raw.with_columns(rows.alias(ROW), (none if fault is None else fault).alias("__fault"), *self._masks(rows))
        removed: list[pl.DataFrame] = []
        left: list[pl.DataFrame] = []
        taken: dict[str, tuple[pl.DataFrame, pl.DataFrame]] = {}
        dropped: Counter[str] = Counter()
        created: Counter[str] = Counter()
        for stage in self.stages:
            if isinstance(stage, Whole):
                out = frame.clear()
                if stage.leaves:
                    dropped_before = gone(self.drops, frame)
                    leaves = pl.col(LEAVES).is_not_null()
                    leaves = leaves if dropped_before is None else leaves & ~dropped_before
                    out, frame = frame.filter(leaves), frame.filter(~leaves)
                if out.height:
                    left.append(out)
                    removed.append(out.select(ROW, *hidden(out.columns)))
                if stage.anew:
                    taken[stage.step] = frame, out
                frame = self._whole(stage, frame, removed, dropped, created)
            else:
                frame = stage(frame.lazy()).collect(engine="in-memory")
        frame = self._leave(frame, dropped, None)
        return Computed(frame, tuple(removed), tuple(left), taken, dict(dropped), dict(created))

    def gather(self, raw: pl.LazyFrame, rows: pl.Series | None = None, fault: pl.Series | None = None) -> pl.LazyFrame:
        """What the gatherings need, as one lazy query over a frame as it came: only columns that matter are touched."""
        frame = raw.with_columns(
            pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW) if rows is None else rows.alias(ROW),
            (pl.lit(False) if fault is None else fault).alias("__fault"),
            *(self._masks(rows) if rows is not None else [pl.lit(False).alias(name) for name in self.masks]),
        )
        for stage in self.stages:
            assert not isinstance(stage, Whole), "only fused stages can be one lazy query"
            frame = stage(frame)
        return frame.select(ROW, *self._gathered())

    def _gathered(self) -> list[str]:
        names = [now for g in self.gatherings.values() for now in (*g.columns.values(), *g.after)]
        names += [LEAVES for g in self.gatherings.values() if g.leaves]
        return list(dict.fromkeys(names + [g.where for g in self.gatherings.values() if g.where]))

    @property
    def fused(self) -> bool:
        return not any(isinstance(stage, Whole) for stage in self.stages)

    def _masks(self, rows: pl.Series) -> list[pl.Series]:
        if not self.masks or rows.len() == 0:
            return [pl.Series(name, [], dtype=pl.Boolean) for name in self.masks]
        first, last = int(rows[0]), int(rows[-1])
        if last - first + 1 == rows.len():
            return [_mask(found, first, rows.len()).alias(name) for name, found in self.masks.items()]
        offsets = rows - rows.min()
        low, count = int(rows.min()), int(offsets.max()) + 1  # type: ignore[arg-type]
        return [found.mask(low, count).gather(offsets).alias(name) for name, found in self.masks.items()]

    def _leave(self, frame: pl.DataFrame, dropped: Counter[str], removed: list[pl.DataFrame] | None) -> pl.DataFrame:
        """Count the dropped rows by step. They go at the end of the last stage, or, kept aside, before a Python step."""
        flags = [d for d in self.drops if d.flag in frame.columns]
        if not flags:
            return frame
        gone = pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
        for drop in flags:
            newly = frame[drop.flag] & ~gone
            dropped[drop.step] += int(newly.sum())
            gone = gone | newly
        if removed is None or not gone.any():
            return frame
        removed.append(frame.filter(gone).select(ROW, *hidden(frame.columns)))
        return frame.filter(~gone)

    def _whole(
        self, stage: Whole, frame: pl.DataFrame, removed: list[pl.DataFrame], dropped: Counter[str], created: Counter[str]
    ) -> pl.DataFrame:
        """Process the rows that are still there; hidden columns wait outside and come back by ``_row``."""
        seen = self._leave(frame, dropped, removed)
        aside = seen.select(ROW, *hidden(seen.columns))
        made = stage.process(seen.drop(hidden(seen.columns)))
        if ROW not in made.columns:
            if made.height != seen.height:
                raise QpipeError(f"{stage.step}: {made.height} rows came back for {seen.height}, without {ROW}",
                                 hint=f"keep the column {ROW} when rows are dropped, repeated or reordered")  # fmt: skip
            made = made.with_columns(seen[ROW])
        lost = aside.join(made.select(ROW), on=ROW, how="anti", maintain_order="left")
        if lost.height:
            removed.append(lost)
            dropped[stage.step] += lost.height
        if (more := made.height - (seen.height - lost.height)) > 0:
            created[stage.step] += more
        if made[ROW].equals(aside[ROW]):
            return made.hstack(aside.drop(ROW))
        return made.join(_one_each(aside), on=ROW, how="left", maintain_order="left")


def gone(drops: Sequence[Drop], frame: pl.DataFrame) -> pl.Expr | None:
    """Whether a step has dropped a row; None where no step before has dropped any."""
    flags = [drop.flag for drop in drops if drop.flag in frame.columns]
    return pl.any_horizontal(flags).fill_null(False) if flags else None


def _one_each(aside: pl.DataFrame) -> pl.DataFrame:
    """One line for each ``_row``: of rows with one origin, a flag of any is a flag of all."""
    if aside[ROW].n_unique() == aside.height:
        return aside
    flags = [pl.col(name).any() if dtype == pl.Boolean else pl.col(name).first() for name, dtype in aside.schema.items()]
    return aside.group_by(ROW, maintain_order=True).agg(
        flag for flag, name in zip(flags, aside.columns, strict=True) if name != ROW
    )


def _mask(found: RowSet, first: int, count: int) -> pl.Series:
    if not found.touches(first, count):
        return pl.repeat(False, count, dtype=pl.Boolean, eager=True)
    return found.mask(first, count)


def hidden(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name.startswith("__")]
