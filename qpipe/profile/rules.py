"""Rules that the data suggests, each with its reason, its support and how sure it is. One function a kind of rule."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qpipe.analysis.kinds import counted
from qpipe.analysis.order import out_of_order
from qpipe.analysis.outliers import rounded
from qpipe.analysis.patterns import Pattern, patterns, shape
from qpipe.analysis.semantic import is_identifier
from qpipe.core.lazy import pl
from qpipe.profile.model import ColumnProfile, ForeignKeyFound, TableProfile
from qpipe.profile.relations import Known

if TYPE_CHECKING:
    import polars as pl

DIGITS = 7  # of a number: so long ones are hardly ever equal by chance
ENOUGH = 20  # rows that a rule rests on
VALUES = 60  # in a list of allowed values


@dataclass(frozen=True)
class Suggestion:
    """One rule: the module and its parameters, or a part of the source (``nulls``, ``type``)."""

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
    numbers: pl.Series | None
    every: int  # values
    nothing: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.told.name

    @property
    def is_text(self) -> bool:
        return self.told.type == "string"


def suggestions(table: Known, keys: tuple[ForeignKeyFound, ...] = ()) -> list[Suggestion]:
    """All rules for a table, in the order in which a spec has them."""
    found: list[Suggestion] = []
    sample = table.scan.sample.frame()
    nothing = nulls_words(table.profile)
    for told in table.profile.columns:
        if "${" in told.name:  # a spec cannot name it
            continue
        if told.stored.startswith(("List", "Struct", "Binary")) or not told.rows:
            continue
        seen = _seen(table, told, sample, tuple(nothing))
        for rule in (
            _nothing,
            _type,
            _not_null,
            _allowed,
            _misspelt,
            _odd,
            _nearly_key,
            _pattern,
            _unit,
            _format,
            _range,
            _decimals,
        ):
            found += rule(seen)
        if table.scan.sample.is_whole:
            found += _in_order(seen, sample[told.name])
    found += _keys(table.profile)
    found += _dependent(table, sample, tuple(nothing))
    found += [_foreign(table.profile.name, f) for f in keys if f.table == table.profile.name]
    return _without_doubles([s for s in found if not any("${" in c for c in s.columns)])


def nulls_words(profile: TableProfile) -> dict[str, int]:
    """Words for nothing in any column, with how often they come."""
    words: dict[str, int] = {}
    for column in profile.columns:
        for value, count, reason, confidence in column.placeholders:
            if confidence >= 0.85 and reason.startswith("a word"):
                words[value] = words.get(value, 0) + count
    return words


def _seen(table: Known, told: ColumnProfile, sample: pl.DataFrame, nothing: tuple[str, ...]) -> Seen:
    cells = sample[told.name]
    texts = counted(cells)
    known = texts.filter(~pl.col("value").is_in(list(nothing)) & (pl.col("value").str.strip_chars() != ""))
    kind = told.type.partition("(")[0]
    numbers = None
    if kind in ("int", "float", "decimal") or kind.startswith(("int", "uint", "float")):
        numbers = cells.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    return Seen(table.profile.name, told, known, numbers, int(known["count"].sum() or 0), nothing)


# ── one column ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _nothing(c: Seen) -> Iterator[Suggestion]:
    """Values that stand for nothing."""
    for value, count, reason, confidence in c.told.placeholders:
        if (not c.is_text and c.numbers is None) or (c.numbers is not None and not _is_number(value)):
            continue  # the contract's type says so already
        params = {"column": c.name, "values": [_typed(c, value)], "negate": True}
        yield Suggestion(c.table, "one_of", params, (c.name,), f"{value!r} is {reason}, {count:,} times", c.every + count,
                         count, confidence, f"not {value}")  # fmt: skip


def _type(c: Seen) -> Iterator[Suggestion]:
    """The contract's type, where texts have one."""
    if c.told.stored != "String" or c.is_text or not c.every:
        return
    fit = 1 - c.told.unfit / max(1, c.told.values)
    word = {"type": c.told.type, "format": c.told.format} if c.told.format else c.told.type
    broken = c.told.unfit - sum(n for value, n, *_ in c.told.placeholders if value in c.nothing)
    yield Suggestion(c.table, "type", {"type": word}, (c.name,), f"{fit:.1%} of the values are {c.told.type}", c.every,
                     max(0, broken), _sure(c.every, max(0, broken), 0.99))  # fmt: skip


