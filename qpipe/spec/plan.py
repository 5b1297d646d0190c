"""What a spec means, ready to run: sources, steps, routes, decisions, outputs. Frozen; it runs nothing.

``compile.py`` makes it from a checked spec; the orchestrator and ``qpipe explain`` read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from qpipe.core.component import Component, Module, Output, Source
from qpipe.core.expression import Expression
from qpipe.core.retry import NEVER, Retry
from qpipe.core.secrets import Redactor
from qpipe.core.types import DataType
from qpipe.spec.interpolate import fill_run


@dataclass(frozen=True)
class Place:
    """Where something stands in the spec's file."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class SourceNode:
    id: str
    source: Source
    types: Mapping[str, DataType] | None  # the declared contract; None: whatever comes
    place: Place = Place()

    @property
    def is_stream(self) -> bool:
        return self.source.role == "stream"


@dataclass(frozen=True)
class StepNode:
    id: str  # unique: "between", or "between-2" for the second without an id
    module: Module
    place: Place = Place()


@dataclass(frozen=True)
class Route:
    """First match wins. ``when`` None is the default. Either rows go ``to`` outputs, or a person is asked."""

    id: str
    when: Expression | None
    to: tuple[str, ...] = ()  # output ids
    ask: str | None = None  # decision id
    place: Place = Place()
    implied: bool = False  # not written in the spec: explain says so
    stops: bool = False  # the first row that goes this way ends the run: nothing is published
    warns: bool = False  # takes no row: which batches have some that come here and fit is told


Scope = Literal["row", "group", "batch", "run"]


@dataclass(frozen=True)
class Decision:
    id: str
    question: str  # "{rows} doubtful orders over 10,000: what now?"; {rows} and {column} are filled in
    choices: Mapping[str, str]  # what a person can say → output id, "drop", "fail"
    scope: Scope = "run"
    by: tuple[str, ...] = ()
    timeout: float | None = None  # seconds
    default: str | None = None  # what the time-out answers
    remember: str | None = None  # a file beside the spec
    place: Place = Place()


@dataclass(frozen=True)
class OutputNode:
    id: str
    output: Output
    follows: str | None = None  # gets the rows of this output, too (``from:``)
    original: bool = False  # rows as they came in, with reasons
    place: Place = Place()


@dataclass(frozen=True)
class OnError:
    """What to do when a user's own code breaks."""

    retry: int = 0  # times, on the same rows
    then: Literal["fail", "quarantine", "question"] = "fail"  # of the rows that break it


@dataclass(frozen=True)
class Settings:
    batch_size: int | None = None  # rows; None: chosen from the width of the data
    workers: int | None = None  # None: as many as there are cores
    memory_limit: int = 1 << 30  # bytes
    decision_timeout: float | None = None  # seconds, for decisions that name none
    fail_on: Literal["error", "warning", "never"] = "error"
    publish: Literal["decided", "complete"] = "decided"  # while questions are open: what is decided, or nothing
    retry: Retry = NEVER
    buffer_size: int = 1  # batches read ahead
    on_error: OnError = OnError()


@dataclass(frozen=True)
class SpecTest:
    """A test written in the spec: rows in, what is expected of each output and of findings."""

    name: str
    rows: tuple[Mapping[str, Any], ...]
    expect: Mapping[str, Any]
    source: str | None = None
    tables: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    place: Place = Place()


@dataclass(frozen=True)
class Replay:
    """Rows that come back from a quarantine."""

    path: Path  # where they are read
    parent: str | None = None  # the run that quarantined them
    beside: tuple[str, ...] = ()  # it and the runs that have taken rows of it back: what they delivered counts


@dataclass(frozen=True)
class Plan:
    name: str
    file: str  # as the user named it
    directory: Path
    text: str  # the spec as written: frozen in the journal
    fingerprint: str  # of text and variables: a resume with another one is refused
    sources: tuple[SourceNode, ...]
    steps: tuple[StepNode, ...]
    routes: tuple[Route, ...]
    decisions: Mapping[str, Decision]
    outputs: Mapping[str, OutputNode]
    settings: Settings = Settings()
    tests: tuple[SpecTest, ...] = ()
    vars: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    replay: Replay | None = None
    redact: Redactor = field(default_factory=Redactor, compare=False, repr=False)  # masks the spec's secrets

    @property
    def streams(self) -> tuple[SourceNode, ...]:
        return tuple(s for s in self.sources if s.is_stream)

    @property
    def references(self) -> tuple[SourceNode, ...]:
        return tuple(s for s in self.sources if not s.is_stream)

    def step(self, id: str) -> StepNode:
        return next(s for s in self.steps if s.id == id)

    def of_run(self, id: str, started: float) -> Plan:
        """The plan with ``${run.id}`` and ``${run.started}`` filled in."""
        at = datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H%M%SZ")  # fit for a file's name
        fill = partial(_filled, values={"id": id, "started": at})
        return replace(
            self,
            sources=tuple(replace(node, source=fill(node.source)) for node in self.sources),
            steps=tuple(replace(node, module=fill(node.module)) for node in self.steps),
            outputs={name: replace(node, output=fill(node.output)) for name, node in self.outputs.items()},
        )


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The same with the run's names filled in; the very same where there are none."""
    if isinstance(value, str):
        return fill_run(value, values) if "{run." in value else value
    if isinstance(value, (list, tuple)):
        items = [_filled(item, values) for item in value]
        return value if _same(items, value) else type(value)(items)
    if isinstance(value, dict):
        filled = {key: _filled(item, values) for key, item in value.items()}
        return value if _same(filled.values(), value.values()) else filled
    if isinstance(value, Component):
        now = {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]
        new = {name: made for name, old in now.items() if (made := _filled(old, values)) is not old}
        return replace(value, **new) if new else value  # type: ignore[type-var]
    return value


def _same(some: Iterable[Any], others: Iterable[Any]) -> bool:
    return all(one is other for one, other in zip(some, others, strict=True))
