"""Rules for the numbers of one column: limits, decimals, identifiers, running numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qpipe.analysis.order import out_of_order
from qpipe.analysis.outliers import rounded
from qpipe.analysis.semantic import is_identifier
from qpipe.core.lazy import pl
from qpipe.profile.rules.seen import ENOUGH, FEWEST, Seen, Suggestion, certainty, number, plain

if TYPE_CHECKING:
    import polars as pl

MORE_YEARS = 10
DIGITS = 7  # of a number: so long ones are hardly ever equal by chance


def within(c: Seen) -> Iterator[Suggestion]:
    """Limits of numbers: around all values, or around the usual ones where a few lie far out."""
    params: dict[str, Any]
    yield from _by_name(c)
    if c.told.outside and (c.told.earliest or c.told.latest):
        params = {"column": c.name, "min": c.told.earliest, "max": c.told.latest}
        reason = f"{c.told.outside:,} dates lie far from all others"
        yield Suggestion(c.table, "between", {k: v for k, v in params.items() if v}, (c.name,), reason, c.every, c.told.outside,
                         certainty(c.every, c.told.outside, 0.9))  # fmt: skip
    elif c.reading.kind in ("date", "datetime"):
        yield from _about_then(c)
    if c.numbers is None or c.told.least is None:
        return
    numbers = _meant(c)
    if numbers.len() < FEWEST or (is_identifier(c.name) and not c.told.outside):
        return
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    below, above, reason, sure = -math.inf, math.inf, "all values lie there", min(0.9, 1 - 2 / (numbers.len() + 1))
    outside = 0
    if c.told.low is not None and c.told.high is not None and c.told.outside:
        under, over = numbers.filter(numbers < c.told.low), numbers.filter(numbers > c.told.high)
        low, high = c.told.low, c.told.high
        below, above = max([-math.inf, *under]), min([math.inf, *over])
        outside, sure = under.len() + over.len(), min(0.9, 1 / (1 + math.exp(-(c.told.clear or 0.0) / 2)))
        reason = f"{outside:,} of the values {'lies' if outside == 1 else 'lie'} strewn about the others"
    low, high = rounded(low, high, below, above)
    nothing = int((~c.numbers.drop_nulls().is_between(low, high)).sum()) - outside
    if nothing > 0:
        outside, reason = outside + nothing, f"{reason}, but for {nothing:,} that stand for nothing"
    params = {"column": c.name, "min": plain(low), "max": plain(high)}
    yield Suggestion(c.table, "between", params, (c.name,), reason, numbers.len(), outside, round(sure, 3))


def _about_then(c: Seen) -> Iterator[Suggestion]:
    """Years that dates may be of where none lies far out: as many more at either end as all span, and ten at least.

    A slip in a year leads further away (0217, 2071); the next years do not.
    """
    years = [int(str(day)[:4]) for day in (c.told.least, c.told.greatest) if re.match(r"\d{4}-", str(day))]
    if len(years) < 2 or c.every < ENOUGH:
        return
    more = max(MORE_YEARS, years[1] - years[0])
    first, last = max(1, years[0] - more), min(9999, years[1] + more)
    params = {"column": c.name, "min": f"{first:04}-01-01", "max": f"{last:04}-12-31"}
    yield Suggestion(c.table, "between", params, (c.name,), f"all are of {years[0]} to {years[1]}", c.every, 0,
                     certainty(c.every, 0, 0.85))  # fmt: skip


def _meant(c: Seen) -> pl.Series:
    """The numbers without those that stand for nothing: -999 is no limit."""
    assert c.numbers is not None
    numbers = c.numbers.drop_nulls()
    gone = [n for value, *_ in c.told.placeholders if (n := pl.select(number(pl.lit(value))).item()) is not None]
    return numbers.filter(~numbers.is_in(gone)) if gone else numbers


def _by_name(c: Seen) -> Iterator[Suggestion]:
    """What the column's name says numbers may be, where most of them are: years, percentages, hours, coordinates."""
    if c.numbers is None:
        return
    numbers = c.numbers.drop_nulls()
    named = (bounds for words, bounds in _NAMED if re.search(words, c.name, re.I))
    low, high = next(named, (0, 0))
    outside = int(((numbers < low) | (numbers > high)).sum())
    if low == high or numbers.len() < 5 or not 0 < outside <= 0.25 * numbers.len():
        return
    params = {"column": c.name, "min": low, "max": high}
    yield Suggestion(c.table, "between", params, (c.name,), f"{outside:,} of the values cannot be what the name says",
                     numbers.len(), outside, 0.85, "by name")  # fmt: skip