def _not_null(c: Seen) -> Iterator[Suggestion]:
    missing = c.told.nulls + c.told.blanks
    share = missing / max(1, c.told.rows)
    if c.told.rows >= 2 and (missing == 0 or (share <= 0.01 and c.told.rows >= 200)):
        reason = "no value is missing" if not missing else f"only {missing:,} of {c.told.rows:,} values are missing"
        yield Suggestion(c.table, "not_null", {"column": c.name, "blank": c.is_text}, (c.name,), reason, c.told.rows, missing,
                         _sure(c.told.rows, missing, 0.97) if not missing else 0.7)  # fmt: skip


def _allowed(c: Seen) -> Iterator[Suggestion]:
    """Few values that repeat. Rare ones are let in where they look like the others and are not nearly one of them."""
    if c.every < ENOUGH or not (c.is_text or c.numbers is not None) or not c.counts.height:
        return
    ordered = c.counts.with_columns(shape(pl.col("value")).alias("shape")).sort(["count", "value"], descending=[True, False])
    first = int(ordered["count"][0])
    if not c.is_text:
        yield from _nearly_constant(c, ordered, first)
        return
    typos = {t[0] for t in c.told.typos}
    often = ordered.filter((pl.col("count") >= max(2, 0.002 * c.every)) & ~pl.col("value").is_in(list(typos)))
    usual = [v for v in often["value"].to_list() if v == v.strip()]
    covered = int(often["count"].sum())
    if not usual or len(usual) > min(VALUES, c.every / 8) or covered < 0.75 * c.every:
        return
    alike = ordered.filter(~pl.col("value").is_in([*usual, *typos]) & pl.col("shape").is_in(_shapes(often, c.every)))
    values = [*usual, *(v for v in alike["value"].to_list() if v == v.strip())]
    rest = c.every - covered - int(alike["count"].sum())
    reason = (
        f"{len(values)} values make up {1 - rest / c.every:.1%} of the column" if rest else f"only {len(values)} values occur"
    )
    sure = max(0.0, 0.95 - 0.15 * min(1.0, 8 * len(values) / c.every) - 0.2 * (alike.height > len(usual)))
    params = {"column": c.name, "values": sorted(values)}
    yield Suggestion(c.table, "one_of", params, (c.name,), reason, c.every, rest, round(sure, 3))


def _shapes(often: pl.DataFrame, every: int) -> list[str]:
    """Shapes that enough of the usual values have."""
    found = often.group_by("shape").agg(pl.col("count").sum()).filter(pl.col("count") >= 0.02 * every)
    return found["shape"].to_list()


def _nearly_constant(c: Seen, ordered: pl.DataFrame, first: int) -> Iterator[Suggestion]:
    """One number everywhere, or nearly: what else there is was hardly meant. Nothing (0) often stands beside other numbers."""
    rest = c.every - first
    scattered = ordered.height > 2 and _most(ordered.slice(1)["count"]) <= max(2, 0.02 * c.every)
    value = _typed(c, str(ordered["value"][0]))
    least = 0.75 if scattered and (ordered.height > 6 or (value != 0 and ordered.height > 3)) else 0.9
    if first < least * c.every or c.every < 30:
        return
    params = {"column": c.name, "values": [value]}
    if not rest:
        if value != 0:
            yield Suggestion(c.table, "one_of", params, (c.name,), f"only {value} occurs", c.every, 0, 0.8)
        return
    reason = f"{value} is {first / c.every:.1%} of the column"
    beside = value == 0 and rest > 0.02 * c.every and ordered.height > 20  # measured now and then, such as rain
    sure = 0.85 if (scattered or first > 0.92 * c.every) and not beside else 0.7
    yield Suggestion(c.table, "one_of", params, (c.name,), reason, c.every, rest, sure)


def _most(counts: pl.Series) -> int:
    return max(counts.to_list(), default=0)


