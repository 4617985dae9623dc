"""Which of some points are best under several objectives: non-dominated rank, then crowding (Deb et al. 2002)."""

import numpy as np

from autodistill.records import FloatArray, IntArray


def best(points: FloatArray, count: int) -> frozenset[int]:
    """Positions of the ``count`` best of ``points`` [n, k], all minimised; of equals the first."""
    ranks, apart = rank(points), np.zeros(len(points))
    for level in range(int(ranks.max(initial=-1)) + 1):
        members = np.flatnonzero(ranks == level)
        apart[members] = crowding(points[members])
    return frozenset(int(i) for i in np.lexsort((-apart, ranks))[:count])


def rank(points: FloatArray) -> IntArray:
    """0 for what nothing dominates, 1 for what only those dominate, and so on [n]."""
    no_worse = (points[:, None] <= points[None]).all(axis=2)
    dominates = no_worse & ~no_worse.T
    ranks = np.full(len(points), -1, dtype=np.int64)
    level = 0
    while (ranks < 0).any():
        left = ranks < 0
        ranks[left & ~(dominates & left[:, None]).any(axis=0)] = level
        level += 1
    return ranks


def crowding(points: FloatArray) -> FloatArray:
    """How far apart a point's neighbours are, summed over the objectives; infinite at the ends [n]."""
    total = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        ends = column[order]
        width = np.ptp(ends)
        if width == 0:
            continue
        gaps = np.full(len(points), np.inf)
        gaps[1:-1] = (ends[2:] - ends[:-2]) / width
        total[order] += gaps
    return total
