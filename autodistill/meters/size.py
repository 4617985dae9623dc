"""How large an artefact is."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from autodistill.errors import ArtefactError
from autodistill.meters import Absent, Bench
from autodistill.records import Reading

METHOD = "counted on the executed graph"


@dataclass(frozen=True)
class Size:
    """Bytes of the ONNX file, numbers it has learned, multiply-accumulates a row."""

    unit: ClassVar[str] = "B"
    limits: ClassVar[tuple[str, ...]] = ("at_most", "at_most_ratio")

    def read(self, artefact: Path, bench: Bench) -> tuple[Reading, ...]:
        """size (B), parameters, macs (a row)."""
        file = "bytes of the file"
        try:
            found = float(artefact.stat().st_size)
            size = Reading(quantity="size", unit="B", value=found, method=file, device=bench.device, repeats=1)
        except OSError as error:
            size = Absent(unit="B", method=file, device=bench.device).reading("size", f"{artefact}: {error.strerror}")
        absent = Absent(unit="1", method=METHOD, device=bench.device)
        try:
            work = bench.work(artefact)
        except ArtefactError as error:
            return size, absent.reading("parameters", str(error)), absent.reading("macs", str(error))
        parameters = Reading(
            quantity="parameters", unit="1", value=float(work.parameters), method=METHOD, device=bench.device, repeats=1
        )
        if work.unknown:
            reason = f"no rule counts the work of {', '.join(work.unknown)}"
            return size, parameters, absent.reading("macs", reason)
        macs = Reading(
            quantity="macs", unit="1", value=sum(work.macs.values()), method=METHOD, device=bench.device, repeats=1,
            details=dict(work.macs),
        )  # fmt: skip
        return size, parameters, macs
