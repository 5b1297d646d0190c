"""What every component is, and what it may know of its run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, dataclass_transform

from qpipe.core.batch import Json
from qpipe.core.lazy import pl
from qpipe.core.params import param

if TYPE_CHECKING:
    from qpipe.core.types import DataType

Types = Mapping[str, "DataType"]  # column → type, in column order


@dataclass(frozen=True)
class Earlier:
    """What a gate observed in an earlier run that was done and is not marked as an incident."""

    at: float  # when the run began, seconds since the epoch
    value: float
    outcome: str = "pass"


@dataclass(frozen=True)
class Context:
    """What a component may know of its run. Equal contexts give equal results: no clock, no chance."""

    types: Types = field(default_factory=dict)  # the columns as they are where the component stands
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)  # reference sources by id
    directory: Path = field(default_factory=Path.cwd)  # of the spec: relative paths start here
    work: Path | None = None  # scratch space of the run
    started: float = 0.0  # when the run began, seconds since the epoch: the only "now"
    memory_limit: int = 1 << 30  # bytes a relational step may use
    history: Callable[[str, str], Sequence[float]] = lambda check, measure: ()  # earlier runs' values, latest last
    earlier: Callable[[str, str], Sequence[Earlier]] = lambda check, measure: ()  # the same with times and outcomes
    score: Callable[[str, str, str], Mapping[str, float]] = lambda dimension, column, source: {}  # of this run, so far
    answers: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (module id, value) → what a person said
    cursor: Json | None = None  # of the source that is read: what an earlier run has published already
    run: str = ""  # its id
    contract: Types | None = None  # a text source may give these columns as values, if it can give their text, too
    check_stop: Callable[[], None] = lambda: None  # raises when the run is asked to stop: for what waits long

    def but(self, **changes: Any) -> Context:
        return dataclasses.replace(self, **changes)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
class Component:
    """Something a spec can name. The name is the file's name unless ``name`` says otherwise."""

    name: ClassVar[str] = ""
    family: ClassVar[Literal["source", "module", "output"]]
    like: ClassVar[tuple[str, ...]] = ()  # what other systems call it: `qpipe modules --like`
    extra: ClassVar[str | None] = None  # the optional dependency it needs: pip install 'qpipe[extra]'
    packages: ClassVar[tuple[str, ...]] = ()  # what of it is imported, so that its absence is told before a run

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__dict__.get("name"):
            cls.name = cls.__module__.rpartition(".")[2]
        dataclass(frozen=True, kw_only=True, repr=True)(cls)

    def __getstate__(self) -> dict[str, Any]:
        """The parameters: what was prepared for a run stays behind when a component is pickled."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def summary(cls) -> str:
        """The first sentence of its manual page."""
        return (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").strip()

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        """What is wrong with these parameters beyond their types: (parameter name, message). None: columns unknown."""
        return iter(())
