"""Means and deviations of many numbers: at once where they are few, else in one pass over pieces of them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from autodistill.records import FloatArray, pieces

WHOLE = 64 << 20  # bytes that are looked at at once
TINY = 1e-6  # a channel of no spread is divided by this


def moments(values: npt.NDArray[np.generic], rank: int) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation float32 [C] of the channels of ``values`` [N, ...], a column in a file or in memory; its last
    axis are the channels where it has ``rank`` axes, and there is one channel where it lacks it."""
    if values.nbytes <= WHOLE:
        return finished(*_of(_deep(np.asarray(values), rank)))
    return finished(*joined(_of(_deep(part, rank)) for part in pieces(values)))


def joined(parts: Iterable[tuple[float, FloatArray, FloatArray]]) -> tuple[float, FloatArray, FloatArray]:
    """Count, mean and sum of squared deviations of all parts from those of each (Chan, Golub and LeVeque 1979)."""
    count, mean, squares = 0.0, np.zeros(()), np.zeros(())
    for many, its, own in parts:
        apart = its - mean
        squares = squares + own + apart**2 * (count * many / (count + many))
        count += many
        mean = mean + apart * (many / count)
    return count, mean, squares


def finished(count: float, mean: FloatArray, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation in float32, no deviation of 0."""
    return mean.astype(np.float32), np.maximum(np.sqrt(squares / count), TINY).astype(np.float32)


def _of(deep: npt.NDArray[np.generic]) -> tuple[float, FloatArray, FloatArray]:
    over = tuple(range(deep.ndim - 1))
    count = deep[..., 0].size
    return count, deep.mean(axis=over, dtype=np.float64), deep.var(axis=over, dtype=np.float64) * count


def _deep(values: npt.NDArray[np.generic], rank: int) -> npt.NDArray[np.generic]:
    return values[..., None] if values.ndim < rank else values
