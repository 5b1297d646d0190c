"""Rules for the values of one column: type, missing ones, allowed ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.analysis.kinds import read
from qpipe.analysis.patterns import shape
from qpipe.analysis.semantic import listed
from qpipe.analysis.typos import slips_of
from qpipe.core.lazy import pl
from qpipe.profile.rules.seen import ENOUGH, FEWEST, Seen, Suggestion, certainty, number, plain
from qpipe.profile.rules.writing import form_of_dates

if TYPE_CHECKING:
    import polars as pl

VALUES = 60  # in a list of allowed values


def nothing(c: Seen) -> Iterator[Suggestion]:
    """Values that stand for nothing."""
    for value, count, reason, confidence in c.told.placeholders:
        if value in c.null:
            continue
        meant = value if c.is_text else _as_number(c, value)
        if meant is None:
            continue  # the contract's type says so already
        params = {"column": c.name, "values": [meant], "negate": True}
        yield Suggestion(c.table, "one_of", params, (c.name,), f"{value!r} is {reason}, {count:,} times", c.every + count,
                         count, confidence, f"not {value}")  # fmt: skip


def _as_number(c: Seen, value: str) -> float | int | str | None:
    """As a column of numbers has it. NaN is none but in floats, and a word never is one."""
    if c.numbers is None:
        return None
    found = pl.select(number(pl.lit(value))).item()
    if found is None:
        return value if c.reading.kind == "float" and value.lower() == "nan" else None
    return plain(found)


def of_type(c: Seen) -> Iterator[Suggestion]:
    """The contract's type, where texts have one."""
    if c.told.stored != "String" or c.is_text or not c.every:
        return
    fit = 1 - c.told.unfit / max(1, c.told.values)
    form = form_of_dates(c)
    if form is not None:
        wrong = int(c.counts.filter(~pl.col("value").str.contains(form))["count"].sum())
        reason = f"{1 - wrong / c.every:.1%} of the dates are written alike"
        yield Suggestion(
            c.table, "matches", {"column": c.name, "regex": form}, (c.name,), reason, c.every, wrong, 0.85, "date form"
        )
        params = {"column": c.name, "type": c.told.type, "formats": [c.told.format]}
        yield Suggestion(c.table, "parse_date", params, (c.name,), f"{fit:.1%} of the values are {c.told.type}", c.every,
                         c.told.unfit, 0.85)  # fmt: skip
        return
    word = {"type": c.told.type, "format": c.told.format} if c.told.format else c.told.type
    broken = max(0, c.told.unfit - sum(n for value, n, *_ in c.told.placeholders if value in c.nothing))
    sure = certainty(c.every, broken, 0.99)
    if not broken and c.every >= FEWEST:
        sure = max(sure, 0.82)  # so many texts are no numbers by chance
    yield Suggestion(
        c.table, "type", {"type": word}, (c.name,), f"{fit:.1%} of the values are {c.told.type}", c.every, broken, sure
    )


def not_null(c: Seen) -> Iterator[Suggestion]:
    missing = c.missing
    share = missing / max(1, c.told.rows)
    if c.told.rows >= 2 and (missing == 0 or (share <= 0.01 and c.told.rows >= 200)):
        reason = "no value is missing" if not missing else f"only {missing:,} of {c.told.rows:,} values are missing"
        yield Suggestion(c.table, "not_null", {"column": c.name, "blank": c.is_text}, (c.name,), reason, c.told.rows, missing,
                         certainty(c.told.rows, missing, 0.97) if not missing else 0.7)  # fmt: skip


def one_date(c: Seen) -> Iterator[Suggestion]:
    """One date nearly everywhere, and slips of it."""
    if not c.is_dated or c.every < ENOUGH:
        return
    ordered = c.counts.sort(["count", "value"], descending=[True, False])
    if not slips_of(ordered, c.every):
        return
    usual, first = ordered.row(0)
    day = pl.Series([usual]).to_frame("x").select(read(pl.col("x"), c.reading)).item()
    if day is not None:
        reason = f"{usual} is {first / c.every:.1%} of the column, and most of the others are slips of it"
        params = {"column": c.name, "values": [day.isoformat()]}
        yield Suggestion(c.table, "one_of", params, (c.name,), reason, c.every, c.every - first, 0.85)


