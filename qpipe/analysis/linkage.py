"""Records that speak of the same thing, without labels: the model of Fellegi and Sunter, its figures learnt by EM.

Every column is compared on a few levels, from equal to quite different. How often each level occurs among two records of
different things (u) is counted on random pairs; how often among two records of one thing (m), and how many such pairs there
are, is learnt by expectation maximisation on the pairs that share something rare, all others being taken for different things.
The weight of equal values follows from how rare the value is. Sources: Fellegi and Sunter 1969; Winkler 1988, 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy
    import polars as pl

PAIRS = 300  # for each record, so many that share something, before equal ones are taken together
KEPT = 60  # pairs compared for each record, at most, on average
_MOST, _TOGETHER = 12_000_000, 60_000_000  # whatever the number of records: KEPT and PAIRS of all
_RANDOM = 400_000  # pairs of different things, to count how often they agree
_AGAINST, _FOR, _UNSEEN = 2.0, 6.0, 1.0  # how much one pair says of two groups, as the logarithm of odds
_SAMPLE = 12  # records of a group that are compared with another group's
_WITHIN = 0.8  # one text within the other is so alike
_APART = (0.0, 0.9, 0.04, 0.02, 0.02, 0.02)  # how alike the cells of different things are, the same way
_FEW = 20  # records: so much what was believed counts for
_LEARNT = 0.2  # pairs that count as matches, by their probability
_SURE = 0.9  # pairs that are learnt from
_FAITH = 0.2  # in what was believed before anything was learnt: what is learnt from sure pairs only is too sure
_ROUNDS = 50
_BEGIN = (0.0, 0.05, 0.05, 0.1, 0.2, 0.6)  # how alike the cells of one thing are, before anything is learnt
_CROSSED = 4
_LEVELS = 5  # 0 not known, 1 different … 4 near, 5 equal: see _level
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_FOLD = [
    (r"\p{M}+", ""), (r"[.'`]+", ""), (r"[^\p{L}\p{N}]+", " "),
    *((rf"\b{word}\b", f"{n}{('st', 'nd', 'rd')[n - 1] if n < 4 else 'th'}") for n, word in enumerate(_ORDINALS, 1)),  # streets
]  # fmt: skip


@dataclass(frozen=True)
class Linked:
    """Pairs of row numbers, one < other, and how probable it is that they are the same."""

    one: numpy.ndarray
    other: numpy.ndarray
    probability: numpy.ndarray
    figures: dict[str, Any] = field(default_factory=dict)  # column → m and u by level


def link(records: pl.DataFrame, first: int | None = None) -> Linked:
    """Pairs among all records, or, with ``first``, between the first so many and the rest. Columns are compared as text."""
    table = _Table.of(records)
    one, other = _candidates(table, first)
    empty = np.zeros(0, dtype=np.int64)
    if not len(one) or not table.columns:
        return Linked(empty, empty, np.zeros(0))
    levels = table.levels(one, other)
    random = _random_pairs(records.height, first)
    agreed = table.levels(*random)
    pairs = _possible(records.height, first)
    model = _Model.learn(levels, agreed, pairs, records.height, [c.rarity(one) for c in table.columns])
    return Linked(one, other, model.probability, model.told([c.name for c in table.columns]))


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Column:
    """A column as codes of its different texts; -1 is none."""

    name: str
    codes: numpy.ndarray
    texts: list[str]
    numeric: bool  # digits only, such as dates and telephone numbers: a letter's likeness means nothing
    wordy: bool  # several words
    shares: numpy.ndarray  # of each text

    @classmethod
    def of(cls, column: pl.Series) -> _Column | None:
        text = column.cast(pl.String).str.to_lowercase().str.normalize("NFKD")
        for pattern, by in _FOLD:
            text = text.str.replace_all(pattern, by)
        plain = text.str.strip_chars()
        plain = plain.set(plain == "", None)
        known = plain.drop_nulls()
        digits, letters = known.str.count_matches(r"\d"), known.str.count_matches(r"\S")
        numeric = int(digits.sum()) > 0.8 * int(letters.sum())
        if numeric:
            plain = plain.str.replace_all(" ", "")
            known = plain.drop_nulls()
        different = known.unique(maintain_order=True)
        if different.len() < 2:
            return None
        codes = plain.replace_strict(different, pl.int_range(different.len(), eager=True), default=-1, return_dtype=pl.Int64)
        numbers = codes.to_numpy()
        others = np.bincount(numbers[numbers >= 0], minlength=different.len()) - 1
        shares = (others + _FEW * _APART[5]) / (len(known) - 1 + _FEW)
        wordy = int(known.str.contains(" ").sum()) > 0.3 * len(known) and not numeric
        return cls(column.name, numbers, different.to_list(), numeric, wordy, shares)

    def mixes(self, other: _Column) -> bool:
        """Whether values of one column are often values of the other, as first and last names are."""
        if self.numeric or other.numeric or self.wordy or other.wordy:
            return False
        return len(set(self.texts) & set(other.texts)) > 0.1 * min(len(self.texts), len(other.texts))

    def levels(self, one: numpy.ndarray, other: numpy.ndarray) -> numpy.ndarray:
        """How alike the cells of each pair are: 0 not known, 1 different, 2, 3, 4 nearer, 5 equal."""
        a, b = self.codes[one], self.codes[other]
        found = np.where(a == b, 5, 1).astype(np.int8)
        found[(a < 0) | (b < 0)] = 0
        todo = np.flatnonzero(found == 1)
        low, high = np.minimum(a[todo], b[todo]), np.maximum(a[todo], b[todo])
        pairs, back = np.unique(low * len(self.texts) + high, return_inverse=True)
        lefts = [self.texts[n] for n in (pairs // len(self.texts)).tolist()]
        rights = [self.texts[n] for n in (pairs % len(self.texts)).tolist()]
        if pairs.size:
            found[todo] = self._level(lefts, rights)[back]
        return found

    def rarity(self, one: numpy.ndarray) -> numpy.ndarray:
        """The share of the cell's value: by how much chance two equal ones are equal."""
        codes = self.codes[one]
        return np.where(codes >= 0, self.shares[codes], 1.0)

    def _level(self, lefts: list[str], rights: list[str]) -> numpy.ndarray:
        from rapidfuzz import fuzz, process
        from rapidfuzz.distance import OSA, JaroWinkler

        if self.numeric:
            edits = process.cpdist(lefts, rights, scorer=OSA.distance, dtype=np.int32, workers=-1)
            length = np.array([max(len(a), len(b)) for a, b in zip(lefts, rights, strict=True)])
            near = [(edits == 1) & (length > 3), (edits == 2) & (length > 5), (edits == 3) & (length > 7)]
            return np.select(near, [4, 3, 2], 1).astype(np.int8)
        alike = process.cpdist(lefts, rights, scorer=JaroWinkler.similarity, dtype=np.float32, workers=-1)
        if self.wordy:
            ratio = process.cpdist(lefts, rights, scorer=fuzz.token_sort_ratio, dtype=np.float32, workers=-1) / 100
            alike = np.maximum(_common_words(self.texts, lefts, rights), np.where(_numbers_differ(lefts, rights), 0, ratio))
            return np.select([alike >= 0.85, alike >= 0.7, alike >= 0.5], [4, 3, 2], 1).astype(np.int8)
        return np.select([alike >= 0.92, alike >= 0.85, alike >= 0.75], [4, 3, 2], 1).astype(np.int8)


