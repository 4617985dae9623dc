"""The space that a search may propose from: branches of students, arms of losses, options of training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, product
from math import prod
from typing import Any, Literal

from autodistill.records import Candidate, canonical, encode
from autodistill.space import fairness
from autodistill.space.setting import COUNTED, Choice, Setting
from autodistill.space.training import Training

FIT_LOSSES = ("soft_targets", "squared_error", "none")
"""What a family that is fitted can learn from: the teacher's probabilities or values, or the labels alone."""

OVERLAPPING = 12
"""More entries of one family than this are not counted: the sum has a term for every subset of them."""

When = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimension:
    """One thing that a sampler turns.

    ``choices`` are plain scalars (kind "choice"); ``low``, ``high`` are inclusive and ``log`` says that the range is
    logarithmic (kinds "int" and "float"). Active iff, for each (parent, values) of ``when``, the parent has one of the
    values; every ancestor is listed, so nothing has to be looked up in turn.
    """

    name: str
    kind: Literal["choice", "int", "float"]
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    when: When = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """One entry of ``student:``. ``settings`` has every option of the family, defaults included."""

    label: str
    family: str
    trains: Literal["gradient", "fit"]
    settings: Mapping[str, Setting]
    precision: Choice


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One listed loss. ``settings`` has every option of it, defaults included."""

    loss: str
    settings: Mapping[str, Setting]


@dataclass(frozen=True, kw_only=True)
class Space:
    """Everything that a search may propose.

    Dimensions, parents first: ``family`` (with several branches; its values are branch labels), ``<branch>.<option>``,
    ``<branch>.precision``, ``loss`` and ``<loss>.<option>`` and the training options (gradient families), ``fit_loss``
    and ``fit.<loss>.<option>`` (fitted families); options of fairness as those of training, ``fit.<option>`` of fitted
    families. What is fixed is no dimension.
    """

    branches: tuple[Branch, ...]
    arms: tuple[Arm, ...]
    training: Mapping[str, Setting]
    fairness: Mapping[str, Setting] = field(default_factory=dict)

    @cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """All of them, parents first."""
        return tuple(self._walk())

    def _walk(self) -> Iterator[Dimension]:
        many = len(self.branches) > 1
        if many:
            yield Dimension(name="family", kind="choice", choices=tuple(b.label for b in self.branches))
        for branch in self.branches:
            when: When = (("family", (branch.label,)),) if many else ()
            yield from _free(f"{branch.label}.", branch.settings, when)
            yield from _free(f"{branch.label}.", {"precision": branch.precision}, when)
        for trains, name, prefix in (("gradient", "loss", ""), ("fit", "fit_loss", "fit.")):
            labels = tuple(b.label for b in self.branches if b.trains == trains)
            if not labels:
                continue
            when = (("family", labels),) if len(labels) < len(self.branches) else ()
            arms = self._arms(trains)
            if len(arms) > 1:
                yield Dimension(name=name, kind="choice", choices=tuple(a.loss for a in arms), when=when)
            for arm in arms:
                chosen: When = ((name, (arm.loss,)),) if len(arms) > 1 else ()
                yield from _free(f"{prefix}{arm.loss}.", arm.settings, when + chosen)
            if trains == "gradient":
                yield from _free("", self.training, when)
            yield from self._fair_dimensions(trains, name, prefix, when)

    def _fair_dimensions(self, trains: str, loss: str, prefix: str, when: When) -> Iterator[Dimension]:
        arms = [arm.loss for arm in self._arms(trains)]
        taught = tuple(one for one in arms if one != "none")
        of_teacher: When = ((loss, taught),) if len(taught) < len(arms) else ()
        for option in fairness.applicable(taught[0] if taught else "none", trains):
            if option in self.fairness:
                more = of_teacher if option in fairness.OF_TEACHER else ()
                yield from _free(prefix, {option: self.fairness[option]}, when + more)

    def fair(self, loss: str, trains: str) -> dict[str, Setting]:
        """The options of fairness that mean something for a loss and a way of training."""
        return {one: self.fairness[one] for one in fairness.applicable(loss, trains) if one in self.fairness}

    def _arms(self, trains: str) -> tuple[Arm, ...]:
        return tuple(a for a in self.arms if trains == "gradient" or a.loss in FIT_LOSSES)

    def active(self, values: Mapping[str, Any]) -> tuple[Dimension, ...]:
        """The dimensions that count under ``values``, parents first; a missing parent makes its children inactive."""
        return tuple(d for d in self.dimensions if all(values.get(parent) in among for parent, among in d.when))

    def candidate(self, number: int, values: Mapping[str, Any], seed: int = 0) -> Candidate:
        """The canonical candidate behind a sampler's values; ValueError where an active one is missing or outside.

        Inactive values are dropped, floats rounded to 3 significant digits, and what a family ignores is left out
        (training options of a fitted one), so that equal recipes are equal. ``parameters`` keeps the active values as
        the sampler gave them.
        """
        active = self.active(values)
        lacking = [d.name for d in active if d.name not in values]
        if lacking:
            raise ValueError(f"no value for {', '.join(lacking)}")
        branch = self._branch(values)
        gradient = branch.trains == "gradient"
        arms = self._arms(branch.trains)
        chosen = values["loss" if gradient else "fit_loss"] if len(arms) > 1 else arms[0].loss
        arm = next(a for a in arms if a.loss == chosen)
        prefix = "" if gradient else "fit."
        return Candidate(
            number=number,
            family=branch.family,
            student=_taken(f"{branch.label}.", branch.settings, values),
            loss=arm.loss,
            distill=_taken(f"{prefix}{arm.loss}.", arm.settings, values),
            training=Training.told(_taken("", self.training, values)) if gradient else {},
            fairness=fairness.told(_taken(prefix, self.fair(arm.loss, branch.trains), values), arm.loss, branch.trains),
            precision=_taken(f"{branch.label}.", {"precision": branch.precision}, values)["precision"],
            seed=seed,
            parameters={d.name: values[d.name] for d in active},
        )

    def _branch(self, values: Mapping[str, Any]) -> Branch:
        label = values["family"] if len(self.branches) > 1 else self.branches[0].label
        return next(b for b in self.branches if b.label == label)

    def size(self) -> int | None:
        """The number of distinct recipes; None where a setting is continuous (or has over ten thousand values)."""
        total = 0
        for family in dict.fromkeys(b.family for b in self.branches):
            branches = [b for b in self.branches if b.family == family]
            shapes = _union([{**b.settings, "precision": b.precision} for b in branches])
            arms = [self._count_arm(a, branches[0].trains) for a in self._arms(branches[0].trains)]
            trained = _count(self.training) if branches[0].trains == "gradient" else 1
            if shapes is None or trained is None or any(a is None for a in arms):
                return None
            total += shapes * trained * sum(a for a in arms if a is not None)
        return total

    def _count_arm(self, arm: Arm, trains: str) -> int | None:
        """A loss's own options times the distinct ways of being fair under it."""
        own, settings = _count(arm.settings), self.fair(arm.loss, trains)
        choices = [setting.values for setting in settings.values() if isinstance(setting, Choice)]
        if own is None or len(choices) < len(settings) or prod(len(one) for one in choices) > COUNTED:
            return None
        ways = (dict(zip(settings, one, strict=True)) for one in product(*choices))
        return own * len({encode(fairness.told(way, arm.loss, trains)) for way in ways})


