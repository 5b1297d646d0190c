"""What rules are made from, and what a rule is."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.analysis.kinds import Reading, counted
from qpipe.core.lazy import pl
from qpipe.profile.model import ColumnProfile
from qpipe.profile.relations import Known

if TYPE_CHECKING:
    import polars as pl

ENOUGH = 20  # rows that a rule rests on
OF_SOURCE = ("type", "nulls")  # in place of a module: a column's type in the contract; words that are read as null
FEWEST = 6  # that one rests on which says itself how much a row tells


@dataclass(frozen=True)
class Suggestion:
    """One rule: the module and its parameters, or a part of the source (``OF_SOURCE``)."""

    table: str
    module: str
    params: Mapping[str, Any]
    columns: tuple[str, ...]
    reason: str
    support: int  # rows that it rests on
    broken: int  # rows of the data that break it
    confidence: float
    about: str = ""  # tells rules of one module about the same columns apart
    severity: str = "error"

    @property
    def key(self) -> str:
        """What it is known by when it comes again, whatever its figures are then."""
        about = f" {self.about}" if self.about else ""
        return f"{self.table}: {self.module}({', '.join(self.columns)}){about}"


@dataclass(frozen=True)
class Seen:
    """A column with its values: what rules of one column are made from."""

    table: str
    told: ColumnProfile
    counts: pl.DataFrame  # value, count: texts, blanks off, without what stands for nothing
    numbers: pl.Series | None  # of each row where the column is of numbers; null where there is none, or no finite one
    every: int  # values
    nothing: tuple[str, ...] = ()  # words for nothing in any column
    null: frozenset[str] = frozenset()  # those that the source is told to read as null

    @property
    def name(self) -> str:
        return self.told.name

    @property
    def missing(self) -> int:
        """Nulls, blanks and words for nothing."""
        words = sum(count for value, count, *_ in self.told.placeholders if value in self.nothing)
        return self.told.nulls + self.told.blanks + words

    @property
    def is_dated(self) -> bool:
        """Texts that are dates, or dates with a time."""
        return self.told.stored == "String" and self.reading.kind in ("date", "datetime")

    @property
    def reading(self) -> Reading:
        return Reading(self.told.type, self.told.format)

    @property
    def is_text(self) -> bool:
        return self.told.type == "string"


def look(
    table: Known, told: ColumnProfile, sample: pl.DataFrame, nothing: tuple[str, ...] = (), null: Collection[str] = ()
) -> Seen:
    cells = sample[told.name]
    texts = counted(cells)
    known = texts.filter(~pl.col("value").is_in(list(nothing)) & (pl.col("value").str.strip_chars() != ""))
    kind = told.type.partition("(")[0]
    numbers = None
    if kind in ("int", "float", "decimal") or kind.startswith(("int", "uint", "float")):
        numbers = cells.cast(pl.String).to_frame("x").select(number(pl.col("x"))).to_series()
    return Seen(table.profile.name, told, known, numbers, int(known["count"].sum() or 0), nothing, frozenset(null))


def certainty(rows: int, broken: int, most: float) -> float:
    """Lower end of the share that holds (Wilson, 95 %), at most ``most``: few rows or many exceptions make it less sure."""
    if not rows:
        return 0.0
    share, z = 1 - broken / rows, 1.96
    middle = share + z * z / (2 * rows)
    spread = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return round(max(0.0, min(most, (middle - spread) / (1 + z * z / rows))), 3)


def number(texts: pl.Expr) -> pl.Expr:
    """The finite numbers that texts are, blanks around them or not; null for others."""
    read = texts.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(read.is_finite()).then(read)


def plain(value: float) -> float | int:
    """As a person would write it: a whole number without a point."""
    return int(value) if abs(value) < 2**53 and value == int(value) else float(f"{value:.12g}")
