"""Jobs over several workers, with a lane of its own for measuring: a reading beside a training would be bent by it.

A worker makes the file that is measured; files wait until a worker has nothing else to do. Then the workers are
drained, all waiting files are read one after another, and training goes on. A candidate that waits to be measured takes
no worker's place, so that some are measured at once. What is known already is answered at once.
"""

import time
from collections import Counter, deque
from dataclasses import replace
from types import TracebackType
from typing import Self

from autodistill import jobs
from autodistill.engine.protocol import Crew, Died, Fault, Outcome, Task
from autodistill.engine.worker import work
from autodistill.errors import RunError
from autodistill.records import Event, Job

DEATHS = 2
"""A task whose worker dies is taken up again by another; after so many deaths its candidate is broken."""
STILLBORN = 3
"""Workers in a row that die before they can begin: then it is not the task."""


class Pool:
    """An engine over a crew.

    ``spans`` has a (task's kind, start, end) for whatever was done, in order of its end (``time.monotonic()``).
    """

    def __init__(self, shop: jobs.Workshop, crew: Crew) -> None:
        self.spans: list[tuple[str, float, float]] = []
        self._shop, self._crew = shop, crew
        self._makes: deque[Task] = deque()
        self._making: dict[str, list[Task]] = {}
        self._shapes: deque[Task] = deque()
        self._trains: deque[Task] = deque()
        self._ready: list[Event] = []
        self._begun: dict[tuple[str, int], float] = {}
        self._deaths: Counter[tuple[str, int, int | None]] = Counter()
        self._stillborn = 0
        self._draining = False
        self._fault: RunError | None = None

    @property
    def slots(self) -> int:
        """As many as the crew, and as many again of candidates that wait to be measured."""
        unread = len(self._makes) + sum(map(len, self._making.values())) + len(self._shapes)
        return self._crew.size + min(unread, self._crew.size)

    def submit(self, job: Job, deadline: float | None) -> None:
        """See ``Engine``."""
        if job.kind == "train":
            until = None if deadline is None else time.time() + deadline - time.monotonic()
            readings = self._shop.seen.get(self._shop.reading_key(job.candidate), {})
            self._trains.append(Task(kind="train", job=job, readings=readings, until=until))
        elif (key := self._unread(job)) is None:
            self._ready.append(jobs.do(job, self._shop))
        else:
            self._makes.append(Task(kind="make", job=job, key=key))
        self._hand_out()

    def wait(self, timeout: float | None = None) -> tuple[Event, ...]:
        """See ``Engine``."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            self._hand_out()
            if self._ready:
                break
            if self._fault is not None:
                raise self._fault
            ended = self._crew.ended(None if until is None else max(0.0, until - time.monotonic()))
            if not ended:
                return ()
            for task, outcome in ended:
                self._take(task, outcome)
        events, self._ready = tuple(self._ready), []
        return events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._crew.close()

    def _unread(self, job: Job) -> str | None:
        try:
            return jobs.unread(job.candidate, self._shop)
        except Exception:  # what is wrong with such a candidate the job itself will say
            return None

    def _hand_out(self) -> None:
        """Give work to whoever is free; where one has none and files wait, drain and measure."""
        crew = self._crew
        if self._fault is not None:
            return
        if crew.reads == "apart":
            if self._shapes and not crew.reading:
                self._start(replace(self._shapes.popleft(), kind="read"))
        elif crew.reading:
            return
        self._draining &= bool(self._shapes)
        self._give(self._makes)
        if not self._draining:
            self._give(self._trains)
        if self._shapes and crew.reads != "apart" and crew.busy < crew.size:
            self._draining = True
            if crew.busy == 0:
                self._measure()

    def _give(self, waiting: deque[Task]) -> None:
        while waiting and self._crew.busy < self._crew.size:
            task = waiting.popleft()
            if task.kind == "make":
                if task.key in self._making:  # the same file, for another candidate
                    self._making[task.key].append(task)
                    continue
                self._making[task.key] = [task]
            self._start(task)

    def _start(self, task: Task) -> None:
        self._begun[task.kind, task.job.candidate.number] = time.monotonic()
        self._crew.give(task)

    def _measure(self) -> None:
        """Nobody is at work: read what waits, one after another."""
        if self._crew.reads == "drained":
            return self._start(replace(self._shapes.popleft(), kind="read"))
        while self._shapes and self._fault is None:
            task = replace(self._shapes.popleft(), kind="read")
            self._begun[task.kind, task.job.candidate.number] = time.monotonic()
            self._take(task, work(task, self._shop))
        self._hand_out()
        return None

    def _take(self, task: Task, outcome: Outcome) -> None:
        """What became of a task."""
        begun = self._begun.pop((task.kind, task.job.candidate.number))
        self.spans.append((task.kind, begun, time.monotonic()))
        if isinstance(outcome, Died):
            return self._again(task, outcome)
        self._stillborn = 0
        if isinstance(outcome, Fault):
            self._fault = self._fault or outcome.error()
        elif outcome is None:
            self._shapes.extend(self._making.pop(task.key))
        else:
            if task.kind == "make":  # it broke, and others may not
                self._makes.extendleft(self._making.pop(task.key)[1:])
            elif task.kind == "read" and outcome.readings:
                self._shop.seen[task.key] = outcome.readings
            self._ready.append(outcome)
        return None

    def _again(self, task: Task, died: Died) -> None:
        """Take a dead worker's task up again; tell it as broken where that was tried."""
        self._stillborn = 0 if died.begun else self._stillborn + 1
        if self._stillborn >= STILLBORN:
            self._fault = RunError(
                f"workers end before they can begin ({died.why})",
                where="engine",
                do="use engine: {workers: 1}, or mend what they say",
            )
        job = task.job
        mark = (task.kind, job.candidate.number, job.to_epoch)
        self._deaths[mark] += died.begun
        waiting = {"make": self._makes, "read": self._shapes, "train": self._trains}[task.kind]
        others = self._making.pop(task.key)[1:] if task.kind == "make" else []
        if self._deaths[mark] < DEATHS:
            waiting.appendleft(task if task.kind != "read" else replace(task, kind="make"))
        else:
            why = f"its process ended twice, the last time so: {died.why}"
            self._ready.append(jobs.broken(job, why))
        self._makes.extendleft(others)
