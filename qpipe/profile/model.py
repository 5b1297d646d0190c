"""A profile: what was found out about tables and their columns. Plain values, so that it can be kept as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 1


@dataclass(frozen=True)
class Bin:
    label: str
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ColumnProfile:
    """One column. What ``estimated`` names rests on a sample or a sketch; the rest was counted over all rows."""

    name: str
    stored: str  # the type as the source delivers it
    type: str  # the type that the values have
    rows: int
    nulls: int
    format: str | None = None  # how dates are written
    blanks: int = 0  # empty texts and blanks
    unfit: int = 0  # values that are not of the type
    distinct: int = 0
    repeated: int | None = None  # rows beyond the first of each value, where that was followed
    least: Any = None
    greatest: Any = None
    mean: float | None = None
    deviation: float | None = None
    quantiles: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shortest: int | None = None
    longest: int | None = None
    length: float | None = None  # mean
    meaning: str | None = None
    personal: bool = False
    check: str | None = None  # what format_is calls the meaning
    frequent: tuple[tuple[str, int], ...] = ()
    rare: tuple[tuple[str, int], ...] = ()
    patterns: tuple[tuple[str, int, float, str], ...] = ()  # regex, count, share, example
    placeholders: tuple[tuple[str, int, str, float], ...] = ()  # value, count, reason, confidence
    typos: tuple[tuple[str, int, str, int, float], ...] = ()  # value, count, meant, its count, confidence
    low: float | None = None  # usual numbers lie between low and high
    high: float | None = None
    earliest: str | None = None  # usual dates
    latest: str | None = None
    outside: int = 0
    clear: float | None = None  # by how much a model with noise explains the numbers better (BIC)
    bins: tuple[Bin, ...] = ()
    estimated: tuple[str, ...] = ()
    looked: int = 0  # rows of the sample that frequent values, patterns, quantiles … rest on

    @property
    def values(self) -> int:
        return self.rows - self.nulls


@dataclass(frozen=True)
class KeyFound:
    columns: tuple[str, ...]
    repeated: int
    groups: int
    score: float
    exact: bool

    @property
    def holds(self) -> bool:
        return self.repeated == 0


@dataclass(frozen=True)
class DependencyFound:
    determinant: tuple[str, ...]
    dependent: str
    strength: float
    broken: int
    support: int
    groups: int
    lonely: float = 1.0
    examples: tuple[tuple[str, str, str], ...] = ()

    @property
    def share(self) -> float:
        return self.broken / self.support if self.support else 0.0


@dataclass(frozen=True)
class CorrelationFound:
    a: str
    b: str
    value: float
    rows: int


@dataclass(frozen=True)
class TableProfile:
    name: str
    rows: int
    looked: int  # rows of the sample
    columns: tuple[ColumnProfile, ...]
    keys: tuple[KeyFound, ...] = ()
    dependencies: tuple[DependencyFound, ...] = ()
    correlations: tuple[CorrelationFound, ...] = ()
    faults: int = 0  # malformed lines

    def column(self, name: str) -> ColumnProfile:
        return next(c for c in self.columns if c.name == name)


@dataclass(frozen=True)
class ForeignKeyFound:
    table: str
    columns: tuple[str, ...]
    references: str
    key: tuple[str, ...]
    missing: int  # rows whose key is not there
    missing_keys: int  # distinct ones
    rows: int  # rows with a key
    confidence: float
    examples: tuple[str, ...] = ()
    exact: bool = True

    @property
    def holds(self) -> bool:
        return self.missing == 0


@dataclass(frozen=True)
class Profile:
    tables: tuple[TableProfile, ...]
    foreign_keys: tuple[ForeignKeyFound, ...] = ()
    version: int = VERSION

    def table(self, name: str) -> TableProfile:
        return next(t for t in self.tables if t.name == name)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Profile:
        """Back from JSON. ValueError when it is no profile."""
        try:
            tables = tuple(_table(t) for t in told["tables"])
            return cls(tables, tuple(_of(ForeignKeyFound, f) for f in told.get("foreign_keys", ())))
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no profile: {error}") from error


def _table(told: Mapping[str, Any]) -> TableProfile:
    columns = tuple(_of(ColumnProfile, {**c, "bins": tuple(_of(Bin, b) for b in c.get("bins", ()))}) for c in told["columns"])
    return TableProfile(
        told["name"], told["rows"], told["looked"], columns, tuple(_of(KeyFound, k) for k in told.get("keys", ())),
        tuple(_of(DependencyFound, d) for d in told.get("dependencies", ())),
        tuple(_of(CorrelationFound, c) for c in told.get("correlations", ())), told.get("faults", 0),
    )  # fmt: skip


def _of(cls: type, told: Mapping[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(cls)}
    return cls(**{k: _tuples(v) for k, v in told.items() if k in known})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value
