"""Values of one column that mean the same, and which of them is meant: the most frequent.

The methods are those OpenRefine made common: equal fingerprints (words without case, accents, punctuation and order), equal
sets of letter pairs, equal sound, and few edits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qpipe.analysis.matching import Matcher, plain, words

Method = Literal["fingerprint", "ngram", "phonetic", "distance"]

MOST = 50_000  # different values that are compared
_SURE = {"fingerprint": 0.98, "ngram": 0.92, "phonetic": 0.6}
_ALIKE = 78.0  # per cent: less is another value
_NEAR = 20_000  # values whose nearest is searched


@dataclass(frozen=True)
class Proposal:
    value: str
    canonical: str
    confidence: float
    method: Method


def proposals(values: Sequence[str], counts: Sequence[int], methods: Sequence[Method]) -> list[Proposal]:
    """What each value should be, where that is another one. Values come with the most frequent first."""
    count = dict(zip(values, counts, strict=True))
    best: dict[str, Proposal] = {}
    for method in methods:
        found = _near(values, count) if method == "distance" else _equal(values, method)
        for each in found:
            if each.value not in best or each.confidence > best[each.value].confidence:
                best[each.value] = each
    return [settled for value in values if value in best and (settled := _last(best, value)).canonical != value]


def _equal(values: Sequence[str], method: Method) -> Iterator[Proposal]:
    """Values with one key: the first of them is meant."""
    key = _KEYS[method]
    first: dict[str, str] = {}
    for value in values:
        made = key(value)
        if made and first.setdefault(made, value) != value:
            yield Proposal(value, first[made], _SURE[method], method)


def _near(values: Sequence[str], count: Mapping[str, int]) -> Iterator[Proposal]:
    """The nearest value that is more frequent; the surer, the more frequent and the nearer it is. The loop is over values."""
    known = [value for value in values if count[value] > 1 and plain(value)][: _NEAR // 4]
    matcher, place = Matcher(known), {value: n for n, value in enumerate(known)}
    for value in values[:_NEAR]:
        for at, alike in matcher.nearest(value, _ALIKE, 4) if known else ():
            times = count[known[at]] / count[value]
            if at == place.get(value) or times <= 1 or _digits(value) != _digits(known[at]):
                continue
            nearness, weight = (alike - _ALIKE) / (100 - _ALIKE), min(1.0, (times - 1) / 9)
            yield Proposal(value, known[at], round(0.5 + 0.25 * nearness + 0.22 * weight, 3), "distance")
            break


def _last(best: Mapping[str, Proposal], value: str) -> Proposal:
    """The end of a chain of proposals: as sure as its least sure link."""
    first = found = best[value]
    sure, seen = found.confidence, {value}
    while found.canonical in best and found.canonical not in seen:
        seen.add(found.canonical)
        found = best[found.canonical]
        sure = min(sure, found.confidence)
    return Proposal(value, found.canonical, sure, first.method)


def _pairs_of_letters(value: str) -> str:
    text = "".join(words(value))
    return " ".join(sorted({text[n : n + 2] for n in range(len(text) - 1)})) if len(text) > 4 else ""


def _sound(value: str) -> str:
    import jellyfish

    sounds = [jellyfish.metaphone(word) for word in words(value)]
    return " ".join(sounds) if sum(map(len, sounds)) > 2 else ""


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


_KEYS: dict[str, Callable[[str], str]] = {"fingerprint": plain, "ngram": _pairs_of_letters, "phonetic": _sound}