def _odd(c: Seen) -> Iterator[Suggestion]:
    """Ways to write that hardly any other value of the column has: slips of the keyboard."""
    if not c.is_text or c.every < ENOUGH:
        return
    capital = pl.col("value").str.contains(r"\p{Lu}") & ~pl.col("value").str.contains(r"\p{Ll}")
    small = 1 - float(c.counts.filter(capital)["count"].sum()) / c.every
    chosen, bad = [], pl.lit(False)
    for regex, most in _ODD:
        share = float(c.counts.filter(pl.col("value").str.contains(regex))["count"].sum()) / c.every
        if 0 < share <= most:
            chosen.append(regex)
            bad = bad | pl.col("value").str.contains(regex)
    lonely = r"(?:^| )\p{Ll}(?: |$)"
    if 0 < float(c.counts.filter(pl.col("value").str.contains(lonely))["count"].sum()) <= 0.03 * c.every and _capitals(c) > 0.8:
        chosen.append(lonely)
        bad = bad | pl.col("value").str.contains(lonely)
    if 0 < small < 0.2:
        chosen.append(r"\p{Ll}")
        bad = bad | pl.col("value").str.contains(r"\p{Ll}")
    if not chosen:
        return
    found = c.counts.filter(bad)
    count = int(found["count"].sum())
    shown = ", ".join(repr(v) for v in found["value"].sort().head(3).to_list())
    params = {"column": c.name, "regex": chosen if len(chosen) > 1 else chosen[0], "negate": True}
    yield Suggestion(c.table, "matches", params, (c.name,), f"written unlike the others: {shown}", c.every, count,
                     round(0.9 - 0.5 * count / c.every, 3), "odd writing")  # fmt: skip


def _capitals(c: Seen) -> float:
    """The share of values that begin with a capital or a digit."""
    return float(c.counts.filter(pl.col("value").str.contains(r"^[\p{Lu}\d]"))["count"].sum()) / c.every


# what is odd, and how large a share of a column may have it and still be odd
_ODD = (
    (r"\*{2,}|\?{2,}|\x{FFFD}", 0.2),
    (r"\p{Lu}{2}\p{Ll}|\p{Ll}{2}\p{Lu}", 0.12),
    (r"\p{Ll}\d|\d\p{Ll}\p{Ll}?\d", 0.06),
    (r"[\x00-\x08\x0B-\x1F]", 0.5),
)


def _misspelt(c: Seen) -> Iterator[Suggestion]:
    """Near-duplicates of frequent values."""
    wrong = [t for t in c.told.typos if t[4] >= 0.6]
    if not wrong:
        return
    count = sum(t[1] for t in wrong)
    shown = ", ".join(f"{t[0]!r} for {t[2]!r}" for t in wrong[:3])
    params = {"column": c.name, "values": sorted(t[0] for t in wrong), "negate": True}
    sure = sum(t[4] * t[1] for t in wrong) / count
    yield Suggestion(c.table, "one_of", params, (c.name,), f"misspelt: {shown}{' …' if len(wrong) > 3 else ''}", c.every, count,
                     round(sure, 3), "misspelt")  # fmt: skip


def _pattern(c: Seen) -> Iterator[Suggestion]:
    """A few patterns that nearly all texts have, tight enough to say something."""
    if not c.is_text or c.every < ENOUGH or c.told.check:
        return
    found = patterns(c.counts, most=12, tight=0.02)
    chosen: list[Pattern] = []
    covered = 0
    for p in found:
        if p.share < 0.05 or len(chosen) == 4:
            break
        chosen.append(p)
        covered += p.count
    if not chosen or covered < 0.85 * c.every:
        return
    fits = c.counts.select(
        (pl.col("count").filter(pl.any_horizontal(pl.col("value").str.contains(p.regex) for p in chosen))).sum()
    )
    good = int(fits.item())
    words = any("]+" in p.regex or "}+" in p.regex for p in chosen)
    if good < (0.97 if words else 0.85) * c.every or not any(_says_something(p.regex) for p in chosen):
        return
    regex = [p.regex for p in chosen]
    told = f"{good / c.every:.1%} are written like {' or '.join(repr(p.example) for p in chosen)}"
    sure = _sure(c.every, c.every - good, 0.95) * (0.8 if _other_form(c, regex) > 0.5 * (c.every - good) > 0 else 1.0)
    yield Suggestion(c.table, "matches", {"column": c.name, "regex": regex if len(regex) > 1 else regex[0]}, (c.name,), told,
                     c.every, c.every - good, round(sure, 3))  # fmt: skip


