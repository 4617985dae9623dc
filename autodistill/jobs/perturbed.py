"""Perturbed train rows, for the teacher to label: a table's with some noise, views of pictures and of sounds."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.records import Features, digest


def perturbed(rows: Features, many: int, jitter: float, seed: int, modality: Any = None) -> Features:
    """``many`` rows drawn from ``rows`` in turn, each with some noise of the strength ``jitter``.

    What noise is, a ``modality`` of one column says itself: its ``perturbed(values, jitter, stream)`` gives a view of
    each of its rows. In a table each number is moved by ``jitter`` standard deviations of its column, within the
    column's range, whole ones whole, missing cells missing, and each word is swapped for one of another row at the rate
    ``jitter``. What a column is given depends on its name, ``jitter``, ``many`` and ``seed`` alone.
    """
    length = len(next(iter(rows.values())))
    at = np.concatenate([_stream(seed, f"rows/{lap}").permutation(length) for lap in range(-(-many // length))])[:many]
    found = {}
    for name, column in rows.items():
        stream = _stream(seed, f"{name}/{jitter}")
        if hasattr(modality, "perturbed"):
            found[name] = modality.perturbed(column[at], jitter, stream)
        else:
            found[name] = _moved(np.asarray(column), at, jitter, stream)
    return found


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
