"""The search as a state machine without I/O: what to do next, given what happened.

``next`` proposes, ``tell`` takes in; both speak in events, and ``replay`` of the events rebuilds the same state, so a
search that was killed goes on with the candidates that it would have had. It reads errors, constraints and readings of
the search split only: no finding of an audit, no file, no clock.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autodistill.optimise import samplers, start, values
from autodistill.optimise.study import Study
from autodistill.records import Candidate, Entry, Event, Job, Reading
from autodistill.space import Space

REPEATS = 5
"""After so many proposals in a row that were made before, an unseen one is drawn at random."""
COUNTABLE = 5_000
"""A space of at most so many recipes is listed to find what is unseen; in a larger one so many draws must find one."""
GATE = 20
"""The redundancy of energy is judged once, when so many candidates have readings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What ``next`` says: ``events`` to journal first, then the ``job`` to do; without a job, the ``reason``."""

    job: Job | None = None
    events: tuple[Event, ...] = ()
    reason: str = ""


@dataclass(kw_only=True, slots=True)
class Trial:
    """What is known of one proposal. ``state``: proposed, measured, finished, refused, broken. ``of``: the earlier
    proposal that it repeats. ``objectives``: a value for each objective asked for, None where there is none."""

    candidate: Candidate
    sampled: bool
    of: int | None = None
    state: str = "proposed"
    handed: bool = False
    readings: Mapping[str, Reading] = field(default_factory=dict)
    objectives: tuple[float | None, ...] = ()
    constraints: tuple[float, ...] = ()


class Controller:
    """Proposes candidates and learns from what becomes of them.

    ``objectives`` are minimised: "error" and names of readings. ``constraint_names`` fixes the order of an entry's
    ``constraints`` (≤ 0 is feasible); ``exact`` names those that are known before training. ``trials`` bounds the
    number of distinct candidates, ``warm`` holds an earlier study's parameters to begin with.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[str],
        constraint_names: Sequence[str],
        seed: int,
        *,
        sampler: str = "tpe",
        exact: Sequence[str] = (),
        trials: int | None = None,
        warm: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.space, self.seed, self.sampler, self.limit = space, seed, sampler, trials
        self.asked = tuple(objectives)
        self.objectives = self.asked
        self.constraint_names = tuple(constraint_names)
        self.notes: tuple[str, ...] = ()
        self.trials: list[Trial] = []
        self._exact = frozenset(exact)
        admitted = (start.admit(space, one) for one in warm)
        self._first = (*start.first(space), *(one for one in admitted if one is not None))
        self._seen: dict[str, int] = {}
        self._flying: set[int] = set()
        self._repeats = 0
        self._judged = "energy" not in self.asked or "latency" not in self.asked
        self._study = self._new_study()

    def next(self) -> Step:
        """The next job, and the events to journal before it is done."""
        for number in sorted(self._flying):
            trial = self.trials[number]
            if not trial.handed:
                trial.handed = True
                return Step(job=_job(trial))
        events: list[Event] = []
        while True:
            if self.limit is not None and len(self._seen) >= self.limit:
                return Step(events=tuple(events), reason=f"the budget of {self.limit} candidates is used")
            event = self._propose()
            if event is None:
                return Step(events=tuple(events), reason=f"all {len(self._seen)} candidates of the space were tried")
            events.append(event)
            if event.kind == "proposed":
                trial = self.trials[event.number]
                trial.handed = True
                return Step(job=_job(trial), events=tuple(events))

    def tell(self, event: Event) -> None:
        """Take in what happened to a candidate: measured, refused, finished or broken. Journal the event first.

        Raises ValueError for a candidate that is not in flight, or an entry with other constraints than were named.
        """
        if event.kind == "note":
            return
        if event.number not in self._flying:
            raise ValueError(f"candidate {event.number} is not in flight, but is told as {event.kind}")
        trial = self.trials[event.number]
        match event.kind:
            case "measured":
                trial.state, trial.readings, trial.handed = "measured", event.readings, False
            case "refused" | "finished" | "broken":
                self._close(event, trial)
            case _:
                raise ValueError(f"{event.kind} is said by the controller, not told to it")
        self._judge_energy()

    def replay(self, events: Iterable[Event]) -> None:
        """Rebuild the state from a journal's events; then ``next`` goes on with what was in flight."""
        for event in events:
            if event.kind in ("proposed", "duplicate") and event.candidate is not None:
                if event.number != len(self.trials):
                    raise ValueError(f"candidate {event.number} follows {len(self.trials) - 1} in the journal")
                sampled = event.data["by"] == "sampler"
                self._study.recall(event.number, event.candidate.parameters, sampled=sampled)
                self._add(event)
            else:
                self.tell(event)

    def _propose(self) -> Event | None:
        number = len(self.trials)
        given: Mapping[str, Any] | None = None
        by = "sampler"
        if number < len(self._first):
            given, by = self._first[number], "start"
        elif self._repeats >= REPEATS:
            given, by = self._unseen(number), "uniform"
            if given is None:
                return None
        candidate = self.space.candidate(number, self._study.ask(number, given))
        of = self._seen.get(candidate.recipe)
        event = Event(
            kind="proposed" if of is None else "duplicate",
            number=number,
            candidate=candidate,
            data={"by": by} if of is None else {"by": by, "of": of},
        )
        self._add(event)
        return event

    def _add(self, event: Event) -> None:
        """Take in a proposal that the study knows already."""
        assert event.candidate is not None  # noqa: S101 - both callers have looked
        of = event.data.get("of")
        trial = Trial(candidate=event.candidate, sampled=event.data["by"] == "sampler", of=of)
        self.trials.append(trial)
        if of is None:
            self._seen[event.candidate.recipe] = event.number
            self._flying.add(event.number)
            self._repeats = 0
            return
        self._repeats += 1
        if of not in self._flying:
            self._inform(event.number)

    def _unseen(self, number: int) -> Mapping[str, Any] | None:
        """A point whose recipe was not proposed, uniformly at random; None if there is none."""
        rng = np.random.default_rng(samplers.stream(self.seed, number))
        size = self.space.size()
        if size is not None and size <= COUNTABLE:
            left = [one for one in start.every(self.space) if self._recipe(one) not in self._seen]
            return left[int(rng.integers(len(left)))] if left else None
        drawn = (start.draw(self.space, rng) for _ in range(COUNTABLE))
        return next((one for one in drawn if self._recipe(one) not in self._seen), None)

    def _recipe(self, point: Mapping[str, Any]) -> str:
        return self.space.candidate(0, point).recipe

    def _close(self, event: Event, trial: Trial) -> None:
        if event.kind != "broken":
            entry = event.entry
            if entry is None:
                raise ValueError(f"candidate {event.number} is {event.kind} without an entry")
            trial.constraints = self._constraints(entry)
            trial.readings = {**trial.readings, **entry.readings}
            error = entry.error if event.kind == "finished" else None
            trial.objectives = values.objectives(self.asked, error, trial.readings)
        trial.state = event.kind
        self._flying.discard(event.number)
        for number in range(event.number, len(self.trials)):
            if number == event.number or self.trials[number].of == event.number:
                self._inform(number)

    def _constraints(self, entry: Entry) -> tuple[float, ...]:
        """An entry's constraints; of a refused one those that need training are the median of the finished ones."""
        if len(entry.constraints) != len(self.constraint_names):
            raise ValueError(f"{len(entry.constraints)} constraints, but {len(self.constraint_names)} are named")
        if entry.state != "refused":
            return entry.constraints
        finished = [trial.constraints for trial in self.trials if trial.state == "finished"]
        return tuple(
            value if name in self._exact or not finished else statistics.median(one[i] for one in finished)
            for i, (name, value) in enumerate(zip(self.constraint_names, entry.constraints, strict=True))
        )

    def _inform(self, number: int) -> None:
        """Tell the study what became of a proposal; what repeats an earlier one has that one's result."""
        of = self.trials[number].of
        source = self.trials[number if of is None else of]
        if source.state == "broken":
            return self._study.forget(number)
        told = [value for name, value in zip(self.asked, source.objectives, strict=True) if name in self.objectives]
        self._study.tell(number, told, source.constraints, trained=source.state == "finished")

    def _judge_energy(self) -> None:
        """The redundancy gate, at a fixed number of readings so that a replay comes to the same."""
        if self._judged:
            return
        read = [trial.readings for trial in self.trials if trial.readings]
        if len(read) < GATE:
            return
        self._judged = True
        share = values.ordered_differently(read, "latency", "energy")
        said = f"energy orders {share:.1%} of the pairs of the first {len(read)} candidates differently from latency"
        if share >= values.REDUNDANT:
            self.notes += (f"{said}: both are optimised",)
            return
        self.notes += (f"{said}: it is reported, not optimised",)
        self.objectives = tuple(name for name in self.asked if name != "energy")
        self._study = self._new_study()
        for number, trial in enumerate(self.trials):
            self._study.recall(number, trial.candidate.parameters, sampled=trial.sampled)
            if (number if trial.of is None else trial.of) not in self._flying:
                self._inform(number)

    def _new_study(self) -> Study:
        problem = samplers.Problem(
            space=self.space, objectives=self.objectives, constraints=self.constraint_names, exact=self._exact
        )
        return Study(problem, self.seed, self.sampler)


def _job(trial: Trial) -> Job:
    return Job(kind="measure" if trial.state == "proposed" else "train", candidate=trial.candidate)
