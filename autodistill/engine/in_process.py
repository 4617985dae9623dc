"""One job at a time, in this process."""

from collections import deque
from types import TracebackType
from typing import Self

from autodistill import jobs
from autodistill.records import Event, Job


class InProcess:
    """See ``Engine``. The best on one core: there is nothing to hand over."""

    slots = 1

    def __init__(self, shop: jobs.Workshop) -> None:
        self._shop = shop
        self._waiting: deque[tuple[Job, float | None]] = deque()

    def submit(self, job: Job, deadline: float | None) -> None:
        """See ``Engine``."""
        self._waiting.append((job, deadline))

    def wait(self, timeout: float | None = None) -> tuple[Event, ...]:  # noqa: ARG002
        """See ``Engine``; the job is done here and now, so there is nothing to time out."""
        if not self._waiting:
            return ()
        job, deadline = self._waiting.popleft()
        return (jobs.do(job, self._shop, deadline),)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.clear()
