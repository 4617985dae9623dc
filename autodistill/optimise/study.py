"""An Optuna study in memory, rebuilt from what was proposed and told: the only place that asks and tells."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from autodistill.optimise import samplers, start
from autodistill.optimise.distributions import distribution, suggest
from autodistill.optimise.exact import ExactSampler
from autodistill.optimise.prior import Known
from autodistill.optimise.problem import Problem
from autodistill.optimise.seen import COSTS, REFUSED, STOPPED_AT

RELATIVE = "tpe:relative_params:0"
"""Where TPE leaves what it drew for a trial, inactive dimensions too, for those that keep away from it: a journal has
the active ones only, and a replay must come to the same."""


class Study:
    """Proposals are numbered from 0 without gaps; each is told once. Every objective is minimised."""

    def __init__(self, problem: Problem, seed: int, sampler: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._problem = problem
        self._seed = seed
        self._sampler = sampler
        self._storage = InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            directions=["minimize"] * len(problem.objectives),
            sampler=samplers.make(sampler, problem, seed, 0),
        )
        self._open: dict[int, optuna.Trial] = {}

    def ask(self, number: int, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Values for proposal ``number``: the sampler's, or those given."""
        self._ready(number)
        if given is not None:
            self._study.enqueue_trial(dict(given))
        trial = self._study.ask()
        self._open[number] = trial
        values = start.walk(self._problem.space, lambda dimension: suggest(trial, dimension))
        if self._sampler == "tpe":
            self._storage.set_trial_system_attr(trial._trial_id, RELATIVE, "")
        return values

    def _ready(self, number: int) -> None:
        """A sampler whose randomness is this proposal's; ``exact`` keeps what it has read of the trials."""
        if isinstance(self._study.sampler, ExactSampler):
            self._study.sampler.begin(samplers.stream(self._seed, number))
        else:
            self._study.sampler = samplers.make(self._sampler, self._problem, self._seed, number, alone=not self._open)

    def recall(self, number: int, values: Mapping[str, Any], *, sampled: bool) -> None:
        """Proposal ``number`` as it was made before. NSGA-II keeps its generations in the trials it samples, so what
        it sampled is sampled again; for the others that would cost an ask and change nothing."""
        self.ask(number, values)
        if sampled and self._sampler == "nsga2":
            _ = self._open[number].relative_params

    def before(self, known: Known, values: Sequence[float]) -> None:
        """What an earlier search found, told before the first proposal."""
        names = self._problem.objectives
        active = self._problem.space.active(known.parameters)
        self._study.add_trial(
            create_trial(
                values=list(values),
                params=dict(known.parameters),
                distributions={dimension.name: distribution(dimension) for dimension in active},
                constraints=dict(zip(self._problem.constraints, known.constraints, strict=True)),
                user_attrs={COSTS: [value for name, value in zip(names, values, strict=True) if name != "error"]},
            )
        )

    def tell(
        self,
        number: int,
        values: Sequence[float | None],
        constraints: Sequence[float],
        *,
        trained: bool,
        refused: bool = False,
        stopped_at: tuple[int, float] | None = None,
    ) -> None:
        """A candidate's objectives and constraints (≤ 0 is feasible). Of one that was not trained to the end TPE
        learns the constraints and ``exact`` the costs and where it was stopped (place and error of the rung); one that
        was trained and lacks a value says nothing."""
        names = self._problem.objectives
        known = [float(value) for value in values if value is not None]
        if trained and len(known) < len(names):
            return self.forget(number)
        trial = self._open.pop(number)
        for name, value in zip(self._problem.constraints, constraints, strict=True):
            trial.set_constraint(name, float(value))
        costs = [value for name, value in zip(names, values, strict=True) if name != "error"]
        trial.set_user_attr(COSTS, None if None in costs else costs)
        if refused:
            trial.set_user_attr(REFUSED, True)
        if stopped_at is not None:
            trial.set_user_attr(STOPPED_AT, stopped_at)
        if trained:
            self._study.tell(trial, known)
        else:
            self._study.tell(trial, state=TrialState.PRUNED)

    def forget(self, number: int) -> None:
        """A candidate that says nothing about the space."""
        self._study.tell(self._open.pop(number), state=TrialState.FAIL)
