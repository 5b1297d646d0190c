"""Rules for misspelt values and words of one column: those found, and a search for those to come."""

from __future__ import annotations

from collections.abc import Iterator

from qpipe.analysis.semantic import ADDRESS
from qpipe.analysis.words import frequent_words, misspellings, regex_of
from qpipe.core.lazy import pl
from qpipe.profile.rules.seen import ENOUGH, Seen, Suggestion, certainty

TEXTS = 100_000  # different ones whose words are looked at
WORDS = 300  # misspelt ones in one rule
OFTEN = 4  # times comes a value that a slip of it is told by
KNOWN = 0.5  # of the rows, at least, have such a value or a frequent word, where a search is worth it
FEW = 0.02  # of the rows, at most, that a search finds in what it was learnt on


def misspelt(c: Seen) -> Iterator[Suggestion]:
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


def words(c: Seen) -> Iterator[Suggestion]:
    """Rare words within texts that are nearly a frequent one; where hardly any is, a search for those to come."""
    if not c.is_text or c.every < ENOUGH or c.told.check:
        return
    listed = {t[0]: t[1] for t in c.told.typos}
    counts = c.counts.filter(~pl.col("value").is_in(list(listed))).sort(["count", "value"], descending=[True, False])
    found = misspellings(counts.head(TEXTS))[:WORDS] if c.counts.height >= 0.1 * c.every else []
    regex = regex_of(found) if found else ""
    broken = int(c.counts.filter(pl.col("value").str.contains(regex))["count"].sum()) if found else 0
    if found:
        shown = ", ".join(f"{m.found!r} for {m.meant!r}" for m in found[:3])
        params = {"column": c.name, "regex": regex, "negate": True}
        yield Suggestion(c.table, "matches", params, (c.name,), f"misspelt words: {shown}{' …' if len(found) > 3 else ''}",
                         c.every, broken, round(0.88 - 0.5 * broken / c.every, 3), "misspelt words")  # fmt: skip
    yield from _search(c, counts.head(TEXTS), broken + sum(listed.values()))


def _search(c: Seen, counts: pl.DataFrame, broken: int) -> Iterator[Suggestion]:
    """Names of persons are left out: of two that are alike each is somebody's."""
    if broken > FEW * c.every or (c.told.personal and c.told.meaning != ADDRESS):
        return
    again = pl.col("count") >= OFTEN
    whole = int(counts.filter(again)["count"].sum())
    parts = frequent_words(counts)
    inside = pl.col("value").str.contains_any(parts) if parts else pl.lit(False)
    known = int(counts.filter(again | inside)["count"].sum())
    if known < KNOWN * c.every:
        return
    params = {"columns": [c.name], **({"words": True} if known > whole else {})}
    what = "words" if known > whole else "values"
    reason = f"{what} come again and again, in {known / c.every:.1%} of the rows, and {broken:,} are nearly one of them"
    yield Suggestion(c.table, "detect_typos", params, (c.name,), reason, c.every, broken, certainty(c.every, broken, 0.85))
