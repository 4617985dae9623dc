"""What an engine is, and what passes between one and its workers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

from autodistill.errors import RunError
from autodistill.records import Event, Job, Reading


class Engine(Protocol):
    """Runs jobs. ``slots`` is how many it takes at once, which may change; results come in any order."""

    @property
    def slots(self) -> int: ...

    def submit(self, job: Job, deadline: float | None) -> None:
        """Take a job; a training is cut at ``deadline`` (``time.monotonic()``)."""
        ...

    def wait(self, timeout: float | None = None) -> tuple[Event, ...]:
        """The outcomes that have come in: at least one, or none after ``timeout`` seconds or with nothing at work.

        RunError where the run itself cannot go on.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is at work; what it had reached is on the disk."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a worker is given: to ``make`` the file that is measured, to ``read`` it, or to ``train``.

    ``readings`` is what the search saw of a candidate that is trained; ``until`` (``time.time()``, which machines
    share) is when its training is cut.
    """

    kind: Literal["make", "read", "train"]
    job: Job
    key: str = ""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    until: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Why the run cannot go on, as a worker met it."""

    what: str
    where: str = ""
    do: str = ""

    def error(self) -> RunError:
        """To be raised."""
        return RunError(self.what, where=self.where, do=self.do)


@dataclass(frozen=True, kw_only=True, slots=True)
class Died:
    """A worker ended before its task did; ``begun``: after it had been ready to work."""

    why: str
    begun: bool


Outcome = Event | Fault | Died | None
"""Of a task. None: a file was made."""


class Crew(Protocol):
    """Some workers. A task is done by one of them; a worker that dies is replaced when there is something to do.

    ``reads`` says where measuring is done: "here", in the engine's process while nobody works; "drained", by a worker
    of the crew's own while nobody else works; "apart", by one that trainings do not reach.
    """

    @property
    def size(self) -> int: ...

    @property
    def reads(self) -> Literal["here", "drained", "apart"]: ...

    @property
    def busy(self) -> int:
        """Workers that train or make files, or are still starting: nothing can be measured beside them."""
        ...

    @property
    def reading(self) -> bool:
        """Whether the crew's own measuring worker is at work."""
        ...

    def give(self, task: Task) -> None:
        """Hand a task to a free worker: there must be one (``busy < size``, or not ``reading``)."""
        ...

    def ended(self, timeout: float | None) -> list[tuple[Task, Outcome]]:
        """Tasks that have ended: at least one, or none after ``timeout`` seconds or with nothing at work."""
        ...

    def close(self) -> None:
        """End every worker now."""
        ...
