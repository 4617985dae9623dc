"""The samplers that an experiment file can name, each made anew for one proposal.

A resumed Optuna study does not continue its random sequence, so a sampler's generator comes from (study seed, number
of the proposal) and everything else that it knows from the study's trials.
"""

import hashlib
import warnings
from collections.abc import Callable, Mapping

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

STARTUP = 12
"""So many finished candidates, the fixed first ones among them, before TPE models anything."""


def _tpe(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        # `group` is experimental in Optuna 5; without it the dimensions of one family are not modelled together.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=False)


def _nsga2(seed: int) -> BaseSampler:
    return NSGAIISampler(seed=seed, population_size=20)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


MAKERS: Mapping[str, Callable[[int], BaseSampler]] = {"tpe": _tpe, "nsga2": _nsga2, "random": _random}


def make(name: str, seed: int, number: int) -> BaseSampler:
    """The sampler of proposal ``number``; raises KeyError for a name that is none of ``MAKERS``."""
    return MAKERS[name](stream(seed, number))


def stream(seed: int, number: int) -> int:
    """A 32-bit seed for one proposal of one study."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4], "big")