def _other_form(c: Seen, regex: Sequence[str]) -> int:
    """How many of the exceptions share a form of their own that many different values have: hardly slips."""
    formed = c.counts.with_columns(shape(pl.col("value")).alias("form"))
    fits = pl.any_horizontal(pl.col("value").str.contains(one) for one in regex)
    usual = formed.filter(fits)["form"].unique().to_list()
    others = formed.filter(~fits & ~pl.col("form").is_in(usual)).group_by("form")
    forms = others.agg(pl.len().alias("kinds"), pl.col("count").sum())
    many = (pl.col("kinds") >= 10) & (pl.col("count") >= 0.01 * c.every)
    return int(forms.filter(many)["count"].sum())


def _says_something(regex: str) -> bool:
    """A pattern of one word or of free text is no rule."""
    inner = re.sub(r"\[[^]]*\]\+?|\\p\{L\}\+?", "", regex.strip("^$"))
    return any(sign in inner for sign in ("\\d", "{", "-", "@", "/", "_"))


def _unit(c: Seen) -> Iterator[Suggestion]:
    """Numbers written with a unit, in several ways: the number should stand alone."""
    if not c.is_text or c.every < ENOUGH:
        return
    split = c.counts.with_columns(
        pl.col("value").str.extract(r"^\s*([+-]?\d+(?:[.,]\d+)?)\s*\D{0,20}$").alias("number"),
        pl.col("value").str.extract(r"^\s*[+-]?\d+(?:[.,]\d+)?\s*(\D{0,20})$").str.strip_chars().alias("unit"),
    ).drop_nulls("number")
    numeric = int(split["count"].sum())
    units = split.filter(pl.col("unit") != "")
    written = units.group_by("unit").agg(pl.col("count").sum()).sort("count", descending=True)
    plain = numeric - int(units["count"].sum())
    if written.height and written["count"][0] >= 0.8 * c.every and numeric >= 0.95 * c.every:
        yield from _same_unit(c, split, str(written["unit"][0]))
        return
    if numeric < 0.95 * c.every or not 0 < written.height <= 15 or (written.height < 2 and plain < 0.3 * c.every):
        return
    ways = ", ".join(repr(u) for u in written["unit"].head(4).to_list())
    reason = f"numbers with units written in {written.height} ways ({ways}): the number should stand alone"
    yield Suggestion(c.table, "matches", {"column": c.name, "regex": r"^[+-]?\d+([.,]\d+)?$"}, (c.name,), reason, c.every,
                     int(units["count"].sum()), 0.75 if written.height < 3 and not plain else 0.85, "number alone")  # fmt: skip


def _same_unit(c: Seen, split: pl.DataFrame, unit: str) -> Iterator[Suggestion]:
    """Nearly all numbers have one unit: others are slips, and it may stay."""
    good = int(split.filter(pl.col("unit") == unit)["count"].sum())
    if good < c.every:
        regex = rf"^\s*[+-]?\d+([.,]\d+)?\s*{re.escape(unit)}\s*$"
        reason = f"{good / c.every:.1%} are numbers with {unit!r}"
        yield Suggestion(c.table, "matches", {"column": c.name, "regex": regex}, (c.name,), reason,
                         c.every, c.every - good, _sure(c.every, c.every - good, 0.9), "one unit")  # fmt: skip


def _format(c: Seen) -> Iterator[Suggestion]:
    if c.is_text and c.told.check and c.every >= 5:
        params, reason = {"column": c.name, "kind": c.told.check}, f"looks like {c.told.meaning}"
        yield Suggestion(c.table, "format_is", params, (c.name,), reason, c.every, 0, 0.9)


def _range(c: Seen) -> Iterator[Suggestion]:
    """Limits of numbers: around all values, or around the usual ones where a few lie far out."""
    params: dict[str, Any]
    if c.told.outside and (c.told.earliest or c.told.latest):
        params = {"column": c.name, "min": c.told.earliest, "max": c.told.latest}
        reason = f"{c.told.outside:,} dates lie far from all others"
        yield Suggestion(c.table, "between", {k: v for k, v in params.items() if v}, (c.name,), reason, c.every, c.told.outside,
                         _sure(c.every, c.told.outside, 0.9))  # fmt: skip
    if c.numbers is None or c.told.least is None:
        return
    numbers = c.numbers.drop_nulls()
    if numbers.len() < ENOUGH or (is_identifier(c.name) and not c.told.outside):
        return
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    outside, reason = 0, "all values lie there"
    if c.told.low is not None and c.told.high is not None and c.told.outside:
        usual_low, usual_high = rounded(c.told.low, c.told.high, low, high)
        low, high = max(low, usual_low), min(high, usual_high)
        outside = int(((numbers < low) | (numbers > high)).sum())
        reason = f"{outside:,} of the values {'lies' if outside == 1 else 'lie'} far from all others"
    else:
        low, high = rounded(low, high, low, high)
    whole = bool((numbers == numbers.floor()).all())
    params = {"column": c.name, "min": _number(low, whole), "max": _number(high, whole)}
    yield Suggestion(
        c.table, "between", params, (c.name,), reason, numbers.len(), outside, _sure_of_limits(numbers.len(), outside)
    )


