"""The samplers that an experiment file can name, each made anew for one proposal.

A resumed Optuna study does not continue its random sequence, so a sampler's generator comes from (study seed, number
of the proposal) and everything else that it knows from the study's trials.

Optuna's NSGA-II crosses only what all trials share: in a space of several families that is the family alone, which it
then always mutates, and so it is random search there.
"""

import hashlib
import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from autodistill.optimise.exact import ExactSampler
from autodistill.optimise.problem import Problem

STARTUP = 12
"""So many finished candidates, the fixed first ones among them, before TPE models anything."""


def _tpe(seed: int, *, alone: bool) -> BaseSampler:
    with warnings.catch_warnings():
        # `group` is experimental in Optuna 5; without it the dimensions of one family are not modelled together.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=not alone)


SAMPLERS = ("exact", "tpe", "nsga2", "random")


def make(name: str, problem: Problem, seed: int, number: int, *, alone: bool = True) -> BaseSampler:
    """The sampler of proposal ``number``; ``alone``: nothing is in flight, from which TPE would keep away. ValueError
    for a name that is none of ``SAMPLERS``."""
    drawn = stream(seed, number)
    match name:
        case "exact":
            return ExactSampler(problem, drawn)
        case "tpe":
            return _tpe(drawn, alone=alone)
        case "nsga2":
            return NSGAIISampler(seed=drawn, population_size=20)
        case "random":
            return RandomSampler(seed=drawn)
    raise ValueError(f"{name!r} is none of {SAMPLERS}")


def stream(seed: int, number: int) -> int:
    """A 32-bit seed for one proposal of one study."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")
