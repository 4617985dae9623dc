"""What an earlier search on the same rows found, where it lies in this search's space."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autodistill.optimise import ranking, start, values
from autodistill.records import Candidate, Reading
from autodistill.space import Branch, Choice, Setting, Space, fairness

FRONT = 12
"""Of an earlier front so many are proposed first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """A candidate that an earlier search trained to the end. ``constraints`` by name; one not named is undetermined."""

    candidate: Candidate
    error: float
    readings: Mapping[str, Reading] = field(default_factory=dict)
    constraints: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """An observation as the samplers are told of it."""

    parameters: Mapping[str, Any]
    objectives: tuple[float | None, ...]
    constraints: tuple[float, ...]


def admitted(
    space: Space, prior: Iterable[Observation], asked: Sequence[str], constraint_names: Sequence[str]
) -> tuple[Known, ...]:
    """Those of the observations that this space could have proposed, each recipe once."""
    found: dict[str, Known] = {}
    for one in prior:
        parameters = place(space, one.candidate)
        if parameters is not None:
            known = Known(
                parameters=parameters,
                objectives=values.objectives(asked, one.error, one.readings),
                constraints=tuple(float(one.constraints.get(name, 0.0)) for name in constraint_names),
            )
            found.setdefault(space.candidate(0, parameters).recipe, known)
    return tuple(found.values())


def front(known: Sequence[Known]) -> tuple[Mapping[str, Any], ...]:
    """The parameters of the best that hold all limits."""
    good = [one for one in known if max(one.constraints, default=0.0) <= 0 and None not in one.objectives]
    if not good:
        return ()
    points = np.array([one.objectives for one in good], dtype=float)
    best = ranking.best(points, FRONT) & set(np.flatnonzero(ranking.rank(points) == 0).tolist())
    return tuple(good[i].parameters for i in sorted(best))


def place(space: Space, candidate: Candidate) -> Mapping[str, Any] | None:
    """A candidate of another space as this one's parameters: options that it lacks at their mid-point. None if this
    space has no such candidate."""
    for branch in space.branches:
        if branch.family == candidate.family:
            given = _given(space, branch, candidate)
            inside = None if given is None else start.admit(space, given)
            if inside is not None:
                return inside
    return None


def _given(space: Space, branch: Branch, candidate: Candidate) -> dict[str, Any] | None:
    """The values of what is searched here; None where something fixed here was otherwise."""
    gradient = branch.trains == "gradient"
    arm = next((one for one in space.arms if one.loss == candidate.loss), None)
    if arm is None:
        return None
    rooms: list[tuple[str, Mapping[str, Setting], Mapping[str, Any]]] = [
        (f"{branch.label}.", branch.settings, candidate.student),
        (f"{branch.label}.", {"precision": branch.precision}, {"precision": candidate.precision}),
        (f"{arm.loss}." if gradient else f"fit.{arm.loss}.", arm.settings, candidate.distill),
        ("", space.training if gradient else {}, candidate.training),
        ("" if gradient else "fit.", space.fair(arm.loss, branch.trains), _fair(space, arm.loss, branch, candidate)),
    ]
    given: dict[str, Any] = {"family": branch.label, "loss" if gradient else "fit_loss": arm.loss}
    for prefix, settings, had in rooms:
        if any(name not in settings for name in had):
            return None
        for name, value in had.items():
            setting = settings[name]
            if not isinstance(setting, Choice):
                given[prefix + name] = value
            elif value not in setting.values:
                return None
            else:
                given[prefix + name] = setting.labels[setting.values.index(value)]
    return given


def _fair(space: Space, loss: str, branch: Branch, candidate: Candidate) -> dict[str, Any]:
    """What a candidate says of fairness, with what is off in it; where nothing is on, how is left open."""
    off = {name: fairness.OFF[name] for name in space.fair(loss, branch.trains) if name in fairness.OFF}
    group = {"group_by": None} if fairness.of_groups(candidate.fairness) else {}
    return {**off, **group, **candidate.fairness}