def _common_words(every: list[str], lefts: list[str], rights: list[str]) -> numpy.ndarray:
    """What two texts have in common, each word by its rarity: shared over both."""
    split = pl.Series(every).str.split(" ").list.unique()
    seen = pl.DataFrame({"w": split}).explode("w").group_by("w").len()
    weigh = dict(zip(seen["w"].to_list(), (len(every) / seen["len"]).log().to_list(), strict=True))
    sets = {text: set(text.split()) for text in {*lefts, *rights}}
    total = {text: sum(weigh[w] for w in words) for text, words in sets.items()}
    shared = np.array([sum(weigh[w] for w in sets[a] & sets[b]) for a, b in zip(lefts, rights, strict=True)])
    both = np.array([total[a] + total[b] for a, b in zip(lefts, rights, strict=True)])
    less = np.array([min(total[a], total[b]) for a, b in zip(lefts, rights, strict=True)])
    within = np.divide(shared, less, out=np.zeros(len(lefts)), where=less > 0)
    return np.maximum(np.divide(shared, both - shared, out=np.zeros(len(lefts)), where=both - shared > 0), within * _WITHIN)


def _numbers_differ(lefts: list[str], rights: list[str]) -> numpy.ndarray:
    first = [pl.Series(texts, dtype=pl.String).str.extract(r"(\d+)") for texts in (lefts, rights)]
    return (first[0] != first[1]).fill_null(False).to_numpy()


