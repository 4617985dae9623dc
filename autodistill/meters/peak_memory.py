"""What an artefact takes in memory while it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from autodistill.meters import Absent, Bench
from autodistill.records import Reading

METHOD = "largest resident memory of a fresh process that opens it and runs its rows"


@dataclass(frozen=True)
class PeakMemory:
    """Peak resident memory of a fresh process, interpreter and runtime included (``details``: what it had before)."""

    unit: ClassVar[str] = "B"
    limits: ClassVar[tuple[str, ...]] = ("at_most", "at_most_ratio")

    def read(self, artefact: Path, bench: Bench) -> tuple[Reading, ...]:
        """peak_memory (B)."""
        found = bench.memory(artefact)
        if found.get("peak") is None:
            reason = found.get("error") or "this system does not report the peak memory of a process"
            return (Absent(unit="B", method=METHOD, device=bench.device).reading("peak_memory", reason),)
        reading = Reading(
            quantity="peak_memory", unit="B", value=float(found["peak"]), method=METHOD, device=bench.device,
            repeats=1, details={"before": found["before"], "added": found["peak"] - found["before"]},
        )  # fmt: skip
        return (reading,)
