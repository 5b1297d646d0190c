"""Modules of six kinds: what stands under ``modules:`` in a spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from qpipe.core.batch import Json, Severity
from qpipe.core.component.base import Component, Context, Types
from qpipe.core.component.source import Input
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Condition, Expression, Tolerance, param

if TYPE_CHECKING:
    from qpipe.core.gather import Collector
    from qpipe.core.rowset import RowSet

Outcome = Literal["pass", "warn", "fail", "error", "skipped", "not evaluated"]
Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "timeliness", "accuracy", "integrity"]


@dataclass(frozen=True)
class Rule:
    """One claim about rows, as a Polars expression that is true where the row is bad; null counts as not bad."""

    bad: pl.Expr
    columns: tuple[str, ...] = ()  # the cells concerned, the chief one first
    expected: str = ""  # "between 0 and 10": reports say "amount is -3, expected between 0 and 10"
    applies: pl.Expr | None = None  # rows the claim speaks of, for "evaluated" and shares; unset: every row


@dataclass(frozen=True)
class Ask:
    """Cells that a person must settle before their rows go on: ``unknown`` is true where ``column`` holds such a value."""

    unknown: pl.Expr
    column: str
    question: str  # "what is the country 'Germny'?", formatted with {value}
    candidates: Callable[[Sequence[str]], dict[str, list[str]]]  # value → nearest known values
    allow_other: bool = True


REJECTED = "\x00rejected"  # among Context.answers: a person said that this value is wrong, a finding of the step


class Module(Component):
    """One step. ``id`` names it in routes, reports and tests; unset, it is the module's name."""

    family: ClassVar[Literal["module"]] = "module"
    dimension: ClassVar[Dimension | None] = None
    category: ClassVar[str] = ""  # source, quality, validation, transformation, enrichment, custom: its folder

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found = re.search(r"\.modules\.(\w+)\.", cls.__module__)
        cls.category = cls.__dict__.get("category") or (found[1] if found else cls.category or "custom")

    id: str | None = param(None, help="what routes, reports and tests call this step")

    def references(self) -> tuple[str, ...]:
        """Ids of the reference sources it looks into."""
        return ()

    def reads(self) -> Iterator[tuple[str, str]]:
        """(parameter, column) for columns that it needs, where no parameter's role says so."""
        return iter(())

    def output_types(self, types: Types) -> Types:
        """The columns after this step, given those before it. Must not need Polars."""
        return types

    def types_after(self, types: Types, tables: Mapping[str, Types]) -> Types:
        """The same where reference sources matter: ``tables`` has their columns by id. This is what callers ask."""
        return self.output_types(types)


class Judging(Module):
    """What everything that passes judgement has in common."""

    severity: Severity = param("error", help="how bad a failure is; routes can ask for it")
    tolerance: Tolerance | None = param(
        None,
        help="the share (0.5%) or count of failures that is still a pass; with it, more than that refuses the data",
    )
    where: Condition | None = param(None, help="judge only the rows for which this is true")
    message: str | None = param(None, help="what to say of a failure instead of our words; {column} and {value} are filled in")
    weight: float = param(1.0, help="how much it counts in scores", minimum=0)
    on_fail: Literal["refuse", "question"] = param(
        "refuse", help="what an error of the whole data set leads to: nothing is published, or a person is asked whether it is"
    )
    impact: Expression | None = param(None, help="what is at stake in a row, such as amount: its sum over failing rows is told")


class Check(Judging):
    """Row by row. Write ``bad`` for a claim about one column, or ``rules`` for a claim about several."""

    by: Columns | None = param(None, help="count each group on its own, too: by: country")

    accepts: ClassVar[tuple[str, ...]] = ()  # kinds of type its columns may have; empty: any

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        """Columns of a kind it does not accept. A check that knows more begins with ``yield from super().problems(types)``."""
        for column in getattr(self, "columns", None) or ():
            kind = types[column].kind if types and column in types else "any"
            if self.accepts and kind not in (*self.accepts, "any"):
                yield "columns", f"{column} is {kind}, but {self.name} is for {', '.join(self.accepts)}"

    def bad(self, column: str, context: Context) -> pl.Expr:
        """True for rows whose ``column`` breaks the claim. Say in the docstring what null means."""
        raise NotImplementedError

    def expected(self, column: str) -> str:
        """The claim in words: "between 0 and 10"."""
        return self.name.replace("_", " ")

    def applies(self, column: str) -> pl.Expr | None:
        """Rows the claim about a column speaks of: those with a value. A column of nulls is not evaluated."""
        return pl.col(column).is_not_null()

    def rules(self, context: Context) -> tuple[Rule, ...]:
        """Called once for a run, so that costly preparation (key sets, files) happens once."""
        columns: Sequence[str] = getattr(self, "columns", None) or tuple(context.types)
        return tuple(Rule(self.bad(c, context), (c,), self.expected(c), self.applies(c)) for c in columns)


class Transform(Module):
    """Row by row: the same rows in the same order, other columns."""

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        """The new columns. Must keep every row, in order, and the column ``_row``."""
        return frame

    def keeps(self, context: Context) -> pl.Expr | None:
        """For steps that drop rows: true for rows that stay, judged after ``apply``. Dropped rows are counted by step."""
        return None

    def rules(self, context: Context) -> tuple[Rule, ...]:
        """Cells it cannot do, judged before ``apply``: findings of this step, errors unless it has a ``severity``."""
        return ()

    def asks(self, context: Context) -> tuple[Ask, ...]:
        """Cells that a person must settle, judged before ``apply``."""
        return ()


