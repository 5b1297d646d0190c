"""Misspelt words within texts: a rare word that is a slip of the keyboard away from a frequent one of the same column."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.analysis.patterns import escaped
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

LEAST = 4  # letters of a word that is looked at
MOST = 3_000  # words compared
FREQUENT = 6  # so often comes a word that others may be meant to be
GLUED = 7  # letters of a word that, at the end of a longer one, misses its blank
_LETTERS = r"[^\W\d_]{2,}"


@dataclass(frozen=True)
class Misspelling:
    """``found`` is one word, or two that a blank tore apart."""

    found: str
    count: int
    meant: str
    meant_count: int


def misspellings(counts: pl.DataFrame, most: int = MOST) -> list[Misspelling]:
    """Misspelt words among texts with their counts (columns value, count), the most frequent words first.

    A slip is one letter lost, one too many, or two swapped; in long words another letter, too. A word at whose end a letter
    comes or goes is another form of the word, unless it is long and that rare.
    """
    words = _words(counts)
    frequent = words.filter(pl.col("count") >= FREQUENT).head(most // 2)
    if not frequent.height:
        return []
    known = dict(frequent.select("word", "count").iter_rows())
    rare = words.filter(pl.col("count") <= max(1, int(frequent["count"][0]) // 10)).head(most)
    found = {m.found: m for m in (*_near(rare, known), *_glued(rare, known), *_torn(counts, known))}
    return sorted(found.values(), key=lambda m: (-m.meant_count, m.found))


def frequent_words(counts: pl.DataFrame, most: int = MOST) -> list[str]:
    """Words so frequent that others may be meant to be one, of texts with their counts (columns value, count)."""
    return _words(counts).filter(pl.col("count") >= FREQUENT)["word"].head(most // 2).to_list()


def with_misspelt_words(counts: pl.DataFrame) -> list[str]:
    """The texts that have one, of texts with their counts (columns value, count)."""
    found = misspellings(counts)
    return counts.filter(pl.col("value").str.contains(regex_of(found)))["value"].to_list() if found else []


def regex_of(found: Sequence[Misspelling]) -> str:
    """What texts match that have one of the misspelt words."""
    return rf"\b(?:{'|'.join(sorted(escaped(m.found) for m in found))})\b"


def _words(counts: pl.DataFrame) -> pl.DataFrame:
    each = counts.lazy().select(pl.col("value").str.extract_all(_LETTERS).alias("word"), "count").explode("word").drop_nulls()
    told = each.group_by("word").agg(pl.col("count").sum()).filter(pl.col("word").str.len_chars() >= LEAST)
    return told.sort(["count", "word"], descending=[True, False]).collect()


def _near(rare: pl.DataFrame, known: dict[str, int]) -> list[Misspelling]:
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    from qpipe.core.lazy import np

    names, texts, weights = list(known), rare["word"].to_list(), rare["count"].to_list()
    if not texts:
        return []
    table = process.cdist(texts, names, scorer=OSA.distance, score_cutoff=1, dtype=np.uint8)
    found = []
    for at, to in zip(*np.nonzero(table == 1), strict=True):
        word, meant = texts[at], names[to]
        if known[meant] >= _times(word, meant) * weights[at]:
            found.append(Misspelling(word, weights[at], meant, known[meant]))
    return found


def _times(word: str, meant: str) -> float:
    """How much more often the word that was meant must come."""
    shortest, longer, shorter = min(len(word), len(meant)), max(word, meant, key=len), min(word, meant, key=len)
    slip = 10 if shortest < 8 else 5
    if len(word) == len(meant):
        return (slip if shortest >= 5 else 25) if sorted(word) == sorted(meant) else (25 if shortest >= 7 else float("inf"))
    if longer.startswith(shorter):  # a form of the word
        return 60 if shortest >= 6 and longer[-1] not in "sS" else float("inf")
    return slip if shortest >= 5 else float("inf")


def _glued(rare: pl.DataFrame, known: dict[str, int]) -> list[Misspelling]:
    """LAKESIDEAPARTMENTS: a frequent word that lost the blank before it."""
    ends = [word for word in known if len(word) >= GLUED]
    made = []
    for word, count in rare.iter_rows():
        end = next((e for e in ends if word.endswith(e) and len(word) >= len(e) + 3 and known[e] >= 10 * count), None)
        if end is not None:
            made.append(Misspelling(word, count, f"{word[: -len(end)]} {end}", known[end]))
    return made


def _torn(counts: pl.DataFrame, known: dict[str, int]) -> list[Misspelling]:
    """COMPA NY: two pieces that make a frequent word, neither of them one."""
    pairs: dict[tuple[str, str], int] = {}
    spaced = counts.filter(pl.col("value").str.contains(" ", literal=True)).head(20_000)
    for text, count in spaced.iter_rows():  # a loop over different texts
        pieces = text.split(" ")
        for pair in itertools.pairwise(pieces):
            if (
                len(pair[0]) + len(pair[1]) >= LEAST
                and pair[0] + pair[1] in known
                and not (pair[0] in known or pair[1] in known)
            ):
                pairs[pair] = pairs.get(pair, 0) + count
    return [
        Misspelling(f"{a} {b}", count, a + b, known[a + b]) for (a, b), count in pairs.items() if known[a + b] >= 10 * count
    ]
