"""The sampler ``exact``: costs are functions of the architecture, only what needs training is uncertain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from scipy.special import log_ndtr

from autodistill.optimise.distributions import distribution
from autodistill.optimise.gp import Kernel, Points, Process, fitted
from autodistill.optimise.grid import Grid
from autodistill.optimise.improvement import Front, expected, undominated
from autodistill.optimise.problem import Problem
from autodistill.optimise.seen import COSTS, STOPPED_AT, Seen, earlier, plain
from autodistill.records import FloatArray

STARTUP = 10
BEFORE = 50
"""So many points are drawn until then, of which the first counts that was not refused."""
REFIT = 5
"""Kernels are fitted anew after so many proposals."""
MOST, STOPPED = 200, 50
"""The processes are fitted to the latest so many candidates that finished and that were stopped."""
DRAWN, BRED, ROUNDS, PARENTS = 500, 500, 2, 10
LEAST = -1e6
"""Added to the logarithm of a merit: below all others then, but for what is refused."""
UNKNOWN = 1e6
"""Variance of a value that nothing is known of, in squares of its column's spread."""


class ExactSampler(BaseSampler):
    """Maximises EHVI times the probability that all constraints hold, over random points and mutations of the front.

    The objectives must have "error"; the others are exact. What is in flight is believed to come out at its predicted
    error (kriging believer).
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        self._grid, self._outlook = Grid(problem.space), problem.outlook
        self._error = problem.objectives.index("error")
        self._known = np.array([name in problem.exact for name in problem.constraints], dtype=bool)
        self._seen = Seen(self._grid, self._error, problem.constraints)
        self._kernels: dict[tuple[str, int], Kernel] = {}
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """Draw from this seed; what was read of a study's trials stays read, so one sampler serves one study."""
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
        seen = self._seen
        seen.read(study.get_trials(deepcopy=False)[: trial.number])
        if len(seen.finished) < STARTUP:
            drawn = self._grid.draw(BEFORE, self._rng)
            return self._grid.decode(drawn[np.argmin(seen.refused(drawn))])
        settled = min((one.number for one in seen.flying), default=trial.number)
        model = Model(
            grid=self._grid,
            learned=self._learned(seen.finished, seen.stopped[-STOPPED:], settled),
            exact=self._exact(seen.closed, settled),
            costs=len(seen.closed[0].user_attrs[COSTS]),
        )
        ranked = self._search(model, *self._front(model, seen.flying))
        points = (self._grid.decode(u) for u in ranked)
        fresh = (point for point in points if plain(point) not in seen.tried)
        return next(fresh, None) or self._grid.decode(ranked[0])

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Never needed: ``sample_relative`` has a value for every active dimension."""
        raise NotImplementedError(param_name)

    def _limits(self, trials: Sequence[FrozenTrial], which: npt.NDArray[np.bool_]) -> FloatArray:
        return self._seen.limits(trials)[:, which]

    def _fitted(self, what: str, trials: Sequence[FrozenTrial], settled: int, noise: tuple[float, float]) -> Kernel:
        """The kernel of what is known of trials. Before trial number ``settled`` nothing is in flight: so those before
        a multiple of ``REFIT`` below it say the same whenever they are asked, in a search that goes on as well."""
        before = settled - settled % REFIT
        few = earlier(trials, before)[-MOST:]
        table = self._known_of if what == "exact" else self._found_of
        if len(few) < STARTUP:
            few = list(trials[-MOST:])
            return fitted(*table(few), noise)
        if (what, before) not in self._kernels:
            self._kernels = {key: one for key, one in self._kernels.items() if key[0] != what}
            self._kernels[what, before] = fitted(*table(few), noise)
        return self._kernels[what, before]

    def _errors(self, finished: Sequence[FrozenTrial]) -> FloatArray:
        return np.array([one.values[self._error] for one in finished])

    def _found_of(self, finished: Sequence[FrozenTrial]) -> tuple[Points, FloatArray]:
        """Error and the worst of the constraints that need training; a bad error is bad enough at twice the spread."""
        error = self._errors(finished)
        limits = self._limits(finished, ~self._known)
        worst = limits.max(axis=1, keepdims=True) if limits.size else limits
        return self._grid.points(self._seen.at(finished)), np.column_stack([np.minimum(error, _cap(error)), worst])

    def _known_of(self, closed: Sequence[FrozenTrial]) -> tuple[Points, FloatArray]:
        """Logarithms of the costs and the constraints that are known before training, from the architecture alone."""
        costs = np.array([one.user_attrs[COSTS] for one in closed], dtype=float).reshape(len(closed), -1)
        columns = np.concatenate([np.log(costs), self._limits(closed, self._known)], axis=1)
        return self._grid.points(self._seen.at(closed), self._grid.shape), columns

    def _learned(self, finished: Sequence[FrozenTrial], stopped: Sequence[FrozenTrial], settled: int) -> Process:
        """What needs training; of those that were stopped the error is as far known as their learning curve tells."""
        kernel = self._fitted("learned", finished, settled, (0.03, 1.0))
        finished = finished[-MOST:]
        _, found = self._found_of(finished)
        outlooks = [self._outlook(*one.user_attrs[STOPPED_AT]) for one in stopped]
        believed = [(one, seen) for one, seen in zip(stopped, outlooks, strict=True) if seen is not None]
        columns = np.zeros((len(found) + len(believed), found.shape[1]))
        columns[: len(found)] = found
        doubt, cap = np.zeros(columns.shape), _cap(self._errors(finished))
        for row, (_, seen) in enumerate(believed, start=len(found)):
            columns[row, 0] = min(seen.mean, cap)
            doubt[row, 0] = seen.deviation**2
            doubt[row, 1:] = UNKNOWN * np.maximum(found[:, 1:].var(axis=0), 1e-9)
        points = self._grid.points(self._seen.at([*finished, *(one for one, _ in believed)]))
        return Process(points, columns, kernel, doubt if believed else None)

    def _exact(self, closed: Sequence[FrozenTrial], settled: int) -> Process | None:
        """What is known before training."""
        points, columns = self._known_of(closed[-MOST:])
        if not columns.size:
            return None
        return Process(points, columns, self._fitted("exact", closed, settled, (1e-3, 0.2)))

    def _front(self, model: "Model", flying: Sequence[FrozenTrial]) -> tuple[Front, FloatArray]:
        """The front of what is feasible or in flight, and its points."""
        seen, kept = self._seen, [*self._seen.front, *flying]
        u = seen.at(kept)
        error = np.array([one.values[self._error] for one in seen.front])
        believed = model.predict(u[len(error) :])[0] if flying else np.empty(0)
        costs, error = model.costs_of(u), np.append(error, believed)
        front = undominated(error, costs)
        among = np.append(seen.feasible, believed) if kept else np.array(seen.errors)
        spent = np.concatenate([np.array(seen.costs).reshape(len(seen.costs), -1), costs])
        return Front(
            error=error[front],
            costs=costs[front],
            worst_error=float(among.max() + 0.1 * np.ptp(among)),
            worst_costs=spent.max(axis=0) + 0.1 * np.ptp(spent, axis=0),
        ), u[front]

    def _search(self, model: "Model", front: Front, parents: FloatArray) -> FloatArray:
        """Points by falling merit."""
        pool = self._grid.draw(DRAWN, self._rng)
        if len(parents):
            bred = parents[self._rng.integers(len(parents), size=BRED)]
            pool = np.concatenate([pool, self._grid.mutate(bred, self._rng)])
        merit = self._merit(model, pool, front)
        for _ in range(ROUNDS):
            best = pool[np.argsort(-merit, kind="stable")[:PARENTS]]
            children = self._grid.mutate(np.repeat(best, BRED // PARENTS // ROUNDS, axis=0), self._rng)
            pool, merit = np.concatenate([pool, children]), np.append(merit, self._merit(model, children, front))
        return pool[np.argsort(-merit, kind="stable")]

    def _merit(self, model: "Model", u: FloatArray, front: Front) -> FloatArray:
        """The model's; none for what is known to be refused, and next to none for what was just left untrained."""
        merit = model.merit(u, front) + np.where(self._seen.left(u), LEAST, 0.0)
        return np.where(self._seen.refused(u), -np.inf, merit)


def _cap(error: FloatArray) -> float:
    """A bad error is bad enough at twice the spread."""
    return float(np.quantile(error, 0.75) + 2 * np.ptp(np.quantile(error, [0.25, 0.75])))


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
