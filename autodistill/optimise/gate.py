"""Before training: the error that a candidate could have at best, as a process over the space sees it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from autodistill.optimise.curves import OutlookAt
from autodistill.optimise.gp import Process, fitted
from autodistill.optimise.grid import Grid
from autodistill.space import Space

ENOUGH = 16
"""So many trained candidates before anything is foreseen."""
DEVIATIONS = 2.0
"""The best that is thought possible is so far under the mean."""
MOST, STOPPED = 200, 50
"""The process is fitted to the latest so many that finished and that were stopped."""
REFITTED = 16
"""It is fitted again when a further sixteenth is known, so that its cost stays flat."""


class Gate:
    """What errors of trained candidates say of one that is not; whatever sampler proposed it."""

    def __init__(self, space: Space, outlook: OutlookAt) -> None:
        self._grid, self._outlook = Grid(space), outlook
        self._seen: list[tuple[Mapping[str, Any], float, int | None]] = []
        self._sure, self._again = 0, ENOUGH
        self._known: list[tuple[Mapping[str, Any], float, float]] = []
        self._process: Process | None = None

    def observe(self, parameters: Mapping[str, Any], error: float, place: int | None = None) -> None:
        """A candidate's last error; or that at the rung at a ``place``, where it was stopped."""
        self._seen.append((parameters, error, place))
        self._sure += place is None
        if self._sure >= ENOUGH and len(self._seen) >= self._again:
            self._again = len(self._seen) + max(1, len(self._seen) // REFITTED)
            self._known = list(self._believed())  # now, so that a replay that fits later fits the same
            self._process = None

    def optimistic(self, parameters: Mapping[str, Any]) -> float | None:
        """The best error that is thought possible; None while too little is known."""
        if self._process is None:
            if not self._known:
                return None
            self._process = self._fit()
        mean, deviation = self._process.predict(self._grid.points(self._grid.encode([parameters])))
        return float(mean[0, 0] - DEVIATIONS * deviation[0, 0])

    def _believed(self) -> Iterator[tuple[Mapping[str, Any], float, float]]:
        """The latest, with the mean and the deviation of their last error."""
        sure = [one for one in self._seen if one[2] is None][-MOST:]
        yield from ((parameters, error, 0.0) for parameters, error, _ in sure)
        for parameters, error, place in [one for one in self._seen if one[2] is not None][-STOPPED:]:
            found = None if place is None else self._outlook(place, error)
            if found is not None:
                yield parameters, found.mean, found.deviation

    def _fit(self) -> Process:
        error, deviation = np.array([one[1:] for one in self._known]).T
        low, high = np.quantile(error[deviation == 0], [0.25, 0.75])
        u = self._grid.encode([one[0] for one in self._known])
        capped = np.minimum(error, high + 2 * (high - low))[:, None]
        kernel = fitted(self._grid.points(u[deviation == 0]), capped[deviation == 0], (0.03, 1.0))
        return Process(self._grid.points(u), capped, kernel, deviation[:, None] ** 2)
