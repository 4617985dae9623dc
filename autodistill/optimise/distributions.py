"""A dimension of the space as Optuna says it."""

from typing import Any

from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from autodistill.space import Dimension


def distribution(dimension: Dimension) -> BaseDistribution:
    """What Optuna stores beside a value."""
    if dimension.kind == "choice":
        return CategoricalDistribution(dimension.choices)
    if dimension.kind == "int":
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def suggest(trial: Trial, dimension: Dimension) -> Any:
    """A value for the dimension from the trial's sampler."""
    if dimension.kind == "choice":
        return trial.suggest_categorical(dimension.name, dimension.choices)
    if dimension.kind == "int":
        return trial.suggest_int(dimension.name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(dimension.name, dimension.low, dimension.high, log=dimension.log)