@dataclass(frozen=True)
class _Table:
    height: int
    columns: list[_Column]

    @classmethod
    def of(cls, records: pl.DataFrame) -> _Table:
        made = [_Column.of(column) for column in records]
        return cls(records.height, [column for column in made if column is not None])

    def levels(self, one: numpy.ndarray, other: numpy.ndarray) -> numpy.ndarray:
        """How alike each column is in each pair; values that stand in each other's column count as near."""
        found = np.stack([column.levels(one, other) for column in self.columns])
        for a, left in enumerate(self.columns):
            for b in range(a + 1, len(self.columns)):
                if left.mixes(self.columns[b]):
                    at = np.flatnonzero((found[a] <= 2) & (found[b] <= 2) & (found[a] + found[b] > 1))
                    crossed = self._crossed(a, b, one[at], other[at])
                    found[a, at[crossed]] = found[b, at[crossed]] = _CROSSED
        return found

    def _crossed(self, a: int, b: int, one: numpy.ndarray, other: numpy.ndarray) -> numpy.ndarray:
        """Where one's value of a is the other's of b, and the other way round or not known."""
        left, right = self.columns[a], self.columns[b]
        place = {text: code for code, text in enumerate(left.texts)}
        same = np.array([place.get(text, -2) for text in right.texts] + [-3])  # code in b → code in a
        there = same[right.codes]
        first = there[other] == left.codes[one]
        second = there[one] == left.codes[other]
        known = (left.codes[one] >= 0) & (left.codes[other] >= 0) & (right.codes[one] >= 0) & (right.codes[other] >= 0)
        return np.where(known, first & second, False) | (~known & (first | second) & (there[other] != there[one]))


# ── which pairs are compared ──────────────────────────────────────────────────────────────────────────────────────────