def _sure_of_limits(rows: int, outside: int) -> float:
    """Limits are a guess: surer with more rows, less sure the more lie outside. Of many rows that is a long tail, no slips."""
    share = outside / rows
    tail = 8 * max(0.0, share - 0.03) if rows >= 500 else 0.5 * share
    return round(max(0.0, min(0.9, 0.7 + 0.06 * math.log10(max(rows, 1)) + (0.1 if outside else 0.0) - tail)), 3)


def _decimals(c: Seen) -> Iterator[Suggestion]:
    """Most numbers have few decimals, and a minority has a long tail of them: computed, not measured or agreed."""
    if c.numbers is None or c.every < 30:
        return
    tail = pl.col("value").str.extract(r"^[+-]?\d*[.](\d+)$").str.len_chars().fill_null(0)
    held = c.counts.group_by(tail.alias("places")).agg(pl.col("count").sum())
    counts = {int(places): int(count) for places, count in held.iter_rows()}
    few = {places: count for places, count in counts.items() if places <= 4}
    most = max((places for places, count in few.items() if count >= 0.02 * c.every), default=0)
    least = min((places for places in counts if places > 4), default=0)
    good = sum(few.values())
    if good < 0.7 * c.every or least < most + 6:
        return
    reason = f"{good / c.every:.1%} have at most {most} decimals, the others {least} or more"
    params = {"column": c.name, "max_decimals": most}
    yield Suggestion(c.table, "precision", params, (c.name,), reason, c.every, c.every - good, 0.8)


# ── several columns ───────────────────────────────────────────────────────────────────────────────────────────────────


def _nearly_key(c: Seen) -> Iterator[Suggestion]:
    """Nearly every value once, a few values often: copies of another row's identifier or figure."""
    if c.every < ENOUGH:
        return
    once = c.counts.filter(pl.col("count") == 1).height
    several = c.counts.height - once
    written = c.counts["value"].str.replace(r"\.0+$", "").str.replace_all(r"\D", "").str.strip_chars_start("0")
    digits = float(written.str.len_chars().mean() or 0.0)  # type: ignore[arg-type]
    telling = is_identifier(c.name.partition("(")[0]) or (c.numbers is not None and digits >= DIGITS)
    if not telling or once < 0.5 * c.every or several > 0.08 * c.counts.height:
        return
    repeated = c.every - once
    reason = f"{once:,} values come once, only {several:,} more often" if several else "no value comes twice"
    yield Suggestion(c.table, "unique", {"columns": [c.name]}, (c.name,), reason, c.every, repeated, 0.85)


def _in_order(c: Seen, cells: pl.Series) -> Iterator[Suggestion]:
    """Whole numbers that rise, or fall, from row to row, nearly everywhere: running numbers. Such ones occur once."""
    if c.numbers is None or c.every < ENOUGH or c.counts.height < 0.5 * c.every:
        return
    numbers = cells.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False).drop_nulls().drop_nans()
    if numbers.len() < c.every or not bool((numbers == numbers.floor()).all()):
        return
    for direction, sign in (("asc", 1.0), ("desc", -1.0)):
        if int((sign * numbers.diff().drop_nulls() > 0).sum()) < 0.7 * c.every:
            continue  # a row that breaks the order is below one neighbour at most: seen at once, without a search
        broken = int(out_of_order(sign * numbers.to_numpy(), strict=True).sum())
        if broken <= 0.25 * c.every:
            params = {"column": c.name, "direction": direction, "strict": True, "fewest": True}
            reason = f"{1 - broken / c.every:.1%} of the rows are {'above' if sign > 0 else 'below'} those before them"
            yield Suggestion(c.table, "ordered", params, (c.name,), reason, c.every, broken,
                             round(max(0.0, 0.97 - 0.5 * broken / c.every), 3))  # fmt: skip