# what a name says, and the numbers that can be
_NAMED = (
    (r"(?:^|[_\W])years?(?:$|[_\W])", (1500, 2200)),
    (r"(?:^|[_\W])lat(?:itude)?(?:$|[_\W])", (-90, 90)),
    (r"(?:^|[_\W])(?:lon|lng|longitude)(?:$|[_\W])", (-180, 180)),
    (r"(?:^|[_\W])(?:percent|percentage|pct)(?:$|[_\W])", (0, 100)),
    (r"(?:^|[_\W])months?(?:$|[_\W])", (1, 12)),
    (r"(?:^|[_\W])hour(?:$|[_\W])", (0, 24)),
    (r"(?:^|[_\W])age(?:$|[_\W])", (0, 125)),
)


def decimals(c: Seen) -> Iterator[Suggestion]:
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


def nearly_key(c: Seen) -> Iterator[Suggestion]:
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
    if by_chance(c.counts.filter(pl.col("count") > 1)["count"]):
        return
    repeated = c.every - once
    reason = f"{once:,} values come once, only {several:,} more often" if several else "no value comes twice"
    yield Suggestion(c.table, "unique", {"columns": [c.name]}, (c.name,), reason, c.every, repeated, 0.85)


def by_chance(counts: pl.Series) -> bool:
    """Whether values that come more than once all come twice, and many do: draws from a large set meet so, copies do not."""
    return counts.len() >= 8 and bool((counts == 2).all())


def in_order(c: Seen) -> Iterator[Suggestion]:
    """Whole numbers that rise, or fall, from row to row, nearly everywhere: running numbers. Such ones occur once."""
    if c.numbers is None or c.every < FEWEST or c.counts.height < 0.5 * c.every:
        return
    numbers = c.numbers.drop_nulls()
    if numbers.len() < c.every or not bool((numbers == numbers.floor()).all()):
        return
    few = c.every < ENOUGH
    for direction, sign in (("asc", 1.0), ("desc", -1.0)):
        steps = sign * numbers.diff().drop_nulls()
        if not (_on_a_line(sign * numbers, steps) if few else int((steps > 0).sum()) >= 0.7 * c.every):
            continue  # a row that breaks the order is below one neighbour at most: seen at once, without a search
        broken = int(out_of_order(sign * numbers.to_numpy(), strict=True).sum())
        if broken <= (0.3 if few else 0.25) * c.every:
            params = {"column": c.name, "direction": direction, "strict": True, "fewest": True}
            reason = f"{1 - broken / c.every:.1%} of the rows are {'above' if sign > 0 else 'below'} those before them"
            yield Suggestion(c.table, "ordered", params, (c.name,), reason, c.every, broken,
                             round(max(0.0, 0.97 - 0.5 * broken / c.every), 3))  # fmt: skip


def _on_a_line(numbers: pl.Series, steps: pl.Series) -> bool:
    """Whether nearly all of a few numbers rise by one and the same step a row, counted over what lies between: no accident."""
    step = float(steps.mode().min())  # type: ignore[arg-type]
    starts = numbers - step * pl.int_range(numbers.len(), eager=True).cast(pl.Float64)
    most = int(starts.alias("start").value_counts(name="n")["n"].max())  # type: ignore[arg-type]
    return step > 0 and most >= max(5, 0.7 * numbers.len())
