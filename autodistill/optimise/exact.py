"""The sampler ``exact``: costs are functions of the architecture, only what needs training is uncertain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState
from scipy.special import log_ndtr

from autodistill.optimise.distributions import distribution
from autodistill.optimise.gp import Process
from autodistill.optimise.grid import Grid
from autodistill.optimise.improvement import Front, expected, undominated
from autodistill.records import FloatArray, canonical
from autodistill.space import Space

STARTUP = 10
MOST = 250
"""The processes are fitted to the latest so many candidates."""
DRAWN, BRED, ROUNDS, PARENTS = 1500, 1500, 2, 20
COSTS = "costs"
"""The trial attribute that holds the exact objectives, also of a candidate that was never trained."""


class ExactSampler(BaseSampler):
    """Maximises EHVI times the probability that all constraints hold, over random points and mutations of the front.

    ``objectives`` must have "error"; the others are exact. ``exact`` says which of ``constraints`` are known before
    training. What is in flight is believed to come out at its predicted error (kriging believer).
    """

    def __init__(
        self, space: Space, objectives: Sequence[str], constraints: Sequence[str], exact: frozenset[str], seed: int
    ) -> None:
        self._grid = Grid(space)
        self._error = list(objectives).index("error")
        self._constraints = tuple(constraints)
        self._known = np.array([name in exact for name in constraints], dtype=bool)
        self._rng = np.random.default_rng(seed)

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002 - Optuna's signature
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """All dimensions, active or not."""
        return {dimension.name: distribution(dimension) for dimension in self._grid.dimensions}

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Values for the active dimensions of the next candidate."""
        others = [one for one in study.get_trials(deepcopy=False) if one.number != trial.number]
        closed = [one for one in others if one.user_attrs.get(COSTS) is not None]
        finished = [one for one in closed if one.state == TrialState.COMPLETE]
        if len(finished) < STARTUP:
            return self._grid.decode(self._grid.draw(1, self._rng)[0])
        flying = [one for one in others if one.state == TrialState.RUNNING]
        model = Model(
            grid=self._grid,
            learned=self._learned(finished[-MOST:]),
            exact=self._exact(closed[-MOST:]),
            costs=len(closed[0].user_attrs[COSTS]),
        )
        tried = {_plain(one.params) for one in others}
        ranked = self._search(model, *self._front(model, finished, flying))
        points = (self._grid.decode(u) for u in ranked)
        return next((point for point in points if _plain(point) not in tried), None) or self._grid.decode(ranked[0])

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Never needed: ``sample_relative`` has a value for every active dimension."""
        raise NotImplementedError(param_name)

    def _encode(self, trials: Sequence[FrozenTrial]) -> FloatArray:
        return self._grid.encode([one.params for one in trials])

    def _limits(self, trials: Sequence[FrozenTrial], which: npt.NDArray[np.bool_]) -> FloatArray:
        values = [[one.constraints[name] for name in self._constraints] for one in trials]
        return np.asarray(np.clip(np.array(values, dtype=float).reshape(len(trials), -1)[:, which], -1, 1))

    def _learned(self, finished: Sequence[FrozenTrial]) -> Process:
        """Error and the worst of the constraints that need training; a bad error is bad enough at twice the spread."""
        error = np.array([one.values[self._error] for one in finished])
        low, high = np.quantile(error, [0.25, 0.75])
        limits = self._limits(finished, ~self._known)
        worst = limits.max(axis=1, keepdims=True) if limits.size else limits
        columns = np.concatenate([np.minimum(error, high + 2 * (high - low))[:, None], worst], axis=1)
        return Process(self._grid.points(self._encode(finished)), columns, noise=(0.03, 1.0))

    def _exact(self, closed: Sequence[FrozenTrial]) -> Process | None:
        """Logarithms of the costs and the constraints that are known before training, from the architecture alone."""
        costs = np.array([one.user_attrs[COSTS] for one in closed], dtype=float).reshape(len(closed), -1)
        columns = np.concatenate([np.log(costs), self._limits(closed, self._known)], axis=1)
        if not columns.size:
            return None
        return Process(self._grid.points(self._encode(closed), self._grid.shape), columns, noise=(1e-3, 0.2))

    def _front(
        self, model: "Model", finished: Sequence[FrozenTrial], flying: Sequence[FrozenTrial]
    ) -> tuple[Front, FloatArray]:
        """The front of what is feasible or in flight, and its points."""
        u = self._encode([*finished, *flying])
        error = np.array([one.values[self._error] for one in finished])
        error = np.append(error, model.predict(u[len(finished) :])[0])
        feasible = [max(one.constraints.values(), default=0.0) <= 0 for one in finished]
        kept = np.flatnonzero(np.append(feasible, np.ones(len(flying), dtype=bool)))
        costs = model.costs_of(u)
        among = error[kept] if kept.size else error
        front = kept[undominated(error[kept], costs[kept])] if kept.size else kept
        return Front(
            error=error[front],
            costs=costs[front],
            worst_error=float(among.max() + 0.1 * np.ptp(among)),
            worst_costs=costs.max(axis=0) + 0.1 * np.ptp(costs, axis=0),
        ), u[front]

    def _search(self, model: "Model", front: Front, parents: FloatArray) -> FloatArray:
        """Points by falling merit."""
        pool = self._grid.draw(DRAWN, self._rng)
        if len(parents):
            bred = parents[self._rng.integers(len(parents), size=BRED)]
            pool = np.concatenate([pool, self._grid.mutate(bred, self._rng)])
        merit = model.merit(pool, front)
        for _ in range(ROUNDS):
            best = pool[np.argsort(-merit, kind="stable")[:PARENTS]]
            children = self._grid.mutate(np.repeat(best, BRED // PARENTS // ROUNDS, axis=0), self._rng)
            pool, merit = np.concatenate([pool, children]), np.append(merit, model.merit(children, front))
        return pool[np.argsort(-merit, kind="stable")]


def _plain(values: Mapping[str, Any]) -> str:
    """Values to the digits that tell two candidates apart; the rare repeat that this misses costs a proposal."""
    return str(canonical(values))


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What the processes say of any points ``u`` [n, D]; ``costs`` is the number of exact objectives."""

    grid: Grid
    learned: Process
    exact: Process | None
    costs: int

    def predict(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation [n] of the error."""
        mean, deviation = self.learned.predict(self.grid.points(u))
        return mean[:, 0], deviation[:, 0]

    def costs_of(self, u: FloatArray) -> FloatArray:
        """Logarithms of the exact objectives [n, d]. They are asked for the front as well, so that the noise of a
        measurement opens no gap between a candidate and itself."""
        if self.exact is None:
            return np.empty((len(u), 0))
        return self.exact.predict(self.grid.points(u, self.grid.shape))[0][:, : self.costs]

    def merit(self, u: FloatArray, front: Front) -> FloatArray:
        """log(EHVI · P(all constraints hold)) [n]."""
        mean, deviation = self.learned.predict(self.grid.points(u))
        held = log_ndtr(-mean[:, 1:] / deviation[:, 1:]).sum(axis=1)
        costs: FloatArray = np.empty((len(u), 0))
        if self.exact is not None:
            known, spread = self.exact.predict(self.grid.points(u, self.grid.shape))
            costs = known[:, : self.costs]
            held += log_ndtr(-known[:, self.costs :] / spread[:, self.costs :]).sum(axis=1)
        gain = expected(mean[:, 0], deviation[:, 0], costs, front)
        return np.asarray(np.log(np.maximum(gain, 1e-300)) + held, dtype=float)
