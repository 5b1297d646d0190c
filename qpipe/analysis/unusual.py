"""How unusual rows of numbers are among all others: four views, each scaled to what is usual, then added.

An isolation forest (Liu, Ting and Zhou 2008) sees odd combinations, the mean robust distance from the medians sees what is far
out in many columns at once, the distance to the tenth nearest of a sample sees what lies alone between groups, and the
Mahalanobis distance, from the covariance of the most central nine tenths, sees columns that do not go together as they use to.
Each fails where another does not; a sum of scaled scores is steadier than any of them (Aggarwal and Sathe 2015). Learnt from a
sample, so that memory and time are bounded: 200 trees of 256 rows, and 512 rows to be near to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qpipe.core.extras import needed
from qpipe.core.lazy import np

if TYPE_CHECKING:
    import numpy as np

TREES, NEAR, NEIGHBOURS = 200, 512, 10
FAR = 20.0  # deviations: beyond them a column counts no more
MOST = 6.0  # of one view, in steps from the median to the ninth tenth


class Unusual:
    """``score(rows)``: from 0, a row like the others, to 6, far out in every view."""

    def __init__(self, learnt: np.ndarray) -> None:
        ensemble = needed("sklearn.ensemble", "find unusual rows", "statistics")
        neighbors = needed("sklearn.neighbors", "find unusual rows", "statistics")
        self._middle, self._reach = np.median(learnt, axis=0), _reach(learnt)
        away = np.median(np.abs(learnt - self._middle), axis=0) * 1.4826
        still = learnt.std(axis=0)
        self._still = np.where(still > 0, still, 1.0)
        self._away = np.where(away > 0, away, self._still)
        self._forest = ensemble.IsolationForest(n_estimators=TREES, random_state=0, max_samples=min(256, len(learnt)))
        self._forest.fit((learnt - self._middle) / self._reach)
        chosen = np.random.default_rng(0).choice(len(learnt), min(NEAR, len(learnt)), replace=False)
        self._near = neighbors.NearestNeighbors(n_neighbors=min(NEIGHBOURS + 1, len(chosen))).fit(self._clipped(learnt[chosen]))
        self._centre, self._turned = _central(self._clipped(learnt))
        views = self._views(learnt)
        self._zero = np.median(views, axis=1, keepdims=True)
        step = np.quantile(views, 0.9, axis=1, keepdims=True) - self._zero
        self._step = np.where(step > 0, step, 1.0)

    def score(self, rows: np.ndarray) -> np.ndarray:
        return np.clip((self._views(rows) - self._zero) / self._step, 0.0, MOST).mean(axis=0)

    def column(self, rows: np.ndarray) -> np.ndarray:
        """The column of each row that is the furthest out."""
        return np.abs((rows - self._middle) / self._reach).argmax(axis=1)

    def _views(self, rows: np.ndarray) -> Any:
        forest = -self._forest.score_samples((rows - self._middle) / self._reach)
        robust = (np.abs(rows - self._middle) / self._away).mean(axis=1)
        clipped = self._clipped(rows)
        distances = self._near.kneighbors(clipped)[0]
        itself = distances[:, 0] == 0  # a row of the sample is its own neighbour
        near = np.where(itself, distances[:, -1], distances[:, max(distances.shape[1] - 2, 0)])
        apart = np.sqrt((((clipped - self._centre) @ self._turned) ** 2).sum(axis=1))
        return np.stack([forest, robust, near, apart])

    def _clipped(self, rows: np.ndarray) -> np.ndarray:
        return np.clip((rows - self._middle) / self._still, -FAR, FAR)


def _reach(learnt: np.ndarray) -> np.ndarray:
    """How far a column usually goes; its deviation where it hardly ever changes."""
    low, high = np.quantile(learnt, (0.05, 0.95), axis=0)
    still = learnt.std(axis=0)
    return np.where(high > low, high - low, np.where(still > 0, still, 1.0))


def _central(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centre of the most central nine tenths, and what turns a difference from it into independent columns of one size."""
    kept = rows
    for _ in range(2):
        centre, spread = kept.mean(axis=0), np.atleast_2d(np.cov(kept.T)) + 1e-3 * np.eye(rows.shape[1])
        sizes, axes = np.linalg.eigh(spread)
        turned = axes / np.sqrt(np.maximum(sizes, 1e-9))
        far = (((rows - centre) @ turned) ** 2).sum(axis=1)
        kept = rows[far <= np.quantile(far, 0.9)]
    return centre, turned
