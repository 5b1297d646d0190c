"""Functional dependencies that nearly hold: where one column tells another, and the cells that break it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

COLUMNS = 40  # looked at, the left ones
STRENGTH = 0.8


class Told(Protocol):
    """A dependency, found in whatever way."""

    @property
    def determinant(self) -> tuple[str, ...]: ...
    @property
    def dependent(self) -> str: ...
    @property
    def broken(self) -> int: ...


D = TypeVar("D", bound=Told)


@dataclass(frozen=True)
class Dependency:
    """``determinant`` tells ``dependent``."""

    determinant: tuple[str, ...]
    dependent: str
    strength: float  # 1: it always holds and is no accident; 0: no more than chance
    broken: int  # rows with another value than most rows of their group
    share: float  # of the rows in groups of two and more
    support: int  # rows in groups of two and more
    groups: int
    lonely: float = 1.0  # of the broken rows, how many stand nearly alone in their group, as slips do
    examples: tuple[tuple[str, str, str], ...] = ()  # (determinant, dependent as found, as most have it)


def dependencies(
    frame: pl.DataFrame, columns: Sequence[str] | None = None, strength: float = STRENGTH, most: float = 0.25
) -> list[Dependency]:
    """Dependencies of one column on one other that hold but for at most ``most`` of the rows, the strongest first.

    Strength is μ+ of Parciak et al. 2024, "Measuring approximate functional dependencies": how much better the dependent is
    told than by chance, corrected for the number of groups. Nulls of either column are left out.
    """
    names = [c for c in columns or frame.columns][:COLUMNS]
    codes = frame.select(pl.col(c).rank("dense").cast(pl.UInt32) for c in names)
    distinct = {c: codes[c].drop_nulls().n_unique() for c in names}
    found = []
    for left in names:
        if not 2 <= distinct[left] <= 0.9 * frame.height:
            continue
        for right in names:
            if right != left and distinct[right] >= 2:
                made = _dependency(codes, (left,), right, strength, most)
                if made is not None:
                    found.append(made)
    return sorted(found, key=lambda d: (-d.strength, -d.support, d.determinant, d.dependent))


def dependency(
    frame: pl.DataFrame, determinant: Sequence[str], dependent: str, strength: float = STRENGTH
) -> Dependency | None:
    """Several columns that together tell another one; None where they hardly do."""
    codes = frame.select(pl.col(c).rank("dense").cast(pl.UInt32) for c in (*determinant, dependent))
    return _dependency(codes, tuple(determinant), dependent, strength, 0.25)


def _dependency(codes: pl.DataFrame, left: tuple[str, ...], right: str, strength: float, most: float) -> Dependency | None:
    x = pl.col(left[0]) if len(left) == 1 else pl.struct(left)
    pairs = (
        codes.lazy().select(*left, right).drop_nulls().select(x.alias("x"), pl.col(right).alias("y"))
        .group_by("x", "y").len("n").collect(engine="in-memory")
    )  # fmt: skip
    groups = pairs.group_by("x").agg(
        pl.col("n").sum().alias("rows"), pl.col("n").max().alias("top"), (pl.col("n").pow(2)).sum().alias("square")
    )
    rows, count = int(groups["rows"].sum()), groups.height
    if rows <= count:
        return None
    told = float((groups["square"] / groups["rows"]).sum()) / rows  # pdep(y | x)
    shares = pairs.group_by("y").agg(pl.col("n").sum())["n"]
    chance = float((shares.cast(pl.Float64) ** 2).sum()) / rows**2  # pdep(y)
    if chance >= 1.0:
        return None
    score = 1 - (1 - told) / (1 - chance) * (rows - 1) / (rows - count)
    several = groups.filter(pl.col("rows") > 1)
    support, broken = int(several["rows"].sum()), int((several["rows"] - several["top"]).sum())
    if score < strength or not support or broken > most * support:
        return None
    sized = pairs.join(groups.select("x", "rows", "top"), on="x").filter(pl.col("n") < pl.col("top"))
    alone = sized.filter(pl.col("n") <= pl.max_horizontal(1, 0.06 * pl.col("rows")))
    halved = several.filter(pl.col("rows") >= 2 * pl.col("top")).filter(pl.col("top") > 1)
    minority = int(sized["n"].sum()) + int(halved["top"].sum())
    lonely = int(alone["n"].sum()) / minority if minority else 1.0
    return Dependency(left, right, score, broken, broken / support, support, several.height, lonely)


def minorities(frame: pl.DataFrame, determinant: Sequence[str], dependent: str, least: float = 0.5) -> pl.DataFrame:
    """Rows that break a dependency, with what most rows of their group have: columns _at, _key0 …, found, usual, rows, having.

    A group speaks when one value has more than ``least`` of its rows.
    """
    keys = [f"_key{n}" for n in range(len(determinant))]  # no name of a column of the data can be in the way
    named = [pl.col(c).alias(key) for c, key in zip(determinant, keys, strict=True)]
    counted = frame.lazy().select(*named, pl.col(dependent).alias("found")).with_row_index("_at").drop_nulls()
    each = counted.group_by([*keys, "found"]).agg(pl.len().alias("n"))
    ranked = each.sort(["n", "found"], descending=[True, False]).group_by(keys, maintain_order=True)
    usual = ranked.agg(pl.first("found").alias("usual"), pl.first("n").alias("having"), pl.sum("n").alias("rows"))
    return (
        counted.join(usual.filter((pl.col("rows") > 1) & (pl.col("having") > least * pl.col("rows"))), on=keys, how="inner")
        .filter(pl.col("found") != pl.col("usual")).sort("_at").collect(engine="in-memory")
    )  # fmt: skip


def examples(frame: pl.DataFrame, found: Dependency, most: int = 5) -> tuple[tuple[str, str, str], ...]:
    """Some violations: (determinant, value found, what the others of the group have)."""
    bad = minorities(frame, found.determinant, found.dependent).head(most)
    names = [f"_key{n}" for n in range(len(found.determinant))]
    keys = bad.select(pl.concat_str(pl.col(names).cast(pl.String), separator=", ")).to_series()
    return tuple(zip(keys, bad["found"].cast(pl.String), bad["usual"].cast(pl.String), strict=True))


def essential(found: Sequence[Dependency]) -> Iterator[Dependency]:
    """Without those that follow from two others (a → b → c gives a → c), so that the list is short."""
    have = {(d.determinant[0], d.dependent) for d in found if len(d.determinant) == 1}
    for each in found:
        left, right = each.determinant[0], each.dependent
        between = [b for a, b in have if a == left and (b, right) in have and (b, left) not in have]
        if not between:
            yield each


def without_equals(found: Sequence[D]) -> Iterator[D]:
    """One for each class of columns that tell each other without exception: its first column tells the others of the class, the
    second one the first, so that a slip in any is told; what else they tell, or are told by, is said of the first one only."""
    single = {(d.determinant[0], d.dependent): d for d in found if len(d.determinant) == 1}
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    for left, right in single:
        mutual = single.get((right, left))
        if mutual is None or mutual.broken or single[left, right].broken:
            continue
        head = first.get(left, left)
        if right not in first and right != head:
            first[left], first[right] = head, head
            second.setdefault(head, right)
    for d in found:
        left, right = d.determinant[0], d.dependent
        head, other = first.get(left, left), first.get(right, right)
        if len(d.determinant) > 1 or head == other:
            if len(d.determinant) > 1 or left == head or (right == head and left == second[head]):
                yield d
        elif (left == head or (head, right) not in single) and (right == other or (left, other) not in single):
            yield d
