"""The search itself: controller and engine, pumped until the budget is spent. Every event is on the disk before the
controller hears of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import sqrt
from statistics import median
from typing import Any

from autodistill import engine, jobs
from autodistill.jobs import Workshop
from autodistill.journal import Journal
from autodistill.optimise import Controller
from autodistill.optimise.start import first
from autodistill.records import Entry, Event, Job
from autodistill.run import certify, compose, reopening
from autodistill.run.earlier import Earlier
from autodistill.run.footprint import Footprint
from autodistill.run.progress import Progress, Watch
from autodistill.run.unattended import Night
from autodistill.spec import Spec

FIRST_GUESS = 5.0  # seconds a candidate is thought to take before any has been seen


@dataclass
class Pump:
    """One search's loop. ``took`` is called with each entry, old and new; ``elapsed`` and ``seconds`` count this
    search's own time over all its processes; ``jobs`` the seconds of each kind of job."""

    spec: Spec
    shop: Workshop
    log: Journal
    watch: Watch
    night: Night | None
    took: Callable[[Entry], None]
    earlier: Earlier = field(default_factory=Earlier)
    entries: dict[int, Entry] = field(default_factory=dict)
    elapsed: float = 0.0
    durations: dict[str, list[float]] = field(default_factory=dict)
    footprint: Footprint = field(init=False)
    _flying: dict[int, tuple[Job, float]] = field(default_factory=dict)
    _best: Entry | None = None

    def __post_init__(self) -> None:
        self.footprint = Footprint(budget=self.spec.budget)

    def run(self) -> Controller:
        """Replay the journal, then propose, do, journal, tell; the controller with everything it was told."""
        controller = self._controller()
        controller.replay(event for event in self.log.events if event.kind != "note")
        for event in self.log.events:
            self._take(event)
            self.footprint.before.update({k: event.data[k] for k in ("energy_wh", "co2e_g") if k in event.data})
        seen = ((self.shop.reading_key(one.candidate), one.readings) for one in controller.trials if one.readings)
        self.shop.seen.update(seen)
        start = time.monotonic() - self.elapsed
        deadline = self._deadline(start)
        self._say(deadline, start)
        self.footprint.start()
        with engine.build(self.spec.engine, self.shop, reopening.again(self.spec, self.shop)) as pump:
            while self._fill(pump, controller, deadline) or self._flying:
                for event in pump.wait():
                    job, begun = self._flying.pop(event.number)
                    self.durations.setdefault(_cost_of(job), []).append(time.monotonic() - begun)
                    spent = {"elapsed": round(time.monotonic() - start, 3), **self.footprint.spent()}
                    told = stamped(event, spent)
                    self.log.append(told)
                    controller.tell(told)
                    self._take(told)
                    self._say(deadline, start)
        self.footprint.stop()
        self.elapsed = time.monotonic() - start
        return controller

    def _controller(self) -> Controller:
        meters = {
            f"{one.name}/{limit}" for one in self.spec.policy.require if one.kind == "meter" for limit in one.limits
        }
        names = self.shop.constraint_names
        prior = [] if self.night is not None else self.earlier.observations(names)
        return Controller(
            self.spec.space,
            self.spec.objectives,
            names,
            self.spec.seed if self.night is None else self.night.seed,
            sampler=self.spec.sampler,
            exact=[name for name in names if name in meters],
            trials=self.spec.budget.trials,
            warm=self.earlier.front if self.night is None else self.night.warm,
            prior=prior,
            rungs=self.spec.rungs,
            gate=self.spec.rungs,
            choose=self.spec.policy.choose,
            tie=self._tie(),
        )

    def _tie(self) -> float:
        """The standard error of the difference of two errors on the same search rows, where two students disagree on
        as many rows as the teacher is wrong on: √(d/n). Of a regression's relative error √(1/2n) of the teacher's."""
        shop = self.shop
        n, error = len(shop.dataset.splits["search"]), shop.error(shop.teacher_predictions("search"), "search")
        return sqrt(error / n) if shop.dataset.classes else error / sqrt(2 * n)

    def _fill(self, pump: engine.Engine, controller: Controller, deadline: float | None) -> bool:
        """Hand out jobs while there is room, work and time; whether any was."""
        handed = False
        while len(self._flying) < pump.slots:
            left = None if deadline is None or self._owed() else deadline - time.monotonic()
            if (left is not None and left <= 0) or self.footprint.exhausted():
                break
            step = controller.next()
            for event in step.events:
                told = stamped(event, {})
                self.log.append(told)
                self._take(told)
            if step.job is None or (left is not None and self._expected(step.job) > left):
                break
            self._flying[step.job.candidate.number] = (step.job, time.monotonic())
            pump.submit(step.job, deadline)
            handed = True
        return handed

    def _owed(self) -> bool:
        """Whether nothing was trained yet of what every search begins with: minutes that setting up has used leave one
        candidate all the same (its training ends with the epoch that is late), since without any nothing is decided."""
        if self.night is not None or self._flying or len(self.entries) >= len(first(self.spec.space)):
            return False
        return not any(entry.state == "finished" for entry in self.entries.values())

    def _deadline(self, start: float) -> float | None:
        """When the search ends by the clock (None: it does not). A night whose shortlist is chosen searches no more:
        a second shortlist would be a second look."""
        if self.night is None:
            minutes = self.spec.budget.minutes
            return None if minutes is None else start + 60 * minutes
        if any("shortlist" in event.data for event in self.log.events if event.kind == "note"):
            return start
        return self.night.search_until(certify.PATIENCE, self.elapsed)

    def _take(self, event: Event) -> None:
        if event.entry is not None:
            self.entries[event.number] = event.entry
            self._best = compose.better(self._best, event.entry, self.spec.policy.choose)
            self.took(event.entry)
            if event.kind == "stopped":  # it is trained no more
                jobs.discard(event.entry.candidate, self.shop)
        self.elapsed = max(self.elapsed, float(event.data.get("elapsed", 0.0)))

    def _expected(self, job: Job) -> float:
        """Seconds that a job is likely to take: like those of its kind, family and last epoch, or like all."""
        seen = self.durations.get(_cost_of(job)) or [one for many in self.durations.values() for one in many]
        return median(seen) if seen else 0.0

    def _say(self, deadline: float | None, start: float) -> None:
        done, total = len(self.entries), self.spec.budget.trials
        pace = (time.monotonic() - start) / done if done else FIRST_GUESS
        by_clock = None if deadline is None else max(0.0, deadline - time.monotonic())
        by_count = None if total is None else (total - done) * pace
        left = min((one for one in (by_clock, by_count) if one is not None), default=None)
        best = compose.best_so_far(self._best, self.spec.policy.choose, bool(self.shop.dataset.classes))
        self.watch(Progress(phase="search", text="searching", done=done, total=total, seconds_left=left, best=best))


def stamped(event: Event, data: Mapping[str, Any]) -> Event:
    """The event with the time and what else is to be journaled with it."""
    return replace(event, at=now(), data={**event.data, **data})


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cost_of(job: Job) -> str:
    return f"{job.kind}/{job.candidate.family}/{job.to_epoch or 'end'}"
