"""Rules for how the texts of one column are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from qpipe.analysis.kinds import read
from qpipe.analysis.patterns import Pattern, patterns, shape
from qpipe.analysis.semantic import forms
from qpipe.core.component import Context
from qpipe.core.lazy import pl
from qpipe.core.registry import Registry
from qpipe.profile.rules.seen import ENOUGH, Seen, Suggestion, certainty

SCATTERED = 0.65  # of the values have one form, and the others none of their own
UNIT = 8  # letters at most
_MEASURED = (None, "amount of money", "percentage")  # what numbers with a unit may mean
MEANT = 0.08  # of the values look like a format and are none: so many were written so on purpose
NEVER, MOST = 0.9, 0.85  # so sure that no value is written so, a rule says it; at most, how sure it is


def odd(c: Seen) -> Iterator[Suggestion]:
    """Ways to write that hardly any other value of the column has, or surely none: slips of the keyboard."""
    if not c.is_text or c.every < ENOUGH:
        return
    surely = certainty(c.every, 0, 1.0) >= NEVER
    chosen = [regex for regex, share, most in _odd_forms(c) if share <= most and (share or surely)]
    if not chosen:
        return
    found = c.counts.filter(pl.any_horizontal(pl.col("value").str.contains(regex) for regex in chosen))
    count = int(found["count"].sum())
    if _meant(c, found):
        return
    shown = ", ".join(repr(v) for v in found["value"].sort().head(3).to_list())
    params = {"column": c.name, "regex": chosen if len(chosen) > 1 else chosen[0], "negate": True}
    reason = f"written unlike the others: {shown}" if count else "no value has signs that slips of the keyboard leave"
    sure = 0.9 - 0.5 * count / c.every if count else certainty(c.every, 0, MOST)
    yield Suggestion(c.table, "matches", params, (c.name,), reason, c.every, count, round(sure, 3), "odd writing")


def _odd_forms(c: Seen) -> Iterator[tuple[str, float, float]]:
    """(regex, the share of the values that have it, how large a share may and still be odd)"""

    def share(test: pl.Expr) -> float:
        return float(c.counts.filter(test)["count"].sum()) / c.every

    cell = pl.col("value")
    yield from ((regex, share(cell.str.contains(regex)), most) for regex, most in _ODD)
    if share(cell.str.contains(r"^[\p{Lu}\d]")) > 0.8:
        yield _LONELY, share(cell.str.contains(_LONELY)), 0.03
    if share(cell.str.contains(r"^[1-9]")) > 0.8:
        yield r"^0\d", share(cell.str.contains(r"^0\d")), 0.06
    capital = share(cell.str.contains(r"\p{Lu}") & ~cell.str.contains(r"\p{Ll}"))
    if capital > 0.8:
        yield r"\p{Ll}", 1 - capital, 0.2


def _meant(c: Seen, found: pl.DataFrame) -> bool:
    """Whether most of what is written unlike the others is written so again and again, as slips are not."""
    count = int(found["count"].sum())
    usual = (c.every - count) / max(1, c.counts.height - found.height)
    return int(found.filter(pl.col("count") >= max(3, 0.5 * usual))["count"].sum()) > 0.5 * count


# what is odd, and how large a share of a column may have it and still be odd
_ODD = (
    (r"\*{2,}|\?{2,}|\x{FFFD}", 0.2),
    (r"\p{Lu}{2}\p{Ll}|\p{Ll}{2}\p{Lu}", 0.12),
    (r"\p{Ll}\d|\d\p{Ll}\p{Ll}?\d", 0.06),
    (r"[\x00-\x08\x0B-\x1F]", 0.5),
    (r"[ÂÃ][\x80-\xBF]|â€", 0.5),  # UTF-8 read as another encoding
)
_LONELY = r"(?:^| )\p{Ll}(?: |$)"


def pattern(c: Seen) -> Iterator[Suggestion]:
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
    most = 0.85 if _has_rival(found, chosen) else SCATTERED
    if not chosen or covered < most * c.every:
        return
    fits = c.counts.select(
        (pl.col("count").filter(pl.any_horizontal(pl.col("value").str.contains(p.regex) for p in chosen))).sum()
    )
    good = int(fits.item())
    words = any("]+" in p.regex or "}+" in p.regex for p in chosen)
    if good < (0.97 if words else most) * c.every or not any(_says_something(p.regex) for p in chosen):
        return
    regex = [p.regex for p in chosen]
    if _meant(c, c.counts.filter(~pl.any_horizontal(pl.col("value").str.contains(one) for one in regex))):
        return
    told = f"{good / c.every:.1%} are written like {' or '.join(repr(p.example) for p in chosen)}"
    sure = certainty(c.every, c.every - good, 0.95)
    if max(_other_form(c, regex), _other_length(c, regex)) > 0.5 * (c.every - good) > 0:
        sure *= 0.8
    elif most == SCATTERED and len(found) > 3:
        sure = max(sure, 0.82)
    yield Suggestion(c.table, "matches", {"column": c.name, "regex": regex if len(regex) > 1 else regex[0]}, (c.name,), told,
                     c.every, c.every - good, round(sure, 3))  # fmt: skip


def form_of_dates(c: Seen) -> str | None:
    """The form that dates have, where a few others can be read as dates, too, but were hardly meant: 2026/1/31, 206/01/31."""
    if not c.is_dated or not c.told.format or c.told.blanks or c.every < ENOUGH:
        return None
    best = patterns(c.counts, most=3, tight=0.02)[0]
    if best.share < 0.6 or re.sub(r"\\d(\{[\d,]+\})?", "", best.regex.strip("^$")).isalpha():
        return None
    dates = c.counts.filter(read(pl.col("value").str.strip_chars(), c.reading).is_not_null())
    other = int(dates.filter(~pl.col("value").str.contains(best.regex))["count"].sum())
    return best.regex if 0 < other <= 0.2 * c.every else None


def _has_rival(found: Sequence[Pattern], chosen: Sequence[Pattern]) -> bool:
    """Whether something beside the chosen ones is written alike often enough to be meant: slips are scattered."""
    rest = [p.share for p in found if p not in chosen]
    return not 1 <= len(chosen) <= 3 or sum(p.share for p in chosen) < 0.6 or max(rest, default=0.0) > 0.04


def _other_form(c: Seen, regex: Sequence[str]) -> int:
    """How many of the exceptions share a form of their own that many different values have: hardly slips."""
    formed = c.counts.with_columns(shape(pl.col("value")).alias("form"))
    fits = pl.any_horizontal(pl.col("value").str.contains(one) for one in regex)
    usual = formed.filter(fits)["form"].unique().to_list()
    others = formed.filter(~fits & ~pl.col("form").is_in(usual)).group_by("form")
    forms = others.agg(pl.len().alias("kinds"), pl.col("count").sum())
    many = (pl.col("kinds") >= 10) & (pl.col("count") >= 0.01 * c.every)
    return int(forms.filter(many)["count"].sum())


def _other_length(c: Seen, regex: Sequence[str]) -> int:
    """How many of the exceptions have forms of many values each, where nearly all have: N1234B beside N123AB. Slips scatter."""
    signs = pl.col("value").str.replace_all(r"[0-9]", "9").str.replace_all(r"\p{Lu}", "A").str.replace_all(r"\p{Ll}", "a")
    fits = pl.any_horizontal(pl.col("value").str.contains(one) for one in regex)
    others = c.counts.filter(~fits).group_by(signs.alias("form")).agg(pl.len().alias("kinds"), pl.col("count").sum())
    many = others.filter((pl.col("kinds") >= 10) & (pl.col("count") >= 0.01 * c.every))
    count = int(many["count"].sum())
    return count if count >= 0.9 * int(others["count"].sum()) else 0


def _says_something(regex: str) -> bool:
    """A pattern of one word or of free text is no rule."""
    inner = re.sub(r"\[[^]]*\]\+?|\\p\{L\}\+?", "", regex.strip("^$"))
    return any(sign in inner for sign in ("\\d", "{", "-", "@", "/", "_"))


def unit(c: Seen) -> Iterator[Suggestion]:
    """Numbers written with a unit, in several ways: the number should stand alone. Post codes and addresses have none."""
    if not c.is_text or c.every < ENOUGH or c.told.meaning not in _MEASURED:
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
    if written.height and len(str(written["unit"][0])) > UNIT:
        return  # 12 Forest Avenue
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
                         c.every, c.every - good, certainty(c.every, c.every - good, 0.9), "one unit")  # fmt: skip


def semantic(c: Seen) -> Iterator[Suggestion]:
    """The format that the values look like. Where too many that look so are none (müller@firm.example), others were meant."""
    if not c.is_text or not c.told.check or c.every < 5:
        return
    check: Any = Registry().get("module", "format_is")(columns=("value",), kind=c.told.check)  # type: ignore[call-arg]
    wrong = c.counts.filter(check.bad("value", Context()))
    alike = pl.any_horizontal(pl.col("value").str.strip_chars().str.contains(form) for form in forms(c.told.meaning or ""))
    broken, other = int(wrong["count"].sum()), int(wrong.filter(alike)["count"].sum())
    params, reason = {"column": c.name, "kind": c.told.check}, f"looks like {c.told.meaning}"
    yield Suggestion(c.table, "format_is", params, (c.name,), reason, c.every, broken, 0.9 if other <= MEANT * c.every else 0.5)
