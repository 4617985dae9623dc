"""A meter: what goes over the air when a device fetches the student."""

import gzip
from dataclasses import dataclass
from typing import ClassVar

from autodistill.records import Reading


@dataclass(frozen=True)
class Download:
    """Bytes of the gzipped file. Networks are read before they are trained, and random weights compress no better."""

    unit: ClassVar[str] = "B"
    limits: ClassVar[tuple[str, ...]] = ("at_most", "at_most_ratio")

    def read(self, artefact, bench):
        value = float(len(gzip.compress(artefact.read_bytes(), mtime=0)))
        method = "gzip, level 9"
        return (Reading(quantity="download", unit="B", value=value, method=method, device=bench.device, repeats=1),)
