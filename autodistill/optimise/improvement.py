"""Expected hypervolume improvement where one objective is uncertain and the others are exact.

It is then a sum of one-dimensional terms (Yang, Emmerich et al. 2019, specialised). With the front sorted by error,
e_1 < … < e_k, reference error e_r = e_{k+1}, a candidate of costs c and error ~ N(μ, σ), S_j the volume of
[c, reference] that no front point 1 … j dominates in cost, and ψ(t) = E[(t − error)⁺]:

    EHVI = S_0 ψ(e_1) + Σ_j S_j (ψ(e_{j+1}) − ψ(e_j))
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from autodistill.records import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """Points that nothing dominates, by rising error: ``error`` [k], ``costs`` [k, d]; and the reference point."""

    error: FloatArray
    costs: FloatArray
    worst_error: float
    worst_costs: FloatArray


def undominated(error: FloatArray, costs: FloatArray) -> IntArray:
    """Positions of the points that no other dominates, by rising error; of equal points the first."""
    kept: list[int] = []
    for i in np.lexsort((*costs.T[::-1], error)):
        if not (costs[kept] <= costs[i]).all(axis=1).any():  # those kept have no larger error
            kept.append(int(i))
    return np.array(kept, dtype=np.int64)


def expected(mean: FloatArray, deviation: FloatArray, costs: FloatArray, front: Front) -> FloatArray:
    """EHVI of candidates [n] with error ~ N(``mean`` [n], ``deviation`` [n]) and ``costs`` [n, d]."""
    levels = np.minimum(np.append(front.error, front.worst_error), front.worst_error)
    z = (levels - mean[:, None]) / deviation[:, None]
    gains = deviation[:, None] * (z * ndtr(z) + np.exp(-z * z / 2) / np.sqrt(2 * np.pi))
    steps = np.diff(gains, axis=1, prepend=0.0)
    return np.asarray(
        sum(free(costs, front.costs[:j], front.worst_costs) * steps[:, j] for j in range(len(levels))), dtype=float
    )


def free(costs: FloatArray, points: FloatArray, reference: FloatArray) -> FloatArray:
    """The volume [n] of [costs, reference] that none of ``points`` [j, d] dominates: slab by slab along the last
    cost, in each of which the points below it leave a volume of one dimension less."""
    count, size = costs.shape
    if size == 0:
        return np.full(count, 0.0 if len(points) else 1.0)
    if size == 1:
        return np.asarray(np.maximum(np.min(points, initial=reference[0]) - costs[:, 0], 0.0))
    points = points[np.argsort(points[:, -1], kind="stable")]
    edges = np.concatenate([[-np.inf], np.minimum(points[:, -1], reference[-1]), reference[-1:]])
    total = np.zeros(count)
    for j in range(len(points) + 1):
        thickness = edges[j + 1] - np.maximum(edges[j], costs[:, -1])
        if (thickness > 0).any():
            total += np.maximum(thickness, 0.0) * free(costs[:, :-1], points[:j, :-1], reference[:-1])
    return total
