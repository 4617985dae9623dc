"""What a search knows of one proposal."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from autodistill.records import Candidate, Entry, Event, Reading

WHOLE = 8
"""One candidate in so many shows what the rungs would have missed."""


@dataclass(kw_only=True, slots=True, eq=False)
class Trial:
    """What is known of one proposal. ``state``: proposed, measured, finished, refused, skipped, stopped, broken.
    ``of``: the earlier proposal that it repeats. ``fixed``: one that every search begins with; ``whole``: one of the
    random share that is trained to the end whatever its rungs say. ``objectives``: a value for each objective asked
    for, None where there is none. ``limits``: the constraints as known before training. ``rungs``: the error at each
    rung reached, ``came``: after how many others. ``stopped_at``: place and error of the rung at which it was
    stopped."""

    candidate: Candidate
    sampled: bool
    of: int | None = None
    fixed: bool = False
    whole: bool = False
    state: str = "proposed"
    handed: bool = False
    readings: Mapping[str, Reading] = field(default_factory=dict)
    objectives: tuple[float | None, ...] = ()
    constraints: tuple[float, ...] = ()
    limits: tuple[float, ...] | None = None
    epochs: int = 0
    seconds: float = 0.0
    rungs: dict[int, float] = field(default_factory=dict)
    came: dict[int, int] = field(default_factory=dict)
    stopped_at: tuple[int, float] | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state not in ("proposed", "measured")

    def ends(self, state: Literal["skipped", "stopped"], why: str, limits: int) -> Event:
        """The event that closes it, with its entry: what it costs, and what it was at its last rung."""
        stopped, last = state == "stopped", int(self.candidate.training.get("epochs", 1))
        entry = Entry(
            candidate=self.candidate,
            state=state,
            readings=self.readings,
            error=self.rungs[max(self.rungs)] if stopped else None,
            constraints=self.limits or (0.0,) * limits,
            fidelity={"epochs": self.epochs, "of": last, "whole": False} if stopped else {},
            seconds={"train": round(self.seconds, 3)} if stopped else {},
            reason=f"at epoch {self.epochs} of {last} {why}" if stopped else why,
        )
        return Event(kind=state, number=self.candidate.number, entry=entry)


def always_whole(seed: int, number: int) -> bool:
    """Whether a candidate is trained to the end whatever its rungs say."""
    return hashlib.sha256(f"{seed}/{number}/whole".encode()).digest()[0] % WHOLE == 0
