"""The search as a state machine without I/O: what to do next, given what happened.

``next`` proposes, ``tell`` takes in; both speak in events, and ``replay`` of the events rebuilds the same state, so a
search that was killed goes on with the candidates that it would have had. It reads errors, constraints and readings of
the search split only: no finding of an audit, no file, no clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from autodistill.optimise import prior as earlier
from autodistill.optimise import samplers, start, values
from autodistill.optimise.gate import Gate
from autodistill.optimise.learner import Learner
from autodistill.optimise.options import Options, Step, complete
from autodistill.optimise.problem import Problem
from autodistill.optimise.rivals import Rival, Rivals
from autodistill.optimise.rungs import Ladder
from autodistill.optimise.trials import Trial, always_whole
from autodistill.records import Event, Job
from autodistill.space import Space

REPEATS = 5
"""After so many proposals in a row that were made before, an unseen one is drawn at random."""

PATIENCE = 10
"""After so many in a row that were left untrained the next are trained all the same until one ends (with one worker
one of them): what is believed is put to the test."""


class Controller:
    """Proposes candidates and learns from what becomes of them.

    ``objectives`` are minimised: "error" and names of readings. ``constraint_names`` fixes the order of an entry's
    ``constraints`` (≤ 0 is feasible). ``options``: see ``Options``.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[str],
        constraint_names: Sequence[str],
        seed: int,
        **options: Unpack[Options],
    ) -> None:
        how = complete(options)
        self.space, self.seed, self.sampler, self.limit = space, seed, how["sampler"], how["trials"]
        self.asked, self.constraint_names = tuple(objectives), tuple(constraint_names)
        self.trials: list[Trial] = []
        self._tie, self._rungs, self._gated, self._choose = how["tie"], how["rungs"], how["gate"], how["choose"]
        named = (*self.asked, self._choose) if self._choose else self.asked
        self._costs = tuple(dict.fromkeys(name for name in named if name != "error"))
        known = earlier.admitted(space, how["prior"], self.asked, self.constraint_names)
        fixed = start.first(space)
        admitted = (start.admit(space, one) for one in how["warm"])
        self._fixed = len(fixed)
        self._first = (*fixed, *(one for one in admitted if one is not None), *earlier.front(known))
        self._ladder, self._rivals = Ladder(self._point, self._rival, self._tie), Rivals()
        problem = Problem(
            space=space,
            objectives=self.asked,
            constraints=self.constraint_names,
            exact=frozenset(how["exact"]),
            outlook=self._ladder.outlook,
        )
        self._learner, self._gate = Learner(problem, seed, self.sampler, known), Gate(space, self._ladder.outlook)
        for one in known:
            error = one.objectives[self.asked.index("error")]
            self._gate.observe(one.parameters, float(error))  # type: ignore[arg-type]
        self._seen: dict[str, int] = {}
        self._flying: set[int] = set()
        self._repeats = self._left = 0
        self._exhausted = False

    @property
    def objectives(self) -> tuple[str, ...]:
        """Those that are optimised: what was asked for, less energy where it says nothing that latency does not."""
        return self._learner.objectives

    @property
    def notes(self) -> tuple[str, ...]:
        """What the report should say of the search."""
        return (*self._learner.notes, *self._ladder.notes())

    def fidelity(self) -> list[dict[str, Any]]:
        """What each rung was worth; see ``Ladder.fidelity``."""
        return self._ladder.fidelity()

    def next(self) -> Step:
        """The next job, and the events to journal before it is done.

        A step without job and reason means that all that is in flight is being done.
        """
        events: list[Event] = []
        while True:
            over = self._over()
            job = self._take_up(events)
            if job is not None or over:
                reason = "" if job is not None or self._flying else over
                return Step(job=job, events=tuple(events), reason=reason)
            event = self._propose()
            if event is None:
                self._exhausted = True
            else:
                events.append(event)

    def tell(self, event: Event) -> None:
        """Take in what happened to a candidate: measured, refused, rung, finished or broken. Journal the event first.

        Raises ValueError for a candidate that is not in flight, or an entry with other constraints than were named.
        """
        if event.kind in ("proposed", "duplicate", "skipped", "stopped"):
            raise ValueError(f"{event.kind} is said by the controller, not told to it")
        self._take(event)

    def replay(self, events: Iterable[Event]) -> None:
        """Rebuild the state from a journal's events; then ``next`` goes on with what was in flight."""
        for event in events:
            if event.kind in ("proposed", "duplicate") and event.candidate is not None:
                if event.number != len(self.trials):
                    raise ValueError(f"candidate {event.number} follows {len(self.trials) - 1} in the journal")
                sampled = event.data["by"] == "sampler"
                self._learner.study.recall(event.number, event.candidate.parameters, sampled=sampled)
                self._add(event)
            else:
                self._take(event)

    def _over(self) -> str:
        """Why nothing more is proposed; "" while something is."""
        if self.limit is not None and len(self._seen) >= self.limit:
            return f"the budget of {self.limit} candidates is used"
        return f"all {len(self._seen)} candidates of the space were tried" if self._exhausted else ""

    def _take_up(self, events: list[Event]) -> Job | None:
        """The next job of what is in flight, after closing what goes no further; None if all are at work."""
        for number in sorted(self._flying):
            trial = self.trials[number]
            if trial.handed:
                continue
            stop = self._ladder.verdict(trial)
            why = stop or self._hopeless(trial)
            if not why:
                trial.handed = True
                return self._job(trial)
            events.append(trial.ends("stopped" if stop else "skipped", why, len(self.constraint_names)))
            self._take(events[-1])
        return None

    def _job(self, trial: Trial) -> Job:
        if trial.state == "proposed":
            return Job(kind="measure", candidate=trial.candidate)
        return Job(
            kind="train",
            candidate=trial.candidate,
            to_epoch=self._ladder.next_epoch(trial) if self._rungs else None,
        )

    def _hopeless(self, trial: Trial) -> str:
        """Why a measured candidate need not be trained; "" if it must be. What is fitted was so to be measured."""
        if not self._gated or trial.state != "measured" or trial.fixed or trial.epochs or not trial.candidate.training:
            return ""
        if self._left >= PATIENCE:
            return ""
        rival = self._rival(trial)
        best = None if rival is None else self._gate.optimistic(trial.candidate.parameters)
        if rival is None or best is None or best < rival.error - self._tie:
            return ""
        return f"even at an error of {best:.2%} candidate {rival.number} ({rival.error:.2%}) would dominate it"

    def _point(self, trial: Trial, error: float) -> tuple[float | None, ...]:
        return values.objectives(self.objectives, error, trial.readings)

    def _rival(self, trial: Trial) -> Rival | None:
        used = np.array([name in self.objectives or name == self._choose for name in self._costs], dtype=bool)
        return self._rivals.of(values.objectives(self._costs, None, trial.readings), used)

    def _propose(self) -> Event | None:
        number = len(self.trials)
        given: Mapping[str, Any] | None = None
        by = "sampler"
        if number < len(self._first):
            given, by = self._first[number], "start"
        elif self._repeats >= REPEATS:
            rng = np.random.default_rng(samplers.stream(self.seed, number))
            given, by = start.unseen(self.space, rng, self._seen), "uniform"
            if given is None:
                return None
        candidate = self.space.candidate(number, self._learner.study.ask(number, given))
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
        trial = Trial(
            candidate=event.candidate,
            sampled=event.data["by"] == "sampler",
            of=of,
            fixed=event.number < self._fixed,
            whole=always_whole(self.seed, event.number),
        )
        self.trials.append(trial)
        if of is None:
            self._seen[event.candidate.recipe] = event.number
            self._flying.add(event.number)
            self._repeats = 0
            return
        self._repeats += 1
        if of not in self._flying:
            self._learner.inform(event.number, self.trials[of])

    def _take(self, event: Event) -> None:
        if event.kind == "note":
            return
        if event.number not in self._flying:
            raise ValueError(f"candidate {event.number} is not in flight, but is told as {event.kind}")
        trial = self.trials[event.number]
        if event.kind == "measured":
            limits = event.data.get("constraints")
            trial.limits = None if limits is None else tuple(limits)
            trial.state, trial.readings, trial.handed = "measured", event.readings, False
        elif event.kind == "rung":
            self._ladder.report(trial, event.data)
            trial.handed = False
        else:
            self._close(event, trial)
        self._learner.judge_energy(self.trials)

    def _close(self, event: Event, trial: Trial) -> None:
        entry = event.entry
        if event.kind != "broken":
            if entry is None:
                raise ValueError(f"candidate {event.number} is {event.kind} without an entry")
            trial.constraints = self._learner.constraints(event.kind, entry.constraints, known=trial.limits is not None)
            trial.readings = {**trial.readings, **entry.readings}
            trial.objectives = values.objectives(
                self.asked, entry.error if event.kind == "finished" else None, trial.readings
            )
        trial.state = event.kind
        if event.kind != "refused":
            self._left = self._left + 1 if event.kind == "skipped" else 0
        self._flying.discard(event.number)
        if event.kind == "stopped":
            place, error = self._ladder.stop(trial)
            self._gate.observe(trial.candidate.parameters, error, place)
        if event.kind == "finished" and entry is not None and entry.error is not None:
            self._finish(trial, entry.error, whole=bool(entry.fidelity.get("whole", True)))
        for number in range(event.number, len(self.trials)):
            if number == event.number or self.trials[number].of == event.number:
                self._learner.inform(number, trial)

    def _finish(self, trial: Trial, error: float, *, whole: bool) -> None:
        self._gate.observe(trial.candidate.parameters, error)
        if whole:
            self._ladder.finish(trial, error)
        if max(trial.constraints, default=0.0) <= 0:
            costs = values.objectives(self._costs, None, trial.readings)
            self._rivals.add(trial.candidate.number, error, costs)