def allowed(c: Seen) -> Iterator[Suggestion]:
    """Few values that repeat. Rare ones are let in where they look like the others and are not nearly one of them."""
    if c.every < ENOUGH or not (c.is_text or c.numbers is not None) or not c.counts.height:
        return
    if not c.is_text:
        yield from _nearly_constant(c)
        return
    ordered = c.counts.with_columns(shape(pl.col("value")).alias("shape")).sort(["count", "value"], descending=[True, False])
    typos = {t[0] for t in c.told.typos} | _short_slips(ordered) | _other_case(ordered) | _no_code(c)
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


def _short_slips(ordered: pl.DataFrame) -> set[str]:
    """Short values that are a letter short of, or a swap in, one that comes often: JN for JAN, JNA."""
    from rapidfuzz.distance import OSA

    values, weights = ordered["value"].head(500).to_list(), ordered["count"].head(500).to_list()
    found = set()
    for n, (text, count) in enumerate(zip(values, weights, strict=True)):
        for usual, often in zip(values[:n], weights[:n], strict=True):
            if often < 4 * count or not 2 <= len(text) <= len(usual) < 5 or not usual.isalnum() or usual.isdigit():
                continue
            swap = len(text) == len(usual) and sorted(text) == sorted(usual)
            if len(usual) > 2 and (swap or len(text) < len(usual)) and OSA.distance(text, usual, score_cutoff=1) == 1:
                found.add(text)
    return found


def _other_case(ordered: pl.DataFrame) -> set[str]:
    """Rare values that differ from a frequent one in capitals only: MÜNCHEN, where München is usual."""
    lower = ordered.with_columns(pl.col("value").str.to_lowercase().alias("lower"))
    most = pl.col("count").max().over("lower")
    return set(lower.filter(pl.col("count") * 4 <= most)["value"].to_list())


def _no_code(c: Seen) -> set[str]:
    """Values that are none of the codes that the column has: € among CHF and EUR."""
    codes = listed(c.told.meaning or "")
    return set(c.counts.filter(~pl.col("value").str.strip_chars().is_in(list(codes)))["value"].to_list()) if codes else set()


def _shapes(often: pl.DataFrame, every: int) -> list[str]:
    """Shapes that enough of the usual values have."""
    found = often.group_by("shape").agg(pl.col("count").sum()).filter(pl.col("count") >= 0.02 * every)
    return found["shape"].to_list()


def _nearly_constant(c: Seen) -> Iterator[Suggestion]:
    """One number everywhere, or nearly: what else there is was hardly meant. Nothing (0) often stands beside others."""
    numbers = c.counts.select(number(pl.col("value")).alias("number"), "count").drop_nulls().group_by("number").sum()
    every, others = int(numbers["count"].sum()), numbers.height - 1
    if every < 30:
        return
    most, first = numbers.sort(["count", "number"], descending=[True, False]).row(0)
    value, rest = plain(most), every - first
    params = {"column": c.name, "values": [value]}
    if not rest:
        if value != 0:
            yield Suggestion(c.table, "one_of", params, (c.name,), f"only {value} occurs", every, 0, 0.8)
        return
    again = int(numbers["count"].sort(descending=True)[1])
    scattered = others > 1 and again <= max(2, 0.02 * every)
    if first < (0.75 if scattered and others > (5 if value == 0 else 2) else 0.9) * every:
        return
    beside = value == 0 and rest > 0.02 * every and others >= 20  # measured now and then, such as rain
    sure = 0.85 if (scattered or first > 0.92 * every) and not beside else 0.7
    yield Suggestion(c.table, "one_of", params, (c.name,), f"{value} is {first / every:.1%} of the column", every, rest, sure)
