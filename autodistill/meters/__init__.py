"""What is read off an artefact: one file a meter, one frozen dataclass a file, ``read(artefact, bench) -> Readings``.

A meter judges nothing and starts nothing: the bench gives it timing runs, counted work and a fresh process's memory.
Its ``unit`` is the base unit of what a policy may limit, ``limits`` how.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from autodistill.records import Reading
from autodistill.runtime.work import Work


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One timing process. ``models`` maps artefact, artefact@32, teacher, reference and floor to what the process saw
    (µs a call: ``p10``, ``p50``, ``p95``, or ``error``); ``at`` is Unix time, ``teacher`` the teacher's digest."""

    at: float
    models: Mapping[str, Mapping[str, Any]]
    teacher: str = ""
    pinned: bool = False
    counts_preemption: bool = False
    other_load: float | None = None

    def value(self, model: str) -> float | None:
        """The 10th percentile of a model, µs a call; None where it was not read."""
        found = self.models.get(model, {}).get("p10")
        return None if found is None else float(found)


class Bench(Protocol):
    """What a meter may ask for about one artefact.

    ``teacher`` is the teacher's digest ("" where there is none), ``is_teacher`` whether the artefact is the teacher
    itself, ``device`` names the machine and its runtime; ``runs`` are the timing runs so far, ``failure`` why there is
    none.
    """

    @property
    def batch(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def teacher(self) -> str: ...
    @property
    def is_teacher(self) -> bool: ...
    @property
    def runs(self) -> tuple[Run, ...]: ...
    @property
    def failure(self) -> str: ...

    def best(self, at: float) -> float | None:
        """The reference's best on this machine, runtime and processor within 24 hours of a time, µs a call."""
        ...

    def work(self, artefact: Path) -> Work:
        """Work a row, counted on the executed graph; ArtefactError where it does not run."""
        ...

    def memory(self, artefact: Path) -> Mapping[str, Any]:
        """``before`` and ``peak`` resident bytes of a fresh process that runs the artefact, or ``error``."""
        ...


class Meter(Protocol):
    """The contract of a file in this room."""

    unit: ClassVar[str]
    limits: ClassVar[tuple[str, ...]]

    def read(self, artefact: Path, bench: Bench) -> tuple[Reading, ...]:
        """The readings of an artefact; what cannot be read is a reading with its reason."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """Makes readings of what cannot be read."""

    unit: str
    method: str
    device: str
    source: Literal["measured", "modelled"] = "measured"

    def reading(self, quantity: str, reason: str) -> Reading:
        """A reading without a value."""
        return Reading(
            quantity=quantity,
            unit=self.unit,
            value=None,
            method=self.method,
            device=self.device,
            source=self.source,
            status="unavailable",
            reason=reason,
        )
