"""An Optuna study in memory, rebuilt from what was proposed and told: the only place that asks and tells."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from autodistill.optimise import samplers, start
from autodistill.space import Dimension, Space


class Study:
    """Proposals are numbered from 0 without gaps; each is told once. Every objective is minimised."""

    def __init__(self, space: Space, objectives: int, constraints: Sequence[str], seed: int, sampler: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._constraints = tuple(constraints)
        self._seed = seed
        self._sampler = sampler
        self._study = optuna.create_study(directions=["minimize"] * objectives, sampler=optuna.samplers.RandomSampler())
        self._open: dict[int, optuna.Trial] = {}

    def ask(self, number: int, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Values for proposal ``number``: the sampler's, or those given."""
        self._study.sampler = samplers.make(self._sampler, self._seed, number)
        if given is not None:
            self._study.enqueue_trial(dict(given))
        trial = self._study.ask()
        self._open[number] = trial
        return start.walk(self._space, lambda dimension: _suggest(trial, dimension))

    def recall(self, number: int, values: Mapping[str, Any], *, sampled: bool) -> None:
        """Proposal ``number`` as it was made before. NSGA-II keeps its generations in the trials it samples, so what
        it sampled is sampled again; for the others that would cost an ask and change nothing."""
        self.ask(number, values)
        if sampled and self._sampler == "nsga2":
            _ = self._open[number].relative_params

    def tell(self, number: int, values: Sequence[float], constraints: Sequence[float]) -> None:
        """A finished candidate: a value for each objective, one for each constraint (≤ 0 is feasible)."""
        self._close(number, TrialState.COMPLETE, constraints, [float(value) for value in values])

    def refuse(self, number: int, constraints: Sequence[float]) -> None:
        """A candidate that was never trained: TPE learns from its constraints."""
        self._close(number, TrialState.PRUNED, constraints, None)

    def forget(self, number: int) -> None:
        """A candidate that says nothing about the space: it broke, or a value is missing."""
        self._close(number, TrialState.FAIL, (), None)

    def _close(self, number: int, state: TrialState, constraints: Sequence[float], values: list[float] | None) -> None:
        trial = self._open.pop(number)
        if state != TrialState.FAIL:
            for name, value in zip(self._constraints, constraints, strict=True):
                trial.set_constraint(name, float(value))
        self._study.tell(trial, values, state)


def _suggest(trial: optuna.Trial, dimension: Dimension) -> Any:
    if dimension.kind == "choice":
        return trial.suggest_categorical(dimension.name, dimension.choices)
    if dimension.kind == "int":
        return trial.suggest_int(dimension.name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(dimension.name, dimension.low, dimension.high, log=dimension.log)


def distribution(dimension: Dimension) -> BaseDistribution:
    """A dimension as Optuna says it."""
    if dimension.kind == "choice":
        return CategoricalDistribution(dimension.choices)
    if dimension.kind == "int":
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
