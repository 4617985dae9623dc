"""Where jobs run. ``local`` with one worker is this process; more workers and clusters come with their own engines."""

from collections.abc import Mapping
from typing import Any, Protocol

from autodistill import jobs
from autodistill.errors import SpecError
from autodistill.records import Event, Job


class Engine(Protocol):
    """Runs jobs."""

    def do(self, job: Job, deadline: float | None) -> Event:
        """The outcome of one job; a training is cut at ``deadline`` (``time.monotonic()``)."""
        ...


class InProcess:
    """One job at a time, in this process."""

    def __init__(self, shop: jobs.Workshop) -> None:
        self._shop = shop

    def do(self, job: Job, deadline: float | None) -> Event:
        """See ``Engine``."""
        return jobs.do(job, self._shop, deadline)


def refuse(options: Mapping[str, Any]) -> None:
    """SpecError for an engine that is not there yet, before anything is read."""
    workers = options.get("workers", 1)
    if workers != 1:
        raise SpecError(f"{workers} workers are not supported yet", where="engine.workers", do="use 1")


def build(options: Mapping[str, Any], shop: jobs.Workshop) -> Engine:
    """The engine that an experiment file asks for."""
    refuse(options)
    return InProcess(shop)
