"""What a search's samplers hear: earlier observations, proposals, what became of them, and whether energy counts."""

import statistics
from collections.abc import Sequence
from dataclasses import replace

from autodistill.optimise import values
from autodistill.optimise.prior import Known
from autodistill.optimise.problem import Problem
from autodistill.optimise.study import Study
from autodistill.optimise.trials import Trial

GATE = 20
"""The redundancy of energy is judged once, when so many candidates have readings."""
RECENT = 250
"""What a candidate that was not trained is thought to have of a constraint: the median of the latest so many."""


class Learner:
    """``problem.objectives`` are those asked for; ``objectives`` are those that are optimised."""

    def __init__(self, problem: Problem, seed: int, sampler: str, prior: Sequence[Known]) -> None:
        self._problem, self._seed, self._sampler, self._prior = problem, seed, sampler, prior
        self._judged = not {"energy", "latency"} <= set(problem.objectives)
        self._finished: list[tuple[float, ...]] = []
        self.objectives = problem.objectives
        self.notes: tuple[str, ...] = ()
        self.study = self._begun()

    def constraints(self, state: str, told: Sequence[float], *, known: bool) -> tuple[float, ...]:
        """A closing trial's constraints. Of one that was not trained to the end those that need training, and all that
        are not ``known``, are the median of the finished ones. Raises ValueError where they are not as many as named.
        """
        names = self._problem.constraints
        if len(told) != len(names):
            raise ValueError(f"{len(told)} constraints, but {len(names)} are named")
        if state == "finished":
            self._finished.append(tuple(told))
            return tuple(told)
        recent = self._finished[-RECENT:]
        taken = self._problem.exact if known or state == "refused" else frozenset()
        return tuple(
            value if name in taken or not recent else statistics.median(one[i] for one in recent)
            for i, (name, value) in enumerate(zip(names, told, strict=True))
        )

    def inform(self, number: int, source: Trial) -> None:
        """Tell what became of a proposal; what repeats an earlier one (``source``) has that one's result."""
        if source.state == "broken":
            return self.study.forget(number)
        self.study.tell(
            number,
            self._wanted(source.objectives),
            source.constraints,
            trained=source.state == "finished",
            refused=source.state == "refused",
            stopped_at=source.stopped_at,
        )

    def judge_energy(self, trials: Sequence[Trial]) -> bool:
        """The redundancy gate, at a fixed number of readings so that a replay comes to the same; whether there is a
        new study, which has to be told all."""
        if self._judged:
            return False
        read = [trial.readings for trial in trials if trial.readings]
        if len(read) < GATE:
            return False
        self._judged = True
        share = values.ordered_differently(read, "latency", "energy")
        said = f"energy orders {share:.1%} of the pairs of the first {len(read)} candidates differently from latency"
        if share >= values.REDUNDANT:
            self.notes += (f"{said}: both are optimised",)
            return False
        self.notes += (f"{said}: it is reported, not optimised",)
        self.objectives = tuple(name for name in self.objectives if name != "energy")
        self.study = self._begun()
        for number, trial in enumerate(trials):
            self.study.recall(number, trial.candidate.parameters, sampled=trial.sampled)
            source = trial if trial.of is None else trials[trial.of]
            if source.closed:
                self.inform(number, source)
        return True

    def _wanted(self, told: Sequence[float | None]) -> list[float | None]:
        return [value for name, value in zip(self._problem.objectives, told, strict=True) if name in self.objectives]

    def _begun(self) -> Study:
        asked = self._problem
        study = Study(replace(asked, objectives=self.objectives), self._seed, self._sampler)
        for known in self._prior:
            told = [value for value in self._wanted(known.objectives) if value is not None]
            if len(told) == len(self.objectives):
                study.before(known, told)
        return study
