"""Where jobs run. ``local`` with one worker is this process; more workers and clusters come with their own engines."""

from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from autodistill import jobs
from autodistill.errors import SpecError
from autodistill.records import Event, Job


class Engine(Protocol):
    """Runs jobs. ``slots`` is how many it takes at once; results come in any order."""

    slots: int

    def submit(self, job: Job, deadline: float | None) -> None:
        """Take a job; a training is cut at ``deadline`` (``time.monotonic()``)."""
        ...

    def wait(self, timeout: float | None = None) -> tuple[Event, ...]:
        """The outcomes that have come in: at least one, or none after ``timeout`` seconds or with nothing at work."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is at work; what it had reached is on the disk."""
        ...


class InProcess:
    """One job at a time, in this process."""

    slots = 1

    def __init__(self, shop: jobs.Workshop) -> None:
        self._shop = shop
        self._waiting: deque[tuple[Job, float | None]] = deque()

    def submit(self, job: Job, deadline: float | None) -> None:
        """See ``Engine``."""
        self._waiting.append((job, deadline))

    def wait(self, timeout: float | None = None) -> tuple[Event, ...]:  # noqa: ARG002
        """See ``Engine``; the job is done here and now, so there is nothing to time out."""
        return (jobs.do(*self._taken()),) if self._waiting else ()

    def _taken(self) -> tuple[Job, jobs.Workshop, float | None]:
        job, deadline = self._waiting.popleft()
        return job, self._shop, deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.clear()


def refuse(options: Mapping[str, Any]) -> None:
    """SpecError for an engine that is not there yet, before anything is read."""
    workers = options.get("workers", 1)
    if workers != 1:
        raise SpecError(f"{workers} workers are not supported yet", where="engine.workers", do="use 1")


def build(options: Mapping[str, Any], shop: jobs.Workshop) -> Engine:
    """The engine that an experiment file asks for."""
    refuse(options)
    return InProcess(shop)
