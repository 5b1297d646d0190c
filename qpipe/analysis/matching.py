"""The nearest of many known texts, in bounded time: candidates share rare letter triples, then edits decide."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy

_ALL = 1_000  # so few known texts are all compared with
_CANDIDATES = 400  # of more, so many at most: those that share the rarest triples


class Matcher:
    """Known texts, prepared once. Compared without case, accents, punctuation and order of words."""

    def __init__(self, known: Sequence[str]) -> None:
        self._plain = [plain(text) for text in known]
        self._grams: dict[str, numpy.ndarray] = {}
        if len(known) > _ALL:
            places: dict[str, list[int]] = defaultdict(list)
            for at, text in enumerate(self._plain):
                for gram in _triples(text):
                    places[gram].append(at)
            self._grams = {gram: np.array(found, dtype=np.int32) for gram, found in places.items()}

    def nearest(self, text: str, least: float, most: int = 3) -> list[tuple[int, float]]:
        """Places of known texts that are at least so alike (0 to 100), the most alike first; of equals the first."""
        from rapidfuzz import fuzz, process

        wanted = plain(text)
        if not wanted:
            return []
        places = self._candidates(wanted)
        chosen = self._plain if places is None else [self._plain[at] for at in places]
        scores = process.cdist([wanted], chosen, scorer=fuzz.ratio, score_cutoff=least, dtype=np.float32)[0]
        order = np.argsort(-scores, kind="stable")[:most]
        return [(int(at if places is None else places[at]), float(scores[at])) for at in order if scores[at] > 0]

    def _candidates(self, wanted: str) -> list[int] | None:
        if not self._grams:
            return None
        found = sorted((self._grams[g] for g in _triples(wanted) if g in self._grams), key=len)
        if not found:
            return []
        shared, count = np.unique(np.concatenate(found[:12]), return_counts=True)
        best = np.argsort(-count, kind="stable")[:_CANDIDATES]
        return sorted(shared[best].tolist())


def plain(text: str) -> str:
    """Lower case, no accents, no punctuation, words in order of the alphabet."""
    return " ".join(sorted(words(text)))


def words(text: str) -> list[str]:
    """Lower case, no accents, no punctuation."""
    flat = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower().replace("ß", "ss")
    flat = re.sub(r"[.'`\u2019]+", "", flat)
    return re.findall(r"[^\W_]+", flat)


def _triples(text: str) -> Iterable[str]:
    padded = f"  {text} "
    return sorted({padded[n : n + 3] for n in range(len(padded) - 2)})
