"""The shape of what a run came to: frozen values, their JSON, and the formula of the scores.

A ``Summary`` is what the journal keeps in ``run.result_json`` and what every report shows; ``summary.py`` computes it.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Union

from qpipe.core.component import Outcome

SEVERITY_WEIGHT = {"error": 1.0, "warning": 0.5, "info": 0.1}
DIMENSIONS = ("completeness", "validity", "uniqueness", "consistency", "timeliness", "accuracy", "integrity")


@dataclass(frozen=True)
class RunFacts:
    id: str
    name: str
    state: str
    spec_file: str
    started: float  # seconds since the epoch
    ended: float | None
    seconds: float
    rows_in: int
    rows_per_second: float | None
    memory_mb: float | None  # the peak
    exit_code: int | None
    error: str | None
    attempt: int
    versions: Mapping[str, str]
    parent: str | None = None


@dataclass(frozen=True)
class Amount:
    """So many rows at a place: a source, a step, a decision."""

    id: str
    rows: int


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    pii: bool = False  # shown as *** in reports


@dataclass(frozen=True)
class SourceFacts:
    id: str
    rows: int
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class RouteFlow:
    """Rows that went one way, and the outputs that got every one of them."""

    id: str
    rows: int
    kind: str  # delivered, quarantined
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Balance:
    """Rows in + created = routed + dropped + held, and each output staged what its routes gave it."""

    sources: tuple[Amount, ...] = ()
    created: tuple[Amount, ...] = ()
    routes: tuple[RouteFlow, ...] = ()
    dropped: tuple[Amount, ...] = ()  # by step, or by decision
    held: tuple[Amount, ...] = ()  # by decision: waiting for a person
    missing: tuple[Amount, ...] = ()  # by output: rows routed to it less rows staged, where that is not 0

    @property
    def rows_in(self) -> int:
        return _total(self.sources)

    @property
    def delivered(self) -> int:
        return sum(r.rows for r in self.routes if r.kind == "delivered")

    @property
    def quarantined(self) -> int:
        return sum(r.rows for r in self.routes if r.kind == "quarantined")

    @property
    def accounted(self) -> int:
        return sum(r.rows for r in self.routes) + _total(self.dropped) + _total(self.held)

    @property
    def difference(self) -> int:
        """Rows that came in, or were made, and are nowhere; negative: rows from nowhere."""
        return self.rows_in + _total(self.created) - self.accounted

    @property
    def balanced(self) -> bool:
        return self.difference == 0 and not self.missing


@dataclass(frozen=True)
class Sample:
    """A failing row as it came in."""

    row: int
    file: str | None
    line: int | None
    value: str | None
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Segment:
    """A check's counts in one group, and what is at stake in its failing rows."""

    group: tuple[str | None, ...]  # the values of ``by``
    evaluated: int
    failed: int
    impact: float | None = None


@dataclass(frozen=True)
class CheckResult:
    """A check's counts on one column, or on whole rows when ``column`` is empty."""

    check: str  # the step's id
    module: str
    column: str
    expected: str
    severity: str
    dimension: str | None
    weight: float
    tolerance: float | None
    evaluated: int
    failed: int
    outcome: Outcome
    file: str
    line: int  # in the spec; 0: not written there
    samples: tuple[Sample, ...] = ()
    others: tuple[str, ...] = ()  # the columns it looks at beside the chief one
    at_stake: str = ""  # what its failures are measured by
    impact: float | None = None  # the sum of it over the failing rows
    segments: tuple[Segment, ...] = ()  # by group, the most failures first
    columns: tuple[str, ...] = ()  # made from its column by later steps
    outputs: tuple[str, ...] = ()  # that have one of these columns

    @property
    def share(self) -> float | None:
        """Failed of evaluated; None when nothing was evaluated."""
        return self.failed / self.evaluated if self.evaluated else None

    @property
    def title(self) -> str:
        return f"{self.check} · {self.where}" if self.where else self.check

    @property
    def where(self) -> str:
        """Its columns, the chief one first: "year, month, day +3"."""
        more = f" +{len(self.others) - 2}" if len(self.others) > 2 else ""
        return ", ".join((self.column, *self.others[:2])) + more if self.column else ""


@dataclass(frozen=True)
class GateResult:
    gate: str
    module: str
    severity: str
    outcome: Outcome
    observed: Mapping[str, Any]
    expected: str
    message: str
    broken_by_routing: bool
    groups: Mapping[str, str]  # group → outcome
    file: str
    line: int


@dataclass(frozen=True)
class Score:
    """``value`` from 0 to 1, None when nothing was evaluated. See ``score``."""

    dimension: str  # "overall" for all together
    value: float | None
    evaluated: int
    failed: int
    checks: int
    not_evaluated: int
    low: float | None = None  # between these lies what the source gives, as far as this run can tell; see ``interval``
    high: float | None = None
    column: str = ""  # the score is of what was judged in this column
    source: str = ""  # or of what came from this source

    @property
    def name(self) -> str:
        return self.column or self.source or self.dimension


@dataclass(frozen=True)
class OutputResult:
    output: str
    type: str
    place: str  # a path, a table, an address
    state: str  # staged, published, ... as the journal has it
    rows: int
    bytes: int
    parts: int
    guarantee: str


