"""Limits of an estimate with a standard error where few rows may carry it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autodistill.records import IntArray
from autodistill.stats.shares import Floats, Limits, Numbers

TILT = 0.1
"""Where nothing limits what a row may cost, a larger tilt certifies nothing."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Estimates [...] with what their limits need: standard ``error``, ``tilt`` (skewness of the influences over √n),
    how many independent ``units`` (rows or clusters) stand behind each, ``worst``, the most that a unit can add
    times ``units`` (infinite: nothing limits it, and nothing is added for it), and ``curve`` (see ``RowSums``): the
    limit of a square is that of its root, squared, which is ``curve``·t² longer.

    The limit is the widest of three: Student's t; Hall's (1992) transformation of it for skewness; and the estimate
    plus ``worst`` on the share 1 − α^(1/n) of rows of which none needs to have been seen, as in the exact limit of a
    share without an event. Simulated at n = 100 to 10,000, at a limit that is the loss of the population (false
    passes at 5 %, ± 0.3 to 0.8 points; by estimate + z·SE in brackets): log-loss ≤ 5.7 % (89 %), Brier score ≤ 5.9 %
    (61 %), AUC ≤ 5.5 % (21 %), F1 ≤ 6.1 % (7 %), balanced accuracy ≤ 5.8 % (7 %). t alone mends 0.3 points of z, and
    Johnson's (1978) correction leaves 11 % at a lognormal loss of 100 rows where Hall's leaves 7 %. What nothing
    limits (RMSE, MAE) may hide in rows that are not there, and no rule helps: squared lognormal errors passed 17 %.
    There a PASS also needs a tilt of at most ``TILT``, so that the error does not rest on few rows: then ≤ 5.8 %.

    Of clusters any may be wholly wrong: where 4 of 100 are, a share of *rows* that nobody has seen would let 44 % pass
    at 20 clusters of 30; so the units are clusters (then ≤ 4.2 %).
    """

    estimate: Floats
    error: Floats
    tilt: Floats
    units: Floats
    worst: Floats
    curve: Floats

    @property
    def heavy(self) -> npt.NDArray[np.bool_]:
        """Whether the error rests on a few rows and nothing limits what one may add."""
        return np.asarray(~np.isfinite(self.worst) & (np.abs(self.tilt) > TILT))

    def take(self, at: IntArray) -> "Spread":
        """Some of the estimates."""
        return Spread(**{name: np.broadcast_to(part, self.estimate.shape)[at] for name, part in vars(self).items()})

    def limits(self, level: Numbers) -> Limits:
        """Limits, each one-sided at ``level`` (broadcast against [...])."""
        from scipy.special import stdtrit  # as in ``shares``: naming a check opens no scipy

        alpha = np.asarray(level, float)
        units = np.maximum(self.units, 1.0)
        t = -stdtrit(np.maximum(units - 1, 1.0), np.broadcast_to(alpha, np.broadcast_shapes(alpha.shape, units.shape)))
        hidden = self.unseen(alpha)
        bent = t * t * self.curve
        high = np.maximum(np.maximum(t, _hall(t, self.tilt)) * self.error + bent, hidden)
        low = np.maximum(np.maximum(t, _hall(t, -self.tilt)) * self.error + bent, hidden)
        return self.estimate - low, self.estimate + high

    def unseen(self, level: Numbers) -> Floats:
        """What rows of which none need to have been seen can add: ``worst`` on the share 1 − level^(1/units)."""
        worst = np.where(np.isfinite(self.worst), self.worst, 0.0)
        return np.asarray(worst * -np.expm1(np.log(np.asarray(level, float)) / np.maximum(self.units, 1.0)))


def _hall(t: Floats, tilt: Floats) -> Floats:
    """How many errors above the estimate the upper limit is, by the monotone cubic transformation of t (Hall 1992,
    eq. 2.5 and its inverse), for influences with the skewness ``tilt``·√n; t where they lean the other way."""
    lean = np.maximum(tilt, 1e-6)
    moved = -3 / lean * (np.cbrt(1 - lean * (t + lean / 6)) - 1)
    return np.where(tilt > 1e-6, moved, t)
