"""Rare values that are nearly a frequent one: probably misspelt."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

MOST = 4_000  # distinct values compared; beyond that the rarest are left out
_CODE, _WORD = re.compile(r"\d"), re.compile(r"[^\W\d_]{5}")  # a code has digits and no words
_LEAST = 4  # letters; shorter texts are codes, each a letter from the next
_TIMES = 4  # so many times as frequent is the value that was meant
_OFTEN, _TIMES_OFTEN = 3, 10  # one slip seldom comes so often, or twice in a value: then what was meant is the more frequent


@dataclass(frozen=True)
class Typo:
    value: str
    count: int
    meant: str
    meant_count: int
    confidence: float


def typos(counts: pl.DataFrame, most: int = MOST) -> list[Typo]:
    """Misspelt values among texts with their counts (columns value, count), the surest first.

    Compared by edits with swaps (optimal string alignment); one edit for short texts, two for long ones. Texts that differ in
    digits, or in a word of one capital, are different things, not misspelt ones.
    """
    from rapidfuzz.distance import OSA

    every = int(counts["count"].sum() or 0)
    length = pl.col("value").str.len_chars()
    least = 1 if _dominates(counts, every) else _LEAST
    short = counts.filter(length.is_between(least, 120))
    ordered = short.sort(["count", "value"], descending=[True, False])
    frequent = ordered.filter(pl.col("count") >= _TIMES).head(most // 2)
    names, weights = frequent["value"].to_list(), frequent["count"].to_list()
    if not names:
        return []
    top, slips = weights[0], slips_of(ordered, every)
    rare = ordered.filter((pl.col("count") <= max(1, top // _TIMES)) | pl.col("value").is_in(list(slips))).tail(most)
    found = []
    texts = rare["value"].to_list()
    distances = _distances(texts, names)
    for n, (text, count) in enumerate(zip(texts, rare["count"].to_list(), strict=True)):
        best: tuple[int, int] | None = None
        for at in distances[n]:
            times = 2 if text in slips and len(text) <= _LEAST else _TIMES if count < _OFTEN else _TIMES_OFTEN
            if weights[at] < times * count or names[at] == text:
                continue
            if (
                min(len(text), len(names[at])) < _LEAST
                and text not in slips
                and (weights[at] < 0.5 * every or count > max(1, 0.015 * every))
            ):
                continue
            edits = OSA.distance(text, names[at], score_cutoff=2)
            slip = text in slips and names[at] == names[0]
            if (
                edits <= _allowed(text, names[at])
                and (edits < 2 or weights[at] >= _TIMES_OFTEN * count)
                and (slip or not _other_thing(text, names[at]))
                and (best is None or edits < best[0])
            ):
                best = (edits, at)
        if best is not None:
            edits, at = best
            times = weights[at] / count
            sure = min(0.99, 0.6 + 0.1 * min(times, 30) / 10 + 0.02 * min(len(text), 10) - 0.1 * (edits - 1))
            found.append(Typo(text, count, names[at], weights[at], round(sure, 3)))
    return sorted(found, key=lambda t: (-t.confidence, t.value))


def _dominates(counts: pl.DataFrame, every: int) -> bool:
    """Whether one value is more than half of a column: what is nearly that value is misspelt, however short."""
    return bool(counts.height and int(counts["count"].max() or 0) > 0.5 * every)  # type: ignore[arg-type]


def slips_of(ordered: pl.DataFrame, every: int) -> set[str]:
    """The slips of the one value that most rows have, where they are nearly all there is beside it.

    A slip is one letter short, one letter more, or two swapped: then neither shortness nor digits make it another thing. Values
    with their counts (columns value, count), the most frequent first.
    """
    from rapidfuzz.distance import OSA

    if not _dominates(ordered, every) or ordered.height < 4:
        return set()
    usual, *others = ordered["value"].head(500).to_list()

    def is_slip(text: str) -> bool:
        return (len(text) != len(usual) or sorted(text) == sorted(usual)) and OSA.distance(text, usual, score_cutoff=1) == 1

    slips = {text for text in others if len(usual) > 1 and is_slip(text)}
    return slips if len(slips) >= 0.5 * len(others) else set()


def _distances(texts: list[str], names: list[str]) -> list[list[int]]:
    """For each text the names within two edits, in C++ over all pairs, block by block."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    from qpipe.core.lazy import np

    near: list[list[int]] = []
    block = max(1, 2_000_000 // max(1, len(names)))
    for start in range(0, len(texts), block):
        table = process.cdist(texts[start : start + block], names, scorer=OSA.distance, score_cutoff=2, dtype=np.uint8)
        near += [np.flatnonzero(row <= 2).tolist() for row in table]
    return near


def _allowed(a: str, b: str) -> int:
    shortest = min(len(a), len(b))
    return 1 if shortest < 6 else 2


def _other_thing(a: str, b: str) -> bool:
    return _other_number(a, b) or _other_code(a, b) or _other_part(a, b)


def _other_part(a: str, b: str) -> bool:
    """Whether a word of one capital is another one, or is there in one of them only: E PITTSBURGH, block B. That was meant."""
    apart = set(Counter(a.split()) - Counter(b.split())) | set(Counter(b.split()) - Counter(a.split()))
    return bool(apart) and all(len(word) == 1 and word.isupper() for word in apart)


def _other_code(a: str, b: str) -> bool:
    """Whether a letter differs between codes, such as N152DL and N152UA: another code, not a slip."""
    return len(a) == len(b) and sorted(a) != sorted(b) and _CODE.search(b) is not None and _WORD.search(b) is None


def _other_number(a: str, b: str) -> bool:
    """Whether the digits differ: another number, not a slip."""
    return "".join(c for c in a if c.isdigit()) != "".join(c for c in b if c.isdigit())
