"""Gaussian processes on a mixed, conditional space: several outputs that share one kernel.

Matérn 5/2 over r² = Σ_d δ_d² / ℓ_d² with a length scale for each dimension (Rasmussen and Williams 2006, eq. 4.17);
δ is the difference in [0, 1] for numbers, 0 or 1 for categories. Scales and noise are maximum a posteriori.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from autodistill.records import FloatArray

STEPS = 40
FITTED = 100
"""Scales and noise are fitted to so many points at most, evenly spaced in the order given; all points then count."""
SCALE_PRIOR = (0.0, 0.8)
"""Mean and deviation of log ℓ: at first half of a range, in one dimension, leaves a correlation of 0.83."""
JITTER = 1e-8
PART = 512
"""So many points are predicted at once: what is computed on the way stays in the processor's cache."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """Points of the space: ``at`` [n, D] in [0, 1] (a category's number where ``category`` [D] is true)."""

    at: FloatArray
    category: npt.NDArray[np.bool_]

    def apart(self, other: "Points", d: int) -> FloatArray:
        """δ² between all points and all others in dimension ``d`` [n, m]."""
        apart = np.subtract.outer(self.at[:, d], other.at[:, d])
        return (apart != 0).astype(float) if self.category[d] else apart * apart


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """What was fitted: length scales ``scales`` [D] (how far apart in a dimension two points must be to tell little of
    one another), and the variance of the ``noise`` of standardised columns."""

    scales: FloatArray
    noise: float


def fitted(points: Points, y: FloatArray, noise: tuple[float, float]) -> Kernel:
    """Maximum a posteriori for columns ``y`` [n, m] that are known at ``points``. ``noise`` bounds the standard
    deviation of the noise from below and above, in units of a column's own deviation."""
    few = slice(None, None, -(-len(y) // FITTED))
    y = (y - y.mean(axis=0)) / np.maximum(y.std(axis=0), 1e-9)
    apart = _apart(Points(at=points.at[few], category=points.category))
    low, high = 2 * np.log(noise)
    begin = np.append(np.full(len(apart), SCALE_PRIOR[0]), (low + high) / 2)
    bounds = [(-4.0, 4.0)] * len(apart) + [(low, high)]
    fit = minimize(posterior, begin, (apart, y[few]), "L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS})
    return Kernel(scales=np.exp(fit.x[:-1]), noise=float(np.exp(fit.x[-1])))


class Process:
    """A process for each column of ``y`` [n, m] (standardised here), with one ``kernel`` for all of them.

    ``doubt`` [n, m] are variances that some values have beside the noise, in squared units of ``y``: units come from
    the points without any.
    """

    def __init__(self, points: Points, y: FloatArray, kernel: Kernel, doubt: FloatArray | None = None) -> None:
        self._near = Near(points, kernel.scales)
        sure = slice(None) if doubt is None else (doubt == 0).all(axis=1)
        self._mean, self._spread = y[sure].mean(axis=0), np.maximum(y[sure].std(axis=0), 1e-9)
        y = (y - self._mean) / self._spread
        near = self._near.kernel(points) + (kernel.noise + JITTER) * np.eye(len(y))
        beside = np.zeros((1, len(y))) if doubt is None else (doubt / self._spread**2).T
        factors = [cho_factor(near + np.diag(one), lower=True) for one in beside]
        columns = np.split(y, y.shape[1], axis=1) if doubt is not None else [y]
        self._weights = np.concatenate(
            [cho_solve(factor, column) for factor, column in zip(factors, columns, strict=True)], axis=1
        )
        # thousands of points are asked for: a product with the inverse is several times as fast as solving for each
        self._inverses = [solve_triangular(factor[0], np.eye(len(y)), lower=True).T for factor in factors]

    def predict(self, points: Points) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation [n, m] of the functions, without the noise."""
        parts = [Points(at=points.at[i : i + PART], category=points.category) for i in range(0, len(points.at), PART)]
        told = [self._predict(part) for part in parts or [points]]
        mean, rest = (np.concatenate(one) for one in zip(*told, strict=True))
        return mean * self._spread + self._mean, np.sqrt(rest) * self._spread

    def _predict(self, points: Points) -> tuple[FloatArray, FloatArray]:
        kernel = self._near.kernel(points)
        known = [np.square(kernel @ inverse).sum(axis=1) for inverse in self._inverses]
        return kernel @ self._weights, np.maximum(1 - np.stack(known, axis=1), 1e-12)


class Near:
    """Kernel between any points and ``known``: r² = |a|² + |b|² − 2 a·b of places in a space where a number is divided
    by its scale and each category known is an axis of its own."""

    def __init__(self, known: Points, scales: FloatArray) -> None:
        self._numbers, self._scales = ~known.category, scales[~known.category]
        self._categories = [np.unique(known.at[:, d]) for d in np.flatnonzero(known.category)]
        weights = scales[known.category] ** -2.0
        self._axes = np.repeat(np.sqrt(weights / 2), [len(one) for one in self._categories])
        self._marked = 0.5 * weights.sum()  # of a category that is not known as well: it is as far from each that is
        self._places = self._placed(known)

    def kernel(self, points: Points) -> FloatArray:
        """k [n, m]."""
        place, length = self._placed(points)
        known, far = self._places
        r2 = place @ known.T
        r2 *= -2.0
        r2 += length[:, None]
        r2 += far
        return _matern(np.maximum(r2, 0.0, out=r2))

    def _placed(self, points: Points) -> tuple[FloatArray, FloatArray]:
        """Places [n, axes] and their squared lengths [n]."""
        numbers = points.at[:, self._numbers] / self._scales
        columns = np.flatnonzero(points.category)
        marks = [points.at[:, d, None] == one for d, one in zip(columns, self._categories, strict=True)]
        marked = np.concatenate([np.zeros((len(numbers), 0)), *marks], axis=1) * self._axes
        return np.concatenate([numbers, marked], axis=1), np.square(numbers).sum(axis=1) + self._marked


def posterior(theta: FloatArray, apart: FloatArray, y: FloatArray) -> tuple[float, FloatArray]:
    """Negative log posterior of ``theta`` = (log ℓ_1 … log ℓ_D, log noise variance), and its gradient, given the
    squared distances [D, n, n] and standardised columns [n, m]."""
    weights = np.exp(-2 * theta[:-1])
    r2 = np.tensordot(weights, apart, axes=1)
    kernel, slope = _matern(r2), _slope(r2)
    size, columns = y.shape
    factor = cho_factor(kernel + (np.exp(theta[-1]) + JITTER) * np.eye(size), lower=True)
    alpha = cho_solve(factor, y)
    inner = columns * cho_solve(factor, np.eye(size)) - alpha @ alpha.T
    away = (theta[:-1] - SCALE_PRIOR[0]) / SCALE_PRIOR[1]
    loss = 0.5 * np.sum(y * alpha) + columns * np.log(np.diag(factor[0])).sum() + 0.5 * np.sum(away**2)
    # dk/d log ℓ_d = −2 (δ_d²/ℓ_d²) dk/dr²
    by_scale = -weights * np.tensordot(apart, inner * slope, axes=2) + away / SCALE_PRIOR[1]
    by_noise = 0.5 * np.trace(inner) * np.exp(theta[-1])
    return float(loss), np.append(by_scale, by_noise)


def _apart(points: Points) -> FloatArray:
    """δ² of every pair, a dimension at a time [D, n, n]."""
    count = len(points.at)
    pairs = [points.apart(points, d) for d in range(len(points.category))]
    return np.array(pairs, dtype=float).reshape(-1, count, count)


def _matern(r2: FloatArray) -> FloatArray:
    """k of the Matérn 5/2 kernel of unit variance."""
    root = np.sqrt(5 * r2)
    less = np.exp(-root)
    root += 5 / 3 * r2
    root += 1
    root *= less
    return root


def _slope(r2: FloatArray) -> FloatArray:
    """dk/dr²."""
    root = np.sqrt(5 * r2)
    return np.asarray(-5 / 6 * (1 + root) * np.exp(-root))
