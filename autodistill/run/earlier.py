"""What an earlier search leaves to begin from: its front, and what it saw of the same rows.

Read from its journal alone: errors, readings and constraints of the search split. Nothing that its audit found can
steer the next search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from autodistill import verdict
from autodistill.errors import RunError
from autodistill.journal import HEADER
from autodistill.optimise import Observation
from autodistill.records import Entry, Event, decode, encode
from autodistill.run.folder import read_run

SAME = ("table", "splits", "teacher", "policy")
"""What two searches must share for the errors and constraints of one to be evidence in the other."""
WITHOUT = "begin without it: take warm_start out"
MOST = 12
"""So many candidates of an earlier front are trained again at most."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """``front`` holds the parameters of candidates that no other of their search beat, the most exact first;
    ``entries`` what was trained to the end on the very same rows; ``said`` tells it in a sentence."""

    front: tuple[Mapping[str, Any], ...] = ()
    entries: tuple[Entry, ...] = ()
    said: str = ""

    def observations(self, names: Sequence[str]) -> list[Observation]:
        """The entries as the controller takes them; ``names`` are those of their constraints, in order."""
        return [
            Observation(
                candidate=one.candidate,
                error=one.error,
                readings=one.readings,
                constraints=dict(zip(names, one.constraints, strict=False)),
            )
            for one in self.entries
            if one.error is not None
        ]


def earlier(folder: str, identity: Mapping[str, str], objectives: Sequence[str]) -> Earlier:
    """What the run in ``folder`` ("" for none) leaves for a run with this ``identity``; it is not changed.

    Raises RunError where there is no run or its journal cannot be read.
    """
    if not folder:
        return Earlier()
    there = read_run(Path(folder))
    if there is None:
        raise RunError("there is no run to begin from", where=folder, do="name a run's folder as warm_start")
    finished = _finished(Path(folder) / "journal.jsonl")
    points = np.array([_point(entry, objectives) for entry in finished])
    kept = sorted((finished[at] for at in verdict.front(points)), key=lambda entry: (entry.error, entry.candidate.key))
    front = tuple({encode(dict(one.candidate.parameters)): one.candidate.parameters for one in kept[:MOST]}.values())
    changed = [name for name in SAME if there.identity.get(name) != identity.get(name)]
    if changed:
        said = (
            f"{len(front)} candidates of {folder} are tried first; its {', '.join(changed)} differ, so no more is taken"
        )
        return Earlier(front=front, said=said)
    said = f"{len(front)} candidates of {folder} are tried first; the sampler knows what all {len(finished)} came to"
    return Earlier(front=front, entries=finished, said=said)


def _finished(path: Path) -> tuple[Entry, ...]:
    try:
        header, *lines = path.read_bytes().split(b"\n")[:-1]
        if msgspec.json.decode(header) != HEADER:
            raise RunError("has another format", where=str(path), do=WITHOUT)
        events = [decode(line, Event) for line in lines]
    except (OSError, ValueError, msgspec.DecodeError) as fault:
        raise RunError(
            f"cannot be read: {fault}", where=str(path), do="begin without it: take warm_start out"
        ) from fault
    return tuple(one.entry for one in events if one.kind == "finished" and one.entry is not None)


def _point(entry: Entry, objectives: Sequence[str]) -> list[float]:
    found = [entry.error if name == "error" else _value(entry, name) for name in objectives]
    return [float("inf") if value is None else value for value in found]


def _value(entry: Entry, name: str) -> float | None:
    one = verdict.reading(entry.readings, name)
    return None if one is None else one.value