def _candidates(table: _Table, first: int | None) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Pairs that share something rare, those first that share the rarest and the most."""
    shared = pl.concat(_signs(table)) if table.columns else pl.DataFrame(schema={"sign": pl.UInt64, "row": pl.Int32})
    sizes = shared.group_by("sign").agg(n=pl.len(), mine=(pl.col("row") < (first or 0)).sum())
    pairs = pl.col("n") * (pl.col("n") - 1) / 2 if first is None else pl.col("mine") * (pl.col("n") - pl.col("mine"))
    sizes = sizes.with_columns(pairs=pairs).filter(pl.col("pairs") > 0).sort("n", "sign")
    sizes = sizes.filter(pl.col("pairs").cum_sum() <= min(PAIRS * table.height, _TOGETHER))
    weighed = sizes.select("sign", weight=(table.height / pl.col("n")).log().cast(pl.Float32))
    chosen = shared.join(weighed, on="sign")
    left = chosen if first is None else chosen.filter(pl.col("row") < first)
    right = chosen if first is None else chosen.filter(pl.col("row") >= first)
    met = left.join(right.select("sign", other="row"), on="sign").filter(pl.col("row") < pl.col("other"))
    scored = met.group_by("row", "other").agg(pl.col("weight").sum())
    most = min(KEPT * table.height, _MOST)
    if scored.height > most:
        scored = scored.top_k(most, by="weight")
    scored = scored.sort("row", "other")
    return scored["row"].cast(pl.Int64).to_numpy(), scored["other"].cast(pl.Int64).to_numpy()


def _signs(table: _Table) -> list[pl.DataFrame]:
    """What records are told by: values, words, and the beginnings of any two columns."""
    rows = pl.int_range(table.height, dtype=pl.Int32, eager=True)
    made, coarse = [], []
    for n, column in enumerate(table.columns):
        texts = pl.Series(column.texts, dtype=pl.String)
        cells = texts.gather(pl.Series(column.codes).cast(pl.Int64).set(pl.Series(column.codes < 0), None))
        made.append(_told(rows, cells, n))
        if column.wordy:
            words = pl.DataFrame({"row": rows, "w": cells.str.split(" ")}).explode("w").drop_nulls()
            words = words.filter(pl.col("w").str.len_chars() > 2).unique(maintain_order=True)
            made.append(_told(words["row"], words["w"], 100 + n))
        elif column.numeric:
            made.append(_told(rows, cells.str.tail(5), 100 + n))
            made.append(_told(rows, cells.str.head(6), 200 + n))
        coarse.append(cells.str.head(6 if column.numeric else 4))
        coarse.append(cells.str.tail(4))
    for a in range(len(coarse)):
        for b in range(a + 1, len(coarse)):
            if a // 2 != b // 2:
                made.append(_told(rows, coarse[a] + "\x1f" + coarse[b], 1000 + a * 100 + b))
    return made


def _told(rows: pl.Series, texts: pl.Series, kind: int) -> pl.DataFrame:
    """The texts as numbers, apart for each kind of sign."""
    frame = pl.DataFrame({"row": rows, "t": texts}).drop_nulls()
    return frame.select(sign=frame["t"].hash(kind), row="row")


def _random_pairs(height: int, first: int | None) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The same ones every time."""
    chance = np.random.default_rng(20)
    one = chance.integers(0, height if first is None else first, _RANDOM)
    other = chance.integers(0 if first is None else first, height, _RANDOM)
    good = one != other
    return one[good], other[good]


def _possible(height: int, first: int | None) -> float:
    return height * (height - 1) / 2 if first is None else first * (height - first)


# ── the model ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Model:
    m: numpy.ndarray  # column by level
    u: numpy.ndarray
    matches: float  # share of all pairs
    probability: numpy.ndarray

    @classmethod
    def learn(
        cls, levels: numpy.ndarray, random: numpy.ndarray, pairs: float, height: int, rarity: list[numpy.ndarray]
    ) -> _Model:  # fmt: skip
        few = _FEW / (_FEW + height)  # of few records little is learnt
        u = np.stack([_shares(column) for column in random]) * (1 - few) + np.array(_APART) * few
        m = np.tile(np.array(_BEGIN), (len(levels), 1))
        rare = _by_rarity(levels, u, rarity)
        share = min(0.5, height / 20 / pairs)
        p = np.zeros(levels.shape[1])
        for _ in range(_ROUNDS):
            p = _probability(_weights(levels, m, u) + rare, share)
            sure = np.where(p >= _SURE, p, 0.0)
            new = np.stack([_shares(column, sure, 0.5) for column in levels]) * (1 - _FAITH) + np.array(_BEGIN) * _FAITH
            moved, m, share = np.abs(new - m).max(), new, max(p[p > _LEARNT].sum() / pairs, 1e-12)
            if moved < 1e-4:
                break
        return cls(m, u, share, p)

    def told(self, names: Sequence[str]) -> dict[str, Any]:
        return {
            n: {"m": m[1:].round(4).tolist(), "u": u[1:].round(5).tolist()}
            for n, m, u in zip(names, self.m, self.u, strict=True)
        }


