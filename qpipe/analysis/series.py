"""Points of a time series that are not as those before them: values, steps and short means beyond what is usual.

Each point is judged by what came before it, block after block, as it would have been on its day; the first ones, which have
nothing before them, by what comes after. Three figures are looked at: the value, its step from the point before, and the mean
of the last eight, all less the season's profile (the median at this time of the day or week, or of a period that the
autocorrelation shows), which is kept only where it foretells later points better than no season does. What is unusual is told
by the tail of the history itself, not by a normal curve: a generalised Pareto distribution over its upper 2 %
(at least twenty points; Siffer et al.,
Anomaly Detection in Streams with Extreme Value Theory, KDD 2017), or with little history by the median deviation.

What was found is never learnt from, unless it lasts: when most points of a stretch are found, it is a change of level, told
once, and history begins anew there.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy as np

DAY, WEEK = 86_400.0, 604_800.0
SHORT = 8  # points of the short mean
WINDOW = 5_000  # points that are learnt from, at most; three weeks if that is more
MOST = 20_000
TAIL = 0.02  # of history, from which rarer ones are reckoned
LEAST = 20  # values in the tail
FURTHER = 5.0  # times as far out is another anomaly
COMMON = 0.1  # a share of history that is no anomaly any more
FEW = 250  # points, below which there is no tail to speak of

Kind = Literal["value", "step", "mean"]


@dataclass(frozen=True)
class Anomaly:
    """A point that is not as usual, and what would have been."""

    at: int
    kind: Kind
    seen: float  # the value, or the mean of the last ones
    low: float
    high: float
    season: float | None  # seconds; None: no season was used
    learnt: int  # points of history
    beyond: float  # how far out of what is usual, in widths of it
    first: bool = True  # of its anomaly; those that follow within the quiet stretch belong to it

    def words(self, points: bool = False) -> str:
        """What would have been usual. ``points``: times are only numbers."""
        season = f", season: {season_name(self.season, points)}" if self.season else ""
        mean = f" for the mean of {SHORT} points, which is {self.seen:.6g}"
        what = {"value": "", "step": " after the point before it", "mean": mean}
        return f"{between(self.low, self.high)}{what[self.kind]} ({self.learnt} points learnt{season})"


def between(low: float, high: float) -> str:
    return f"between {low:.6g} and {high:.6g}"


def season_name(seconds: float, points: bool = False) -> str:
    known = {DAY: "day", WEEK: "week"}
    if seconds in known and not points:
        return known[seconds]
    return f"{seconds:g}" if points else f"{seconds / 3600:.4g} hours"


def anomalies(
    times: np.ndarray, values: np.ndarray, *, known: np.ndarray | None = None, chance: float = 0.0003, min_points: int = 30,
    season: float | Literal["auto"] | None = "auto", calendar: bool = True, quiet: int | None = None,
) -> list[Anomaly]:  # fmt: skip
    """In the order of time. ``times`` ascend; ``known`` incidents are neither learnt from nor told.

    ``chance`` is how probable a usual figure may be at most to be found; ``season`` a period in seconds, ``calendar`` whether
    days and weeks may be one; ``quiet`` how many points after a first one belong to it (unset: 2 %).
    """
    count = len(values)
    start = int(max(min_points, min(0.15 * count, 750)))
    if count < start + 2 or not np.isfinite(values).all():
        return []
    series = _Series(times, values, np.zeros(count, bool) if known is None else known, chance, season, calendar)
    quiet = quiet if quiet is not None else max(10, count // 50)
    block, begin, at = max(25, count // 150), 0, start
    found: list[Anomaly] = []
    while at < count:
        until = min(count, at + block)
        found += series.judged(range(max(begin, at - series.window), at), range(at, until))
        at = until
        begin = series.begin_anew(begin, at, max(quiet, 10))
    if count - start >= min_points:
        found += series.judged(range(start, min(count, start + series.window)), range(start))
    return list(_quieted(sorted(found, key=lambda each: each.at), quiet))


def latest(
    times: np.ndarray, values: np.ndarray, known: np.ndarray, *, chance: float, calendar: bool = True
) -> tuple[float, float, float | None, int]:
    """(low, high, season, points learnt) for the last of few values, such as one a run, by those before it."""
    series = _Series(times, values, known, chance, "auto", calendar)
    before, last = range(max(0, len(values) - 1 - WINDOW), len(values) - 1), len(values) - 1
    profile, season = series.profile(before, range(last, last + 1))
    usual, _ = series.profile(before, before, season)
    learnt = ~known[before.start : before.stop]
    rest = (values[before.start : before.stop] - usual)[learnt]
    parts = len(np.unique(usual)) if season else 1
    rest = rest * len(rest) / max(len(rest) - parts, 1)  # a median of few values lies near to each of them
    low, high = _limits(rest, chance)
    return profile[0] + low, profile[0] + high, season, len(rest)


class _Series:
    """A series, what of it may be learnt from, and what was found so far."""

    def __init__(
        self,
        times: np.ndarray,
        values: np.ndarray,
        known: np.ndarray,
        chance: float,
        season: float | str | None,
        calendar: bool,
    ) -> None:
        self._times, self._values, self._known, self._chance = times, values, known, chance
        self._found = np.zeros(len(values), bool)
        self._step = max(float(np.median(np.diff(times))), 1e-9)
        self._season, self._calendar = season, calendar
        self._chosen: float | None = None
        self._begin = self._until = -1  # for which ends of history
        self.window = int(min(max(WINDOW, 3 * WEEK / self._step if calendar else 0), MOST))

    def judged(self, history: range, now: range) -> list[Anomaly]:
        """The points of ``now`` that are not as those of ``history``."""
        ours = slice(history.start, history.stop)
        expected, season = self.profile(history, now)
        learn = ~(self._found | self._known)[ours]
        count = int(learn.sum())
        if count < 10:
            return []
        usual, _ = self.profile(history, history, season)
        figures = zip(_figures(self._values[ours] - usual), self._figures_now(now, expected, history, season), strict=True)
        found: dict[int, tuple[float, Anomaly]] = {}
        for kind, (before, seen) in zip(("value", "step", "mean"), figures, strict=True):
            low, high = _limits(before[learn], self._chance)
            reach = max(high - low, 1e-12)
            for n in np.flatnonzero((seen < low) | (seen > high)).tolist():
                at, beyond = now.start + n, max(low - seen[n], seen[n] - high) / reach
                if self._known[at] or (n in found and found[n][0] >= beyond):
                    continue
                value = float(self._values[at])
                middle = value - float(seen[n]) if kind != "mean" else float(expected[n])
                shown = value if kind != "mean" else float(seen[n] + expected[n])
                found[n] = beyond, Anomaly(at, kind, shown, middle + low, middle + high, season, count, beyond)  # type: ignore[arg-type]
        self._found[[each.at for _, each in found.values()]] = True
        return [found[n][1] for n in sorted(found)]

    def _figures_now(self, now: range, expected: np.ndarray, history: range, season: float | None) -> list[np.ndarray]:
        """Those of ``now``, with the points just before them where there are any."""
        lead = range(max(0, now.start - SHORT), now.start)
        before = self._values[lead.start : lead.stop] - self.profile(history, lead, season)[0] if lead else np.zeros(0)
        rest = np.concatenate([before, self._values[now.start : now.stop] - expected])
        return [figure[len(before) :] for figure in _figures(rest)]

    def begin_anew(self, begin: int, at: int, stretch: int) -> int:
        """Where history begins: at a change of level, when most of the last points were found."""
        if at - stretch < begin or self._found[at - stretch : at].mean() <= 0.5:
            return begin
        early = max(begin, at - 2 * stretch)
        begin = early + int(np.flatnonzero(self._found[early:at])[0])
        self._found[begin:at] = False
        self._until = -1
        return begin

    def profile(
        self, history: range, wanted: range, season: float | Literal[""] | None = ""
    ) -> tuple[np.ndarray, float | None]:
        """What is usual at the times of ``wanted``: the season's median, and the season ("": the best)."""
        ours = slice(history.start, history.stop)
        if season == "":
            season = self._chosen_by(history)
        learn = ~(self._found | self._known)[ours]
        times, values = self._times[ours][learn], self._values[ours][learn]
        at = self._times[wanted.start : wanted.stop]
        if not season:
            return np.full(len(at), np.median(values) if len(values) else 0.0), None
        return _profiled(times, values, season, self._step, at), season

    def _chosen_by(self, history: range) -> float | None:
        """The season, looked for anew when there is a tenth more history. With another one history is judged anew, too."""
        ours = slice(history.start, history.stop)
        if not self._begin <= history.stop < self._until:
            before, known = self._chosen, self._known[ours]
            self._chosen, self._begin = self._best(self._times[ours][~known], self._values[ours][~known]), history.stop
            self._until = history.stop + max(1, min(history.stop // 10, self.window // 4))
            if self._chosen != before:
                self._judge_anew(history)
        if self._found[ours].mean() > COMMON:
            self._judge_anew(history)
        return self._chosen

    def _judge_anew(self, history: range) -> None:
        """What was found without the season may be usual with it; what is common is no anomaly."""
        ours = slice(history.start, history.stop)
        found, self._found[ours] = self._found[ours].copy(), False
        rest = self._values[ours] - self.profile(history, history, self._chosen)[0]
        middle = float(np.median(rest))
        far = found & (np.abs(rest - middle) > _deviation(rest, middle) * _few(self._chance, FEW))
        self._found[ours] = far if far.mean() <= COMMON else False

    def _best(self, times: np.ndarray, values: np.ndarray) -> float | None:
        """The season that foretells the last third from the first two thirds at least a fifth better than none."""
        if self._season is None or len(values) < 12:
            return None
        best, least = None, math.inf
        for season in self._candidates(times, values):
            early = times < times[0] + 0.67 * (times[-1] - times[0])
            if not early.any() or early.all():
                continue
            later, past = values[~early], values[early]
            missed = np.abs(later - _profiled(times[early], past, season, self._step, times[~early])).mean()
            if missed < 0.8 * np.abs(later - np.median(past)).mean() and missed < 0.85 * least:
                best, least = season, missed
        return best

    def _candidates(self, times: np.ndarray, values: np.ndarray) -> Iterator[float]:
        reach = times[-1] - times[0]
        named = [] if self._season == "auto" else [float(self._season or 0)]
        calendar = [DAY, WEEK] if self._season == "auto" and self._calendar else []
        seen = _periods(values) if self._season == "auto" else []
        for season in (*named, *calendar, *(lag * self._step for lag in seen)):
            if reach >= 2.5 * season and self._step * 4 <= season:
                yield season


def _figures(rest: np.ndarray) -> list[np.ndarray]:
    """Of what is left without the season: the value, the step, the short mean."""
    step = np.diff(rest, prepend=rest[:1])
    total = np.concatenate([[0.0], np.cumsum(rest)])
    places = np.arange(1, len(rest) + 1)
    mean = np.full(len(rest), np.nan)  # of fewer points it would be another figure
    mean[SHORT - 1 :] = (total[places] - total[np.maximum(places - SHORT, 0)])[SHORT - 1 :] / SHORT
    return [rest, step, mean]


def _limits(history: np.ndarray, chance: float) -> tuple[float, float]:
    history = history[np.isfinite(history)]
    middle = float(np.median(history))
    slack = 1e-9 * max(abs(middle), float(np.abs(history).max()))
    if len(history) < FEW:
        reach = _deviation(history, middle) * _few(chance, len(history))
        above, below = (max(reach, _skewed(side, chance)) for side in (history - middle, middle - history))
        return middle - below - slack, middle + above + slack
    return -_tail(-history, chance) - slack, _tail(history, chance) + slack


def _tail(history: np.ndarray, chance: float) -> float:
    """The level that is passed with this chance: peaks over the threshold, fitted by probability-weighted moments."""
    edge = float(np.quantile(history, 1 - max(TAIL, LEAST / len(history))))
    over = np.sort(history[history > edge] - edge)
    if len(over) < 5:  # a tail of equal values
        return edge + 0.3 * float(history.std()) * math.log(max(len(over), 1) / len(history) / chance)
    mean, share = float(over.mean()), len(over) / len(history)
    weighed = float((over * (1 - (np.arange(1, len(over) + 1) - 0.35) / len(over))).mean())
    shape = min(max(2 - mean / (mean - 2 * weighed), 0.0), 0.5) if mean > 2 * weighed else 0.0
    scale = mean * (1 - shape)
    grown = math.log(share / chance)
    return edge + (scale * (math.exp(shape * grown) - 1) / shape if shape > 1e-6 else scale * grown)


def _skewed(history: np.ndarray, chance: float) -> float:
    """The same for few values whose upper fifth falls off slowly: an exponential tail, by its median."""
    edge = float(np.quantile(history, 0.8))
    over = history[history > edge] - edge
    return edge + float(np.median(over)) / math.log(2) * math.log(0.2 / chance) if len(over) else 0.0


def _deviation(history: np.ndarray, middle: float) -> float:
    away = np.abs(history - middle)
    return float(1.4826 * np.median(away)) or float(1.2533 * away.mean())


def _few(chance: float, count: int) -> float:
    """Deviations that few values need: Student's distribution (Cornish and Fisher's expansion), with a third as freedom."""
    z, free = statistics.NormalDist().inv_cdf(1 - chance), max(count / 3, 3.0)
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)


def _profiled(times: np.ndarray, values: np.ndarray, season: float, step: float, wanted: np.ndarray) -> np.ndarray:
    """The median of each part of the season; where there are fewer than two values, of all."""
    width = max(step, season / (96 if season <= DAY else 168))
    parts = ((times % season) // width).astype(np.int64)
    order = np.lexsort((values, parts))
    parts, ranked = parts[order], values[order]
    profile = np.full(int(season // width) + 2, np.median(values) if len(values) else 0.0)
    which, first, counts = np.unique(parts, return_index=True, return_counts=True)
    middles = (ranked[first + (counts - 1) // 2] + ranked[first + counts // 2]) / 2
    profile[which[counts >= 2]] = middles[counts >= 2]
    return profile[((wanted % season) // width).astype(np.int64)]


def _periods(values: np.ndarray) -> Sequence[int]:
    """The lag at which the series is most like itself, as its autocorrelation has it, if it is at all."""
    count = len(values)
    centred = values - values.mean()
    power = np.abs(np.fft.rfft(np.clip(centred, *np.quantile(centred, (0.01, 0.99))), 1 << (2 * count - 1).bit_length())) ** 2
    same = np.fft.irfft(power)[: count // 3]
    if len(same) < 6 or same[0] <= 0:
        return []
    same = same / same[0] * count / (count - np.arange(len(same)))
    inner = same[1:-1]
    peaks = np.flatnonzero((inner > same[:-2]) & (inner >= same[2:]) & (inner > 0.3)) + 1
    peaks = peaks[peaks >= 4]
    return [int(peaks[np.argmax(same[peaks])])] if len(peaks) else []


def _quieted(found: Sequence[Anomaly], quiet: int) -> Iterator[Anomaly]:
    """The first of each stretch as such, and within it those that lie far further out than all before them."""
    last, worst = -math.inf, 0.0
    for each in found:
        anew = each.at - last > quiet
        first = anew or each.beyond > max(0.5, FURTHER * worst)
        last, worst = (each.at if first else last), (each.beyond if anew else max(worst, each.beyond))
        yield replace(each, first=first)
