"""What a sampler may know beforehand."""

from dataclasses import dataclass

from autodistill.optimise.curves import OutlookAt, unknown
from autodistill.space import Space


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """The space, the objectives and constraints by name, and which constraints are
    exact (known before training). ``outlook`` tells the last error from that at a rung, if it can."""

    space: Space
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    exact: frozenset[str] = frozenset()
    outlook: OutlookAt = unknown
