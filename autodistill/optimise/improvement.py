"""Expected hypervolume improvement where one objective is uncertain and the others are exact.

It is then a sum of one-dimensional terms (Yang, Emmerich et al. 2019, specialised). The space of costs falls into boxes
in each of which one error is the least that the front reaches at no more cost (where it reaches none: the reference
error). With V_b the volume of box b above a candidate's costs, e_b its error, the candidate's error ~ N(μ, σ), and
ψ(t) = E[(t − error)⁺]:

    EHVI = Σ_b V_b ψ(e_b)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.special import ndtr

from autodistill.records import FloatArray, IntArray

Box = tuple[int, tuple[float, ...], tuple[float, ...]]
CHUNK = 4_000_000
"""So many pairs of a candidate and a box at once."""


@dataclass(frozen=True, kw_only=True)
class Front:
    """Points that nothing dominates, by rising error: ``error`` [k], ``costs`` [k, d]; and the reference point."""

    error: FloatArray
    costs: FloatArray
    worst_error: float
    worst_costs: FloatArray

    @cached_property
    def levels(self) -> FloatArray:
        """The errors that a candidate may have to beat [k + 1]: the front's and the reference's."""
        return np.asarray(np.minimum(np.append(self.error, self.worst_error), self.worst_error))

    @cached_property
    def boxes(self) -> tuple[FloatArray, FloatArray, IntArray]:
        """Lower and upper corners [b, d] of the boxes, and the rising positions of their errors in ``levels`` [b]."""
        found = sorted(_boxes(self.costs, np.arange(len(self.error)), self.worst_costs, len(self.error)))
        corners = np.array([[low, high] for _, low, high in found]).reshape(len(found), 2, -1)
        return corners[:, 0], corners[:, 1], np.array([level for level, _, _ in found], dtype=np.int64)


def undominated(error: FloatArray, costs: FloatArray) -> IntArray:
    """Positions of the points that no other dominates, by rising error; of equal points the first."""
    kept: list[int] = []
    for i in np.lexsort((*costs.T[::-1], error)):
        if not (costs[kept] <= costs[i]).all(axis=1).any():  # those kept have no larger error
            kept.append(int(i))
    return np.array(kept, dtype=np.int64)


def expected(mean: FloatArray, deviation: FloatArray, costs: FloatArray, front: Front) -> FloatArray:
    """EHVI of candidates [n] with error ~ N(``mean`` [n], ``deviation`` [n]) and ``costs`` [n, d]."""
    z = (front.levels - mean[:, None]) / deviation[:, None]
    gains = deviation[:, None] * (z * ndtr(z) + np.exp(-z * z / 2) / np.sqrt(2 * np.pi))
    step = max(1, CHUNK // len(front.boxes[2]))
    parts = [slice(at, at + step) for at in range(0, len(costs), step)]
    return np.concatenate([(volumes(costs[part], front) * gains[part]).sum(axis=1) for part in parts])


def volumes(costs: FloatArray, front: Front) -> FloatArray:
    """The volume [n, k + 1] of [costs, reference] where each of ``front.levels`` is the least error."""
    low, high, level = front.boxes
    sizes = np.ones((len(costs), len(level)))
    for d in range(costs.shape[1]):
        side = np.maximum(low[:, d], costs[:, d, None])
        np.subtract(high[:, d], side, out=side)
        sizes *= np.maximum(side, 0.0, out=side)
    there, begin = np.unique(level, return_index=True)
    total = np.zeros((len(costs), len(front.levels)))
    total[:, there] = np.add.reduceat(sizes, begin, axis=1)
    return total


def _boxes(costs: FloatArray, level: IntArray, reference: FloatArray, none: int) -> Iterator[Box]:
    """The boxes of points with ``costs`` [j, d], the smaller ``level`` [j] being the better: slab by slab along the
    last cost, in each of which the points below it make boxes of one dimension less. ``none``: the level of no point.
    """
    if len(reference) == 0:
        yield int(level.min(initial=none)), (), ()
        return
    inside = np.flatnonzero(costs[:, -1] < reference[-1])
    inside = inside[np.argsort(costs[inside, -1], kind="stable")]
    if len(reference) == 1:  # there a point of a larger error than those before it changes nothing
        least = np.minimum.accumulate(np.append(none, level[inside]))
        inside = inside[level[inside] < least[:-1]]
    edges = [-np.inf, *costs[inside, -1], reference[-1]]
    for j, (low, high) in enumerate(pairwise(edges)):
        if low < high:
            below = inside[:j]
            for found, lows, highs in _boxes(costs[below, :-1], level[below], reference[:-1], none):
                yield found, (*lows, low), (*highs, high)