def _shares(levels: numpy.ndarray, weights: numpy.ndarray | None = None, more: float = 0.5) -> numpy.ndarray:
    """The share of each level among the known ones; none is never."""
    counts = np.bincount(levels, weights=weights, minlength=_LEVELS + 1).astype(float)
    counts[0] = 0
    counts[1:] += more
    return counts / counts.sum()


def _weights(levels: numpy.ndarray, m: numpy.ndarray, u: numpy.ndarray) -> numpy.ndarray:
    """The logarithm of m/u over all columns; what is not known says nothing."""
    factors = np.zeros_like(m)
    factors[:, 1:] = np.log(m[:, 1:] / u[:, 1:])
    return np.sum([factor[column] for factor, column in zip(factors, levels, strict=True)], axis=0)


def _by_rarity(levels: numpy.ndarray, u: numpy.ndarray, rarity: list[numpy.ndarray]) -> numpy.ndarray:
    """Two equal rare values say more than two equal common ones."""
    more = np.zeros(levels.shape[1])
    for level, mean, share in zip(levels, u[:, 5], rarity, strict=True):
        more += np.where(level == 5, np.log(mean / share), 0.0)
    return more


def _probability(weight: numpy.ndarray, share: float) -> numpy.ndarray:
    return 1 / (1 + np.exp(-np.clip(weight + np.log(share / (1 - share)), -60, 60)))


# ── which records are one thing ───────────────────────────────────────────────────────────────────────────────────────


def entities(found: Linked, height: int, least: float) -> numpy.ndarray:
    """For each record the first record of its thing. The likeliest pairs are joined first; two groups become one where all
    their pairs together, those that were not compared counting against it, are more probable than ``least``."""
    odds = np.clip(np.log(found.probability + 1e-12) - np.log1p(1e-12 - found.probability), -_AGAINST, _FOR)
    known = dict(zip((found.one * height + found.other).tolist(), odds.tolist(), strict=True))
    group = np.arange(height)
    members: dict[int, list[int]] = {}
    bar = float(np.log(least / (1 - least)))
    order = np.argsort(-found.probability, kind="stable")
    for at in order[found.probability[order] >= least].tolist():
        one, other = int(group[found.one[at]]), int(group[found.other[at]])
        if one == other:
            continue
        mine, theirs = members.get(one, [one]), members.get(other, [other])
        cross = [known.get(min(a, b) * height + max(a, b), -_UNSEEN) for a in mine[:_SAMPLE] for b in theirs[:_SAMPLE]]
        if sum(cross) / len(cross) < bar:
            continue
        kept, gone = min(one, other), max(one, other)
        members[kept] = sorted(mine + theirs)
        members.pop(gone, None)
        group[members[kept]] = kept
    return group


def best(found: Linked, least: float) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """The one partner of each record of the first table: the likeliest."""
    good = np.flatnonzero(found.probability >= least)
    order = good[np.lexsort((found.other[good], -found.probability[good], found.one[good]))]
    _, first = np.unique(found.one[order], return_index=True)
    return found.one[order[first]], found.other[order[first]], found.probability[order[first]]


def doubtful(found: Linked, group: numpy.ndarray, least: float) -> list[tuple[int, int, float]]:
    """Pairs of records whose groups may be one after all: for each group the likeliest with an earlier group."""
    apart = np.flatnonzero((group[found.one] != group[found.other]) & (found.probability >= least))
    one, other, p = found.one[apart], found.other[apart], found.probability[apart]
    late, early = np.maximum(group[one], group[other]), np.minimum(group[one], group[other])
    order = np.lexsort((early, -p, late))
    _, first = np.unique(late[order], return_index=True)
    chosen = order[first]
    turned = group[one] > group[other]
    mine, theirs = np.where(turned, other, one), np.where(turned, one, other)
    return list(zip(mine[chosen].tolist(), theirs[chosen].tolist(), p[chosen].tolist(), strict=True))