@dataclass(frozen=True)
class Measure:
    """An aggregation over the rows that pass, and how the figures of two batches become one."""

    value: pl.Expr  # an aggregation: pl.col("amount").sum()
    # union: ``value`` is a list of distinct values (keep them few); the verdict gets a sorted list without nulls
    # counts: ``value`` is a list of structs {value, count}; the verdict gets a mapping of value → sum of its counts
    merge: Literal["sum", "min", "max", "union", "counts"] = "sum"
    keep: int | None = None  # union: only so many of the least values are kept, so that the figure stays small


@dataclass(frozen=True)
class Verdict:
    """What came of a judgement. Only "pass" is a pass."""

    outcome: Outcome
    observed: Mapping[str, Any] = field(default_factory=dict)
    expected: str = ""
    message: str = ""
    learning: bool = False  # not evaluated for want of earlier runs: no reason to refuse, or there would never be any


@dataclass(frozen=True)
class Delivery:
    """What a source is about to deliver, before a row of it is read."""

    source: str  # its id
    inputs: Sequence[Input]
    columns: Types  # as it delivers them
    declared: Types | None  # its contract
    read_before: Callable[[str], str | None] = lambda digest: None  # digest of an input → the run that has read it
    passed_over: Sequence[Input] = ()  # what lies there, too, and is not read by this run
    before: Types | None = None  # the columns it delivered to the last run that was done


class Inspection(Judging):
    """Looks at what a source is about to deliver. A failed error inspection refuses the run before a row is read."""

    source: str | None = param(None, help="the source it looks at; unset: every stream")

    def inspect(self, delivery: Delivery, context: Context) -> Verdict:
        """The judgement on one source. Must not read its rows; opening a file's head or tail is fine."""
        raise NotImplementedError


class Gate(Judging):
    """Measures the rows as they pass; judged before anything is published. A failed error gate publishes nothing.

    It is judged on what is really delivered; when only the routing away of rows broke it, the verdict says so.
    """

    by: Columns | None = param(None, help="judge each group on its own")

    def measures(self, context: Context) -> dict[str, Measure]:
        """Name → measure; the figures are merged over batches, so the result does not depend on batch size."""
        raise NotImplementedError

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        """The judgement on merged figures. Rows are in ``values["rows"]``; zero rows: "not evaluated"."""
        raise NotImplementedError


@dataclass(frozen=True)
class RowVerdict:
    """Rows that a relational step found, and why."""

    rows: RowSet
    columns: tuple[str, ...] = ()
    expected: str = ""
    notes: Mapping[int, str] = field(default_factory=dict)  # row → what would have been expected there; keep them few

    @classmethod
    def kept(cls, rows: RowSet, told: Json) -> RowVerdict:
        """As the journal has it."""
        notes = {int(row): words for row, words in (told.get("notes") or {}).items()}
        return cls(rows, tuple(told["columns"]), told["expected"], notes)


class Relational(Judging):
    """Looks at the whole data set, out of core. ``gather`` says what it needs; ``judge`` names the rows."""

    effect: ClassVar[Literal["findings", "drop", "replace"]] = "findings"
    settles: ClassVar[bool] = False  # what ``settle`` gives asks people
    holds_of_parts: ClassVar[bool] = True  # or it is judged again on the rows that are delivered
    # where what earlier runs have delivered stands, seen from rows that come back from a quarantine; None: nowhere
    earlier_rows: ClassVar[Literal["before", "after"] | None] = None

    @property
    def compared_by(self) -> Sequence[str]:
        """The columns by which rows are taken for the same: one where such a cell broke the contract is like no other."""
        return ()

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        """Name → expression to keep for every row, beside ``_row``."""
        raise NotImplementedError

    def collector(self, context: Context, directory: Path) -> Collector:
        """Where gathered rows go. The default is a table for DuckDB, on disk, in bounded memory."""
        from qpipe.core.gather import Table

        return Table(directory, context.memory_limit)

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        """effect findings: the bad rows; drop: the rows that go."""
        raise NotImplementedError

    def replace(self, collected: Any, context: Context) -> Path:
        """effect replace: a folder of Parquet files that are the data set from here on."""
        raise NotImplementedError

    def settle(self, folder: Path, context: Context) -> Transform | None:
        """effect replace, the same rows: what is done to the new rows at once, row by row. It may ask, and uses the answers."""
        return None


class Step(Module):
    """Python on whole batches: not fused, run once, its result kept for later passes."""

    def process(self, frame: pl.DataFrame, context: Context) -> pl.DataFrame:
        """The new frame. Rows are told by ``_row``: keep that column when rows are dropped, repeated or reordered."""
        raise NotImplementedError

    def trial(self, frame: pl.DataFrame, context: Context) -> pl.DataFrame:
        """The same where failing is expected: without a search for the row that is at fault."""
        return self.process(frame, context)

    @property
    def repeatable(self) -> bool:
        """Whether the same rows may be processed again."""
        return True