@dataclass(frozen=True)
class QuestionResult:
    id: str
    decision: str
    group: str
    text: str
    rows: int
    state: str
    choices: tuple[str, ...]
    choice: str | None
    by: str | None
    via: str | None
    opened: float
    due: float | None
    seconds: float | None  # from asking to answering


@dataclass(frozen=True)
class Note:
    """Something a source told about itself: its encoding, repaired rows, new columns; alike ones of a file together."""

    source: str
    code: str
    message: str  # the first one's
    file: str | None
    line: int | None  # the first one's
    lines: tuple[int, ...] = ()  # of all of them, but not of more than a thousand
    times: int = 1


@dataclass(frozen=True)
class Summary:
    run: RunFacts
    balance: Balance
    sources: tuple[SourceFacts, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    gates: tuple[GateResult, ...] = ()
    scores: tuple[Score, ...] = ()
    column_scores: tuple[Score, ...] = ()
    source_scores: tuple[Score, ...] = ()
    outputs: tuple[OutputResult, ...] = ()
    questions: tuple[QuestionResult, ...] = ()
    notes: tuple[Note, ...] = ()
    version: int = field(default=1, kw_only=True)

    @property
    def score(self) -> float | None:
        return next((s.value for s in self.scores if s.dimension == "overall"), None)

    @property
    def masked(self) -> frozenset[str]:
        """Columns that the contract calls personal."""
        return frozenset(c.name for s in self.sources for c in s.columns if c.pii)

    def to_json(self) -> dict[str, Any]:
        """As JSON values, with the balance's sums written out for readers that do not add."""
        made = _plain(self)
        sums = ("rows_in", "delivered", "quarantined", "accounted", "difference", "balanced")
        made["balance"] |= {name: getattr(self.balance, name) for name in sums}
        for check, result in zip(made["checks"], self.checks, strict=True):
            check["share"] = result.share
        return made

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Summary:
        return _read(cls, data)


def score(checks: Sequence[CheckResult], dimension: str) -> Score:
    """The share of judged cells and rows that passed, a check counting by its weight and its severity:

        sum of w * (evaluated - failed) / sum of w * evaluated,   w = weight * {error: 1, warning: 0.5, info: 0.1}

    over the checks of the dimension that evaluated something. None when none did: nothing judged is not a success.
    """  # fmt: skip
    judged = [(c.weight * SEVERITY_WEIGHT.get(c.severity, 1.0), c) for c in checks if c.evaluated]
    weight = sum(w * c.evaluated for w, c in judged)
    passed = sum(w * (c.evaluated - c.failed) for w, c in judged)
    evaluated, failed = sum(c.evaluated for _, c in judged), sum(c.failed for _, c in judged)
    value = passed / weight if weight else None
    squares = sum(w * w * c.evaluated for w, c in judged)
    low, high = interval(value, weight * weight / squares) if value is not None and squares else (None, None)
    return Score(dimension, value, evaluated, failed, len(checks), len(checks) - len(judged), low, high)


def interval(share: float, count: float) -> tuple[float, float]:
    """Wilson's interval at 95 %: what is behind a share of so many judgements, were they drawn independently.

    Weighted judgements count as (sum of w)² / sum of w² (Kish's effective sample size). The share itself is exact for the
    rows that were judged; the interval is for the question what the next ones will be like.
    """
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return min(max(middle - reach, 0.0), share), max(min(middle + reach, 1.0), share)


def scores(checks: Sequence[CheckResult]) -> tuple[Score, ...]:
    """Overall first, then each dimension that has a check."""
    named = [d for d in DIMENSIONS if any(c.dimension == d for c in checks)]
    parts = [score([c for c in checks if c.dimension == d], d) for d in named]
    return (score(checks, "overall"), *parts) if checks else ()


def column_scores(checks: Sequence[CheckResult]) -> tuple[Score, ...]:
    """Of each column that a check looks at, the worst first; a check over several columns counts for each of them."""
    named = dict.fromkeys(name for c in checks for name in (c.column, *c.others) if name)
    made = [dataclasses.replace(score([c for c in checks if name in (c.column, *c.others)], "overall"), column=name)
            for name in named]  # fmt: skip
    return tuple(sorted(made, key=lambda s: 2.0 if s.value is None else s.value))


def source_scores(checks: Mapping[str, Sequence[CheckResult]]) -> tuple[Score, ...]:
    """Of what came from each source."""
    return tuple(dataclasses.replace(score(found, "overall"), source=source) for source, found in checks.items() if found)


def _total(amounts: tuple[Amount, ...]) -> int:
    return sum(a.rows for a in amounts)


def _plain(value: Any) -> Any:
    """A result as JSON values."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value)


def _read(hint: Any, value: Any) -> Any:
    """JSON → the dataclass that an annotation names; keys it does not know are left out."""
    if dataclasses.is_dataclass(hint):
        hints = _hints(typing.cast(type, hint))
        return hint(**{f.name: _read(hints[f.name], value[f.name]) for f in dataclasses.fields(hint) if f.name in value})  # type: ignore[operator]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return tuple(_read(args[0], v) for v in value)
    if origin in (Union, types.UnionType) and value is not None:
        return _read(next(a for a in args if a is not type(None)), value)
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
