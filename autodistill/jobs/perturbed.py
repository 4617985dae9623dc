"""Perturbed rows of a table: train rows with some noise, for the teacher to label."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.records import Features, digest


def perturbed(rows: Features, many: int, jitter: float, seed: int) -> Features:
    """``many`` rows drawn from ``rows`` in turn, each number moved by ``jitter`` standard deviations of its column and
    each word swapped for one of another row at the rate ``jitter``.

    Numbers stay within their column's range, whole ones whole, missing cells missing. What a column is given depends
    on its name, ``jitter``, ``many`` and ``seed`` alone.
    """
    length = len(next(iter(rows.values())))
    at = np.concatenate([_stream(seed, f"rows/{lap}").permutation(length) for lap in range(-(-many // length))])[:many]
    return {name: _moved(column, at, jitter, _stream(seed, f"{name}/{jitter}")) for name, column in rows.items()}


def _moved(
    column: npt.NDArray[Any], at: npt.NDArray[np.int64], jitter: float, stream: np.random.Generator
) -> npt.NDArray[Any]:
    if column.dtype == object:
        swapped = stream.random(len(at)) < jitter
        return np.asarray(np.where(swapped, column[stream.integers(0, len(column), len(at))], column[at]))
    known = column[np.isfinite(column)]
    if not len(known):
        return column[at]
    moved = column[at] + stream.normal(0.0, jitter * float(known.std(dtype=float)), len(at))
    moved = moved.clip(known.min(), known.max())
    whole = bool((known == np.round(known)).all())
    return np.asarray(np.round(moved) if whole else moved, dtype=column.dtype)


def _stream(seed: int, what: str) -> np.random.Generator:
    return np.random.default_rng(int(digest(f"perturbed/{seed}/{what}".encode())[:12], 16))
