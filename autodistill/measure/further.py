"""Meters that a policy names beside those that every artefact is read by: of the room, or somebody's own."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autodistill import plugins
from autodistill.meters import Absent, Bench, Meter
from autodistill.records import Reading, digest


@dataclass(frozen=True)
class Further:
    """``name`` is the policy's, under which the reading is kept; ``source`` a digest of the meter's file, since what
    another version of it read is read again."""

    name: str
    meter: Meter
    source: str

    def read(self, artefact: Path, bench: Bench) -> Reading:
        """The meter's first reading; where it raises, why there is none."""
        try:
            return self.meter.read(artefact, bench)[0]
        except Exception as fault:  # somebody else's meter may raise anything; the search outlives it
            why = f"{type(fault).__name__}: {' '.join(str(fault).split())[:300]}"
            return Absent(unit=self.meter.unit, method=self.name, device=bench.device).reading(self.name, why)


def named(names: Iterable[str]) -> Mapping[str, Further]:
    """The meters of some names."""
    found = {}
    for name in names:
        file = inspect.getsourcefile(plugins.find("meters", name))
        source = "" if file is None else digest(Path(file).read_bytes())[:12]
        found[name] = Further(name, plugins.build("meters", name, {}), source)
    return found