_OF_ONE_COLUMN = (
    _nothing, _type, _not_null, _allowed, _misspelt, _odd, _nearly_key, _pattern, _unit, _format, _range, _decimals,
)  # fmt: skip


def _keys(table: TableProfile) -> Iterator[Suggestion]:
    for key in table.keys[:3]:
        if table.rows < 2 or key.score < 0.42:
            continue
        reason = "no two rows have the same" if key.holds else f"only {key.groups:,} keys come more than once"
        yield Suggestion(table.name, "unique", {"columns": list(key.columns)}, key.columns, reason, table.rows, key.repeated,
                         round(min(0.99, 0.5 + 0.5 * key.score) if key.holds else 0.4 + 0.5 * key.score, 3))  # fmt: skip


def _dependent(table: Known, sample: pl.DataFrame, nothing: tuple[str, ...]) -> Iterator[Suggestion]:
    for d in table.profile.dependencies:
        params = {"determinant": list(d.determinant), "dependent": d.dependent, "undecided": "pass"}
        shown = f"; {d.examples[0][1]!r} beside {d.examples[0][2]!r} for {d.examples[0][0]!r}" if d.examples else ""
        reason = f"{', '.join(d.determinant)} tells {d.dependent} in {1 - d.share:.1%} of {d.support:,} rows{shown}"
        sure = min(0.98, d.strength) * min(1.0, 0.6 + d.support / max(1, d.groups) / 10) * (0.5 + 0.5 * d.lonely)
        yield Suggestion(table.profile.name, "depends_on", params, (*d.determinant, d.dependent), reason, d.support, d.broken,
                         round(sure, 3))  # fmt: skip


def _foreign(table: str, f: ForeignKeyFound) -> Suggestion:
    references = [f"{f.references}.{c}" for c in f.key]
    params = {"columns": list(f.columns), "references": references if len(references) > 1 else references[0]}
    reason = f"{1 - f.missing / max(1, f.rows):.1%} of {f.rows:,} keys are in {f.references}"
    return Suggestion(table, "foreign_key", params, f.columns, reason, f.rows, f.missing, f.confidence, f"in {f.references}")


# ── what they share ───────────────────────────────────────────────────────────────────────────────────────────────────


def _sure(rows: int, broken: int, most: float) -> float:
    """Lower end of the share that holds (Wilson, 95 %), at most ``most``: few rows or many exceptions make it less sure."""
    if not rows:
        return 0.0
    share, z = 1 - broken / rows, 1.96
    middle = share + z * z / (2 * rows)
    spread = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return round(max(0.0, min(most, (middle - spread) / (1 + z * z / rows))), 3)


def _number(value: float, whole: bool) -> float | int:
    return int(value) if whole and value == int(value) else float(f"{value:.12g}")


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _typed(c: Seen, value: str) -> Any:
    if c.numbers is None or value in c.nothing:
        return value
    number = float(value)
    return int(number) if number == int(number) else number


def _without_doubles(found: list[Suggestion]) -> list[Suggestion]:
    """A list of allowed values makes a list of misspelt ones and a pattern of the same column needless."""
    twice: set[tuple[str, ...]] = set()
    found = [s for s in found if s.module != "unique" or not (s.columns in twice or twice.add(s.columns))]  # type: ignore[func-returns-value]
    listed = {s.columns for s in found if s.module == "one_of" and not s.about}
    shaped = {s.columns for s in found if s.about == "number alone"}

    running = {s.columns for s in found if s.module == "ordered"}
    referring = {s.columns for s in found if s.module == "foreign_key"}

    def needless(s: Suggestion) -> bool:
        if s.columns in running and ((s.module == "unique" and s.broken) or (s.module == "between" and not s.broken)):
            return True  # what rises occurs once, and goes on
        if s.columns in referring and s.module in ("between", "one_of", "matches"):
            return True  # the other table says what is allowed
        if s.columns in listed and (s.about == "misspelt" or (s.module == "matches" and not s.about)):
            return True
        other = s.module in ("matches", "one_of") and s.about in ("", "misspelt", "odd writing")
        return s.columns in shaped and other

    return [s for s in found if not needless(s)]
