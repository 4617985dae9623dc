"""Which candidates to keep, in which order to test them, and which to choose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autodistill.records import Decision, Reading
from autodistill.verdict.judging import reading


def front(points: npt.ArrayLike) -> tuple[int, ...]:
    """Indices of the non-dominated among ``points`` [n, k], all minimised; equal points are all kept.

    A point with a value that is not finite is never on the front.
    """
    values = np.asarray(points, dtype=float)
    if values.size == 0:
        return ()
    if values.ndim != 2:
        raise ValueError("points must be [n, k]")
    usable = np.flatnonzero(np.isfinite(values).all(axis=1))
    kept: list[int] = []
    for at in usable:
        no_worse = (values[usable] <= values[at]).all(axis=1)
        better = (values[usable] < values[at]).any(axis=1)
        if not (no_worse & better).any():
            kept.append(int(at))
    return tuple(kept)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One ordered test: the candidate's place in the order, the level it was tested at, what came of it."""

    order: int
    level: float
    decision: Decision


def fallback(m: int, level: float, test: Callable[[int, float], Decision | bool]) -> tuple[Step, ...]:
    """Ordered tests of ``m`` candidates by the fallback procedure (Wiens and Dmitrienko 2005, equal weights).

    Each has level/m of its own; a PASS hands its whole level to the next, anything else hands on nothing. The
    familywise error is at most ``level`` for any order that was fixed without the rows of the test. ``test(i, a)``
    answers for candidate i at the one-sided level a, for all its required tests together.
    """
    steps: list[Step] = []
    handed = 0.0
    for order in range(m):
        here = level / m + handed
        answer = test(order, here)
        decision: Decision = ("PASS" if answer else "INCONCLUSIVE") if isinstance(answer, bool) else answer
        steps.append(Step(order=order, level=here, decision=decision))
        handed = here if decision == "PASS" else 0.0
    return tuple(steps)


def choose(readings: Mapping[str, Mapping[str, Reading]], by: str) -> str | None:
    """The key with the smallest reading of ``by`` (size, latency, energy); the first by key among equals.

    None where no candidate is given; those without that reading come last.
    """

    def value(key: str) -> tuple[float, str]:
        found = reading(readings[key], by)
        return (float("inf") if found is None or found.value is None else found.value, key)

    return min(readings, key=value, default=None)