def _free(prefix: str, settings: Mapping[str, Setting], when: When) -> Iterator[Dimension]:
    for name, setting in settings.items():
        if setting.fixed:
            continue
        if isinstance(setting, Choice):
            yield Dimension(name=prefix + name, kind="choice", choices=setting.labels, when=when)
        else:
            low, high = (setting.low, setting.high) if setting.whole else (float(setting.low), float(setting.high))
            kind: Literal["int", "float"] = "int" if setting.whole else "float"
            yield Dimension(name=prefix + name, kind=kind, low=low, high=high, log=setting.log, when=when)


def _taken(prefix: str, settings: Mapping[str, Setting], values: Mapping[str, Any]) -> dict[str, Any]:
    taken = {}
    for name, setting in settings.items():
        if isinstance(setting, Choice) and setting.fixed:
            taken[name] = setting.values[0]
        else:
            taken[name] = setting.take(values[prefix + name])
    canonical_form: dict[str, Any] = canonical(taken)
    return canonical_form


def _count(settings: Mapping[str, Setting]) -> int | None:
    sets = [s.distinct() for s in settings.values()]
    return None if any(s is None for s in sets) else prod(len(s) for s in sets if s is not None)


def _union(boxes: Sequence[Mapping[str, Setting]]) -> int | None:
    """How many points several boxes of one family cover together: inclusion and exclusion over their intersections."""
    sets = [[setting.distinct() for setting in box.values()] for box in boxes]
    if any(values is None for box in sets for values in box) or len(boxes) > OVERLAPPING:
        return None
    total = 0
    for k in range(1, len(boxes) + 1):
        for group in combinations(sets, k):
            common = prod(
                len(frozenset.intersection(*(v for v in column if v is not None)))
                for column in zip(*group, strict=True)
            )
            total += (-1) ** (k + 1) * common
    return total
