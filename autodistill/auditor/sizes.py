"""How many rows a test needs: simulated count tables, fixed seed (AUDIT §9)."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from autodistill.stats.shares import Floats, z_value

POWER = 0.8
DRAWS = 2000
SEED = 20981
LARGEST = 1e4
"""No more than this many times the rows are searched: beyond it the answer is of no use."""


def by_root(estimate: float, high: float, limit: float, level: float, rows: float) -> int | None:
    """Rows at which a limit by a standard error passes with 80 % power, from its length at ``rows`` and the rule that
    it shrinks by 1/√rows; nothing is drawn. None where the estimate is not inside, or more than ``LARGEST`` times the
    rows are needed."""
    reach, room = high - estimate, limit - estimate
    if not (np.isfinite(reach) and room > 0 and rows > 0):
        return None
    z = float(z_value(level))
    scale = (reach / room * (z + float(ndtri(POWER))) / z) ** 2
    return int(np.ceil(max(scale * rows, 1.0))) if scale <= LARGEST else None


def smoothed(cells: Floats) -> Floats:
    """Rates (count + ½)/(n + 2) of each stratum's four outcomes [..., 2, 2]: no cell is impossible."""
    return np.asarray((cells + 0.5) / (cells.sum(axis=(-2, -1), keepdims=True) + 2))


def draw(cells: Floats, scale: float, draws: int = DRAWS) -> Floats:
    """[draws, K, 2, 2]: tables as large as ``scale`` times ``cells`` [K, 2, 2], at their smoothed rates."""
    rates = smoothed(cells).reshape(len(cells), 4)
    n = np.maximum(1, np.rint(scale * cells.sum(axis=(-2, -1)))).astype(np.int64)
    random = np.random.default_rng(SEED)
    return random.multinomial(n, rates, size=(draws, len(cells))).reshape(draws, len(cells), 2, 2).astype(float)


def scale_needed(
    cells: Floats, passes: Callable[[Floats], npt.NDArray[np.bool_]], level: float, draws: int = DRAWS
) -> float | None:
    """The smallest factor on the rows of ``cells`` [K, 2, 2] at which ``passes`` ([draws, K, 2, 2] -> [draws]) holds in
    80 % of simulated tables; within 2 %. None where ``LARGEST`` times the rows are not enough."""
    goal, least = float(ndtri(POWER)), 1.0 / max(1.0, float(cells.sum(axis=(-2, -1)).max()))

    def power(scale: float) -> float:
        return float(np.mean(passes(draw(cells, scale, draws))))

    low, high, scale = 0.0, np.inf, 1.0
    for _ in range(24):
        reached = power(scale)
        if reached >= POWER:
            high = scale
        else:
            low = scale
        if low >= LARGEST:
            return None
        if high / max(low, least / 2) <= 1.02:
            break
        # Power is about Φ(a√scale − z): one point gives the slope, so the next guess is near.
        z = float(z_value(level))
        reach = float(ndtri(np.clip(reached, 1e-3, 1 - 1e-3))) + z
        guess = scale * ((goal + z) / max(reach, 0.25)) ** 2
        guess *= 1.01 if reached < POWER else 0.99
        if low > 0 and np.isfinite(high):
            guess = guess if low * 1.001 < guess < high / 1.001 else float(np.sqrt(low * high))
        scale = min(max(guess, low * 1.01, least), high / 1.001, 16 * scale)
        if scale <= least:
            break
    return float(high) if np.isfinite(high) else None
