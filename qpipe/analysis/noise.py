"""Numbers among noise: a core that a plain distribution explains, and values strewn evenly about it.

Model-based clustering with a noise component (Banfield and Raftery 1993) in one dimension: cores alone are compared with the
same cores and evenly spread noise by Schwarz's criterion (BIC), so that a heavy tail is a tail and no noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Numbers = NDArray[numpy.float64]

CLEAR = 6.0  # difference of BIC that is strong evidence (Kass and Raftery 1995)
_KEPT = 100  # values at each end that are never gathered with their neighbours
_GATHERED = 400
_FREEDOM = (1.5, 3.0, 6.0, math.inf)  # degrees of freedom of Student's t, from heavy tails to a normal distribution
_MIDDLES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)  # quantiles where the mode of a core is looked for
_ROUNDS = 12
_OF_NOISE = 3  # parameters: its share, its first and its last value


@dataclass(frozen=True)
class Core:
    """The first and the last value that the core explains; ``clear``: by how much BIC is better with noise than without."""

    low: float
    high: float
    clear: float


@dataclass(frozen=True)
class _Fit:
    cost: float  # BIC
    low: float
    high: float


def core(values: Numbers, counts: Numbers) -> Core | None:
    """The core among rising ``values`` that come ``counts`` times, where noise is clearly about it; None where it is not."""
    values, counts = _gathered(values, counts)
    if len(values) < 4 or values[0] == values[-1]:
        return None
    floor = float(np.diff(values).min()) / 2
    plain, noisy = _uniform(values, counts)
    for scaled, slope, least in _scales(values, floor):
        for freedom in _FREEDOM:
            for middle in _MIDDLES:
                at = float(scaled[min(len(scaled) - 1, int(np.searchsorted(np.cumsum(counts), middle * counts.sum())))])
                alone = _student(values, scaled, slope, counts, at, freedom, least, noise=False)
                with_noise = _student(values, scaled, slope, counts, at, freedom, least, noise=True)
                plain = min(plain, alone, key=lambda f: f.cost)
                noisy = min(noisy, with_noise, key=lambda f: f.cost)
    clear = plain.cost - noisy.cost
    return Core(noisy.low, noisy.high, clear) if clear >= CLEAR else None


def _scales(values: Numbers, floor: float) -> Iterator[tuple[Numbers, Numbers, float]]:
    """Numbers as they are, and as logarithms where none is negative; with the logarithm of the slope, and the least spread."""
    yield values, np.zeros(len(values)), floor
    if values[0] >= 0 and values[-1] > 2 * values[0]:
        shifted = values + (values[1] if values[0] == 0 else 0.0)
        logs = np.log(shifted)
        yield logs, -logs, float(np.diff(logs).min()) / 2


def _gathered(values: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
    """At most some hundred values: neighbours in the middle are put together."""
    if len(values) <= 2 * _KEPT + _GATHERED:
        return values, counts
    inner = slice(_KEPT, len(values) - _KEPT)
    groups = np.array_split(np.arange(inner.start, inner.stop), _GATHERED)
    weights = np.array([counts[g].sum() for g in groups])
    means = np.array([(values[g] * counts[g]).sum() for g in groups]) / weights
    return (
        np.concatenate([values[:_KEPT], means, values[-_KEPT:]]),
        np.concatenate([counts[:_KEPT], weights, counts[-_KEPT:]]),
    )


def _uniform(values: Numbers, counts: Numbers) -> tuple[_Fit, _Fit]:
    """A core that is as dense everywhere, without noise and with it: the best first and last value, all pairs at once."""
    every, whole = float(counts.sum()), float(values[-1] - values[0])
    step = whole / max(1.0, every - 1)
    before = np.cumsum(counts) - counts
    up_to = np.cumsum(counts)
    firsts = np.flatnonzero(before <= 0.3 * every)
    lasts = np.flatnonzero(up_to >= 0.7 * every)
    firsts, lasts = firsts[:: max(1, len(firsts) // 150)], lasts[:: max(1, len(lasts) // 150)]
    inside = up_to[lasts][None, :] - before[firsts][:, None]
    wide = values[lasts][None, :] - values[firsts][:, None] + step
    noise = np.clip((every - inside) / every, 1e-6, 1.0)
    background = noise / (whole + step)
    with np.errstate(divide="ignore", invalid="ignore"):
        told = inside * np.log((1 - noise) / wide + background) + (every - inside) * np.log(background)
    told[(wide <= step) | (inside >= every)] = -np.inf
    a, b = np.unravel_index(int(np.argmax(told)), told.shape)
    price = math.log(every)
    alone = _Fit(2 * every * math.log(whole + step) + 2 * price, float(values[0]), float(values[-1]))
    return alone, _Fit(-2 * float(told[a, b]) + (2 + _OF_NOISE) * price, float(values[firsts[a]]), float(values[lasts[b]]))


def _student(
    values: Numbers, scaled: Numbers, slope: Numbers, counts: Numbers, mode: float, freedom: float, least: float, *, noise: bool
) -> _Fit:
    """A core that falls on both sides of its mode, each at its own pace, as Student's t does, fitted by EM."""
    every, whole = float(counts.sum()), float(values[-1] - values[0])
    away = scaled - mode
    left, square = away < 0, away**2
    spread = np.full(2, max(least, float(np.sqrt((counts * square).sum() / every)) / 2))
    share, mine = (0.1 if noise else 0.0), np.ones(len(values))
    background = np.full(len(values), math.log(1 / whole))
    for _ in range(_ROUNDS):
        side = np.where(left, spread[0], spread[1])
        z = square / side**2
        density = math.log(2 / spread.sum()) + _log_t(z, freedom) + slope
        if noise:
            joint = np.logaddexp(math.log1p(-share) + density, math.log(share) + background)
            mine = np.exp(math.log1p(-share) + density - joint)
            share = float(np.clip((counts * (1 - mine)).sum() / every, 1e-6, 0.5))
        else:
            joint = density
        weight = counts * mine * (1.0 if math.isinf(freedom) else (freedom + 1) / (freedom + z))
        parts = np.array([(weight * square)[left].sum(), (weight * square)[~left].sum()]) ** (1 / 3)
        total = max(1e-300, float((counts * mine).sum()))
        spread = np.maximum(np.sqrt(parts**2 * parts.sum() / total), least)
    told = float((counts * joint).sum())
    kept = np.flatnonzero(mine >= 0.5)
    parameters = 3 + (not math.isinf(freedom)) + (_OF_NOISE if noise else 0)
    ends = (float(values[kept[0]]), float(values[kept[-1]])) if len(kept) else (math.inf, -math.inf)
    return _Fit(-2 * told + parameters * math.log(every), *ends)


def _log_t(square: Numbers, freedom: float) -> Numbers:
    """The logarithm of the density of Student's t at the root of ``square``."""
    if math.isinf(freedom):
        return -square / 2 - 0.5 * math.log(2 * math.pi)
    of = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return of - (freedom + 1) / 2 * np.log1p(square / freedom)
