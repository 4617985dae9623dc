"""Learning curves: what a candidate's error at a rung says of its last, from those that were trained to the end.

log(last / at the rung) is regressed on log(error at the rung), so that which of them went on, being decided by the
error at the rung, bends nothing. With crossing curves the slope nears −1 and the bound is that of the last errors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.stats import rankdata, t

from autodistill.records import FloatArray

ENOUGH = 8
"""Fewer pairs say nothing."""
CONFIDENCE = 0.9
"""One-sided, of the lower bound of the last error."""
FLOOR = 1e-4
"""What an error of 0 is in logarithms."""
RECENT = 250
"""The latest so many pairs count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What the last error is likely to be: its ``mean``, the ``deviation`` of one candidate's, and the bound that
    most stay above."""

    mean: float
    deviation: float
    lower: float


OutlookAt = Callable[[int, float], Outlook | None]
"""From place and error of a rung; None where too little is known."""


def unknown(place: int, error: float) -> None:
    """Of a search without rungs."""


class Curve:
    """A regression over pairs [n, 2] (error at the rung, last error), at least ``ENOUGH`` of them."""

    def __init__(self, pairs: Sequence[tuple[float, float]]) -> None:
        logs = np.log(np.maximum(np.array(pairs[-RECENT:], dtype=float), FLOOR))
        x, y = logs[:, 0], logs[:, 1] - logs[:, 0]
        self._centre, self._spread = float(x.mean()), float(np.sum((x - x.mean()) ** 2))
        self._slope = float(np.sum((x - x.mean()) * y) / self._spread) if self._spread > 0 else 0.0
        self._mean, self._count = float(y.mean()), len(x)
        rest = y - self._mean - self._slope * (x - self._centre)
        self._residual = sqrt(float(np.sum(rest**2)) / (self._count - 2))

    def outlook(self, error: float) -> Outlook:
        """Of a candidate that has this error at the rung. The bound is at most that error."""
        at = log(max(error, FLOOR))
        away = at - self._centre
        mean = at + self._mean + self._slope * away
        leverage = 1 / self._count + (away**2 / self._spread if self._spread > 0 else 0.0)
        deviation = self._residual * sqrt(1 + leverage)
        lower = mean - float(t.ppf(CONFIDENCE, self._count - 2)) * deviation
        return Outlook(mean=exp(mean), deviation=exp(mean) * deviation, lower=min(exp(lower), error))


def correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's, of the latest pairs; None where they are fewer than ``ENOUGH`` or one side never differs."""
    if len(pairs) < ENOUGH:
        return None
    both = np.array(pairs[-RECENT:], dtype=float)
    early, last = (_centred(rankdata(column)) for column in both.T)
    scale = sqrt(float(early @ early) * float(last @ last))
    return float(early @ last) / scale if scale > 0 else None


def _centred(ranks: FloatArray) -> FloatArray:
    return np.asarray(ranks - ranks.mean())
