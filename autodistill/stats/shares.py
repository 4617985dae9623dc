"""Limits for one share, and for the difference and ratio of two independent shares.

Every ``level`` is one-sided: a pair (low, high) at level α has confidence 1 − α at each end by itself. Counts may be
fractional (counts divided by a design effect); arguments broadcast; a share of nothing has the limits 0 and 1.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri

Floats = npt.NDArray[np.float64]
Numbers = npt.ArrayLike | npt.NDArray[Any]
Limits = tuple[Floats, Floats]


def z_value(level: Numbers) -> Floats:
    """The standard normal deviate that is exceeded with probability ``level``."""
    return np.asarray(-ndtri(np.asarray(level, dtype=float)), dtype=float)


def wilson(count: Numbers, n: Numbers, level: Numbers) -> Limits:
    """Score limits of a share (Wilson 1927), each one-sided at ``level``."""
    x, n, z = np.asarray(count, float), np.asarray(n, float), z_value(level)
    total = np.where(n > 0, n, 1.0)
    square = z * z
    middle = (x + square / 2) / (total + square)
    half = z / (total + square) * np.sqrt(np.maximum(x * (total - x) / total + square / 4, 0.0))
    # At the ends the limits are exactly 0 and 1; rounding would leave 1e-17.
    low = np.where(x <= 0, 0.0, middle - half)
    high = np.where(x >= n, 1.0, middle + half)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def clopper_pearson_upper(count: Numbers, n: Numbers, level: Numbers) -> Floats:
    """Upper limit of a share by the exact binomial test (Clopper and Pearson 1934), one-sided at ``level``."""
    x, n = np.asarray(count, float), np.asarray(n, float)
    open_end = x >= n
    upper = betaincinv(x + 1, np.where(open_end, 1.0, n - x), 1 - np.asarray(level, float))
    return np.where(open_end, 1.0, upper)


def clopper_pearson(count: Numbers, n: Numbers, level: Numbers) -> Limits:
    """Exact limits of a share (Clopper and Pearson 1934), each one-sided at ``level``."""
    x, n = np.asarray(count, float), np.asarray(n, float)
    return 1 - clopper_pearson_upper(n - x, n, level), clopper_pearson_upper(x, n, level)


def mover(first: Floats, first_limits: Limits, second: Floats, second_limits: Limits) -> Limits:
    """Limits of ``first − second``, two independent estimates, from the limits of each.

    The method of variance estimates recovery (Zou and Donner 2008); with Wilson limits it is Newcombe's (1998) method
    10. Both ends keep the level of the limits that go in.
    """
    difference = first - second
    low = difference - np.hypot(first - first_limits[0], second_limits[1] - second)
    high = difference + np.hypot(first_limits[1] - first, second - second_limits[0])
    return low, high


def newcombe(count: Numbers, n: Numbers, other_count: Numbers, other_n: Numbers, level: Numbers) -> Limits:
    """Limits of the difference of two independent shares, MOVER of Wilson limits (Newcombe 1998, method 10)."""
    x, n = np.asarray(count, float), np.asarray(n, float)
    y, m = np.asarray(other_count, float), np.asarray(other_n, float)
    first, second = x / np.where(n > 0, n, 1.0), y / np.where(m > 0, m, 1.0)
    return mover(first, wilson(x, n, level), second, wilson(y, m, level))


def katz(count: Numbers, n: Numbers, other_count: Numbers, other_n: Numbers, level: Numbers) -> Limits:
    """Limits of the ratio of two independent shares on the log scale (Katz et al. 1978); 0 and ∞ where a count is 0."""
    x, n = np.asarray(count, float), np.asarray(n, float)
    y, m = np.asarray(other_count, float), np.asarray(other_n, float)
    known = (x > 0) & (y > 0) & (n > 0) & (m > 0)
    x, n, y, m = (np.where(known, part, 1.0) for part in (x, n, y, m))
    ratio = (x / n) / (y / m)
    spread = np.exp(z_value(level) * np.sqrt(np.maximum(1 / x - 1 / n + 1 / y - 1 / m, 0.0)))
    return np.where(known, ratio / spread, 0.0), np.where(known, ratio * spread, np.inf)
