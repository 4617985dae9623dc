"""How a controller is told to search, and what it says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from autodistill.optimise.prior import Observation
from autodistill.records import Event, Job


class Options(TypedDict, total=False):
    """How a controller searches; all may be left out.

    ``exact`` names the constraints that are known before training. ``trials`` bounds the number of distinct candidates
    (None: no bound). ``warm`` holds an earlier study's parameters to begin with, ``prior`` what an earlier search on
    the same rows found: the samplers know it and its front is proposed, but nothing of it is this search's.

    ``rungs`` trains in rungs and stops what cannot matter, ``gate`` leaves untrained what cannot matter. Both compare
    with finished candidates that cost no more in the objectives and in ``choose``, the quantity that a policy chooses
    by; an error counts as better only if it is by more than ``tie``, a share of the rows (the standard error of a
    paired difference on the search split).
    """

    sampler: str
    exact: Sequence[str]
    trials: int | None
    warm: Iterable[Mapping[str, Any]]
    prior: Iterable[Observation]
    rungs: bool
    gate: bool
    choose: str
    tie: float


DEFAULTS: Options = {
    "sampler": "exact",
    "exact": (),
    "trials": None,
    "warm": (),
    "prior": (),
    "rungs": False,
    "gate": False,
    "choose": "",
    "tie": 0.0,
}


def complete(options: Options) -> Options:
    """The options with the defaults of those left out; TypeError for one that is unknown."""
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise TypeError(f"a controller has no option {', '.join(unknown)}")
    return {**DEFAULTS, **options}


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What ``next`` says: ``events`` to journal first, then the ``job`` to do. Without a job there is a ``reason`` why
    the search is over, or none while candidates are in flight: ask again when one of them was told."""

    job: Job | None = None
    events: tuple[Event, ...] = ()
    reason: str = ""
