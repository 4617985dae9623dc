"""What the sampler ``exact`` has read of a study's trials, each once: a proposal costs the same late as early."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial, TrialState

from autodistill.optimise.grid import Grid
from autodistill.records import FloatArray, canonical

COSTS = "costs"
"""The trial attribute that holds the exact objectives, also of a candidate that was never trained."""
REFUSED = "refused"
"""The trial attribute of a candidate that this search refused for its readings."""
STOPPED_AT = "stopped_at"
"""The trial attribute that holds place and error of the rung at which a candidate was stopped."""


class Seen:
    """Places on the grid of all trials; errors, costs and the front of those that finished. Only what is new, and what
    was in flight, is looked at: of some thousand trials a look at each takes longer than a proposal."""

    def __init__(self, grid: Grid, error: int, constraints: Sequence[str]) -> None:
        self._grid, self._error, self._constraints = grid, error, constraints
        self._at: dict[int, FloatArray] = {}
        self._limits: dict[int, FloatArray] = {}
        self._read = 0
        self.flying: list[FrozenTrial] = []
        """What is in flight, by number; ``closed``, ``finished`` and ``stopped`` are those whose costs are known."""
        self.closed: list[FrozenTrial] = []
        self.finished: list[FrozenTrial] = []
        self.stopped: list[FrozenTrial] = []
        branches = grid.space.branches
        self._alone = branches[0].label
        self._lasting = {branch.label for branch in branches if branch.trains == "gradient"}
        self._refused: set[bytes] = set()
        self._left: list[tuple[int, set[bytes]]] = []
        self.tried: set[str] = set()
        """What was proposed, as text."""
        self.feasible: list[float] = []
        """Errors of those that hold all constraints."""
        self.errors: list[float] = []
        """Errors of all."""
        self.costs: list[list[float]] = []
        """Logarithms of the exact objectives of all."""
        self.front: list[FrozenTrial] = []
        """The feasible that none dominates, by what was told."""

    def read(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in a study's trials, which stand by number: all that were there before are there again."""
        new = trials[self._read :]
        self._read = len(trials)
        for one, u in zip(new, self._grid.encode([one.params for one in new]), strict=True):
            self._at[one.number] = u
            self.tried.add(plain(one.params))
        open_, self.flying = [*(trials[one.number] for one in self.flying), *new], []
        for one in open_:
            if one.state == TrialState.RUNNING:
                self.flying.append(one)
            elif one.user_attrs.get(COSTS) is not None:
                self._close(one)

    def _close(self, one: FrozenTrial) -> None:
        insort(self.closed, one, key=_number)
        lasting = one.params.get("family", self._alone) in self._lasting
        if lasting and one.user_attrs.get(REFUSED):
            self._refused.update(self._shapes(self.at([one])))
        if STOPPED_AT in one.user_attrs:
            insort(self.stopped, one, key=_number)
        elif one.state != TrialState.COMPLETE and not one.user_attrs.get(REFUSED):
            self._left.append((one.number, set(self._shapes(self.at([one])))))
        if one.state == TrialState.COMPLETE:
            insort(self.finished, one, key=_number)
            self._take(one)

    def at(self, trials: Sequence[FrozenTrial]) -> FloatArray:
        """Their points [n, D]."""
        return np.array([self._at[one.number] for one in trials]).reshape(len(trials), len(self._grid.dimensions))

    def refused(self, u: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether points [n, D] have the shape of a network that this search refused before training: whatever it is
        trained with, it is refused again. What is fitted may come out smaller another time."""
        if not self._refused:
            return np.zeros(len(u), dtype=bool)
        return np.array([shape in self._refused for shape in self._shapes(u)], dtype=bool)

    def left(self, u: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether points [n, D] have a shape that was left untrained after the last that finished: until something is
        learned that shape would be left again, whatever it is trained with, and nothing would ever be learned."""
        last = self.finished[-1].number if self.finished else -1
        self._left = [one for one in self._left if one[0] > last]
        if not self._left:
            return np.zeros(len(u), dtype=bool)
        shapes = set().union(*(found for _, found in self._left))
        return np.array([shape in shapes for shape in self._shapes(u)], dtype=bool)

    def _shapes(self, u: FloatArray) -> list[bytes]:
        return [row.tobytes() for row in self._grid.points(u, self._grid.shape).at.round(6) + 0.0]

    def limits(self, closed: Sequence[FrozenTrial]) -> FloatArray:
        """Their constraints, at most 1 either way [n, C]: what was told does not change, and Optuna reads all of a
        trial's constraints anew for each that is asked for."""
        for one in closed:
            if one.number not in self._limits:
                told = [one.constraints[name] for name in self._constraints]
                self._limits[one.number] = np.clip(np.array(told, dtype=float), -1, 1)
        return np.array([self._limits[one.number] for one in closed]).reshape(len(closed), len(self._constraints))

    def _take(self, one: FrozenTrial) -> None:
        self.errors.append(one.values[self._error])
        self.costs.append([float(value) for value in np.log(one.user_attrs[COSTS])])
        if max(one.constraints.values(), default=0.0) <= 0:
            self.feasible.append(one.values[self._error])
            self._compare(one)

    def _compare(self, new: FrozenTrial) -> None:
        values = np.array(new.values)
        points = np.array([one.values for one in self.front]).reshape(-1, len(values))
        older = np.array([one.number < new.number for one in self.front], dtype=bool)
        beaten = (points <= values).all(axis=1) & ((points < values).any(axis=1) | older)  # of equal points the first
        if beaten.any():
            return
        kept = np.flatnonzero(~(values <= points).all(axis=1))
        # By number, so that it is the same however they came in: workers end in another order than a replay tells.
        self.front = sorted([*(self.front[i] for i in kept), new], key=_number)


def earlier(trials: Sequence[FrozenTrial], number: int) -> Sequence[FrozenTrial]:
    """Those of a lower number."""
    return trials[: bisect_left(trials, number, key=_number)]


def _number(one: FrozenTrial) -> int:
    return one.number


def plain(values: Mapping[str, Any]) -> str:
    """Values to the digits that tell two candidates apart; the rare repeat that this misses costs a proposal."""
    return str(canonical(values))
